/**
 * Data threads of a whole cluster on one simulated network, without their nodes: the test is their main threads.
 *
 *   const rig = await DataRig.start(1, 3);   await rig.attach("visits");   await rig.put(0, "key", "value");
 *   rig.freeze(0)   rig.show(0)   await rig.view([0, 2])   the document and the pages are the test's
 *
 * Does NOT promise: that a document is one that a leader would make.
 */
import * as assert from "uvu/assert";
import { genesis, withView } from "../../../actors/machines/cluster/document.ts";
import type { OpWish } from "../../../actors/machines/record/events.ts";
import { DataShard } from "../../../actors/data/shard.ts";
import type { DatabaseHost, DataStart, OpEnd } from "../../../actors/data/types.ts";
import type { DataAsks } from "../../../actors/data_link.ts";
import { type NodeState, StatePage } from "../../../actors/storage/state_page.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../../transport/sim/world.ts";
import type { DbCfg, Document, Member } from "../../../transport/wire/messages/document.ts";
import type {
  ClusterId,
  DbId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Version,
} from "../../../transport/wire/terms.ts";

/** Where things are on each machine. */
export const PAGE = "/run/state";
export const SOCKET = "/run/data.sock";
export const FOLDER = "/state/volatile";
const CLUSTER_ID = "c".repeat(32) as ClusterId;
/** Virtual time between two turns of the event loop, ms. */
const STEP_MS = 1;
/** Leases of the test last for ever, ms. */
export const FOREVER_MS = 1e9;
/** A key as the machine has it. */
export const k = (text: string): string => text;
/** Text as bytes, and back. */
export const b = (text: string): Uint8Array => new TextEncoder().encode(text);
export const t = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One node, as far as it is here. */
export interface RigNode {
  readonly machine: SimMachine;
  readonly nodeId: NodeId;
  world: SimWorld;
  shard: DataShard;
  incarnation: Incarnation;
  /** Undefined: its process is dead. */
  page: StatePage | undefined;
  /** Databases that were asked to be attached. */
  readonly asked: string[];
  readonly breaches: string[];
  readonly failures: unknown[];
  /** Who answers questions of programs about resources. */
  resources?: DataAsks["resource"];
}

/** All of them. */
export class DataRig {
  readonly time = new SimTime();
  readonly network: SimNetwork;
  readonly nodes: RigNode[] = [];
  doc: Document;
  readonly #dice: SeededDice;

  private constructor(seed: number, count: number) {
    this.#dice = new SeededDice(seed);
    this.network = new SimNetwork(this.time, this.#dice);
    const nodes = Array.from({ length: count }, (_, n) => ({
      nodeId: `${n}`.repeat(32) as NodeId,
      name: `n${n}`,
      addr: `n${n}:4379`,
      isVoter: true,
    }));
    this.doc = genesis({ clusterId: CLUSTER_ID, format: 2, nodes });
  }

  /** Nodes that are all members, and serve. */
  static async start(seed: number, count: number): Promise<DataRig> {
    const rig = new DataRig(seed, count);
    for (let n = 0; n < count; n++) await rig.#add(n);
    await rig.view(rig.nodes.map((_, n) => n));
    return rig;
  }

  async #add(n: number): Promise<void> {
    const { network } = this;
    const machine = new SimMachine({ name: `n${n}`, network, dice: this.#dice });
    const node: RigNode = {
      machine,
      nodeId: this.doc.nodes[n]!.nodeId,
      incarnation: 0n as Incarnation,
      asked: [],
      breaches: [],
      failures: [],
    } as unknown as RigNode;
    this.nodes.push(node);
    await this.boot(n);
  }

  /** The process of a node starts: a data thread, and a new life unless that is to come. */
  async boot(n: number, hasLife = true): Promise<void> {
    const node = this.node(n);
    node.world = node.machine.boot();
    await this.startThread(n);
    if (hasLife) await this.life(n);
  }

  /** A data thread starts; whatever there was before is gone. */
  async startThread(n: number): Promise<void> {
    const node = this.node(n);
    const { failures } = node;
    node.shard = new DataShard(node.world, { onFailure: (error) => void failures.push(error) });
    const start: DataStart = {
      cluster: "rig",
      clusterId: CLUSTER_ID,
      nodeId: node.nodeId,
      name: `n${n}`,
      level: 2,
      folder: FOLDER,
      pagePath: PAGE,
      socketPath: SOCKET,
      programVersion: "test",
    };
    const asks: DataAsks = {
      attach: (name, options) => {
        node.asked.push(name);
        if (options.create) void this.attach(name);
        return Promise.resolve();
      },
      commit: () => Promise.resolve(),
      note: () => Promise.resolve(),
      breach: (number) => Promise.resolve(void node.breaches.push(number)),
      resource: (ask) => node.resources?.(ask) ?? Promise.resolve({ orders: [] }),
    };
    await this.time.drive(node.shard.start(start, asks), turn);
  }

  /** A new life: the page of the one before has ended. */
  async life(n: number): Promise<void> {
    const node = this.node(n);
    node.incarnation = node.incarnation + 1n as Incarnation;
    node.page?.endLease();
    node.page?.close();
    node.page = StatePage.make(node.world.images, PAGE, this.#state(n, 0));
    await node.shard.life({ pnn: n as Pnn, incarnation: node.incarnation });
  }

  node(n: number): RigNode {
    const node = this.nodes[n];
    if (node === undefined) throw new RangeError(`Cannot find node ${n}`);
    return node;
  }

  /** A document with these members, and other databases; frozen first, in force at all who run, then valid. */
  async view(members: readonly number[], dbs: readonly DbCfg[] = this.doc.dbs): Promise<void> {
    const version = this.doc.version + 1n as Version;
    const lives: Member[] = members.map((n) => (
      { pnn: n as Pnn, incarnation: this.node(n).incarnation }
    ));
    const base = { ...this.doc, dbs: [...dbs] };
    await this.adopt(withView(base, lives, this.doc.view.members, version), members);
  }

  /** A document is in force at these nodes. */
  async adopt(doc: Document, at: readonly number[]): Promise<void> {
    this.doc = doc;
    for (const n of at) this.freeze(n);
    for (const n of at) await this.node(n).shard.view(doc);
    for (const n of at) this.show(n);
    await this.run(STEP_MS);
  }

  /** A database is attached, in a new epoch, everywhere. */
  async attach(name: string, more: Partial<DbCfg> = {}): Promise<void> {
    const version = this.doc.version + 1n as Version;
    const dbId = 100 + this.doc.dbs.length as DbId;
    const cfg: DbCfg = { dbId, name, kind: "volatile", since: version, hashSize: 101, ...more };
    const doc = { ...this.doc, version, dbs: [...this.doc.dbs, cfg] };
    this.doc = doc;
    for (const { pnn } of doc.view.members) await this.node(pnn).shard.view(doc);
  }

  #state(n: number, leaseEndMs: number): NodeState {
    return {
      incarnation: this.node(n).incarnation,
      generation: this.doc.generation as Generation,
      leaseEndNs: BigInt(Math.floor(leaseEndMs * 1e6)),
      pnn: n as Pnn,
      frozen: false,
      pid: 1,
    };
  }

  /** The page of a node says that nothing may be served; its data thread is told. */
  freeze(n: number, isTold = true): void {
    this.#write(n, 0, isTold);
  }

  /** The page of a node is valid, until a time of its clock. */
  show(n: number, leaseEndMs = FOREVER_MS, isTold = true): void {
    this.#write(n, leaseEndMs, isTold);
  }

  #write(n: number, leaseEndMs: number, isTold: boolean): void {
    const { page, shard, incarnation } = this.node(n);
    page?.write(this.#state(n, leaseEndMs));
    const { generation } = this.doc;
    if (isTold) void shard.page({ incarnation, generation, leaseEndMs });
  }

  /** A process is killed. */
  kill(n: number): void {
    this.node(n).page?.endLease();
    this.node(n).page = undefined;
    this.node(n).machine.crash("process");
  }

  /** Virtual time goes on. */
  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(this.time.nowMs + STEP_MS);
      await turn();
    }
  }

