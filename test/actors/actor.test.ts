/**
 * Actors and their supervision, with a clock that the test moves.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Actor, type Machine } from "../../actors/actor.ts";
import { BACK_OFF, Supervision } from "../../actors/supervision.ts";
import type { Clock, Log } from "../../transport/world.ts";

/** Time stands until it is moved. */
class HandClock implements Clock {
  #nowMs = 0;
  readonly #timers: { atMs: number; fire: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  get armed(): number[] {
    return this.#timers.map((timer) => timer.atMs).sort((one, other) => one - other);
  }

  /** Moves on by `deltaMs`, firing what is due in order. */
  move(deltaMs: number): void {
    const endMs = this.#nowMs + deltaMs;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= endMs);
      const first = due.sort((one, other) => one.atMs - other.atMs)[0];
      if (first === undefined) break;
      this.#timers.splice(this.#timers.indexOf(first), 1);
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      first.fire();
    }
    this.#nowMs = endMs;
  }
}

const lines: string[] = [];
const log: Log = { write: (_level, text) => void lines.push(text) };

type Event = string;
type Effect = { readonly say: string };

/** Says each event with its time; "N ms" sets the next wake. */
class Echo implements Machine<Event, Effect> {
  wakeMs = Infinity;

  step(event: Event, nowMs: number): readonly Effect[] {
    if (event === "assert") throw new Error("an assert has failed");
    if (event === "wake") this.wakeMs = Infinity;
    const delay = /^in (\d+)$/.exec(event)?.[1];
    if (delay !== undefined) this.wakeMs = nowMs + Number(delay);
    return [{ say: `${event} @${nowMs}` }];
  }
}

interface Stage {
  readonly clock: HandClock;
  readonly said: string[];
  readonly failures: unknown[];
  readonly actor: Actor<Event, Effect>;
}

function stage(perform?: (effect: Effect, actor: Actor<Event, Effect>) => void, max = 100): Stage {
  const clock = new HandClock();
  const said: string[] = [];
  const failures: unknown[] = [];
  const actor: Actor<Event, Effect> = new Actor({
    name: "echo",
    machine: new Echo(),
    clock,
    log,
    wake: "wake",
    mailboxMax: max,
    perform: (effect: Effect) => {
      said.push(effect.say);
      perform?.(effect, actor);
    },
    onFailure: (error) => failures.push(error),
  });
  return { clock, said, failures, actor };
}

const test = suite("actor");

test("events are handled in order, with the time of their turn", () => {
  const { actor, clock, said } = stage();
  actor.tell("one");
  clock.move(5);
  actor.tell("two");
  assert.equal(said, ["one @0", "two @5"]);
});

test("an event told by an effect waits until the step is done", () => {
  const { actor, said } = stage((effect, self) => {
    if (!effect.say.startsWith("first")) return;
    self.tell("second");
    said.push("the first is not yet done");
  });
  actor.tell("first");
  assert.equal(said, ["first @0", "the first is not yet done", "second @0"]);
});

test("the wake time is one timer, moved when the machine changes its mind", () => {
  const { actor, clock, said } = stage();
  actor.tell("in 100");
  actor.tell("in 30");
  assert.equal(clock.armed, [30]);
  clock.move(200);
  assert.equal(said, ["in 100 @0", "in 30 @0", "wake @30"]);
  assert.equal(clock.armed, []);
});

test("a full mailbox refuses, counts, and works on", () => {
  const answers: boolean[] = [];
  const { actor, said } = stage((effect, self) => {
    if (effect.say === "go @0") {
      for (let i = 0; i < 5; i++) answers.push(self.tell(`event ${i}`));
    }
  }, 3);
  actor.tell("go");
  assert.equal(answers, [true, true, true, false, false]);
  assert.is(actor.dropped, 2);
  assert.is(said.length, 4);
  assert.ok(actor.tell("later"));
});

test("more events than the mailbox holds pass through it one after another", () => {
  let left = 2000;
  const { actor, said } = stage((_effect, self) => {
    if (left-- > 0) assert.ok(self.tell("next"));
  }, 3);
  actor.tell("go");
  assert.is(said.length, 2001);
  assert.is(actor.waiting, 0);
});

test("an assert stops the actor, tells its owner once, and takes the timer along", () => {
  const { actor, clock, said, failures } = stage();
  actor.tell("in 10");
  actor.tell("assert");
  assert.is((failures[0] as Error).message, "an assert has failed");
  assert.not(actor.tell("more"));
  clock.move(100);
  assert.equal(said, ["in 10 @0"]);
  assert.is(failures.length, 1);
});

test("an effect that cannot be performed stops the actor, too", () => {
  const { actor, failures } = stage(() => {
    throw new TypeError("no such socket");
  });
  actor.tell("one");
  assert.ok(actor.stopped);
  assert.instance(failures[0], TypeError);
});

test("stop in an effect drops what waits", () => {
  const { actor, said } = stage((_effect, self) => {
    self.tell("more");
    self.stop();
  });
  actor.tell("one");
  assert.equal(said, ["one @0"]);
});

test("what fails is started again, later each time, and early again after a minute of health", async () => {
  const clock = new HandClock();
  const starts: number[] = [];
  let fail: (error: unknown) => void = () => {};
  const supervision = new Supervision(
    {
      name: "shard",
      start: (onFailure) => {
        starts.push(clock.nowMs());
        fail = onFailure;
        return Promise.resolve();
      },
    },
    clock,
    log,
  );
  await supervision.start();
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    fail(new Error("died"));
    fail(new Error("a second word of the same life does not count"));
    const [at] = clock.armed;
    waits.push((at as number) - clock.nowMs());
    clock.move(waits[i] as number);
  }
  assert.equal(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.is(supervision.failures, 9);
  clock.move(BACK_OFF.healthyMs);
  fail(new Error("died"));
  assert.equal(clock.armed, [clock.nowMs() + BACK_OFF.firstMs]);
  supervision.stop();
  assert.equal(clock.armed, []);
  fail(new Error("after the end"));
  assert.is(starts.length, 10);
});

test("a start that fails is a failure", async () => {
  const clock = new HandClock();
  let starts = 0;
  const supervision = new Supervision(
    { name: "shard", start: () => (starts++, Promise.reject(new Error("cannot"))) },
    clock,
    log,
  );
  await supervision.start();
  assert.equal(clock.armed, [BACK_OFF.firstMs]);
  supervision.stop();
  assert.is(starts, 1);
});

test.run();
