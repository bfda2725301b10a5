/** `ctdbx tunable` without a node: what is refused before one is asked, texts of what was set, and what differs. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TUNABLE_NAMES } from "../../actors/tunables/catalogue.ts";
import { diffRows, setTexts } from "../../cli/commands/tunable.ts";
import type { TunableRow, TunableSet } from "../../cli/commands/tunable_fields.ts";
import { run } from "../../cli/run.ts";
import { capture } from "./capture.ts";
import { closedWorld, wholeTree } from "./tree_rig.ts";

const test = suite("cli/tunable");

async function ran(words: string): Promise<{ exit: number; err: string }> {
  const terminal = capture();
  const home = ["--home", "/nowhere/at/all"];
  const exit = await run(["tunable", ...words.split(" "), ...home], closedWorld(terminal));
  return { exit, err: terminal.errText() };
}

const REFUSED: readonly (readonly [words: string, exit: number, said: string, hint: string])[] = [
  [
    "get VacuumIntervall",
    3,
    'Cannot find a tunable "VacuumIntervall"',
    "did you mean VacuumInterval",
  ],
  ["get x", 3, 'Cannot find a tunable "x"', "`ctdbx tunable ls` shows all"],
  ["history nopiTakeover2", 3, "Cannot find a tunable", "did you mean NoIPTakeover"],
  [
    "set vacuuminterval 601",
    2,
    'VacuumInterval: it must be 1 to 600 s, is "601"',
    "default is 10 s",
  ],
  ["set VacuumInterval 1.5", 2, 'must be 1 to 600 s, is "1.5"', "default is 10 s"],
  [
    "set DBSizeWarn 1e9",
    2,
    'must be 0 to 4294967295 bytes, is "1e9"',
    "default is 100000000 bytes",
  ],
  ["set NoIPTakeover 2", 2, 'must be 0 or 1, is "2"', "default is 0"],
  [
    "set lcp2publicips 1",
    4,
    "Cannot set LCP2PublicIPs: it is obsolete",
    "IPAllocAlgorithm chooses",
  ],
  ["reset MaxRedirectCount", 4, "MaxRedirectCount: it is obsolete", "home of its slot knows"],
];

for (const [words, exit, said, hint] of REFUSED) {
  test(`refused before a node is looked for: ${words}`, async () => {
    const { exit: found, err } = await ran(words);
    assert.is(found, exit, err);
    const [first = "", second = ""] = err.split("\n");
    assert.match(first, said);
    assert.match(second, hint);
  });
}

test("what can be set is asked of a node, in any case", async () => {
  for (const words of ["set vacuumINTERVAL 600", "reset VACUUMINTERVAL", "get dbsizewarn"]) {
    const { exit, err } = await ran(words);
    assert.is(exit, 3, words);
    assert.match(err, "Cannot find a node");
  }
});

test("names are completed, and any may be typed", async () => {
  const parts = await wholeTree();
  for (const words of ["tunable get", "tunable set", "tunable reset", "tunable history"]) {
    const part = parts.find((each) => each.words === words);
    assert.equal(part?.args[0]?.value, { kind: "words", words: TUNABLE_NAMES }, words);
  }
});

function row(name: string, value: number): TunableRow {
  return {
    ...{ name, value, unit: "s", default: 10, from: value === 10 ? "default" : "cluster" },
    ...{ min: 1, max: 600, effect: "here", isCtdbs: true, doc: "a pace" },
  };
}

test("what differs: from the default at all alike, or between nodes; the rest is left out", () => {
  const rows = diffRows([
    { pnn: 0, name: "n0", ok: [row("A", 10), row("B", 20), row("C", 10)] },
    { pnn: 1, name: "n1", ok: [row("A", 10), row("B", 20), row("C", 30)] },
    { pnn: 2, name: "n2" },
  ]);
  assert.equal(rows.map(({ name, differs }) => [name, differs]), [["B", "default"], [
    "C",
    "nodes",
  ]]);
  assert.equal(rows[1]?.nodes, [
    { pnn: 0, name: "n0", value: 10, from: "default" },
    { pnn: 1, name: "n1", value: 30, from: "cluster" },
  ]);
});

test("what was set is told in words; one that changes nothing says why", () => {
  const set = (done: TunableSet["done"], effect: TunableSet["effect"] = "here"): string[] =>
    setTexts({ ...row("VacuumInterval", 20), effect, done });
  assert.equal(set([{ place: "cluster", before: null, after: 20, changed: true }]), [
    "VacuumInterval: 20 s is set for the cluster now, nothing was before",
  ]);
  assert.equal(set([{ place: "n2", after: 20, before: 20, changed: false }], "kept"), [
    "VacuumInterval: 20 s is set for n2 already",
    "it changes nothing in ctdbx: a pace",
  ]);
  assert.equal(set([{ place: "cluster", before: 20, after: null, changed: true }]), [
    "VacuumInterval: nothing is set for the cluster now, 20 s was before",
    "where nothing is set its default holds: 10 s",
  ]);
});

test.run();
