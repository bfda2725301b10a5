/**
 * Our client of stock ctdbd with real daemons: what it writes the stock tool reads, and the other way round; records
 * move, messages keep their order, deleted records go; and the workloads of the benchmark, small.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adding, counterOf } from "../bench/workloads/counter.ts";
import { lineOf, runWorkloads, WORKLOADS } from "../bench/peer_records.ts";
import { measureFloor } from "../bench/workloads/floor.ts";
import type { RecordClient, RecordTable } from "../bench/workloads/world.ts";
import { limit, skip } from "../limit.ts";
import { CtdbClient } from "../peer/ctdb_client.ts";
import { missingCtdbd } from "../peer/ctdb_cluster.ts";
import { CtdbWorld } from "../peer/ctdb_world.ts";
import { CONTROL } from "../peer/ctdb_wire.ts";
import { tool } from "../tools.ts";

const test = suite("client of stock ctdbd");
const NAME = "smoke.tdb";
const worlds: CtdbWorld[] = [];

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(part: Uint8Array | undefined): string | undefined {
  return part === undefined ? undefined : new TextDecoder().decode(part);
}

/** One cluster for all tests of this file; skips the test where there is no ctdbd. */
async function world(): Promise<CtdbWorld> {
  const missing = missingCtdbd();
  if (missing !== undefined) skip(missing);
  const [running] = worlds;
  if (running !== undefined) return running;
  const made = await CtdbWorld.start();
  worlds.push(made);
  // Before there are databases: each waits for its next vacuum as long as was said when it was made.
  await made.hurryVacuum(1);
  return made;
}

async function everywhere(at: CtdbWorld): Promise<{ client: RecordClient; table: RecordTable }[]> {
  return await Promise.all([0, 1, 2].map(async (pnn) => {
    const client = await at.client(pnn);
    return { client, table: await client.attach(NAME) };
  }));
}

test.after(limit(60_000, async () => {
  for (const each of worlds) await each.end();
}));

test(
  "a record moves to whoever changes it; no change is lost",
  limit(90_000, async () => {
    const nodes = await everywhere(await world());
    const key = bytes("moving");
    for (let round = 0; round < 10; round++) {
      await Promise.all(nodes.map(({ table }) => table.add(key, 1)));
    }
    await nodes[0]?.table.update(key, adding(100));
    for (const { table } of nodes) assert.is(counterOf(await table.read(key)), 130);
    // Where it was last, and only there, it is worked on at once.
    await nodes[1]?.table.add(key, 1);
    assert.is(nodes[1]?.table.add(key, 1), undefined);
    const later = nodes[2]?.table.add(key, 1);
    assert.instance(later, Promise);
    await later;
    assert.is(await nodes[0]?.table.read(bytes("absent")), undefined);
    for (const { client } of nodes) client.close();
  }),
);

test(
  "the stock tool and our client read what the other wrote",
  limit(90_000, async () => {
    const at = await world();
    const nodes = await everywhere(at);
    await nodes[0]?.table.update(bytes("ours"), () => bytes("from our client"));
    assert.match(await at.tool(2, "readkey", NAME, "ours"), "size:15 ptr:[from our client]");
    await at.tool(1, "writekey", NAME, "theirs", "from the tool");
    assert.is(text(await nodes[0]?.table.read(bytes("theirs"))), "from the tool");
    for (const { client } of nodes) client.close();
  }),
);

