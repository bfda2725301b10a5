/**
 * The backend that sets real addresses: `iproute2` in the configuration, since it does what `ip addr` does.
 *
 *   take, keep ──▶ life = rest of the lease, in whole seconds ──▶ kernel ──▶ clock: too late? shorter, or removed
 *   release ──▶ effects.releasing, RELEASING_MS at most ──▶ kernel ──▶ done
 *   look ──▶ links: away from an interface without ──▶ what stands where it should not is removed ──▶ seen
 *
 * Every change is done when the call returns, so operations keep their order without a queue. The window that is left:
 * a process that is stopped within such a call, while the kernel lets it wait for its turn, and that stays stopped. The
 * address lives longer then by what the call has waited.
 *
 * Event scripts hear of an address when it is set and when it is gone, and are not waited for. One that fails at a
 * takeip makes the node not offer the address for a while: it goes elsewhere.
 *
 * Does NOT promise: anything while the machine sleeps: the lives of a kernel stand still then.
 */
import type { Interfaces, Link, Placed } from "../../transport/interfaces.ts";
import type { IpAddress } from "../../transport/wire/address.ts";
import type { Clock, Log } from "../../transport/world.ts";
import type { AddressEvent } from "../machines/addresses/takeover/events.ts";
import { type AddressEffects, RELEASING_MS, type SetHere } from "./address_effects.ts";
import type { AddressBackend, KernelOp } from "./backend.ts";
import { type AddressScripts, ScriptCalls } from "./address_scripts.ts";
import { type Here, NEARLY_OVER, Placing } from "./placing.ts";
import type { PublicAddress } from "./public_addresses.ts";
import { requireInterfaces } from "./settable.ts";

const SECOND_MS = 1000;
/** A list that could not be read is read again so much later, ms. */
const AGAIN_MS = 500;

/** What it needs. */
export interface KernelParts {
  readonly interfaces: Interfaces;
  readonly clock: Clock;
  readonly log: Log;
  readonly effects: AddressEffects;
  /** Told of addresses; absent: there are no scripts. */
  readonly scripts?: AddressScripts;
  /** Has somebody said of this interface that it is not to be used? */
  readonly isDown: (name: string) => boolean;
  /** What former lives may have set, beside the list. */
  readonly former: readonly IpAddress[];
}

/** A release whose time has come. */
interface Drop {
  readonly id: number;
  readonly address: IpAddress;
  readonly onEnd: (event: AddressEvent) => void;
}

/** Real addresses of this machine. */
export class KernelBackend implements AddressBackend {
  readonly name = "iproute2";
  readonly #parts: KernelParts;
  readonly #placing: Placing;
  readonly #calls: ScriptCalls;
  #list: ReadonlyMap<IpAddress, PublicAddress> = new Map();
  /** What former lives may have left. */
  #former: Set<IpAddress>;
  readonly #drops: Drop[] = [];
  /** Ends of lists that are read again. */
  readonly #again = new Set<() => void>();
  /** Why addresses could not be kept, since they last could. */
  readonly #unkept = new Set<string>();
  /** Interfaces that had a link at the last look. */
  #linked: ReadonlySet<string> = new Set();

  constructor(parts: KernelParts) {
    this.#parts = parts;
    this.#placing = new Placing(parts);
    this.#calls = new ScriptCalls(parts);
    this.#former = new Set(parts.former);
  }

