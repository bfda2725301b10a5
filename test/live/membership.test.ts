/**
 * The life of a cluster by commands: created, joined, counted, replaced, left; and all that is refused on the way. One
 * command of each kind is killed at each of its steps and run again: it finishes, once.
 */

import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { EXIT } from "../../cli/exit_codes.ts";
import { invitationText, parseInvitation } from "../../cli/membership/invitation.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { undisturbed } from "../undisturbed.ts";
import { command, dataOf, eventually, processesOf } from "./dev_rig.ts";
import { killedAt, killedAtEach, killWhen, Lab, twoJoin } from "./member_rig.ts";
import { ctdbx } from "./process.ts";

interface Context {
  lab: Lab;
  /** The home of the one of two that has joined. */
  won: string;
}

const test = sharedSuite<Context>("live membership");

test.before(async (context) => {
  context.lab = await Lab.empty();
});
test.after(limit(60_000, async ({ lab }) => await lab?.end()));

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

test("a cluster is there once; another one, or a second time, is refused where it lives", async ({ lab }) => {
  assert.equal(await lab.names(), { nodes: ["n0"], voters: ["n0"] });
  const again = await command(lab.createWords());
  assert.is(again.exit, EXIT.conflict, again.err);
  assert.match(again.err, "the cluster lab was made in");
  const other = lab.createWords().map((word) => word === "lab" ? "shop" : word);
  const outcome = await command(other);
  assert.is(outcome.exit, EXIT.conflict);
  assert.match(outcome.err, "the cluster lab with the node n0 was begun in");
  const taken = await command(
    lab.createWords().map((word) => word === lab.home("n0") ? lab.home("other") : word),
  );
  assert.is(taken.exit, EXIT.conflict, taken.err);
  assert.match(taken.err, "somebody else does");
  assert.not.ok(existsSync(lab.home("other")));
});

test("a home that no configuration of a nats-server can name is refused, and not begun", async ({ lab }) => {
  for (const name of ["a 'quoted' home", "two\nlines", "$HOME"]) {
    const words = lab.createWords().map((word) => word === lab.home("n0") ? lab.home(name) : word);
    const { exit, err } = await command(words);
    assert.is(exit, EXIT.usage, err);
    assert.match(err, "its nats-server cannot have its files in");
    assert.not.ok(existsSync(lab.home(name)));
  }
});

test(
  "an invitation, killed while it is asked for: run again, it is the same one, and only one waits",
  limit(60_000, async ({ lab }) => {
    const file = lab.file("n1");
    const words = ["cluster", "invite", "n1", "--ttl", "1h", "--out", file];
    const asking = ctdbx([...words, "--home", lab.home("n0")]);
    await killWhen(asking, () => existsSync(`${file}.part`));
    const draft = existsSync(`${file}.part`)
      ? JSON.parse(readFileSync(`${file}.part`, "utf8"))
      : undefined;
    if (!existsSync(file)) await lab.ok(words);
    const { inviteId, nodeId, pnn } = parseInvitation(readFileSync(file, "utf8"), file);
    if (draft !== undefined) assert.equal([inviteId, nodeId], [draft.inviteId, draft.nodeId]);
    const { invitations, nodes } = await lab.view();
    assert.equal([invitations.map(({ name }) => name), nodes.length, pnn], [["n1"], 1, 1]);
  }),
);

test("an invitation is a file for one: private, whole, and it holds what a node needs", async ({ lab }) => {
  const file = lab.file("n1");
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.not.ok(existsSync(`${file}.part`));
  const { name, pnn, cluster, seed, seeds, servers } = parseInvitation(
    readFileSync(file, "utf8"),
    file,
  );
  assert.equal([name, pnn, cluster, seeds.map((each) => each.name)], ["n1", 1, "lab", ["n0"]]);
  assert.match(seed ?? "", /^SU/);
  assert.equal(servers.length, 1);
  const [waiting] = await lab.json<{ name: string; leftMs: number }[]>("cluster invitations");
  assert.is(waiting?.name, "n1");
  assert.ok((waiting?.leftMs ?? 0) > 3_000_000);
  assert.match(
    await lab.refused(EXIT.conflict, ["cluster", "invite", "n1", "--out", file]),
    "exists",
  );
  const twice = ["cluster", "invite", "n1", "--out", `${file}2`];
  assert.match(await lab.refused(EXIT.conflict, twice), "n1 (number 1) is invited");
  assert.not.ok(existsSync(`${file}2`) || existsSync(`${file}2.part`));
  const said = {
    n0: "n0 (number 0) has it",
    all: "several nodes",
    others: "several",
    7: "a number",
  };
  for (const [name, why] of Object.entries(said)) {
    assert.match(await lab.refused(EXIT.conflict, ["cluster", "invite", name]), why);
  }
  for (const name of ["all", "7"]) {
    const words = ["cluster", "create", "shop", "--node-name", name, "--dry-run"];
    assert.is((await command(words)).exit, EXIT.usage, name);
  }
  const rows = await lab.json<unknown[]>("node ping -n n0,0,n0");
  assert.is(rows.length, 1, "named twice, asked once");
});

