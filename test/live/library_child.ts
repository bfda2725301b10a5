/**
 * The library in a program of its own, at a cluster of three nodes on this machine: its ways side by side, and what it
 * says where nobody is.
 *
 *   bun test/live/library_child.ts HOME PORT     HOME: of the cluster; PORT: of its nats-server
 *
 * What is not so is thrown, and the exit code is 1.
 *
 * Does NOT promise: to leave the cluster's databases as they were.
 */

import { dirname, join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import type { Cluster, ConnectOptions } from "../../actors/client/types.ts";
import { connect, CtdbxError, numberOf } from "../../actors/mod.ts";

const [home = "", port = ""] = process.argv.slice(2);
const NATS = {
  servers: [`127.0.0.1:${port}`],
  cluster: "dev",
  keyFile: join(home, "keys", "client.nkey"),
};

function nodeHome(index: number): string {
  return join(home, `n${index}`);
}

/** Programs of all ways count in the same records, and hear each other. */
async function sideBySide(): Promise<void> {
  const ways: readonly ConnectOptions[] = [
    { home: nodeHome(0) },
    { home: nodeHome(1), mapped: false },
    NATS,
    { home: nodeHome(2) },
  ];
  const clusters: Cluster[] = [];
  for (const way of ways) clusters.push(await connect(way));
  try {
    const dbs = await Promise.all(clusters.map((cluster) => cluster.attach("ways")));
    const rounds = 25;
    const text = new TextDecoder();
    // On a busy machine a node may lose its lease for a moment: then nobody knows whether it was done.
    const unknown = { count: 0, number: 0 };
    const doing = async (what: keyof typeof unknown, work: Promise<unknown>) => {
      await work.catch((error) => {
        if (!(error instanceof CtdbxError) || error.code !== "unknown") throw error;
        unknown[what] += 1;
      });
    };
    await Promise.all(dbs.map(async (db) => {
      for (let n = 0; n < rounds; n++) {
        await doing("count", db.update("count", (value) => `${Number(text.decode(value)) + 1}`));
        await doing("number", db.increment("number"));
      }
    }));
    const all = rounds * dbs.length;
    const isBetween = (found: number, what: keyof typeof unknown) =>
      assert.ok(found <= all && found >= all - unknown[what], `${what}: ${found} of ${all}`);
    for (const db of dbs) {
      isBetween(Number(text.decode(await db.read("count"))), "count");
      isBetween(Number(numberOf(await db.read("number"))), "number");
      assert.is(await db.count(), 2);
    }
    const ears = await clusters[2]!.listen(5n);
    assert.is(await clusters[0]!.send(clusters[2]!.pnn, 5n, "over"), 1);
    const { value } = await ears.next();
    assert.is(value?.type === "message" && text.decode(value.data), "over");
    for (const key of ["count", "number"]) await dbs[0]!.delete(key);
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

/** Where nobody is, or nobody may: said with what to do. */
async function refusals(): Promise<void> {
  const { servers, cluster } = NATS;
  const monitor = join(home, "keys", "monitor.nkey");
  const wishes: readonly (readonly [ConnectOptions, string, RegExp])[] = [
    [{ home }, "not_found", /is a cluster of dev; its nodes are/],
    [{ home: dirname(process.execPath) }, "not_found", /is it the folder of a node/],
    [{ node: "no such" }, "config", /as the name of a node/],
    // What is refused is said at once; these would wait for longer than the test may.
    [{ servers, cluster }, "denied", /refuses a client without credentials/],
    [{ ...NATS, cluster: "other" }, "denied", /cluster other: the server forbids/],
    [{ servers, cluster, keyFile: monitor }, "denied", /cluster dev: the server forbids/],
    [{ servers: ["127.0.0.1:1"], cluster: "dev", timeoutMs: 1500 }, "timeout", /no NATS/],
    [{ servers: ["127.0.0.1:1"] }, "config", /name the cluster/],
  ];
  for (const [options, code, words] of wishes) {
    const patient = "servers" in options ? { timeoutMs: 600_000, ...options } : options;
    const error = await connect(patient).then(() => undefined, (thrown) => thrown as CtdbxError);
    assert.ok(error instanceof CtdbxError && words.test(error.message), String(error));
    assert.is(error.code, code, error.message);
  }
}

await sideBySide();
console.log("side by side");
await refusals();
console.log("refused");
