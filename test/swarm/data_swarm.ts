/**
 * Whole nodes with their data threads under faults, and programs whose history is judged: what links the record machine
 * to the page, the wire, the files and the cluster, which the swarm of records does by itself.
 *
 *   three nodes, each: programs that have the daemon work, and one that maps the file
 *   faults: a process is killed, a data thread dies, a node stands still, its link is cut, messages are lost, doubled
 *   in the end all is well again, each record is read, and test/live/history/judge.ts says what is wrong
 *
 * Does NOT promise: rare faults of the protocol; test/swarm/record.test.ts and the long run have those.
 */

import type { DatabaseHost, OpEnd } from "../../actors/data/types.ts";
import type { OpWish } from "../../actors/machines/record/events.ts";
import { LocalNode } from "../../actors/storage/local_node.ts";
import { LocalRecords } from "../../actors/storage/local_records.ts";
import { closeEnded } from "../../actors/storage/tdb_core.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SOUND } from "../../transport/sim/network.ts";
import type { SimWorld } from "../../transport/sim/world.ts";
import { Whole } from "../actors/data/whole.ts";
import { RUN, STATE } from "../actors/sim_nodes.ts";
import {
  type LifeEnd,
  type Op,
  type OpKind,
  type Token,
  tokensOf,
  valueOf,
} from "../live/history/history.ts";
import { judge, type Objection } from "../live/history/judge.ts";

const NAME = "visits";
const KEYS = ["a", "b", "c", "d", "e"] as const;
/** Programs at each node that have the daemon work. */
const PROGRAMS = 3;
/** How long one operation may take, ms. */
const LIMIT_MS = 4000;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What came of a run. */
export interface DataOutcome {
  readonly objections: readonly Objection[];
  readonly counts: Readonly<Record<string, number>>;
  /** What happened, in words. */
  readonly story: readonly string[];
}

/** One run. */
export class DataSwarm {
  readonly #whole: Whole;
  readonly #dice: SeededDice;
  readonly #ops: Op[] = [];
  readonly #ends: LifeEnd[] = [];
  readonly #story: string[] = [];
  readonly #seen = new Map<number, { incarnation: bigint; validMs: number }>();
  #token = 0;
  #isOver = false;

  private constructor(whole: Whole, seed: number) {
    this.#whole = whole;
    this.#dice = new SeededDice(seed);
  }

  /** Runs for so long, virtual ms, and judges. */
  static async run(seed: number, forMs = 20_000): Promise<DataOutcome> {
    const whole = await Whole.up(seed);
    try {
      await whole.attach(0, NAME);
      await whole.until(() => whole.shards.every((shard) => shard?.host.database(NAME)));
      return await new DataSwarm(whole, seed).#run(forMs);
    } finally {
      // What is mapped lies in the one memory of this thread, until its process is dead.
      for (const machine of whole.cluster.machines) machine.crash("process");
      closeEnded();
    }
  }

