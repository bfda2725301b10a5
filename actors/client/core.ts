/**
 * What all parts of one program's connection share.
 *
 * Does NOT promise: anything of its own.
 */
import type { Clock } from "../../transport/world.ts";
import type { Line, Pending } from "./line.ts";
import type { OpOptions } from "./types.ts";

/** The longest time of an operation, ms. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The line, the clock, and how long things may take. */
export class ClientCore {
  readonly line: Line;
  readonly clock: Clock;
  readonly #timeoutMs: number;
  /** Watches to be begun again on another connection. */
  readonly watches: Set<{ restore(): Promise<void> }> = new Set();

  /** Of chance. */
  #state: number;

  /** `seed`: another one for each program; nothing but pauses depends on it. */
  constructor(line: Line, clock: Clock, timeoutMs: number, seed = 1) {
    this.line = line;
    this.clock = clock;
    this.#timeoutMs = checked(timeoutMs);
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ Math.floor(1000 * clock.nowMs())) >>> 0;
  }

  /** A number from 0 to below 1 by which programs that wait for the same do not come together again. */
  chance(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }

  /** How long an operation may take, ms. Throws RangeError. */
  timeout(options: OpOptions | undefined): number {
    const timeoutMs = options?.timeoutMs;
    return timeoutMs === undefined ? this.#timeoutMs : checked(timeoutMs);
  }

  /** Asks when the line is up. Throws the refusal, "timeout", "unknown". */
  async ask(
    what: Record<string, unknown>,
    options?: OpOptions,
  ): Promise<Record<string, unknown>> {
    const timeoutMs = this.timeout(options);
    const untilMs = this.clock.nowMs() + timeoutMs;
    if (!this.line.isUp) await this.line.up(untilMs);
    return await this.line.ask({ ...what, timeoutMs: Math.ceil(timeoutMs) }, untilMs);
  }

  /** Begins something when the line is up. */
  async begin(
    pending: Pending,
    write: Parameters<Line["begin"]>[1],
  ): Promise<number> {
    if (!this.line.isUp) await this.line.up(pending.untilMs);
    return this.line.begin(pending, write);
  }
}

function checked(timeoutMs: number): number {
  const isNumber = typeof timeoutMs === "number";
  if (isNumber && timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  throw new RangeError(`Cannot wait ${timeoutMs} ms: 1 to ${TIMEOUT_MS_MAX} are possible`);
}
