/** Three servers as a cluster and a leaf node: who hears whom, and what happens when one goes. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { RealBus } from "../../transport/real_bus.ts";
import type { NatsServer } from "../../transport/real_nats_server.ts";
import { Inbox, text, utf8 } from "../contracts/port_fixture.ts";
import { limit } from "../limit.ts";
import { NatsRig, startTrio, until } from "./nats.ts";

/** Three servers and a leaf of the first two. */
interface Context {
  rig: NatsRig;
  servers: NatsServer[];
  leaf: NatsServer;
}

const test = suite<Context>("NATS cluster");

test.before(async (context) => {
  const rig = new NatsRig();
  context.rig = rig;
  const servers = await startTrio(rig);
  context.servers = servers;
  const leafOf = servers.slice(0, 2).map(({ leafPort }) => `127.0.0.1:${leafPort}`);
  context.leaf = await rig.server({ name: "leaf", leafOf });
});
test.after(({ rig }) => rig.end());

/** Asks until there is an answer: routes and leaves take a moment to learn of a subscription. */
async function asks(bus: RealBus, subject: string): Promise<string | undefined> {
  for (;;) {
    const answer = await bus.request(subject, utf8("who"), 2000).catch(() => undefined);
    if (answer !== undefined) return text(answer.payload);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function answers(bus: RealBus, subject: string, word: string): void {
  bus.subscribe(subject, ({ reply }) => {
    if (reply !== undefined) bus.publish(reply, utf8(word));
  });
}

test(
  "Everybody reaches everybody, over routes and over the leaf",
  limit(60_000, async ({ rig, servers, leaf }) => {
    const all = [...servers, leaf];
    const buses: RealBus[] = [];
    for (const [index, { address }] of all.entries()) {
      const bus = await rig.bus(address);
      answers(bus, `reach.${index}`, `bus ${index}`);
      buses.push(bus);
    }
    for (const bus of buses) {
      for (const index of all.keys()) assert.is(await asks(bus, `reach.${index}`), `bus ${index}`);
    }
    for (const bus of buses) await bus.close();
  }),
);

test(
  "Nobody listening is told at once, through the leaf, too",
  limit(60_000, async ({ rig, servers, leaf }) => {
    for (const { address } of [...servers, leaf]) {
      const bus = await rig.bus(address);
      const asked = bus.request("nobody.here", utf8(""), 3_600_000);
      const error = await asked.then(() => undefined, (thrown: unknown) => thrown);
      assert.match(String(error), /nobody listens/);
      await bus.close();
    }
  }),
);

test(
  "When one server dies the others and the leaf go on",
  limit(60_000, async ({ rig, servers, leaf }) => {
    const [one, two, three] = servers;
    if (one === undefined || two === undefined || three === undefined) throw new Error("no trio");
    const far = await rig.bus(three.address);
    answers(far, "survivor", "still here");
    const onLeaf = await rig.bus(leaf.address);
    const moving = await rig.bus(one.address, two.address);
    const seen = new Inbox<string>();
    moving.watch(seen.put);
    assert.is(await asks(onLeaf, "survivor"), "still here");
    one.child.signal("SIGKILL");
    await one.child.ended;
    assert.equal(await seen.takeAll(2), ["disconnected", "connected"]);
    assert.is(await asks(moving, "survivor"), "still here");
    assert.is(await asks(onLeaf, "survivor"), "still here");
    assert.is(far.status, "connected");
    await until(onLeaf, "connected");
    for (const bus of [far, onLeaf, moving]) await bus.close();
  }),
);

test.run();
