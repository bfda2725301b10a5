/** A flood of large values on a real bus: what the server takes too slowly is dropped, and the connection stays. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Post } from "../../actors/post.ts";
import type { RealBus } from "../../transport/real_bus.ts";
import { PENDING_MAX } from "../../transport/real_nats_socket.ts";
import { Codec } from "../../transport/wire/codec.ts";
import type { Generation, NodeId } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { NatsRig } from "./nats.ts";

const test = suite<{ rig: NatsRig }>("a flood of large values");
const OWN = "1".repeat(32) as NodeId;
const OTHER = "2".repeat(32) as NodeId;

test.before((context) => {
  context.rig = new NatsRig();
});
test.after(({ rig }) => rig?.end());

/** The post of a data thread. */
function postOf({ clock, log }: NatsRig, bus: RealBus, own: NodeId, onRaw: () => void): Post {
  return new Post({
    bus,
    clock,
    log,
    codec: new Codec({ cluster: "edge", own, firstId: 1n }),
    cluster: "edge",
    own,
    stamps: () => ({ gen: 0n as Generation, stamp: 0n }),
    mail: "r",
    onRaw,
    onMessage: () => {},
  });
}

test(
  "More than the server takes is dropped and counted; the connection stays, and what went out arrives",
  limit(60_000, async ({ rig }) => {
    const server = await rig.server();
    const proxy = await rig.proxy(server.port);
    const [bus, other] = [await rig.bus(proxy.address), await rig.bus(server.address)];
    const cuts: string[] = [];
    bus.watch((status) => cuts.push(status));
    let got = 0;
    const arrived = Promise.withResolvers<void>();
    const post = postOf(rig, bus, OWN, () => {});
    const receiver = postOf(rig, other, OTHER, () => {
      got += 1;
      if (got === post.counters.sent) arrived.resolve();
    });
    receiver.start();
    await other.flush(5000);
    // Nobody else runs meanwhile: nothing leaves but what the kernel takes.
    const payload = new Uint8Array(bus.payloadMax).fill(0x52);
    const count = Math.ceil(2 * PENDING_MAX / payload.length);
    for (let n = 0; n < count; n++) post.sendRaw(OTHER, payload);
    const { sent, dropped } = post.counters;
    assert.is(sent + dropped, count);
    assert.ok(dropped > count / 4 && sent > count / 8, `${sent} sent, ${dropped} dropped`);
    assert.ok(bus.waiting > 0 && bus.waiting < PENDING_MAX, `${bus.waiting} bytes wait`);
    await arrived.promise;
    await bus.flush(5000);
    assert.is(bus.waiting, 0);
    assert.equal(cuts, []);
    assert.is(post.counters.dropped, dropped);
    receiver.stop();
  }),
);

test.run();
