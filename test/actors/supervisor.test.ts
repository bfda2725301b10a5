/**
 * The supervisor of a node in a simulated world: what it certifies, and that nothing ends it but its owner.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { genesis } from "../../actors/machines/cluster/document.ts";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { makeIdentity } from "../../actors/storage/node_identity.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import { Supervisor } from "../../actors/supervisor.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../transport/sim/world.ts";
import { Codec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import type {
  ClusterId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Token,
} from "../../transport/wire/terms.ts";
import { PNN_UNKNOWN, tagOf } from "../../transport/wire/terms.ts";
import type { Child, Host } from "../../transport/world.ts";

const STATE = "/var/lib/ctdbx/sim";
const RUN = "/run/ctdbx/sim";
const CLUSTER_ID = "c".repeat(32) as ClusterId;
const OWN = "0".repeat(32) as NodeId;
const VOTER = "1".repeat(32) as NodeId;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A daemon that the test ends. */
class Daemon implements Child {
  readonly pid: number;
  readonly #end = Promise.withResolvers<{ code: number | undefined; signal: string | undefined }>();
  readonly ended = this.#end.promise;
  readonly signals: string[] = [];

  constructor(pid: number) {
    this.pid = pid;
  }

  /** Does it end when it is told to? */
  isObedient = true;

  signal(name: string): void {
    this.signals.push(name);
    if (name === "SIGTERM" && this.isObedient) this.end(0);
    if (name === "SIGKILL") this.end(undefined);
  }

  end(code: number | undefined): void {
    this.#end.resolve({ code, signal: code === undefined ? "SIGKILL" : undefined });
  }
}

/** A supervisor, its daemons, and what a voter hears of it. */
class Stage {
  readonly time = new SimTime();
  readonly world: SimWorld;
  readonly daemons: Daemon[] = [];
  readonly heard: { kind: string; pnn: number; incarnation: bigint }[] = [];
  /** Starts that fail before one works. */
  failing = 0;
  /** Could it remove the addresses of a daemon that died? */
  isCleared: boolean | Promise<boolean> = true;
  /** Is over what programs of a daemon that died own? */
  areResourcesClear: boolean | undefined;
  readonly supervisor: Supervisor;

  constructor() {
    const dice = new SeededDice(1);
    const network = new SimNetwork(this.time, dice);
    this.world = new SimMachine({ name: "n0", network, dice }).boot();
    const voter = new SimMachine({ name: "n1", network, dice }).boot();
    const codec = new Codec({ cluster: "sim", own: VOTER, firstId: 1n });
    voter.bus.subscribe(`ctdbx.sim.n.${tagOf(VOTER)}.from.*`, ({ subject, payload }) => {
      const received = codec.decode(subject, payload, 0);
      if (received === undefined || isRefusal(received)) throw new Error("refused");
      this.heard.push(received.message as unknown as (typeof this.heard)[number]);
    });
    const host = Object.create(this.world.host, {
      start: { value: () => this.#start() },
    }) as Host;
    const { bus, clock, disk, images, log } = this.world;
    this.supervisor = new Supervisor({
      world: { bus, clock, dice: this.world.dice, disk, images, log, host },
      cluster: "sim",
      stateFolder: STATE,
      runFolder: RUN,
      socketPath: `${RUN}/ctdbx.sock`,
      command: ["ctdbxd"],
      clearAddresses: () => this.isCleared,
      clearResources: () => {
        if (this.areResourcesClear !== undefined) return this.areResourcesClear;
        throw new Error("no page");
      },
    });
  }

  #start(): Promise<Child> {
    if (this.failing-- > 0) return Promise.reject(new Error("no more processes"));
    const daemon = new Daemon(1000 + this.daemons.length);
    this.daemons.push(daemon);
    return Promise.resolve(daemon);
  }

