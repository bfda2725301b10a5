/**
 * A node of a real cluster loses its metadata, then its whole disk; then a second one is gone, and the third leads the
 * cluster on, by force: its databases wait, are had to go on, and who comes back follows. At last all of it ends.
 *
 * Does NOT promise: what the others would have done by themselves; the simulator has that.
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { readIdentity } from "../../../actors/storage/node_identity.ts";
import { RealDisk } from "../../../transport/real_disk.ts";
import { limit } from "../../limit.ts";
import { type DevCluster, eventually } from "../dev_rig.ts";
import { ALL, faultSuite, first, now, tells } from "./rig.ts";

interface Look {
  readonly done: boolean;
  readonly refusal: string | null;
  readonly voters: readonly { readonly name: string; readonly answers: boolean }[];
  readonly databases: readonly string[];
}

const test = faultSuite("what is lost");
const STEP_MS = 240_000;

test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.down();
}));

test(
  "a node that has lost its metadata votes no more, and says that it belongs to no cluster; the others go on",
  limit(60_000, async ({ dev, client }) => {
    if (await dev.leader() !== 0) await dev.ok("leader yield --to n0");
    for (const index of ALL) await dev.wait("leader=n0", index);
    await dev.ok("db attach bank --type persistent --wait");
    await dev.ok("tx run bank --put ann=100");
    await dev.prints("rec get bank ann", "100", 0);
    const { state } = dev.paths(2);
    const disk = new RealDisk();
    const before = readIdentity(disk, state);
    client.clear();
    await dev.ok("daemon stop", 2);
    await eventually("the leader tells of the end", () => tells(client, 2, "disconnected"));
    const last = client.table().get("n2");
    assert.equal([last?.["runstate"], last?.["leaseMs"]], ["shutdown", 0], "planned");
    for (const name of ["meta.a", "meta.b"]) rmSync(join(state, name));
    await dev.ok("daemon start", 2);
    const after = readIdentity(disk, state);
    assert.is(after?.nodeId, before?.nodeId);
    // The vote is bound to the disk that has the promises.
    assert.is.not(after?.diskId, before?.diskId);
    await dev.wait("members=3,serving", 2);
    await first(dev, 0, "vote_elsewhere@n2");
    await dev.ok("daemon stop", 2);
    rmSync(state, { recursive: true });
    await dev.ok("daemon start", 2);
    assert.is.not(readIdentity(disk, state)?.nodeId, before?.nodeId);
    await saysThatItIsNew(dev, 2);
    await dev.wait("members=2,serving", 0);
  }),
);

async function saysThatItIsNew(dev: DevCluster, index: number): Promise<void> {
  const { out, exit } = await dev.run("cluster health", index);
  assert.is(exit, 8);
  assert.match(out, "this node belongs to no cluster yet");
  await dev.ok("node runstate --for setup --timeout 20", index);
  const { serving } = await dev.json<Record<string, unknown>>("daemon status", index);
  assert.is(serving, false);
  assert.is((await dev.run("node list", index)).exit, 3);
  assert.is((await dev.run("slot map", index)).exit, 3);
  assert.match(await dev.ok("cluster status", index), "no document yet");
}

test(
  "cluster force-leader: refused while most voters are there; else one node leads on, and databases wait",
  limit(STEP_MS, async ({ dev }) => {
    const early = await dev.run("cluster force-leader --accept-loss", 0);
    assert.is(early.exit, 4, early.err);
    assert.match(early.err, /Cannot have n0 lead the cluster on/);

    await dev.ok("daemon stop", 1);
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

test("down ends what `daemon start` has started, too; then it is explained that nothing runs", async ({ dev }) => {
  assert.ok(dev.processes().length > 0);
  await dev.dev("down");
  assert.equal(dev.processes(), []);
  await now(dev, 1, "nats_down");
  const { exit } = await dev.run(["cluster", "explain"], 9);
  assert.is(exit, 3);
});

test.run();
