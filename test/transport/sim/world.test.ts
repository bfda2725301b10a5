/** What only the simulated world has: faults, drift, crashes, and that the same seed gives the same run. */

import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork, SOUND } from "../../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../../transport/sim/world.ts";
import { text, utf8 } from "../../contracts/port_fixture.ts";

/** Machines on one network. */
class Cluster {
  readonly time = new SimTime();
  readonly dice: SeededDice;
  readonly network: SimNetwork;
  readonly machines: SimMachine[] = [];

  constructor(seed: number, count: number) {
    this.dice = new SeededDice(seed);
    this.network = new SimNetwork(this.time, this.dice);
    for (let n = 0; n < count; n++) {
      const clock = { rate: 0.99 + this.dice.below(200) / 10_000 };
      const { network, dice } = this;
      this.machines.push(new SimMachine({ name: `n${n}`, network, dice, clock }));
    }
  }

  boot(): SimWorld[] {
    return this.machines.map((machine) => machine.boot());
  }

  run(forMs: number): void {
    this.time.runTo(this.time.nowMs + forMs);
  }
}

/** What a world hears on a subject. */
function hears({ bus }: SimWorld, subject: string): string[] {
  const heard: string[] = [];
  bus.subscribe(subject, ({ payload }) => heard.push(text(payload) ?? ""));
  return heard;
}

/** Says numbers, one a millisecond. */
function counts(cluster: Cluster, { bus }: SimWorld, subject: string, count: number): void {
  for (let n = 0; n < count; n++) {
    bus.publish(subject, utf8(`${n}`));
    cluster.run(1);
  }
}

const network = suite("simulated network");

network("Loss, doubles and reordering happen about as often as they should", () => {
  const cluster = new Cluster(1, 2);
  const [one, two] = cluster.boot() as [SimWorld, SimWorld];
  const heard = hears(two, "n");
  cluster.network.faults = { ...SOUND, loss: 3000 };
  counts(cluster, one, "n", 1000);
  cluster.run(1000);
  assert.ok(heard.length > 600 && heard.length < 800, `${heard.length} of 1000`);
  assert.equal(heard, heard.slice().sort((a, b) => Number(a) - Number(b)), "still in order");
  heard.length = 0;
  cluster.network.faults = { ...SOUND, double: 5000 };
  counts(cluster, one, "n", 1000);
  cluster.run(1000);
  assert.ok(heard.length > 1400 && heard.length < 1600, `${heard.length} of 1000`);
  assert.is(new Set(heard).size, 1000);
  heard.length = 0;
  cluster.network.faults = { ...SOUND, reorder: 2000 };
  counts(cluster, one, "n", 1000);
  cluster.run(1000);
  assert.is(heard.length, 1000);
  assert.not.equal(heard, [...heard].sort((a, b) => Number(a) - Number(b)));
});

network("A link is blocked in one direction; partitions are for whole groups", () => {
  const cluster = new Cluster(2, 4);
  const worlds = cluster.boot();
  const heard = worlds.map((world) => hears(world, "x.*"));
  const round = (): string[] => {
    for (const [n, { bus }] of worlds.entries()) bus.publish(`x.${n}`, utf8(`${n}`));
    cluster.run(10);
    return heard.map((list) => list.splice(0).sort().join(""));
  };
  assert.equal(round(), ["0123", "0123", "0123", "0123"]);
  cluster.network.block("n0", "n1");
  assert.equal(round(), ["0123", "123", "0123", "0123"]);
  cluster.network.unblock("n0", "n1");
  cluster.network.partition(["n0", "n1"], ["n2"]);
  assert.equal(round(), ["013", "013", "23", "0123"]);
  cluster.network.healLinks();
  assert.equal(round(), ["0123", "0123", "0123", "0123"]);
  assert.ok(worlds.every(({ bus }) => bus.status === "connected"), "nobody noticed anything");
});

network("A hang is noticed after two to three seconds, and ends when it may", () => {
  const cluster = new Cluster(3, 2);
  const [one, two] = cluster.boot() as [SimWorld, SimWorld];
  const seen: string[] = [];
  one.bus.watch((status) => seen.push(`${status} ${Math.floor(cluster.time.nowMs / 1000)}`));
  const heard = hears(one, "h");
  one.bus.hang();
  cluster.run(1900);
  two.bus.publish("h", utf8("lost"));
  assert.is(one.bus.status, "connected", "it cannot know yet");
  cluster.run(2000);
  assert.equal(seen, ["disconnected 2"]);
  one.bus.connect();
  cluster.run(2000);
  assert.is(one.bus.status, "connected");
  two.bus.publish("h", utf8("after"));
  cluster.run(10);
  assert.equal(heard, ["after"]);
  // A short one is not noticed at all; what was sent meanwhile is lost.
  one.bus.hang();
  cluster.run(1000);
  two.bus.publish("h", utf8("lost, too"));
  one.bus.connect();
  cluster.run(5000);
  assert.is(seen.length, 2);
  assert.equal(heard, ["after"]);
});

network(
  "A paused node hears afterwards what it missed, in order; after a long pause it is cut",
  () => {
    const cluster = new Cluster(4, 2);
    const [one, two] = cluster.boot() as [SimWorld, SimWorld];
    const machine = cluster.machines[0] as SimMachine;
    const heard = hears(one, "p");
    const fired: string[] = [];
    one.clock.after(50, () => fired.push(`timer ${heard.length}`));
    machine.pause();
    counts(cluster, two, "p", 100);
    assert.equal([heard, fired], [[], []]);
    machine.resume();
    cluster.run(10);
    assert.equal(heard, [...Array(100).keys()].map(String));
    assert.is(fired.length, 1);
    assert.is(one.bus.status, "connected");
    machine.pause();
    two.bus.publish("p", utf8("never heard"));
    cluster.run(20_000);
    const statuses: string[] = [];
    one.bus.watch((status) => statuses.push(status));
    machine.resume();
    cluster.run(3000);
    assert.equal(statuses, ["disconnected", "connected"]);
    two.bus.publish("p", utf8("heard"));
    cluster.run(10);
    assert.equal(heard.slice(100), ["heard"]);
  },
);

