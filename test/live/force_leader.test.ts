/**
 * Two of three real nodes are gone, one of them with its disk: the third leads the cluster on, by force; its databases
 * wait, are had to go on, and who comes back follows.
 *
 * Does NOT promise: what the others would have done by themselves; the simulator has that.
 */
import { rmSync } from "node:fs";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DevCluster, eventually } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
}

interface Look {
  readonly done: boolean;
  readonly refusal: string | null;
  readonly voters: readonly { readonly name: string; readonly answers: boolean }[];
  readonly databases: readonly string[];
}

const test = sharedSuite<Context>("led on by force");
const STEP_MS = 240_000;

test.before(limit(STEP_MS, async (context) => {
  context.dev = await DevCluster.up(3);
}));
test.after(limit(STEP_MS, async ({ dev }) => {
  await dev?.down();
}));

test(
  "cluster force-leader: refused while most voters are there; else one node leads on, and databases wait",
  limit<Context>(STEP_MS, async ({ dev }) => {
    await dev.ok("db attach bank --type persistent --wait");
    await dev.ok("tx run bank --put ann=100");
    await dev.prints("rec get bank ann", "100", 0);
    const early = await dev.run("cluster force-leader --accept-loss", 0);
    assert.is(early.exit, 4, early.err);
    assert.match(early.err, /Cannot have n0 lead the cluster on/);

    for (const node of [2, 1]) await dev.ok("daemon stop", node);
    // One of them is lost for good; the other comes back later.
    rmSync(dev.paths(2).state, { recursive: true });
    let look: Look | undefined;
    await eventually("it could be forced", async () => {
      look = await dev.json<Look>("cluster force-leader --dry-run", 0);
      return look.refusal === null;
    });
    assert.equal(look?.voters.map(({ answers }) => answers), [true, false, false]);
    assert.equal([look?.done, look?.databases], [false, ["bank"]]);
    assert.is((await dev.run("cluster force-leader", 0)).exit, 14, "unasked");
    const forced = await dev.json<Look>("cluster force-leader --accept-loss", 0);
    assert.is(forced.done, true);
    await dev.wait("leader", 0);
    assert.is(await dev.leader(0), 0);

    const waits = await dev.run("tx run bank --put ann=90 --timeout 2", 0);
    assert.is.not(waits.exit, 0, "its copies are not taken for sure");
    await eventually("people decide", async () => {
      return (await dev.run("db force-primary bank n0 --accept-loss", 0)).exit === 0;
    });
    await eventually("it serves", async () => {
      return (await dev.run("tx run bank --put ann=80", 0)).exit === 0;
    });

    await dev.ok("daemon start", 1);
    // n1 follows.
    await dev.prints("rec get bank ann", "80", 1);
    await eventually("n1 votes again", async () => {
      return (await dev.status(0)).nodes.find(({ pnn }) => pnn === 1)?.isVoter === true;
    });
    assert.equal(await dev.json("db lost list bank", 1), [], "it had nothing of its own");
  }),
);

test.run();
