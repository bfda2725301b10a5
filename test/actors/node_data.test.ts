/**
 * A node and its data thread, in simulated time: what the page may show, what happens when the thread dies, how
 * databases come and go by the node's verbs, and how long a planned stop waits for records.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Verb } from "../../actors/control.ts";
import { nodeVerbs } from "../../actors/verbs/verbs.ts";
import { type NodeState, StatePage } from "../../actors/storage/state_page.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { DataDouble } from "./data_double.ts";
import { RUN, SimCluster, turn } from "./sim_nodes.ts";

const test = suite("node and data thread");

/** Three nodes of the newer format, each with a double. */
class Rig {
  readonly cluster: SimCluster;
  readonly doubles = [new DataDouble(), new DataDouble(), new DataDouble()];

  constructor(seed: number) {
    this.cluster = new SimCluster(seed, 3, 2);
    this.cluster.dataOf = (n) => () => this.doubles[n]!.start();
  }

  static async up(seed: number): Promise<Rig> {
    const rig = new Rig(seed);
    await rig.cluster.create();
    await rig.cluster.until(() => rig.allShow, 10_000);
    return rig;
  }

  /** What a program sees in the page of a node. */
  page(n: number): NodeState | undefined {
    const { images } = this.cluster.machines[n]!;
    if (!images.exists(`${RUN}/state`)) return undefined;
    const page = StatePage.open(images, `${RUN}/state`);
    const state = page.read();
    page.close();
    return state;
  }

  /** Does the page of a node grant anything now? */
  shows(n: number): boolean {
    const node = this.cluster.nodes[n];
    const endNs = this.page(n)?.leaseEndNs ?? 0n;
    return node !== undefined && endNs > BigInt(Math.floor(node.nowMs * 1e6));
  }

  get allShow(): boolean {
    return [0, 1, 2].every((n) => this.shows(n));
  }

  /** Asks a node as its socket does. */
  async ask(n: number, verb: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const found = nodeVerbs(this.cluster.nodes[n]!).get(verb) as Verb;
    const asked = Promise.resolve().then(() =>
      found(args, { item: () => false, onCancel: () => {} })
    );
    return await this.cluster.time.drive(asked, turn);
  }

  async refusal(n: number, verb: string, args: Record<string, unknown>): Promise<string> {
    return await this.ask(n, verb, args).then(
      () => "",
      (error) => error instanceof Error ? error.message : "",
    );
  }
}

test.either("nothing is shown before the data thread has confirmed the life and the view", async () => {
  const rig = new Rig(1);
  const { cluster, doubles } = rig;
  for (const double of doubles) double.isHeld = true;
  await cluster.create();
  await cluster.run(1000);
  assert.ok(
    cluster.nodes.every((node) => node?.state.fencedFor === undefined),
    "no life has begun",
  );
  for (const double of doubles) double.now?.confirm();
  await cluster.until(() => cluster.allServe, 10_000);
  await cluster.run(500);
  assert.ok(
    ![0, 1, 2].some((n) => rig.shows(n)),
    "the machines would serve, the records are not there",
  );
  const serving = async () => (await rig.ask(0, "node status") as { serving: boolean }).serving;
  assert.is(await serving(), false);
  for (const double of doubles) double.isHeld = false;
  for (const double of doubles) double.now?.confirm();
  await cluster.until(() => rig.allShow, 2000);
  assert.is(await serving(), true);
  assert.is(rig.page(0)?.generation, cluster.nodes[0]?.state.adopted?.generation);
});

test.either("the thread is told the page as it was written", async () => {
  const rig = await Rig.up(2);
  const last = rig.doubles[1]?.now?.pages.at(-1);
  const page = rig.page(1);
  assert.is(last?.incarnation, page?.incarnation);
  assert.is(last?.generation, page?.generation);
  assert.ok(Math.abs((last?.leaseEndMs ?? 0) - Number(page?.leaseEndNs) / 1e6) < 0.01);
});

