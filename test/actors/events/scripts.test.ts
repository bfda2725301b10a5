/** The scripts of a node with an event daemon that the test plays: what it is asked, and one that is silent. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EventDaemon, EventHandle } from "../../../actors/events/link.ts";
import { LINKS_MAX, Scripts } from "../../../actors/events/scripts.ts";
import { scriptFields } from "../../../actors/events/script_fields.ts";
import type { NodeGlance } from "../../../actors/machines/events/state.ts";
import type { HealthWord } from "../../../actors/services/health.ts";
import { SimClock, SimTime } from "../../../transport/sim/clock.ts";
import { SimLife } from "../../../transport/sim/life.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { EventEnd, EventName } from "../../../transport/wire/event_daemon.ts";
import { SCRIPT_EVENT } from "../../../transport/wire/messages/event_scripts.ts";
import { turn } from "../sim_nodes.ts";

const SERVING: NodeGlance = { isActive: true, isServing: true, generation: 1n, members: "0 ok" };
const QUIET = { write: () => {} };

/** An event daemon that ends each event well, unless it is told to be silent. */
class Player {
  readonly ran: string[] = [];
  readonly cancelled: number[] = [];
  made = 0;
  killed = 0;
  isSilent = false;
  /** Events that do not end by themselves. */
  holds: EventName | undefined;
  readonly held = new Map<number, (end: EventEnd) => void>();
  #end: ((error: Error) => void) | undefined;

  make(): Promise<EventHandle> {
    this.made++;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.#end = resolve;
    const thread: EventDaemon = {
      run: (id, event, args) => {
        this.ran.push([event, ...args].join(" "));
        if (this.isSilent || event === this.holds) {
          return new Promise((end) => this.held.set(id, end));
        }
        return Promise.resolve(endOf(event, args));
      },
      cancel: (id) => {
        this.cancelled.push(id);
        this.held.get(id)?.({ ...endOf("monitor", []), outcome: "cancelled" });
      },
      list: () => Promise.resolve({ scripts: [] }),
      switch: () => Promise.reject(new CtdbxError("not_found", "no such script")),
      ping: () => this.isSilent ? new Promise(() => {}) : Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    const end = (): void => {
      this.killed++;
      this.die("SIGKILL");
    };
    return Promise.resolve({ thread, ended: promise, end });
  }

  die(why: string): void {
    this.#end?.(new CtdbxError("io", why));
  }
}

function endOf(event: EventName, args: readonly string[]): EventEnd {
  return { event, args: [...args], outcome: "ok", startWallMs: 0, tookMs: 1, scripts: [] };
}

/** Scripts of a node that serves. */
class Rig {
  readonly time = new SimTime();
  readonly player = new Player();
  readonly words: HealthWord[] = [];
  readonly ends: EventEnd[] = [];
  readonly scripts: Scripts;
  glance: NodeGlance = SERVING;
  timing = { timeoutMs: 30_000, monitorMostMs: 15_000, timeoutsMost: 20 };

  constructor() {
    this.scripts = new Scripts({
      clock: new SimClock(this.time, new SimLife(this.time)),
      log: QUIET,
      make: () => this.player.make(),
      glance: () => this.glance,
      timing: () => this.timing,
      onHealth: (word) => void this.words.push(word),
      onEnd: (end) => void this.ends.push(end),
    });
    this.scripts.start();
  }

