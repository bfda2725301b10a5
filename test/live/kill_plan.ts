/**
 * The transaction that is killed in tdb_crash.test.ts, once for our engine and once in words for
 * libtdb.
 *
 *   base:   k0 .. k39 with varying lengths
 *   change: every third deleted, every fourth longer, ten new ones
 *
 * Does NOT promise: that both lay their records out alike.
 */

import type { Tdb } from "../../actors/storage/tdb.ts";
import { good, hex, type Records, type Session, unhex } from "./session.ts";

const BASE_COUNT = 40;

function value(index: number, length: number): string {
  return hex(new Uint8Array(length).fill(index + 65));
}

/** What the file holds before. */
export function baseRecords(): Records {
  const records: Records = new Map();
  for (let i = 0; i < BASE_COUNT; i++) records.set(hex(`k${i}`), value(i, 7 * i));
  return records;
}

/** Stores of the change, key to value; undefined deletes. */
function changes(): Map<string, string | undefined> {
  const list = new Map<string, string | undefined>();
  for (let i = 0; i < BASE_COUNT; i += 3) list.set(hex(`k${i}`), undefined);
  for (let i = 1; i < BASE_COUNT; i += 4) list.set(hex(`k${i}`), value(i + 1, 300 + 90 * i));
  for (let i = 0; i < 10; i++) list.set(hex(`new ${i}`), value(i, 3500 * i));
  return list;
}

/** What it holds afterwards. */
export function changedRecords(): Records {
  const records = baseRecords();
  for (const [key, word] of changes()) {
    if (word === undefined) records.delete(key);
    else records.set(key, word);
  }
  return records;
}

/**
 * Makes the base in a session. `first`: with a transaction before, so that there is a recovery
 * area; `middle`: and with so much behind it that the file has grown since.
 */
export async function makeBase(session: Session, first: boolean, middle: boolean): Promise<void> {
  if (first) {
    await good(session, "begin");
    await good(session, "store", hex("k0"), "00", 0);
    await good(session, "store", hex("k0"), value(0, 0), 0);
    await good(session, "commit");
  }
  for (const [key, word] of baseRecords()) await good(session, "store", key, word, 0);
  if (!middle) return;
  const size = await good(session, "mapsize");
  const filler: string[] = [];
  for (let i = 0; await good(session, "mapsize") === size; i++) {
    filler.push(hex(`filler ${i}`));
    await good(session, "store", hex(`filler ${i}`), value(i, 100), 0);
  }
  for (const key of filler) await good(session, "delete", key);
}

/** The words of the change, without begin and commit. */
export function changeWords(): string[][] {
  return [...changes()].map(([key, word]) =>
    word === undefined ? ["delete", key] : ["store", key, word, "0"]
  );
}

/** The change by our engine, inside a transaction. */
export function changeOurs(tdb: Tdb): void {
  for (const [key, word] of changes()) {
    if (word === undefined) tdb.delete(unhex(key));
    else tdb.store(unhex(key), unhex(word));
  }
}
