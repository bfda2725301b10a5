/**
 * A TDB file's records in a clustered database, and whether they are still the same.
 *
 * Does NOT promise: to see a change that was taken back between two looks.
 */

import type { Database } from "../actors/client/types.ts";
import { openTdb } from "../actors/storage/tdb_open.ts";
import { shortKey } from "./bytes_text.ts";
import type { CommandWorld } from "./world.ts";

/** A record of a file. */
export interface FileRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** All records of a file. Throws CtdbxError. */
export async function recordsOf(
  { store }: Pick<CommandWorld, "store">,
  path: string,
): Promise<FileRecord[]> {
  const tdb = await openTdb(store, path, { readOnly: true });
  try {
    const records: FileRecord[] = [];
    await tdb.traverse((record) => {
      records.push({ key: record.key(), value: record.value() });
    });
    return records;
  } finally {
    tdb.close();
  }
}

/** Stores all of them, as many at a time as there are. Throws CtdbxError. */
export async function storeAll(db: Database, records: readonly FileRecord[]): Promise<void> {
  await Promise.all(records.map(({ key, value }) => db.put(key, value)));
}

/** How many records a read found different, or not at all, and how long each took. */
export interface Comparison {
  readonly same: number;
  /** The first that was not the same, in words. */
  readonly wrong: string | undefined;
  readonly tookMs: readonly number[];
}

/** Reads records one after the other, and compares them with what they must be. Throws CtdbxError. */
export async function compare(
  db: Database,
  records: readonly FileRecord[],
  nowMs: () => number,
): Promise<Comparison> {
  let same = 0;
  let wrong: string | undefined;
  const tookMs: number[] = [];
  for (const { key, value } of records) {
    const startMs = nowMs();
    const found = await db.read(key);
    tookMs.push(nowMs() - startMs);
    if (isSame(found, value)) same++;
    else wrong ??= difference(key, value, found);
  }
  return { same, wrong, tookMs };
}

/** Are these the same bytes? */
export function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one?.length === other?.length && (one?.every((byte, at) => byte === other?.[at]) ?? true);
}

function difference(key: Uint8Array, wanted: Uint8Array, found: Uint8Array | undefined): string {
  const name = shortKey(key);
  if (found === undefined) return `${name} is not there`;
  return `${name} has ${found.length} bytes that are not the ${wanted.length} of the file`;
}

/** The keys of a whole traverse that are none of these records', and how many of these it gave. */
export async function traversed(
  db: Database,
  records: readonly FileRecord[],
): Promise<{ readonly known: number; readonly others: number }> {
  const names = new Set(records.map(({ key }) => latin1(key)));
  let others = 0;
  for await (const { key } of db.traverse({ keysOnly: true })) {
    if (!names.delete(latin1(key))) others++;
  }
  return { known: records.length - names.size, others };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
