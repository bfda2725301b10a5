/** Checks by hand, in virtual time: when they are made, what failures in a row come to, restarts, what is no word. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ChecksEffect, ChecksMachine } from "../../../../actors/machines/checks/checks.ts";
import {
  type CheckRule,
  FIRST_SPREAD_MS,
  GUARD_MS,
  LATE_MS,
  RUNNING_MAX,
} from "../../../../actors/machines/checks/state.ts";
import type { ProbeLevel } from "../../../../transport/probe.ts";

const test = suite("machines/checks");

const RULE: CheckRule = {
  name: "web",
  intervalMs: 1000,
  retryMs: 500,
  timeoutMs: 300,
  warnAfter: 1,
  errorAfter: 3,
  passes: 1,
  graceMs: 0,
};

/** One check, whose looks are answered as the test wants. */
class Rig {
  readonly machine: ChecksMachine;
  nowMs = 0;
  /** What is to be done still. */
  readonly wanted: ChecksEffect[] = [];
  /** All that was to be done, as text. */
  readonly seen: string[] = [];

  constructor(more: Partial<CheckRule> = {}, disabled: readonly string[] = []) {
    this.machine = new ChecksMachine([{ ...RULE, ...more }], new Set(disabled), 7);
    this.take(this.machine.step({ kind: "start" }, 0));
  }

  get check() {
    return this.machine.checks.get("web")!;
  }

  take(effects: readonly ChecksEffect[]): void {
    for (const effect of effects) {
      this.wanted.push(effect);
      this.seen.push(effect.kind === "changed" ? `${effect.from}>${effect.to}` : effect.kind);
    }
  }

  /** Time goes on to the next wake; the effect of this kind that came. */
  next(kind: "run" | "restart"): { readonly run: number; readonly atMs: number } {
    for (let turn = 0; turn < 10; turn++) {
      const at = this.wanted.findIndex((effect) => effect.kind === kind);
      const found = this.wanted.splice(0, at + 1).at(-1);
      if (found !== undefined && "run" in found) return { run: found.run, atMs: this.nowMs };
      this.nowMs = Math.max(this.nowMs, this.machine.wakeMs);
      this.take(this.machine.step({ kind: "wake" }, this.nowMs));
    }
    throw new Error(`no ${kind} comes`);
  }

  done(run: number, level: ProbeLevel, tookMs = 10): void {
    this.nowMs += tookMs;
    this.take(
      this.machine.step({ kind: "done", check: "web", run, look: { level } }, this.nowMs),
    );
  }

  /** Looks that end like this, one after another. */
  looks(...levels: readonly ProbeLevel[]): void {
    for (const level of levels) this.done(this.next("run").run, level);
  }

  order(kind: "ask" | "enable" | "disable"): void {
    this.take(this.machine.step({ kind, check: "web" }, this.nowMs));
  }
}

test("the next look comes after the interval, give or take a tenth; after a failure sooner", () => {
  const rig = new Rig();
  assert.is(rig.check.status, "starting");
  const first = rig.next("run");
  assert.ok(first.atMs < FIRST_SPREAD_MS);
  rig.done(first.run, "ok");
  let endMs = rig.nowMs;
  const gaps = new Set<number>();
  for (let round = 0; round < 20; round++) {
    const { run, atMs } = rig.next("run");
    gaps.add(atMs - endMs);
    assert.ok(atMs - endMs >= 900 && atMs - endMs <= 1100, `${atMs - endMs}`);
    rig.done(run, "ok");
    endMs = rig.nowMs;
  }
  assert.ok(gaps.size > 10, "nodes do not keep step");
  rig.looks("failed");
  endMs = rig.nowMs;
  const gapMs = rig.next("run").atMs - endMs;
  assert.ok(gapMs >= 450 && gapMs <= 550, `${gapMs}`);
});

