/**
 * Transactions and snapshots of persistent and replicated databases, as a program sees them. The examples run in the
 * tests: `bank` is attached there.
 *
 *   transaction(work) ─▶ work runs ─▶ committed: { value, seqnum, txid }
 *                          ^   └▶ another was first: again, some times, after a moment
 *                          '──────┘       otherwise: TransactionError, "aborted" or "unknown"
 *
 * Committed: on the disk of all in-sync copies (replicated: in their memory). Aborted: never, under this name. Unknown:
 * once, or not at all; `fate` decides it. What has the code "unsupported" was asked of a volatile database.
 *
 * Does NOT promise: that `work` runs once; it should do nothing but read, compute and write through `tx`.
 */
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import type { RecordEntry, TraverseOptions } from "./database_types.ts";
import type { KeyLike, OpOptions, ValueLike } from "./types.ts";

/** How often a transaction is tried, when nothing else is said. */
export const TRIES = 16;

/** A transaction while it runs. All of it is done together, or nothing. */
export interface Transaction {
  /** Which try this is, from 1. */
  readonly tries: number;
  /**
   * The value, as this transaction sees it: what it has written itself comes first; undefined: there is none. Those
   * that are asked for in one turn (`Promise.all`) are of one moment; others may be of different ones: then the
   * transaction does not commit, but runs again. A copy. Throws "timeout", "busy" (this node is catching up).
   */
  get(key: KeyLike): Promise<Uint8Array | undefined>;
  /**
   * Which transaction wrote the record, as the database had it: a number that never comes twice for a key and rises
   * with each change; 0: there is none. It is a read as `get`; what this transaction itself writes does not change it.
   */
  version(key: KeyLike): Promise<bigint>;
  /** Stores; an empty value deletes. Throws "limit". */
  put(key: KeyLike, value: ValueLike): void;
  /** Deletes. Throws "limit". */
  del(key: KeyLike): void;
}

/** A transaction is tried again. */
export interface Retry {
  /** Tries so far. */
  readonly tries: number;
  /** The next one begins after so long, ms. */
  readonly afterMs: number;
  readonly why: string;
  /** What another transaction has changed, where it is known. */
  readonly key: Uint8Array | undefined;
}

/** How a transaction is done. `timeoutMs` is for all tries together. */
export interface TransactionOptions extends OpOptions {
  /** Tries at most, from 1. Default 16. */
  readonly tries?: number;
  /**
   * The first try reads the latest state, as all others do, by one round to the in-sync copies: for a `work` whose
   * answer counts although it writes nothing. Default false: what this node has; the commit compares it.
   */
  readonly latest?: boolean;
  /** Told of each further try. */
  readonly onRetry?: (retry: Retry) => void;
}

/** A transaction that is committed. */
export interface Committed<T> {
  /** What `work` gave. */
  readonly value: T;
  /** Its name; undefined: it read and wrote nothing. */
  readonly txid: string | undefined;
  /** The database's sequence number, with it; undefined: it read and wrote nothing. */
  readonly seqnum: bigint | undefined;
  readonly tries: number;
  /** Reads at this node may not show it yet; rarely. */
  readonly isBehind: boolean;
}

/**
 * A transaction that was not committed, as far as is known. Code "unknown": once, or not at all. All others: it is
 * aborted. "busy": others were first, at each try; "no_quorum": too few in-sync copies, reads go on; "timeout": no
 * primary in time; "limit"; "no_space"; "state": detached, or given up by `fate`.
 */
export class TransactionError extends CtdbxError {
  readonly outcome: "aborted" | "unknown";
  /** To ask for its fate by; undefined: it never had one, or it is not known. */
  readonly txid: string | undefined;
  readonly tries: number;

  /** Only the library makes them. */
  constructor(
    code: ErrorCode,
    message: string,
    { txid, tries }: { readonly txid: string | undefined; readonly tries: number },
  ) {
    super(code, message);
    this.name = "TransactionError";
    this.outcome = code === "unknown" ? "unknown" : "aborted";
    this.txid = txid;
    this.tries = tries;
  }
}

/** What became of a transaction. */
export type Fate =
  | { readonly state: "committed"; readonly seqnum: bigint }
  /**
   * aborted: never. in_progress, not_executed: not yet, and it may be still. forgotten: its outcome was told and is not
   * kept any more; session_expired: nobody can say, it is of a session that is over.
   */
  | {
    readonly state: "aborted" | "in_progress" | "not_executed" | "forgotten" | "session_expired";
  };

