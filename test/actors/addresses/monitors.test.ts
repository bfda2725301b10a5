/**
 * Whole nodes in the simulated world, as a monitor on the bus sees their addresses; and scripts of a node with
 * addresses.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readPublicAddresses } from "../../../actors/addresses/public_addresses.ts";
import type { EventDaemon } from "../../../actors/events/link.ts";
import { requireInterfaces } from "../../../actors/addresses/settable.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import type { Interfaces } from "../../../transport/interfaces.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { EventEnd, EventName } from "../../../transport/wire/event_daemon.ts";
import { readEvent, type TopicEvent } from "../../../transport/wire/messages/event.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { eventSubscription, parseSubject } from "../../../transport/wire/subjects.ts";
import { SimCluster } from "../sim_nodes.ts";

const test = suite("monitors and scripts of addresses");
const TEXT = "192.0.2.1/24 dry0\n192.0.2.2/24 dry0\n192.0.2.3/24 dry0\n";
const LIST = readPublicAddresses(TEXT, "the test");
const ADDRESSES = LIST.map(({ address }) => address);
const FILE = "/etc/public_addresses";

class Cluster extends SimCluster {
  readonly heard: TopicEvent[] = [];

  constructor(seed: number) {
    super(seed, 3, 2);
  }

  override async start(n: number): Promise<void> {
    await super.start(n);
    this.nodes[n]?.addresses?.setList(LIST);
  }

  /** A machine beside the cluster that hears of addresses, and their figures. */
  listen(): void {
    const { network, dice } = this;
    const { bus } = new SimMachine({ name: "monitor", network, dice, clock: { rate: 1 } }).boot();
    bus.subscribe(eventSubscription("sim", undefined), ({ subject, payload }) => {
      const parsed = parseSubject(subject);
      const json: unknown = JSON.parse(new TextDecoder().decode(payload));
      const event = parsed?.class === "ev" ? readEvent(parsed.to, json) : undefined;
      assert.ok(event, `${subject} is as declared`);
      if (event !== undefined) this.heard.push(event);
    });
  }

  /** What was heard on `address`, in a word each, as "n0 taken 192.0.2.1". */
  told(): string[] {
    return this.heard.flatMap((event) =>
      event.topic === "address" ? [`${event.node} ${event.what} ${event.address ?? ""}`.trim()] : []
    );
  }

  figures(n: number) {
    return this.heard.flatMap((event) =>
      event.topic === "stats" && event.node === `n${n}` ? [event.addresses] : []
    ).at(-1);
  }

  holds(n: number): number {
    return this.nodes[n]?.addresses?.held().length ?? 0;
  }

  get areHosted(): boolean {
    const rows = this.nodes[this.leader ?? -1]?.addresses?.rows() ?? [];
    return rows.length === LIST.length && rows.every(({ state }) => state === "hosted");
  }
}

async function hosted(seed: number): Promise<Cluster> {
  const cluster = new Cluster(seed);
  await cluster.create();
  cluster.listen();
  await cluster.until(() => cluster.allServe && cluster.areHosted, 15_000);
  await cluster.until(() => [0, 1, 2].every((n) => cluster.holds(n) === 1), 15_000);
  return cluster;
}

test.either("a monitor hears who let an address go, who took it, and what became of the run", async () => {
  const cluster = await hosted(21);
  const lead = cluster.leader!;
  const sick = (lead + 1) % 3;
  const [address] = cluster.nodes[sick]!.addresses!.held();
  cluster.heard.length = 0;
  cluster.nodes[sick]!.health.set("test", { ok: false, why: "sick" });
  await cluster.until(() => cluster.holds(sick) === 0 && cluster.areHosted, 5000);
  await cluster.run(1500);
  const told = cluster.told();
  const taker = [0, 1, 2].find((n) => told.includes(`n${n} taken ${address}`));
  assert.ok(taker !== undefined && taker !== sick, told.join("\n"));
  const steps = [`n${lead} run`, `n${sick} released ${address}`, `n${taker} taken ${address}`];
  assert.equal(told.filter((each) => steps.includes(each)), steps);
  assert.ok(told.includes(`n${lead} run done`), told.join("\n"));
  const figures = cluster.figures(taker!);
  assert.equal([figures?.listed, figures?.held], [3, 2]);
  assert.equal(cluster.figures(lead)?.cluster, {
    ...{ known: 3, hosted: 3, moving: 0, waiting: 0, unhosted: 0 },
  });
  assert.is(cluster.figures(sick)?.cluster, undefined);
});

test.either("when no node is well the leader tells what nobody can host, once, and when that is over", async () => {
  const cluster = await hosted(22);
  const all = (ok: boolean) => {
    for (const n of [0, 1, 2]) cluster.nodes[n]!.health.set("test", { ok, why: "sick" });
  };
  cluster.heard.length = 0;
  all(false);
  await cluster.until(() => [0, 1, 2].every((n) => cluster.holds(n) === 0), 5000);
  await cluster.until(() => cluster.told().some((each) => / unhosted$/.test(each)), 5000);
  await cluster.run(2000);
  const of = (what: string) =>
    cluster.heard.filter((event) => event.topic === "address" && event.what === what);
  const last = of("unhosted").at(-1);
  assert.ok(last?.topic === "address" && last.unhosted === 3, JSON.stringify(last));
  assert.match(last?.topic === "address" ? last.text : "", /none is healthy/);
  assert.is(cluster.figures(cluster.leader!)?.cluster?.unhosted, 3);
  const count = of("unhosted").length;
  await cluster.run(3000);
  assert.is(of("unhosted").length, count, "nothing is told twice");
  all(true);
  await cluster.until(() => of("all hosted").length === 1, 5000);
});

