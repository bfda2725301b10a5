/**
 * What copies of databases had to cut off, as it lies in the state folder of a node: one file for each branch.
 *
 *   STATE/persistent/NAME.SINCE/NAME.tdb.lost.LINEAGE.SEQ       also below replicated/ and trash/
 *
 * Does NOT promise: that what is in a branch is not in the history, too, where a copy was away for more than one fork:
 * all that it had is kept then.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isLostName, lostEntries, lostNameOf } from "../actors/storage/commit_lost.ts";
import type { CommitTxn, CommitWrite, Entry } from "../transport/wire/commit/entry.ts";
import { versionAt } from "../transport/wire/commit/entry.ts";
import { systemFailure } from "./failure.ts";

/** One branch, as its name and its place tell. */
export interface LostBranch {
  readonly database: string;
  /** LINEAGE.SEQ: names it, for people. */
  readonly branch: string;
  readonly lineage: bigint;
  /** The last entry that stayed. */
  readonly above: bigint;
  readonly path: string;
  readonly bytes: number;
  /** When it was cut off; ms since 1970. */
  readonly wallMs: number;
}

/** One transaction of a branch. */
export interface LostTxn {
  /** From 1, in the order in which they were. */
  readonly number: number;
  readonly txid: string;
  readonly seq: bigint;
  readonly writes: readonly CommitWrite[];
}

/** What is in a branch. */
export interface LostContent {
  readonly entries: number;
  readonly txns: readonly LostTxn[];
  /** A record of this version or a lower one is as it was where the branch was cut off. */
  readonly forkVersion: bigint;
}

/** Kept by the database itself: each transaction has it anew. */
const SEQNUM_KEY = "__db_sequence_number__\0";
const FOLDERS = ["persistent", "replicated", "trash"] as const;

/** All branches below a state folder, oldest first; of one database, if it is named. Throws Failure. */
export function lostBranches(state: string, database?: string): LostBranch[] {
  const found = FOLDERS.flatMap((folder) =>
    namesIn(join(state, folder)).flatMap((name) => branchesIn(join(state, folder, name)))
  );
  return found.filter((one) => database === undefined || one.database === database)
    .sort((one, other) => one.wallMs - other.wallMs || (one.path < other.path ? -1 : 1));
}

function branchesIn(folder: string): LostBranch[] {
  // NAME.SINCE: what stands behind the last dot is the epoch.
  const database = basename(folder).replace(/\.[0-9]+$/, "");
  return namesIn(folder).filter((name) => isLostName(name)).map((name) => {
    const path = join(folder, name);
    const { lineage, fork } = lostNameOf(name);
    const { size, mtimeMs } = statOf(path);
    const branch = `${lineage.toString(16)}.${fork}`;
    return { database, branch, lineage, above: fork, path, bytes: size, wallMs: mtimeMs };
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw systemFailure(error, `Cannot look into ${folder}`);
  }
}

function statOf(path: string): { readonly size: number; readonly mtimeMs: number } {
  try {
    return statSync(path);
  } catch (error) {
    throw systemFailure(error, `Cannot look at ${path}`);
  }
}

/** Reads a branch. Throws Failure, CorruptError. */
export function readBranch({ path, lineage }: LostBranch): LostContent {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw systemFailure(error, `Cannot read ${path}`);
  }
  const txns: LostTxn[] = [];
  let entries = 0;
  let first: Entry | undefined;
  for (const entry of lostEntries(bytes, basename(dirname(path)))) {
    entries += 1;
    first ??= entry;
    for (const txn of entry.txns) txns.push(txnOf(txn, entry, txns.length + 1));
  }
  // `dbseqFirst` of an entry without transactions is that of the next one that has some.
  const dbseq = (first?.dbseqFirst ?? 1n) - 1n;
  return { entries, txns, forkVersion: versionAt(first?.lineage ?? lineage, dbseq) };
}

function txnOf({ sid, n, writes }: CommitTxn, { seq }: Entry, number: number): LostTxn {
  const own = writes.filter(({ key }) => key !== SEQNUM_KEY);
  return { number, txid: `${sid}.${n}`, seq, writes: own };
}
