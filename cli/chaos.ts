/**
 * Faults on demand, for clusters that are made to try things: a node that is cut from others, a clock that runs off.
 *
 *   chaos = true in the configuration ──▶ the bus and the clock of the daemon go through these wrappers
 *
 * A cut node's bus still says "connected", as after a cable was pulled: what it sends is lost, nothing comes in.
 *
 * The data thread has a bus and a clock of its own: it is told of cuts. Its clock stays true, as the page's time is.
 * Bus and clock of the metadata thread stay whole.
 *
 * Does NOT promise: to be there in a daemon whose configuration does not ask for it.
 */

import type { Verb } from "../actors/control.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { parseSubject } from "../transport/wire/subjects.ts";
import type { Bus, BusMessage, BusStatus, Clock, World } from "../transport/world.ts";

/** Longest fault, ms. */
const CHAOS_MAX_MS = 3_600_000;
/** Largest drift of a skewed clock: 1 in 100, the most that the protocol allows. */
const DRIFT = 0.01;

/** Which way a cut goes. */
export type CutWay = "both" | "in" | "out";
const WAYS: readonly CutWay[] = ["both", "in", "out"];

/** A clock gets ahead by so much at most in one fault, ms. */
export const AHEAD_MAX_MS: number = CHAOS_MAX_MS * DRIFT;

/** A fault of the bus, as plain data: for threads that have one of their own. */
export type BusFault =
  | {
    readonly what: "cut";
    readonly tags: readonly string[];
    readonly forMs: number;
    readonly way: CutWay;
  }
  | { readonly what: "heal" };

