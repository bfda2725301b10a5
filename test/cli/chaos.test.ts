/** Faults on demand: what a cut node loses, what a skewed clock shows, and that all of it ends. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Chaos, chaosVerbs, chaosWorld } from "../../cli/chaos.ts";
import type { Bus, BusMessage, Clock, World } from "../../transport/world.ts";

const test = suite("cli/chaos");

/** A clock that stands until it is moved. */
class HandClock implements Clock {
  ms = 1000;
  readonly timers: { readonly atMs: number; readonly fire: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  wallMs(): number {
    return this.ms;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { atMs: this.ms + delayMs, fire };
    this.timers.push(timer);
    return () => void this.timers.splice(this.timers.indexOf(timer), 1);
  }

  move(ms: number): void {
    this.ms += ms;
    for (const timer of this.timers.filter(({ atMs }) => atMs <= this.ms)) {
      this.timers.splice(this.timers.indexOf(timer), 1);
      timer.fire();
    }
  }
}

const [ME, NEAR, FAR] = ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"];
const to = (tag: string | undefined) => `ctdbx.dev.n.${tag}.from.${ME}`;

/** A world whose bus notes what goes out and says what the test wants. */
function rig() {
  const clock = new HandClock();
  const out: string[] = [];
  let hear: (message: BusMessage) => void = () => {};
  const bus = {
    publish: (subject: string) => void out.push(subject),
    subscribe: (_subject: string, onMessage: typeof hear) => {
      hear = onMessage;
      return () => {};
    },
  } as unknown as Bus;
  const { world, chaos } = chaosWorld({ bus, clock } as unknown as World, true);
  const heard: string[] = [];
  world.bus.subscribe("x", ({ subject }) => void heard.push(subject));
  const say = (from: string | undefined) =>
    hear({
      subject: `ctdbx.dev.n.${ME}.from.${from}`,
      payload: new Uint8Array(),
      reply: undefined,
    });
  return { clock, out, world, chaos: chaos as Chaos, heard, say };
}

test("a node that is cut from another: neither hears the other; those that are left do", () => {
  const { clock, out, world, chaos, heard, say } = rig();
  chaos.cut([FAR as string], 5000);
  for (const tag of [NEAR, FAR]) world.bus.publish(to(tag), new Uint8Array());
  for (const tag of [NEAR, FAR]) say(tag);
  assert.equal(out, [to(NEAR)]);
  assert.equal(heard.map((subject) => subject.slice(-10)), [NEAR]);
  // What goes to all would reach the one that is cut off: also events, which monitors there would show.
  world.bus.publish(`ctdbx.dev.all.from.${ME}`, new Uint8Array());
  world.bus.publish(`ctdbx.dev.ev.cluster.from.${ME}`, new Uint8Array());
  assert.is(out.length, 1);
  clock.move(5000);
  world.bus.publish(to(FAR), new Uint8Array());
  world.bus.publish(`ctdbx.dev.ev.cluster.from.${ME}`, new Uint8Array());
  say(FAR);
  assert.is(out.length, 3);
  assert.is(heard.length, 2);
});

test("heal ends a cut and a skew at once; what the clock ran ahead stays", () => {
  const { clock, out, world, chaos } = rig();
  chaos.cut([FAR as string], 5000);
  chaos.skew(60_000);
  clock.move(1000);
  assert.is(world.clock.nowMs(), 2010);
  assert.is(world.clock.wallMs(), 3_602_000);
  chaos.heal();
  world.bus.publish(to(FAR), new Uint8Array());
  assert.is(out.length, 1);
  assert.is(world.clock.nowMs(), 2010);
  assert.is(world.clock.wallMs(), 2000);
  clock.move(100_000);
  assert.is(world.clock.nowMs(), 102_010);
  assert.equal(clock.timers, []);
});

test("another thread's bus gets the same cuts, records among what is lost, and is healed with it", () => {
  const { chaos } = rig();
  const other = rig();
  const record = (tag: string | undefined) => `ctdbx.dev.r.${tag}.from.${ME}`;
  // Told as plain data, as between threads.
  const end = chaos.onFault((fault) => other.chaos.make(JSON.parse(JSON.stringify(fault))));
  chaos.cut([FAR as string], 5000, "out");
  for (const tag of [NEAR, FAR, "all"]) other.world.bus.publish(record(tag), new Uint8Array());
  assert.equal(other.out, [record(NEAR)], "what goes to all would reach the one that is cut off");
  other.say(FAR);
  assert.is(other.heard.length, 1, "one way only");
  chaos.skew(60_000);
  assert.is(other.world.clock.nowMs(), 1000);
  chaos.heal();
  other.world.bus.publish(record(FAR), new Uint8Array());
  assert.is(other.out.length, 2);
  end();
  chaos.cut([FAR as string], 5000);
  other.world.bus.publish(record(FAR), new Uint8Array());
  assert.is(other.out.length, 3, "it is told nothing more");
  const late = rig();
  chaos.onFault((fault) => late.chaos.make(fault));
  late.world.bus.publish(record(FAR), new Uint8Array());
  assert.equal(late.out, [], "one that comes later is cut, too");
});

test("faults that are none are refused, and a world that allows none has none", () => {
  const { chaos, world } = rig();
  const verbs = new Map(chaosVerbs(chaos));
  const call = { item: () => false, onCancel: () => {} };
  for (const ms of [0, -1, NaN, "5", 3_600_001, undefined]) {
    assert.throws(() => verbs.get("chaos skew")?.({ ms }, call), /ms must be from/);
  }
  assert.throws(() => verbs.get("chaos cut")?.({ tags: [1], ms: 5 }, call), /tags must be texts/);
  assert.equal(chaosVerbs(undefined), []);
  assert.is(chaosWorld(world, false).chaos, undefined);
});

test.run();
