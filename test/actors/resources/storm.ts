/**
 * A storm over programs that own resources: what faults are made, by the dice, and what must be so at any time.
 *
 *   daemons and programs are killed, stopped, end in order; nodes are not well; onTake fails; onRelease is slow
 *
 * Does NOT promise: the same run for a seed in another version of what is tested.
 */
import * as assert from "uvu/assert";
import type { ResourceOptions } from "../../../actors/client/types.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { Fleet, type FleetProgram } from "./fleet.ts";

const SHARDS = Array.from({ length: 9 }, (_, n) => `shard-${n}`);
const FAULTS = 14;

/** Runs one: throws when a resource has two owners, or is not owned when all is over; with what was done before. */
export async function runStorm(seed: number): Promise<void> {
  const fleet = await Fleet.up(seed);
  const storm = new Storm(fleet, seed);
  try {
    for (const n of [0, 1, 2]) await storm.begin(n);
    await fleet.until(() => fleet.areOwned(SHARDS), 30_000);
    for (let fault = 0; fault < FAULTS; fault++) {
      await storm.fault();
      await fleet.run(storm.dice.below(4000));
    }
    await storm.calm();
  } catch (error) {
    throw new Error(`seed ${seed}: ${storm.done.join(", ")}`, { cause: error });
  }
}

class Storm {
  readonly dice: SeededDice;
  readonly fleet: Fleet;
  readonly #programs: (FleetProgram | undefined)[] = [];
  readonly done: string[] = [];

  constructor(fleet: Fleet, seed: number) {
    this.fleet = fleet;
    this.dice = new SeededDice(seed);
  }

  get #options(): ResourceOptions {
    const { dice } = this;
    return {
      onTake: () => {
        if (dice.chance(1, 12)) throw new Error("by chance");
      },
      onRelease: async ({ signal }) => {
        assert.ok(signal.aborted);
        const turns = dice.below(6) === 0 ? 400 : dice.below(8);
        for (let turn = 0; turn < turns; turn++) await new Promise((done) => setImmediate(done));
      },
    };
  }

  /** A program begins at a node, and does not wait for what it offers. */
  async begin(n: number): Promise<void> {
    try {
      const program = await this.fleet.program(n);
      this.#programs[n] = program;
      for (const name of SHARDS) program.offer(name, this.#options).catch(() => {});
    } catch {
      // Its node is down just now: tried again when all is over.
      this.#programs[n] = undefined;
    }
  }

  async fault(): Promise<void> {
    const { dice, fleet } = this;
    const { cluster } = fleet.whole;
    const n = dice.below(3);
    const machine = cluster.machines[n]!;
    const kind = dice.below(9);
    this.done.push(`${Math.floor(fleet.now)} ${kind} at ${n}`);
    const forMs = 300 + dice.below(6000);
    switch (kind) {
      case 0: // kill -9 of the daemon
        if (machine.world === undefined) return;
        fleet.whole.crash(n);
        await fleet.run(forMs);
        return await cluster.start(n);
      case 1: // it stands still
        machine.pause();
        await fleet.run(forMs);
        return machine.resume();
      case 2: // kill -9 of the program, and another one
        this.#programs[n]?.life.end();
        return await this.begin(n);
      case 3: // the program stands still
        this.#programs[n]?.life.pause();
        await fleet.run(forMs);
        return this.#programs[n]?.life.resume();
      case 4: { // it ends in order, and another begins
        const program = this.#programs[n];
        if (program !== undefined && !program.life.isOver) void program.client.close();
        await fleet.run(dice.below(3000));
        return await this.begin(n);
      }
      case 5: // the node is not well
        cluster.nodes[n]?.health.set("storm", { ok: false, why: "by chance" });
        await fleet.run(forMs);
        return cluster.nodes[n]?.health.set("storm", { ok: true });
      case 6: // program and node stand still, and go on in turn
        machine.pause();
        this.#programs[n]?.life.pause();
        await fleet.run(forMs);
        machine.resume();
        await fleet.run(dice.below(3000));
        return this.#programs[n]?.life.resume();
      case 7: // the program stands still, its daemon is killed and is there again at once
      case 8: // the same with the data thread
        this.#programs[n]?.life.pause();
        await fleet.run(dice.below(500));
        if (kind === 8) fleet.whole.shards[n]?.crash();
        else {
          fleet.whole.crash(n);
          await cluster.start(n);
        }
        await fleet.run(forMs);
        return this.#programs[n]?.life.resume();
    }
  }

  async calm(): Promise<void> {
    for (const n of [0, 1, 2]) {
      const program = this.#programs[n];
      if (program?.life.isOver === false && program.offered.length === SHARDS.length) continue;
      // What it offered while its node was down came to nothing.
      program?.life.end();
      await this.begin(n);
    }
    const counts = () => this.#programs.map((program) => program?.owned().length ?? 0);
    await this.fleet.until(
      () => this.fleet.areOwned(SHARDS) && counts().every((count) => count === 3),
      60_000,
    );
  }
}
