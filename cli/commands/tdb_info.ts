/**
 * `ctdbx tdb info`: what a file is, what is in it, and whether its hash size suits it.
 *
 * Does NOT promise: that the file is sound; `check` looks at that.
 */

import type { Command } from "commander";
import type { Sizes, Summary } from "../../actors/storage/tdb_summary.ts";
import { freelistSizes, summary } from "../../actors/storage/tdb_summary.ts";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { withDatabase } from "../database.ts";
import { declare, type Task } from "../declare.ts";
import { progress } from "../progress.ts";
import { object } from "../result.ts";
import { type Field, int, num, record, type Shape, text, word } from "../schema.ts";
import type { CommandWorld, OpenFlags } from "../world.ts";
import { LOCK_WAIT, nextTurn, openOptions } from "../world.ts";

/** Adds the command to `ctdbx tdb`. */
export function addInfoCommand(tdb: Command, world: CommandWorld): void {
  const info = tdb.command("info <file>").description("header, sizes, counts, advice");
  declare<OpenFlags, Info>(
    openOptions(info, true),
    world,
    { result: INFO, timeout: LOCK_WAIT },
    runInfo,
  );
}

const bytes = (title: string, description: string): Field<number> =>
  int(title, description, "bytes");

/** Sizes are one number in data; people see the smallest and the largest, too. */
const SIZES = {
  smallest: bytes("Smallest", "the smallest one; 0: there is none"),
  largest: bytes("Largest", "the largest one"),
  average: num("Average", "of all", "bytes"),
};

const INFO_FIELDS = {
  path: text("File", "as it was named"),
  bytes: bytes("Bytes", "of the whole file"),
  byteOrder: word("Byte order", "in which its numbers are stored", ["little", "big"]),
  hash: word("Hash", "of the keys", ["jenkins", "old"]),
  locking: text("Locks", "how processes exclude each other"),
  mutexAreaBytes: bytes("Mutex area bytes", "0: it has no mutexes"),
  sequenceNumber: int("Sequence number", "rises with changes, where the file has one"),
  records: int("Records", "live ones"),
  keyBytes: bytes("Key bytes", "of all keys"),
  keySizes: record("Keys", "sizes of keys", SIZES),
  valueBytes: bytes("Value bytes", "of all values"),
  valueSizes: record("Values", "sizes of values", SIZES),
  paddingBytes: bytes("Padding bytes", "unused ones in live records"),
  deadRecords: int("Dead records", "deleted ones that still hold their place"),
  freeRecords: int("Free records", "pieces of free space"),
  freeBytes: bytes("Free bytes", "in them"),
  largestFreeBytes: bytes("Largest free piece", "what a new record can take at most"),
  freeListLength: int("Free list length", "pieces that the free list has"),
  recoveryBytes: bytes("Recovery area bytes", "kept for transactions"),
  unusedBytes: bytes("Unused bytes at the end", "behind the last record"),
  hashSize: int("Hash chains", "how many there are"),
  recordsPerChain: num("Records per chain", "on average"),
  longestChain: int("Longest chain", "its records"),
  emptyChains: int("Empty chains", "without records"),
  suggestedHashSize: int("Suggested hash chains", "that would suit the records"),
  advice: text("Advice", "what to do about the hash size"),
};
type Info = Shape<typeof INFO_FIELDS>;

const INFO = object(INFO_FIELDS, {
  table: Object.keys(INFO_FIELDS).filter((name) => !name.endsWith("Sizes")).map((name) => {
    if (name === "keyBytes") return { name, text: keySizesText };
    return name === "valueBytes" ? { name, text: valueSizesText } : name;
  }),
});

function keySizesText({ keyBytes, keySizes }: Info): string | number {
  return sizesText(keyBytes, keySizes);
}

function valueSizesText({ valueBytes, valueSizes }: Info): string | number {
  return sizesText(valueBytes, valueSizes);
}

function sizesText(all: number, { smallest, largest, average }: Info["keySizes"]): string | number {
  return all === 0 ? all : `${all} (${smallest} to ${largest}, average ${Math.round(average)})`;
}

async function runInfo(
  { world, flags, out }: Task<OpenFlags, Info>,
  file = "",
): Promise<void> {
  const bar = progress(world.terminal, "counting");
  const row = await withDatabase(world, file, flags, "look", async (tdb) => {
    const counted = await summary(tdb, {
      progress: (done, total) => bar.at(done, total),
      breathe: nextTurn,
    });
    return rowOf(tdb, counted);
  }).finally(() => bar.end());
  out.object(row);
}

function rowOf(tdb: Tdb, counted: Summary): Info {
  const { header } = tdb;
  const { advice, chains } = counted;
  const sizes = ({ count, smallest, largest, average }: Sizes) =>
    count === 0 ? { smallest: 0, largest: 0, average: 0 } : { smallest, largest, average };
  return {
    path: tdb.path,
    bytes: counted.size + header.mutexSize,
    byteOrder: header.byteOrder,
    hash: header.hash,
    locking: header.mutexSize > 0 ? "mutexes in the file" : "byte ranges",
    mutexAreaBytes: header.mutexSize,
    sequenceNumber: tdb.sequenceNumber(),
    records: counted.records,
    keyBytes: counted.keys.bytes,
    keySizes: sizes(counted.keys),
    valueBytes: counted.values.bytes,
    valueSizes: sizes(counted.values),
    paddingBytes: counted.padding.bytes,
    deadRecords: counted.dead.count,
    freeRecords: counted.free.count,
    freeBytes: counted.free.bytes + 24 * counted.free.count,
    largestFreeBytes: counted.free.largest,
    freeListLength: freelistSizes(tdb).count,
    recoveryBytes: counted.recoveryBytes,
    unusedBytes: counted.unusedBytes,
    hashSize: counted.hashSize,
    recordsPerChain: Math.round(advice.recordsPerChain * 100) / 100,
    longestChain: chains.longest,
    emptyChains: chains.empty,
    suggestedHashSize: advice.suggested,
    advice: adviceText(tdb.path, counted),
  };
}

function adviceText(path: string, { advice }: Summary): string {
  const how = `ctdbx tdb backup ${path} NEW.tdb --hash-size ${advice.suggested}`;
  switch (advice.verdict) {
    case "good":
      return "the hash size suits the records";
    case "slower":
      return `chains are a little long: ${how}`;
    case "make anew":
      return `chains are long, every access walks them: ${how}`;
  }
}
