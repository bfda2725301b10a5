/**
 * What programs of this node want of one persistent or replicated database, between them and its machine.
 *
 *   transact ─▶ event ─▶ (a name: told before anything is sent) ─▶ answer ─▶ end
 *   fate ─▶ told        read latest ─▶ readable ─▶ the values that are here then
 *
 * Does NOT promise: ends before the deadlines; the machine sees to that while it runs, and `lose` when it does not.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { WRITE_BYTES } from "../../transport/wire/commit/entry.ts";
import { TXN_ITEMS_MAX } from "../../transport/wire/messages/commit.ts";
import { KEY_MAX, tooLong, VALUE_MAX } from "../../transport/wire/limits.ts";
import type {
  CommitEffect,
  CommitEvent,
  TxnOutcome,
  TxnStatus,
} from "../machines/commit/events.ts";
import { COMMIT_TUNABLES } from "../machines/commit/tunables.ts";
import type { CommitState } from "../machines/commit/state.ts";
import type { Key } from "../machines/record/copy.ts";
import type { TxnEnd, TxnFate, TxnName, TxnWish } from "./commit_ops.ts";

/** A client that is gone keeps its sessions so long: who comes back asks by name, ms. */
export const CLIENT_KEEP_MS = 60_000;
/** Bytes of the writes of one transaction: one entry of the log has them all. */
export const TXN_BYTES_MAX: number = COMMIT_TUNABLES.txnBytes.value;
/** What waits at once in one database, beyond which more is refused. */
export const ASKS_MAX = 16_384;

interface Txn {
  readonly wish: TxnWish;
  readonly end: (end: TxnEnd) => void;
  readonly onName: ((name: TxnName) => void) | undefined;
  name: TxnName | undefined;
}

/** What it needs. */
export interface AsksParts {
  /** Why nothing can be asked now; undefined: it can. */
  readonly closed: () => { readonly code: "gone" | "damaged"; readonly why: string } | undefined;
  readonly feed: (event: CommitEvent) => void;
  /** A key that was read and is another one here by now. */
  readonly conflictOf: (wish: TxnWish) => Key | undefined;
}

/** Those of one database. */
export class CommitAsks {
  readonly counts = { committed: 0, aborted: 0, unknown: 0 };
  readonly #parts: AsksParts;
  readonly #txns = new Map<number, Txn>();
  readonly #fates = new Map<number, (fate: TxnFate) => void>();
  readonly #reads = new Map<number, (isHere: boolean) => void>();
  /** Transactions that had no name when they were looked at last. */
  readonly #nameless = new Set<number>();
  #nextId = 1;

  constructor(parts: AsksParts) {
    this.#parts = parts;
  }

  /** What waits. */
  get size(): number {
    return this.#txns.size + this.#fates.size + this.#reads.size;
  }

  transact(
    client: number,
    wish: TxnWish,
    deadlineMs: number,
    onName?: (name: TxnName) => void,
  ): Promise<TxnEnd> {
    checkWish(wish);
    const { closed, feed } = this.#parts;
    const refusal = closed();
    const { reads, again, lineage } = wish;
    if (refusal !== undefined) {
      return Promise.resolve(
        again === undefined
          ? { outcome: "aborted", name: undefined, ...refusal, conflict: undefined }
          : { outcome: "unknown", name: again, why: refusal.why },
      );
    }
    this.#room();
    const id = this.#nextId++;
    return new Promise((end) => {
      this.#txns.set(id, { wish, end, onName, name: again });
      if (again === undefined) this.#nameless.add(id);
      const writes = wish.writes.map(({ key, value }) => ({ key, value }));
      const more = {
        ...again === undefined ? {} : { again },
        ...lineage === undefined ? {} : { lineage },
      };
      feed({ kind: "transaction", id, client, wish: { reads, writes }, deadlineMs, ...more });
    });
  }

  fate(txid: TxnName, finalize: boolean, deadlineMs: number): Promise<TxnFate> {
    const { closed, feed } = this.#parts;
    const refusal = closed();
    if (refusal !== undefined) return Promise.resolve({ state: "timeout", why: refusal.why });
    this.#room();
    const id = this.#nextId++;
    return new Promise((end) => {
      this.#fates.set(id, end);
      feed({ kind: "status", id, txid, finalize, deadlineMs });
    });
  }

  /** Waits until all that is committed now is here; false: not in time. */
  latest(deadlineMs: number): Promise<boolean> {
    const { closed, feed } = this.#parts;
    if (closed() !== undefined) return Promise.resolve(false);
    this.#room();
    const id = this.#nextId++;
    return new Promise((end) => {
      this.#reads.set(id, end);
      feed({ kind: "read", id, deadlineMs });
    });
  }

