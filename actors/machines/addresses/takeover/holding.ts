/**
 * The addresses of one kernel, as its daemon knows them: what is set, what is being set, what goes.
 *
 *   absent ──take──▶ taking ──done──▶ held ──release──▶ releasing ──done──▶ absent
 *                       └──failed: released, and not offered for a while──▶┘
 *
 * Whatever may be in the kernel has an entry: an operation that was begun and not answered counts. What is wanted and
 * has none is taken as soon as it can be (the lease is too short just now, or the last take failed): it is told, too.
 *
 * Does NOT promise: to know what others set by hand before the next look.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressEffect } from "./events.ts";
import type { AddressRules } from "./rules.ts";
import type { AddressTiming } from "./tunables.ts";

/** The least life that is set, milliseconds: the kernel counts in seconds. */
const LIFE_MIN_MS = 1000;

/** An address that the kernel has, or may have. */
interface Entry {
  is: "taking" | "held" | "releasing";
  /** The operation under way; 0: none. */
  opId: number;
  /** What failed is tried again then, by the own clock. */
  againMs: number;
}

/** What it is made with. */
export interface HoldingOptions {
  readonly timing: AddressTiming;
  readonly rules: AddressRules;
  /** Does an effect. */
  readonly push: (effect: AddressEffect) => void;
}

/** All entries of a kernel. */
export class Holding {
  /** What is to be held. */
  want: ReadonlySet<IpAddress> = new Set();
  /** Did anything change since this was last set to false? */
  isChanged = false;
  readonly #options: HoldingOptions;
  readonly #entries = new Map<IpAddress, Entry>();
  readonly #ops = new Map<number, IpAddress>();
  /** What could not be taken is not offered until then. */
  readonly #broken = new Map<IpAddress, number>();
  #opId = 0;
  #lookId = 0;
  #isSweep = false;
  /** What was extended since the look that is under way was asked for: its answer is too old for that. */
  readonly #keptSince = new Set<IpAddress>();
  /** Up to where the lives of all that is held were extended. */
  #keptToMs = 0;

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  /** What is set, and is to be. */
  held(): IpAddress[] {
    return this.#addresses((is, isWanted) => is === "held" && isWanted);
  }

