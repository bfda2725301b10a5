/** When which event is run: directed, in virtual time; each end is given by the test. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { step } from "../../../../actors/machines/events/schedule.ts";
import {
  ASKS_MAX,
  type EventTiming,
  type Job,
  newSchedule,
  type NodeGlance,
  type ScheduleEffect,
  type ScheduleEvent,
} from "../../../../actors/machines/events/state.ts";
import type { EventEnd } from "../../../../transport/wire/event_daemon.ts";

const TIMING: EventTiming = { timeoutMs: 30_000, monitorMostMs: 15_000, timeoutsMost: 3 };
const SERVING: NodeGlance = {
  isActive: true,
  isServing: true,
  generation: 1n,
  members: "0 unhealthy",
};

type Untimed = ScheduleEvent extends infer E ? E extends unknown ? Omit<E, "now"> : never : never;

/** A schedule with a clock, and what it has wanted. */
class Rig {
  readonly state;
  now = 1_000_000;
  readonly answers = new Map<number, EventEnd>();
  readonly failed: string[] = [];
  cancelled: number[] = [];
  wakeMs: number | undefined;
  isOver = false;
  running: Job | undefined;
  health: unknown;

  constructor(isTold = true) {
    this.state = newSchedule(TIMING, this.now, isTold);
  }

  tell(event: Untimed): this {
    for (const effect of step(this.state, { ...event, now: this.now } as ScheduleEvent)) {
      this.#perform(effect);
    }
    return this;
  }

  #perform(effect: ScheduleEffect): void {
    switch (effect.kind) {
      case "run":
        assert.is(this.running, undefined, "two events run at a time");
        this.running = effect.job;
        return;
      case "cancel":
        return void this.cancelled.push(effect.id);
      case "answer":
        return void this.answers.set(effect.ask, effect.end);
      case "failed":
        return void this.failed.push(effect.end.event);
      case "health":
        this.health = effect.health;
        return;
      case "wake":
        this.wakeMs = effect.atMs;
        return;
      case "over":
        this.isOver = true;
    }
  }

  /** What runs, in words. */
  get runs(): string | undefined {
    const { running } = this;
    return running === undefined ? undefined : [running.event, ...running.args].join(" ");
  }

  /** What runs ends so. */
  end(outcome: EventEnd["outcome"] = "ok", afterMs = 10): this {
    const job = this.running;
    assert.ok(job, "nothing runs");
    this.running = undefined;
    this.now += afterMs;
    const { id, event, args } = job as Job;
    const script = {
      name: "10.x",
      outcome: "failed" as const,
      startWallMs: 0,
      tookMs: 1,
      output: "tail\n",
      cutBytes: 0,
    };
    const scripts = outcome === "ok" ? [] : [script];
    const why = outcome === "ok" ? {} : { why: "10.x: exit code 1" };
    const end = {
      event,
      args: [...args],
      outcome,
      startWallMs: 0,
      tookMs: afterMs,
      scripts,
      ...why,
    };
    return this.tell({ kind: "ended", id, end });
  }

  /** Time passes until the schedule wants to be woken; answers how long that is, ms. */
  wait(): number {
    assert.ok(this.wakeMs !== undefined, "nothing is due");
    const waited = (this.wakeMs as number) - this.now;
    assert.ok(waited >= 0, `due ${-waited} ms ago`);
    this.now = this.wakeMs as number;
    this.wakeMs = undefined;
    this.tell({ kind: "wake" });
    return waited;
  }

  /** A node that has started up, and serves; its first monitor event is in 2 s. */
  static running(isTold = true): Rig {
    const rig = new Rig(isTold).tell({ kind: "up" }).end().end();
    rig.tell({ kind: "node", node: SERVING }).end().end().end();
    assert.is(rig.state.phase, "running");
    return rig;
  }
}

const test = suite("schedule of events");

test("init, setup; startup follows when the node serves a view whose recovery was told", () => {
  const rig = new Rig();
  rig.tell({ kind: "node", node: { ...SERVING, isServing: false, isActive: false } });
  assert.is(rig.runs, undefined);
  rig.tell({ kind: "up" });
  assert.is(rig.runs, "init");
  assert.is(rig.end().runs, "setup");
  assert.is(rig.end().runs, "startrecovery");
  assert.is(rig.end().runs, undefined);
  rig.tell({ kind: "node", node: SERVING });
  assert.is(rig.runs, "recovered");
  assert.is(rig.end().runs, "startup");
  assert.is(rig.end().runs, undefined);
  assert.is(rig.wait(), 2000);
  assert.is(rig.runs, "monitor");
  assert.is(rig.health, undefined);
  rig.end();
  assert.equal(rig.health, { ok: true });
});

