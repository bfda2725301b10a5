/** What is decided about nodes by commands, waited for, and seen; one node in full; the planned end of a daemon. */

import * as assert from "uvu/assert";
import type { NodeAnswer, SlotAnswer } from "../../cli/answers.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { supervisorOf } from "../../cli/processes.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { dataOf, DevCluster, eventually } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
}

interface Changed {
  readonly name: string;
  readonly adminFlags?: readonly string[];
  readonly caps?: readonly string[];
  readonly error?: string;
}

const test = sharedSuite<Context>("live node commands");

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
}));
test.after(limit(60_000, async ({ dev }) => await dev?.giveBack()));

/** Runs a command as JSON and holds it against its schema. */
async function data<T>(dev: DevCluster, words: string, exit: number = 0): Promise<T> {
  const outcome = await dev.run(`${words} -o json`);
  assert.is(outcome.exit, exit, `${words}: ${outcome.err}`);
  const schema = JSON.parse(await dev.ok(`${words} --schema`)) as JsonSchema;
  assert.equal(wrongs(schema, JSON.parse(outcome.out)), [], words);
  return dataOf<T>(outcome.out);
}

const flagsOf = (rows: readonly Changed[]) => rows.map(({ adminFlags }) => adminFlags);

async function slots(dev: DevCluster, pnn: number): Promise<number> {
  const { members } = await dev.json<SlotAnswer>("slot map");
  return members.find((each) => each.pnn === pnn)?.slots ?? 0;
}

test("drain, waited for: home of no slot, but in the view; and back", async ({ dev }) => {
  const before = await slots(dev, 2);
  assert.ok(before > 0);
  assert.equal(flagsOf(await data(dev, "node drain n2 --wait --why tests")), [["draining"]]);
  assert.is(await slots(dev, 2), 0);
  assert.ok((await dev.node(2)).isMember);
  assert.equal(flagsOf(await data(dev, "node drain 2 --off --wait")), [[]]);
  assert.is(await slots(dev, 2), before);
});

test("stop and continue, ban and unban: out of the view and in again", async ({ dev }) => {
  const isIn = async (): Promise<boolean> => (await dev.node(1)).isMember;
  for (const [out, back] of [["stop", "continue"], ["ban --for 1h --why bad", "unban"]] as const) {
    const [word, ...more] = out.split(" ");
    await data(dev, [`node ${word} n1 --wait`, ...more].join(" "));
    assert.not.ok(await isIn(), out);
    await data(dev, `node ${back} n1 --wait`);
    assert.ok(await isIn(), back);
  }
  await dev.well();
});

test("disable and enable are words about a node that stays in", async ({ dev }) => {
  assert.equal(flagsOf(await data(dev, "node disable n1,2")), [["disabled"], ["disabled"]]);
  const nodes = await dev.json<NodeAnswer[]>("node list");
  assert.equal(nodes.map(({ condition, isMember }) => [condition, isMember]), [
    ["ok", true],
    ["disabled", true],
    ["disabled", true],
  ]);
  assert.equal(flagsOf(await data(dev, "node enable all --wait")), [[], [], []]);
  await dev.well();
});

test("a role: who may not lead hands over, who may not be home of slots has none", async ({ dev }) => {
  const leader = (await dev.status()).leader ?? "";
  const [one] = await data<Changed[]>(dev, `node role ${leader} --leader no --wait`);
  assert.equal(one?.caps, ["lmaster"]);
  await eventually("another leads", async () => {
    const now = (await dev.status()).leader;
    return now !== undefined && now !== null && now !== leader;
  });
  await data(dev, `node role ${leader} --leader yes --lmaster no --wait`);
  const pnn = (await dev.json<NodeAnswer[]>("node list")).find(({ name }) => name === leader)?.pnn;
  assert.is(await slots(dev, pnn ?? -1), 0);
  await data(dev, `node role ${leader} --lmaster yes`);
  const all = await data<Changed[]>(dev, "node role all");
  assert.equal(all.map(({ caps }) => caps), Array(3).fill(["leader", "lmaster"]));
  await dev.well();
});

test("all of them at once would take the majority: refused for those, exit code 9, and said which", async ({ dev }) => {
  const rows = await data<Changed[]>(dev, "node ban all --for 1h", EXIT.partial);
  assert.is(rows.filter(({ adminFlags }) => adminFlags?.includes("banned")).length, 1);
  const refused = rows.filter(({ error }) => error?.includes("no majority would be left"));
  assert.is(refused.length, 2);
  await data(dev, "node unban all --wait");
  await dev.well();
});

test("a node that there is not, with the one that may have been meant", async ({ dev }) => {
  for (const words of ["stop n4", "show n4", "uptime n4", "shutdown n4 --yes", "role n1,n4"]) {
    const { exit, err } = await dev.run(`node ${words}`);
    assert.is(exit, EXIT.notFound, words);
    assert.match(err, "Cannot find node n4: known are n0, n1, n2", words);
    assert.match(err, "did you mean", words);
  }
});

test("one node in full, and since when all run", async ({ dev }) => {
  const node = await data<Record<string, unknown>>(dev, "node show n2");
  assert.equal([node["pnn"], node["name"], node["condition"], node["bus"]], [
    2,
    "n2",
    "ok",
    "connected",
  ]);
  assert.ok(Number(node["slots"]) > 0 && Number(node["uptimeMs"]) > 0);
  assert.equal([node["adminFlags"], node["caps"]], [[], ["leader", "lmaster"]]);
  assert.match(String(node["natsKey"]), /^U[A-Z2-7]{55}$/);
  assert.is((await data<{ pnn: number }>(dev, "node show")).pnn, 0);
  const uptimes = await data<{ uptimeMs: number }[]>(dev, "node uptime");
  assert.is(uptimes.length, 3);
  assert.ok(uptimes.every(({ uptimeMs }) => uptimeMs > 0));
});

test(
  "the daemon of another node is ended in order, and asked first; it can be started again there",
  limit(60_000, async ({ dev }) => {
    assert.is((await dev.run("node shutdown n2")).exit, EXIT.needsYes);
    const done = await data<{ stopped: boolean }>(dev, "node shutdown n2 --yes --wait");
    assert.ok(done.stopped);
    assert.not.ok((await dev.node(2)).isMember);
    const { run } = dev.paths(2);
    await eventually("its supervisor has ended, too", () => supervisorOf(run) === undefined);
    const { exit, out } = await dev.run("node uptime -o json");
    assert.is(exit, EXIT.partial);
    assert.ok(dataOf<{ error?: string }[]>(out)[2]?.error);
    const shown = await data<Record<string, unknown>>(dev, "node show n2");
    assert.is(shown["uptimeMs"], null);
    assert.ok(shown["error"]);
    await dev.ok("daemon start --wait", 2);
    await dev.well();
  }),
);

test.run();
