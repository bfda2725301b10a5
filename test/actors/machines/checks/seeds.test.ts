/**
 * Checks under everything at once, by seed, in virtual time: services that come and go, looks that are slow, hang or
 * are lost, a node that stands still, operators. What must hold at every step is asked at every step.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type ChecksEffect,
  type ChecksEvent,
  ChecksMachine,
} from "../../../../actors/machines/checks/checks.ts";
import {
  type CheckRule,
  GUARD_MS,
  JITTER_OF,
  RUNNING_MAX,
} from "../../../../actors/machines/checks/state.ts";
import type { ProbeLevel } from "../../../../transport/probe.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";

const test = suite("machines/checks: seeds");
const SEEDS = 200;
const STEPS = 1500;

interface Job {
  readonly atMs: number;
  readonly event: ChecksEvent;
}

/** What a check must come to, told by its looks alone. */
interface Model {
  readonly rule: CheckRule;
  /** Ends of looks in a row that have failed, outside of any grace. */
  failures: number;
  underWay: number | undefined;
  endMs: number;
  restartEnds: number[];
  restartsRow: number;
}

class Sim {
  readonly dice: SeededDice;
  readonly machine: ChecksMachine;
  readonly models: ReadonlyMap<string, Model>;
  readonly jobs: Job[] = [];
  readonly seed: number;
  readonly isBad = new Map<string, boolean>();
  nowMs = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.dice = new SeededDice(seed);
    const rules = Array.from({ length: 1 + this.dice.below(20) }, (_, n) => this.#rule(n));
    this.machine = new ChecksMachine(rules, new Set(), seed);
    this.models = new Map(rules.map((rule) => [rule.name, {
      rule,
      failures: 0,
      underWay: undefined,
      endMs: 0,
      restartEnds: [],
      restartsRow: 0,
    }]));
  }

