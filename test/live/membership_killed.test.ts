/** create, invite, join, replace and leave, killed at each of their steps and run again: each finishes, once. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { EXIT } from "../../cli/exit_codes.ts";
import { parseInvitation } from "../../cli/membership/invitation.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { command, eventually, processesOf } from "./dev_rig.ts";
import { killWhen, Lab } from "./member_rig.ts";
import { ctdbx } from "./process.ts";

interface Context {
  lab: Lab;
}

const test = sharedSuite<Context>("live membership, killed");

test.before(limit(120_000, async (context) => {
  context.lab = await Lab.empty();
}));
test.after(limit(120_000, async ({ lab }) => await lab?.end()));

/** Starts a node by several commands at the same time; answers their exit codes. */
async function startedBy(lab: Lab, name: string, count: number): Promise<unknown[]> {
  const words = ["daemon", "start", "--home", lab.home(name)];
  const starts = Array.from({ length: count }, () => ctdbx(words));
  return await Promise.all(starts.map(({ ended }) => ended));
}

/** Runs a command again and again, each time killed at the next of its steps; then once to its end. */
async function killedAtEach(
  words: readonly string[],
  journal: string,
  steps: readonly string[],
): Promise<void> {
  for (const step of steps) await killAt(words, journal, step);
  const { exit, err, out } = await command(words);
  assert.is(exit, 0, `${err}${out}`);
  const text = readFileSync(journal, "utf8");
  for (const step of steps) assert.match(text, `"step":"${step}","is":"begun"`);
}

/** Kills it as soon as its journal has begun a step, or shows that there was nothing left to do in it. */
async function killAt(words: readonly string[], journal: string, step: string): Promise<void> {
  const count = (is: string) => {
    const text = existsSync(journal) ? readFileSync(journal, "utf8") : "";
    return text.split(`"step":"${step}","is":"${is}"`).length;
  };
  if (count("done") > 1) return;
  const before = count("begun");
  await killWhen(ctdbx(words), () => count("begun") > before || count("done") > 1);
}

test(
  "two join by one invitation at the same time: one does, the other is told, and cannot be started",
  limit(300_000, () =>
    undisturbed(async () => {
      const lab = await Lab.create();
      try {
        const file = await lab.invite("n1");
        const joins = ["a", "b"].map((name) =>
          ctdbx(["cluster", "join", file, "--home", lab.home(name)])
        );
        const exits = await Promise.all(joins.map(({ ended }) => ended));
        assert.equal(
          exits.toSorted(),
          [EXIT.ok, EXIT.conflict],
          joins.map(({ err }) => err).join(),
        );
        const [won, lost] = exits[0] === EXIT.ok ? ["a", "b"] : ["b", "a"];
        const before = await lab.json<{ name: string; incarnation: string }>("node show", won);
        assert.is(before.name, "n1");
        // The one that came later may have been told so before it had made anything.
        if (existsSync(lab.home(lost))) {
          for (const words of ["daemon start", "daemon run", "daemon supervise"]) {
            const err = await lab.refused(EXIT.conflict, words, lost);
            assert.match(err, "Cannot start n1: it has not joined lab");
          }
          const other = await lab.invite("n2");
          const err = await lab.refused(EXIT.conflict, ["cluster", "join", other], lost);
          assert.match(err, /a join as n1 was begun in .*, and not finished/);
        }
        assert.is(processesOf(lab.home(lost)).length, 0);
        const after = await lab.json<{ incarnation: string }>("node show", won);
        assert.is(after.incarnation, before.incarnation, "its life goes on");
        await lab.well(won);
      } finally {
        await lab.end();
      }
    })),
);

test(
  "a cluster is created, killed at each step: one node, one id, one daemon",
  limit(90_000, async ({ lab }) => {
    const journal = join(lab.paths("n0").state, "create.journal");
    const steps = ["key", "identity", "state", "configuration", "start", "member"];
    await killedAtEach(lab.createWords(), journal, steps);
    const head = JSON.parse(readFileSync(journal, "utf8").split("\n")[0] ?? "").head;
    const { clusterId, nodes } = await lab.view();
    assert.equal([clusterId, nodes[0]?.nodeId], [head.clusterId, head.nodeId]);
    assert.is(processesOf(join(lab.home("n0"), "run", "daemon.log")).length, 1);
    await lab.well();
  }),
);