  /** Time passes; promises go on in between. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      await turn();
      this.time.runTo(this.time.nowMs + Math.min(left, 100));
    }
    await turn();
  }
}

const test = suite("scripts of a node");

test("a node is unhealthy until its first monitor event has passed", async () => {
  const rig = new Rig();
  assert.equal(rig.words, [{ ok: false, why: "no monitor event has passed yet" }]);
  await rig.pass(3000);
  assert.equal(rig.player.ran, [
    "init",
    "setup",
    "startrecovery",
    "recovered",
    "startup",
    "ipreallocated",
    "monitor",
  ]);
  assert.equal(rig.words.at(-1), { ok: true });
  await rig.scripts.stop();
  assert.is(rig.player.ran.at(-1), "shutdown");
});

test("addresses are told by events, one after the other; monitor is called off for them", async () => {
  const rig = new Rig();
  rig.player.holds = "monitor";
  await rig.pass(3000);
  assert.is(rig.scripts.doing, "monitor");
  const ends = [
    rig.scripts.takeIp("eth0", "192.0.2.1", 24),
    rig.scripts.releaseIp("eth0", "192.0.2.2", 24),
    rig.scripts.updateIp("eth0", "eth1", "192.0.2.3", 24),
    rig.scripts.startIpReallocate(),
    rig.scripts.ipReallocated(),
  ];
  await rig.pass(100);
  assert.is(rig.player.cancelled.length, 1);
  assert.equal((await Promise.all(ends)).map(({ outcome }) => outcome), Array(5).fill("ok"));
  assert.equal(rig.player.ran.slice(-5), [
    "takeip eth0 192.0.2.1 24",
    "releaseip eth0 192.0.2.2 24",
    "updateip eth0 eth1 192.0.2.3 24",
    "startipreallocate",
    "ipreallocated",
  ]);
  rig.player.holds = undefined;
  await rig.scripts.stop();
});

test("an event daemon that is silent is killed, and another one goes on", async () => {
  const rig = new Rig();
  await rig.pass(3000);
  rig.player.isSilent = true;
  const lost = rig.scripts.run("takeip", ["eth0", "192.0.2.1", "24"]);
  await rig.pass(12_000);
  assert.is(rig.player.killed, 1);
  assert.is((await lost).outcome, "lost");
  assert.is(rig.player.made, 2);
  // The next one is silent from its start.
  rig.player.isSilent = false;
  await rig.pass(11_000);
  assert.is(rig.player.made, 3);
  assert.is(rig.scripts.failures, 2);
  const again = rig.scripts.run("takeip", ["eth0", "192.0.2.1", "24"]);
  await rig.pass(100);
  assert.is((await again).outcome, "ok");
  await rig.scripts.stop();
});

test("each end is told once: of events that are well, called off, and lost with the event daemon", async () => {
  const rig = new Rig();
  await rig.pass(2000);
  const words = () => rig.ends.splice(0).map(({ event, outcome }) => `${event} ${outcome}`);
  assert.equal(words(), [
    ...["init", "setup", "startrecovery", "recovered", "startup", "ipreallocated", "monitor"]
      .map((event) => `${event} ok`),
  ]);
  rig.player.holds = "monitor";
  await rig.pass(5000);
  const taken = rig.scripts.takeIp("eth0", "192.0.2.1", 24);
  await rig.pass(100);
  await taken;
  assert.equal(words(), ["monitor cancelled", "takeip ok"]);
  rig.player.holds = "takeip";
  const lost = rig.scripts.takeIp("eth0", "192.0.2.2", 24);
  await rig.pass(100);
  rig.player.die("SIGKILL");
  await rig.pass(100);
  assert.is((await lost).outcome, "lost");
  assert.equal(words(), ["takeip lost"]);
  await rig.scripts.end();
});

test("what monitors are told of an end: which script, why, the end of what it said, no orders to a terminal", () => {
  const script = (name: string, outcome: "ok" | "failed" | "disabled", output: string) => ({
    ...{ name, outcome, startWallMs: 0, tookMs: 1, output, cutBytes: 0 },
  });
  const scripts = [
    script("00.ctdb", "ok", ""),
    script("10.off", "disabled", ""),
    script("50.samba", "failed", `${"x".repeat(5000)}\u001b[2Jno port 445\n`),
  ];
  const why = "50.samba: exit code 1";
  const end: EventEnd = { ...endOf("monitor", []), outcome: "failed", scripts, why };
  const { tail = "", ...fields } = scriptFields(end);
  assert.equal(fields, {
    ...{ event: "monitor", args: "", outcome: "failed", scripts: 2, tookMs: 1 },
    ...{ failed: "50.samba", why },
  });
  assert.match(tail, /^\.\.\.x+no port 445$/);
  const taken = scriptFields(endOf("takeip", ["eth0", "192.0.2.1", "24"]));
  assert.equal([taken.args, taken.failed, taken.tail], ["eth0 192.0.2.1 24", undefined, undefined]);
  const head = {
    ...{ v: 1, topic: "script", cluster: "c", node: "n0", tag: "aaaaaaaaaa", wallMs: 1, seq: 1 },
  };
  for (const each of [scriptFields(end), taken]) {
    assert.is(SCRIPT_EVENT.form.faultOf({ ...head, ...each }), "");
  }
});

test("one that answers is left alone, however long its event takes", async () => {
  const rig = new Rig();
  rig.player.holds = "startup";
  await rig.pass(60_000);
  assert.is(rig.player.killed, 0);
  assert.is(rig.scripts.doing, "startup");
  await rig.scripts.end();
});

test("a stop is over when its time is, whatever shutdown does", async () => {
  const rig = new Rig();
  rig.player.holds = "shutdown";
  await rig.pass(3000);
  let isOver = false;
  const stopped = rig.scripts.stop().then(() => isOver = true);
  await rig.pass(34_000);
  assert.is(isOver, false);
  await rig.pass(2000);
  await stopped;
  assert.is(rig.player.ran.filter((event) => event === "shutdown").length, 1);
});

test("what cannot be an event is refused before anybody waits", async () => {
  const { scripts } = new Rig();
  const fails = (code: string, event: string, args?: readonly string[]) =>
    assert.throws(() => scripts.run(event, args), (error: CtdbxError) => error.code === code);
  fails("state", "explode");
  fails("state", "takeip", ["eth0"]);
  fails("state", "updateip", ["eth0", "192.0.2.1", "24"]);
  fails("limit", "monitor", Array(17).fill("x"));
  fails("limit", "monitor", ["x".repeat(257)]);
  fails("limit", "monitor", ["a\0b"]);
  await scripts.end();
});

test("what holds for events is looked at while the node runs", async () => {
  const rig = new Rig();
  await rig.pass(30_000);
  const before = rig.player.ran.length;
  rig.timing = { ...rig.timing, monitorMostMs: 1000 };
  await rig.pass(10_000);
  const more = rig.player.ran.length - before;
  assert.ok(more >= 8, `${more} events`);
  await rig.scripts.stop();
});

test("interfaces are noted, but not any number of them", async () => {
  const { scripts } = new Rig();
  for (let at = 0; at < LINKS_MAX; at++) scripts.setLink(`eth${at}`, true);
  scripts.setLink("eth0", false);
  assert.is(scripts.links.get("eth0"), false);
  assert.throws(() => scripts.setLink("wlan0", true), /LINKS_MAX/);
  await scripts.end();
});

test.run();
