/**
 * Resources are spread evenly: whole pools, several pools, nodes that come and go, and little is moved for it.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Plan } from "../../../../actors/machines/addresses/plan/plan.ts";
import { planResources } from "../../../../actors/machines/resources/plan_resources.ts";
import type { IpAddress } from "../../../../transport/wire/address.ts";
import { poolOf, resourceName, RESOURCES_MAX } from "../../../../transport/wire/resource.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";

const test = suite("the plan of resources");

/** Who owns what, by name. */
type Owners = Map<string, number | undefined>;

/** The plan for names that some nodes of four offer; `owners`: who owns them before. */
function plan(offers: ReadonlyMap<string, readonly number[]>, owners: Owners = new Map()): Plan {
  return planResources({
    algorithm: "deterministic",
    noFailback: true,
    nodeCount: 4,
    addresses: [...offers].map(([name, able]) => ({
      address: name as IpAddress,
      owner: owners.get(name) as Pnn | undefined,
      able: able as readonly Pnn[],
    })),
  });
}

const ownersOf = ({ addresses }: Plan): Owners =>
  new Map(addresses.map(({ address, to }) => [address, to]));

const pool = (
  name: string,
  count: number,
  nodes: readonly number[],
): [string, readonly number[]][] => Array.from({ length: count }, (_, n) => [`${name}${n}`, nodes]);

/** How many each node has, of those whose names begin so. */
function counts(owners: Owners, begin = ""): number[] {
  const all = [0, 0, 0, 0];
  for (const [name, node] of owners) {
    if (node !== undefined && name.startsWith(begin)) all[node] = (all[node] ?? 0) + 1;
  }
  return all;
}

const spread = (numbers: readonly number[]) => Math.max(...numbers) - Math.min(...numbers);

test("64 resources over 4 nodes: 16 each", () => {
  for (const name of ["shard-", "worker-", "tenant/", "queue:eu:", "x"]) {
    const numbers = counts(ownersOf(plan(new Map(pool(name, 64, [0, 1, 2, 3])))));
    for (const number of numbers) assert.is(number, 16, `${name}: ${numbers}`);
  }
});

test("Several pools are spread each for itself, small ones too", () => {
  const pools = [["shard-", 32], ["worker-", 8], ["cron-", 4], ["mail-", 12]] as const;
  const offers = new Map(pools.flatMap(([name, count]) => pool(name, count, [0, 1, 2, 3])));
  const owners = ownersOf(plan(offers));
  for (const [name, count] of pools) {
    const numbers = counts(owners, name);
    assert.ok(spread(numbers) <= 1, `${name} ${count}: ${numbers}`);
  }
  assert.ok(spread(counts(owners)) <= 1, `${counts(owners)}`);
});

test("A node dies: its share goes to the others; it returns: it gets a share, and little else moves", () => {
  const all = new Map(pool("shard-", 64, [0, 1, 2, 3]));
  const without = new Map(pool("shard-", 64, [0, 1, 3]));
  const before = ownersOf(plan(all));
  const while2IsDead = ownersOf(plan(without, before));
  for (const [name, node] of before) {
    if (node !== 2) {
      assert.is(while2IsDead.get(name), node, `${name} moved, though its owner lives`);
    }
  }
  const [zero = 0, one = 0, two, three = 0] = counts(while2IsDead);
  assert.is(two, 0);
  assert.ok(spread([zero, one, three]) <= 1, `${zero} ${one} ${three}`);
  const after = ownersOf(plan(all, while2IsDead));
  assert.ok(spread(counts(after)) <= 1, `${counts(after)}`);
  const moved = [...after].filter(([name, node]) => while2IsDead.get(name) !== node);
  assert.ok(moved.every(([, node]) => node === 2), "what moved went to the node that came back");
});

test("Programs that come one after the other get their shares, though their nodes own something already", () => {
  let owners = ownersOf(plan(new Map(pool("cron-", 4, [0, 1, 2, 3]))));
  const crons = pool("cron-", 4, [0, 1, 2, 3]);
  for (const nodes of [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]) {
    owners = ownersOf(plan(new Map([...crons, ...pool("shard-", 40, nodes)]), owners));
    const numbers = counts(owners, "shard-");
    const offering = nodes.map((node) => numbers[node] ?? 0);
    assert.ok(spread(offering) <= 1, `${nodes}: ${numbers}`);
  }
});

test("A balanced cluster stays as it is, whatever is planned again", () => {
  const offers = new Map([...pool("a-", 10, [0, 1, 2]), ...pool("b", 7, [1, 2, 3])]);
  const owners = ownersOf(plan(offers));
  assert.equal(ownersOf(plan(offers, owners)), owners);
  assert.equal(plan(offers, owners).steps, []);
});

test("Nobody offers it, or its owner does no more: it has no owner", () => {
  const owners = ownersOf(plan(new Map([["one", []], ["two", [3]]]), new Map([["one", 1]])));
  assert.equal(owners, new Map([["one", undefined], ["two", 3]]));
});

test("More than RESOURCES_MAX: those that are owned stay, the last of the others have no owner", () => {
  const offers = new Map(pool("n", RESOURCES_MAX + 2, [0]));
  const owners = ownersOf(plan(offers, new Map([["n999", 0]])));
  const nobody = [...owners].filter(([, node]) => node === undefined).map(([name]) => name);
  assert.is(owners.get("n999"), 0);
  assert.equal(nobody.sort(), ["n997", "n998"]);
});

test("Nodes that offer different things: nothing goes where it is not offered, and the rest is evened out", () => {
  const offers = new Map([
    ...pool("a-", 12, [0, 1]),
    ...pool("b-", 12, [1, 2, 3]),
    ...pool("c-", 9, [0, 3]),
  ]);
  const owners = ownersOf(plan(offers));
  for (const [name, node] of owners) assert.ok(offers.get(name)?.includes(node ?? -1), name);
  assert.equal(counts(owners, "a-").slice(0, 2), [6, 6]);
  assert.ok(spread(counts(owners, "b-").slice(1)) <= 1);
  assert.ok(spread([counts(owners, "c-")[0] ?? 0, counts(owners, "c-")[3] ?? 0]) <= 1);
});

test("4096 resources over 100 nodes, a node with all of them: evened out in one plan", () => {
  const nodes = Array.from({ length: 100 }, (_, node) => node as Pnn);
  const { addresses, steps } = planResources({
    algorithm: "lcp2",
    nodeCount: 100,
    addresses: pool("n", RESOURCES_MAX, []).map(([name]) => ({
      address: name as IpAddress,
      owner: 7 as Pnn,
      able: nodes,
    })),
  });
  const numbers = nodes.map((node) => addresses.filter(({ to }) => to === node).length);
  assert.ok(spread(numbers) <= 1, `${numbers}`);
  assert.is(steps.length, RESOURCES_MAX - (numbers[7] ?? 0), "each that moves moves once");
});

test("Names: what is none is refused with what one looks like", () => {
  assert.is(resourceName("a.b/c:d_e-9"), "a.b/c:d_e-9");
  assert.is(poolOf(resourceName("a9-017")), "a9-");
  for (const bad of ["", "a b", "ä", "x".repeat(65), undefined, 7, "a\n"]) {
    assert.throws(() => resourceName(bad), /1 to 64 of A-Z/);
  }
});

test.run();
