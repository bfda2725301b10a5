/**
 * A sample of mutated files; test/long/fuzz.ts runs as many as one likes.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { limit } from "../limit.ts";
import { Fuzz } from "./fuzz_engine.ts";

const test = suite("fuzz");

const RUNS = 1500;
const FIRST_SEED = 1;

test.either(
  "mutated files end in a result or in one of our errors",
  limit(120_000, async () => {
    const before = threadMemory().regions.free().bytes;
    const fuzz = await Fuzz.make();
    const outcomes = new Set<string>();
    const free = threadMemory().regions.free().bytes;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      for (const step of (await fuzz.run(seed)).steps) outcomes.add(step);
    }
    assert.is(threadMemory().regions.free().bytes, free, "all memory was given back");
    fuzz.close();
    assert.is(threadMemory().regions.free().bytes, before, "the neighbours', too");
    // The mutations reach what they are for.
    const kinds = ["loop", "offset", "magic", "tailer", "length", "hash", "chain", "freelist"];
    kinds.push("recovery", "truncated");
    for (const kind of kinds) assert.ok(outcomes.has(`check says ${kind}`), kind);
    for (const end of ["open: corrupt/header", "check is ok", "store: ok", "commit: ok"]) {
      assert.ok(outcomes.has(end), end);
    }
  }),
);

test.run();
