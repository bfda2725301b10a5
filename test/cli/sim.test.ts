/**
 * `ctdbx sim run`: a verdict and a hash for each seed, the same every time.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { capture } from "./capture.ts";

async function sim(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = capture();
  const code = await run(["sim", "run", ...words], {
    terminal,
    store: new SimImageStore({ seed: 1 }),
  });
  return { code, out: terminal.outText(), err: terminal.errText() };
}

const test = suite("ctdbx sim");

test("a seed has a verdict and a hash, the same again, another seed another", async () => {
  const one = await sim("--seed", "5", "--seconds", "10", "-o", "jsonl");
  assert.is(one.code, 0);
  const found = JSON.parse(one.out);
  assert.is(found.verdict, "clean");
  assert.match(found.hash, /^[0-9a-f]{8}$/);
  assert.equal(await sim("--seed", "5", "--seconds", "10", "-o", "jsonl"), one);
  const other = JSON.parse((await sim("--seed", "6", "--seconds", "10", "-o", "jsonl")).out);
  assert.is.not(other.hash, found.hash);
});

test("nodes and faults can be chosen; the story tells what happens", async () => {
  const { out } = await sim(
    "--nodes",
    "4",
    "--faults",
    "kill",
    "--seconds",
    "20",
    "--story",
    "-o",
    "jsonl",
  );
  const { seed, nodes, faults, story } = JSON.parse(out);
  assert.equal([seed, nodes, faults], [1, 4, ["kill"]]);
  assert.match(story.join("\n"), /^ +\d+\.\d n\d adopted /m);
});

test("a fault that is none is refused with the names of those that are", async () => {
  const { code, err } = await sim("--faults", "kill,thunder");
  assert.is(code, 2);
  assert.match(err, "thunder is none of pause, kill");
});

test.run();