test("one failure warns, three in a row fail, one look that is well ends it", () => {
  const rig = new Rig();
  rig.looks("ok", "failed", "failed", "ok", "failed", "failed", "failed", "failed", "ok");
  assert.equal(rig.seen.filter((word) => word.includes(">")), [
    "starting>ok",
    "ok>warning",
    "warning>ok",
    "ok>warning",
    "warning>failed",
    "failed>ok",
  ]);
  assert.equal(rig.check.counts, { runs: 9, failed: 6, restarts: 0, late: 0 });
});

test("one that was never well waits for its verdict, and is not called well meanwhile", () => {
  const rig = new Rig();
  rig.looks("failed", "failed");
  assert.is(rig.check.status, "starting");
  rig.looks("failed");
  assert.is(rig.check.status, "failed");
  const only = new Rig({ errorAfter: 0, warnAfter: 2 });
  only.looks("failed", "failed", "failed", "failed", "failed");
  assert.is(only.check.status, "warning", "it can come to no more");
});

test("figures between two thresholds are a warning at once, and no failure", () => {
  const rig = new Rig();
  rig.looks("ok", "warning", "warning", "warning", "warning");
  assert.is(rig.check.status, "warning");
  assert.is(rig.check.counts.failed, 0);
  rig.looks("failed", "failed", "failed", "warning");
  assert.is(rig.check.status, "warning", "it has failed no more");
});

test("what has failed must pass so often in a row", () => {
  const rig = new Rig({ passes: 3, errorAfter: 1 });
  rig.looks("failed", "ok", "ok", "failed", "ok", "ok");
  assert.is(rig.check.status, "failed");
  rig.looks("ok");
  assert.is(rig.check.status, "ok");
});

test("failures within the grace do not count; a pass does", () => {
  const rig = new Rig({ graceMs: 5000, errorAfter: 1 });
  while (rig.nowMs < 4000) rig.looks("failed");
  assert.is(rig.check.status, "starting");
  rig.looks("ok");
  assert.is(rig.check.status, "ok");
  while (rig.nowMs < 5000) rig.looks("ok");
  rig.looks("failed");
  assert.is(rig.check.status, "failed");
});

const RESTART = { after: 2, limit: 3, firstMs: 2000, mostMs: 5000, timeoutMs: 1000 };

test("a service is started anew after so many failures, later each time, and so often only", () => {
  const rig = new Rig({ errorAfter: 1, restart: RESTART });
  const ends: number[] = [];
  const starts: number[] = [];
  rig.looks("ok");
  while (!rig.seen.includes("gave up")) {
    rig.looks("failed");
    const restart = rig.wanted.find(({ kind }) => kind === "restart");
    if (restart === undefined || !("run" in restart)) continue;
    rig.next("restart");
    starts.push(rig.nowMs);
    rig.nowMs += 100;
    rig.take(
      rig.machine.step(
        { kind: "restarted", check: "web", run: restart.run, why: undefined },
        rig.nowMs,
      ),
    );
    ends.push(rig.nowMs);
  }
  assert.is(starts.length, 3);
  const [, second = 0, third = 0] = starts;
  assert.ok(second - (ends[0] ?? 0) >= 2000, "the back-off");
  assert.ok(third - (ends[1] ?? 0) >= 4000, "and twice that");
  assert.is(rig.check.counts.restarts, 3);
  for (let round = 0; round < 50; round++) rig.looks("failed");
  assert.is(rig.seen.filter((word) => word === "restart").length, 3);
  assert.is(rig.seen.filter((word) => word === "gave up").length, 1, "said once");
  rig.order("enable");
  rig.looks("failed");
  assert.is(rig.check.counts.restarts, 4, "an operator has it tried again");
});

test("well for as long as the longest wait: it may be started anew as often as at first", () => {
  const rig = new Rig({ errorAfter: 1, restart: { ...RESTART, after: 1, limit: 1 } });
  rig.looks("ok", "failed");
  const { run } = rig.next("restart");
  rig.take(rig.machine.step({ kind: "restarted", check: "web", run, why: "no" }, rig.nowMs));
  assert.is(rig.check.restartWhy, "no");
  rig.looks("ok", "ok", "failed", "failed", "failed", "failed", "failed");
  assert.is(rig.check.counts.restarts, 1);
  assert.ok(rig.check.gaveUp);
  rig.looks("ok");
  const wellMs = rig.nowMs;
  while (rig.nowMs < wellMs + 5000) rig.looks("ok");
  assert.not(rig.check.gaveUp);
  rig.looks("failed");
  assert.is(rig.check.counts.restarts, 2);
});

