/**
 * A program of a simulated host that runs a procedure of its own: soon, late, never, or it refuses; and it may die.
 *
 *   run ─▶ thinks ─▶ ran, with the operation at the end of the value         died: refused at once; it comes back
 *
 * What a daemon wanted that has ended is not told to the next one, whose runs have the same numbers again: the line to
 * it is another.
 *
 * Does NOT promise: to stop when nobody wants to know any more; what it says then must not be heard.
 */
import type { RecordEffect } from "../../record/events.ts";
import { noted } from "./procedures.ts";
import type { RecordHost } from "./record_host.ts";
import type { RecordSim } from "./record_sim.ts";

/** Its procedure. */
export const PROGRAM = "note/1";

/** How long it thinks, milliseconds; the last one is longer than most deadlines. */
const THINK_MS = [0, 1, 1, 3, 3, 10, 40, 400, 3_000];
const AWAY_MS = 4_000;

type RunEffect = Extract<RecordEffect, { readonly kind: "run" }>;

/** The program of a host. */
export class SimProgram {
  readonly #sim: RecordSim;
  readonly #host: RecordHost;
  /** Runs that it has to answer, for the daemon of now. */
  readonly #open = new Set<RunEffect>();
  isThere = true;

  constructor(sim: RecordSim, host: RecordHost) {
    this.#sim = sim;
    this.#host = host;
  }

  /** The daemon has it run. */
  run(run: RunEffect): void {
    const { dice } = this.#sim;
    this.#open.add(run);
    const { arePrograms } = this.#sim;
    if (arePrograms === "wild" && dice.chance(1, 40)) return;
    const mostMs = arePrograms === "quick" ? 1 : THINK_MS[dice.below(THINK_MS.length)] ?? 0;
    const thinkMs = dice.below(mostMs + 1);
    const isRefused = dice.chance(1, 20);
    this.#sim.after(thinkMs, () => this.#whenUp(() => this.#end(run, isRefused)));
  }

  #whenUp(run: () => void): void {
    if (this.#host.isStopped) this.#host.whenGoesOn.push(() => this.#whenUp(run));
    else run();
  }

  #end(run: RunEffect, isRefused: boolean): void {
    if (!this.#open.delete(run)) return;
    const { id, data, args } = run;
    if (isRefused) return this.#host.feed({ kind: "ran", id, ok: false, why: "not today" });
    const op = new DataView(args.buffer, args.byteOffset).getUint32(0, true);
    const made = noted(data, op);
    this.#sim.ledger.madeBy.set(made, { op, result: made });
    this.#host.feed({ kind: "ran", id, ok: true, data: made, result: made });
  }

  /** It dies, and comes back after a while. */
  die(): void {
    if (!this.isThere) return;
    this.isThere = false;
    for (const { id } of this.#open) {
      this.#host.feed({ kind: "ran", id, ok: false, why: "the program has ended" });
    }
    this.#open.clear();
    this.#sim.after(this.#sim.dice.below(AWAY_MS), () => {
      this.isThere = true;
    });
  }

  /** The daemon has ended: nobody waits. */
  onDaemonEnd(): void {
    this.#open.clear();
  }
}
