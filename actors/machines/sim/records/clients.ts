/**
 * Client programs of a simulated host: each does one operation after another, and is told how it ended.
 *
 *   mapped   takes the chain mutex and works in the file; asks the daemon only when the record is not there. May be
 *            stopped in the mutex, or die in it.
 *   remote   has the daemon do it: read, call a procedure, lock and give back with a new value
 *
 * Does NOT promise: fairness; who thinks less does more.
 */
import type { Key } from "../../record/copy.ts";
import type { RecordEffect } from "../../record/events.ts";
import type { RecordHost, SimClient } from "./record_host.ts";
import type { RecordSim } from "./record_sim.ts";
import type { OpLog } from "./ledger.ts";

/** How clients behave. Chances in 10 000. */
export interface Manners {
  readonly keys: readonly Key[];
  /** Those of them that somebody begins to watch. */
  readonly watched: readonly Key[];
  /** Mean time between two operations, milliseconds. */
  thinkMs: number;
  /** How long an operation may take. */
  deadlineMs: number;
  /** Of 10: reads, deletions; the rest are writes. */
  reads: number;
  deletes: number;
  /** Stopped inside the mutex, and for how long at most. */
  stops: number;
  stopMs: number;
  /** Dies inside the mutex. */
  dies: number;
  /** Of 10: calls among the operations of remote clients. */
  calls: number;
  isActive: boolean;
}

/** What all clients have. */
export abstract class Client implements SimClient {
  readonly id: number;
  readonly sim: RecordSim;
  readonly host: RecordHost;
  readonly manners: Manners;
  isDead = false;
  /** Told at the end of each operation; for probes. */
  onEnd: ((log: OpLog) => void) | undefined;

  constructor(sim: RecordSim, host: RecordHost, id: number, manners: Manners) {
    this.sim = sim;
    this.host = host;
    this.id = id;
    this.manners = manners;
    host.clients.set(id, this);
  }

  /** Begins to work. */
  start(): void {
    this.after(this.sim.dice.below(2 * this.manners.thinkMs + 1), () => this.next());
  }

  /** The next operation. */
  next(): void {
    if (!this.manners.isActive) return;
    if (!this.host.host.hasPower || this.host.file === undefined) return this.think();
    const { dice } = this.sim;
    const key = this.manners.keys[dice.below(this.manners.keys.length)];
    if (key !== undefined) this.perform(key);
  }

  /** Thinks, and goes on. */
  think(): void {
    this.after(this.sim.dice.below(2 * this.manners.thinkMs + 1), () => this.next());
  }

  /** Runs something after a while, unless it is dead by then; later if its node stands still. */
  after(delayMs: number, run: () => void): void {
    this.sim.after(delayMs, () => this.#run(run));
  }

  #run(run: () => void): void {
    if (this.isDead) return;
    if (this.host.isStopped) this.host.whenGoesOn.push(() => this.#run(run));
    else run();
  }

  /** An operation ends. */
  finish(log: OpLog, outcome: "ok" | "failed" | "unknown", seen?: Uint8Array): void {
    if (log.outcome !== "open") return;
    log.outcome = outcome;
    log.retMs = this.sim.nowMs;
    log.seen = seen;
    this.sim.traceRecord(this.host.host.index, outcome.length);
    this.onEnd?.(log);
    this.think();
  }

  /** It dies, wherever it is. */
  die(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.host.clients.delete(this.id);
    for (const file of this.host.files) file.die(this.id);
    this.host.feed({ kind: "client_died", client: this.id });
  }

  /** No power. */
  onPowerOff(): void {
    this.isDead = true;
    this.host.clients.delete(this.id);
  }

  /** Does an operation on a key. */
  abstract perform(key: Key): void;
  /** The daemon says something. */
  abstract onEffect(effect: RecordEffect): void;
  /** The daemon ended, or began. */
  abstract onDaemon(isUp: boolean): void;
}