test("a look without an end is ended, and counts; what it says later does not", () => {
  const rig = new Rig({ errorAfter: 2 });
  rig.looks("ok");
  for (const [round, status] of [[1, "ok"], [2, "warning"], [3, "failed"]] as const) {
    const { run, atMs } = rig.next("run");
    while (rig.seen.filter((word) => word === "kill").length < round) {
      rig.nowMs = rig.machine.wakeMs;
      rig.take(rig.machine.step({ kind: "wake" }, rig.nowMs));
    }
    assert.is(rig.nowMs - atMs, 300 + GUARD_MS);
    rig.done(run, "ok", 0);
    // The first of them may be the fault of a machine that stood still.
    assert.is(rig.check.status, status, `round ${round}`);
  }
  assert.is(rig.check.counts.late, 1);
});

test("a failure that comes much too late says that this process stood still: it is looked again at once", () => {
  const rig = new Rig({ errorAfter: 1 });
  rig.looks("ok");
  rig.done(rig.next("run").run, "failed", 300 + LATE_MS + 1);
  assert.is(rig.check.status, "ok");
  const stoodMs = rig.nowMs;
  assert.is(rig.next("run").atMs, stoodMs);
  rig.done(rig.check.run, "failed", 300 + LATE_MS + 1);
  assert.is(rig.check.status, "failed", "twice is no accident");
});

test("disabled: ended, not looked at, until somebody asks or enables; a look on demand changes nothing", () => {
  const rig = new Rig();
  rig.looks("ok");
  const { run } = rig.next("run");
  rig.order("disable");
  assert.is(rig.seen.at(-1), "kill");
  assert.is(rig.machine.wakeMs, Infinity);
  rig.done(run, "failed");
  assert.is(rig.check.last?.level, "ok", "what was ended says nothing");
  rig.order("ask");
  rig.done(rig.next("run").run, "failed");
  assert.equal([rig.check.status, rig.check.last?.level], ["disabled", "failed"]);
  assert.is(rig.machine.wakeMs, Infinity);
  rig.order("enable");
  assert.is(rig.check.status, "starting");
  rig.looks("ok");
  assert.is(rig.check.status, "ok");
});

test("disabled from the start, and asked for while it runs: one look answers", () => {
  const rig = new Rig({}, ["web"]);
  assert.is(rig.machine.wakeMs, Infinity);
  rig.order("ask");
  const { run } = rig.next("run");
  rig.order("ask");
  rig.done(run, "ok");
  assert.is(rig.seen.filter((word) => word === "looked").length, 1);
  assert.is(rig.check.counts.runs, 1);
});

test("a restart without an end is ended; one that is asked for meanwhile is looked at then", () => {
  const rig = new Rig({ errorAfter: 1, restart: { ...RESTART, after: 1 } });
  rig.looks("ok", "failed");
  rig.next("restart");
  rig.order("ask");
  rig.nowMs = rig.machine.wakeMs;
  rig.take(rig.machine.step({ kind: "wake" }, rig.nowMs));
  assert.match(rig.check.restartWhy ?? "", /no end/);
  const endMs = rig.nowMs;
  assert.is(rig.next("run").atMs, endMs);
});

