/**
 * The state page of a node, one file for each life: shown by the main thread, and only as far as the data thread is.
 *
 *   fence ─▶ the former page ended for ever ─▶ a new file, nothing served
 *   cluster machine ── page ──▶ kept ── has the data thread confirmed its generation? ──▶ lease end, else 0
 *
 * Does NOT promise: a lease; it only never shows one that the machine did not give.
 */
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Generation, Incarnation, Pnn } from "../transport/wire/terms.ts";
import type { World } from "../transport/world.ts";
import type { PageNews } from "./data/types.ts";
import type { Page } from "./machines/cluster/events.ts";
import { StatePage } from "./storage/state_page.ts";

/** What a node's page is made with. */
export interface NodePageParts {
  readonly world: Pick<World, "images" | "host" | "log">;
  /** Where it lies; absolute. */
  readonly path: string;
  readonly pnn: () => Pnn;
  /** How far the node's clock is ahead of the machine's, ms: the page is in the machine's CLOCK_BOOTTIME. */
  readonly aheadMs: () => number;
  /** Are the databases of this life at this generation? */
  readonly mayShow: (incarnation: Incarnation, generation: Generation) => boolean;
  /** It was written. */
  readonly onWrite: (news: PageNews) => void;
}

/** One node's. */
export class NodePage {
  readonly #parts: NodePageParts;
  #page: StatePage | undefined;
  #life: Incarnation | undefined;
  #wanted: Page | undefined;

  constructor(parts: NodePageParts) {
    this.#parts = parts;
  }

  /** Ends the page of the life before, whoever made it, and makes a new one. Throws what the store throws. */
  renew(incarnation: Incarnation): void {
    const { world: { images, host }, path, pnn } = this.#parts;
    const former = this.#page ?? this.#former();
    former?.endLease();
    former?.close();
    this.#life = incarnation;
    this.#wanted = undefined;
    this.#page = StatePage.make(images, path, {
      incarnation,
      generation: 0n as Generation,
      leaseEndNs: 0n,
      pnn: pnn(),
      frozen: false,
      pid: host.pid,
    });
  }

  #former(): StatePage | undefined {
    const { world: { images, log }, path } = this.#parts;
    if (!images.exists(path)) return undefined;
    try {
      return StatePage.open(images, path);
    } catch (error) {
      // A page that was never finished granted nothing.
      if (error instanceof CtdbxError && error.code === "corrupt") return undefined;
      log.write("error", "The state page of the former life cannot be opened", { error });
      throw error;
    }
  }

  /** Shows what the machine wants shown; of another life than the page's, nothing. */
  show(page: Page): void {
    this.#wanted = page;
    this.refresh();
  }

  /** What may be shown has changed. */
  refresh(): void {
    const wanted = this.#wanted;
    if (this.#page === undefined || wanted === undefined || wanted.incarnation !== this.#life) {
      return;
    }
    const { world: { host }, pnn, aheadMs, mayShow, onWrite } = this.#parts;
    const { incarnation, generation } = wanted;
    const isConfirmed = wanted.leaseEndMs > 0 && mayShow(incarnation, generation);
    const leaseEndMs = isConfirmed ? Math.max(0, wanted.leaseEndMs - aheadMs()) : 0;
    this.#page.write({
      incarnation,
      generation,
      leaseEndNs: BigInt(Math.floor(leaseEndMs * 1e6)),
      pnn: pnn(),
      frozen: false,
      pid: host.pid,
    });
    onWrite({ incarnation, generation, leaseEndMs });
  }

  /** Nothing may be served any more, until the machine wants it anew. */
  endLease(): void {
    this.#wanted = undefined;
    this.#page?.endLease();
  }

  close(): void {
    this.endLease();
    this.#page?.close();
    this.#page = undefined;
  }
}
