/**
 * Judges a run after its end: what clients were told and saw must fit the one history.
 *
 *   lost      acknowledged, and not in the history          twice    in the history two times
 *   undead    told as aborted, and in the history            serial   it read what was not so when it was executed
 *   order     before something that had ended before it began
 *   stale     a read of what is committed now missed what was told as committed before it began
 *   values    a read shows what was never so
 *
 * Transactions and reads have a place in the history, the dbseq, so that they fit is easy to see: each must have seen
 * what the transactions before it had written, and who ended before another began must come before it. That is strict
 * serializability, with the history as the witness.
 *
 * Does NOT promise: anything about lines that were given up; of those only what is in the last line is judged.
 */
import type { Clients, LedgerTxn } from "./clients.ts";
import type { Executed, History } from "./history.ts";

type Report = (rule: string, text: string) => void;

/** The values of each key over time. */
class Values {
  readonly #of = new Map<
    string,
    { readonly dbseq: bigint; readonly value: string | undefined }[]
  >();

  put(key: string, dbseq: bigint, value: string | undefined): void {
    const list = this.#of.get(key) ?? [];
    list.push({ dbseq, value });
    this.#of.set(key, list);
  }

  /** What a key held after a transaction. */
  at(key: string, dbseq: bigint): string | undefined {
    const list = this.#of.get(key) ?? [];
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle]?.dbseq ?? 0n) <= dbseq) low = middle + 1;
      else high = middle;
    }
    return list[low - 1]?.value;
  }
}

/** Judges everything. */
export function judgeCommits(clients: Clients, history: History, report: Report): void {
  const executed = history.executed();
  const values = new Values();
  for (const { dbseq, writes } of executed) {
    for (const { key, value } of writes) values.put(key, dbseq, value);
  }
  const byTag = placesOf(executed, report);
  const given = history.given();
  for (const txn of clients.txns) {
    const { abortedMs, abortedIn, tag } = txn;
    // An answer of a history that was given up, about what is not in that.
    const isVoid = abortedMs !== undefined && abortedIn !== history.lineage &&
      !history.has(abortedIn, tag);
    const judged = isVoid ? { ...txn, abortedMs: undefined } : txn;
    judgeTxn(judged, byTag.get(tag), values, given.has(tag), report);
  }
  judgeOrder(clients, byTag, history, report);
  for (const { node, dbseq, lineage, seen, isNow } of clients.reads) {
    if (lineage !== history.lineage) continue;
    for (const [key, value] of seen) {
      const wanted = values.at(key, dbseq);
      if (wanted === value) continue;
      const what = isNow ? "reads" : "shows";
      report("values", `n${node} ${what} ${key} = ${value} at ${dbseq}, it is ${wanted}`);
    }
  }
}

/** Where each transaction is: its tag is in its values. */
function placesOf(executed: readonly Executed[], report: Report): Map<string, Executed> {
  const byTag = new Map<string, Executed>();
  for (const one of executed) {
    const tag = one.writes.find(({ value }) => value !== undefined)?.value;
    if (tag === undefined) continue;
    const other = byTag.get(tag);
    if (other !== undefined) report("twice", `${tag} is ${other.dbseq} and ${one.dbseq}`);
    byTag.set(tag, one);
  }
  return byTag;
}

function judgeTxn(
  txn: LedgerTxn,
  place: Executed | undefined,
  values: Values,
  isGiven: boolean,
  report: Report,
): void {
  const { tag, committed, abortedMs, seen } = txn;
  if (committed !== undefined && !isGiven) {
    if (place === undefined) report("lost", `${tag} was acknowledged as ${committed.dbseq}`);
    else if (place.dbseq !== committed.dbseq) {
      report("lost", `${tag} is ${place.dbseq}, told as ${committed.dbseq}`);
    }
  }
  if (abortedMs !== undefined && committed !== undefined) {
    report("undead", `${tag} is told as aborted and as committed`);
  }
  if (place === undefined) return;
  if (abortedMs !== undefined) {
    report("undead", `${tag} was told as aborted, and is ${place.dbseq}`);
  }
  for (const [key, value] of seen) {
    const wanted = values.at(key, place.dbseq - 1n);
    if (wanted !== value) {
      report("serial", `${tag} is ${place.dbseq}, read ${key} = ${value}, it was ${wanted}`);
    }
  }
}

interface Moment {
  readonly atMs: number;
  readonly isEnd: boolean;
  readonly dbseq: bigint;
  readonly name: string;
  /** A read may be at the place of what it saw last; a transaction comes after that. */
  readonly isRead: boolean;
}

/** Who ended before another began comes before it. */
function judgeOrder(
  { txns, reads }: Clients,
  byTag: ReadonlyMap<string, Executed>,
  { lineage }: History,
  report: Report,
): void {
  const moments: Moment[] = [];
  for (const { tag, submitMs, committed } of txns) {
    const place = byTag.get(tag);
    if (place === undefined) continue;
    const base = { dbseq: place.dbseq, name: tag, isRead: false };
    moments.push({ ...base, atMs: submitMs, isEnd: false });
    if (committed !== undefined) moments.push({ ...base, atMs: committed.atMs, isEnd: true });
  }
  for (const { isNow, beginMs, endMs, dbseq, node, lineage: of } of reads) {
    if (!isNow || of !== lineage) continue;
    const base = { dbseq, name: `a read at n${node}`, isRead: true };
    moments.push({ ...base, atMs: beginMs, isEnd: false });
    moments.push({ ...base, atMs: endMs, isEnd: true });
  }
  // At one moment: who begins first, so that what ends then is not before it.
  moments.sort((one, other) => one.atMs - other.atMs || Number(one.isEnd) - Number(other.isEnd));
  let last: Moment | undefined;
  for (const moment of moments) {
    const { isEnd, dbseq, isRead, name, atMs } = moment;
    if (isEnd) {
      if (last === undefined || dbseq > last.dbseq) last = moment;
    } else if (last !== undefined && (isRead ? dbseq < last.dbseq : dbseq <= last.dbseq)) {
      const rule = isRead ? "stale" : "order";
      const text = `${name} is ${dbseq}, began at ${atMs.toFixed(1)}; ${last.name}, ${last.dbseq}`;
      report(rule, `${text}, had ended at ${last.atMs.toFixed(1)}`);
    }
  }
}