for (const event of ["init", "setup", "startup"] as const) {
  test(`a ${event} that fails is tried again after 5 s, and the node is unhealthy`, () => {
    const rig = new Rig().tell({ kind: "node", node: SERVING }).tell({ kind: "up" });
    while (rig.runs !== event) rig.end();
    rig.end("failed");
    assert.equal(rig.health, { ok: false, why: `${event}: 10.x: exit code 1`, tail: "tail\n" });
    assert.equal(rig.failed, [event]);
    assert.is(rig.runs, undefined);
    assert.is(rig.wait(), 5000);
    assert.is(rig.runs, event);
  });
}

test("monitor events come after 2, 4, 8, 15, 15 s; 5 s after a change, and then later again", () => {
  const rig = Rig.running();
  assert.is(rig.wait(), 2000);
  rig.end();
  assert.is(rig.wait(), 5000);
  const pauses: number[] = [];
  for (let count = 0; count < 3; count++) {
    rig.end();
    pauses.push(rig.wait());
  }
  assert.equal(pauses, [10_000, 15_000, 15_000]);
  rig.end("failed");
  assert.equal(rig.health, { ok: false, why: "monitor: 10.x: exit code 1", tail: "tail\n" });
  assert.is(rig.wait(), 5000);
});

test("time-outs of monitor are borne, and then they are not; another end starts the count anew", () => {
  const rig = Rig.running();
  rig.wait();
  rig.end();
  const ends = ["timeout", "timeout", "ok", "timeout", "timeout"] as const;
  for (const outcome of ends) {
    rig.wait();
    rig.end(outcome);
    assert.equal(rig.health, { ok: true });
  }
  rig.wait();
  rig.end("timeout");
  assert.match((rig.health as { why: string }).why, "monitor: ");
  rig.wait();
  rig.end();
  assert.equal(rig.health, { ok: true });
});

test("a node that is not in the view has no monitor events; back again it has one at once", () => {
  const rig = Rig.running();
  rig.tell({ kind: "node", node: { ...SERVING, isActive: false, isServing: false } });
  rig.now += 60_000;
  rig.tell({ kind: "wake" });
  assert.is(rig.runs, undefined);
  rig.tell({ kind: "node", node: SERVING });
  assert.is(rig.runs, "monitor");
});

test("of the views that come while scripts run the last is told", () => {
  const rig = Rig.running();
  rig.tell({ kind: "ask", ask: 7, event: "takeip", args: ["eth0", "192.0.2.1", "24"] });
  for (const generation of [2n, 3n, 4n]) {
    rig.tell({ kind: "node", node: { ...SERVING, generation } });
  }
  rig.end();
  assert.is(rig.runs, "startrecovery");
  rig.tell({ kind: "node", node: { ...SERVING, generation: 5n } });
  assert.is(rig.end().runs, "startrecovery");
  assert.is(rig.end().runs, "recovered");
  assert.is(rig.end().runs, undefined);
});

test("what is asked for comes in its order, and before what the schedule has", () => {
  const rig = Rig.running();
  for (const ask of [1, 2, 3]) {
    rig.tell({ kind: "ask", ask, event: "takeip", args: ["eth0", `192.0.2.${ask}`, "24"] });
  }
  rig.tell({ kind: "node", node: { ...SERVING, generation: 2n } });
  assert.is(rig.runs, "takeip eth0 192.0.2.1 24");
  assert.is(rig.end().runs, "takeip eth0 192.0.2.2 24");
  assert.is(rig.end("failed").runs, "takeip eth0 192.0.2.3 24");
  assert.is(rig.end().runs, "startrecovery");
  assert.equal([...rig.answers].map(([ask, { outcome }]) => `${ask} ${outcome}`), [
    "1 ok",
    "2 failed",
    "3 ok",
  ]);
  assert.equal(rig.failed, [], "who asked is told, nobody else");
  assert.is(rig.health, undefined);
});

test("a monitor event is called off for what is asked for; no other event is", () => {
  const rig = Rig.running();
  rig.wait();
  const { id } = rig.running as Job;
  rig.tell({ kind: "ask", ask: 1, event: "releaseip", args: ["eth0", "192.0.2.1", "24"] });
  rig.tell({ kind: "ask", ask: 2, event: "monitor", args: [] });
  assert.equal(rig.cancelled, [id]);
  assert.is(rig.end("cancelled").runs, "releaseip eth0 192.0.2.1 24");
  assert.is(rig.health, undefined);
  assert.is(rig.end().runs, "monitor");
  rig.tell({ kind: "ask", ask: 3, event: "takeip", args: ["eth0", "192.0.2.1", "24"] });
  assert.equal(rig.cancelled, [id], "one that somebody asked for stays");
  assert.is(rig.end().runs, "takeip eth0 192.0.2.1 24");
  rig.end();
  assert.is(rig.wait(), 2000 - 30, "a monitor that was called off comes soon");
});

test("what is not waited for in its turn is refused", () => {
  const rig = Rig.running();
  for (let ask = 0; ask <= ASKS_MAX + 1; ask++) {
    rig.tell({ kind: "ask", ask, event: "setup", args: [] });
  }
  assert.is(rig.answers.size, 1);
  const { outcome, why } = rig.answers.get(ASKS_MAX + 1) as EventEnd;
  assert.is(outcome, "refused");
  assert.match(why ?? "", `${ASKS_MAX} events wait`);
});

