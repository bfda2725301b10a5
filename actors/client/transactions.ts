/**
 * A database of this program with what persistent and replicated ones can do beside.
 *
 *   transaction ─▶ TransactionRun ─▶ submit ─▶ committed
 *        ^               │              ├▶ conflict: a moment, then all of it again, from the latest state
 *        '── stale ◀─────'              └▶ TransactionError
 *   update ─▶ a transaction of one record, where there is no lock
 *
 * Does NOT promise: fairness: who is slow may lose each time, and is told so ("busy").
 */
import { bytesOfKey } from "../../transport/wire/client/frames.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import type { ClientCore } from "./core.ts";
import { DatabaseClient, type DatabaseParts } from "./database.ts";
import type { Changer, Database } from "./database_types.ts";
import { valueBytes, valueOrNone } from "./ops.ts";
import { openSnapshot } from "./snapshots.ts";
import { TransactionRun } from "./transaction_run.ts";
import { TransactionError, TRIES } from "./transaction_types.ts";
import type {
  CommitInfo,
  Committed,
  Fate,
  FateOptions,
  Snapshot,
  StateOptions,
  Transaction,
  TransactionOptions,
} from "./transaction_types.ts";
import {
  look,
  nameOf,
  pause,
  type Place,
  submit,
  txidOf,
  type TxnReply,
  type TxnWish,
} from "./txn_wire.ts";
import { KEEP, type KeyLike, type OpOptions } from "./types.ts";

/** The pause before another try, ms: doubled each time; a part of it, by chance. */
const PAUSE_MIN_MS = 1;
const PAUSE_MAX_MS = 250;

/** What the library says when a transaction was aborted. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  conflict: "busy",
  read_only: "no_quorum",
  space: "no_space",
  limit: "limit",
  finalized: "state",
  timeout: "timeout",
  gone: "state",
  damaged: "corrupt",
};

/** How a try ended: committed, or another was first. */
type Tried =
  | { readonly txid: string; readonly seqnum: bigint; readonly isBehind: boolean }
  | {
    readonly why: string;
    readonly key: Uint8Array | undefined;
    readonly txid: string | undefined;
  };

/** What was read is of two histories. */
const FORKED = {
  why: "the database has gone on from an older state while it ran",
  key: undefined,
  txid: undefined,
} as const;

/** What a database with transactions is made with. */
export interface TransactionalParts extends DatabaseParts {
  /** "volatile", "persistent", "replicated". */
  readonly kind: string;
}

/** One of them. */
export class TransactionalDatabase extends DatabaseClient implements Database {
  readonly #core: ClientCore;
  readonly #at: Place;
  readonly #kind: string;
  /** The node did not show yet what this program has committed. */
  #isBehind = false;

  constructor(parts: TransactionalParts) {
    super(parts);
    this.#core = parts.core;
    this.#at = parts.place;
    this.#kind = parts.kind;
  }

  async transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<Committed<T>> {
    this.#needsCommits("run transactions in");
    const { tries: triesMax = TRIES, latest = false, onRetry } = options;
    if (!(Number.isInteger(triesMax) && triesMax >= 1)) {
      throw new RangeError(`Cannot try ${triesMax} times: it is a whole number from 1`);
    }
    const { clock } = this.#core;
    const untilMs = clock.nowMs() + this.#core.timeout(options);
    for (let tries = 1;; tries++) {
      const isLatest = tries > 1 || latest || this.#isBehind;
      const run = new TransactionRun(this.#core, this.#at, tries, isLatest, untilMs);
      const done = await this.#work(run, work);
      let tried: Tried;
      if ("why" in done) tried = done;
      else {
        const wish = run.wish();
        if (wish.reads.length === 0 && wish.writes.length === 0) {
          const none = { txid: undefined, seqnum: undefined, isBehind: false };
          return { value: done.value, ...none, tries };
        }
        tried = await this.#commit(wish, tries, untilMs);
        if ("seqnum" in tried) return { value: done.value, ...tried, tries };
      }
      const { why, key, txid } = tried;
      const afterMs = this.#pauseMs(tries);
      if (tries >= triesMax || clock.nowMs() + afterMs >= untilMs) {
        const text = `Cannot commit to ${this.name}: others were first, ${tries} times; ${why}`;
        throw new TransactionError("busy", text, { txid, tries });
      }
      onRetry?.({ tries, afterMs, why, key });
      await pause(this.#core, afterMs);
    }
  }

  /** Runs the function. An error that comes of reads of different moments is a conflict. */
  async #work<T>(
    run: TransactionRun,
    work: (tx: Transaction) => Promise<T> | T,
  ): Promise<{ readonly value: T } | Extract<Tried, { readonly why: string }>> {
    try {
      const value = await work(run);
      if (!run.isForked) return { value };
    } catch (error) {
      if (run.isForked) return FORKED;
      const key = run.failure === undefined ? await run.stale().catch(() => undefined) : undefined;
      if (key === undefined) throw error;
      const why = "what it read was changed while it ran, and it has failed";
      return { why, key, txid: undefined };
    } finally {
      run.end();
    }
    return FORKED;
  }

  async #commit(wish: TxnWish, tries: number, untilMs: number): Promise<Tried> {
    const reply: TxnReply = await submit(this.#core, this.#at, wish, untilMs);
    if (reply.what === "refused") {
      const { code, message } = reply.error;
      throw new TransactionError(code, message, { txid: undefined, tries });
    }
    const named = reply.what === "unknown" ? reply.name : reply.txn.name;
    const txid = named === undefined ? undefined : txidOf(named);
    if (reply.what === "unknown") throw this.#unknown(reply.why, txid, tries);
    const { outcome, code, why, conflict, dbseq, isBehind } = reply.txn;
    if (outcome === "unknown") throw this.#unknown(why, txid, tries);
    if (outcome === "committed") {
      this.#isBehind = isBehind;
      return { txid: txid ?? "", seqnum: dbseq, isBehind };
    }
    if (code === "conflict") {
      return { why, key: conflict === undefined ? undefined : bytesOfKey(conflict), txid };
    }
    const text = `Cannot commit to ${this.name}: ${why}`;
    throw new TransactionError(CODES[code] ?? "state", text, { txid, tries });
  }

  #unknown(why: string, txid: string | undefined, tries: number): TransactionError {
    const ask = txid === undefined ? "nobody knows its name" : `\`fate\` of ${txid} decides it`;
    const text = `Cannot tell what came of a transaction in ${this.name}: ${why}; ${ask}`;
    return new TransactionError("unknown", text, { txid, tries });
  }