/** What is broken now. */
export class Chaos {
  readonly #clock: Clock;
  /** Nothing goes to these tags and nothing comes from them; "*": nobody. */
  #cut: ReadonlySet<string> = new Set();
  #way: CutWay = "both";
  #cutUntilMs = 0;
  #skew: { readonly fromMs: number; readonly drift: number } | undefined;
  #passedMs = 0;
  #wallMs = 0;
  #ends: { cut?: () => void; skew?: () => void } = {};
  readonly #listeners = new Set<(fault: BusFault) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells somebody of faults of the bus, of the present one at once. Answers how to end it. */
  onFault(listener: (fault: BusFault) => void): () => void {
    this.#listeners.add(listener);
    const leftMs = this.#cutUntilMs - this.#clock.nowMs();
    if (this.#cut.size > 0 && leftMs > 0) {
      listener({ what: "cut", tags: [...this.#cut], forMs: leftMs, way: this.#way });
    }
    return () => void this.#listeners.delete(listener);
  }

  /** Makes a fault that another thread has told of. */
  make(fault: BusFault): void {
    if (fault.what === "cut") this.cut(fault.tags, fault.forMs, fault.way);
    else this.heal();
  }

  #tell(fault: BusFault): void {
    for (const listener of this.#listeners) listener(fault);
  }

  /** Cuts this node from the nodes with these tags for so long; "in": it only hears nothing, "out": it is not heard. */
  cut(tags: readonly string[], forMs: number, way: CutWay = "both"): void {
    this.#ends.cut?.();
    this.#cut = new Set(tags);
    this.#way = way;
    this.#cutUntilMs = this.#clock.nowMs() + forMs;
    this.#ends.cut = this.#clock.after(forMs, () => void (this.#cut = new Set()));
    this.#tell({ what: "cut", tags: [...tags], forMs, way });
  }

  /** Lets the clock run fast by 1 %, and the wall clock jump by an hour, for so long. */
  skew(forMs: number): void {
    this.#endSkew();
    this.#skew = { fromMs: this.#clock.nowMs(), drift: DRIFT };
    this.#wallMs = 3_600_000;
    this.#ends.skew = this.#clock.after(forMs, () => this.#endSkew());
  }

  /** Ends all of it now; what a clock ran ahead stays. */
  heal(): void {
    this.#ends.cut?.();
    this.#cut = new Set();
    this.#endSkew();
    this.#tell({ what: "heal" });
  }

  #endSkew(): void {
    this.#ends.skew?.();
    // What it ran ahead stays: the clock never goes back.
    this.#passedMs = this.aheadMs(this.#clock.nowMs());
    this.#skew = undefined;
    this.#wallMs = 0;
  }

  /** How far the clock of the node is ahead of the machine's. */
  aheadMs(nowMs: number): number {
    if (this.#skew === undefined) return this.#passedMs;
    return this.#passedMs + (nowMs - this.#skew.fromMs) * this.#skew.drift;
  }

  get wallAheadMs(): number {
    return this.#wallMs;
  }

  isCut(tag: string | undefined): boolean {
    return this.#cut.size > 0 && (this.#cut.has("*") || (tag !== undefined && this.#cut.has(tag)));
  }

  /** Is what comes from this tag lost? */
  isUnheard(tag: string | undefined): boolean {
    return this.#way !== "out" && this.isCut(tag);
  }

  /** Is what goes out on this subject lost? What goes to all, and events, is while anybody is cut off. */
  isLost(subject: string): boolean {
    if (this.#cut.size === 0 || this.#way === "in") return false;
    const parsed = parseSubject(subject);
    if (parsed === undefined) return this.isCut(undefined);
    const isToOne = parsed.class === "n" || parsed.class === "ask" ||
      (parsed.class === "r" && parsed.to !== "all");
    if (isToOne) return this.isCut(parsed.to);
    return true;
  }
}

/** The world of a daemon, with faults where its configuration allows them. */
export function chaosWorld(
  real: World,
  isAllowed: boolean,
): { readonly world: World; readonly chaos: Chaos | undefined } {
  if (!isAllowed) return { world: real, chaos: undefined };
  const chaos = new Chaos(real.clock);
  const { dice, disk, host, log, syncs } = real;
  const world = {
    bus: new ChaosBus(real.bus, chaos),
    clock: new ChaosClock(real.clock, chaos),
    dice,
    disk,
    host,
    log,
    ...syncs === undefined ? {} : { syncs },
    get images() {
      return real.images;
    },
  };
  return { world, chaos };
}

/** The verbs by which faults are made. */
export function chaosVerbs(chaos: Chaos | undefined): [string, Verb][] {
  if (chaos === undefined) return [];
  return [
    ["chaos cut", ({ tags, ms, way = "both" }) => {
      const isFit = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
      if (!isFit) throw new CtdbxError("state", "Cannot cut: tags must be texts");
      const known = WAYS.find((each) => each === way);
      if (known === undefined) {
        throw new CtdbxError("state", "Cannot cut: way must be both, in or out");
      }
      chaos.cut(tags, duration(ms), known);
    }],
    ["chaos skew", ({ ms }) => chaos.skew(duration(ms))],
    ["chaos heal", () => chaos.heal()],
  ];
}

function duration(ms: unknown): number {
  if (typeof ms === "number" && ms > 0 && ms <= CHAOS_MAX_MS) return ms;
  throw new CtdbxError("state", `Cannot make a fault: ms must be from 1 to ${CHAOS_MAX_MS}`);
}

class ChaosClock implements Clock {
  readonly #real: Clock;
  readonly #chaos: Chaos;

  constructor(real: Clock, chaos: Chaos) {
    this.#real = real;
    this.#chaos = chaos;
  }

  nowMs(): number {
    const nowMs = this.#real.nowMs();
    return nowMs + this.#chaos.aheadMs(nowMs);
  }

  wallMs(): number {
    return this.#real.wallMs() + this.#chaos.wallAheadMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    return this.#real.after(delayMs, fire);
  }
}

class ChaosBus implements Bus {
  readonly #real: Bus;
  readonly #chaos: Chaos;

  constructor(real: Bus, chaos: Chaos) {
    this.#real = real;
    this.#chaos = chaos;
  }

  get status(): BusStatus {
    return this.#real.status;
  }

  get trouble(): string | undefined {
    return this.#real.trouble;
  }

  get payloadMax(): number {
    return this.#real.payloadMax;
  }

  publish(subject: string, payload: Uint8Array, reply?: string): void {
    if (!this.#chaos.isLost(subject)) this.#real.publish(subject, payload, reply);
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void {
    return this.#real.subscribe(subject, (message) => {
      if (!this.#chaos.isUnheard(parseSubject(message.subject)?.from)) onMessage(message);
    });
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (!this.#chaos.isLost(subject)) {
      return await this.#real.request(subject, payload, timeoutMs);
    }
    await new Promise((resolve) => setTimeout(resolve, timeoutMs));
    throw new CtdbxError("timeout", "Cannot ask: no answer came");
  }

  watch(onStatus: (status: BusStatus) => void): () => void {
    return this.#real.watch(onStatus);
  }

  flush(timeoutMs: number): Promise<void> {
    return this.#real.flush(timeoutMs);
  }

  close(): Promise<void> {
    return this.#real.close();
  }
}
