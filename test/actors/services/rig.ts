/**
 * Services in a simulated world: looks, restarts and deliveries end as a test wants, in virtual time.
 *
 *   const rig = new Rig([check]);   rig.prober.next = { level: "failed", why: "no" };   await rig.run(5000);
 *
 * Does NOT promise: real services; test/live/services.test.ts has those.
 */

import type { CheckConfig } from "../../../actors/services/checks_config.ts";
import { NodeHealth } from "../../../actors/services/health.ts";
import { Services } from "../../../actors/services/services.ts";
import type { GroupEnd, GroupRun, Groups, GroupWish } from "../../../transport/group.ts";
import type { Probe, Prober, ProbeResult, ProbeWish } from "../../../transport/probe.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine, type SimWorld } from "../../../transport/sim/world.ts";
import type { ServiceFields } from "../../../transport/wire/messages/event_services.ts";
import type { Clock } from "../../../transport/world.ts";

/** Folder of the node's state. */
export const STATE = "/var/lib/ctdbx/sim";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A prober whose looks take `tookMs` and end as `next`; undefined: they have no end. */
export class ProberDouble implements Prober {
  next: ProbeResult | undefined = { level: "ok" };
  tookMs = 10;
  /** Names of all looks. */
  readonly looks: string[] = [];
  readonly stopped: string[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(name: string, _wish: ProbeWish, _timeoutMs: number): Probe {
    this.looks.push(name);
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    const { next } = this;
    if (next !== undefined) this.#clock.after(this.tookMs, () => resolve(next));
    const stop = (): void => {
      this.stopped.push(name);
      resolve({ level: "failed", why: "it was stopped" });
    };
    return { ended: promise, stop };
  }
}

/** Groups that end as `end` after 50 ms. */
export class GroupsDouble implements Groups {
  end: Partial<GroupEnd> = { code: 0 };
  readonly wishes: GroupWish[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  run(wish: GroupWish): GroupRun {
    this.wishes.push(wish);
    const { promise, resolve } = Promise.withResolvers<GroupEnd>();
    const end = { isTimeout: false, output: "", cutBytes: 0, tookMs: 50, ...this.end };
    this.#clock.after(50, () => resolve(end));
    return { ended: promise, kill: () => resolve({ ...end, signal: "SIGKILL" }) };
  }
}

/** A check that fails at the second failure in a row. */
export function checkOf(name: string, more: Partial<CheckConfig> = {}): CheckConfig {
  return {
    rule: {
      name,
      intervalMs: 1000,
      retryMs: 1000,
      timeoutMs: 300,
      warnAfter: 1,
      errorAfter: 2,
      passes: 1,
      graceMs: 0,
    },
    wish: { kind: "http", url: `http://user:word@127.0.0.1/${name}`, method: "GET" },
    isCritical: true,
    ...more,
  };
}

/** The services of one node. */
export class Rig {
  readonly time = new SimTime();
  readonly machine: SimMachine;
  readonly world: SimWorld;
  readonly prober: ProberDouble;
  readonly groups: GroupsDouble;
  readonly events: ServiceFields[] = [];
  /** What the cluster machine was told. */
  readonly words: { readonly healthy: boolean; readonly why?: string }[] = [];
  health: NodeHealth;
  services: Services;

  constructor(checks: readonly CheckConfig[]) {
    const dice = new SeededDice(11);
    this.machine = new SimMachine({ name: "n0", network: new SimNetwork(this.time, dice), dice });
    this.world = this.machine.boot();
    this.world.disk.makeFolder(STATE);
    this.prober = new ProberDouble(this.world.clock);
    this.groups = new GroupsDouble(this.world.clock);
    this.health = new NodeHealth((word) => this.words.push(word));
    this.services = this.again(checks);
  }

  /** The daemon starts, on the same disk. */
  again(checks: readonly CheckConfig[]): Services {
    const { world, prober, groups } = this;
    this.health = new NodeHealth((word) => this.words.push(word));
    const { health } = this;
    const tell = (fields: ServiceFields): void => void this.events.push(fields);
    this.services = new Services({
      world,
      checks,
      prober,
      groups,
      health,
      stateFolder: STATE,
      tell,
    });
    return this.services;
  }

  /** Virtual time goes on. */
  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(this.time.nowMs + 5);
      await turn();
    }
  }

  /** Time goes on until a promise has settled. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    return await this.time.drive(promise, turn);
  }

  /** Lines of the log. */
  get log(): string[] {
    return this.world.log.entries.map(({ level, text }) => `${level}: ${text}`);
  }
}