  async files(format = 1): Promise<void> {
    const { disk, dice } = this.world;
    const made = makeIdentity({ disk, dice }, STATE, { name: "n0", nodeId: OWN });
    const { diskId } = await this.time.drive(made, turn);
    const nodes = [OWN, VOTER].map((nodeId, n) => ({
      nodeId,
      name: `n${n}`,
      addr: `n${n}:1`,
      isVoter: true,
    }));
    const accepted = genesis({ clusterId: CLUSTER_ID, nodes, format });
    const durable = { diskId, promised: 0n as Token, accepted, incarnation: 1n as Incarnation };
    const saved = new Promise<void>((done) =>
      new MetaFile(disk, STATE).save(durable, () => done())
    );
    await this.time.drive(saved, turn);
  }

  /** The page that a daemon would have made. */
  page(pid: number, pnn: Pnn): StatePage {
    return StatePage.make(this.world.images, `${RUN}/state`, {
      incarnation: 7n as Incarnation,
      generation: 0n as Generation,
      leaseEndNs: 10n ** 18n,
      pnn,
      frozen: false,
      pid,
    });
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.time.runTo(this.time.nowMs + 50);
      await turn();
    }
  }
}

async function stage(format = 1): Promise<Stage> {
  const made = new Stage();
  await made.files(format);
  return made;
}

const test = suite("supervisor");

test("a daemon that dies: its lease is ended, its death is told twenty times, another is started", async () => {
  const sim = await stage();
  void sim.supervisor.run();
  await sim.run(100);
  const page = sim.page(1000, 0 as Pnn);
  sim.daemons[0]?.end(undefined);
  await sim.run(100);
  assert.is(page.read()?.leaseEndNs, 0n);
  await sim.run(10_000);
  assert.is(sim.heard.length, 20);
  assert.ok(
    sim.heard.every(({ kind, pnn, incarnation }) =>
      kind === "dead" && pnn === 0 && incarnation === 7n
    ),
  );
  assert.is(sim.daemons.length, 2);
});

test("with a death it is told that no address is left, where that is so and all know what it means", async () => {
  for (const [format, isCleared] of [[2, true], [2, false], [1, true]] as const) {
    const sim = await stage(format);
    sim.isCleared = isCleared;
    void sim.supervisor.run();
    await sim.run(100);
    sim.page(1000, 0 as Pnn);
    sim.daemons[0]?.end(undefined);
    await sim.run(10_000);
    const clear = sim.heard.filter(({ kind }) => kind === "address_clear");
    assert.is(clear.length, format === 2 && isCleared ? 20 : 0, `${format} ${isCleared}`);
    assert.ok(clear.every(({ pnn, incarnation }) => pnn === 0 && incarnation === 7n));
    // Once at once, then with each word that all is clear.
    assert.is(sim.heard.length - clear.length, clear.length === 0 ? 20 : 21);
  }
});

test("addresses that take their time: the death is told at once, and no daemon is started before", async () => {
  const sim = await stage(2);
  const cleared = Promise.withResolvers<boolean>();
  sim.isCleared = cleared.promise;
  void sim.supervisor.run();
  await sim.run(100);
  sim.page(1000, 0 as Pnn);
  sim.daemons[0]?.end(undefined);
  await sim.run(8000);
  assert.equal([sim.heard.length, sim.daemons.length], [20, 1]);
  assert.ok(sim.heard.every(({ kind }) => kind === "dead"));
  cleared.resolve(true);
  await sim.run(100);
  assert.is(sim.heard.filter(({ kind }) => kind === "address_clear").length, 1);
  await sim.run(10_000);
  assert.is(sim.heard.filter(({ kind }) => kind === "address_clear").length, 20);
  assert.is(sim.daemons.length, 2);
});

test("addresses that cannot be removed are left to their lives; the daemon is started all the same", async () => {
  const sim = await stage(2);
  sim.isCleared = Promise.reject(new Error("no rights"));
  sim.isCleared.catch(() => {});
  void sim.supervisor.run();
  await sim.run(100);
  sim.page(1000, 0 as Pnn);
  sim.daemons[0]?.end(undefined);
  await sim.run(10_000);
  assert.equal([sim.heard.length, sim.daemons.length], [20, 2]);
});

