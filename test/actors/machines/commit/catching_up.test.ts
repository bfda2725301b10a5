/**
 * Copies and followers that need entries which are on the disk only: one read of the disk at a time, and each of them
 * has its turn.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { placeAfter } from "../../../../actors/machines/commit/log.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import { chainOf, config, LINEAGE, Rig } from "./rig.ts";

const test = suite("entries from the disk");
const OLD = chainOf(Array.from({ length: 600 }, () => ({ kind: "start" }) as const));
/** Entries that the disk gives at once. */
const STEP = 8;

/** A primary alone, whose log is on its disk only. */
function alone(): Rig {
  const rig = new Rig(COMMIT_RULES, { applied: placeAfter(OLD.at(-1) as Entry), highTerm: 4n });
  rig.decree(config({ isr: [{ pnn: 0 as Pnn, id: "d0" }], m: 1, replicas: [0, 1, 2] as Pnn[] }));
  assert.is(rig.machine.status, "serving");
  return rig;
}

/** A copy that answers at once, or a follower that does; both have the entries up to some place. */
class Laggard {
  readonly pnn: number;
  at: number;
  readonly #rig: Rig;
  readonly #isCopy: boolean;

  constructor(rig: Rig, pnn: number, at: number, isCopy: boolean) {
    this.#rig = rig;
    this.pnn = pnn;
    this.at = at;
    this.#isCopy = isCopy;
  }

  /** Takes what it was sent; says where it is. */
  answer(): void {
    for (const { to, message } of this.#rig.sent) {
      if (to !== this.pnn || (message.kind !== "append" && message.kind !== "ship")) continue;
      if (Number(message.prevSeq) !== this.at) continue;
      this.at += message.entries.length;
    }
    this.tell();
  }

  tell(): void {
    const seq = BigInt(this.at);
    if (this.#isCopy) return this.#rig.ack(this.pnn, seq);
    const { chain } = placeAfter(OLD[this.at - 1] as Entry);
    const lineage = LINEAGE;
    this.#rig.hear(this.pnn, { kind: "shipped", lineage, seq, chain, applied: seq });
  }

  hint(): void {
    this.#rig.ack(this.pnn, BigInt(this.at), { outcome: "hint" });
  }
}

test("One read at a time, and no more reads than entries need; all come up to the end, none waits for another", () => {
  const rig = alone();
  const copies = [new Laggard(rig, 1, 10, true), new Laggard(rig, 2, 200, true)];
  const followers = [new Laggard(rig, 3, 30, false), new Laggard(rig, 4, 400, false)];
  const all = [...copies, ...followers];
  for (const one of copies) one.hint();
  for (const one of followers) one.tell();
  const { epoch, log } = rig.machine.state.replica;
  const reads: { readonly from: number; readonly ats: readonly number[] }[] = [];
  const isBehind = ({ at }: Laggard) => at < Number(log.base.seq);
  for (let done = 0; all.some(isBehind); done++) {
    const asked = rig.effects.flatMap((effect) => effect.kind === "fetch" ? [effect.from] : []);
    assert.is(asked.length, done + 1, "one at a time, until all are there");
    const from = asked[done] as bigint;
    const entries = OLD.slice(Number(from) - 1, Number(from) - 1 + STEP);
    rig.sent = [];
    rig.tell({ kind: "fetched", epoch, from, entries });
    for (const one of all.filter(isBehind)) one.answer();
    reads.push({ from: Number(from), ats: all.map(({ at }) => at) });
    assert.ok(done < 400, `${done} reads`);
  }
  // In each eight reads everybody who was behind came on.
  for (let at = 8; at < reads.length; at++) {
    const [before, now] = [reads[at - 8]?.ats ?? [], reads[at]?.ats ?? []];
    for (const [which, place] of before.entries()) {
      if (place >= OLD.length) continue;
      assert.ok((now[which] ?? 0) > place, `${all[which]?.pnn} stood at ${place} for 8 reads`);
    }
  }
  assert.is(rig.breach, undefined);
});

test.run();