test("an invitation on stdout is nothing else; in another form it is a wrong call", async ({ lab }) => {
  const text = await lab.ok("cluster invite n9 --out -");
  assert.is(parseInvitation(text, "-").name, "n9");
  await lab.ok("cluster uninvite n9");
  await lab.refused(EXIT.usage, "cluster invite n9 --out - -o json");
  assert.equal((await lab.view()).invitations.map(({ name }) => name), ["n1"]);
});

test("a dry run of a join changes nothing, here or there", async ({ lab }) => {
  const before = await lab.view();
  const plan = await lab.json<
    { dryRun: boolean; steps: { state: string }[]; checks: { ok: boolean }[] }
  >(
    `cluster join ${lab.file("n1")} --dry-run`,
    "n1",
  );
  assert.ok(plan.dryRun && plan.checks.every(({ ok }) => ok));
  assert.equal([...new Set(plan.steps.map(({ state }) => state))], ["to do"]);
  assert.not.ok(existsSync(lab.home("n1")));
  assert.is((await lab.view()).version, before.version);
});

test(
  "a join, killed at each step: one node, with its vote",
  limit(120_000, async ({ lab }) => {
    const words = ["cluster", "join", lab.file("n1"), "--home", lab.home("n1")];
    const files = ["key", "identity", "state", "configuration"];
    const steps = [...files, "join", "start", "member", "digest"];
    await killedAtEach(words, join(lab.paths("n1").state, "join.journal"), steps);
    assert.equal(await lab.names(), { nodes: ["n0", "n1"], voters: ["n0", "n1"] });
    assert.equal((await lab.view()).invitations, []);
    await lab.well("n1");
  }),
);

test(
  "one more joins, not at an address that another has; all have the same document; run again, nothing is done",
  limit(60_000, async ({ lab }) => {
    await lab.invite("n2");
    const taken = (await lab.view()).nodes[0]?.addr ?? "";
    const words = ["cluster", "join", lab.file("n2"), "--addr"];
    assert.match(
      await lab.refused(EXIT.conflict, [...words, taken], "n2"),
      `address is taken: n0 (number 0) has ${taken}`,
    );
    assert.not.ok(existsSync(lab.home("n2")));
    assert.match(await lab.join("n2", "--addr", "127.0.0.1:5555"), "n2 is node 3 of lab");
    assert.equal(await lab.names(), { nodes: ["n0", "n1", "n2"], voters: ["n0", "n1", "n2"] });
    const { nodes, version } = await lab.view();
    assert.is(nodes.find(({ name }) => name === "n2")?.addr, "127.0.0.1:5555");
    const digests = await lab.json<{ hash: string }[]>("cluster digest", "n2");
    assert.is(new Set(digests.map(({ hash }) => hash)).size, 1);
    assert.is(digests.length, 3);
    const again = await lab.json<{ steps: { name: string; state: string }[] }>(
      `${words.join(" ")} 127.0.0.1:5555`,
      "n2",
    );
    const redone = again.steps.filter(({ state }) => state !== "was done");
    assert.equal(redone.map(({ name }) => name), ["digest"]);
    assert.is((await lab.view()).version, version);
    await lab.well("n2");
  }),
);

test("used twice, in another's home, cut, changed, newer: refused before anything is made", async ({ lab }) => {
  const file = lab.file("n2");
  const home = lab.home("other");
  const refused = async (exit: number, path: string, text: string | RegExp, at = "other") => {
    assert.match(await lab.refused(exit, ["cluster", "join", path], at), text);
    assert.not.ok(existsSync(home));
  };
  await refused(EXIT.conflict, file, "used already, by n2 (number 3)");
  await refused(EXIT.conflict, file, "the node n1 lives in", "n1");
  const whole = readFileSync(file, "utf8");
  const bad = join(lab.folder, "bad");
  writeFileSync(bad, whole.slice(0, 700));
  await refused(EXIT.conflict, bad, "cut or damaged");
  writeFileSync(bad, whole.replace('"n2"', '"n9"'));
  await refused(EXIT.conflict, bad, "its checksum is wrong");
  writeFileSync(bad, invitationText({ ...parseInvitation(whole, file), format: 9 }));
  await refused(EXIT.version, bad, "has format 9");
  await refused(EXIT.notFound, join(lab.folder, "none"), "no such file");
});

