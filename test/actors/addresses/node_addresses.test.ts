/**
 * Public addresses of whole nodes in the simulated world: actor, post, codec and dry backend, beside the real cluster.
 *
 * Does NOT promise: many faults; the swarm of addresses has those.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import type { AddressRow } from "../../../actors/machines/addresses/takeover/show.ts";
import type { Node } from "../../../actors/node.ts";
import type { NamedAddress, NamedNote } from "../../../actors/verbs/address_views.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { SimCluster, turn } from "../sim_nodes.ts";

const test = suite("addresses of nodes");

const LIST = readPublicAddresses(
  ["10.0.0.1/24 eth0", "10.0.0.2/24 eth0", "10.0.0.3/24 eth0", "fd00::1/64 eth0"].join("\n"),
  "the test",
);
const ADDRESSES = LIST.map(({ address }) => address);
const BY = { way: "socket", uid: 0, pid: 1 } as const;

/** Three nodes, each with the whole list; at every step is looked that no two have one address. */
class Cluster extends SimCluster {
  constructor(seed: number) {
    super(seed, 3, 2);
  }

  override async start(n: number): Promise<void> {
    await super.start(n);
    this.nodes[n]?.addresses?.setList(LIST);
  }

  holders(address: string): number[] {
    return this.nodes.flatMap((node, n) =>
      node?.addresses?.backend.addresses().some((one) => one === address) === true ? [n] : []
    );
  }

  override async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(this.time.nowMs + 5);
      for (const address of ADDRESSES) {
        assert.ok(this.holders(address).length <= 1, `${address}: nodes ${this.holders(address)}`);
      }
      await turn();
    }
  }

  get areHosted(): boolean {
    return ADDRESSES.every((address) => this.holders(address).length === 1);
  }

  /** A verb at a node, as an operator has it done. */
  async verb(n: number, name: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const verb = nodeVerbs(this.nodes[n] as Node).get(name);
    if (verb === undefined) throw new Error(`no verb ${name}`);
    let result: { readonly value: unknown } | { readonly error: unknown } | undefined;
    void Promise.resolve(verb(args, { by: BY as never, item: () => false, onCancel: () => {} }))
      .then(
        (value) => result = { value },
        (error) => result = { error },
      );
    await this.until(() => result !== undefined, 15_000);
    if (result !== undefined && "value" in result) return result.value;
    throw result?.error;
  }
}

/** Does the leader know that all are hosted, and that each node could host all? */
function isQuiet(cluster: Cluster): boolean {
  const rows = cluster.nodes[cluster.leader ?? -1]?.addresses?.rows() ?? [];
  return rows.length === ADDRESSES.length &&
    rows.every(({ state, able }) => state === "hosted" && able.length === cluster.nodes.length);
}

async function hosted(seed: number): Promise<Cluster> {
  const cluster = new Cluster(seed);
  await cluster.create();
  await cluster.until(() => cluster.allServe && isQuiet(cluster), 15_000);
  return cluster;
}

test.either("Three nodes share the addresses; any of them says who has which", async () => {
  const cluster = await hosted(1);
  const counts = [0, 1, 2].map((n) => cluster.nodes[n]?.addresses?.held().length);
  assert.equal(counts.sort(), [1, 1, 2]);
  for (const n of [0, 1, 2]) {
    const rows = await cluster.verb(n, "ip ls") as AddressRow[];
    assert.equal(rows.map(({ state }) => state), ["hosted", "hosted", "hosted", "hosted"]);
    for (const { address, pnn } of rows) assert.equal(cluster.holders(address), [pnn]);
  }
});

test.either("A node dies, another is stopped: the rest take their addresses, and share them again after", async () => {
  const cluster = await hosted(2);
  const leader = cluster.leader ?? 0;
  cluster.crash(leader, "process");
  await cluster.until(() => cluster.areHosted && cluster.leader !== leader, 15_000);
  await cluster.start(leader);
  await cluster.until(() => cluster.nodes[leader]?.addresses?.held().length !== 0, 15_000);
  const next = cluster.leader ?? 0;
  cluster.machines[next]?.pause();
  const isWithout = () =>
    ADDRESSES.every((address) => cluster.holders(address).some((n) => n !== next));
  await cluster.until(isWithout, 15_000);
  cluster.machines[next]?.resume();
  await cluster.until(
    () => cluster.areHosted && cluster.nodes[next]?.addresses?.held().length !== 0,
    20_000,
  );
});

test.either("A node that is not well hosts nothing, and when none is well nobody does, and that is said", async () => {
  const cluster = await hosted(3);
  const sick = (n: number, ok: boolean) =>
    cluster.nodes[n]?.health.set("test", { ok, why: "sick" });
  sick(0, false);
  await cluster.until(
    () => cluster.areHosted && cluster.nodes[0]?.addresses?.held().length === 0,
    5_000,
  );
  sick(1, false);
  sick(2, false);
  await cluster.until(
    () => ADDRESSES.every((address) => cluster.holders(address).length === 0),
    5_000,
  );
  const rows = await cluster.verb(0, "ip ls") as AddressRow[];
  assert.ok(
    rows.every(({ state, why }) => state === "unhosted" && /none is healthy/.test(why ?? "")),
  );
  for (const n of [0, 1, 2]) sick(n, true);
  await cluster.until(() => cluster.areHosted, 5_000);
});