test.either("one that dies ends the page at once; the node comes back in a new life, the others go on", async () => {
  const rig = await Rig.up(3);
  const { cluster } = rig;
  const victim = [0, 1, 2].find((n) => n !== cluster.leader)!;
  const before = rig.page(victim)!;
  const others = [0, 1, 2].filter((n) => n !== victim);
  const lives = others.map((n) => cluster.nodes[n]!.state.incarnation);
  rig.doubles[victim]!.now!.die();
  await turn();
  assert.not(rig.shows(victim), "before anything else is done");
  const said = await rig.ask(victim, "data status") as { failures: number; why: string };
  assert.equal([said.failures, said.why], [1, "an assert has failed"]);
  await cluster.until(() => rig.allShow, 10_000);
  const after = rig.page(victim)!;
  assert.ok(after.incarnation > before.incarnation);
  assert.equal(rig.doubles[victim]!.now!.told.slice(0, 1), [`life ${after.incarnation}`]);
  assert.equal(others.map((n) => cluster.nodes[n]!.state.incarnation), lives);
  assert.equal(cluster.ends, []);
});

test.either(
  "a database is attached by a verb, shown everywhere, emptied and detached; what is wrong is said",
  async () => {
    const rig = await Rig.up(4);
    const { cluster } = rig;
    const { isNew, db } = await rig.ask(0, "db attach", { name: "visits" }) as {
      isNew: boolean;
      db: { name: string; kind: string; id: number };
    };
    assert.equal([isNew, db.name, db.kind], [true, "visits", "volatile"]);
    const again = await rig.ask(2, "db attach", { name: "visits" }) as { isNew: boolean };
    assert.is(again.isNew, false);
    const since = (n: number) => cluster.nodes[n]?.state.adopted?.dbs[0]?.since;
    await cluster.until(() => since(1) !== undefined && since(1) === since(0), 2000);
    const [row] = await rig.ask(1, "db ls") as { name: string; state: string; sticky: string }[];
    assert.equal([row?.name, row?.sticky], ["visits", "auto"]);
    const { generation, coreVersion, version } = cluster.nodes[0]!.state.adopted!;
    assert.ok(coreVersion < version, "a database is no part of the core");
    const first = since(0);
    await rig.ask(1, "db wipe", { name: "visits" });
    assert.ok(since(1)! > first! && cluster.nodes[1]!.state.adopted!.generation > generation);
    await rig.ask(0, "db set", { name: "visits", sticky: "on" });
    const run = await rig.ask(2, "recovery run") as { generation: bigint };
    assert.is(run.generation, cluster.nodes[2]!.state.adopted!.generation);
    await rig.ask(0, "db detach", { name: "visits" });
    assert.equal(cluster.nodes[0]!.state.adopted!.dbs, []);
    assert.match(await rig.refusal(0, "db wipe", { name: "visits" }), /known are none/);
    assert.match(await rig.refusal(0, "db attach", { name: ".x" }), /not beginning with a dot/);
    assert.match(
      await rig.refusal(0, "db attach", { name: "x", kind: "odd" }),
      /kind must be one of/,
    );
    assert.match(
      await rig.refusal(0, "db attach", { name: "x", replicas: 2 }),
      /a volatile database has no copies/,
    );
    assert.match(
      await rig.refusal(0, "db attach", { name: "x", kind: "persistent", replicas: 17 }),
      /replicas/,
    );
    await rig.ask(0, "db attach", { name: "x" });
    assert.match(await rig.refusal(0, "db set", { name: "x" }), /nothing is to be set/);
    assert.match(await rig.refusal(0, "db set", { name: "x", readonly: "no" }), /auto, on, off/);
  },
);

test.either("what a recovery would mean is said before it comes", async () => {
  const rig = await Rig.up(10);
  rig.doubles[0]!.now!.counts.set(2 as Pnn, 41);
  type Answer = { moves: { name: string; slots: number }[]; records?: number; says: string[] };
  const { moves, records, says } = await rig.ask(0, "recovery explain", { node: "n2" }) as Answer;
  const { slots } = rig.cluster.nodes[0]!.state.adopted!.view;
  const own = slots.filter(({ home }) => home.pnn === 2).length;
  assert.equal(moves.map(({ name }) => name), ["n0", "n1"]);
  assert.is(moves.reduce((sum, each) => sum + each.slots, 0), own, "its slots, and no others");
  assert.is(records, 41);
  assert.match(says.join("; "), /would go to n0 \(\d+\), n1 \(\d+\).*know 41 records that n2 owns/);
  rig.cluster.crash(2, "power");
  await rig.cluster.until(
    () => rig.cluster.nodes[0]!.state.adopted!.view.members.length === 2,
    9000,
  );
  const after = rig.cluster.nodes[0]!.state.adopted!.view.slots;
  for (const { name, slots: count } of moves) {
    const pnn = Number(name.slice(1));
    const taken = after.filter(({ home }, slot) => home.pnn === pnn && slots[slot]?.home.pnn === 2);
    assert.is(taken.length, count, `what ${name} was to take it took`);
  }
  const gone = await rig.ask(0, "recovery explain", { node: "n2" }) as Answer;
  assert.match(gone.says.join(), /no member: nothing would change/);
  assert.match(await rig.refusal(0, "recovery explain", { node: "n7" }), /Cannot find node n7/);
});