test("after a restart failures count anew, and not within the grace", () => {
  const restart = { after: 3, limit: 9, firstMs: 1, mostMs: 1, timeoutMs: 1000 };
  const rig = new Rig({ errorAfter: 1, graceMs: 1200, restart });
  while (rig.nowMs < 1200) rig.looks("ok");
  const between: number[] = [];
  for (let round = 0; round < 3; round++) {
    let fails = 0;
    const fromMs = rig.nowMs;
    for (; !rig.wanted.some(({ kind }) => kind === "restart"); fails++) rig.looks("failed");
    between.push(fails);
    if (round > 0) assert.ok(rig.nowMs - fromMs >= 1200, "the grace");
    const { run } = rig.next("restart");
    rig.take(
      rig.machine.step({ kind: "restarted", check: "web", run, why: undefined }, rig.nowMs),
    );
  }
  const [first = 0, ...more] = between;
  assert.is(first, 3);
  for (const fails of more) assert.ok(fails > 3, `${fails} failures, of which some do not count`);
  assert.is(rig.check.status, "failed", "meanwhile it is not well");
});

test("one that waits for its turn is not looked at when it is disabled; of two the longer due is first", () => {
  const rules = Array.from({ length: RUNNING_MAX + 3 }, (_, n) => ({ ...RULE, name: `c${n}` }));
  const machine = new ChecksMachine(rules, new Set(), 3);
  machine.step({ kind: "start" }, 0);
  const first = machine.step({ kind: "wake" }, FIRST_SPREAD_MS);
  const queued = [...machine.checks.values()].filter(({ phase }) => phase === "queued");
  assert.is(queued.length, 3);
  queued.sort((one, other) => one.dueMs - other.dueMs);
  const [longest, second, last] = queued.map(({ rule }) => rule.name);
  machine.step({ kind: "disable", check: longest! }, FIRST_SPREAD_MS + 1);
  const [running] = first;
  assert.ok(running !== undefined && "run" in running);
  const done = { kind: "done", check: running.check, run: running.run } as const;
  const next = machine.step({ ...done, look: { level: "ok" } }, FIRST_SPREAD_MS + 2);
  const begun = next.filter(({ kind }) => kind === "run").map(({ check }) => check);
  assert.equal(begun, [second]);
  assert.is(machine.checks.get(last!)?.phase, "queued");
  assert.is(machine.checks.get(longest!)?.phase, "idle");
});

test("the longest due is first, wherever it stands in the configuration", () => {
  const rules = Array.from({ length: RUNNING_MAX + 2 }, (_, n) => ({ ...RULE, name: `c${n}` }));
  const machine = new ChecksMachine(rules, new Set(), 3);
  machine.step({ kind: "start" }, 0);
  const due = [...machine.checks.values()].sort((one, other) => one.dueMs - other.dueMs);
  const first = machine.step({ kind: "wake" }, FIRST_SPREAD_MS).map(({ check }) => check);
  assert.equal(first, due.slice(0, RUNNING_MAX).map(({ rule }) => rule.name));
});

test("so many at once, the longest due first; the rest when there is room", () => {
  const rules = Array.from({ length: 20 }, (_, n) => ({ ...RULE, name: `c${n}` }));
  const machine = new ChecksMachine(rules, new Set(), 3);
  machine.step({ kind: "start" }, 0);
  const first = machine.step({ kind: "wake" }, FIRST_SPREAD_MS);
  assert.is(first.length, RUNNING_MAX);
  const begun = new Set(first.map((effect) => effect.check));
  for (const effect of first) {
    if (!("run" in effect)) continue;
    const { check, run } = effect;
    const done = { kind: "done", check, run, look: { level: "ok" } } as const;
    for (const next of machine.step(done, FIRST_SPREAD_MS + 10)) {
      if (next.kind !== "run") continue;
      assert.not(begun.has(next.check), "none twice before all had their turn");
      begun.add(next.check);
    }
  }
  assert.is(begun.size, 2 * RUNNING_MAX);
});

test("what is not known, or over, changes nothing; two of one name are refused", () => {
  const rig = new Rig();
  const look = { level: "failed" } as const;
  assert.equal(rig.machine.step({ kind: "done", check: "mail", run: 1, look }, 1), []);
  assert.equal(rig.machine.step({ kind: "done", check: "web", run: 99, look }, 1), []);
  assert.equal(
    rig.machine.step({ kind: "restarted", check: "web", run: 0, why: undefined }, 1),
    [],
  );
  assert.throws(() => new ChecksMachine([RULE, RULE], new Set(), 1), /one name/);
});

test.run();
