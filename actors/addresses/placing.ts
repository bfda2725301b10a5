/**
 * Where the addresses of this machine stand, and how they get there within their time.
 *
 *   put ──▶ clock ──▶ kernel ──▶ clock: ends in time? ──no──▶ shorter ──▶ ... ──less than a second left──▶ removed
 *
 * Does NOT promise: to know what others do with the addresses before the next look.
 */
import type { Interfaces, Link, Placed } from "../../transport/interfaces.ts";
import { familyOf, type IpAddress } from "../../transport/wire/address.ts";
import type { Clock, Log } from "../../transport/world.ts";

const SECOND_MS = 1000;
/** Kept of a life for the call to the kernel, ms: without it a call that takes a moment would be too late. */
const RESERVE_MS = 20;
/** A call that has waited longer than this is told in the log, ms. */
const SLOW_MS = 100;
/** Links are as they were read so long ago at most, ms. */
const LINKS_AGE_MS = 50;
/** Why an address is not set, where nothing is amiss but the time. */
export const NEARLY_OVER = "the lease is nearly over";

/** An address of this node. */
export interface Here extends Placed {
  /** Name of the interface. */
  readonly iface: string;
  /** It must be gone then, by the own clock. */
  readonly untilMs: number;
}

/** What it needs. */
export interface PlacingParts {
  readonly interfaces: Interfaces;
  readonly clock: Clock;
  readonly log: Log;
}

/** The addresses that this process has set. */
export class Placing {
  readonly #here = new Map<IpAddress, Here>();
  /** By interface: how many addresses are there. */
  readonly #counts = new Map<string, number>();
  readonly #parts: PlacingParts;
  /** By the number of an interface: do secondary addresses stay there? */
  readonly #keeps = new Map<number, boolean>();
  /** Interfaces that an address has gone from since the last `mend`. */
  readonly #unmended = new Set<number>();
  /** What could not be removed from where it should not be: it may stand at a second place. */
  readonly #strays = new Set<IpAddress>();
  #links: ReadonlyMap<string, Link> = new Map();
  #linksAtMs = -Infinity;

  constructor(parts: PlacingParts) {
    this.#parts = parts;
  }

  /** Where they stand, in the order in which they were set. */
  get here(): ReadonlyMap<IpAddress, Here> {
    return this.#here;
  }

  /** How many are on an interface. */
  countOn(iface: string): number {
    return this.#counts.get(iface) ?? 0;
  }

  /** It is gone. */
  forget(address: IpAddress): void {
    const own = this.#here.get(address);
    if (own === undefined) return;
    this.#here.delete(address);
    this.#counts.set(own.iface, this.countOn(own.iface) - 1);
  }

