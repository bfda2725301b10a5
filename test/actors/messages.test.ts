/**
 * The message actor on the simulated bus: real bytes on real subjects, programs that answer each other, faults, ends.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine } from "../../transport/sim/world.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import { PROGRAM_MAGIC } from "../../transport/wire/program_layout.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { MessageHost, NAME, peersOf } from "./message_host.ts";

const test = suite("messages actor");

/** Lets everything that promises and microtasks continue run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Some nodes on one network, which know each other. */
class Cluster {
  readonly time = new SimTime();
  readonly network: SimNetwork;
  readonly hosts: MessageHost[];

  constructor(count: number, seed = 1) {
    const dice = new SeededDice(seed);
    this.network = new SimNetwork(this.time, dice);
    this.hosts = Array.from({ length: count }, (_, index) => {
      const machine = new SimMachine({ name: `n${index}`, network: this.network, dice });
      return new MessageHost(machine.boot(), index);
    });
    for (const { messages } of this.hosts) messages.setPeers(peersOf(this.hosts));
  }

  host(index: number): MessageHost {
    const host = this.hosts[index];
    if (host === undefined) throw new RangeError(`there is no node ${index}`);
    return host;
  }

  async run(ms: number): Promise<void> {
    for (const endMs = this.time.nowMs + ms; this.time.nowMs < endMs;) {
      this.time.runTo(this.time.nowMs + 1);
      await turn();
    }
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a ring of programs on three nodes passes a message on, again and again", async () => {
  const cluster = new Cluster(3);
  const programs = cluster.hosts.map(({ messages }) => messages.open(1, 0n));
  for (const [index, host] of cluster.hosts.entries()) {
    const next = cluster.host((index + 1) % 3).self;
    await host.messages.register(programs[index]!, 9n);
    host.onItem = (program, item) => {
      if (item.type !== "message" || item.data[0] === 60) return;
      // From within the delivery: it is done when its turn comes.
      host.messages.post(program, next, 9n, Uint8Array.of((item.data[0] ?? 0) + 1));
    };
  }
  cluster.host(0).messages.post(programs[0]!, cluster.host(1).self, 9n, Uint8Array.of(0));
  await cluster.run(200);
  const counts = cluster.hosts.map((host, index) => host.texts(programs[index]!).length);
  assert.equal(counts, [20, 21, 20]);
  assert.equal(cluster.hosts.flatMap(({ bad, refused }) => [...bad, ...refused]), []);
});

test("a thousand messages of one turn are a few publications, and come in order", async () => {
  const cluster = new Cluster(2);
  const [one, other] = [cluster.host(0), cluster.host(1)];
  const [from, to] = [one.messages.open(1, 0n), other.messages.open(2, 0n)];
  await other.messages.register(to, 5n);
  const texts = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  for (const text of texts) one.messages.post(from, other.self, 5n, bytes(text));
  await cluster.run(50);
  assert.equal(other.texts(to), texts);
  assert.is(one.publications, 4);
});

test("a bus that loses, doubles and overtakes changes nothing but the time", async () => {
  const cluster = new Cluster(4, 7);
  const programs = cluster.hosts.map(({ messages }) => messages.open(1, 0n));
  for (const [i, host] of cluster.hosts.entries()) await host.messages.register(programs[i]!, 5n);
  cluster.network.faults = {
    delayMinMs: 0.1,
    delayMaxMs: 5,
    loss: 2000,
    double: 5000,
    reorder: 2000,
  };
  const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
  for (const text of texts) {
    cluster.host(0).messages.post(programs[0]!, "all", 5n, bytes(text));
    await cluster.run(2);
  }
  cluster.network.faults = { ...cluster.network.faults, loss: 0, reorder: 0 };
  await cluster.run(5000);
  for (const [i, host] of cluster.hosts.entries()) assert.equal(host.texts(programs[i]!), texts);
  assert.ok(cluster.host(0).messages.status.counters.again > 50);
});

test("sends that are not accepted are told, by a throw or by onRefused", async () => {
  const cluster = new Cluster(2);
  const { messages, refused } = cluster.host(0);
  const program = messages.open(1, 0n);
  const nobody = "f".repeat(32) as NodeId;
  const codeOf = async (promise: Promise<unknown>): Promise<string> => {
    try {
      await promise;
    } catch (error) {
      return (error as CtdbxError).code;
    }
    return "none";
  };
  assert.is(await codeOf(messages.send(program, nobody, 1n, bytes("x"))), "not_found");
  assert.is(await codeOf(messages.unregister(program, 1n)), "not_found");
  messages.post(program, nobody, 1n, bytes("x"));
  messages.post(99, "all", 1n, bytes("x"));
  assert.equal(refused, [`${program} not_found`, "99 not_found"]);
  const sent = await messages.send(program, "all", 1n, bytes("x"));
  assert.equal(sent, { type: "sent", nodes: 1, full: 0 });
  const asked = messages.count("all", { srvid: 1n }, 60_000);
  messages.stop();
  assert.is(await codeOf(asked), "state");
  assert.is(await codeOf(messages.register(program, 1n)), "state");
});

test("forged publications are refused and counted; questions go over the codec", async () => {
  const cluster = new Cluster(2);
  const [one, other] = [cluster.host(0), cluster.host(1)];
  const program = one.messages.open(7, 3n);
  await one.messages.register(program, 5n);
  const asked = other.messages.count("all", { pid: 7, uniqueId: 3n, srvid: 5n }, 1000);
  await cluster.run(50);
  const { counts, unheard } = await asked;
  assert.equal(counts, [{ nodeId: other.self, count: 0 }, { nodeId: one.self, count: 1 }]);
  assert.equal(unheard, []);
  other.world.bus.publish(
    buildSubject({ cluster: NAME, class: "r", to: tagOf(one.self), from: tagOf(other.self) }),
    Uint8Array.of(PROGRAM_MAGIC, 1, 2, 3),
  );
  await cluster.run(10);
  assert.equal(one.bad, ["form"]);
  assert.ok(one.kinds.includes("msg_count_ask"));
});

test("a program that has closed gets nothing any more, and its srvids are free", async () => {
  const cluster = new Cluster(2);
  const [one, other] = [cluster.host(0), cluster.host(1)];
  const [from, to] = [one.messages.open(1, 0n), other.messages.open(2, 0n)];
  await other.messages.register(to, 5n);
  one.messages.post(from, other.self, 5n, bytes("a"));
  await cluster.run(20);
  other.messages.close(to);
  one.messages.post(from, other.self, 5n, bytes("b"));
  await cluster.run(20);
  assert.equal(other.texts(to), ["a"]);
  assert.is(other.messages.status.programs, 0);
});

test.run();
