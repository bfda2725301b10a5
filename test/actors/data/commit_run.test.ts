/**
 * A commit machine that is run: while its file is mended a primary takes documents only, and goes on in order.
 */

import * as assert from "uvu/assert";
import { CommitRun } from "../../../actors/data/commit_run.ts";
import type { CommitEvent } from "../../../actors/machines/commit/events.ts";
import type { CommitMachine } from "../../../actors/machines/commit/machine.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { suite } from "../../suite.ts";

const test = suite("a commit machine that is run");

/** A run whose machine writes down what it gets; a config makes it primary, or takes that away. */
function rig() {
  const time = new SimTime();
  const dice = new SeededDice(1);
  const network = new SimNetwork(time, dice);
  const { clock } = new SimMachine({ name: "n0", network, dice }).boot();
  const seen: string[] = [];
  const machine = {
    status: undefined as "serving" | undefined,
    wakeMs: Infinity,
    step(event: CommitEvent) {
      seen.push(event.kind === "written" ? `written ${event.id}` : event.kind);
      if (event.kind === "wake") machine.wakeMs = Infinity;
      if (event.kind === "config") {
        machine.status = machine.status === undefined ? "serving" : undefined;
      }
      return [];
    },
  };
  const run = new CommitRun({
    machine: machine as unknown as CommitMachine,
    clock,
    onStep: () => {},
    perform: () => {},
    onError: (error) => {
      throw error;
    },
  });
  const feed = (kind: CommitEvent["kind"], id = 0) => run.feed({ kind, id } as CommitEvent);
  return { run, feed, seen, time, machine };
}

test("Held as primary it takes documents only; what is its own waits, what others send is lost", () => {
  const { run, feed, seen } = rig();
  feed("config");
  run.hold(true);
  feed("written", 1);
  feed("message");
  feed("wake");
  feed("written", 2);
  assert.equal(seen, ["config"], "nothing");
  run.hold(false);
  assert.equal(seen, ["config", "written 1", "written 2"], "in order, but for what was lost");
  feed("message");
  assert.is(seen.at(-1), "message");
});

test("A document that makes another one primary ends the hold at once, before what waited", () => {
  const { run, feed, seen } = rig();
  feed("config");
  run.hold(true);
  feed("written", 1);
  feed("config");
  assert.equal(seen, ["config", "config", "written 1"]);
  feed("message");
  assert.is(seen.at(-1), "message", "a copy is not held");
  feed("config");
  feed("message");
  assert.equal(seen.slice(-2), ["message", "config"], "as primary it is, again");
});

test("A timer that is due while it is held comes when it goes on", () => {
  const { run, feed, seen, time, machine } = rig();
  feed("config");
  machine.wakeMs = time.nowMs + 5;
  feed("message");
  run.hold(true);
  time.runTo(time.nowMs + 50);
  assert.equal(seen, ["config", "message"]);
  run.hold(false);
  time.runTo(time.nowMs + 50);
  assert.equal(seen, ["config", "message", "wake"]);
});

test.run();
