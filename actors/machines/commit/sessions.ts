/**
 * The sessions of a database, as its log tells them: which transactions of which session were executed.
 *
 *   entry open   a session, named by the entry         group   its transactions are done: n -> (seq, dbseq)
 *   entry close  it is forgotten                       abort   n is over: it never happens
 *
 * A function of the log: the same entries give the same table on every copy. `doneUpTo` in a transaction says what its
 * node has the answers of; those are forgotten.
 *
 * Does NOT promise: a limit of its own; the primary refuses what would be too much.
 */
import type { Entry } from "../../../transport/wire/commit/entry.ts";
import { sidOf } from "./config.ts";

/** What became of a transaction. */
export interface Done {
  readonly seq: bigint;
  /** 0: it was declared as aborted for good. */
  readonly dbseq: bigint;
}

/** A session. */
export interface Session {
  readonly sid: bigint;
  readonly nodeId: string;
  readonly incarnation: bigint;
  /** Its node's number of it. */
  readonly number: number;
  readonly doneUpTo: number;
  readonly done: ReadonlyMap<number, Done>;
}

/** The table as it is stored and sent. */
export interface SessionsSnapshot {
  readonly sessions: readonly Session[];
}

interface Kept extends Session {
  doneUpTo: number;
  readonly done: Map<number, Done>;
}

/** The table. */
export class Sessions {
  readonly #bySid = new Map<bigint, Kept>();
  readonly #byOwner = new Map<string, bigint>();

  constructor({ sessions }: SessionsSnapshot = { sessions: [] }) {
    for (const session of sessions) this.#put({ ...session, done: new Map(session.done) });
  }

  get size(): number {
    return this.#bySid.size;
  }

  get(sid: bigint): Session | undefined {
    return this.#bySid.get(sid);
  }

  /** The session that a life of a node opened under a number. */
  sidBy(nodeId: string, incarnation: bigint, number: number): bigint | undefined {
    return this.#byOwner.get(ownerOf(nodeId, incarnation, number));
  }

  all(): Iterable<Session> {
    return this.#bySid.values();
  }

  /** What it holds now, for ever. */
  snapshot(): SessionsSnapshot {
    const sessions = [...this.#bySid.values()]
      .map((session) => ({ ...session, done: new Map(session.done) }));
    return { sessions };
  }

  /** A transaction of the next entry whose name was used before, or is of no session; undefined: there is none. */
  doneBefore({ txns }: Entry): string | undefined {
    for (const { sid, n } of txns) {
      const session = this.#bySid.get(sid);
      if (session === undefined || n <= session.doneUpTo || session.done.has(n)) {
        return `transaction ${n} of session ${sid}`;
      }
    }
    return undefined;
  }

  /** Takes in the next entry. */
  apply(entry: Entry): void {
    const { kind, lineage, seq, open, close, abort } = entry;
    if (kind === "group") return this.#applyGroup(entry);
    if (kind === "open" && open !== undefined) {
      this.#put({ sid: sidOf(lineage, seq), ...open, doneUpTo: 0, done: new Map() });
    } else if (kind === "close" && close !== undefined) this.#drop(close.sid);
    else if (kind === "abort" && abort !== undefined) {
      this.#bySid.get(abort.sid)?.done.set(abort.n, { seq, dbseq: 0n });
    }
  }

  #applyGroup({ seq, dbseqFirst, txns }: Entry): void {
    for (const [at, { sid, n, doneUpTo }] of txns.entries()) {
      this.execute(sid, n, doneUpTo, { seq, dbseq: dbseqFirst + BigInt(at) });
    }
  }

  /** Notes a transaction of a group that is being made. */
  execute(sid: bigint, n: number, doneUpTo: number, done: Done): void {
    const session = this.#bySid.get(sid);
    if (session === undefined) return;
    session.done.set(n, done);
    if (doneUpTo <= session.doneUpTo) return;
    session.doneUpTo = doneUpTo;
    for (const old of session.done.keys()) if (old <= doneUpTo) session.done.delete(old);
  }

  #put(session: Kept): void {
    this.#bySid.set(session.sid, session);
    const { nodeId, incarnation, number } = session;
    this.#byOwner.set(ownerOf(nodeId, incarnation, number), session.sid);
  }

  #drop(sid: bigint): void {
    const session = this.#bySid.get(sid);
    if (session === undefined) return;
    this.#bySid.delete(sid);
    this.#byOwner.delete(ownerOf(session.nodeId, session.incarnation, session.number));
  }
}

function ownerOf(nodeId: string, incarnation: bigint, number: number): string {
  return `${nodeId} ${incarnation} ${number}`;
}
