/**
 * Clients of addresses of whole nodes in simulated time: connections in a replicated database, tickled by the new owner
 * of an address, and what the verbs say and do.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Node } from "../../../actors/node.ts";
import type { KnownAddress, KnownConnection } from "../../../actors/verbs/clients.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { SimInterfaces } from "../../../transport/sim/interfaces.ts";
import { SimPackets, SimTcpTable } from "../../../transport/sim/packets.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { parseConnection } from "../../../transport/wire/raw/endpoint.ts";
import { tickle } from "../../../transport/wire/raw/segment.ts";
import { Whole } from "../data/whole.ts";

const test = suite("clients of addresses of nodes");

const FILE = "/etc/ctdb/public_addresses";
const LIST = "10.0.0.1/24 eth0\n10.0.0.2/24 eth0\nfd00::1/64 eth0\n";
const A = parseAddress("10.0.0.1");
const SIX = parseAddress("fd00::1");
const ANN = parseConnection("10.9.0.1:4001", "10.0.0.1:445");
const BY = { way: "socket", uid: 0, pid: 1 } as const;
const ALL = [0, 1, 2] as const;

/** Nodes with real addresses of a kernel that is not there. */
class Stage {
  readonly whole: Whole;
  readonly kernels: SimInterfaces[] = [];
  readonly packets = ALL.map(() => new SimPackets());
  readonly tcp = ALL.map(() => new SimTcpTable());

  constructor(seed: number, backend: "iproute2" | "dry") {
    this.whole = new Whole(seed, 3);
    const { cluster } = this.whole;
    for (const { disk } of cluster.machines) disk.files.put(FILE, new TextEncoder().encode(LIST));
    for (const packets of this.packets) packets.setLink("eth0");
    cluster.moreOf = (n, { clock }) => {
      const interfaces = new SimInterfaces(clock);
      interfaces.setLink("eth0", true);
      this.kernels[n] = interfaces;
      return {
        config: { addresses: { file: FILE, backend } },
        network: { interfaces, packets: this.packets[n]!, tcp: this.tcp[n]! },
      };
    };
  }

  /** Everything is hosted. */
  static async up(seed: number, backend: "iproute2" | "dry" = "iproute2"): Promise<Stage> {
    const stage = new Stage(seed, backend);
    await stage.whole.cluster.create();
    await stage.until(() => ALL.every((n) => stage.whole.serves(n)));
    await stage.until(() => [A, SIX].every((address) => stage.holder(address) !== undefined));
    return stage;
  }

  holder(address: IpAddress): number | undefined {
    return ALL.find((n) => this.node(n)?.addresses?.held().includes(address) === true);
  }

  node(n: number): Node | undefined {
    return this.whole.cluster.nodes[n];
  }

  async until(isSo: () => boolean, limitMs = 30_000): Promise<void> {
    await this.whole.until(isSo, limitMs);
  }

  /** A verb at a node, as an operator has it done. */
  async verb<T>(n: number, name: string, args: Record<string, unknown> = {}): Promise<T> {
    const verb = nodeVerbs(this.node(n) as Node).get(name);
    if (verb === undefined) throw new Error(`no verb ${name}`);
    let end: { readonly value: unknown } | { readonly error: unknown } | undefined;
    void Promise.resolve()
      .then(() => verb(args, { by: BY as never, item: () => false, onCancel: () => {} }))
      .then((value) => end = { value }, (error) => end = { error });
    await this.until(() => end !== undefined);
    if (end !== undefined && "value" in end) return end.value as T;
    throw end?.error;
  }

