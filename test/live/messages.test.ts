/**
 * Messages between programs over a real nats-server: in order and each once, also across connections that are cut.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MessageHost, peersOf } from "../actors/message_host.ts";
import { limit } from "../limit.ts";
import { NatsRig, until } from "./nats.ts";

const test = suite("messages over NATS");

const COUNT = 3000;
const SRVID = 0xae00_0000_0000_0001n;

test(
  "what three programs send to all and to each other comes once and in order, whoever is cut off meanwhile",
  limit(60_000, async () => {
    const rig = new NatsRig();
    try {
      const server = await rig.server();
      const proxy = await rig.proxy(server.port);
      const buses = [
        await rig.bus(server.address),
        await rig.bus(server.address),
        await rig.bus(proxy.address),
      ];
      const { clock, log } = rig;
      const hosts = buses.map((bus, index) => new MessageHost({ bus, clock, log }, index));
      for (const { messages } of hosts) messages.setPeers(peersOf(hosts));
      const programs = hosts.map(({ messages }) => messages.open(1, 0n));
      for (const [i, { messages }] of hosts.entries()) await messages.register(programs[i]!, SRVID);
      for (const bus of buses) await bus.flush(5000);
      const done = hosts.map((host, i) => all(host, programs[i]!));
      for (const [i, bus] of buses.entries()) {
        bus.watch((status) => {
          if (status === "connected") hosts[i]?.messages.reconnected();
        });
      }
      for (let number = 0; number < COUNT; number++) {
        for (const [i, { messages }] of hosts.entries()) {
          // To all, and to one in between.
          const to = number % 3 === 0 ? hosts[(i + 1) % 3]!.self : "all";
          messages.post(programs[i]!, to, SRVID, new TextEncoder().encode(`${i} ${number}`));
        }
        // What is sent in between is lost on both sides.
        if (number % 1000 === 500) proxy.cut();
        if (number % 1000 === 700) {
          proxy.heal();
          await until(buses[2]!, "connected");
        }
        if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(done);
      for (const [i, host] of hosts.entries()) {
        for (const from of hosts.keys()) {
          const wanted = Array.from({ length: COUNT }, (_, number) => number)
            .filter((number) => number % 3 !== 0 || (from + 1) % 3 === i)
            .map((number) => `${from} ${number}`);
          const got = host.texts(programs[i]!).filter((text) => text.startsWith(`${from} `));
          assert.equal(got, wanted, `${from} to ${i}`);
        }
        assert.equal([host.refused, host.bad], [[], []]);
        assert.is(host.got.get(programs[i]!)?.filter(({ type }) => type !== "message").length, 0);
      }
      assert.ok(hosts.some(({ messages }) => messages.status.counters.again > 0));
      for (const { messages } of hosts) messages.stop();
    } finally {
      await rig.end();
    }
  }),
);

/** Resolves when a program has everything that is meant for it. */
function all(host: MessageHost, program: number): Promise<void> {
  // Two thirds go to all three, of the rest one in three to each.
  const wanted = 3 * (COUNT - COUNT / 3) + COUNT / 3;
  return new Promise((resolve) => {
    const had = host.onItem;
    let got = 0;
    host.onItem = (to, item) => {
      had(to, item);
      if (to === program && ++got === wanted) resolve();
    };
  });
}

test.run();