  /** What may be set, or may be taken without another order. */
  busy(): IpAddress[] {
    const busy = this.#addresses((is, isWanted) => is !== "held" || !isWanted);
    if (!this.#options.rules.tellsWanted()) return busy;
    return [...busy, ...[...this.want].filter((address) => !this.#entries.has(address))];
  }

  /** What is set, or will be by what was begun. */
  begun(): IpAddress[] {
    return this.#addresses((is) => is !== "releasing");
  }

  #addresses(isIt: (is: Entry["is"], isWanted: boolean) => boolean): IpAddress[] {
    return [...this.#entries].filter(([address, { is }]) => isIt(is, this.want.has(address)))
      .map(([address]) => address);
  }

  /** Is it not offered, as it could not be taken? */
  isBroken(address: IpAddress): boolean {
    return this.#broken.has(address);
  }

  /** Removes all that was set before this process; `onSeen` says true when that is done. */
  sweep(): void {
    this.#lookId = this.#nextId();
    this.#isSweep = true;
    this.#options.push({ kind: "sweep", id: this.#lookId });
  }

  /** Compares with the kernel: `onSeen` gets what it has. No second look while one is under way. */
  look(): void {
    if (this.#lookId !== 0) return;
    this.#lookId = this.#nextId();
    this.#keptSince.clear();
    this.#options.push({ kind: "look", id: this.#lookId });
  }

  /** The kernel has these. True: this was the sweep. */
  onSeen(id: number, addresses: readonly IpAddress[], nowMs: number, isLive: boolean): boolean {
    if (id !== this.#lookId) return false;
    this.#lookId = 0;
    const isSweep = this.#isSweep;
    this.#isSweep = false;
    const seen = new Set(addresses);
    for (const address of seen) {
      if (this.#entries.has(address)) continue;
      this.#set(address, { is: "releasing", opId: 0, againMs: nowMs });
      this.#tell("foreign", address);
    }
    for (const [address, entry] of this.#entries) {
      if (entry.is !== "held" || entry.opId !== 0 || seen.has(address)) continue;
      if (!this.#options.rules.isLost(this.#keptSince.has(address))) continue;
      // What the kernel dropped, or somebody removed, is gone; settle takes it anew.
      this.#entries.delete(address);
      this.isChanged = true;
      if (isLive) this.#tell("lost", address);
    }
    return isSweep;
  }

  #tell(what: "taken" | "released" | "lost" | "foreign", address: IpAddress): void {
    this.#options.push({ kind: "happened", happening: { what, address } });
  }

  #set(address: IpAddress, entry: Entry): void {
    this.#entries.set(address, entry);
    this.isChanged = true;
  }

  #nextId(): number {
    this.#opId += 1;
    return this.#opId;
  }

  /** An operation has ended. */
  onDone(id: number, isOk: boolean, why: string, nowMs: number): void {
    const address = this.#ops.get(id);
    const entry = address === undefined ? undefined : this.#entries.get(address);
    if (address === undefined || entry === undefined || entry.opId !== id) return;
    this.#ops.delete(id);
    this.isChanged = true;
    entry.opId = 0;
    const { timing, push } = this.#options;
    if (entry.is === "taking" && isOk) {
      entry.is = "held";
      // Its life is as long as when it was asked for: the next extension is for all.
      this.#keptToMs = 0;
      this.#tell("taken", address);
    } else if (entry.is === "taking") {
      // It may be there all the same.
      this.#set(address, { is: "releasing", opId: 0, againMs: nowMs });
      this.#broken.set(address, nowMs + timing.brokenMs);
      push({ kind: "happened", happening: { what: "broken", address, why } });
    } else if (isOk) {
      this.#entries.delete(address);
      this.#tell("released", address);
    } else entry.againMs = nowMs + timing.againMs;
  }

  /** Begins what brings the kernel nearer to `want`. Nothing is taken without a lease. */
  settle(nowMs: number, isLive: boolean, leaseEndMs: number): void {
    const { rules, push } = this.#options;
    for (const [address, untilMs] of this.#broken) {
      if (nowMs < untilMs) continue;
      this.#broken.delete(address);
      this.isChanged = true;
    }
    for (const [address, entry] of this.#entries) {
      if (entry.opId !== 0 || nowMs < entry.againMs) continue;
      if (entry.is === "held" && this.want.has(address)) continue;
      if (entry.is !== "releasing") this.isChanged = true;
      entry.is = "releasing";
      entry.opId = this.#nextId();
      this.#ops.set(entry.opId, address);
      push({ kind: "release", id: entry.opId, address });
    }
    if (!isLive || rules.lifeMs(leaseEndMs - nowMs) < LIFE_MIN_MS) return;
    for (const address of this.want) {
      if (this.#entries.has(address) || this.#broken.has(address)) continue;
      const id = this.#nextId();
      this.#ops.set(id, address);
      this.#set(address, { is: "taking", opId: id, againMs: nowMs });
      push({ kind: "take", id, address, untilMs: leaseEndMs });
    }
  }

  /** The lease goes on: lives are extended, unless that would gain little. */
  keep(nowMs: number, leaseEndMs: number): void {
    const { rules, timing, push } = this.#options;
    const lifeMs = rules.lifeMs(leaseEndMs - nowMs);
    if (lifeMs < LIFE_MIN_MS || nowMs + lifeMs < this.#keptToMs + timing.renewMs) return;
    const addresses = this.held();
    if (addresses.length === 0) return;
    this.#keptToMs = nowMs + lifeMs;
    for (const address of addresses) this.#keptSince.add(address);
    push({ kind: "keep", addresses, untilMs: leaseEndMs });
  }

  /** When something is to be tried again; Infinity: nothing. */
  wakeMs(): number {
    let wakeMs = Infinity;
    for (const { opId, is, againMs } of this.#entries.values()) {
      if (opId === 0 && is === "releasing") wakeMs = Math.min(wakeMs, againMs);
    }
    for (const untilMs of this.#broken.values()) wakeMs = Math.min(wakeMs, untilMs);
    return wakeMs;
  }
}