  #room(): void {
    if (this.size < ASKS_MAX) return;
    throw new CtdbxError(
      "limit",
      `Cannot ask: ${ASKS_MAX} transactions and questions wait already`,
    );
  }

  // --- from the machine

  /** After a step, before its effects are done: who got a name is told it. */
  named({ asking }: CommitState): void {
    for (const id of this.#nameless) {
      const txid = asking.asked.get(id)?.txid;
      const one = this.#txns.get(id);
      if (one !== undefined && txid === undefined) continue;
      this.#nameless.delete(id);
      if (one === undefined || txid === undefined) continue;
      one.name = txid;
      one.onName?.(txid);
    }
  }

  answered({ id, txid, result }: Extract<CommitEffect, { kind: "answer" }>): void {
    const one = this.#txns.get(id);
    if (one === undefined) return;
    this.#end(id, one, endOf(result, txid ?? one.name, () => this.#parts.conflictOf(one.wish)));
  }

  told({ id, status }: Extract<CommitEffect, { kind: "told" }>): void {
    const end = this.#fates.get(id);
    this.#fates.delete(id);
    end?.(fateOf(status));
  }

  readable({ id, seq }: Extract<CommitEffect, { kind: "readable" }>): void {
    const end = this.#reads.get(id);
    this.#reads.delete(id);
    end?.(seq !== undefined);
  }

  /** The machine runs no more: what was sent is unknown, the rest was never done. */
  lose(code: "gone" | "damaged", why: string): void {
    for (const [id, one] of [...this.#txns]) {
      const { name } = one;
      this.#end(
        id,
        one,
        name === undefined
          ? { outcome: "aborted", name, code, why, conflict: undefined }
          : { outcome: "unknown", name, why },
      );
    }
    for (const end of this.#fates.values()) end({ state: "timeout", why });
    for (const end of this.#reads.values()) end(false);
    this.#fates.clear();
    this.#reads.clear();
    this.#nameless.clear();
  }

  #end(id: number, one: Txn, end: TxnEnd): void {
    this.#txns.delete(id);
    this.#nameless.delete(id);
    this.counts[end.outcome] += 1;
    one.end(end);
  }
}

function endOf(
  result: TxnOutcome,
  name: TxnName | undefined,
  conflictOf: () => Key | undefined,
): TxnEnd {
  switch (result.outcome) {
    case "committed": {
      const { seq, dbseq, isBehind } = result;
      // What is committed had been sent, and what was sent has a name.
      return { outcome: "committed", name: name as TxnName, seq, dbseq, isBehind };
    }
    case "aborted": {
      const { code, why } = result;
      const conflict = code === "conflict" ? result.key ?? conflictOf() : undefined;
      return { outcome: "aborted", name, code, why, conflict };
    }
    case "unknown": {
      const { why } = result;
      return name === undefined
        ? { outcome: "aborted", name, code: "timeout", why, conflict: undefined }
        : { outcome: "unknown", name, why };
    }
  }
}

function fateOf(status: TxnStatus): TxnFate {
  return status.state === "timeout"
    ? { state: "timeout", why: "no primary answered in time" }
    : status;
}

/** Throws CtdbxError "limit" or "state". */
function checkWish({ reads, writes }: TxnWish): void {
  if (reads.length === 0 && writes.length === 0) {
    throw new CtdbxError("state", "Cannot transact: nothing is read and nothing is written");
  }
  checkKeysOf("read", reads);
  checkKeysOf("written", writes);
  let bytes = 0;
  for (const { key, value } of writes) {
    const length = value?.length ?? 0;
    if (length > VALUE_MAX) throw tooLong("value", length, "VALUE_MAX", VALUE_MAX);
    bytes += WRITE_BYTES + key.length + length;
  }
  if (bytes > TXN_BYTES_MAX) throw tooLong("transaction", bytes, "TXN_BYTES_MAX", TXN_BYTES_MAX);
}

function checkKeysOf(what: string, items: readonly { readonly key: Key }[]): void {
  if (items.length > TXN_ITEMS_MAX) {
    const text =
      `Cannot transact: ${items.length} keys are ${what}, TXN_ITEMS_MAX is ${TXN_ITEMS_MAX}`;
    throw new CtdbxError("limit", text);
  }
  const seen = new Set<Key>();
  for (const { key } of items) {
    if (!isBytes(key)) {
      throw new CtdbxError("state", "Cannot transact: a key has a character above U+00FF");
    }
    if (key.length > KEY_MAX) throw tooLong("key", key.length, "KEY_MAX", KEY_MAX);
    if (seen.has(key)) {
      throw new CtdbxError(
        "state",
        `Cannot transact: a key is ${what} twice: ${JSON.stringify(key)}`,
      );
    }
    seen.add(key);
  }
}

function isBytes(key: Key): boolean {
  for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) > 0xff) return false;
  return true;
}