  requireInterfaces(list: readonly PublicAddress[]): void {
    requireInterfaces(this.#parts.interfaces, list);
  }

  setList(list: readonly PublicAddress[]): void {
    this.#list = new Map(list.map((line) => [line.address, line]));
  }

  hasLink(name: string): boolean {
    return this.#placing.linkOf(name)?.hasLink === true;
  }

  canHost(address: IpAddress): boolean {
    return this.#calls.isWilling(address);
  }

  interfaceOf(address: IpAddress): string | undefined {
    const own = this.#placing.here.get(address);
    return own !== undefined && this.#isAlive(own) ? own.iface : undefined;
  }

  addresses(): readonly IpAddress[] {
    return [...new Set([...this.#placing.here.keys(), ...this.#former])];
  }

  again(): void {
    const held = this.#held();
    if (held.length > 0) this.#parts.effects.again(held);
  }

  /** Scripts have been told of all that has happened, or have failed. */
  settled(): Promise<void> {
    return this.#calls.settled();
  }

  clear(): void {
    for (const cancel of this.#again) cancel();
    this.#again.clear();
    // The last first: when the first one of a network goes the kernel has to do with all others.
    for (const address of [...this.#placing.here.keys()].reverse()) {
      try {
        this.#placing.remove(address);
      } catch (error) {
        this.#parts.log.write("error", `Address ${address} is left to its life`, { error });
      }
    }
    this.#parts.effects.stop();
  }

  run(op: KernelOp, onEnd: (event: AddressEvent) => void): void {
    this.#do(op, onEnd);
    this.#placing.mend();
  }

  #do(op: KernelOp, onEnd: (event: AddressEvent) => void): void {
    switch (op.kind) {
      case "sweep":
        return this.#listing(op.id, onEnd, () => this.#sweep());
      case "look":
        return this.#listing(op.id, onEnd, () => this.#look());
      case "keep":
        return this.#keep(op.addresses, op.untilMs);
      case "take": {
        const why = this.#take(op.address, op.untilMs);
        const { id } = op;
        return onEnd(
          why === undefined
            ? { kind: "done", id, isOk: true }
            : { kind: "done", id, isOk: false, why },
        );
      }
      case "release":
        return this.#release(op.id, op.address, onEnd);
    }
  }

  /** A process that stood still may not know yet that the kernel has dropped an address, and another has it. */
  #isAlive({ untilMs }: Here): boolean {
    return untilMs > this.#parts.clock.nowMs();
  }

  #held(): SetHere[] {
    return [...this.#placing.here.values()].filter((own) => this.#isAlive(own))
      .map(({ address, iface }) => ({ address, iface }));
  }

  #isOurs(address: IpAddress): boolean {
    return this.#list.has(address) || this.#placing.here.has(address) || this.#former.has(address);
  }

  /** Answers with what `see` sees; when that cannot be had, later. */
  #listing(id: number, onEnd: (event: AddressEvent) => void, see: () => IpAddress[]): void {
    let addresses: IpAddress[];
    try {
      addresses = see();
      this.#placing.mend();
    } catch (error) {
      const { clock, log } = this.#parts;
      log.write("error", "The addresses of this machine cannot be read; it is tried again", {
        error,
      });
      const cancel = clock.after(AGAIN_MS, () => {
        this.#again.delete(cancel);
        this.#listing(id, onEnd, see);
      });
      this.#again.add(cancel);
      return;
    }
    onEnd({ kind: "seen", id, addresses });
  }

  /** Removes all that former lives have set, whatever its mask and interface; answers with what is left. */
  #sweep(): IpAddress[] {
    const { interfaces, log } = this.#parts;
    for (const placed of interfaces.addresses().toReversed()) {
      const { address, bits, index, lifeS } = placed;
      if (!this.#isOurs(address)) continue;
      // Who has set an own address of the machine that is in the list by mistake shall find out where it went.
      const names = [...this.#placing.links()].filter((link) => link.index === index);
      const whose = lifeS === undefined
        ? "it has no end, so somebody else has set it"
        : "a former life has set it";
      const where = names[0]?.name ?? `interface ${index}`;
      log.write("warning", `Address ${address}/${bits} is removed from ${where}: ${whose}`);
      this.#placing.removeStray(placed);
    }
    const left = interfaces.addresses().map(({ address }) => address)
      .filter((address) => this.#isOurs(address));
    this.#former = new Set(left);
    if (left.length > 0) log.write("error", `Addresses cannot be removed: ${left.join(", ")}`);
    return [...new Set(left)];
  }

  /** Compares with the kernel, mends what can be mended without the machine, and answers with what is there. */
  #look(): IpAddress[] {
    const { interfaces, clock } = this.#parts;
    this.#moveToLinks();
    const { here } = this.#placing;
    const nowMs = clock.nowMs();
    const seen = new Set<IpAddress>();
    for (const placed of interfaces.addresses()) {
      const { address } = placed;
      const own = here.get(address);
      if (own === undefined) {
        if (this.#isOurs(address)) seen.add(address);
      } else if (isSamePlace(own, placed)) {
        seen.add(address);
        // Somebody has set it for longer than it may be.
        const endMs = nowMs + SECOND_MS * (placed.lifeS ?? Infinity);
        if (endMs > own.untilMs + SECOND_MS) this.#placing.put(own, own.untilMs);
      } else this.#placing.removeStray(placed);
    }
    for (const address of [...here.keys()]) {
      if (!seen.has(address)) this.#placing.forget(address);
    }
    return [...seen];
  }

  /** Does it stand as the list says? One that is not in it any more is to be released, and stays until then. */
  #isAsListed({ address, bits, iface }: Here): boolean {
    const line = this.#list.get(address);
    return line === undefined || (line.bits === bits && line.interfaces.includes(iface));
  }

  /** It goes where it can be reached, and as the list says. */
  #replace(own: Here, isUsable: boolean): void {
    const { effects, log } = this.#parts;
    const placing = this.#placing;
    const { address, iface, untilMs } = own;
    const bits = this.#list.get(address)?.bits ?? own.bits;
    const link = this.#linkFor(address);
    if (link === undefined || (link.name === iface && bits === own.bits)) return;
    // On one interface IPv6 has an address only once, whatever its mask.
    if (link.name === iface) placing.removeStray(own);
    const why = placing.put({ address, bits, index: link.index, iface: link.name }, untilMs);
    // One that is gone by that is missed by this look, and taken again.
    if (why !== undefined) return;
    if (link.name !== iface) placing.removeStray(own);
    const reason = isUsable ? "which the list does not say any more" : "which has no link";
    log.write(
      "warning",
      `Address ${address}/${own.bits} goes from ${iface}, ${reason}, to ${link.name}, /${bits}`,
    );
    effects.taken(address, link.name);
    this.#calls.moved(iface, link.name, address, bits);
  }

  /** An address on an interface without a link goes to one that has one. One whose link is back is told anew. */
  #moveToLinks(): void {
    const { effects } = this.#parts;
    const placing = this.#placing;
    placing.forgetLinks();
    const linked = new Set<string>();
    const isBack = new Set<string>();
    for (const { name, hasLink } of placing.links()) {
      if (!hasLink) continue;
      linked.add(name);
      if (this.#linked.size > 0 && !this.#linked.has(name)) isBack.add(name);
    }
    this.#linked = linked;
    const back: SetHere[] = [];
    for (const own of [...placing.here.values()]) {
      const { address, iface } = own;
      const isUsable = linked.has(iface) && !this.#parts.isDown(iface);
      if (!isUsable || !this.#isAsListed(own)) this.#replace(own, isUsable);
      else if (isBack.has(iface)) back.push({ address, iface });
    }
    if (back.length > 0) effects.again(back);
    // Before a list is read in which those that the kernel dropped would be missing.
    placing.mend();
  }

  /** Of the interfaces of an address that have a link the one with the fewest addresses, the first of equals. */
  #linkFor(address: IpAddress): Link | undefined {
    const placing = this.#placing;
    let best: Link | undefined;
    for (const name of this.#list.get(address)?.interfaces ?? []) {
      const link = placing.linkOf(name);
      if (link?.hasLink !== true || this.#parts.isDown(name)) continue;
      if (best === undefined || placing.countOn(name) < placing.countOn(best.name)) best = link;
    }
    return best;
  }

  /** Undefined: it is set; else why not. */
  #take(address: IpAddress, untilMs: number): string | undefined {
    const line = this.#list.get(address);
    if (line === undefined) return "it is not in this node's list";
    const link = this.#linkFor(address);
    if (link === undefined) {
      return `none of its interfaces has a link: ${line.interfaces.join(", ")}`;
    }
    const { index, name: iface } = link;
    const why = this.#placing.put({ address, bits: line.bits, index, iface }, untilMs);
    if (why !== undefined) return why;
    this.#parts.effects.taken(address, iface);
    this.#calls.taken(iface, address, line.bits);
    return undefined;
  }

  #keep(addresses: readonly IpAddress[], untilMs: number): void {
    const { here } = this.#placing;
    let trouble: string | undefined;
    for (const address of addresses) {
      const own = here.get(address);
      // One that is gone is found by the next look.
      const why = own === undefined ? undefined : this.#placing.put(own, untilMs);
      if (why !== NEARLY_OVER) trouble ??= why;
    }
    if (trouble === undefined) return this.#unkept.clear();
    if (this.#unkept.has(trouble)) return;
    this.#unkept.add(trouble);
    this.#parts.log.write("error", `Addresses do not get the life of the new lease: ${trouble}`);
  }

  #release(id: number, address: IpAddress, onEnd: (event: AddressEvent) => void): void {
    const { clock, effects } = this.#parts;
    const own = this.#placing.here.get(address);
    const restMs = (own?.untilMs ?? 0) - clock.nowMs();
    // When its time is over nothing is waited for.
    if (own === undefined || restMs <= 0) return this.#drop(id, address, onEnd);
    let isOver = false;
    const go = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#dropSoon({ id, address, onEnd });
    };
    const cancel = clock.after(Math.min(RELEASING_MS, restMs), go);
    effects.releasing(address, own.iface).then(go, go);
  }

  /** Those that are ready at the same moment go in one turn, the last that was set first: see `clear`. */
  #dropSoon(drop: Drop): void {
    this.#drops.push(drop);
    if (this.#drops.length > 1) return;
    queueMicrotask(() => {
      const drops = this.#drops.splice(0);
      const order = new Map([...this.#placing.here.keys()].map((address, at) => [address, at]));
      const at = ({ address }: Drop): number => order.get(address) ?? -1;
      for (const { id, address, onEnd } of drops.sort((one, other) => at(other) - at(one))) {
        this.#drop(id, address, onEnd);
      }
      this.#placing.mend();
    });
  }

  #drop(id: number, address: IpAddress, onEnd: (event: AddressEvent) => void): void {
    const own = this.#placing.here.get(address);
    try {
      this.#placing.remove(address);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return onEnd({ kind: "done", id, isOk: false, why });
    }
    this.#former.delete(address);
    if (own !== undefined) {
      this.#parts.effects.released(address);
      this.#calls.released(own.iface, address, own.bits);
    }
    onEnd({ kind: "done", id, isOk: true });
  }
}

function isSamePlace(one: Placed, other: Placed): boolean {
  return one.index === other.index && one.bits === other.bits;
}
