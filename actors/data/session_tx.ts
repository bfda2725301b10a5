/**
 * Transactions and snapshots of one program, at the persistent and replicated databases that it has attached.
 *
 *   transact ─▶ named, before anything has left the node ─▶ txn: committed | aborted | unknown      a refusal: error
 *   look     ─▶ values, all of one state: the node's own, the latest, or that of a snapshot
 *   list     ─▶ record, as the program takes them (more) ─▶ end
 *   ask      fate, snapshot, unsnapshot, commits
 *
 * Does NOT promise: that a program hears how a transaction ended; it has the name to ask by, over another connection.
 */
import type { FrameBody } from "../../transport/wire/client/frames.ts";
import { FRAME, FRAME_MAX } from "../../transport/wire/client/frames.ts";
import { type Outcome, writeEnd } from "../../transport/wire/client/bodies.ts";
import {
  type ListBody,
  LOOK_HOW,
  readList,
  readLook,
  readTransact,
  valuesSize,
  writeNamed,
  writeTxn,
  writeValues,
} from "../../transport/wire/client/txn_bodies.ts";
import type { TxnBody } from "../../transport/wire/client/txn_bodies.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import type {
  CommitOps,
  CommitRead,
  CommitRefusal,
  CommitSnapshotHost,
  CommitValue,
  TxnEnd,
} from "./commit_ops.ts";
import type { Session } from "./session.ts";
import { timeOf } from "./session_words.ts";

/** Transactions, reads and lists of one program that have not ended. */
export const SESSION_TXNS_MAX = 4096;
/** Bytes of the frames of its transactions that have not ended; the first is taken whatever it has. 64 MiB. */
export const SESSION_TXN_BYTES: number = 64 * 1024 * 1024;
/** Snapshots that one program has open. */
export const SESSION_SNAPSHOTS_MAX = 16;

const U32 = 0xffff_ffff;
const DIGITS = /^[0-9]{1,20}$/;
const NOTHING = { seq: 0n, dbseq: 0n, isBehind: false, conflict: undefined } as const;
/** The library's code of a refusal. */
const CODES: Readonly<Record<CommitRefusal["code"], ErrorCode>> = {
  busy: "busy",
  timeout: "timeout",
  gone: "state",
  damaged: "corrupt",
  limit: "limit",
};

type Args = Readonly<Record<string, unknown>>;

/** A list that is told. */
interface Listing {
  credit: number;
  /** Why it is over before its end. */
  why: string | undefined;
  /** Who waits for credit, or its end. */
  wake: () => void;
}

/** One program's. */
export class SessionTxns {
  readonly #session: Session;
  readonly #snapshots = new Map<number, CommitSnapshotHost>();
  readonly #lists = new Map<number, Listing>();
  #opening = 0;
  #nextSnapshot = 1;
  #running = 0;
  #bytes = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What has not ended. */
  get running(): number {
    return this.#running;
  }

  /** Takes a frame that is one of these; answers whether it is. Throws RangeError. */
  take(kind: number, id: number, body: FrameBody): boolean {
    switch (kind) {
      case FRAME.transact:
        this.#transact(id, body);
        return true;
      case FRAME.look:
        this.#look(id, body);
        return true;
      case FRAME.list:
        this.#list(id, readList(body));
        return true;
    }
    const listing = this.#lists.get(id);
    if (listing === undefined || (kind !== FRAME.more && kind !== FRAME.cancel)) return false;
    if (kind === FRAME.more) listing.credit += body.u32();
    else listing.why = "state it was called off";
    listing.wake();
    return true;
  }