test.either("An address is moved by hand from any node, and stays; lists are changed while nodes run", async () => {
  const cluster = await hosted(4);
  const [address = ""] = ADDRESSES;
  const to = ((cluster.holders(address)[0] ?? 0) + 1) % 3;
  for (const n of [0, 1, 2]) await cluster.verb(n, "ip move", { address, node: `n${to}` });
  assert.equal(cluster.holders(address), [to]);
  await cluster.verb(0, "ip rebalance");
  assert.equal(cluster.holders(address), [to]);
  await cluster.verb(to, "ip del", { address });
  await cluster.until(() => cluster.holders(address).some((n) => n !== to), 5_000);
  await cluster.verb(1, "ip add", { address: "10.0.0.9/24", interfaces: "eth0" });
  await cluster.until(() => cluster.holders("10.0.0.9").join() === "1", 5_000);
});

test.either("Answers name nodes: who has it, who could, when what happened, what moved", async () => {
  const cluster = await hosted(6);
  const rows = await cluster.verb(1, "ip ls") as NamedAddress[];
  for (const { pnn, node, to, toNode, able, ableNodes } of rows) {
    assert.equal([node, toNode, ableNodes], [`n${pnn}`, `n${to}`, able.map((n) => `n${n}`)]);
  }
  const lead = cluster.leader ?? 0;
  const dead = (lead + 1) % 3;
  cluster.crash(dead, "process");
  const ls = () => cluster.nodes[lead]?.addresses?.rows()?.some(({ state }) => state === "waiting");
  await cluster.until(() => ls() === true, 10_000);
  const waiting = (await cluster.verb(lead, "ip ls") as NamedAddress[])
    .find(({ state }) => state === "waiting");
  assert.is(waiting?.node, `n${dead}`);
  assert.match(waiting?.why ?? "", `n${dead} had it, and is out of the view; waited for`);
  await cluster.until(() => cluster.areHosted, 15_000);
  const notes = await cluster.verb(lead, "ip history") as NamedNote[];
  assert.ok(notes.length > 2);
  for (const [at, { msAgo, text }] of notes.entries()) {
    assert.ok(msAgo <= (notes[at - 1]?.msAgo ?? Infinity), "the newest last");
    assert.not.match(text, /node \d/);
  }
  const { text, moved, unhosted } = await cluster.verb(lead, "ip rebalance") as {
    readonly text: string;
    readonly moved: readonly unknown[];
    readonly unhosted: number;
  };
  assert.match(text, /^run \d+ is done$/);
  assert.equal([moved, unhosted], [[], 0]);
});

test.either("What cannot be is refused with the reason", async () => {
  const cluster = await hosted(5);
  const whyNot = async (name: string, args: Record<string, unknown>) => {
    try {
      await cluster.verb(1, name, args);
    } catch (error) {
      if (error instanceof CtdbxError) return error.message;
      throw error;
    }
    return "done";
  };
  assert.match(
    await whyNot("ip move", { address: "10.9.9.9", node: "n0" }),
    /no node has 10\.9\.9\.9 in its list/,
  );
  assert.match(await whyNot("ip move", { address: "x", node: "n0" }), /"x" is no IP address/);
  assert.match(await whyNot("ip move", { address: "10.0.0.1", node: "n7" }), /Cannot find node n7/);
  assert.match(
    await whyNot("ip add", { address: "10.0.0.1/24", interfaces: "eth0" }),
    /has it in its list/,
  );
  // Arguments are no file: there is no line 1 of them.
  assert.match(
    await whyNot("ip add", { address: "127.0.0.1/8", interfaces: "lo" }),
    /^Cannot take the request: 127\.0\.0\.1 is .*loopback/,
  );
  cluster.nodes[0]?.health.set("test", { ok: false, why: "sick" });
  await cluster.until(() => cluster.nodes[0]?.addresses?.held().length === 0, 5_000);
  assert.is(
    await whyNot("ip move", { address: "10.0.0.1", node: "n0" }),
    "Cannot move: n0 cannot host 10.0.0.1 now",
  );
  assert.match(await whyNot("ip del", { address: "10.0.0.77" }), /not in its list/);
  for (const interfaces of ["eth0\n10.0.0.8/24 eth0", "eth0 # c", ""]) {
    const why = await whyNot("ip add", { address: "10.0.0.9/24", interfaces });
    assert.match(why, /must be one word each/);
  }
});

test.either("A move says where the address is: not moved, moved elsewhere, or not to be moved", async () => {
  const cluster = await hosted(7);
  const lead = cluster.leader ?? 0;
  const to = (cluster.holders("10.0.0.1")[0]! + 1) % 3;
  const move = (forMs?: number) =>
    cluster.verb(lead, "ip move", { address: "10.0.0.1", node: `n${to}`, forMs });
  const said = (moved: Promise<unknown>) =>
    moved.then(() => "done", (error: CtdbxError) => error.message);
  // The pin is over before anything is planned by it.
  assert.match(await said(move(0)), /^Cannot move 10\.0\.0\.1 to n\d: n\d has it/);
  const before = cluster.holders("10.0.0.1");
  assert.is.not(before[0], to);
  // Tunables live in threads that simulated nodes have not.
  const { tunables } = cluster.nodes[lead]!;
  const get = tunables.get.bind(tunables);
  tunables.get = (name) => name === "NoIPTakeover" ? 1 : get(name);
  assert.match(await said(move()), /cannot be moved while NoIPTakeover is 1/);
  assert.equal(cluster.holders("10.0.0.1"), before);
  tunables.get = get;
  assert.is(await said(move()), "done");
  assert.equal(cluster.holders("10.0.0.1"), [to]);
});

test.run();
