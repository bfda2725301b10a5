/**
 * Transactions of a branch that was cut off are done again, one by one, where nothing has come between.
 *
 *   each key that it writes: as at the fork, or as an earlier transaction of this replay left it ─▶ committed anew
 *                            changed since by others, or written by one that was not done ─▶ conflict: left out
 *
 * Doing it again does nothing more: what is there by then is newer than the fork.
 *
 * Does NOT promise: what a transaction had read: logs do not keep that. A record that the others have deleted since the
 * fork counts as untouched.
 */
import {
  type Committed,
  type Database,
  type Transaction,
  TransactionError,
} from "../actors/client/types.ts";
import { dbseqOf } from "../transport/wire/commit/entry.ts";
import { bytesOfKey } from "../transport/wire/client/frames.ts";
import type { LostContent, LostTxn } from "./lost_files.ts";

/** How a transaction was done again. */
export type Replayed =
  | { readonly outcome: "committed"; readonly txid: string | undefined; readonly seqnum: bigint }
  /** It writes nothing. */
  | { readonly outcome: "nothing" }
  /** `key`: which one stands in the way, a character for each byte. */
  | { readonly outcome: "conflict"; readonly key: string; readonly why: string }
  | { readonly outcome: "failed" | "unknown"; readonly why: string; readonly txid?: string };

/** A record is not as the transaction has to find it. */
class InTheWay extends Error {
  readonly key: string;

  constructor(key: string, why: string) {
    super(why);
    this.key = key;
  }
}

/** One replay. */
export class Replay {
  readonly #db: Pick<Database, "transaction">;
  readonly #forkVersion: bigint;
  readonly #overwrites: boolean;
  /** The sequence number at which this replay wrote a record, 0: it deleted it; undefined: it left one out. */
  readonly #mine = new Map<string, bigint | undefined>();

  /** `overwrites`: what the others have written since goes. */
  constructor(
    db: Pick<Database, "transaction">,
    { forkVersion }: Pick<LostContent, "forkVersion">,
    overwrites: boolean,
  ) {
    this.#db = db;
    this.#forkVersion = forkVersion;
    this.#overwrites = overwrites;
  }

  /** Does one again. Never rejects with a TransactionError: that is an outcome. */
  async again({ writes }: LostTxn): Promise<Replayed> {
    if (writes.length === 0) return { outcome: "nothing" };
    const versions = new Map<string, bigint>();
    const work = async (tx: Transaction): Promise<void> => {
      await Promise.all(writes.map(async ({ key }) => {
        versions.set(key, await tx.version(bytesOfKey(key)));
      }));
      for (const { key } of this.#overwrites ? [] : writes) this.#look(key, versions.get(key));
      for (const { key, value } of writes) {
        if (value === undefined) tx.del(bytesOfKey(key));
        else tx.put(bytesOfKey(key), value);
      }
    };
    try {
      return this.#done(await this.#db.transaction(work, { latest: true }), writes);
    } catch (error) {
      if (error instanceof InTheWay) {
        this.#leftOut(writes);
        return { outcome: "conflict", key: error.key, why: error.message };
      }
      if (!(error instanceof TransactionError)) throw error;
      this.#leftOut(writes);
      const { message: why, txid, outcome } = error;
      const named = txid === undefined ? {} : { txid };
      return { outcome: outcome === "unknown" ? "unknown" : "failed", why, ...named };
    }
  }

  #done({ txid, seqnum = 0n }: Committed<void>, writes: LostTxn["writes"]): Replayed {
    for (const { key, value } of writes) this.#mine.set(key, value === undefined ? 0n : seqnum);
    return { outcome: "committed", txid, seqnum };
  }

  /** Those that come later and write the same build on what is not there. */
  #leftOut(writes: LostTxn["writes"]): void {
    for (const { key } of writes) this.#mine.set(key, undefined);
  }

  #look(key: string, version: bigint = 0n): void {
    if (!this.#mine.has(key)) {
      if (version <= this.#forkVersion) return;
      throw new InTheWay(key, "it was changed after the fork");
    }
    const mine = this.#mine.get(key);
    if (mine === undefined) throw new InTheWay(key, "an earlier one that writes it was left out");
    if (dbseqOf(version) !== mine) throw new InTheWay(key, "it was changed meanwhile");
  }
}