test(
  "an invitation, killed while it is asked for: run again, it is the same one, and only one waits",
  limit(120_000, async ({ lab }) => {
    const file = lab.file("n1");
    const words = ["cluster", "invite", "n1", "--out", file, "--home", lab.home("n0")];
    await killWhen(ctdbx(words), () => existsSync(`${file}.part`));
    const draft = existsSync(`${file}.part`)
      ? JSON.parse(readFileSync(`${file}.part`, "utf8"))
      : undefined;
    if (!existsSync(file)) await lab.invite("n1");
    const { inviteId, nodeId, pnn } = parseInvitation(readFileSync(file, "utf8"), file);
    if (draft !== undefined) assert.equal([inviteId, nodeId], [draft.inviteId, draft.nodeId]);
    assert.not.ok(existsSync(`${file}.part`));
    const { invitations, nodes } = await lab.view();
    assert.equal([invitations.map(({ name }) => name), nodes.length, pnn], [["n1"], 1, 1]);
  }),
);

test(
  "a join, killed at each step: one node, with its vote, and all agree",
  limit(120_000, async ({ lab }) => {
    const words = ["cluster", "join", lab.file("n1"), "--home", lab.home("n1")];
    const steps = [
      "key",
      "identity",
      "state",
      "configuration",
      "join",
      "start",
      "member",
      "digest",
    ];
    await killedAtEach(words, join(lab.paths("n1").state, "join.journal"), steps);
    assert.equal(await lab.names(), { nodes: ["n0", "n1"], voters: ["n0", "n1"] });
    assert.equal((await lab.view()).invitations, []);
    await lab.well("n1");
  }),
);

test(
  "a replacement, killed at each step of the one that comes, of a node that is dead",
  limit(120_000, async ({ lab }) => {
    await lab.add("n2");
    await lab.killNode("n2");
    await lab.ok(["cluster", "replace", "n2", "n3", "--out", lab.file("n3")]);
    const words = ["cluster", "join", lab.file("n3"), "--home", lab.home("n3")];
    const steps = ["identity", "configuration", "join", "start", "member", "replaced"];
    const journal = join(lab.paths("n3").state, "join.journal");
    for (const step of steps) await killAt(words, journal, step);
    await lab.join("n3");
    assert.equal(await lab.names(), { nodes: ["n0", "n1", "n3"], voters: ["n0", "n1", "n3"] });
    assert.equal((await lab.view()).gone.map(({ name, why }) => [name, why]), [["n2", "replaced"]]);
    await lab.ok("cluster digest");
  }),
);

test(
  "a leave, killed as soon as it is asked for: the cluster goes on with it, and run again it sees the end",
  limit(90_000, async ({ lab }) => {
    const words = ["cluster", "leave", "n1", "--yes", "--home", lab.home("n0")];
    const journal = join(lab.paths("n0").state, "leave-1.journal");
    await killWhen(
      ctdbx(words),
      () => existsSync(journal) && readFileSync(journal, "utf8").includes("ask"),
    );
    const { exit, err } = await command(words);
    assert.is(exit, 0, err);
    assert.equal((await lab.names()).nodes, ["n0", "n3"]);
    await eventually("n1 has ended", () => processesOf(lab.home("n1")).length === 0);
    assert.match(await lab.refused(4, "daemon start", "n1"), "Cannot start n1");
    // By itself, killed at each step that its journal shows.
    const own = ["cluster", "leave", "--yes", "--home", lab.home("n3")];
    const kept = join(lab.paths("n3").state, "leave.journal");
    await killWhen(
      ctdbx(own),
      () => existsSync(kept) && readFileSync(kept, "utf8").includes("ask"),
    );
    const last = await command(own);
    assert.is(last.exit, 0, last.err);
    assert.equal((await lab.names()).nodes, ["n0"]);
    await eventually("n3 has ended", () => processesOf(lab.home("n3")).length === 0);
    assert.match(await lab.refused(4, "cluster leave n0 --yes"), "the only node");
    await lab.well();
  }),
);

test(
  "started three times at the same time: one supervisor, and whoever did not start it is told nothing wrong",
  limit(120_000, async ({ lab }) => {
    await lab.ok("daemon stop");
    const exits = await startedBy(lab, "n0", 3);
    assert.ok(exits.includes(EXIT.ok), exits.join());
    assert.ok(exits.every((exit) => exit === EXIT.ok || exit === EXIT.conflict), exits.join());
    assert.is(processesOf(join(lab.home("n0"), "run", "daemon.log")).length, 1);
    await lab.well();
  }),
);

test.run();
