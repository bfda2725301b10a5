/** Findings as people read them, and that every command line which is shown can be run. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { explain, RULES } from "../../actors/explain/explain.ts";
import { storyText } from "../../cli/explain/text.ts";
import { DEEP_CASES } from "../actors/explain/cases.ts";
import { WIDE_CASES } from "../actors/explain/cases_wide.ts";
import { wholeTree } from "./tree_rig.ts";

const test = suite("cli/explain");
const PLAIN = { columns: 80, color: false };

const finding = (id: string, node: string | undefined, more: object = {}) => ({
  id,
  ...node === undefined ? {} : { node },
  title: `${node ?? "all"} has ${id}`,
  severity: "error" as const,
  evidence: [],
  next: [],
  commands: [],
  also: [],
  ...more,
});

test("a story: cause, evidence, what is next, what to run, what belongs to it", () => {
  const text = storyText([
    finding("daemon_stopped", "n1", {
      evidence: ["one", "two"],
      next: ["three"],
      commands: ["kill -CONT 7", "ctdbx node ping n1"],
      also: [finding("node_silent", "n1"), finding("no_lease", "n0"), finding("no_lease", "n2")],
    }),
    finding("clock_skew", "n2"),
  ], PLAIN);
  assert.is(
    text,
    `1. n1 has daemon_stopped
   (error, daemon_stopped)
   why   one
         two
   next  three
   do    kill -CONT 7
         ctdbx node ping n1
   also  n1 has node_silent (node_silent)
         n0 has no_lease; so n2 (no_lease)

2. n2 has clock_skew
   (error, clock_skew)
`,
  );
});

test("long lines are broken at blanks, commands never; nothing steers the terminal", () => {
  const words = "word ".repeat(40).trim();
  const command = `ctdbx node ping ${"n".repeat(100)}`;
  const text = storyText([
    finding("x", "n1", { evidence: [`${words} \x1b[2J`], commands: [command] }),
  ], PLAIN);
  assert.ok(text.includes(command));
  assert.not.ok(text.includes("\x1b"));
  for (const line of text.split("\n")) assert.ok(line.length <= 80 || line.includes(command), line);
  assert.match(
    storyText([finding("x", "n1")], { columns: 80, color: true }),
    "\x1b[1m1. n1 has x\x1b[0m",
  );
});

test("every command of ours that is shown is a command, with options that it has", async () => {
  const tree = await wholeTree();
  const shown = [
    ...[...DEEP_CASES, ...WIDE_CASES].flatMap(({ facts }) =>
      explain(facts).flatMap(({ commands, also }) => [
        ...commands,
        ...also.flatMap((each) => each.commands),
      ])
    ),
    ...RULES.map(({ command }) => command),
  ].map((line) => line.replace(/^sudo /, "")).filter((line) => line.startsWith("ctdbx "));
  assert.ok(new Set(shown).size > 20);
  for (const line of new Set(shown)) {
    const [, ...words] = line.split(/[ ,]+/);
    const part = tree.filter(({ words: path, inner }) =>
      inner.length === 0 && path.split(" ").every((word, at) =>
        words[at] === word
      )
    )[0];
    assert.ok(part, `no such command: ${line}`);
    const names = [...part?.options.flatMap((option) => option.names) ?? [], "--help"];
    for (const option of words.filter((word) => word.startsWith("-"))) {
      assert.ok(names.includes(option), `${line}: no option ${option}`);
    }
  }
});

test.run();
