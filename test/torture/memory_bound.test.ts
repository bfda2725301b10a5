/**
 * A hostile file cannot make us use much more memory than it has bytes itself: opening, checking and
 * rescuing it stay below FACTOR times its size and SLACK.
 *
 * Measured by the system in a child process (memory_child.ts). The files: every broken vector; and 32 MiB full of
 * entries to recover, of records that no list holds, of records that overlap, of one chain, of free records.
 *
 * Does NOT promise: a bound on time.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limit, skip } from "../limit.ts";
import { inFolder } from "../live/files.ts";
import { runtimeCommand, thisRuntime } from "../live/peer.ts";
import { copyVector, vectors } from "../live/vectors.ts";
import { hostileFiles } from "./hostile_files.ts";
import type { MemoryReport } from "./memory_child.ts";

const MIB = 1024 * 1024;
/** Of the file's size: its own pages, a copy of what is to be recovered, one of a value. */
const FACTOR = 4;
/**
 * The same where a rescue hands out a million copies of the smallest records in one turn: Bun collects none of them
 * before the turn ends, and each takes some 125 bytes for 28 of the file.
 */
const FACTOR_OF_COPIES = 7;
/** What a runtime may take for itself meanwhile, bytes. */
const SLACK = 64 * MIB;
/** Bytes of the large files. */
const LARGE = 32 * MIB;
/** A good database to begin with. */
const GOOD = "04-many-chains-old.tdb";

/** Runs the child on files, throws when one of them took too much. */
function measure(folder: string, paths: readonly string[], factor: number): MemoryReport[] {
  if (!existsSync("/proc/self/status")) skip("no /proc/self/status");
  const [command = "", ...words] = runtimeCommand(thisRuntime(), "test/torture/memory_child.ts");
  const child = spawnSync(command, [...words, copyVector(GOOD, folder), ...paths], {
    encoding: "utf8",
  });
  assert.is(child.status, 0, `${child.signal ?? ""} ${child.stderr}`);
  const reports = child.stdout.trim().split("\n").map((line) => JSON.parse(line) as MemoryReport);
  assert.is(reports.length, paths.length);
  for (const { path, size, grew, steps } of reports) {
    const most = factor * size + SLACK;
    const text = `${path}: ${grew} bytes for a file of ${size}, ${most} at most; ${
      steps.join(", ")
    }`;
    assert.ok(grew <= most, text);
  }
  return reports;
}

const test = suite("TDB: memory that a hostile file can cost");
test.either(
  "every broken vector",
  limit(120_000, () =>
    inFolder((folder) => {
      const paths = vectors().corrupt.map(({ file }) => copyVector(file, folder));
      const reports = measure(folder, paths, FACTOR);
      const ends = new Set(reports.flatMap(({ steps }) => steps));
      for (const end of ["open: ok", "open: corrupt", "check: problems", "rescue: ok"]) {
        assert.ok(ends.has(end), `${end} was seen`);
      }
    })),
);

for (const { name, make, wanted, manyCopies } of hostileFiles(LARGE)) {
  test.either(
    name,
    limit(120_000, () =>
      inFolder((folder) => {
        const path = join(folder, "hostile.tdb");
        writeFileSync(path, make());
        const [report] = measure(folder, [path], manyCopies ? FACTOR_OF_COPIES : FACTOR);
        assert.is(report?.size, LARGE);
        for (const step of wanted) {
          assert.ok(report?.steps.includes(step), `${step}: ${report?.steps.join(", ")}`);
        }
      })),
  );
}
test.run();
