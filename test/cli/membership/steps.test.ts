/** A plan that is killed anywhere and run again: it finishes, does nothing twice, and says what it waits for. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT } from "../../../cli/exit_codes.ts";
import { Failure } from "../../../cli/failure.ts";
import { differenceOf, type Digest, joinSteps } from "../../../cli/membership/join_plan.ts";
import { Journal } from "../../../cli/membership/journal.ts";
import { carryOut, type Step, survey } from "../../../cli/membership/steps.ts";
import { type Disk, emptyDisk, Killed, Run } from "./fake_join.ts";

const test = suite("cli/membership/steps");

const WISH = {
  name: "n3",
  cluster: "lab",
  folder: "/n3",
  voter: true,
  replaces: { pnn: 1, name: "n1" },
  start: true,
  memberMs: 10_000,
};
const AGREED: Digest[] = [0, 3].map((pnn) => ({
  pnn,
  name: `n${pnn}`,
  version: "5",
  generation: "4",
  hash: "abc",
}));
const SILENT = { step: () => {}, say: () => {} };

async function join(disk: Disk, killAt = Infinity): Promise<{ run: Run; steps: Step[] }> {
  const run = new Run(disk, killAt);
  const steps = joinSteps(run.port(() => AGREED), WISH, () => {});
  await carryOut(steps, run.journal, SILENT);
  return { run, steps };
}

test("a plan is carried out in order, each step begun in the journal before it is done", async () => {
  const disk = emptyDisk();
  await join(disk);
  const [, ...entries] = disk.journal.trimEnd().split("\n").map((line) => JSON.parse(line));
  const names = [
    "key",
    "identity",
    "state",
    "configuration",
    "join",
    "start",
    "member",
    "replaced",
  ];
  assert.equal(
    entries.map(({ step, is }) => `${step} ${is}`),
    [...names, "digest"].flatMap((name) => [`${name} begun`, `${name} done`]),
  );
});

test("killed at each moment and run again, it finishes and joins once", async () => {
  const whole = (await join(emptyDisk())).run.touches;
  assert.ok(whole > 50);
  for (let killAt = 1; killAt <= whole; killAt++) {
    const disk = emptyDisk();
    try {
      await join(disk, killAt);
      assert.unreachable(`not killed at ${killAt}`);
    } catch (error) {
      assert.instance(error, Killed);
    }
    await join(disk);
    const { key, identity, state, config, joined, running } = disk;
    assert.equal([key, identity, state, config, joined], [1, 1, 1, 1, 1], `killed at ${killAt}`);
    assert.ok(running);
    // Every line but a cut one can be read, and the last says that all is done.
    assert.match(disk.journal.trimEnd().split("\n").at(-1) ?? "", '"step":"digest","is":"done"');
  }
});

test("killed twice, at any two moments, it finishes all the same", async () => {
  for (let first = 1; first <= 60; first += 7) {
    for (let second = 1; second <= 60; second += 11) {
      const disk = emptyDisk();
      await join(disk, first).catch(() => {});
      await join(disk, second).catch(() => {});
      await join(disk);
      assert.equal([disk.identity, disk.joined], [1, 1], `killed at ${first} and ${second}`);
    }
  }
});

test("what is done already is not done again, and said to be", async () => {
  const disk = emptyDisk();
  await join(disk);
  const before = { ...disk, journal: "" };
  const said: string[] = [];
  const run = new Run(disk);
  const steps = joinSteps(run.port(() => AGREED), WISH, () => {});
  await carryOut(steps, run.journal, {
    step: ({ name }, state) => said.push(`${name} ${state}`),
    say: () => {},
  });
  assert.equal({ ...disk, journal: "", oldLeft: before.oldLeft }, before);
  assert.equal(said.filter((each) => each.endsWith("was done")).length, 8);
  assert.equal(said.slice(-2), ["digest begun", "digest done"]);
});

test("a survey tells what is to do and does nothing", async () => {
  const disk = emptyDisk();
  const run = new Run(disk);
  const found = await survey(joinSteps(run.port(), { ...WISH, replaces: null }, () => {}));
  assert.ok(found.every(({ state }) => state === "to do"));
  assert.equal(disk, emptyDisk());
  disk.key = 1;
  const again = await survey(joinSteps(run.port(), WISH, () => {}));
  assert.equal(again.map(({ state }) => state).slice(0, 2), ["was done", "to do"]);
});

test("what never comes about is said with what is missing; exit code 8", async () => {
  const disk = { ...emptyDisk(), until: Infinity };
  const run = new Run(disk);
  const steps = joinSteps(run.port(() => AGREED), WISH, () => {});
  const said: string[] = [];
  try {
    await carryOut(steps, run.journal, { step: () => {}, say: (_step, text) => said.push(text) });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, Failure);
    const { exit, message, hint } = error as Failure;
    assert.is(exit, EXIT.expectation);
    assert.is(message, "Cannot see n3 at work within 10 s: it is not in the view yet: it is new");
    assert.match(hint ?? "", "run the command again");
  }
  assert.equal(said, ["it is not in the view yet: it is new"]);
});

for (const voter of [true, false]) {
  test(`without a vote it is ${voter ? "not done" : "done"} when ${voter ? "one" : "none"} was promised`, async () => {
    const disk = { ...emptyDisk(), until: 3 };
    const run = new Run(disk);
    const steps = joinSteps(run.port(() => AGREED), { ...WISH, voter }, () => {});
    const said: string[] = [];
    await carryOut(steps, run.journal, {
      step: () => {},
      say: ({ name }, text) => name === "member" && said.push(text),
    });
    assert.is(said.includes("it has no vote yet: it is new"), voter);
  });
}

test("nodes that differ are told apart; those that are silent do not count", () => {
  const [one, other] = AGREED as [Digest, Digest];
  assert.is(differenceOf([one, other]), undefined);
  assert.is(differenceOf([one, { ...other, hash: "x" }]), "n0 and n3 differ");
  assert.is(differenceOf([one, { ...other, version: "6" }]), "n0 and n3 differ");
  assert.is(differenceOf([one, { ...other, generation: "5" }]), "n0 and n3 differ");
  assert.is(differenceOf([one, { pnn: 3, name: "n3", error: "gone" }]), undefined);
  assert.is(differenceOf([{ pnn: 3, name: "n3", error: "gone" }]), "gone");
  assert.is(differenceOf([]), "no node answers");
});

test("a step whose work is not to be seen afterwards is an error, and stays open", async () => {
  const disk = emptyDisk();
  const run = new Run(disk);
  const broken: Step = { name: "x", text: "does x", isDone: () => false, work: () => {} };
  try {
    await carryOut([broken], run.journal, SILENT);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Failure).message, "Cannot see that it is done: does x");
    assert.is((error as Failure).exit, EXIT.expectation);
  }
  assert.not.match(disk.journal, '"is":"done"');
});

test("a journal whose head was cut is none; one with strange lines keeps the others", () => {
  const read = (text: string | undefined) =>
    Journal.read({ read: () => text, append: () => {} }, () => "now");
  assert.is(read(undefined), undefined);
  assert.is(read(""), undefined);
  assert.is(read('{"head":{"verb":"jo'), undefined);
  assert.is(read('{"at":"t","step":"key","is":"done"}\n'), undefined);
  const lines =
    '{"head":{"verb":"join"}}\nnull\n7\n{"at":"t","step":"key","is":"done"}\n{"at":"t","st';
  const journal = read(lines);
  assert.equal(journal?.head, { verb: "join" });
  assert.ok(journal?.has("key"));
  assert.is(journal?.lastAt, "t");
});

test.run();