test(
  "a traverse shows each live record of all nodes once; deleted ones go at last",
  limit(90_000, async () => {
    const at = await world();
    const nodes = await everywhere(at);
    await at.wipe(NAME);
    const filled = await Promise.all([0, 1, 2].map((pnn) => at.fill(NAME, pnn, 50, 20)));
    const [gone, kept] = [filled[0]?.subarray(0, 16), filled[0]?.subarray(16, 32)];
    if (gone === undefined || kept === undefined) throw new Error("nothing was filled");
    // From another node than its own: it moves first.
    await nodes[1]?.table.delete(gone);
    assert.is(await nodes[2]?.table.read(gone), undefined);
    const seen: string[] = [];
    const count = await nodes[2]?.table.traverse((key, value) => {
      assert.is(value.length, 20);
      seen.push(key.toHex());
    });
    const wanted = filled.flatMap((keys) =>
      Array.from({ length: 50 }, (_, index) => keys.subarray(16 * index, 16 * index + 16).toHex())
    ).filter((key) => key !== gone.toHex());
    assert.is(count, 149);
    assert.equal(seen.sort(), wanted.sort());
    // The vacuum tells nobody; its interval is a second.
    while (nodes.some(({ table }) => table.isKept(gone))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(nodes[0]?.table.isKept(kept));
    for (const { client } of nodes) client.close();
  }),
);

test(
  "messages arrive in order at whoever listens, and nowhere else",
  limit(90_000, async () => {
    const nodes = await everywhere(await world());
    const [sender, , receiver] = nodes.map(({ client }) => client);
    if (sender === undefined || receiver === undefined) throw new Error("no clients");
    const heard: number[] = [];
    const done = Promise.withResolvers<void>();
    await receiver.listen(77n, (data) => {
      heard.push(data[0] ?? -1);
      if (data[0] === 99) done.resolve();
    });
    await receiver.listen(78n, () => done.reject(new Error("78 was not sent")));
    for (let index = 0; index < 100; index++) sender.send(2, 77n, new Uint8Array([index]));
    await done.promise;
    assert.equal(heard, Array.from({ length: 100 }, (_, index) => index));
    for (const { client } of nodes) client.close();
  }),
);

test(
  "an unknown control, a wrong socket: errors that say what was wrong",
  limit(90_000, async () => {
    const at = await world();
    const client = await CtdbClient.connect(at.address(0).slice("ctdbd:".length));
    const failed = await client.control(CONTROL.getDbPath, { data: new Uint8Array(4) })
      .catch((error: Error) => error.message);
    assert.match(String(failed), /^Cannot do control 4: status -1/);
    client.close();
    const closed = await client.control(CONTROL.getPnn).catch((error: Error) => error.message);
    assert.match(String(closed), "closed");
    const nowhere = await CtdbClient.connect("/nowhere/ctdbd.socket")
      .catch((error: Error) => error.message);
    assert.match(String(nowhere), /^Cannot connect to ctdbd at \/nowhere/);
  }),
);

test(
  "a recovery changes the epoch, and no record",
  limit(90_000, async () => {
    const at = await world();
    const nodes = await everywhere(at);
    const key = bytes("through");
    await nodes[0]?.table.add(key, 5);
    const before = await at.epoch();
    await at.recover();
    assert.is.not(await at.epoch(), before);
    for (const { table } of nodes) assert.is(counterOf(await table.read(key)), 5);
    for (const { client } of nodes) client.close();
  }),
);

// The last: a node is dead afterwards.
test(
  "the workloads of the benchmark run, small, and results are right",
  limit(180_000, async () => {
    if ("Deno" in globalThis) skip("on Bun only: they take 30 s, and the client is tested above");
    tool("nats-server");
    tool("gcc");
    tool("libtdb");
    const at = await world();
    const client = await at.client(((await at.leader()) + 1) % 3);
    const floor = await measureFloor("small");
    const { figures, failed } = await runWorkloads(at, WORKLOADS, "small", floor, () => {});
    assert.equal(failed, []);
    for (const figure of figures) {
      const line = lineOf(figure);
      assert.ok(figure.rate > 0 && figure.p50Us > 0, line);
      assert.ok(figure.p50Us <= figure.p99Us && figure.p99Us <= figure.mostUs, line);
      assert.match(line, figure.hash);
    }
    const results = figures.map(({ workload, client, hash }) => `${workload} ${client} ${hash}`);
    assert.equal(results, [
      "fetch-loop TypeScript e5b3690008c51d92",
      "fetch-loop libtdb, C 957d0e2c5a39f94d",
      "fetch-loop TypeScript 1873dc08e82e6a4c",
      "fetch-loop libtdb, C a0a457fff270f62b",
      "fetch-ring TypeScript 3ada92f28b4ceda3",
      "remote-call TypeScript 5feceb66ffc86f38",
      "remote-read TypeScript 5feceb66ffc86f38",
      "hot-counter TypeScript 447e2f73eb140288",
      "hot-mix TypeScript 447e2f73eb140288",
      "message-ring TypeScript 1d1e4c837a2b1ed6",
      "one-way TypeScript dc7dfad562cd9830",
      "traverse TypeScript 25d257c9e387344e",
      "vacuum TypeScript 39fa9ec190eee7b6",
      "recovery TypeScript 8df66f64b5742439",
    ]);

    // Its node is the one that the recovery has killed.
    assert.throws(() => client.send(0, 1n, bytes("x")), /Cannot send at ctdbd/);
  }),
);

test.run();