  /** The program has gone. */
  end(): void {
    for (const snapshot of this.#snapshots.values()) snapshot.close();
    this.#snapshots.clear();
    for (const listing of this.#lists.values()) {
      listing.why = "state the program has ended";
      listing.wake();
    }
  }

  // --- transactions

  #transact(id: number, body: FrameBody): void {
    const size = body.left;
    const { ref, timeoutMs, again, reads, writes, lineage } = readTransact(body);
    if (this.#running > 0 && this.#bytes + size > SESSION_TXN_BYTES) {
      const text = `Cannot begin a transaction: SESSION_TXN_BYTES is ${SESSION_TXN_BYTES}`;
      return this.#session.failed(id, new CtdbxError("busy", `${text}; others are under way`));
    }
    const wish = {
      ...{ reads, writes },
      ...again === undefined ? {} : { again },
      ...lineage === undefined ? {} : { lineage },
    };
    this.#bytes += size;
    this.#run(id, async () => {
      try {
        const { client, writer } = this.#session;
        const end = await this.#at(ref).transact(client, wish, this.#until(timeoutMs), (name) => {
          if (this.#session.isClosed) return;
          writeNamed(writer, id, name);
          // Now: what is sent in this turn may be all that this node ever does about it.
          this.#session.flush();
        });
        this.#tell(() => writeTxn(writer, id, txnOf(end)));
      } finally {
        this.#bytes -= size;
      }
    });
  }

  // --- reads

  #look(id: number, body: FrameBody): void {
    const { ref, timeoutMs, how, snapshot, keys } = readLook(body);
    this.#run(id, async () => {
      const read = snapshot === 0
        ? await this.#at(ref).read(keys, how, this.#until(timeoutMs))
        : this.#snapshot(snapshot).read(keys);
      const { dbseq, values, lineage } = okOf(read);
      if (valuesSize({ values, lineage }) > FRAME_MAX - U32_BYTES * 2 || this.#session.isFull) {
        throw new CtdbxError("limit", "Cannot read so much at once: ask for fewer keys at a time");
      }
      this.#tell(() => writeValues(this.#session.writer, id, { dbseq, values, lineage }));
    });
  }

  #list(id: number, wish: ListBody<string>): void {
    const { timeoutMs, credit } = wish;
    const listing: Listing = { credit, why: undefined, wake: () => {} };
    const { clock } = this.#session.parts;
    const told = (outcome: Outcome, count: number, why: string): void => {
      this.#lists.delete(id);
      this.#tell(() => writeEnd(this.#session.writer, id, { outcome, count, why }));
    };
    if (this.#running >= SESSION_TXNS_MAX || this.#lists.has(id)) {
      return told("failed", 0, `limit SESSION_TXNS_MAX is ${SESSION_TXNS_MAX}`);
    }
    this.#lists.set(id, listing);
    this.#running += 1;
    const stop = clock.after(timeOf(timeoutMs), () => {
      listing.why = "timeout its time is over";
      listing.wake();
    });
    this.#records(id, wish, listing)
      .then((count) => {
        if (listing.why === undefined) told("ok", count, "");
        else told("failed", 0, listing.why);
      }, (error: unknown) => {
        const known = error instanceof CtdbxError ? error : undefined;
        if (known === undefined) {
          this.#session.parts.log.write("error", "A list of a program has failed", { error });
        }
        told("failed", 0, `${known?.code ?? "io"} ${known?.message ?? "the node has failed"}`);
      })
      .finally(() => {
        stop();
        this.#running -= 1;
      });
  }

  /** Tells the records of a snapshot; how many. */
  async #records(
    id: number,
    { snapshot, keysOnly, prefix }: ListBody<string>,
    listing: Listing,
  ): Promise<number> {
    const { writer } = this.#session;
    const tell = ({ key, value }: CommitValue): boolean => {
      if (listing.why === undefined && this.#session.isFull) {
        listing.why = "limit more waits for this program than it reads";
      }
      if (listing.why !== undefined) return false;
      listing.credit -= 1;
      writer.begin(FRAME.record, id).key(key);
      if (!keysOnly && value !== undefined) writer.bytes(value);
      writer.end();
      this.#session.sent();
      return true;
    };
    const listed = await this.#snapshot(snapshot).list(prefix, (record) => {
      if (listing.credit > 0 || listing.why !== undefined) return tell(record);
      return this.#credited(listing).then(() => tell(record));
    });
    if (!listed.ok) throw refusal(listed);
    return listed.count;
  }

  async #credited(listing: Listing): Promise<void> {
    while (listing.credit <= 0 && listing.why === undefined) {
      await new Promise<void>((resolve) => listing.wake = resolve);
    }
  }

  // --- questions

  /** Answers a rare question; undefined: it is none of these. Throws CtdbxError. */
  ask(args: Args): Promise<Record<string, unknown>> | undefined {
    switch (args["do"]) {
      case "fate":
        return this.#fate(args);
      case "snapshot":
        return this.#openSnapshot(args);
      case "unsnapshot": {
        const number = whole(args, "snapshot", U32);
        this.#snapshots.get(number)?.close();
        this.#snapshots.delete(number);
        return Promise.resolve({});
      }
      case "commits":
        return Promise.resolve({ ...this.#at(whole(args, "ref", 0xffff)).look() });
    }
    return undefined;
  }

  async #fate(args: Args): Promise<Record<string, unknown>> {
    const name = { sid: wide(args, "sid"), n: whole(args, "n", U32) };
    const untilMs = this.#until(whole(args, "timeoutMs", U32));
    const ops = this.#at(whole(args, "ref", 0xffff));
    return { ...await ops.fate(name, args["finalize"] === true, untilMs) };
  }

  async #openSnapshot(args: Args): Promise<Record<string, unknown>> {
    const how = LOOK_HOW.find((each) => each === args["how"]);
    if (how === undefined) throw wrong("how", LOOK_HOW.join(" or "));
    if (this.#snapshots.size + this.#opening >= SESSION_SNAPSHOTS_MAX) {
      const text = `Cannot take a snapshot: SESSION_SNAPSHOTS_MAX is ${SESSION_SNAPSHOTS_MAX}`;
      throw new CtdbxError("limit", text);
    }
    const { client } = this.#session;
    this.#opening += 1;
    try {
      const untilMs = this.#until(whole(args, "timeoutMs", U32));
      const made = await this.#at(whole(args, "ref", 0xffff)).snapshot(client, how, untilMs);
      if (!made.ok) throw refusal(made);
      const { snapshot } = made;
      if (this.#session.isClosed) {
        snapshot.close();
        return {};
      }
      const number = this.#newNumber();
      this.#snapshots.set(number, snapshot);
      return { snapshot: number, seqnum: snapshot.dbseq };
    } finally {
      this.#opening -= 1;
    }
  }

  #newNumber(): number {
    const { size } = this.#snapshots;
    for (let tries = 0; tries <= size; tries++) {
      const number = this.#nextSnapshot;
      this.#nextSnapshot = number === U32 ? 1 : number + 1;
      if (!this.#snapshots.has(number)) return number;
    }
    throw new Error("no number is left");
  }

  // --- all of them

  /** Does what has one answer; what it throws is told. */
  #run(id: number, work: () => Promise<void>): void {
    if (id === 0) throw new RangeError("the id 0 is none");
    if (this.#running >= SESSION_TXNS_MAX) {
      const text = `Cannot begin more: SESSION_TXNS_MAX is ${SESSION_TXNS_MAX}`;
      return this.#session.failed(id, new CtdbxError("limit", text));
    }
    this.#running += 1;
    work()
      .catch((error: unknown) => this.#tell(() => this.#session.failed(id, error)))
      .finally(() => this.#running -= 1);
  }

  #tell(write: () => void): void {
    if (this.#session.isClosed) return;
    write();
    this.#session.sent();
  }

  #until(timeoutMs: number): number {
    return this.#session.parts.clock.nowMs() + timeOf(timeoutMs);
  }

  /** Throws "unsupported": a volatile database has none. */
  #at(ref: number): CommitOps {
    const found = this.#session.refs.at(ref);
    if (typeof found === "string") {
      const space = found.indexOf(" ");
      const why = found.slice(space + 1);
      throw new CtdbxError(found.slice(0, space) as ErrorCode, `Cannot use the database: ${why}`);
    }
    const { cfg: { name }, commits } = found;
    if (commits !== undefined) return commits;
    const why = "it is volatile, where each record stands alone";
    throw new CtdbxError("unsupported", `Cannot run transactions in ${name}: ${why}`);
  }

  #snapshot(number: number): CommitSnapshotHost {
    const found = this.#snapshots.get(number);
    if (found !== undefined) return found;
    throw new CtdbxError("state", "Cannot read the snapshot: it is closed");
  }
}

