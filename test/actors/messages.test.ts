/**
 * The message actor on the simulated bus: real bytes on real subjects, programs that answer each other, faults, ends.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PeerNode, ProgramItem } from "../../actors/machines/messages/events.ts";
import { itemBytes } from "../../actors/machines/messages/events.ts";
import { Messages } from "../../actors/messages.ts";
import { Post } from "../../actors/post.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../transport/sim/world.ts";
import { Codec } from "../../transport/wire/codec.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { ProgramMessage } from "../../transport/wire/messages/registry.ts";
import { PROGRAM_MAGIC } from "../../transport/wire/program_layout.ts";
import { buildSubject, parseSubject, subscriptionsOf } from "../../transport/wire/subjects.ts";
import type {
  ClusterId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
} from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import type { Bus, BusMessage } from "../../transport/world.ts";

const test = suite("messages actor");

const CLUSTER = "c".repeat(32) as ClusterId;
const NAME = "edge";

/** Lets everything that promises and microtasks continue run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One node: its world, its post, its messages, and what its programs got. */
class MessageHost {
  readonly world: SimWorld;
  readonly self: NodeId;
  readonly messages: Messages;
  readonly got = new Map<number, ProgramItem[]>();
  readonly refused: string[] = [];
  readonly bad: string[] = [];
  readonly kinds: string[] = [];
  publications = 0;
  /** What a program does with what it gets. */
  onItem: (program: number, item: ProgramItem) => void = () => {};

  constructor(world: SimWorld, index: number) {
    this.world = world;
    this.self = `${index}`.repeat(32) as NodeId;
    const { bus, clock, log } = world;
    const codec = new Codec({ cluster: NAME, own: this.self, firstId: 1n });
    codec.clusterId = CLUSTER;
    const stamps = () => ({ gen: 0n as Generation, stamp: 0n });
    const post = new Post({
      bus: withoutPublications(bus),
      clock,
      log,
      codec,
      cluster: NAME,
      own: this.self,
      stamps,
      onMessage: ({ from, message }) => {
        this.kinds.push(message.kind);
        this.messages.hear(from, message as ProgramMessage);
      },
    });
    post.start();
    for (const subject of subscriptionsOf(NAME, tagOf(this.self), [])) {
      bus.subscribe(subject, (message) => this.#take(message));
    }
    this.messages = new Messages({
      self: this.self,
      clock,
      log,
      publicationMax: 65536,
      firstAsk: 1 + index,
      publish: (to, payload) => {
        this.publications++;
        const from = tagOf(this.self);
        const head = { cluster: NAME, from };
        bus.publish(
          buildSubject(
            to === "all" ? { ...head, class: "all" } : { ...head, class: "n", to: tagOf(to) },
          ),
          payload,
        );
      },
      tell: (to, message) => to === "all" ? post.publish("all", message) : post.send([to], message),
      deliver: (program, items) => this.#deliver(program, items),
      onRefused: (program, code) => void this.refused.push(`${program} ${code}`),
      onBadPublication: ({ refused }) => void this.bad.push(refused),
      onFailure: (error) => {
        throw error;
      },
    });
    this.messages.begin(CLUSTER, index as Pnn, 1n as Incarnation);
  }

  #take({ subject, payload }: BusMessage): void {
    const tag = parseSubject(subject)?.from;
    if (payload[0] === PROGRAM_MAGIC && tag !== undefined) this.messages.take(payload, tag);
  }

  #deliver(program: number, items: readonly ProgramItem[]): void {
    const got = this.got.get(program) ?? [];
    this.got.set(program, got);
    for (const item of items) {
      got.push(item);
      this.onItem(program, item);
    }
    this.messages.took(program, items.length, items.reduce((sum, one) => sum + itemBytes(one), 0));
  }

  /** The texts of the messages that a program got. */
  texts(program: number): string[] {
    return (this.got.get(program) ?? []).flatMap((item) =>
      item.type === "message" ? [new TextDecoder().decode(item.data)] : []
    );
  }
}

/** The bus without what is no message of the codec. */
function withoutPublications(bus: Bus): Bus {
  return new Proxy(bus, {
    get(target, name) {
      if (name !== "subscribe") {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return (subject: string, onMessage: (message: BusMessage) => void) =>
        target.subscribe(subject, (message) => {
          if (message.payload[0] !== PROGRAM_MAGIC) onMessage(message);
        });
    },
  });
}

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
    const peers = this.hosts.map(({ self }, index): PeerNode => (
      { nodeId: self, pnn: index as Pnn, incarnation: 1n as Incarnation, isMember: true }
    ));
    for (const { messages } of this.hosts) messages.setPeers(peers);
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
    buildSubject({ cluster: NAME, class: "n", to: tagOf(one.self), from: tagOf(other.self) }),
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
