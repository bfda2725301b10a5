/**
 * A kernel's network that is not there: interfaces, addresses with lives, and what goes wrong with them.
 *
 *   first address of a network on an interface goes ──▶ the others of the network go with it, unless they are to stay
 *
 * Does NOT promise: packets; nobody answers at these addresses.
 */
import type { Interfaces, Link, Placed, SetAddress } from "../interfaces.ts";
import { familyOf, keyOfAddress } from "../wire/address.ts";
import { CtdbxError } from "../wire/errors.ts";
import type { Clock } from "../world.ts";

interface Entry extends Placed {
  endMs: number;
}

/** One machine's. */
export class SimInterfaces implements Interfaces {
  /** May this process change anything? */
  isRoot = true;
  /** Can secondary addresses be made to stay? */
  canKeepSecondaries = true;
  /** Called before each change; who moves the clock here makes the kernel late. May throw. */
  onChange: (what: "put" | "remove", placed: Placed) => void = () => {};
  readonly #clock: Clock;
  readonly #links = new Map<string, Link>();
  readonly #keeping = new Set<string>();
  #entries: Entry[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Makes an interface, or another state of it. */
  setLink(name: string, hasLink: boolean): void {
    const index = this.#links.get(name)?.index ?? this.#links.size + 2;
    this.#links.set(name, { name, index, hasLink });
  }

  /** Takes an interface away, with all that is on it. */
  dropLink(name: string): void {
    const index = this.#links.get(name)?.index;
    this.#links.delete(name);
    this.#entries = this.#entries.filter((entry) => entry.index !== index);
  }

  links(): readonly Link[] {
    return [...this.#links.values()];
  }

  addresses(): readonly SetAddress[] {
    const nowMs = this.#clock.nowMs();
    for (const entry of this.#entries.filter(({ endMs }) => endMs <= nowMs)) this.#drop(entry);
    return this.#entries.map(({ endMs, ...placed }) => ({
      ...placed,
      ...endMs === Infinity ? {} : { lifeS: Math.floor((endMs - nowMs) / 1000) },
    }));
  }

  put(placed: Placed, lifeS: number): void {
    this.#begin("put", placed);
    if (![...this.#links.values()].some(({ index }) => index === placed.index)) {
      throw new CtdbxError("not_found", `Cannot set ${placed.address}: no such interface`);
    }
    const endMs = this.#clock.nowMs() + 1000 * lifeS;
    const known = this.#entries.find((entry) => isSame(entry, placed));
    if (known === undefined) this.#entries.push({ ...placed, endMs });
    else known.endMs = endMs;
  }

  remove(placed: Placed): boolean {
    this.#begin("remove", placed);
    const entry = this.#entries.find((one) => isSame(one, placed));
    if (entry === undefined) return false;
    this.#drop(entry);
    return true;
  }

  /** Somebody else sets an address, for ever. */
  add(placed: Placed): void {
    this.#entries.push({ ...placed, endMs: Infinity });
  }

  keepSecondaries(name: string): boolean {
    if (this.canKeepSecondaries) this.#keeping.add(name);
    return this.canKeepSecondaries;
  }

  requireRights(): void {
    if (!this.isRoot) throw new CtdbxError("denied", "Cannot change addresses: no rights");
  }

  close(): void {}

  #begin(what: "put" | "remove", placed: Placed): void {
    this.requireRights();
    this.addresses();
    this.onChange(what, placed);
  }

  #drop(entry: Entry): void {
    const first = this.#entries.find((one) => isSameNetwork(one, entry));
    this.#entries = this.#entries.filter((one) => one !== entry);
    const name = this.links().find(({ index }) => index === entry.index)?.name ?? "";
    if (first !== entry || familyOf(entry.address) === 6 || this.#keeping.has(name)) return;
    this.#entries = this.#entries.filter((one) => !isSameNetwork(one, entry));
  }
}

function isSame(one: Placed, other: Placed): boolean {
  return one.address === other.address && one.index === other.index && one.bits === other.bits;
}

function isSameNetwork(one: Placed, other: Placed): boolean {
  if (one.index !== other.index || one.bits !== other.bits) return false;
  if (familyOf(one.address) !== familyOf(other.address)) return false;
  const width = familyOf(one.address) === 4 ? 32 : 128;
  const number = ({ address }: Placed): bigint =>
    keyOfAddress(address).reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const shift = BigInt(width - one.bits);
  return number(one) >> shift === number(other) >> shift;
}