/** How a fate is asked for. */
export interface FateOptions extends OpOptions {
  /** What was not executed until now never is. Default false. */
  readonly finalize?: boolean;
}

/** Which state is looked at. */
export interface StateOptions extends OpOptions {
  /**
   * All that was committed before, by one round to the in-sync copies. Default false: what this node has, which is
   * committed, perhaps old, and never older than what it showed before.
   */
  readonly latest?: boolean;
}

/** One state of a database, whatever is committed meanwhile, until it is closed. Ends with the connection. */
export interface Snapshot extends AsyncDisposable {
  /** The sequence number of that state. */
  readonly seqnum: bigint;
  /** The value; undefined: there was none. A copy. Throws "state" (closed), "limit" (too much has changed since). */
  get(key: KeyLike, options?: OpOptions): Promise<Uint8Array | undefined>;
  /** All records, in no order. Throws as `get`. */
  entries(options?: TraverseOptions): AsyncIterableIterator<RecordEntry>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A persistent or replicated database as its node sees it. */
export interface CommitInfo {
  readonly kind: "persistent" | "replicated";
  /** Copies wanted, and in-sync copies that a commit needs. */
  readonly k: number;
  readonly m: number;
  /** Number of the node; undefined: there is none now. */
  readonly primary: number | undefined;
  readonly copies: readonly {
    readonly pnn: number;
    readonly role: "primary" | "in_sync" | "copy" | "follower";
  }[];
  /** What this node is of it. */
  readonly own: "primary" | "in_sync" | "copy" | "follower" | "closed";
  /** Of a primary; undefined: this node is none. */
  readonly serving: "starting" | "serving" | "readonly" | undefined;
  /** The sequence number, as this node shows it. */
  readonly seqnum: bigint;
  /** What is wrong, a phrase; undefined: nothing. */
  readonly trouble: string | undefined;
}

/** What persistent and replicated databases can do beside what all can. */
export interface Transactional {
  /**
   * Runs `work`, and commits what it wrote together, if nothing of what it read was changed meanwhile; else `work` runs
   * again. Committed transactions have one order, and each sees all that were committed before it began to commit.
   * Throws TransactionError, and what `work` throws (then nothing is stored). "unsupported": a volatile database.
   *
   * ```ts
   * const { value, seqnum } = await bank.transaction(async (tx) => {
   *   const [from, to] = await Promise.all([tx.get("ann"), tx.get("bob")]);
   *   const [has, gets] = [from, to].map((one) => Number(new TextDecoder().decode(one)));
   *   if (has < 10) throw new Error("ann has too little");
   *   tx.put("ann", `${has - 10}`);
   *   tx.put("bob", `${gets + 10}`);
   *   return has - 10;
   * }, { onRetry: ({ tries, why }) => console.log("again", tries, why) });
   * console.log(value, seqnum);
   * ```
   */
  transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<Committed<T>>;
  /**
   * What became of a transaction, by its name: also of one whose program is no more.
   *
   * ```ts
   * const { txid = "" } = await bank.transaction((tx) => tx.put("note", "paid"));
   * const fate = await bank.fate(txid, { finalize: true });
   * console.log(fate.state === "aborted" ? "never" : fate.state);
   * ```
   */
  fate(txid: string, options?: FateOptions): Promise<Fate>;
  /**
   * One state of the database, to be read while others write. Throws "limit" (16 of a program, 64 of a node), "busy".
   *
   * ```ts
   * await using then = await bank.snapshot({ latest: true });
   * await bank.put("ann", "0");
   * console.log(then.seqnum, await then.get("ann")); // as it was
   * for await (const { key, value } of then.entries({ prefix: "b" })) console.log(key, value);
   * ```
   */
  snapshot(options?: StateOptions): Promise<Snapshot>;
  /**
   * How many transactions were committed: it rises with each. Throws "busy", "timeout".
   *
   * ```ts
   * const before = await bank.seqnum({ latest: true });
   * await bank.transaction((tx) => tx.del("note"));
   * console.log(await bank.seqnum() > before);
   * ```
   */
  seqnum(options?: StateOptions): Promise<bigint>;
  /**
   * Which nodes have it, and how.
   *
   * ```ts
   * const { primary, copies, m } = await bank.commits();
   * console.log(primary, copies.filter(({ role }) => role !== "follower").length >= m);
   * ```
   */
  commits(): Promise<CommitInfo>;
}