  #note(own: Here): void {
    if (this.#here.get(own.address)?.iface !== own.iface) {
      this.forget(own.address);
      this.#counts.set(own.iface, this.countOn(own.iface) + 1);
    }
    this.#here.set(own.address, own);
  }

  /** An interface; undefined: there is none of that name, or the kernel does not say. */
  linkOf(name: string): Link | undefined {
    this.links();
    return this.#links.get(name);
  }

  /** All interfaces, as they are or were a moment ago. */
  links(): Iterable<Link> {
    const { interfaces, clock, log } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs - this.#linksAtMs < LINKS_AGE_MS) return this.#links.values();
    this.#linksAtMs = nowMs;
    try {
      this.#links = new Map(interfaces.links().map((link) => [link.name, link]));
    } catch (error) {
      log.write("warning", "Network interfaces cannot be listed", { error });
    }
    return this.#links.values();
  }

  /** The next question for links is answered by the kernel. */
  forgetLinks(): void {
    this.#linksAtMs = -Infinity;
  }

  /**
   * Sets an address, or its life anew. Undefined: it is set, and ends before `untilMs`, as far as the kernel is
   * punctual; else why not. One that was there before and has less than a second left is left as it is.
   */
  put({ address, bits, index, iface }: Omit<Here, "untilMs">, untilMs: number): string | undefined {
    const { interfaces, clock, log } = this.#parts;
    const placed = { address, bits, index };
    this.#keepSecondaries(index, iface);
    let isPut = false;
    for (;;) {
      const startMs = clock.nowMs();
      const restMs = untilMs - startMs;
      if (restMs < SECOND_MS) break;
      const lifeS = Math.max(1, Math.floor((restMs - RESERVE_MS) / SECOND_MS));
      try {
        interfaces.put(placed, lifeS);
      } catch (error) {
        this.forgetLinks();
        return error instanceof Error ? error.message : String(error);
      }
      isPut = true;
      const nowMs = clock.nowMs();
      if (nowMs - startMs > SLOW_MS) {
        const tookMs = Math.round(nowMs - startMs);
        log.write("warning", `The kernel has taken long to set ${address}`, { tookMs });
      }
      if (nowMs + SECOND_MS * lifeS <= untilMs) {
        this.#note({ ...placed, iface, untilMs });
        return undefined;
      }
    }
    if (isPut) {
      this.removeStray(placed);
      if (this.#here.get(address)?.index === index) this.forget(address);
    }
    return NEARLY_OVER;
  }

  /** Once an interface: when the first address of a network goes, the others are to stay. */
  #keepSecondaries(index: number, iface: string): void {
    if (this.#keeps.has(index)) return;
    const keeps = this.#parts.interfaces.keepSecondaries(iface);
    this.#keeps.set(index, keeps);
    if (keeps) return;
    this.#parts.log.write(
      "warning",
      `promote_secondaries of ${iface} cannot be set: addresses there go and come back when another one goes`,
    );
  }

  /**
   * Removes an address from wherever it stands; after the last of some that go `mend` is to follow. Throws CtdbxError
   * when it may be there still.
   */
  remove(address: IpAddress): void {
    const { interfaces } = this.#parts;
    const own = this.#here.get(address);
    const isGone = own !== undefined && this.#removeAt(own);
    if (!isGone || this.#strays.has(address)) {
      for (const placed of interfaces.addresses()) {
        if (placed.address === address) this.#removeAt(placed);
      }
    }
    this.#strays.delete(address);
    this.forget(address);
  }

  /** Removes what should not be where it is, `mend` is to follow; what resists is found again by the next look. */
  removeStray(placed: Placed): void {
    try {
      this.#removeAt(placed);
    } catch (error) {
      this.#strays.add(placed.address);
      this.#parts.log.write("error", `Address ${placed.address} cannot be removed`, { error });
    }
  }

  #removeAt(placed: Placed): boolean {
    const { index, address } = placed;
    if (this.#keeps.get(index) === false && familyOf(address) === 4) this.#unmended.add(index);
    return this.#parts.interfaces.remove(placed);
  }

  /**
   * Where the kernel drops the others of a network with its first address they are set again. Once for all that have
   * gone, and only what the kernel does not have: what it costs is one list, not a change for each that stays.
   */
  mend(): void {
    while (this.#unmended.size > 0) {
      const indexes = new Set(this.#unmended);
      this.#unmended.clear();
      const stands = this.#standing();
      for (const own of [...this.#here.values()]) {
        if (!indexes.has(own.index) || familyOf(own.address) === 6) continue;
        if (stands?.has(keyOf(own)) !== true) this.put(own, own.untilMs);
      }
    }
  }

  /** What the kernel has; undefined: it does not say. */
  #standing(): ReadonlySet<string> | undefined {
    try {
      return new Set(this.#parts.interfaces.addresses().map(keyOf));
    } catch (error) {
      this.#parts.log.write("warning", "Addresses cannot be listed", { error });
      return undefined;
    }
  }
}

function keyOf({ address, bits, index }: Placed): string {
  return `${index} ${address}/${bits}`;
}
