/**
 * The node as its client programs see it: the state page of its present life, mapped.
 *
 *   LocalNode -- path of the page -> life: page, pnn, incarnation --> LocalRecords, one for each database
 *                       '- another file under that path: a new life; the old page says for ever that it ended
 *
 * A life is valid while its page has a lease end that is later than now. Frozen: it has none, and may get one again.
 *
 * Does NOT promise: to hear of a new life by itself; whoever is refused asks `ready`.
 */
import { LEASE, LEASE_BYTES, MAY } from "../../assembly/host/record_kernels.ts";
import { type Kernels, kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import type { ImageStore } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Incarnation, type Pnn, PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { StatePage } from "./state_page.ts";

/** Pauses between looks at a page, ms: the first is short, as a view change takes one round. */
const LOOK_MIN_MS = 1;
const LOOK_MAX_MS = 20;

/** What a client is made with. */
export interface LocalNodeOptions {
  readonly images: ImageStore;
  readonly clock: Clock;
  /** Path of the state page. */
  readonly pagePath: string;
  /** The folder of the node's volatile databases. */
  readonly folder: string;
}

/** One life of the node, as this thread has it mapped. */
export class LocalLife {
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
  /** Address of the lease, for the kernels. */
  readonly lease: number;
  readonly #page: StatePage;
  #uses = 1;

  constructor(page: StatePage, pnn: Pnn, incarnation: Incarnation) {
    const { regions, words } = threadMemory();
    const lease = regions.take(LEASE_BYTES);
    if (lease === undefined) throw new CtdbxError("limit", "Cannot open the state page: no memory");
    this.#page = page;
    this.pnn = pnn;
    this.incarnation = incarnation;
    this.lease = lease;
    words[(lease + LEASE.page) >>> 2] = page.address;
    words[(lease + LEASE.pnn) >>> 2] = pnn;
    words[(lease + LEASE.incarnation) >>> 2] = Number(incarnation & 0xffffffffn);
    words[(lease + LEASE.incarnation + 4) >>> 2] = Number(incarnation >> 32n);
  }

  /** The end of its lease as its page says it, ms of CLOCK_BOOTTIME; 0: frozen, ended, or being written just now. */
  get leaseEndMs(): number {
    const state = this.#page.read();
    const isOwn = state !== undefined && state.incarnation === this.incarnation && !state.frozen;
    return isOwn ? Number(state.leaseEndNs / 1_000_000n) : 0;
  }

  /** Whoever works by it over turns of the event loop says so. */
  keep(): void {
    this.#uses += 1;
  }

  /** Unmaps it when nobody works by it any more. */
  unkeep(): void {
    this.#uses -= 1;
    if (this.#uses > 0) return;
    this.#page.close();
    threadMemory().regions.give(this.lease, LEASE_BYTES);
  }
}

/** The node of this process. One for each thread that uses records. */
export class LocalNode {
  readonly options: LocalNodeOptions;
  readonly kernel: Kernels = kernels();
  #life: LocalLife;
  #isClosed = false;

  private constructor(options: LocalNodeOptions, life: LocalLife) {
    this.options = options;
    this.#life = life;
  }

  /** Opens the node. Throws "not_found" (it was never started), "corrupt", "version", "busy" (half a page). */
  static open(options: LocalNodeOptions): LocalNode {
    const life = openLife(options);
    if (life !== undefined) return new LocalNode(options, life);
    throw new CtdbxError("busy", `Cannot use ${options.pagePath}: it is being written, try again`);
  }

  /** The newest life that was seen. */
  get life(): LocalLife {
    return this.#life;
  }

  /** One of MAY, by the clock as it is now. */
  may(life: LocalLife = this.#life): number {
    return this.kernel.recordMay(life.lease, this.options.clock.nowMs());
  }

  /** Looks once whether there is a newer life under the path. */
  look(): LocalLife {
    if (this.#isClosed) throw new CtdbxError("state", "Cannot use the node: it is closed");
    if (this.may() === MAY.valid) return this.#life;
    const next = openLife(this.options, this.#life.incarnation);
    if (next !== undefined) {
      this.#life.unkeep();
      this.#life = next;
    }
    return this.#life;
  }

  /** Waits until some life is valid; undefined: none was in `timeoutMs`. */
  async ready(timeoutMs: number): Promise<LocalLife | undefined> {
    const isReady = await this.poll(timeoutMs, () => this.may(this.look()) === MAY.valid);
    return isReady ? this.#life : undefined;
  }

  /**
   * Was what a life did before this call done under a valid lease? Waits until the page says so: valid again in the
   * same life means valid all the time. False: it ended, or said nothing in `timeoutMs`.
   */
  async settled(life: LocalLife, timeoutMs: number): Promise<boolean> {
    life.keep();
    try {
      let may: number = MAY.frozen;
      await this.poll(timeoutMs, () => {
        may = this.may(life);
        return may !== MAY.frozen || this.look() !== life;
      });
      return may === MAY.valid;
    } finally {
      life.unkeep();
    }
  }

  /** Looks until `isDone`; false: the time was over. */
  async poll(timeoutMs: number, isDone: () => boolean): Promise<boolean> {
    const { clock } = this.options;
    const untilMs = clock.nowMs() + timeoutMs;
    for (let pauseMs = LOOK_MIN_MS;; pauseMs = Math.min(2 * pauseMs, LOOK_MAX_MS)) {
      if (isDone()) return true;
      const leftMs = untilMs - clock.nowMs();
      if (leftMs <= 0) return false;
      const waitMs = Math.min(pauseMs, leftMs);
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#life.unkeep();
  }
}

/** The life under the path; undefined: it is `known`, its page is half-written, or there is none just now. */
function openLife(options: LocalNodeOptions, known?: Incarnation): LocalLife | undefined {
  let page: StatePage;
  try {
    page = StatePage.open(options.images, options.pagePath);
  } catch (error) {
    // Between two lives there is a moment without a page, or with one that is not whole yet.
    const isMoment = error instanceof CtdbxError &&
      (error.code === "not_found" || error.code === "corrupt");
    if (known !== undefined && isMoment) return undefined;
    throw error;
  }
  const state = page.read();
  // A node that joins learns its number late.
  const isMoment = state === undefined || state.pnn === PNN_UNKNOWN;
  if (isMoment || state.incarnation === known) {
    page.close();
    return undefined;
  }
  return new LocalLife(page, state.pnn, state.incarnation);
}
