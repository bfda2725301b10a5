/** Data threads of a cluster on a simulated network: records move, databases come and go, pages freeze. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DataRig, FOREVER_MS } from "./data_rig.ts";

const test = suite("data shard");

test("three nodes: what one writes another reads, and writes, and the third reads", async () => {
  const rig = await DataRig.start(1, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  assert.is(await rig.read(1, "visits", "key"), "one");
  await rig.put(1, "visits", "key", "two");
  assert.is(await rig.read(2, "visits", "key"), "two");
  assert.is(await rig.read(0, "visits", "key"), "two");
  for (const { failures, breaches } of rig.nodes) assert.equal([failures, breaches], [[], []]);
});

test("a fault is told to the node although who waits for operations makes another one of it", async () => {
  const rig = await DataRig.start(2, 1);
  await rig.attach("visits");
  rig.freeze(0);
  const { host, databases } = rig.node(0).shard;
  const { failures } = rig.node(0);
  let ends = 0;
  for (let n = 0; n < 3; n++) {
    databases[0]!.op(host.newClient(), "key", { what: "read" }, rig.nowMs(0) + 1000, () => {
      ends += 1;
      throw new RangeError("it cannot be told");
    });
  }
  assert.equal([ends, failures.length], [0, 0]);
  rig.show(0, FOREVER_MS, false);
  const { incarnation } = rig.node(0);
  const news = { incarnation, generation: rig.doc.generation, leaseEndMs: FOREVER_MS };
  // What is thrown on the way may go anywhere; the node must hear of the first.
  await rig.node(0).shard.page(news).catch(() => {});
  assert.ok(ends >= 2, `${ends} ends`);
  assert.match(`${failures[0]}`, "cannot be told");
});

test.run();
