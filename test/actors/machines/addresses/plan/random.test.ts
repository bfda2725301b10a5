/**
 * Random cases: the planners, the straightforward implementation, the twin of the kernels, and stock CTDB's own
 * program must agree on every address.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kernels } from "../../../../../assembly/host/kernels.ts";
import { threadMemory } from "../../../../../assembly/host/memory.ts";
import { planAddresses } from "../../../../../actors/machines/addresses/plan/plan_addresses.ts";
import type { Plan } from "../../../../../actors/machines/addresses/plan/plan.ts";
import { SeededDice } from "../../../../../transport/sim/dice.ts";
import { Lcp2Twin } from "../../../../bench/twins/lcp2.ts";
import { limit, shareOf, skip } from "../../../../limit.ts";
import { missingTakeoverHelper, TakeoverPeer } from "../../../../peer/ctdb_takeover.ts";
import { inputOf, randomCase } from "./cases.ts";
import { peerPlanOf } from "./peer_plan.ts";
import { plainDistance, planPlainly } from "./plainly.ts";

const test = suite("machines/addresses/plan, random");

/** Cases that are compared in all. */
const CASES = 2000;
/** Cases that stock CTDB is asked for, as far as it knows what they are about. */
const PEER_CASES = 40;

/** Owners in the order of the list; -1: nobody. */
function owners({ addresses }: Plan): number[] {
  return addresses.map(({ to }) => to ?? -1);
}

test("plans are those of the straightforward implementation", () => {
  const kinds = { home: 0, unable: 0, placed: 0, moved: 0 };
  for (const seed of shareOf(1, CASES)) {
    const { plain, input } = randomCase(seed);
    const plan = planAddresses(input);
    const wanted = planPlainly(plain).map(({ owner }) => owner);
    assert.equal(owners(plan), wanted, `seed ${seed}, ${plain.algorithm}`);
    for (const { kind } of plan.steps) kinds[kind] += 1;
  }
  // Otherwise the cases would show little.
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > 300, `${kind} ${count}`);
});

test("steps lead from the owners before to those after, one address at a time", () => {
  for (const seed of shareOf(1, 500)) {
    const { input } = randomCase(seed);
    const { addresses, steps } = planAddresses(input);
    const owner = new Map(addresses.map(({ address, from }) => [address, from]));
    for (const { address, from, to } of steps) {
      assert.is(owner.get(address), from, `seed ${seed}`);
      assert.is.not(from, to);
      owner.set(address, to);
    }
    assert.equal([...owner.values()], addresses.map(({ to }) => to), `seed ${seed}`);
  }
});

test("the twin of the kernels makes the same steps, of larger cases, too", () => {
  for (const seed of shareOf(1, 80)) {
    const { plain } = randomCase(seed, { nodes: 40, addresses: 250 });
    const input = inputOf({ ...plain, algorithm: "lcp2" });
    const twin = planAddresses(input, (keys, nodes) => new Lcp2Twin(keys, nodes));
    assert.equal(planAddresses(input), twin, `seed ${seed}`);
  }
});

test("a plan gives its memory back, also one that failed", () => {
  const { regions } = threadMemory();
  const before = regions.free().bytes;
  const { plain } = randomCase(2);
  const input = inputOf({ ...plain, algorithm: "lcp2", noTakeover: false });
  let closed = 0;
  const broken = (keys: Uint32Array, nodes: number): Lcp2Twin =>
    new class extends Lcp2Twin {
      override rank(): void {
        throw new Error("planted");
      }
      override close(): void {
        closed += 1;
      }
    }(keys, nodes);
  assert.throws(() => planAddresses(input, broken), /planted/);
  assert.is(closed, 1);
  planAddresses(input);
  assert.is(regions.free().bytes, before);
});

test("the distance of the kernel counts every word, behind one that differs, too", () => {
  const { regions, words } = threadMemory();
  const at = regions.take(32) as number;
  try {
    const distance = (one: readonly number[], other: readonly number[]): number => {
      words.set(one, at / 4);
      words.set(other, at / 4 + 4);
      return kernels().lcp2Distance(at, at + 16);
    };
    assert.is(distance([0, 0, 0, 1], [0, 0, 0, 1]), 128);
    assert.is(distance([0, 0, 0, 1], [0, 0, 0, 0]), 127);
    assert.is(distance([1, 2, 3, 4], [0x80000001, 2, 3, 4]), 96);
    assert.is(distance([1, 2, 3, 4], [0x80000001, 2, 0x80000003, 5]), 32 + 31);
    const dice = new SeededDice(3);
    for (let turn = 0; turn < 5000; turn++) {
      const one = [dice.u32(), dice.u32(), dice.u32(), dice.u32()];
      const other = one.map((word) => (word ^ (dice.u32() >>> dice.below(32))) >>> 0);
      assert.is(distance(one, other), plainDistance(one, other), `${one} ${other}`);
    }
  } finally {
    regions.give(at, 32);
  }
});

// A process for each case: on a busy machine their starts take a while.
const askPeer = limit(300_000, async () => {
  const missing = missingTakeoverHelper();
  if (missing !== undefined) skip(missing);
  const peer = new TakeoverPeer();
  await peer.open();
  try {
    let asked = 0;
    for (let seed = 1; seed <= PEER_CASES; seed++) {
      const both = await peerPlanOf(peer, randomCase(seed));
      if (both === undefined) continue;
      asked += 1;
      assert.equal(both.ours, both.theirs, `seed ${seed}`);
    }
    assert.ok(asked > PEER_CASES / 2, `${asked} cases`);
  } finally {
    await peer.close();
  }
});
test.either("stock CTDB allocates the same", askPeer);

test.run();
