/**
 * What programs of this node own, and until when.
 *
 *   asked ──taken──▶ owned ──▶ releasing ──released──▶ over            any ── its time is over ──▶ over
 *     └──failed──▶ over                                               any ── its program is certainly dead ──▶ over
 *
 * The end of each grant stands in the grant page before its program hears of it, so it holds whatever becomes of the
 * daemon (storage/grant_page.ts).
 *
 * Does NOT promise: that a program stops in time; it looks at the clock, as docs/GUIDE.md tells it.
 */
import type { Clock } from "../../transport/world.ts";
import type { ResourceName } from "../../transport/wire/resource.ts";
import type { GrantPage } from "../storage/grant_page.ts";
import type { Offer } from "./offers.ts";

/** How a grant is. */
export type GrantPhase = "asked" | "owned" | "releasing";

/** Something that a program owns, or was asked to. */
export interface Grant {
  readonly number: number;
  readonly name: ResourceName;
  readonly offer: Offer;
  phase: GrantPhase;
  /** Its end, by the node's clock; it is over then, whatever the program says. */
  untilMs: number;
  /** Who waits for the end of what was begun. `isOk`: of a take, the program owns it; of a release, it does no more. */
  onEnd: ((isOk: boolean, why: string) => void) | undefined;
}

/** What they are made with. */
export interface GrantsParts {
  readonly clock: Clock;
  readonly page: GrantPage;
  /** How far the node's clock is ahead of the machine's, ms: the page is in the machine's CLOCK_BOOTTIME. */
  readonly aheadMs: () => number;
  /** One is over; `why`: because its time is. */
  readonly onOver: (grant: Grant, why: "time" | "said" | "dead") => void;
}

/** All grants of one node. */
export class Grants {
  readonly #parts: GrantsParts;
  readonly #byName = new Map<ResourceName, Grant>();
  readonly #byNumber = new Map<number, Grant>();
  #lastNumber = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(parts: GrantsParts) {
    this.#parts = parts;
  }

  all(): Iterable<Grant> {
    return this.#byName.values();
  }

  of(name: ResourceName): Grant | undefined {
    return this.#byName.get(name);
  }

  numbered(number: number): Grant | undefined {
    return this.#byNumber.get(number);
  }

  /** A new one; there is none of that name. */
  begin(offer: Offer, untilMs: number, onEnd: NonNullable<Grant["onEnd"]>): Grant {
    this.#lastNumber += 1;
    const { name } = offer;
    const grant: Grant = {
      ...{ number: this.#lastNumber, name, offer, phase: "asked", untilMs, onEnd },
    };
    this.#byName.set(name, grant);
    this.#byNumber.set(grant.number, grant);
    this.#changed();
    return grant;
  }

  /** They last until then; call it before their program hears of it. */
  extend(grants: Iterable<Grant>, untilMs: number): void {
    for (const grant of grants) grant.untilMs = Math.max(grant.untilMs, untilMs);
    this.#changed();
  }

  /** It is over; whoever waits for it hears so. */
  over(grant: Grant, why: "time" | "said" | "dead", text: string): void {
    if (this.#byNumber.get(grant.number) !== grant) return;
    this.#byName.delete(grant.name);
    this.#byNumber.delete(grant.number);
    this.#changed();
    const { onEnd, phase } = grant;
    grant.onEnd = undefined;
    this.#parts.onOver(grant, why);
    onEnd?.(phase === "releasing", text);
  }

  /** Ends those whose time is over. */
  look(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const grant of [...this.#byName.values()]) {
      if (nowMs >= grant.untilMs) this.over(grant, "time", "its program did not answer in time");
    }
  }

  /** No timer runs any more; what programs own ends with its time. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #changed(): void {
    const { page, aheadMs, clock } = this.#parts;
    let lastMs = 0;
    let nextMs = Infinity;
    for (const { untilMs } of this.#byName.values()) {
      lastMs = Math.max(lastMs, untilMs);
      nextMs = Math.min(nextMs, untilMs);
    }
    page.endMs = lastMs === 0 ? 0 : lastMs - aheadMs();
    if (this.#timer !== undefined && this.#timer.atMs <= nextMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (nextMs === Infinity) return;
    const cancel = clock.after(Math.max(0, nextMs - clock.nowMs()), () => {
      this.#timer = undefined;
      this.look();
      if (this.#timer === undefined) this.#changed();
    });
    this.#timer = { atMs: nextMs, cancel };
  }
}
