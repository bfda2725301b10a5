/** The three plans: the sample of stock CTDB, each switch, and where equals are decided. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Algorithm,
  ALGORITHMS,
  type Plan,
  PLAN_ADDRESSES_MAX,
  type PlanInput,
} from "../../../../../actors/machines/addresses/plan/plan.ts";
import { planAddresses } from "../../../../../actors/machines/addresses/plan/plan_addresses.ts";
import { parseAddress } from "../../../../../transport/wire/address.ts";
import type { Pnn } from "../../../../../transport/wire/terms.ts";

const test = suite("machines/addresses/plan");

/** An address: its text, its owner (-1: nobody), who may host it (nothing: all). */
type Short = readonly [text: string, owner: number, able?: readonly number[]];

function input(
  algorithm: Algorithm,
  nodeCount: number,
  addresses: readonly Short[],
  more: Partial<PlanInput> = {},
): PlanInput {
  const all = Array.from({ length: nodeCount }, (_, pnn) => pnn);
  return {
    algorithm,
    nodeCount,
    addresses: addresses.map(([text, owner, able = all]) => ({
      address: parseAddress(text),
      owner: owner < 0 ? undefined : owner as Pnn,
      able: able as readonly Pnn[],
    })),
    ...more,
  };
}

/** Owners in the order of the list; -1: nobody. */
function owners({ addresses }: Plan): number[] {
  return addresses.map(({ to }) => to ?? -1);
}

function row(count: number, owner: number, able?: readonly number[], network = 1): Short[] {
  return Array.from({ length: count }, (_, at) => {
    const text = `10.0.${network}.${count - at}`;
    return able === undefined ? [text, owner] : [text, owner, able];
  });
}

test("the sample of stock CTDB comes out, by all three algorithms", () => {
  const text = readFileSync(
    new URL("../../../../vectors/ipalloc_sample.txt", import.meta.url),
    "utf8",
  );
  const names = { lcp2: "lcp2", det: "deterministic", nondet: "nondeterministic" } as const;
  const parts = text.split(/^== /m).slice(1);
  assert.is(parts.length, 3);
  for (const part of parts) {
    const [name = "", ...lines] = part.trimEnd().split("\n");
    const algorithm = names[name as keyof typeof names];
    const given = lines.map((line): Short => [line.split(" ")[0] as string, 0]);
    assert.is(given.length, 9, name);
    const plan = planAddresses(input(algorithm, 3, given.toReversed()));
    assert.equal(plan.addresses.map(({ address, to }) => `${address} ${to}`), lines, name);
  }
});

test("no address, no able node: there is a plan all the same", () => {
  for (const algorithm of ALGORITHMS) {
    assert.equal(planAddresses(input(algorithm, 3, [])), { addresses: [], steps: [] });
    const nobody = planAddresses(input(algorithm, 2, [["10.0.0.1", 1, []], ["10.0.0.2", -1, []]]));
    assert.equal(owners(nobody), [-1, -1], "all are down, nobody hosts");
    assert.equal(nobody.steps, [
      { kind: "unable", address: "10.0.0.1", from: 1, to: undefined },
    ], algorithm);
  }
});

test("an owner that may not host any more loses its addresses; the others stay", () => {
  const given: Short[] = [["10.0.0.4", 0], ["10.0.0.3", 1, [0, 2]], ["10.0.0.2", 2], [
    "10.0.0.1",
    0,
  ]];
  for (const algorithm of ["lcp2", "nondeterministic"] as const) {
    const { addresses, steps } = planAddresses(input(algorithm, 3, given));
    // LCP2: node 1 is a candidate now, and nobody is better off without one of its two.
    assert.is(addresses[1]?.to, 2, algorithm);
    assert.equal(steps.slice(0, 2).map(({ kind, from, to }) => [kind, from, to]), [
      ["unable", 1, undefined],
      ["placed", undefined, 2],
    ]);
  }
});

test("without takeover addresses stay where they are and able, and go nowhere else", () => {
  const given: Short[] = [["10.0.0.4", 0], ["10.0.0.3", 0, [1]], ["10.0.0.2", -1], ["10.0.0.1", 0]];
  for (const algorithm of ["lcp2", "nondeterministic"] as const) {
    const plan = planAddresses(input(algorithm, 2, given, { noTakeover: true }));
    assert.equal(owners(plan), [0, -1, -1, 0], algorithm);
  }
  // The deterministic plan begins with its homes all the same; what cannot go home goes nowhere.
  const plan = planAddresses(input("deterministic", 2, given, { noTakeover: true }));
  assert.equal(owners(plan), [0, 1, 0, 1]);
  const down = planAddresses(input("deterministic", 2, row(4, 0, [0]), { noTakeover: true }));
  assert.equal(owners(down), [0, -1, 0, -1]);
});

