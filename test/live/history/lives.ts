/**
 * When the lives of nodes ended, as their state pages show it: a page is looked at again and again, and a new
 * incarnation in it says that the life before is over.
 *
 *   page: life 7, lease runs ... last seen valid | ... | first seen: life 8       the life ended somewhere in between
 *
 * Does NOT promise: to see a page that nobody wrote; a node that stays dead is told with `died`.
 */

import { RealClock } from "../../../transport/real_clock.ts";
import type { DevCluster } from "../dev_rig.ts";
import type { LifeEnd } from "./history.ts";

const EVERY_MS = 20;

interface Seen {
  incarnation: bigint;
  validMs: number;
}

/** Looks at the pages of a cluster. */
export class Lives {
  readonly ends: LifeEnd[] = [];
  readonly #dev: DevCluster;
  readonly #clock = new RealClock();
  readonly #seen = new Map<number, Seen>();
  readonly #planned = new Set<number>();
  #cancel: () => void = () => {};

  constructor(dev: DevCluster) {
    this.#dev = dev;
    this.#look();
  }

  stop(): void {
    this.#cancel();
    this.#lookOnce();
  }

  /** The lives of a node that end from now on do so in order, or not. */
  isPlanned(node: number, is: boolean): void {
    if (is) this.#planned.add(node);
    else this.#planned.delete(node);
  }

  /** A node that was killed, and has not come back: its life ended now at the latest. */
  died(node: number): void {
    const seen = this.#seen.get(node);
    if (seen === undefined) return;
    this.ends.push({ node, fromMs: seen.validMs, toMs: this.#clock.nowMs() });
    this.#seen.delete(node);
  }

  #look(): void {
    this.#lookOnce();
    this.#cancel = this.#clock.after(EVERY_MS, () => this.#look());
  }

  #lookOnce(): void {
    for (let node = 0; node < this.#dev.nodes; node++) {
      const nowMs = this.#clock.nowMs();
      const moment = this.#dev.moment(node);
      if (moment === undefined) continue;
      const { incarnation, leftMs } = moment;
      const seen = this.#seen.get(node);
      if (seen === undefined || seen.incarnation !== incarnation) {
        const isEnd = seen !== undefined && !this.#planned.has(node);
        if (isEnd) this.ends.push({ node, fromMs: seen.validMs, toMs: nowMs });
        this.#seen.set(node, { incarnation, validMs: nowMs });
      } else if (leftMs > 0) seen.validMs = nowMs;
    }
  }
}
