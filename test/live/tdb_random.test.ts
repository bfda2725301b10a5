/**
 * Random operations by our engine and by libtdb: on two files, in turns on one file, and mixed on
 * one open file.
 *
 *   two files:   every word to both, both answers must be the model's
 *   in turns:    ours opens, works, closes; libtdb opens, works, closes; ...
 *   mixed:       both have it open, the dice say who does the next operation; once more with the
 *                file mapped where addresses are above 2 GiB, which engines compile differently
 *
 * After each: same records, same tdbdump, `tdbtool check` and our check pass. A failure names the
 * seed.
 *
 * Does NOT promise: long runs; those are test/long/interop.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Regions, threadMemory } from "../../assembly/host/memory.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { inFolder } from "./files.ts";
import { inTurns, KINDS, mixed, twoFiles } from "./random_runs.ts";
import { peerProgram, thisRuntime } from "./peer.ts";

const random = suite("TDB: random operations");
// Each runtime has seeds of its own: more ground for the same time.
const FIRST_SEED = thisRuntime() === "bun" ? 1 : 1001;

for (const [index, kind] of KINDS.entries()) {
  const seed = FIRST_SEED + index;
  // In turns: each runtime has half of them, and some of each sort.
  random.either(
    `on two files give what libtdb gives: ${kind.name} (seed ${seed})`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder((folder) => twoFiles(new RealImageStore(), folder, kind, seed, 700));
    }),
  );
  random.either(
    `in turns on one file keep it sound: ${kind.name} (seed ${seed})`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder((folder) => inTurns(new RealImageStore(), folder, kind, seed, 16, 60));
    }),
  );
  random.either(
    `mixed on one open file keep it sound: ${kind.name} (seed ${seed})`,
    limit(60_000, async () => {
      peerProgram();
      await inFolder((folder) => mixed(new RealImageStore(), folder, kind, seed, 900));
    }),
  );
}

/** The file is to be mapped where addresses do not fit into 31 bits. */
const ABOVE = 2 ** 31;
/** What is reserved below, in these sizes, and never touched: other tests of this thread have left gaps. */
const BLOCKS = [256, 16, 1, 1 / 16].map((mebibytes) => mebibytes * 2 ** 20);

/** Takes all that is free below. */
function takeBelow(regions: Regions): Map<number, number> {
  const taken = new Map<number, number>();
  for (const bytes of BLOCKS) {
    for (;;) {
      const at = regions.take(bytes);
      if (at === undefined) break;
      if (at >= ABOVE) {
        regions.give(at, bytes);
        break;
      }
      taken.set(at, bytes);
    }
  }
  return taken;
}

for (const kind of KINDS.filter((each) => ["old hash", "mutexes"].includes(each.name))) {
  random(
    `mixed on a file that is mapped above 2 GiB: ${kind.name} (seed ${FIRST_SEED})`,
    limit(60_000, async () => {
      peerProgram();
      const { regions } = threadMemory();
      const taken = takeBelow(regions);
      try {
        const next = regions.take(1024 * 1024);
        assert.ok(next !== undefined && next >= ABOVE, "the file would not be mapped above");
        regions.give(next, 1024 * 1024);
        const store = new RealImageStore();
        await inFolder((folder) => mixed(store, folder, kind, FIRST_SEED, 2000));
      } finally {
        for (const [at, bytes] of taken) regions.give(at, bytes);
      }
    }),
  );
}

random.run();