test("without failback free addresses are placed, and nothing moves for balance", () => {
  const given: Short[] = [...row(5, 0), ["10.0.2.1", -1]];
  for (const algorithm of ["lcp2", "nondeterministic"] as const) {
    const still = planAddresses(input(algorithm, 2, given, { noFailback: true }));
    assert.equal(owners(still), [1, 0, 0, 0, 0, 0], algorithm);
    const even = owners(planAddresses(input(algorithm, 2, given)));
    assert.is(even.filter((owner) => owner === 0).length, 3, algorithm);
  }
  const homes = planAddresses(input("deterministic", 2, given, { noFailback: true }));
  assert.equal(owners(homes), [0, 1, 0, 1, 0, 1], "the deterministic plan takes no notice");
});

test("LCP2 moves addresses only to nodes that had none, and to those that are forced", () => {
  const given: Short[] = [...row(6, 0), ["10.0.2.1", 1], ["10.0.2.2", 2]];
  const still = planAddresses(input("lcp2", 3, given));
  assert.equal(still.steps, []);
  const forced = planAddresses(input("lcp2", 3, given, { forced: [2, 7] as unknown as Pnn[] }));
  const moved = forced.steps.map(({ kind, to }) => `${kind} ${to}`);
  assert.ok(moved.length >= 2, "some move");
  assert.ok(moved.every((step) => step === "moved 2"), "only to node 2");
  const down: Short[] = [...row(6, 0), ["10.0.2.1", 1, [2]], ["10.0.2.2", 2]];
  const { steps } = planAddresses(input("lcp2", 3, down));
  assert.ok(
    steps.some(({ kind, to }) => kind === "moved" && to === 1),
    "a node that has lost all its addresses in this plan is one that had none",
  );
});

test("LCP2 spreads each network over the nodes", () => {
  const given = [
    ...row(4, -1, undefined, 1),
    ...row(4, -1, undefined, 2),
    ...row(4, -1, undefined, 3),
  ];
  const { addresses } = planAddresses(input("lcp2", 4, given));
  for (const network of ["10.0.1.", "10.0.2.", "10.0.3."]) {
    const nodes = addresses.filter(({ address }) => address.startsWith(network)).map(({ to }) =>
      to
    );
    assert.is(new Set(nodes).size, 4, network);
  }
});

test("of equal costs the first address and the lowest node win", () => {
  const { steps } = planAddresses(input("lcp2", 3, [["10.0.0.1", -1], ["10.0.0.2", -1, [1, 2]]]));
  assert.equal(steps, [
    { kind: "placed", address: "10.0.0.2", from: undefined, to: 1, cost: 0 },
    { kind: "placed", address: "10.0.0.1", from: undefined, to: 0, cost: 0 },
  ]);
  const placed = planAddresses(input("nondeterministic", 3, [["10.0.0.1", -1, [2, 1]]]));
  assert.equal(owners(placed), [1]);
});

test("nodes of equal imbalance give in the order of their numbers", () => {
  // 0 and 1 have equal pairs, 2 has nothing: its address comes from 0.
  const pairs: Short[] = [["10.1.0.2", 0], ["10.1.0.1", 0], ["10.2.0.2", 1], ["10.2.0.1", 1]];
  const { steps } = planAddresses(input("lcp2", 3, pairs));
  assert.equal(steps.map(({ from, to }) => [from, to]), [[0, 2], [1, 2]]);
});