test("of another cluster of this name, over, or taken back: each in its own words", async ({ lab }) => {
  const file = await lab.invite("n3", "--ttl", "1s");
  const invitation = parseInvitation(readFileSync(file, "utf8"), file);
  const bad = join(lab.folder, "bad");
  writeFileSync(bad, invitationText({ ...invitation, clusterId: "7".repeat(32) as never }));
  const foreign = await lab.refused(EXIT.conflict, ["cluster", "join", bad], "n3");
  assert.match(foreign, "another cluster has the name lab");
  await eventually("it is over", () => Date.now() > invitation.expiresWallMs);
  assert.match(
    await lab.refused(EXIT.conflict, ["cluster", "join", file], "n3"),
    /expired \d+ s ago/,
  );
  await lab.ok("cluster uninvite n3");
  assert.match(await lab.refused(EXIT.notFound, "cluster uninvite n3"), "nobody is invited");
  const { out } = await lab.run(["cluster", "preflight", file, "-o", "json"], "n3");
  const checks = dataOf<{ name: string; ok: boolean; text: string }[]>(out);
  const nats = checks.find(({ name }) => name === "nats");
  assert.match(nats?.text ?? "", /refuses key U/);
  assert.not.ok(existsSync(lab.home("n3")));
});

test("a clock that is 5 s wrong is told before anything is done", async ({ lab }) => {
  const file = await lab.invite("n5");
  const { now } = Date;
  const skewed = async (ms: number) => {
    Date.now = () => now.call(Date) + ms;
    try {
      return await lab.refused(EXIT.conflict, ["cluster", "join", file], "n5");
    } finally {
      Date.now = now;
    }
  };
  assert.match(await skewed(5000), /this clock is 5\.\d s ahead of the cluster's, 2 s are allowed/);
  assert.match(await skewed(-5000), /this clock is (4\.9|5\.\d) s behind the cluster's/);
  assert.not.ok(existsSync(lab.home("n5")));
  await lab.ok("cluster uninvite n5");
});

test("an expired or refused name is free again, its number is not", async ({ lab }) => {
  const file = join(lab.folder, "again");
  await lab.ok(["cluster", "invite", "n5", "--out", file]);
  const { pnn } = parseInvitation(readFileSync(file, "utf8"), file);
  assert.is(pnn, 6);
  await lab.ok("cluster uninvite n5");
});

test("a key that everybody can read, or none: the start is refused with what to do", async ({ lab }) => {
  await lab.killNode("n2");
  const key = join(lab.paths("n2").state, "node.nkey");
  const text = readFileSync(key, "utf8");
  chmodSync(key, 0o644);
  assert.match(
    await lab.refused(EXIT.denied, "daemon start", "n2"),
    "everybody can read it; chmod",
  );
  chmodSync(key, 0o600);
  writeFileSync(key, "");
  assert.match(await lab.refused(EXIT.usage, "daemon start", "n2"), "it holds no key");
  assert.equal(processesOf(lab.home("n2")), []);
  writeFileSync(key, text);
});

test(
  "a dead node is replaced, killed at each step: another has its vote, and it is refused when it comes back",
  limit(120_000, async ({ lab }) => {
    await lab.ok(["cluster", "replace", "n2", "n6", "--out", lab.file("n6")]);
    const words = ["cluster", "join", lab.file("n6"), "--home", lab.home("n6")];
    const steps = ["identity", "configuration", "join", "start", "member", "replaced"];
    await killedAt(words, join(lab.paths("n6").state, "join.journal"), steps);
    const joined = await lab.join("n6");
    assert.match(joined, "waits until n2 is gone for good");
    await lab.ok("cluster wait --for all-ok --timeout 20");
    const { nodes, voters } = await lab.names();
    assert.equal([nodes, voters], [["n0", "n1", "n6"], ["n0", "n1", "n6"]]);
    assert.equal((await lab.view()).gone.map(({ name, why }) => [name, why]), [["n2", "replaced"]]);
    await lab.ok("cluster digest");
    // It starts, learns what has become of it, and ends; from then on it is not even started.
    await lab.ok("daemon start", "n2");
    await eventually("n2 has learnt it", () => processesOf(lab.home("n2")).length === 0);
    const refusal = await lab.refused(EXIT.conflict, "daemon start", "n2");
    assert.match(refusal, /Cannot start n2: .*replaced/);
    assert.equal((await lab.names()).nodes, ["n0", "n1", "n6"]);
    await lab.well();
  }),
);

test(
  "with one of three down a join succeeds, and a leave that would break the quorum is refused with what to do",
  limit(90_000, async ({ lab }) => {
    await lab.killNode("n6");
    // Before that it counts as one that would answer.
    await lab.ok("cluster wait --for node=n6:disconnected --timeout 20");
    const refusal = await lab.refused(EXIT.conflict, "cluster leave n1 --yes");
    assert.match(refusal, /the quorum would be lost: .*n6/);
    assert.match(await lab.refused(EXIT.conflict, "cluster leave n1 --dry-run"), "quorum");
    assert.equal((await lab.names()).nodes, ["n0", "n1", "n6"]);
    await lab.add("n7", "--no-vote");
    const { nodes, voters } = await lab.names();
    assert.equal([nodes, voters], [["n0", "n1", "n6", "n7"], ["n0", "n1", "n6"]]);
    const { out, exit } = await lab.run("cluster digest -o json");
    assert.is(exit, EXIT.partial);
    const heard = dataOf<{ hash?: string }[]>(out).filter(({ hash }) => hash);
    assert.is(heard.length, 3);
    // The dead one can be taken out by another, since the two that are left are a majority.
    const left = await lab.json<{ done: boolean }>("cluster leave n6 --yes", "n7");
    assert.ok(left.done);
    assert.equal((await lab.names()).voters, ["n0", "n1"]);
    // One that is there takes the place of another: its vote, too.
    await lab.ok("cluster replace n1 n7");
    assert.equal(await lab.names(), { nodes: ["n0", "n7"], voters: ["n0", "n7"] });
    await eventually("n1 has ended", () => processesOf(lab.home("n1")).length === 0);
  }),
);

test(
  "two join by one invitation at the same time: one does, the other is told, and cannot be started",
  limit(300_000, async (context) => {
    const { lab } = context;
    let tries = 0;
    await undisturbed(async () => {
      tries += 1;
      // What a try before this one has left.
      for (const { name } of (await lab.view()).nodes) {
        if (name.startsWith("two")) await lab.ok(`cluster leave ${name} --yes`);
      }
      context.won = await twoJoin(lab, `two${tries}`);
    });
  }),
);

test(
  "a leave, killed as soon as it is asked for: the cluster goes on with it, and run again it sees the end",
  limit(90_000, async ({ lab }) => {
    const { pnn } = (await lab.view()).nodes.find(({ name }) => name === "n7") ?? {};
    const words = ["cluster", "leave", "n7", "--yes", "--home", lab.home("n0")];
    await killedAt(words, join(lab.paths("n0").state, `leave-${pnn}.journal`), ["ask"]);
    const { exit, err } = await command(words);
    assert.is(exit, 0, err);
    const { gone } = await lab.view();
    assert.equal([gone.at(-1)?.name, gone.at(-1)?.why], ["n7", "left"]);
    await eventually("n7 has ended", () => processesOf(lab.home("n7")).length === 0);
    assert.match(await lab.refused(EXIT.conflict, "daemon start", "n7"), "Cannot start n7");
  }),
);

test(
  "a node leaves by itself, killed, too: in order, its daemon ends, its home says why it cannot be started",
  limit(90_000, async ({ lab, won }) => {
    assert.is((await lab.run("cluster leave", won)).exit, EXIT.needsYes);
    const journal = join(lab.paths(won).state, "leave.journal");
    await killedAt(["cluster", "leave", "--yes", "--home", lab.home(won)], journal, ["ask"]);
    const left = await lab.json<{ node: string; done: boolean; why: string }>(
      "cluster leave --yes",
      won,
    );
    assert.ok(left.done);
    assert.match(left.why, "left");
    assert.equal(processesOf(lab.home(won)), []);
    const { nodes, gone } = await lab.view();
    assert.equal([nodes.map(({ name }) => name), gone.at(-1)?.name], [["n0"], left.node]);
    for (const words of ["daemon start", "daemon run"]) {
      const err = await lab.refused(EXIT.conflict, words, won);
      assert.match(err, new RegExp(`Cannot start ${left.node}: .*left`));
      assert.equal(processesOf(lab.home(won)), []);
    }
    const again = await lab.json<{ done: boolean }>("cluster leave", won);
    assert.ok(again.done);
    const words = ["cluster", "join", lab.file(left.node)];
    assert.match(await lab.refused(EXIT.conflict, words, won), left.node);
    assert.match(await lab.refused(EXIT.conflict, "cluster leave n0 --yes"), "the only node");
    await lab.well();
  }),
);

test(
  "started three times at the same time: one supervisor, and whoever did not start it is told nothing wrong",
  limit(120_000, async ({ lab }) => {
    await lab.ok("daemon stop");
    const starts = [1, 2, 3].map(() => ctdbx(["daemon", "start", "--home", lab.home("n0")]));
    const exits = await Promise.all(starts.map(({ ended }) => ended));
    assert.ok(exits.includes(EXIT.ok), exits.join());
    assert.ok(exits.every((exit) => exit === EXIT.ok || exit === EXIT.conflict), exits.join());
    assert.is(processesOf(join(lab.home("n0"), "run", "daemon.log")).length, 1);
    await lab.well();
  }),
);

test.run();