  get #nowMs(): number {
    return this.#whole.cluster.time.nowMs;
  }

  #say(text: string): void {
    this.#story.push(`${Math.round(this.#nowMs)} ${text}`);
  }

  async #run(forMs: number): Promise<DataOutcome> {
    const { cluster } = this.#whole;
    this.#watchLives();
    for (const n of cluster.nodes.keys()) this.#startPrograms(n);
    const endMs = this.#nowMs + forMs;
    while (this.#nowMs < endMs) {
      await cluster.run(200 + this.#dice.below(1500));
      await this.#fault();
    }
    await this.#heal();
    this.#isOver = true;
    await cluster.run(LIMIT_MS + 2000);
    const finals = new Map<string, Token[]>();
    for (const key of KEYS) finals.set(key, await this.#final(key));
    const counts: Record<string, number> = {};
    for (const { kind, outcome } of this.#ops) {
      counts[`${kind} ${outcome}`] = (counts[`${kind} ${outcome}`] ?? 0) + 1;
    }
    return {
      objections: judge({ ops: this.#ops, ends: this.#ends, finals }),
      counts,
      story: this.#story,
    };
  }

  async #final(key: string): Promise<Token[]> {
    const end = await this.#whole.op(0, NAME, key, { what: "read" });
    if (end.what !== "answer" || end.outcome !== "ok") {
      throw new Error(`${key} cannot be read in the end: ${JSON.stringify(end)}`);
    }
    return tokensOf(end.result);
  }

  // --- faults

  async #fault(): Promise<void> {
    const { cluster, shards } = this.#whole;
    const n = this.#dice.below(cluster.nodes.length);
    const machine = cluster.machines[n]!;
    switch (this.#dice.below(6)) {
      case 0: {
        if (cluster.nodes[n] === undefined) return;
        this.#say(`kill ${n}`);
        this.#whole.crash(n);
        await cluster.run(this.#dice.below(7000));
        this.#say(`start ${n}`);
        await cluster.start(n);
        this.#startPrograms(n);
        return;
      }
      case 1:
        this.#say(`thread ${n} dies`);
        return shards[n]?.crash();
      case 2: {
        this.#say(`stop ${n}`);
        machine.pause();
        await cluster.run(this.#dice.below(5000));
        this.#say(`go on ${n}`);
        return machine.resume();
      }
      case 3: {
        this.#say(`cut ${n}`);
        machine.world?.bus.cut();
        await cluster.run(this.#dice.below(4000));
        this.#say(`connect ${n}`);
        return machine.world?.bus.connect();
      }
      default: {
        const loss = this.#dice.below(2000);
        this.#say(`loss ${loss}`);
        cluster.network.faults = { ...SOUND, loss, double: 500, reorder: 500, delayMaxMs: 5 };
      }
    }
  }

  async #heal(): Promise<void> {
    const { cluster, shards } = this.#whole;
    cluster.network.faults = SOUND;
    this.#say("all is well");
    await this.#whole.until(
      () => cluster.nodes.every((_, n) => this.#whole.serves(n) && shards[n]?.host.database(NAME)),
      60_000,
    );
  }

  /** Notes when lives end: the page of another incarnation is there. */
  #watchLives(): void {
    const { cluster, shards } = this.#whole;
    for (const n of cluster.nodes.keys()) {
      const incarnation = cluster.nodes[n]?.state.incarnation;
      const seen = this.#seen.get(n);
      if (seen !== undefined && incarnation !== undefined && incarnation !== seen.incarnation) {
        this.#ends.push({ node: n, fromMs: seen.validMs, toMs: this.#nowMs });
        this.#say(`life ${incarnation} of ${n}`);
      }
      const isValid = shards[n] !== undefined && this.#whole.serves(n);
      if (incarnation === undefined) continue;
      if (seen === undefined || seen.incarnation !== incarnation) {
        this.#seen.set(n, { incarnation, validMs: this.#nowMs });
      } else if (isValid) seen.validMs = this.#nowMs;
    }
    cluster.time.after(2, () => this.#watchLives());
  }

  // --- programs

  #startPrograms(n: number): void {
    const world = this.#whole.cluster.machines[n]!.world!;
    for (let i = 0; i < PROGRAMS; i++) this.#think(world, () => this.#work(n, world));
    const mapped = new Mapped(this, n, world);
    this.#think(world, () => void mapped.work());
  }

  /** Goes on after a while, unless the run is over. A dead process goes nowhere. */
  #think(world: SimWorld, next: () => void): void {
    if (!this.#isOver) world.clock.after(1 + this.#dice.below(60), next);
  }

  /** The database as the data thread of now has it. */
  database(n: number): DatabaseHost | undefined {
    try {
      return this.#whole.shards[n]?.host.database(NAME);
    } catch {
      // It has not started.
      return undefined;
    }
  }

  begin(n: number, drawn: OpKind, isMapped = false): Op {
    const at = this.#dice.below(KEYS.length);
    const key = KEYS[at]!;
    // One program deletes a record, now and then: which of two deletions was before a value nobody could tell.
    const mayDelete = isMapped && at % this.#whole.cluster.nodes.length === n;
    const kind = mayDelete && drawn === "update" && this.#dice.chance(1, 4) ? "delete" : drawn;
    const op: Op = {
      ...{ id: this.#ops.length + 1, key, kind, node: n, startMs: this.#nowMs, endMs: Infinity },
      ...{ outcome: "open", tries: [], token: undefined, seen: undefined, why: "" },
    };
    this.#ops.push(op);
    return op;
  }

  newToken(): Token {
    this.#token += 1;
    return this.#token;
  }

  end(op: Op, outcome: Op["outcome"], why = ""): void {
    op.endMs = this.#nowMs;
    op.outcome = outcome;
    op.why = why;
  }

  again(world: SimWorld, next: () => void): void {
    this.#think(world, next);
  }

  kindOf(): OpKind {
    const drawn = this.#dice.below(10);
    return drawn < 3 ? "read" : drawn < 6 ? "append" : "update";
  }

  /** One operation by the daemon. */
  #work(n: number, world: SimWorld): void {
    const next = () => this.#think(world, () => this.#work(n, world));
    const database = this.database(n);
    if (database === undefined) return next();
    const kind = this.kindOf();
    const op = this.begin(n, kind);
    if (kind === "append") op.token = this.newToken();
    const wish: OpWish = kind === "read"
      ? { what: "read" }
      : op.token !== undefined
      ? { what: "call", procedure: "append", args: valueOf([op.token]) }
      : { what: "lock" };
    const client = this.#whole.shards[n]!.host.newClient();
    const id = database.op(client, op.key, wish, world.clock.nowMs() + LIMIT_MS, (end) => {
      if (end.what === "locked") {
        // In a later turn, as a program would.
        return void world.clock.after(0, () => this.#change(database, id, op, end.data));
      }
      this.#answer(op, end);
      next();
    });
  }

  #change(database: DatabaseHost, id: number, op: Op, data: Uint8Array): void {
    const from = tokensOf(data);
    const token = this.newToken();
    op.tries.push({ token, from });
    database.unlock(id, op.kind === "delete" ? valueOf([]) : valueOf([...from, token]));
  }

  #answer(op: Op, end: OpEnd): void {
    if (end.what !== "answer") return;
    if (op.kind === "read" && end.outcome === "ok") op.seen = tokensOf(end.result);
    this.end(op, end.outcome, end.why);
  }
}