test("what programs own is said to be over from when it is, and nothing waits for it", async () => {
  for (const format of [1, 2]) {
    const sim = await stage(format);
    sim.areResourcesClear = false;
    sim.isCleared = false;
    const cleared = () => sim.heard.filter(({ kind }) => kind === "resource_clear");
    void sim.supervisor.run();
    await sim.run(100);
    sim.page(1000, 0 as Pnn);
    sim.daemons[0]?.end(undefined);
    await sim.run(2000);
    assert.equal([cleared().length, sim.daemons.length], [0, 2]);
    sim.areResourcesClear = true;
    await sim.run(300);
    // Of the next daemon's programs nothing is said.
    sim.areResourcesClear = false;
    await sim.run(10_000);
    const dead = sim.heard.filter(({ kind }) => kind === "dead").length;
    assert.is(dead, 20);
    assert.ok(format === 1 ? cleared().length === 0 : cleared().length > 8, `${cleared().length}`);
    assert.ok(cleared().every(({ pnn, incarnation }) => pnn === 0 && incarnation === 7n));
  }
});

test("a page of grants that cannot be read: nothing is said, and the death is told all the same", async () => {
  const sim = await stage(2);
  sim.isCleared = false;
  void sim.supervisor.run();
  await sim.run(100);
  sim.page(1000, 0 as Pnn);
  sim.daemons[0]?.end(undefined);
  await sim.run(10_000);
  assert.equal(sim.heard.map(({ kind }) => kind), new Array(20).fill("dead"));
});

test("a page of another process is left alone, and nothing is certified", async () => {
  const sim = await stage();
  void sim.supervisor.run();
  await sim.run(100);
  const page = sim.page(4711, 0 as Pnn);
  sim.daemons[0]?.end(undefined);
  await sim.run(3000);
  assert.ok((page.read()?.leaseEndNs ?? 0n) > 0n);
  assert.equal(sim.heard, []);
});

test("a node without a number has served nothing; the next death is told all the same", async () => {
  const sim = await stage();
  void sim.supervisor.run();
  await sim.run(100);
  sim.page(1000, PNN_UNKNOWN);
  sim.daemons[0]?.end(undefined);
  await sim.run(1000);
  assert.equal(sim.heard, []);
  sim.page(1001, 0 as Pnn);
  sim.daemons[1]?.end(1);
  await sim.run(1000);
  assert.ok(sim.heard.length > 0);
});

test("a daemon that cannot be started is tried again, until it can", async () => {
  const sim = await stage();
  sim.failing = 3;
  void sim.supervisor.run();
  await sim.run(5000);
  assert.is(sim.daemons.length, 1);
});

test("stop ends the daemon in order, and the run", async () => {
  const sim = await stage();
  let isOver = false;
  void sim.supervisor.run().then(() => isOver = true);
  await sim.run(100);
  sim.supervisor.stop();
  await sim.run(100);
  assert.ok(isOver);
  assert.equal(sim.daemons[0]?.signals, ["SIGTERM", "SIGCONT"]);
});

test("one that does not end is killed, but not while it serves: it hands its records over", async () => {
  const sim = await stage();
  let isOver = false;
  void sim.supervisor.run().then(() => isOver = true);
  await sim.run(100);
  const daemon = sim.daemons[0]!;
  daemon.isObedient = false;
  const page = sim.page(daemon.pid, 0 as Pnn);
  const serveUntil = (endMs: number) =>
    page.write({ ...page.read()!, leaseEndNs: BigInt(Math.floor(endMs * 1e6)) });
  serveUntil(sim.world.clock.nowMs() + 20_000);
  sim.supervisor.stop();
  await sim.run(15_000);
  assert.equal([daemon.signals, isOver], [["SIGTERM", "SIGCONT"], false]);
  // It is stopped, or hangs: nobody gives it a lease any more.
  await sim.run(7000);
  assert.equal([daemon.signals.at(-1), isOver], ["SIGKILL", true]);
});

test.run();