const U32_BYTES = 4;

function txnOf(end: TxnEnd): TxnBody {
  switch (end.outcome) {
    case "committed":
      return { ...end, code: "", why: "", conflict: undefined };
    case "aborted":
      return { ...NOTHING, ...end };
    case "unknown":
      return { ...NOTHING, ...end, code: "unknown" };
  }
}

function okOf(read: CommitRead): Extract<CommitRead, { readonly ok: true }> {
  if (read.ok) return read;
  throw refusal(read);
}

function refusal({ code, why }: CommitRefusal): CtdbxError {
  return new CtdbxError(CODES[code], `Cannot read: ${why}`);
}

function wrong(name: string, form: string): CtdbxError {
  return new CtdbxError("state", `Cannot take the question: ${name} must be ${form}`);
}

function whole(args: Args, name: string, max: number): number {
  const value = args[name];
  const isWhole = typeof value === "number" && Number.isInteger(value);
  if (isWhole && value >= 0 && value <= max) return value;
  throw wrong(name, `an integer from 0 to ${max}`);
}

function wide(args: Args, name: string): bigint {
  const value = args[name];
  if (typeof value === "string" && DIGITS.test(value) && BigInt(value) < 2n ** 64n) {
    return BigInt(value);
  }
  throw wrong(name, "the digits of a u64");
}