test("the deterministic plan sends addresses home, by place in the list or by a file", () => {
  const given: Short[] = [["10.0.0.1", 0], ["10.0.0.5", 2], ["10.0.0.4", -1], ["10.0.0.3", 1, [
    0,
    2,
  ]]];
  const by = planAddresses(input("deterministic", 3, given));
  assert.equal(by.addresses.map(({ address }) => address), [
    "10.0.0.5",
    "10.0.0.4",
    "10.0.0.3",
    "10.0.0.1",
  ]);
  assert.equal(owners(by), [0, 1, 2, 0]);
  const homes = new Map([
    [parseAddress("10.0.0.5"), 1 as Pnn],
    [parseAddress("10.0.0.3"), 1 as Pnn],
    [parseAddress("10.0.0.1"), 9 as Pnn],
    [parseAddress("10.9.9.9"), 0 as Pnn],
  ]);
  const filed = planAddresses(input("deterministic", 3, given, { homes }));
  // .5 and .4 go home, the latter by its place; .3 cannot, and the home of .1 is no node: the emptiest, the lowest.
  assert.equal(owners(filed), [1, 1, 0, 2]);
  assert.equal(filed.steps.map(({ kind, address }) => `${kind} ${address}`), [
    "home 10.0.0.5",
    "home 10.0.0.4",
    "unable 10.0.0.3",
    "unable 10.0.0.1",
    "placed 10.0.0.3",
    "placed 10.0.0.1",
  ]);
});

test("two homes in a file leave the other addresses where they would be without it", () => {
  const nine = [
    ...[254, 253, 252].map((last) => `192.168.21.${last}`),
    ...[254, 253, 252, 251, 250, 249].map((last) => `192.168.20.${last}`),
  ];
  const given = nine.map((text): Short => [text, 1]);
  const homes = new Map([
    [parseAddress("192.168.21.254"), 2 as Pnn],
    [parseAddress("192.168.20.251"), 1 as Pnn],
  ]);
  // As newer CTDB has it.
  const plan = planAddresses(input("deterministic", 3, given, { homes }));
  assert.equal(owners(plan), [2, 1, 2, 0, 1, 2, 1, 1, 2]);
});

test("the non-deterministic plan evens out by one address at a time, the first of the fullest", () => {
  const { steps } = planAddresses(input("nondeterministic", 3, row(5, 1)));
  assert.equal(steps.map(({ address, to }) => [address, to]), [
    ["10.0.1.5", 0],
    ["10.0.1.4", 2],
    ["10.0.1.3", 0],
  ]);
  // The first address of the fullest node can be nowhere else: it stays, and the plan ends.
  const stuck = planAddresses(input("nondeterministic", 2, [["10.9.0.1", 0, [0]], ...row(4, 0)]));
  assert.equal(stuck.steps, []);
});

test("sums wrap at 2^32, as stock CTDB's do: a node that is far too full may look empty", () => {
  // 770 alike addresses have pairs of a little less than 2^32 in sum, 780 of more. Asked, stock CTDB said the same.
  const crowd = (count: number, owner: number): Short[] =>
    Array.from({ length: count }, (_, at): Short => [
      `10.${owner}.${at >> 8}.${at & 255}`,
      owner,
    ]);
  const moves = (count: number): number =>
    planAddresses(input("lcp2", 2, [...crowd(count, 0), ...crowd(300, 1)], {
      forced: [1 as Pnn],
    })).steps.length;
  assert.is(moves(770), 243);
  assert.is(moves(780), 0);
});

test("what is no input is refused, and not planned in part", () => {
  const refused = (given: PlanInput, why: RegExp): void => {
    assert.throws(() => planAddresses(given), (error: unknown) => {
      assert.instance(error, RangeError);
      assert.match((error as Error).message, why);
      return true;
    });
  };
  for (const algorithm of ALGORITHMS) {
    refused(input(algorithm, 0, []), /nodeCount must be 1 to 4096, is 0/);
    refused(input(algorithm, 4097, []), /nodeCount must be 1 to 4096, is 4097/);
    refused(input(algorithm, 1.5, []), /nodeCount/);
    refused(input(algorithm, 2, [["10.0.0.1", 2]]), /10.0.0.1 names node 2 of 2/);
    refused(input(algorithm, 2, [["10.0.0.1", 0, [0, 2]]]), /names node 2 of 2/);
    refused(input(algorithm, 2, [["10.0.0.1", 0], ["10.0.0.1", 1]]), /10.0.0.1 comes twice/);
  }
  const many = input("lcp2", 1, row(1, 0));
  const addresses = new Array(PLAN_ADDRESSES_MAX + 1).fill(many.addresses[0]);
  refused({ ...many, addresses }, /PLAN_ADDRESSES_MAX is 16384/);
  refused({ ...many, nodeCount: 4096, addresses: addresses.slice(0, 4097) }, /PLAN_CELLS_MAX/);
});

test.run();
