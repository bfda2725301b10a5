/**
 * States of one persistent or replicated database that programs read while transactions go on.
 *
 *   open ─▶ read, list ─▶ close       its client dies, or the copy is exchanged: closed
 *
 * Does NOT promise: to last; one of which too much has changed is refused "limit", and another must be opened.
 */
import { textOf } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Key } from "../machines/record/copy.ts";
import type { CommitFile } from "../storage/commit_file.ts";
import type { CommitSnapshot } from "../storage/commit_snapshot.ts";
import { HEADER, SEQ_KEY } from "../storage/commit_stage.ts";
import {
  type CommitRead,
  type CommitRefusal,
  type CommitSnapshotHost,
  type CommitValue,
  READ_KEYS_MAX,
  SNAPSHOTS_MAX,
} from "./commit_ops.ts";

type Visit = Parameters<CommitSnapshotHost["list"]>[1];

/** One that is open. */
class OpenSnapshot implements CommitSnapshotHost {
  readonly dbseq: bigint;
  readonly client: number;
  readonly #snapshot: CommitSnapshot;
  readonly #onClose: (snapshot: OpenSnapshot) => void;
  /** Why nothing is read of it any more; undefined: it is open. */
  #over: string | undefined;

  constructor(
    client: number,
    snapshot: CommitSnapshot,
    onClose: (snapshot: OpenSnapshot) => void,
  ) {
    this.client = client;
    this.dbseq = snapshot.dbseq;
    this.#snapshot = snapshot;
    this.#onClose = onClose;
  }

  read(keys: readonly Key[]): CommitRead {
    checkKeys(keys);
    if (this.#over !== undefined) return gone(this.#over);
    return readFrom(this.#snapshot, this.dbseq, keys);
  }

  async list(
    prefix: Key,
    visit: Visit,
  ): Promise<{ readonly ok: true; readonly count: number } | CommitRefusal> {
    if (this.#over !== undefined) return gone(this.#over);
    try {
      const keys = await keysOf(this.#snapshot, prefix);
      let count = 0;
      for (const key of keys) {
        // Whoever visits may take his time, and it may be closed meanwhile.
        if (this.#over !== undefined) return gone(this.#over);
        const found = this.#snapshot.fetch(key);
        if (found === undefined) continue;
        count += 1;
        const goesOn = await visit({ key, value: found.value, version: found.rsn });
        if (goesOn === false) break;
      }
      return { ok: true, count };
    } catch (error) {
      return refusalOf(error);
    }
  }

  close(why = "it was closed"): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#snapshot.close();
    this.#onClose(this);
  }
}

function gone(why: string): CommitRefusal {
  return { ok: false, code: "gone", why: `the snapshot is over: ${why}` };
}

/** Those of one database. */
export class CommitSnapshots {
  readonly #open = new Set<OpenSnapshot>();

  get size(): number {
    return this.#open.size;
  }

  /** Opens one, or says why not. */
  open(
    client: number,
    file: CommitFile,
  ): { readonly ok: true; readonly snapshot: CommitSnapshotHost } | CommitRefusal {
    if (this.#open.size >= SNAPSHOTS_MAX) {
      return { ok: false, code: "limit", why: `SNAPSHOTS_MAX is ${SNAPSHOTS_MAX}` };
    }
    try {
      const snapshot = new OpenSnapshot(client, file.snapshot(), (one) => this.#open.delete(one));
      this.#open.add(snapshot);
      return { ok: true, snapshot };
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** A client is no more. */
  clientDied(client: number): void {
    for (const one of [...this.#open]) if (one.client === client) one.close();
  }

  /** Closes all. */
  close(why: string): void {
    for (const one of [...this.#open]) one.close(why);
  }
}

/** Throws CtdbxError "limit" on more keys than one read may have. */
export function checkKeys(keys: readonly Key[]): void {
  if (keys.length <= READ_KEYS_MAX) return;
  throw new CtdbxError(
    "limit",
    `Cannot read ${keys.length} keys: READ_KEYS_MAX is ${READ_KEYS_MAX}`,
  );
}

/** Values in the order of the keys, of one state. */
export function readFrom(
  from: Pick<CommitFile, "fetch">,
  dbseq: bigint,
  keys: readonly Key[],
): CommitRead {
  try {
    const values = keys.map((key): CommitValue => {
      const found = from.fetch(key);
      return { key, value: found?.value, version: found?.rsn ?? 0n };
    });
    return { ok: true, dbseq, values };
  } catch (error) {
    return refusalOf(error);
  }
}

/** All keys that begin so, but for the database's own. */
async function keysOf(snapshot: CommitSnapshot, prefix: Key): Promise<Key[]> {
  const keys: Key[] = [];
  await snapshot.traverse((record) => {
    const text = textOf(record.key());
    if (record.valueLength >= HEADER && text.startsWith(prefix) && text !== SEQ_KEY) {
      keys.push(text);
    }
  });
  return keys;
}

/** What an error of the storage means to who reads. */
export function refusalOf(error: unknown): CommitRefusal {
  if (!(error instanceof CtdbxError)) throw error;
  const { code, message: why } = error;
  if (code === "busy" || code === "limit") return { ok: false, code, why };
  if (code === "state") return { ok: false, code: "busy", why };
  return { ok: false, code: "damaged", why };
}
