/** What real nodes say of addresses for explain, in the simulated world; and what explain makes of it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import { explain } from "../../../actors/explain/explain.ts";
import type { Facts, InsideFacts } from "../../../actors/explain/facts.ts";
import { insideFacts } from "../../../actors/explain/inside.ts";
import { ADDRESSES_TOLD } from "../../../actors/explain/address_facts.ts";
import { defaultTiming } from "../../../actors/machines/cluster/tunables.ts";
import { ANSWER_MAX } from "../../../transport/wire/limits.ts";
import { SimCluster } from "../sim_nodes.ts";

const test = suite("explain: addresses of nodes");

/** Three nodes with a list of so many addresses. */
class Cluster extends SimCluster {
  readonly #count: number;

  constructor(seed: number, count: number) {
    super(seed, 3, 2);
    this.#count = count;
  }

  override async start(n: number): Promise<void> {
    await super.start(n);
    const lines = Array.from(
      { length: this.#count },
      (_, at) => `10.0.1.${at + 1}/16 eth0`,
    );
    this.nodes[n]?.addresses?.setList(readPublicAddresses(lines.join("\n"), "the test"));
  }

  word(n: number): InsideFacts {
    return insideFacts(this.nodes[n]!);
  }

  /** Facts by the word of all that run. */
  facts(): Facts {
    const nodes = [0, 1, 2].map((n) => {
      const name = `n${n}`;
      const isAsked = n === this.leader;
      const isMute = this.nodes[n] === undefined;
      return isMute
        ? { name, isAsked, silence: "no answer" }
        : { name, isAsked, inside: this.word(n) };
    });
    return { nodes, servers: [], timing: defaultTiming() };
  }

  get areHosted(): boolean {
    const rows = this.nodes[this.leader ?? -1]?.addresses?.rows() ?? [];
    return rows.length === this.#count && rows.every(({ state }) => state === "hosted");
  }
}

async function hosted(seed: number, count = 3): Promise<Cluster> {
  const cluster = new Cluster(seed, count);
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.areHosted, 20_000);
  return cluster;
}

const ids = (facts: Facts): string[] =>
  explain(facts).flatMap(({ id, also }) => [id, ...also.map((each) => each.id)]);

test.either("all are hosted: figures, and no finding", async () => {
  const cluster = await hosted(31);
  await cluster.run(1000);
  const lead = cluster.leader!;
  const { addresses } = cluster.word(lead);
  assert.equal([addresses?.listed, addresses?.able, addresses?.backend], [3, 3, "dry"]);
  assert.equal([addresses?.all?.known, addresses?.all?.hosted], [3, 3]);
  assert.equal(addresses?.all?.behind, []);
  assert.is(cluster.word((lead + 1) % 3).addresses?.all, undefined);
  assert.equal(ids(cluster.facts()).filter((id) => id.startsWith("address")), []);
});

test.either("no node is well: nobody can host, and each node's reason is told", async () => {
  const cluster = await hosted(32);
  for (const n of [0, 1, 2]) cluster.nodes[n]!.health.set("test", { ok: false, why: `sick ${n}` });
  const unhosted = () => cluster.word(cluster.leader!).addresses?.all?.unhosted.count === 3;
  await cluster.until(unhosted, 5000);
  await cluster.run(1500);
  const finding = explain(cluster.facts()).find(({ id }) => id === "address_unhosted");
  assert.match(finding?.title ?? "", /Nobody can host 3 addresses: 10\.0\.1\.3, 10\.0\.1\.2 and/);
  const reasons = finding?.evidence.join("\n") ?? "";
  for (const n of [0, 1, 2]) assert.match(reasons, `n${n} is not healthy: test: sick ${n}`);
});

test.either("a node is gone, and its supervisor: addresses wait, it is told how long, and so it is", async () => {
  const cluster = await hosted(33);
  const dead = (cluster.leader! + 1) % 3;
  cluster.crash(dead, "process");
  const waits = () => cluster.word(cluster.leader!).addresses?.all?.waiting.count === 1;
  await cluster.until(waits, 5000);
  const facts = cluster.facts();
  const all = cluster.word(cluster.leader!).addresses!.all!;
  const { leftMs = 0 } = all.silent.find(({ node }) => node === `n${dead}`) ?? {};
  assert.ok(leftMs > 0 && leftMs < 10_000, `${leftMs}`);
  const row = cluster.nodes[cluster.leader!]!.addresses!.rows()!.find(({ state }) =>
    state === "waiting"
  );
  assert.is(row?.pnn, dead);
  const standing = cluster.nodes[cluster.leader!]!.addresses!.standing!;
  assert.equal([standing.known, standing.waiting, standing.unhosted], [3, 1, []]);
  assert.match(
    row?.why ?? "",
    /^node \d had it, and is out of the view; waited for \d\.\d s more$/,
  );
  assert.ok(ids(facts).includes("address_waits"), ids(facts).join());
  await cluster.run(leftMs + 1500);
  assert.is(cluster.word(cluster.leader!).addresses?.all?.waiting.count, 0);
  assert.ok(!ids(cluster.facts()).includes("address_waits"));
});

test.either("of many addresses only the first are named, and all fits into an answer", async () => {
  const cluster = await hosted(34, 200);
  for (const n of [0, 1, 2]) cluster.nodes[n]!.health.set("test", { ok: false, why: "sick" });
  await cluster.until(
    () => cluster.word(cluster.leader!).addresses?.all?.unhosted.count === 200,
    15_000,
  );
  const word = cluster.word(cluster.leader!);
  assert.is(word.addresses?.all?.unhosted.first.length, ADDRESSES_TOLD);
  assert.ok(JSON.stringify(word).length < ANSWER_MAX);
});

test.either("NoIPTakeover keeps many: one that nobody can host is told all the same", async () => {
  const cluster = await hosted(35, 12);
  const last = cluster.nodes[2]!;
  const own = readPublicAddresses("10.9.0.1/24 eth0", "the test");
  last.addresses!.setList([...last.addresses!.list, ...own]);
  const all = () => cluster.word(cluster.leader!).addresses?.all;
  await cluster.until(() => all()?.hosted === 13, 15_000);
  for (const { health } of cluster.nodes.map((node) => node!)) {
    health.set("test", { ok: false, why: "sick" });
  }
  await cluster.until(() => all()?.unhosted.count === 13, 15_000);
  for (const { tunables } of cluster.nodes.map((node) => node!)) {
    const get = tunables.get.bind(tunables);
    tunables.get = (name) => name === "NoIPTakeover" ? 1 : get(name);
  }
  for (const n of [0, 1]) cluster.nodes[n]!.health.set("test", { ok: true });
  await cluster.until(() => all()?.unhosted.kept === 12, 15_000);
  await cluster.run(1500);
  const titles = explain(cluster.facts()).map(({ title }) => title);
  const isLost = (title: string) => title === "Nobody can host 1 address: 10.9.0.1";
  assert.ok(titles.some(isLost), titles.join("\n"));
  const isKept = (title: string) => /^Nobody hosts .* and 4 more, and NoIPTakeover/.test(title);
  assert.ok(titles.some(isKept), titles.join("\n"));
});

test.run();
