/**
 * Programs that own resources, at whole simulated nodes: each in a process of its own, which can be stopped and killed
 * without its node, and the node without it.
 *
 *   const fleet = await Fleet.up(1);   const one = await fleet.program(0);   await one.offer("worker-7");
 *
 * At each step of time is looked that no resource has two owners, as `isOwned` says it by the clock of each machine.
 *
 * Does NOT promise: supervisors; a node that is killed is waited out.
 */
import * as assert from "uvu/assert";
import { ClusterClient } from "../../../actors/client/cluster.ts";
import type { Ownership, Resource, ResourceOptions } from "../../../actors/client/types.ts";
import type { Node } from "../../../actors/node.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { SimClock } from "../../../transport/sim/clock.ts";
import { SimHost } from "../../../transport/sim/host.ts";
import { SimLife } from "../../../transport/sim/life.ts";
import { Whole } from "../data/whole.ts";
import { RUN, STEP_MS, turn } from "../sim_nodes.ts";

const BY = { way: "socket", uid: 0, pid: 1 } as const;

/** A program, in a process of its own. */
export class FleetProgram {
  readonly node: number;
  readonly life: SimLife;
  readonly client: ClusterClient;
  readonly offered: Resource[] = [];
  /** "taken NAME", "released NAME owned" and "released NAME lost", in order. */
  readonly told: string[] = [];
  readonly #fleet: Fleet;

  constructor(fleet: Fleet, node: number, life: SimLife, client: ClusterClient) {
    this.#fleet = fleet;
    this.node = node;
    this.life = life;
    this.client = client;
  }

  async offer(name: string, options: ResourceOptions = {}): Promise<Resource> {
    const { onTake, onRelease } = options;
    const made = await this.#fleet.do(this.client.resource(name, {
      ...options,
      onTake: (owned: Ownership) => {
        this.told.push(`taken ${name}`);
        return onTake?.(owned);
      },
      onRelease: (owned: Ownership) => {
        this.told.push(`released ${name} ${owned.isOwned ? "owned" : "lost"}`);
        return onRelease?.(owned);
      },
    }));
    this.offered.push(made);
    return made;
  }

  /** What it owns now; nothing when its process is gone. */
  owned(): string[] {
    if (this.life.isOver) return [];
    return this.offered.filter(({ isOwned }) => isOwned).map(({ name }) => name).sort();
  }
}

/** Nodes and programs. */
export class Fleet {
  readonly whole: Whole;
  readonly programs: FleetProgram[] = [];

  private constructor(whole: Whole) {
    this.whole = whole;
  }

  static async up(seed: number, count = 3): Promise<Fleet> {
    return new Fleet(await Whole.up(seed, count));
  }

  /** A program begins at a node. */
  async program(n: number): Promise<FleetProgram> {
    const { cluster } = this.whole;
    const { time } = cluster;
    const life = new SimLife(time);
    // As its machine has it: sim_nodes.ts.
    const clock = new SimClock(time, life, { rate: 0.995 + n / 300 });
    const { system, images } = cluster.machines[n]!;
    const host = new SimHost(system, life);
    const client = await this.do(ClusterClient.open({
      ...{ clock, way: "local", pid: host.pid, program: `p${n}`, timeoutMs: 5000, images },
      dial: async (events) => {
        const stream = await host.dial(`${RUN}/data.sock`, events);
        return { write: (bytes) => stream.write(bytes.slice()), close: () => stream.close() };
      },
    }));
    const program = new FleetProgram(this, n, life, client);
    this.programs.push(program);
    return program;
  }

  /** A program at each node, which offers all these. */
  async pool(names: readonly string[]): Promise<FleetProgram[]> {
    const programs: FleetProgram[] = [];
    for (let n = 0; n < this.whole.cluster.nodes.length; n++) {
      const program = await this.program(n);
      await Promise.all(names.map((name) => program.offer(name)));
      programs.push(program);
    }
    return programs;
  }

  /** Programs that own a resource: never two. */
  owners(name: string): FleetProgram[] {
    return this.programs.filter((program) => program.owned().includes(name));
  }

  look(): void {
    const owners = new Map<string, number>();
    for (const [index, program] of this.programs.entries()) {
      for (const name of program.owned()) {
        const other = owners.get(name);
        assert.is(other, undefined, `${name} has two owners: programs ${other} and ${index}`);
        owners.set(name, index);
      }
    }
  }

  async run(forMs: number): Promise<void> {
    const { time } = this.whole.cluster;
    const endMs = time.nowMs + forMs;
    while (time.nowMs < endMs) {
      time.runTo(time.nowMs + STEP_MS);
      this.look();
      await turn();
      this.look();
    }
  }

  async until(isSo: () => boolean, limitMs = 20_000): Promise<void> {
    const { time } = this.whole.cluster;
    const endMs = time.nowMs + limitMs;
    while (!isSo()) {
      assert.ok(time.nowMs < endMs, `it has not come in ${limitMs} ms`);
      await this.run(STEP_MS);
    }
  }

  /** Lets time go on until something is done. */
  async do<T>(work: Promise<T>, limitMs = 20_000): Promise<T> {
    let isOver = false;
    work.then(() => isOver = true, () => isOver = true);
    await this.until(() => isOver, limitMs);
    return await work;
  }

  /** Are all of these owned by somebody? */
  areOwned(names: readonly string[]): boolean {
    return names.every((name) => this.owners(name).length === 1);
  }

  /** A verb at a node, as an operator has it done. */
  async verb(n: number, name: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const verb = nodeVerbs(this.whole.cluster.nodes[n] as Node).get(name);
    if (verb === undefined) throw new Error(`no verb ${name}`);
    const call = { by: BY as never, item: () => false, onCancel: () => {} };
    const work = (async () => await verb(args, call))();
    return await this.do(work);
  }

  get now(): number {
    return this.whole.cluster.time.nowMs;
  }
}