test("ipreallocated follows the members, unless somebody tells it", () => {
  const rig = Rig.running(false);
  assert.is(rig.runs, "ipreallocated");
  assert.is(rig.end().runs, undefined);
  rig.tell({ kind: "node", node: { ...SERVING, members: "0 ok, 1 ok" } });
  assert.is(rig.runs, "ipreallocated");
  rig.tell({ kind: "node", node: { ...SERVING, members: "0 ok" } });
  assert.is(rig.end().runs, "ipreallocated");
  assert.is(rig.end().runs, undefined);
  const told = Rig.running(true);
  told.tell({ kind: "node", node: { ...SERVING, members: "0 ok, 1 ok" } });
  assert.is(told.runs, undefined);
});

test("an event daemon that dies under a script has failed that event", () => {
  const rig = Rig.running();
  rig.wait();
  rig.end();
  rig.wait();
  rig.running = undefined;
  rig.tell({ kind: "down", why: "SIGKILL" });
  const why = "monitor: the event daemon died: SIGKILL";
  assert.equal(rig.health, { ok: false, why });
  rig.tell({ kind: "up" });
  assert.is(rig.wait(), 5000);
  rig.end();
  assert.equal(rig.health, { ok: true });
  rig.tell({ kind: "ask", ask: 1, event: "takeip", args: ["eth0", "192.0.2.1", "24"] });
  rig.running = undefined;
  rig.tell({ kind: "down", why: "SIGKILL" });
  assert.is(rig.answers.get(1)?.outcome, "lost");
  assert.equal(rig.health, { ok: true });
});

test("an event daemon that does not come back makes the node unhealthy after 10 s", () => {
  const rig = Rig.running();
  rig.wait();
  rig.end();
  rig.tell({ kind: "down", why: "SIGSEGV" });
  assert.is(rig.wait(), 10_000);
  assert.equal(rig.health, { ok: false, why: "the event daemon does not run: SIGSEGV" });
  const fresh = new Rig().tell({ kind: "wake" });
  assert.is(fresh.wait(), 10_000);
  assert.equal(fresh.health, {
    ok: false,
    why: "the event daemon does not run: it is being started",
  });
});

test("the last event is shutdown; what waits is told, what runs by the schedule is called off", () => {
  const rig = Rig.running();
  rig.wait();
  const { id } = rig.running as Job;
  rig.tell({ kind: "stop" });
  assert.equal(rig.cancelled, [id]);
  assert.is(rig.end("cancelled").runs, "shutdown");
  rig.tell({ kind: "ask", ask: 1, event: "takeip", args: [] });
  assert.is(rig.answers.get(1)?.outcome, "refused");
  assert.equal(rig.cancelled, [id], "shutdown is not called off");
  assert.is(rig.isOver, false);
  rig.end("failed");
  assert.is(rig.isOver, true);
  rig.tell({ kind: "ask", ask: 2, event: "takeip", args: [] });
  assert.is(rig.answers.get(2)?.outcome, "lost");
  assert.is(rig.tell({ kind: "wake" }).runs, undefined);
});

test("an address that is being released when the node stops is released first", () => {
  const rig = Rig.running();
  rig.tell({ kind: "ask", ask: 1, event: "releaseip", args: ["eth0", "192.0.2.1", "24"] });
  rig.tell({ kind: "ask", ask: 2, event: "takeip", args: ["eth0", "192.0.2.2", "24"] });
  rig.tell({ kind: "stop" });
  assert.equal(rig.cancelled, []);
  assert.is(rig.answers.get(2)?.outcome, "lost");
  assert.is(rig.runs, "releaseip eth0 192.0.2.1 24");
  assert.is(rig.end().runs, "shutdown");
  assert.is(rig.answers.get(1)?.outcome, "ok");
});

test("without an event daemon a stop is over at once", () => {
  assert.is(new Rig().tell({ kind: "stop" }).isOver, true);
  const rig = Rig.running();
  rig.tell({ kind: "down", why: "SIGKILL" }).tell({ kind: "stop" });
  assert.is(rig.isOver, true);
});

test("other times hold from the next pause on, and a shorter one from now", () => {
  const rig = Rig.running();
  rig.wait();
  rig.end();
  rig.tell({ kind: "timing", timing: { ...TIMING, monitorMostMs: 1000 } });
  assert.is(rig.wait(), 1000);
  rig.end();
  assert.is(rig.wait(), 1000);
});

test("ends are counted, and the last one of each event is kept", () => {
  const rig = Rig.running();
  for (const outcome of ["ok", "timeout", "failed"] as const) {
    rig.wait();
    rig.end(outcome);
  }
  assert.equal(rig.state.counts.get("monitor"), { ok: 1, failed: 1, timeout: 1 });
  assert.is(rig.state.last.get("monitor")?.outcome, "failed");
  assert.is(rig.state.last.get("init")?.outcome, "ok");
});

test.run();
