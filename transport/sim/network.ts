/**
 * The Bus port on a simulated network: any number of nodes, and everything that can go wrong between them.
 *
 *   publish -> each subscriber: blocked one way? lost? -> delay -> in order of the sender -> doubled? -> handler
 *   cut     the node notices, is disconnected, and hears nothing until it is connected again
 *   hang    nothing passes; after 2-3 s without pings it notices, and comes back by itself when it may
 *   pause   messages wait with the node; after 10-15 s the server has given it up, and what waited is gone
 *
 * Dice decide, in the order of events: the same seed gives the same run.
 *
 * Does NOT promise: a model of congestion, or of a server's memory: what is not lost arrives.
 */
import { takes } from "../bus_checks.ts";
import type { BusMessage, Dice } from "../world.ts";
import type { SimBus } from "./bus.ts";
import type { SimTime } from "./clock.ts";

/** What the network does to messages. Chances are in 10 000. */
export interface NetworkFaults {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly loss: number;
  readonly double: number;
  /** A message overtakes earlier ones of its sender; real servers do not do that. */
  readonly reorder: number;
}

/** A network without faults. */
export const SOUND: NetworkFaults = {
  delayMinMs: 0.05,
  delayMaxMs: 0.5,
  loss: 0,
  double: 0,
  reorder: 0,
};

/** A reordered message is held back for so long at most, ms. */
const HELD_BACK_MS = 50;
const CHANCES = 10_000;

/** One way between two buses. */
interface Link {
  isBlocked: boolean;
  /** The last message of the sender arrives then; no later one before. */
  lastMs: number;
}

/** Buses and the links between them. */
export class SimNetwork {
  readonly time: SimTime;
  readonly dice: Dice;
  faults: NetworkFaults;
  readonly #buses: SimBus[] = [];
  readonly #links = new Map<string, Link>();
  #inboxes = 0;

  constructor(time: SimTime, dice: Dice, faults: NetworkFaults = SOUND) {
    this.time = time;
    this.dice = dice;
    this.faults = faults;
  }

  /** A subject that nobody else has. */
  newInbox(): string {
    this.#inboxes += 1;
    return `_INBOX.sim.${this.#inboxes}`;
  }

  join(bus: SimBus): void {
    this.#buses.push(bus);
  }

  leave(bus: SimBus): void {
    const at = this.#buses.indexOf(bus);
    if (at >= 0) this.#buses.splice(at, 1);
  }

  /** Nothing passes from one node to the other from now on, in this direction only. */
  block(from: string, to: string): void {
    this.#link(from, to).isBlocked = true;
  }

  /** It passes again. */
  unblock(from: string, to: string): void {
    this.#link(from, to).isBlocked = false;
  }

  /** Nodes of different groups do not hear each other; those in no group are as they were. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const from of group) {
        for (const others of groups) {
          for (const to of others) this.#link(from, to).isBlocked = others !== group;
        }
      }
    }
  }

  /** Every link is open. */
  healLinks(): void {
    for (const link of this.#links.values()) link.isBlocked = false;
  }

  /** Time of one way, ms. */
  drawDelay(): number {
    const { delayMinMs, delayMaxMs } = this.faults;
    return delayMinMs + (delayMaxMs - delayMinMs) * this.dice.below(1 << 20) / (1 << 20);
  }

  /** Sends to all that listen. Answers whether the server knows of any. */
  send(from: SimBus, message: BusMessage): boolean {
    let isHeard = false;
    for (const to of [...this.#buses]) {
      if (!to.isReachable || !to.patterns.some((pattern) => takes(pattern, message.subject))) {
        continue;
      }
      isHeard = true;
      this.#carry(from, to, message);
    }
    return isHeard;
  }

  #carry(from: SimBus, to: SimBus, message: BusMessage): void {
    const link = this.#link(from.name, to.name);
    const { loss, double, reorder } = this.faults;
    if (link.isBlocked || this.dice.chance(loss, CHANCES)) return;
    const copies = this.dice.chance(double, CHANCES) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      let atMs = this.time.nowMs + this.drawDelay();
      if (this.dice.chance(reorder, CHANCES)) atMs += this.dice.below(HELD_BACK_MS);
      else {
        atMs = Math.max(atMs, link.lastMs);
        link.lastMs = atMs;
      }
      const connection = to.connection;
      // Each has bytes of its own, as if they had come over a wire.
      const arrived = { ...message, payload: new Uint8Array(message.payload) };
      this.time.after(atMs - this.time.nowMs, () => to.arrive(connection, arrived));
    }
  }

  #link(from: string, to: string): Link {
    const name = `${from} ${to}`;
    const link = this.#links.get(name) ?? { isBlocked: false, lastMs: 0 };
    this.#links.set(name, link);
    return link;
  }
}