/** A program that maps the file. */
class Mapped {
  readonly #swarm: DataSwarm;
  readonly #n: number;
  readonly #world: SimWorld;
  #node: LocalNode | undefined;
  #records: LocalRecords | undefined;

  constructor(swarm: DataSwarm, n: number, world: SimWorld) {
    this.#swarm = swarm;
    this.#n = n;
    this.#world = world;
  }

  async work(): Promise<void> {
    try {
      await this.#one();
    } catch {
      // Between two lives, or two epochs, there is a moment without a page or a file: it begins anew.
      this.#records?.close();
      this.#node?.close();
      this.#records = undefined;
      this.#node = undefined;
    }
    this.#swarm.again(this.#world, () => void this.work());
  }

  async #open(database: DatabaseHost): Promise<LocalRecords> {
    if (this.#records !== undefined) return this.#records;
    const { images, clock } = this.#world;
    const pagePath = `${RUN}/state`;
    const folder = database.path?.slice(0, database.path.lastIndexOf("/")) ?? `${STATE}/volatile`;
    this.#node = LocalNode.open({ images, clock, pagePath, folder });
    this.#records = await LocalRecords.open(this.#node, NAME, database.since);
    return this.#records;
  }

  async #one(): Promise<void> {
    const swarm = this.#swarm;
    const database = swarm.database(this.#n);
    if (database === undefined) return;
    const records = await this.#open(database);
    const kind = swarm.kindOf();
    const op = swarm.begin(this.#n, kind === "append" ? "update" : kind, true);
    const endMs = this.#world.clock.nowMs() + LIMIT_MS;
    while (this.#world.clock.nowMs() < endMs) {
      const answer = this.#try(records, op);
      if (answer === "done") return swarm.end(op, "ok");
      if (answer === "unknown") return swarm.end(op, "unknown");
      if (answer === "unsure") {
        const isGood = await records.settled(LIMIT_MS);
        // What was read under a page that ended is no answer.
        if (isGood) return swarm.end(op, "ok");
        return swarm.end(op, op.kind === "read" ? "failed" : "unknown");
      }
      op.tries.length = 0;
      if (answer === "elsewhere") await this.#fetch(op.key, op.kind === "read");
      else await records.ready(500);
    }
    swarm.end(op, "failed", "not in time");
  }

  #try(records: LocalRecords, op: Op): ReturnType<LocalRecords["read"]> {
    if (op.kind === "read") {
      return records.read(bytesOf(op.key), (view) => op.seen = tokensOf(view.value()));
    }
    return records.update(bytesOf(op.key), (view) => {
      const from = tokensOf(view.value());
      const token = this.#swarm.newToken();
      op.tries.push({ token, from });
      return op.kind === "delete" ? valueOf([]) : valueOf([...from, token]);
    });
  }

  /** Has the daemon fetch the record, and goes on when it is here. */
  #fetch(key: string, isRead: boolean): Promise<void> {
    const database = this.#swarm.database(this.#n);
    if (database === undefined) {
      return new Promise((resolve) => void this.#world.clock.after(20, resolve));
    }
    return new Promise((resolve) => {
      const mode = isRead ? "read" : "write";
      const deadlineMs = this.#world.clock.nowMs() + 1000;
      database.op(0, key, { what: "ready", mode }, deadlineMs, () => resolve());
    });
  }
}
