/**
 * A history of transactions for the tests of a persistent database's file: records that come, grow, shrink and go, some
 * transactions larger than the file's recovery area; and what must be there after each.
 *
 * Does NOT promise: to be random.
 */
import type { CommitFile } from "../../actors/storage/commit_file.ts";
import type { Position } from "../../actors/storage/commit_frame.ts";
import { type CommitWrite, type Entry, versionAt } from "../../transport/wire/commit/entry.ts";
import { behind, group, LINEAGE, put, ZERO } from "./commit_rig.ts";

/** Entries, and the contents after each transaction, by dbseq. */
export interface History {
  readonly entries: Entry[];
  readonly contents: Map<string, string>[];
}

function makeHistory(): History {
  const entries: Entry[] = [];
  const contents = [new Map<string, string>()];
  let last: Position = ZERO;
  const add = (...txns: CommitWrite[][]): void => {
    const entry = group(last, txns);
    for (const txn of txns) {
      const content = new Map(contents.at(-1));
      const rsn = versionAt(LINEAGE, BigInt(contents.length));
      for (const { key, value } of txn) {
        if (value === undefined) content.delete(key);
        else content.set(key, `${rsn}:${value.toHex()}`);
      }
      contents.push(content);
    }
    entries.push(entry);
    last = behind(entry);
  };
  const gone = (key: string): CommitWrite => ({ key, value: undefined });
  add([put("a", 10), put("b", 20)], [put("c", 3000)]);
  add([put("a", 12, 1)], [gone("b"), put("d", 0)], [gone("never")]);
  add(Array.from({ length: 30 }, (_, i) => put(`many ${i}`, 40 * i)));
  add(Array.from({ length: 60 }, (_, i) => put(`large ${i}`, 700, i)));
  add([put("a", 400, 2)], [put("b", 5, 3)], [gone("many 3"), gone("many 29"), put("c", 9000)]);
  add(
    Array.from(
      { length: 40 },
      (_, i) => i % 2 === 0 ? gone(`large ${i}`) : put(`large ${i}`, 3600),
    ),
  );
  add([put("end", 100)]);
  return { entries, contents };
}

/** The history that all use. */
export const HISTORY: History = makeHistory();
/** All keys that it has had. */
const KEYS = new Set(HISTORY.contents.flatMap((content) => [...content.keys()]));
/** Its last transaction. */
export const LAST: bigint = BigInt(HISTORY.contents.length - 1);

/** Applies what is missing, in the batches that `cuts` says; tells each answer. */
export function applyAll(file: CommitFile, told: (dbseq: bigint) => void, cuts = 2): void {
  for (let from = 0; from < HISTORY.entries.length; from += cuts) {
    told(file.apply(HISTORY.entries.slice(from, from + cuts)));
  }
}

/** What the file holds of the history's keys. */
export function contentOf(file: CommitFile): Map<string, string> {
  const found = new Map<string, string>();
  for (const key of KEYS) {
    const record = file.fetch(key);
    if (record !== undefined) found.set(key, `${record.rsn}:${record.value.toHex()}`);
  }
  return found;
}

/** A content that can be compared. */
export function sorted(content: Map<string, string> | undefined): [string, string][] {
  return [...content ?? []].sort(([one], [other]) => one < other ? -1 : 1);
}
