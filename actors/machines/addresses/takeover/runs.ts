/**
 * Takeover runs: from a plan to the time when every address is where the plan has it.
 *
 *   plan ──▶ open ──all in place──▶ done        ──another plan──▶ overtaken        ──budget over──▶ failed: blame
 *
 * The budget is for all runs since the last one that was done or failed, so it is not put off by plans that follow each
 * other.
 *
 * Does NOT promise: that a failed run changed nothing; the next one goes on from there.
 */
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { AddressEffect, RunEnd } from "./events.ts";
import type { AddressTiming } from "./tunables.ts";

/** What it is made with. */
export interface RunsOptions {
  readonly timing: AddressTiming;
  readonly push: (effect: AddressEffect) => void;
}

/** Runs of one leader. */
export class Runs {
  /** The newest run; 0: none yet. */
  run = 0;
  /** The last one that was done. */
  doneRun = 0;
  isOpen = false;
  /** When the budget is over, by the own clock. */
  endMs = Infinity;
  readonly #options: RunsOptions;
  /** Commands that are answered at the end of the run that follows. */
  #waiting: string[] = [];
  #inRun: string[] = [];

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** A command is answered when the next run has ended. */
  waitFor(verbId: string): void {
    if (!this.#waiting.includes(verbId) && !this.#inRun.includes(verbId)) {
      this.#waiting.push(verbId);
    }
  }

  /** There is a plan. */
  begin(moves: number, unhosted: number, nowMs: number): void {
    const { push, timing } = this.#options;
    if (this.isOpen) this.#tellEnd("overtaken", "there is another plan");
    else this.endMs = nowMs + timing.budgetMs;
    this.run += 1;
    this.isOpen = true;
    this.#inRun.push(...this.#waiting.splice(0));
    push({ kind: "happened", happening: { what: "run", run: this.run, moves, unhosted } });
  }

  /** It is over; what waits for it is answered. */
  end(end: "done" | "failed", why: string): void {
    this.isOpen = false;
    if (end === "done") this.doneRun = this.run;
    this.#tellEnd(end, why);
    const outcome = end === "done" ? "done" : "refused";
    const text = end === "done" ? `run ${this.run} is done` : `run ${this.run} failed: ${why}`;
    for (const verbId of this.#inRun.splice(0)) {
      this.#options.push({ kind: "answer", verbId, outcome, text });
    }
  }

  /** A run fails by this node. */
  blame(pnn: Pnn, why: string): void {
    const { push, timing } = this.#options;
    push({ kind: "blame", pnn, credits: timing.blameCredits, why });
  }

  /** The leader is none any more: whoever waits asks the next one. */
  drop(): void {
    if (this.isOpen) this.#tellEnd("failed", "this node does not lead any more");
    this.isOpen = false;
    for (const verbId of [...this.#inRun.splice(0), ...this.#waiting.splice(0)]) {
      this.#options.push({
        kind: "answer",
        verbId,
        outcome: "not_leader",
        text: "the leader changed",
      });
    }
  }

  #tellEnd(end: RunEnd, why: string): void {
    this.#options.push({
      kind: "happened",
      happening: { what: "run over", run: this.run, end, why },
    });
  }
}
