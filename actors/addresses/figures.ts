/**
 * What is counted of the addresses of a node, for monitors.
 *
 *   happening ──▶ counts          each second ──▶ statistics: counts, what is held, and from the leader how all stand
 *
 * Does NOT promise: counts that outlive the daemon.
 */
import type { StatsFields } from "../../transport/wire/messages/event.ts";
import type { AddressHappening } from "../machines/addresses/takeover/events.ts";
import type { Standing } from "./waits.ts";

/** Figures of addresses, as the statistics of a node have them. */
export type AddressStats = NonNullable<StatsFields["addresses"]>;
type Counts = Omit<AddressStats, "listed" | "held" | "cluster">;
type CountName = Exclude<keyof Counts, "lastRunMs">;

/** What figures are made from beside the counts. */
export interface Counted {
  /** Addresses of this node's list. */
  readonly listed: number;
  /** Addresses that are set here. */
  readonly held: number;
  /** How all addresses of the cluster stand; undefined: this node does not lead. */
  readonly all: Standing | undefined;
}

/** The counts of one node, since its daemon started. */
export class AddressFigures {
  readonly #counts: Record<CountName, number> = {
    taken: 0,
    released: 0,
    lost: 0,
    foreign: 0,
    broken: 0,
    runs: 0,
    runsFailed: 0,
    moves: 0,
    untold: 0,
  };
  #lastRunMs = 0;
  #runSinceMs: number | undefined;
  /** Why the last address that could not be set could not. */
  lastBroken: string | undefined;

  /** Something happened. Answers how long a run took that has ended with it, ms. */
  note(happening: AddressHappening, nowMs: number): number | undefined {
    const counts = this.#counts;
    const { what } = happening;
    if (what === "broken") this.lastBroken = happening.why;
    switch (what) {
      case "taken":
      case "released":
      case "lost":
      case "foreign":
      case "broken":
        counts[what] += 1;
        return undefined;
      case "run":
        counts.runs += 1;
        counts.moves += happening.moves;
        this.#runSinceMs = nowMs;
        return undefined;
      case "run over": {
        const tookMs = Math.max(0, nowMs - (this.#runSinceMs ?? nowMs));
        this.#runSinceMs = undefined;
        this.#lastRunMs = tookMs;
        if (happening.end === "failed") counts.runsFailed += 1;
        return tookMs;
      }
      case "ended":
        return undefined;
    }
  }

  /** An event was not told, since there were too many. */
  noteUntold(): void {
    this.#counts.untold += 1;
  }

  /** The figures; undefined: this node has to do with no address. */
  stats({ listed, held, all }: Counted): AddressStats | undefined {
    const { taken, released } = this.#counts;
    const known = all?.known ?? 0;
    if (listed === 0 && held === 0 && known === 0 && taken + released === 0) return undefined;
    return {
      listed,
      held,
      ...this.#counts,
      lastRunMs: Math.round(this.#lastRunMs * 10) / 10,
      ...all === undefined || known === 0
        ? {}
        : { cluster: { ...all, unhosted: all.unhosted.length } },
    };
  }
}
