/**
 * Since when nodes are known to be out of the view: a leader need not wait for one that has been out for long.
 *
 *   a document without a life ─▶ out since now, unless that life was out before: then since then
 *
 * A node that comes in again has a higher life in `maxInc`, which survives removal; so a return that this node did not
 * hear of begins the time anew.
 *
 * Does NOT promise: the true time; it is known late, never early.
 */
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { lifeOf } from "../../cluster/document.ts";
import type { AddressRules } from "./rules.ts";

interface Out {
  readonly life: Incarnation;
  readonly sinceMs: number;
}

/** Who is out, and since when. */
export class Absence {
  readonly #rules: AddressRules;
  #out = new Map<Pnn, Out>();

  constructor(rules: AddressRules) {
    this.#rules = rules;
  }

  /** A document is in force. */
  onAdopted({ view }: Document, nowMs: number): void {
    const out = new Map<Pnn, Out>();
    for (const { pnn, incarnation: life } of view.maxInc) {
      if (lifeOf(view.members, pnn) !== undefined) continue;
      const known = this.#out.get(pnn);
      const isSame = known !== undefined && this.#rules.isSameAbsence(known.life, life);
      out.set(pnn, isSame ? known : { life, sinceMs: nowMs });
    }
    this.#out = out;
  }

  /** Since when a node is out, by the own clock; Infinity: it is not, or nothing is known. */
  sinceMs(pnn: Pnn): number {
    return this.#out.get(pnn)?.sinceMs ?? Infinity;
  }
}