  #rule(n: number): CheckRule {
    const { dice } = this;
    const after = 1 + dice.below(4);
    const restart = { after, limit: 1 + dice.below(4), firstMs: 500, mostMs: 8000, timeoutMs: 900 };
    return {
      name: `c${n}`,
      intervalMs: 200 + dice.below(3000),
      retryMs: 100 + dice.below(1000),
      timeoutMs: 100 + dice.below(1000),
      warnAfter: dice.below(3),
      errorAfter: 1 + dice.below(4),
      passes: 1 + dice.below(3),
      graceMs: dice.chance(1, 3) ? dice.below(3000) : 0,
      ...dice.chance(1, 2) ? { restart } : {},
    };
  }

  step(event: ChecksEvent): void {
    for (const effect of this.machine.step(event, this.nowMs)) this.#on(effect);
    let busy = 0;
    for (const { phase } of this.machine.checks.values()) if (phase === "running") busy += 1;
    if (busy > RUNNING_MAX) assert.unreachable(this.#said("too many at once"));
  }

  #said(what: string): string {
    return `seed ${this.seed} at ${this.nowMs}: ${what}`;
  }

  #on(effect: ChecksEffect): void {
    const model = this.models.get(effect.check)!;
    const check = this.machine.checks.get(effect.check)!;
    const { rule } = model;
    switch (effect.kind) {
      case "run": {
        assert.is(model.underWay, undefined, this.#said(`${effect.check} runs twice`));
        model.underWay = effect.run;
        return this.#answer(effect.check, effect.run, rule.timeoutMs);
      }
      case "restart": {
        assert.is(model.underWay, undefined, this.#said("it is looked at and started anew"));
        model.underWay = effect.run;
        model.restartsRow += 1;
        const { restart } = rule;
        assert.ok(restart !== undefined && model.restartsRow <= restart.limit, this.#said("limit"));
        const lastMs = model.restartEnds.at(-1);
        const waitMs = Math.min(8000, 500 * 2 ** Math.max(0, model.restartsRow - 2));
        const isFirst = model.restartsRow === 1 || lastMs === undefined;
        assert.ok(isFirst || this.nowMs - lastMs >= waitMs, this.#said("no back-off"));
        assert.ok(check.failures >= 1, this.#said("without a failure"));
        if (this.dice.chance(1, 20)) return;
        const event = { kind: "restarted", check: effect.check, run: effect.run } as const;
        this.jobs.push({
          atMs: this.nowMs + this.dice.below(1500),
          event: { ...event, why: this.dice.chance(1, 2) ? "no" : undefined },
        });
        return;
      }
      case "kill":
        model.underWay = undefined;
        return;
      case "changed":
        if (effect.to === "failed") {
          assert.ok(check.failures >= rule.errorAfter, this.#said("too soon"));
          assert.is(check.last?.level, "failed");
        }
        if (effect.from === "failed" && effect.to === "ok") {
          assert.ok(check.passesRow >= rule.passes, this.#said("well too soon"));
        }
    }
  }

  /** How a look ends: by the service, late, or never. */
  #answer(name: string, run: number, timeoutMs: number): void {
    const { dice } = this;
    if (dice.chance(1, 10)) this.isBad.set(name, dice.chance(1, 2));
    if (dice.chance(1, 40)) return;
    const level: ProbeLevel = this.isBad.get(name) === true
      ? "failed"
      : dice.chance(1, 15)
      ? "warning"
      : "ok";
    const atMs = this.nowMs + dice.below(timeoutMs + (dice.chance(1, 20) ? 9000 : 1));
    this.jobs.push({ atMs, event: { kind: "done", check: name, run, look: { level } } });
  }

  /** The next thing that happens. */
  next(): void {
    const { dice } = this;
    if (dice.chance(1, 60)) {
      const names = [...this.models.keys()];
      const check = names[dice.below(names.length)] as string;
      const kind = (["ask", "enable", "disable", "enable"] as const)[dice.below(4)] as "ask";
      if (kind !== "ask") this.models.get(check)!.restartsRow = 0;
      this.step({ kind, check });
    }
    // The node stands still: everything that was due comes at once, in any order.
    if (dice.chance(1, 200)) this.nowMs += dice.below(20_000);
    const job = this.jobs.reduce<Job | undefined>(
      (first, each) => first === undefined || each.atMs < first.atMs ? each : first,
      undefined,
    );
    const wakeMs = this.machine.wakeMs;
    if (job !== undefined && (job.atMs <= wakeMs || dice.chance(1, 2))) {
      this.jobs.splice(this.jobs.indexOf(job), 1);
      this.nowMs = Math.max(this.nowMs, Math.min(job.atMs, Math.max(wakeMs, this.nowMs)));
      this.nowMs = Math.max(this.nowMs, job.atMs);
      this.#ended(job.event);
      return this.step(job.event);
    }
    if (wakeMs === Infinity) return;
    this.nowMs = Math.max(this.nowMs, wakeMs);
    this.step({ kind: "wake" });
  }

  #ended(event: ChecksEvent): void {
    if (event.kind !== "done" && event.kind !== "restarted") return;
    const model = this.models.get(event.check)!;
    if (model.underWay !== event.run) return;
    model.underWay = undefined;
    if (event.kind === "restarted") model.restartEnds.push(this.nowMs);
  }

  /** Well again for as long as the longest wait: counted anew. */
  renew(): void {
    for (const [name, model] of this.models) {
      if (this.machine.checks.get(name)!.restartsRow === 0) model.restartsRow = 0;
    }
  }
}

for (let from = 1; from <= SEEDS; from += 50) {
  test.either(`seeds ${from} to ${from + 49}`, () => {
    for (let seed = from; seed < from + 50; seed++) {
      const sim = new Sim(seed);
      sim.step({ kind: "start" });
      for (let turn = 0; turn < STEPS; turn++) {
        sim.next();
        sim.renew();
      }
      settle(sim);
    }
  });
}

/** All services work, nothing is lost any more, everything is enabled: in the end all are well, and looked at. */
function settle(sim: Sim): void {
  const { machine, models } = sim;
  for (const check of models.keys()) sim.step({ kind: "enable", check });
  sim.jobs.length = 0;
  const lastMs = new Map<string, number>();
  const begun = sim.nowMs;
  while (sim.nowMs < begun + 60_000) {
    const effects = machine.step({ kind: "wake" }, sim.nowMs);
    for (const effect of [...effects]) answerWell(sim, effect, lastMs);
    if (machine.wakeMs > sim.nowMs) sim.nowMs = machine.wakeMs;
  }
  for (const [name, { rule }] of models) {
    const check = machine.checks.get(name)!;
    assert.is(check.status, "ok", `seed ${sim.seed}: ${name} is ${check.status}`);
    const sinceMs = sim.nowMs - (lastMs.get(name) ?? -Infinity);
    const mostMs = rule.intervalMs * (1 + 1 / JITTER_OF) + GUARD_MS;
    assert.ok(sinceMs <= mostMs, `seed ${sim.seed}: ${name} was looked at ${sinceMs} ms ago`);
  }
}

function answerWell(sim: Sim, effect: ChecksEffect, lastMs: Map<string, number>): void {
  if (effect.kind !== "run" && effect.kind !== "restart") return;
  const { check, run } = effect;
  if (effect.kind === "run") lastMs.set(check, sim.nowMs);
  const event: ChecksEvent = effect.kind === "run"
    ? { kind: "done", check, run, look: { level: "ok" } }
    : { kind: "restarted", check, run, why: undefined };
  for (const next of sim.machine.step(event, sim.nowMs)) answerWell(sim, next, lastMs);
}

test.run();
