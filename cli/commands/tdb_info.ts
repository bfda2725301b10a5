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
import type { Column, Row } from "../output.ts";
import { writeObject } from "../output.ts";
import { progress } from "../progress.ts";
import type { CommandWorld, OpenFlags, OutputFlags } from "../world.ts";
import { lookOf, nextTurn, openOptions, outputOptions } from "../world.ts";

/** Adds the command to `ctdbx tdb`. */
export function addInfoCommand(tdb: Command, world: CommandWorld): void {
  const info = tdb.command("info <file>").description("header, sizes, counts, advice");
  outputOptions(openOptions(info, true))
    .action((file: string, flags: OpenFlags & OutputFlags) => runInfo(world, file, flags));
}

/** Property, title; sizes appear as three properties in data and as one line in a table. */
const COLUMNS: readonly Column[] = [
  { name: "path", title: "File" },
  { name: "bytes", title: "Bytes" },
  { name: "byteOrder", title: "Byte order" },
  { name: "hash", title: "Hash" },
  { name: "locking", title: "Locks" },
  { name: "mutexAreaBytes", title: "Mutex area bytes" },
  { name: "sequenceNumber", title: "Sequence number" },
  { name: "records", title: "Records" },
  { name: "keyBytes", title: "Key bytes" },
  { name: "valueBytes", title: "Value bytes" },
  { name: "paddingBytes", title: "Padding bytes" },
  { name: "deadRecords", title: "Dead records" },
  { name: "freeRecords", title: "Free records" },
  { name: "freeBytes", title: "Free bytes" },
  { name: "largestFreeBytes", title: "Largest free piece" },
  { name: "freeListLength", title: "Free list length" },
  { name: "recoveryBytes", title: "Recovery area bytes" },
  { name: "unusedBytes", title: "Unused bytes at the end" },
  { name: "hashSize", title: "Hash chains" },
  { name: "recordsPerChain", title: "Records per chain" },
  { name: "longestChain", title: "Longest chain" },
  { name: "emptyChains", title: "Empty chains" },
  { name: "suggestedHashSize", title: "Suggested hash chains" },
  { name: "advice", title: "Advice" },
];

async function runInfo(
  world: CommandWorld,
  file: string,
  flags: OpenFlags & OutputFlags,
): Promise<void> {
  const look = lookOf(world, flags);
  const bar = progress(world.terminal, "counting");
  const row = await withDatabase(world, file, flags, "look", async (tdb) => {
    const counted = await summary(tdb, {
      progress: (done, total) => bar.at(done, total),
      breathe: nextTurn,
    });
    return rowOf(tdb, counted, look.format === "table");
  }).finally(() => bar.end());
  writeObject(world.terminal.out, look, COLUMNS, row);
}

function rowOf(tdb: Tdb, counted: Summary, forPeople: boolean): Row {
  const { header } = tdb;
  const { advice, chains } = counted;
  const sizes = (of: Sizes) =>
    forPeople && of.count > 0
      ? `${of.bytes} (${of.smallest} to ${of.largest}, average ${Math.round(of.average)})`
      : of.bytes;
  return {
    path: tdb.path,
    bytes: counted.size + header.mutexSize,
    byteOrder: header.byteOrder,
    hash: header.hash,
    locking: header.mutexSize > 0 ? "mutexes in the file" : "byte ranges",
    mutexAreaBytes: header.mutexSize,
    sequenceNumber: tdb.sequenceNumber(),
    records: counted.records,
    keyBytes: sizes(counted.keys),
    valueBytes: sizes(counted.values),
    paddingBytes: sizes(counted.padding),
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