  /** Why a verb is refused. */
  async refusal(n: number, name: string, args: Record<string, unknown>): Promise<string> {
    try {
      await this.verb(n, name, args);
    } catch (error) {
      if (error instanceof CtdbxError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return "done";
  }

  async known(n: number, address: IpAddress): Promise<readonly KnownConnection[]> {
    const { connections } = await this.verb<{ readonly connections: readonly KnownConnection[] }>(
      n,
      "ip tickle ls",
      { address },
    );
    return connections;
  }
}

test.either("the clients of a node that dies are tickled by the node that takes its address", async () => {
  const stage = await Stage.up(1);
  const first = stage.holder(A)!;
  stage.tcp[first]!.add(ANN);
  const other = ALL.find((n) => n !== first)!;
  for (;;) {
    const [one] = await stage.known(other, A);
    if (one === undefined) {
      await stage.whole.cluster.run(1000);
      continue;
    }
    assert.equal(one, { client: "10.9.0.1:4001", server: "10.0.0.1:445", isTold: false });
    break;
  }
  stage.whole.crash(first);
  await stage.until(() => stage.holder(A) !== undefined);
  const next = stage.holder(A)!;
  await stage.until(() => stage.packets[next]!.packets.length > 0);
  assert.equal(stage.packets[next]!.packets[0], {
    to: ANN.client.address,
    packet: tickle(ANN.server, ANN.client),
  });
  const owners = async () =>
    (await stage.verb<KnownAddress[]>(next, "ip tickle ls"))
      .find(({ address }) => address === A)?.owner;
  while (await owners() !== next) await stage.whole.cluster.run(200);
});

test.either("what is told at one node is known at all, and goes where the address goes", async () => {
  const stage = await Stage.up(2);
  const first = stage.holder(A)!;
  const [n, other] = ALL.filter((one) => one !== first) as [number, number];
  const connections = [["10.9.0.1:4001", "10.0.0.1:445"], ["[fd01::9]:7", "[fd00::1]:2049"]];
  const added = await stage.verb(n, "ip tickle add", { connections });
  assert.equal(added, { connections: 2, changed: 2 });
  assert.equal((await stage.known(n, A)).map(({ isTold }) => isTold), [true]);
  stage.tcp[first]!.add(ANN);
  await stage.verb(other, "ip move", { address: A, node: `${n}` });
  await stage.until(() => stage.packets[n]!.packets.length > 0);
  // While the address was still there, all its connections were ended.
  assert.ok(stage.tcp[first]!.resets.includes(A));
  assert.equal(await stage.verb(other, "ip tickle del", { connections }), {
    connections: 2,
    changed: 2,
  });
  assert.equal(await stage.known(other, SIX), []);
});

test.either("packets by command, interfaces, and what is refused", async () => {
  const stage = await Stage.up(3);
  const n = stage.holder(A)!;
  const sent = stage.packets[n]!;
  const before = sent.frames.length;
  assert.equal(await stage.verb(n, "ip arp", { address: A }), {
    address: A,
    iface: "eth0",
    frames: 2,
  });
  assert.ok(sent.frames.length >= before + 2);
  const other = ALL.find((one) => one !== n)!;
  assert.match(await stage.refusal(other, "ip arp", { address: A }), /^not_found: .* not on this/);
  assert.is(await stage.refusal(other, "ip arp", { address: A, iface: "eth0" }), "done");
  assert.match(
    await stage.refusal(n, "ip arp", { address: A, iface: "eth9" }),
    /^not_found: .*eth9/,
  );
  const pairs = [["10.9.0.7:1", "10.0.0.1:445"]];
  assert.equal(await stage.verb(n, "ip tickle send", { connections: pairs }), { connections: 1 });
  assert.is(sent.packets.at(-1)?.to, "10.9.0.7");
  // A queue that is full in the middle: it is said how many went.
  sent.room = 1;
  const two = [...pairs, ["10.9.0.8:1", "10.0.0.1:445"]];
  assert.match(
    await stage.refusal(n, "ip tickle send", { connections: two }),
    /^busy: .*; the first 1 of 2 were sent$/,
  );
  sent.room = Infinity;
  for (
    const connections of [[], [["1.1.1.1:1"]], [["1.1.1.1:1", "2.2.2.2:0"]], "x", [
      ["1.1.1.1:1", "[fd00::1]:1"],
    ]]
  ) {
    assert.match(await stage.refusal(n, "ip tickle send", { connections }), /^state: /);
  }
  sent.isRoot = false;
  assert.match(await stage.refusal(n, "ip arp", { address: A }), /^denied: /);
  sent.isRoot = true;
  const rows = await stage.verb<{ readonly addresses: readonly string[] }[]>(n, "iface ls");
  assert.equal(rows.map((row) => ({ ...row, addresses: row.addresses.includes(A) })), [
    { name: "eth0", kernel: "up", set: null, isUsable: true, listed: 3, addresses: true },
  ]);
});

test.either("a node that was cut off for a moment announces what it holds, though nobody has missed it", async () => {
  const stage = await Stage.up(6);
  const n = stage.holder(A)!;
  await stage.whole.cluster.run(5000);
  const { bus } = stage.whole.cluster.machines[n]!.world!;
  const { frames } = stage.packets[n]!;
  const before = frames.length;
  const lives = stage.node(n)?.state.adopted?.view.members.map(({ incarnation }) => incarnation);
  bus.cut();
  await stage.whole.cluster.run(200);
  bus.connect();
  await stage.until(() => frames.length > before);
  assert.is(stage.holder(A), n);
  assert.equal(
    stage.node(n)?.state.adopted?.view.members.map(({ incarnation }) => incarnation),
    lives,
  );
});

test.either("an interface that is set down has no addresses, whatever the kernel says, until it is up", async () => {
  const stage = await Stage.up(4);
  const n = stage.holder(A)!;
  await stage.verb(n, "iface set", { iface: "eth0", up: false });
  await stage.until(() => ![n, undefined].includes(stage.holder(A)));
  const [row] = await stage.verb<Record<string, unknown>[]>(n, "iface ls");
  assert.equal([row?.["kernel"], row?.["set"], row?.["isUsable"]], ["up", "down", false]);
  await stage.verb(n, "iface set", { iface: "eth0", up: true });
  await stage.until(() => (stage.node(n)?.addresses?.held().length ?? 0) > 0);
  assert.match(await stage.refusal(n, "iface set", { iface: "a b", up: true }), /^state: /);
  assert.match(
    await stage.refusal(n, "iface set", { iface: "eht0", up: false }),
    /^not_found: Cannot set eht0: no address of this node's list may be on it/,
  );
  stage.node(n)?.addresses?.clients.links.set("eth7", true);
  assert.is(await stage.refusal(n, "iface set", { iface: "eth7", up: false }), "done");
  assert.match(await stage.refusal(n, "iface set", { iface: "eth0", up: 1 }), /^state: /);
});

test.either("a dry node keeps what is told, and says that it has nothing to send with", async () => {
  const stage = await Stage.up(5, "dry");
  const connections = [["10.9.0.1:4001", "10.0.0.1:445"]];
  assert.equal(await stage.verb(0, "ip tickle ls"), []);
  await stage.verb(0, "ip tickle add", { connections });
  assert.is((await stage.known(0, A)).length, 1);
  assert.match(await stage.refusal(0, "ip arp", { address: A }), /^unsupported: .*backend dry/);
  const [row] = await stage.verb<Record<string, unknown>[]>(0, "iface ls");
  assert.is(row?.["kernel"], null);
});

test.run();
