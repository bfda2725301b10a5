/**
 * What the death of a node costs: which records it was data master of, and what became of them.
 *
 *   watch ─▶ lookFrom another node ─▶ note: what it holds, what its program was told ─▶ kill ─▶ toll
 *
 * Promised is: such a record falls back to the newest state that somebody who lives has seen, and no further.
 *
 * Does NOT promise: to know what was under way at the moment of the death; it may have been done or not.
 */

import type { Database } from "../actors/client/types.ts";
import { countOf, type Program } from "./dev_load.ts";
import type { FileRecord } from "./dev_records.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** What a death has cost. */
export interface Toll {
  /** Records of the file of which the dead node was data master, and how many there are. */
  readonly held: number;
  readonly records: number;
  /** Until all of those were read at another node, from the kill on, ms. */
  readonly waitMs: number;
  /** Its own counter: what its program was told, what another node saw of it before, what it is now. */
  readonly told: number;
  readonly seen: number;
  readonly now: number;
}

/** A node that will be killed. */
export class Victim {
  readonly #registry: Database;
  readonly #records: readonly FileRecord[];
  readonly #program: Program;
  #held: readonly FileRecord[] = [];
  #seen = 0;

  private constructor(registry: Database, records: readonly FileRecord[], program: Program) {
    this.#registry = registry;
    this.#records = records;
    this.#program = program;
  }

  /** Follows the node with this database and program. */
  static async watch(
    registry: Database,
    records: readonly FileRecord[],
    program: Program,
  ): Promise<Victim> {
    const victim = new Victim(registry, records, program);
    await victim.note();
    return victim;
  }

  /** Somebody at another node looks at its counter. */
  async lookFrom(counters: Database): Promise<void> {
    this.#seen = countOf(await counters.read(this.#program.own.key));
  }

  /** Notes down what it holds now. */
  async note(): Promise<void> {
    const places = await Promise.all(this.#records.map(({ key }) => this.#registry.where(key)));
    this.#held = this.#records.filter((_, index) => places[index]?.["role"] === "owner");
  }

  /** Reads at another node all that the dead one held, at once. Throws Failure when something is lost. */
  async toll(registry: Database, counters: Database, nowMs: () => number): Promise<Toll> {
    const startMs = nowMs();
    const found = await Promise.all(this.#held.map(({ key }) => registry.read(key)));
    const waitMs = nowMs() - startMs;
    const gone = found.filter((value) => value === undefined).length;
    if (gone > 0) {
      throw new Failure(
        EXIT.other,
        `The main job has failed: ${gone} records are gone that others had seen before the death`,
      );
    }
    const { own } = this.#program;
    const now = countOf(await counters.read(own.key));
    // One count was under way perhaps, and is there, told or not.
    if (now < this.#seen || now > own.highest + 1) {
      throw new Failure(
        EXIT.other,
        `The main job has failed: "${own.key}" is ${now} after the death of its data master; ` +
          `it must be from ${this.#seen}, which others had seen, to ${own.highest + 1}`,
      );
    }
    const { length: held } = this.#held;
    const { length: records } = this.#records;
    return { held, records, waitMs, told: own.highest, seen: this.#seen, now };
  }
}