test.either("a program's wish for a database goes to the leader; without create it must be there", async () => {
  const rig = await Rig.up(5);
  const { asks } = rig.doubles[0]!.now!;
  const missing = await rig.cluster.time.drive(
    asks!.attach("visits", { create: false }, 1000).then(() => "", (error) => error.message),
    turn,
  );
  assert.match(missing, /Cannot find database visits: known are none/);
  const wish = { create: true, sticky: "on", hashSize: 77 } as const;
  await rig.cluster.time.drive(asks!.attach("visits", wish, 5000), turn);
  const [db] = rig.cluster.nodes[0]!.state.adopted!.dbs;
  assert.equal([db?.name, db?.sticky, db?.hashSize], ["visits", "on", 77]);
});

test.either("a planned stop waits until no home knows records there, and no longer", async () => {
  const rig = await Rig.up(6);
  const { cluster, doubles } = rig;
  await rig.ask(0, "db attach", { name: "visits" });
  const goer = [0, 1, 2].find((n) => n !== cluster.leader)!;
  const pnn = goer as Pnn;
  for (const double of doubles) double.now!.counts.set(pnn, 5);
  let hasStopped = false;
  void cluster.nodes[goer]!.stop().then(() => hasStopped = true);
  await cluster.run(8000);
  assert.not(hasStopped, "its records are there still");
  assert.ok(rig.shows(goer), "and are served meanwhile");
  const homes = [0, 1, 2].filter((n) => n !== goer);
  doubles[homes[0]!]!.now!.counts.set(pnn, 0);
  await cluster.run(2000);
  assert.not(hasStopped, "another home knows some");
  doubles[homes[1]!]!.now!.counts.set(pnn, 0);
  await cluster.until(() => hasStopped, 2000);
});

test.either("where all stop nobody waits for anybody's records", async () => {
  const rig = await Rig.up(7);
  const { cluster, doubles } = rig;
  await rig.ask(0, "db attach", { name: "visits" });
  for (const double of doubles) {
    for (const n of [0, 1, 2]) double.now!.counts.set(n as Pnn, 5);
  }
  const stopped = new Set<number>();
  for (const n of [0, 1, 2]) void cluster.nodes[n]!.stop().then(() => stopped.add(n));
  await cluster.until(() => stopped.size === 3, 1000);
});

test.either("where nobody leads a stop does not wait for the records either", async () => {
  const rig = await Rig.up(8);
  const { cluster, doubles } = rig;
  await rig.ask(0, "db attach", { name: "visits" });
  const goer = [0, 1, 2].find((n) => n !== cluster.leader)!;
  for (const double of doubles) double.now!.counts.set(goer as Pnn, 5);
  for (const n of [0, 1, 2]) if (n !== goer) cluster.crash(n, "power");
  let hasStopped = false;
  void cluster.nodes[goer]!.stop().then(() => hasStopped = true);
  await cluster.until(() => hasStopped, 5000);
});

test.either("one that is home of nothing hands its records over all the same", async () => {
  const rig = await Rig.up(9);
  const { cluster, doubles } = rig;
  await rig.ask(0, "db attach", { name: "visits" });
  const goer = [0, 1, 2].find((n) => n !== cluster.leader)!;
  await rig.ask(goer, "node caps", { node: `n${goer}`, caps: ["leader"], why: "a test" });
  await cluster.run(1000);
  for (const double of doubles) double.now!.counts.set(goer as Pnn, 5);
  let hasStopped = false;
  void cluster.nodes[goer]!.stop().then(() => hasStopped = true);
  await cluster.run(3000);
  assert.not(hasStopped);
  for (const double of doubles) double.now!.counts.set(goer as Pnn, 0);
  await cluster.until(() => hasStopped, 2000);
});

test.run();