network("A dead node does nothing more: no timer, no message, no answer", async () => {
  const cluster = new Cluster(5, 2);
  const [one, two] = cluster.boot() as [SimWorld, SimWorld];
  const heard = hears(one, "d");
  one.clock.after(5, () => heard.push("timer"));
  one.disk.makeFolder("/d");
  one.disk.write("/d/f", utf8("x"), () => heard.push("written"));
  two.bus.publish("d", utf8("message"));
  (cluster.machines[0] as SimMachine).crash("process");
  cluster.run(1000);
  assert.equal(heard, []);
  const asked = two.bus.request("d", utf8(""), 1000).catch((error: unknown) => error);
  cluster.run(2000);
  assert.match(String(await asked), /nobody listens/);
});
network.run();

const clock = suite("simulated clock, faults");
clock("Clocks drift apart by their rates; only the wall clock jumps", () => {
  const time = new SimTime();
  const dice = new SeededDice(1);
  const network = new SimNetwork(time, dice);
  const world = (name: string, rate: number) =>
    new SimMachine({ name, network, dice, clock: { rate, startMs: 0 } }).boot();
  const [slow, fast] = [world("slow", 0.99), world("fast", 1.01)];
  const fired: string[] = [];
  slow.clock.after(1000, () => fired.push(`slow ${Math.round(time.nowMs)}`));
  fast.clock.after(1000, () => fired.push(`fast ${Math.round(time.nowMs)}`));
  time.runTo(100_000);
  assert.equal(fired, ["fast 990", "slow 1010"]);
  assert.equal([slow.clock.nowMs(), fast.clock.nowMs()], [99_000, 101_000]);
  const before = fast.clock.nowMs();
  const wallMs = fast.clock.wallMs();
  fast.clock.jumpWall(-3_600_000);
  assert.is(fast.clock.nowMs(), before);
  assert.is(fast.clock.wallMs(), wallMs - 3_600_000);
});

clock("Events of one time come in the order in which they were made", () => {
  const time = new SimTime();
  const seen: number[] = [];
  for (let n = 0; n < 1000; n++) time.after(n % 7, () => seen.push((n % 7) * 1000 + n));
  time.runTo(10);
  assert.is(seen.length, 1000);
  assert.equal(seen, [...seen].sort((one, other) => one - other));
});
clock.run();

/** A trace of a cluster in which everything goes wrong, as a hash. */
function traceHash(seed: number): string {
  const cluster = new Cluster(seed, 5);
  const hash = createHash("sha256");
  const note = (...words: unknown[]) => hash.update(`${cluster.time.nowMs} ${words.join(" ")}\n`);
  cluster.network.faults = {
    delayMinMs: 0.1,
    delayMaxMs: 20,
    loss: 500,
    double: 500,
    reorder: 500,
  };
  const start = (machine: SimMachine) => {
    const { bus, clock, disk, dice, name } = { ...machine.boot(), name: machine.name };
    disk.makeFolder("/state");
    const stored = disk.read("/state/count");
    let count = Number(text(stored) ?? "0") || 0;
    note(name, "boots", count);
    bus.watch((status) => note(name, status));
    bus.subscribe("all.*", ({ subject, payload }) => note(name, subject, text(payload)));
    const tick = () => {
      count += 1;
      if (bus.status === "connected") bus.publish(`all.${name}`, utf8(`${count}`));
      if (dice.chance(1, 4)) {
        const kind = dice.chance(1, 2) ? "write" : "replace";
        disk[kind]("/state/count", utf8(`${count}`.repeat(300)), (error) => {
          note(name, "stored", count, error?.code);
        });
      }
      clock.after(5 + dice.below(50), tick);
    };
    tick();
  };
  cluster.machines.forEach(start);
  for (let turn = 0; turn < 200; turn++) {
    cluster.run(100);
    harm(cluster, start);
  }
  return hash.digest("hex").slice(0, 16);
}

/** One fault, or the end of one. */
function harm({ dice, machines, network }: Cluster, start: (machine: SimMachine) => void): void {
  const machine = machines[dice.below(machines.length)] as SimMachine;
  const other = `n${dice.below(5)}`;
  const { world, disk } = machine;
  const acts: (() => void)[] = [
    () => machine.crash(dice.chance(1, 2) ? "process" : "power"),
    () => machine.pause(),
    () => machine.resume(),
    () => world?.bus.cut(),
    () => world?.bus.hang(),
    () => world?.bus.connect(),
    () => network.block(machine.name, other),
    () => network.healLinks(),
    () => disk.failAt(1, "no_space"),
    () => disk.stall(),
    () => disk.release(),
  ];
  acts[dice.below(acts.length)]?.();
  if (machine.world === undefined && dice.chance(1, 2)) start(machine);
}

const runs = suite("simulated runs");
runs("The same seed gives the same run, on every runtime; another seed another", () => {
  assert.is(traceHash(1), traceHash(1));
  assert.not.equal(traceHash(1), traceHash(2));
  // Written down once: Bun and Deno must both come to it.
  assert.is(traceHash(42), HASH_42);
});
const HASH_42 = "812d2692174fcdc7";
runs.run();
