/**
 * The procedures that this node knows: built in, of its configuration, and of programs, which run them themselves.
 *
 *   incr, append, ...  ─ own, run in the machine's step          NAME/VERSION of a program ─ "external": run, then ran
 *
 * Does NOT promise: that a program answers; its time is limited, and its end is a refusal.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Procedure, type ProcedureBook, PROCEDURES } from "../machines/record/procedures.ts";
import type { ExternalCall, ExternalProcedure, ExternalRan } from "./types.ts";

/** Names that programs of one node offer. */
export const OFFERED_MAX = 4096;

/** Those of one node. */
export class Procedures implements ProcedureBook {
  readonly #own: ReadonlyMap<string, Procedure>;
  readonly #offered = new Map<string, ExternalProcedure>();

  /** `own`: what the configuration has loaded, by name. */
  constructor(own: ReadonlyMap<string, Procedure> = new Map()) {
    this.#own = own;
  }

  get(name: string): Procedure | "external" | undefined {
    const own = PROCEDURES.get(name) ?? this.#own.get(name);
    if (own !== undefined) return own;
    return this.#offered.has(name) ? "external" : undefined;
  }

  /** Has a program run its procedure. Never rejects: what cannot be asked is a refusal. */
  async run(call: ExternalCall, limitMs: number): Promise<ExternalRan> {
    const run = this.#offered.get(call.procedure);
    if (run === undefined) return { ok: false, why: "no program offers it any more" };
    try {
      return await run(call, limitMs);
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      return { ok: false, why: `the program cannot be asked: ${why}` };
    }
  }

  /** Offers one of a program. Throws "exists", "limit". Answers how to end it. */
  offer(name: string, run: ExternalProcedure): () => void {
    if (this.get(name) !== undefined) {
      throw new CtdbxError("exists", `Cannot offer procedure ${name}: there is one of this name`);
    }
    if (this.#offered.size >= OFFERED_MAX) {
      throw new CtdbxError(
        "limit",
        `Cannot offer procedure ${name}: OFFERED_MAX is ${OFFERED_MAX}`,
      );
    }
    this.#offered.set(name, run);
    return () => {
      if (this.#offered.get(name) === run) this.#offered.delete(name);
    };
  }
}