test.either("with addresses `ipreallocated` is run once for a takeover run, and not for the view", async () => {
  const cluster = new Cluster(23);
  const ran: string[][] = [[], [], []];
  const played = (n: number): EventDaemon => ({
    run: (_id, event, args) => {
      ran[n]!.push(event);
      return Promise.resolve(endOf(event, args));
    },
    cancel: () => {},
    list: () => Promise.resolve({ scripts: [] }),
    switch: () => Promise.reject(new RangeError("not played")),
    ping: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  });
  const files = new TextEncoder().encode(TEXT);
  for (const { disk } of cluster.machines) disk.files.put(FILE, files);
  cluster.moreOf = (n) => {
    return {
      config: { addresses: { file: FILE, backend: "dry" }, scripts: { dir: "/etc" } as never },
      scripts: () =>
        Promise.resolve({ thread: played(n), ended: new Promise<Error>(() => {}), end: () => {} }),
    };
  };
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.areHosted, 20_000);
  await cluster.until(() => [0, 1, 2].every((n) => cluster.holds(n) === 1), 20_000);
  await cluster.run(3000);
  const count = () => ran.map((each) => each.filter((event) => event === "ipreallocated").length);
  const before = count();
  const dead = (cluster.leader! + 1) % 3;
  const runs = cluster.nodes[cluster.leader!]!.addresses!.machine.leading!.runs.doneRun;
  cluster.crash(dead, "process");
  await cluster.until(() => cluster.areHosted && cluster.nodes[dead] === undefined, 20_000);
  const isTaken = () => cluster.nodes.reduce((sum, _, n) => sum + cluster.holds(n), 0) === 3;
  await cluster.until(isTaken, 20_000);
  await cluster.run(3000);
  const more = cluster.nodes[cluster.leader!]!.addresses!.machine.leading!.runs.doneRun - runs;
  for (const n of [0, 1, 2]) {
    if (n !== dead) assert.ok(count()[n]! - before[n]! <= more, `${count()} ${before} ${more}`);
  }
});

test.either("a list with a fault: nothing of it is in force, no node starts with it, the line is told", async () => {
  const cluster = new Cluster(24);
  const put = (n: number, text: string) =>
    cluster.machines[n]!.disk.files.put(FILE, new TextEncoder().encode(text));
  for (const n of [0, 1, 2]) put(n, TEXT);
  cluster.moreOf = () => ({ config: { addresses: { file: FILE, backend: "dry" } } });
  await cluster.create();
  const node = cluster.nodes[0]!;
  const reload = () => nodeVerbs(node).get("ip reload")!({}, undefined as never);
  const isRefused = (error: unknown, what: RegExp) =>
    error instanceof CtdbxError && error.message.startsWith(`Cannot read ${FILE}: line 2: `) &&
    what.test(error.message);
  for (const bad of ["192.0.2.9/24 dry0", "127.0.0.1/8 lo", "192.0.2.8", "192.0.2.8/0 dry0"]) {
    put(0, `192.0.2.9/24 dry0\n${bad}\n`);
    assert.throws(reload, (error: unknown) => isRefused(error, /the list in force is as it was$/));
    assert.equal(node.addresses!.list.map(({ address }) => address), ADDRESSES, bad);
  }
  put(0, "192.0.2.9/24 dry0\n");
  // Where addresses are real, an interface that the machine has not is a fault, too; only of what is new or changed.
  const { backend } = node.addresses!;
  const asked: string[][] = [];
  backend.requireInterfaces = (list) => {
    asked.push(list.map(({ address }) => address));
    requireInterfaces({ links: () => [] } as unknown as Interfaces, list);
  };
  put(0, `${TEXT}192.0.2.9/24 eth7\n`);
  assert.throws(
    reload,
    (error: unknown) =>
      error instanceof CtdbxError && error.code === "state" &&
      /192\.0\.2\.9 .*no interface eth7; the list in force is as it was$/.test(error.message),
  );
  assert.equal(asked, [["192.0.2.9"]]);
  assert.equal(node.addresses!.list.map(({ address }) => address), ADDRESSES);
  const add = nodeVerbs(node).get("ip add")!;
  const more = { address: "192.0.2.9/24", interfaces: "eth7" };
  assert.throws(
    () => add(more, undefined as never),
    /^Cannot host 192\.0\.2\.9: there is no interface eth7$/,
  );
  assert.equal(node.addresses!.list.map(({ address }) => address), ADDRESSES);
  backend.requireInterfaces = () => {};
  put(0, "192.0.2.9/24 dry0\n");
  assert.equal(reload(), { added: ["192.0.2.9"], removed: ADDRESSES, changed: [] });
  put(0, "192.0.2.9/24 dry0\nx\n");
  cluster.crash(0, "process");
  let why: unknown;
  await cluster.start(0).catch((error: unknown) => why = error);
  assert.ok(isRefused(why, /"x" has no mask/), String(why));
});

function endOf(event: EventName, args: readonly string[]): EventEnd {
  return { event, args: [...args], outcome: "ok", startWallMs: 0, tookMs: 1, scripts: [] };
}

test.run();