  #pauseMs(tries: number): number {
    const whole = Math.min(PAUSE_MIN_MS * 2 ** (tries - 1), PAUSE_MAX_MS);
    return whole * (0.5 + this.#core.chance() / 2);
  }

  async fate(txid: string, options: FateOptions = {}): Promise<Fate> {
    this.#needsCommits("know the fate of a transaction in");
    const { sid, n } = nameOf(txid);
    const { finalize = false } = options;
    const ask = { do: "fate", ref: this.#at.ref, sid: `${sid}`, n, finalize };
    const { state, dbseq } = await this.#again(ask, options);
    if (state === "timeout") {
      throw new CtdbxError("timeout", "Cannot know the fate: no primary answered in time");
    }
    if (state !== "committed") return { state } as Fate;
    return { state, seqnum: BigInt(String(dbseq)) };
  }

  /** A question that may be asked twice. */
  async #again(ask: Record<string, unknown>, options: OpOptions): Promise<Record<string, unknown>> {
    const { clock, line } = this.#core;
    const untilMs = clock.nowMs() + this.#core.timeout(options);
    for (;;) {
      const timeoutMs = Math.max(1, untilMs - clock.nowMs());
      try {
        return await this.#core.ask({ ...ask, ref: this.#at.ref }, { timeoutMs });
      } catch (error) {
        const isCut = error instanceof CtdbxError && error.code === "unknown";
        if (!isCut || line.end !== undefined || clock.nowMs() >= untilMs) throw error;
      }
    }
  }

  async snapshot(options: StateOptions = {}): Promise<Snapshot> {
    this.#needsCommits("take a snapshot of");
    return await openSnapshot(this.#core, this.#at, this.name, this.#freshly(options));
  }

  async seqnum(options: StateOptions = {}): Promise<bigint> {
    this.#needsCommits("count the transactions of");
    const { latest = false } = this.#freshly(options);
    const untilMs = this.#core.clock.nowMs() + this.#core.timeout(options);
    const how = latest ? "latest" : "local";
    const wish = () => ({ ref: this.#at.ref, how, snapshot: 0, keys: [] } as const);
    return (await look(this.#core, wish, untilMs, true)).dbseq;
  }

  /** A program sees what it has committed, also where its node is behind. */
  #freshly(options: StateOptions): StateOptions {
    return this.#isBehind ? { ...options, latest: true } : options;
  }

  async commits(): Promise<CommitInfo> {
    this.#needsCommits("look at the copies of");
    const answer = await this.#core.ask({ do: "commits", ref: this.#at.ref });
    const { kind, k, m, primary, copies, own, serving, dbseq, trouble } = answer;
    const seqnum = BigInt(String(dbseq));
    return { kind, k, m, primary, copies, own, serving, seqnum, trouble } as CommitInfo;
  }

  override async update(
    key: KeyLike,
    change: Changer,
    options?: OpOptions,
  ): Promise<Uint8Array | undefined> {
    if (this.#kind === "volatile") return await super.update(key, change, options);
    const { value } = await this.transaction(async (tx) => {
      const before = await tx.get(key);
      const made = change(before);
      if (made === KEEP) return before;
      const next = valueOrNone(valueBytes(made));
      if (next === undefined) tx.del(key);
      else tx.put(key, next);
      return next;
    }, options);
    return value;
  }

  #needsCommits(what: string): void {
    if (this.#kind !== "volatile") return;
    const why = "it is volatile, where each record stands alone";
    throw new CtdbxError("unsupported", `Cannot ${what} ${this.name}: ${why}`);
  }
}
