/** Tests that a stall of the machine may spoil: run again after one, and only then. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { undisturbed } from "./undisturbed.ts";

const test = suite("undisturbed");

/** This process stands still for so long. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 60));
}

test("what fails while the machine stands still is run again, and counts as it ends then", async () => {
  let runs = 0;
  await undisturbed(async () => {
    runs += 1;
    await turn();
    if (runs > 1) return;
    stall(800);
    await turn();
    throw new Error("spoiled");
  });
  assert.is(runs, 2);
});

test("what fails each time has failed, stalls or not", async () => {
  let runs = 0;
  const work = async () => {
    runs += 1;
    await turn();
    stall(800);
    await turn();
    throw new Error(`wrong ${runs}`);
  };
  assert.match(
    await undisturbed(work).then(() => "", (error: Error) => error.message),
    /^wrong 3$/,
  );
});

test("what fails at once on a machine that goes on is not run again", async () => {
  let runs = 0;
  const fail = () => {
    runs += 1;
    return Promise.reject(new Error("wrong"));
  };
  const said = await undisturbed(fail).then(() => "", (error: Error) => error.message);
  assert.equal([said, runs], ["wrong", 1]);
});

test.run();