  /** Time goes on until something is so, at most `limitMs`. */
  async until(isSo: () => boolean, limitMs = 5000): Promise<void> {
    const endMs = this.time.nowMs + limitMs;
    await turn();
    while (!isSo()) {
      assert.ok(this.time.nowMs < endMs, `it has not come in ${limitMs} ms`);
      await this.run(STEP_MS);
    }
  }

  database(n: number, name: string): DatabaseHost {
    const found = this.node(n).shard.host.database(name);
    if (found === undefined) throw new Error(`Cannot find ${name} at node ${n}`);
    return found;
  }

  nowMs(n: number): number {
    return this.node(n).world.clock.nowMs();
  }

  /** Begins an operation of a new program; what it is told is pushed to the answer. */
  begin(n: number, name: string, key: string, wish: OpWish, limitMs = 3000): Asked {
    const { host } = this.node(n).shard;
    const ends: OpEnd[] = [];
    const client = host.newClient();
    const database = this.database(n, name);
    const deadlineMs = this.nowMs(n) + limitMs;
    const id = database.op(client, key, wish, deadlineMs, (end) => ends.push(end));
    return { id, client, ends, database };
  }

  /** An operation, until it is answered. */
  async op(n: number, name: string, key: string, wish: OpWish): Promise<OpEnd> {
    const { ends } = this.begin(n, name, key, wish);
    await this.until(() => ends.length > 0);
    return ends[0] as OpEnd;
  }

  /** Reads a value as text; "" when there is none. Throws when it fails. */
  async read(n: number, name: string, key: string): Promise<string> {
    return t(okOf(await this.op(n, name, key, { what: "read" }))) ?? "";
  }

  /** Writes a value, under a lock. */
  async put(n: number, name: string, key: string, value: string): Promise<void> {
    const { id, ends, database } = this.begin(n, name, key, { what: "lock" });
    await this.until(() => ends.length > 0);
    assert.is(
      ends[0]?.what,
      "locked",
      JSON.stringify(ends[0], (_, v) => typeof v === "bigint" ? `${v}` : v),
    );
    database.unlock(id, b(value));
    await this.until(() => ends.length > 1);
    okOf(ends[1] as OpEnd);
  }
}

/** An operation that was begun. */
export interface Asked {
  readonly id: number;
  readonly client: number;
  readonly ends: OpEnd[];
  readonly database: DatabaseHost;
}

/** The result of an operation that must have gone well. */
export function okOf(end: OpEnd): Uint8Array | undefined {
  if (end.what !== "answer" || end.outcome !== "ok") {
    throw new Error(`it is no good answer: ${end.what === "answer" ? end.why : end.what}`);
  }
  return end.result;
}
