/**
 * A whole cluster in virtual time: hosts, links, register and judges, driven by one queue. The same options give the
 * same run, event by event, on every runtime.
 *
 *   const sim = new ClusterSim({ seed: 1, nodes: 5 });   sim.start();   sim.run(20_000);   sim.checkers.violations
 *
 * Faults are put in from outside (faults.ts, scenarios): pause, kill, cut, and the weather of links, lock and disks.
 *
 * Does NOT promise: real bytes; messages are passed as they are. The wire has tests of its own.
 */
import { LEVEL } from "../../../transport/wire/level.ts";
import type { Outcome } from "../../../transport/wire/messages/leader.ts";
import type { ClusterId, Incarnation, NodeId, Token } from "../../../transport/wire/terms.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { mix } from "../mix.ts";
import { genesis } from "../cluster/document.ts";
import type { ClusterEffect, ClusterMessage, Durable, Happening } from "../cluster/events.ts";
import { happeningText } from "../cluster/history.ts";
import { RULES } from "../cluster/rules.ts";
import type { Rules } from "../cluster/rules.ts";
import type { ClusterConfig } from "../cluster/state.ts";
import { defaultTiming } from "../cluster/tunables.ts";
import type { Timing } from "../cluster/tunables.ts";
import { Checkers } from "./checkers.ts";
import { DatabaseChecks } from "./database_checks.ts";
import { heardAt, judgeProposal, MemberChecks } from "./member_checks.ts";
import { TimeHeap } from "../../../transport/sim/heap.ts";
import { Host } from "./host.ts";
import type { DiskWeather } from "./host.ts";
import { fairWeather, Links } from "./links.ts";
import { SimLock } from "./lock.ts";
import { Trace } from "./trace.ts";

/** What a run is made of. */
export interface SimOptions {
  /** u32. */
  readonly seed: number;
  readonly nodes: number;
  /** How many of them vote; the first ones. All up to 7 when absent. */
  readonly voters?: number;
  /** The last ones, which are not in the first document: they may be added. */
  readonly spares?: number;
  /** The format of the first document; 1 when absent. */
  readonly format?: number;
  /** The version that a node runs at first; the newest when absent. */
  readonly levelOf?: (index: number) => number;
  readonly timing?: Timing;
  /** Of each node's clock, at most; 0.01 is 1 %. */
  readonly drift?: number;
  /** No chance in delays: links 1 ms, disks 2 ms, the register 5 ms each way, fences 5 ms. For scenarios. */
  readonly isCalm?: boolean;
  /** How many slots there are; all when absent. A run of few keys is quicker with few. */
  readonly slots?: number;
  /** For tests that break one. */
  readonly rules?: Rules;
  /** Called with each thing that happens. */
  readonly onNote?: (atMs: number, node: number, what: string, text: string) => void;
  /** Called with each message that is sent; false: it is lost. */
  readonly onSend?: (from: number, to: number, message: ClusterMessage) => boolean;
}

/** One thing in the queue. One form for all, since there are millions. */
interface Item {
  readonly atMs: number;
  seq: number;
  readonly node: number;
  /** The sender's id, or its number where it is no message. */
  readonly from: NodeId | undefined;
  readonly protocol: number;
  readonly message: ClusterMessage | undefined;
  readonly run: (() => void) | undefined;
}

/** Numbers of kinds of messages in the trace. */
const KINDS: Readonly<Record<ClusterMessage["kind"], number>> = {
  probe: 1,
  probe_ack: 2,
  prepare: 3,
  promise: 4,
  nack: 5,
  accept: 6,
  accepted: 7,
  digest: 8,
  heartbeat: 9,
  view_ask: 10,
  view: 11,
  dead: 12,
  leader_ask: 13,
  leader_answer: 14,
};
/** Delay of the register and of fences where there is no chance. */
const CALM_MS = 5;
const WAKE = 100;
const NOTE = 101;
/** A daemon learns of a write to the register by a notice, unless that is lost. */
const NOTICE_LOSS = 2000;

/** The cluster. */
export class ClusterSim {
  readonly dice: SeededDice;
  readonly timing: Timing;
  readonly checkers: Checkers;
  readonly members: MemberChecks;
  readonly databases: DatabaseChecks = new DatabaseChecks(this);
  readonly links: Links;
  readonly lock: SimLock;
  readonly hosts: readonly Host[];
  readonly trace: Trace = new Trace();
  disk: DiskWeather = { slow: 0, slowMs: 300, minMs: 0.3, maxMs: 4 };
  /** Chances in 10 000 that a fence takes longer than its limit. */
  slowFences = 0;
  nowMs = 0;
  messages = 0;
  /** Tokens that were chosen, with the time. */
  readonly chosen: { readonly atMs: number; readonly node: number; readonly token: Token }[] = [];
  /** How long nodes that served did not, one entry for each time, with its end. */
  readonly pauses: { readonly node: number; readonly endMs: number; readonly forMs: number }[] = [];
  readonly #options: SimOptions;
  readonly #heap = new TimeHeap<Item>();
  readonly #indexOf = new Map<NodeId, number>();
  readonly #stoppedMs: number[] = [];
  /** Who waits for the ends of commands, by verbId. */
  readonly asked: Map<string, (outcome: Outcome) => void> = new Map();

  constructor(options: SimOptions) {
    this.#options = options;
    this.dice = new SeededDice(mix(options.seed));
    this.timing = options.timing ?? defaultTiming();
    this.checkers = new Checkers(options.nodes);
    this.members = new MemberChecks(this.checkers);
    this.links = new Links(options.nodes, this.dice, fairWeather());
    this.lock = new SimLock(this.dice);
    const { nodes, drift = 0, spares = 0, format = 1, levelOf = () => LEVEL } = options;
    if (options.isCalm === true) {
      this.links.weather = { ...fairWeather(), minMs: 1, maxMs: 1 };
      this.disk = { slow: 0, slowMs: 0, minMs: 2, maxMs: 2 };
    }
    const voters = options.voters ?? Math.min(nodes - spares, 7);
    const accepted = genesis({
      clusterId: "c".repeat(32) as ClusterId,
      format,
      nodes: Array.from({ length: nodes - spares }, (_, index) => ({
        nodeId: nodeIdOf(index),
        name: `n${index}`,
        addr: `n${index}:4222`,
        isVoter: index < voters,
      })),
    });
    this.hosts = Array.from({ length: nodes }, (_, index) => {
      const nodeId = nodeIdOf(index);
      this.#indexOf.set(nodeId, index);
      const durable: Durable = {
        diskId: (index + 1).toString(16).padStart(32, "d"),
        promised: 0n as Token,
        accepted: index < nodes - spares ? accepted : undefined,
        incarnation: 0n as Incarnation,
      };
      const share = this.dice.u32() / 2 ** 31 - 1;
      const level = levelOf(index);
      return new Host(this, { index, nodeId, durable, drift: share * drift, level });
    });
  }

  /** A host becomes one that nobody knows. `nodeId`: not used before. */
  reinstall(host: Host, nodeId: NodeId, diskId: string): void {
    this.#indexOf.delete(host.nodeId);
    this.#indexOf.set(nodeId, host.index);
    host.reinstall(nodeId, diskId);
  }

  /** A command came to an end, or did not. */
  onAnswer(verbId: string, outcome: Outcome): void {
    this.asked.get(verbId)?.(outcome);
  }

  /** Starts every daemon. */
  start(): void {
    for (const host of this.hosts) host.start();
  }

  /** The number of a node. */
  indexOf(nodeId: NodeId): number {
    return this.#indexOf.get(nodeId) ?? -1;
  }

  /** What a host's machine is made with. */
  configOf(host: Host): ClusterConfig {
    const { slots: slotCount } = this.#options;
    return {
      ...(slotCount === undefined ? {} : { slotCount }),
      nodeId: host.nodeId,
      timing: this.timing,
      rules: this.#options.rules ?? RULES,
      seeds: this.hosts.filter((other) => other !== host).map(({ nodeId }) => nodeId),
      seed: this.dice.u32(),
      level: host.level,
    };
  }

  /** Goes on until this simulated time. */
  run(untilMs: number): void {
    const heap = this.#heap;
    for (let next = heap.peek(); next !== undefined && next.atMs <= untilMs; next = heap.peek()) {
      heap.pop();
      this.nowMs = next.atMs;
      if (next.message !== undefined) this.#deliver(next, next.message);
      else if (next.run !== undefined) next.run();
      else {
        this.trace.add(WAKE, next.node, next.atMs, 0);
        this.hosts[next.node]?.wake(next.atMs);
      }
    }
    this.nowMs = untilMs;
  }

  /** Runs something after a while. */
  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  /** Runs something at a time. */
  at(atMs: number, run: () => void): void {
    this.#push(atMs, 0, run);
  }

  /** Wakes a host's machine at a time. */
  wakeAt(atMs: number, node: number): void {
    this.#push(atMs, node, undefined);
  }

  #push(atMs: number, node: number, run: (() => void) | undefined): void {
    this.#heap.push({ atMs, seq: 0, node, from: undefined, protocol: 0, message: undefined, run });
  }

  /** Sends over the links. */
  send(from: number, to: readonly NodeId[], message: ClusterMessage): void {
    const { onSend } = this.#options;
    const { nodeId: sender, level: protocol } = this.hosts[from] as Host;
    for (const nodeId of to) {
      const node = this.#indexOf.get(nodeId);
      if (node === undefined) continue;
      this.messages += 1;
      if (onSend !== undefined && !onSend(from, node, message)) continue;
      // To the own host, as a supervisor does, nothing is in the way.
      const copies = from === node ? 1 : this.links.copies(from, node);
      for (let copy = 0; copy < copies; copy++) {
        const atMs = this.nowMs + this.links.delayMs();
        this.#heap.push({ atMs, seq: 0, node, from: sender, protocol, message, run: undefined });
      }
    }
  }

  /** Hands a message over now, whatever the links are like. */
  deliver(from: number, node: number, message: ClusterMessage): void {
    const { nodeId, level: protocol } = this.hosts[from] as Host;
    const { nowMs: atMs } = this;
    this.#heap.push({ atMs, seq: 0, node, from: nodeId, protocol, message, run: undefined });
  }

  #deliver({ node, from, protocol }: Item, message: ClusterMessage): void {
    const host = this.hosts[node];
    if (host === undefined || from === undefined) return;
    this.trace.add(KINDS[message.kind], node, this.nowMs, this.indexOf(from));
    const heard = host.level < protocol ? heardAt(this, host, message) : message;
    if (heard !== undefined) host.feed({ kind: "message", from, message: heard, protocol });
  }

  /** An operation goes to the register and comes back, if it does. */
  lockOp(host: Host, effect: Extract<ClusterEffect, { kind: "lock" }>): void {
    const { daemon } = host;
    this.after(this.#lockMs(), () => {
      const before = this.lock.seen;
      const result = this.lock.run(host.index, effect);
      if (this.lock.seen !== before) this.#notice();
      if (result === undefined) return;
      this.after(this.#lockMs(), () => {
        if (host.daemon === daemon) host.feed({ kind: "lock", id: effect.id, result });
      });
    });
  }

  #lockMs(): number {
    return this.#options.isCalm === true ? CALM_MS : 1 + this.dice.below(15);
  }

  /** Tells the daemons that the register changed. */
  #notice(): void {
    const result = this.lock.seen;
    const isCalm = this.#options.isCalm === true;
    for (const host of this.hosts) {
      if (this.lock.cut.has(host.index)) continue;
      if (!isCalm && this.dice.chance(NOTICE_LOSS, 10_000)) continue;
      const delayMs = isCalm ? CALM_MS : 1 + this.dice.below(30);
      this.after(delayMs, () => host.feed({ kind: "lock", result }));
    }
  }

  /** How long a write takes. */
  diskMs(host: Host): number {
    if (host.diskMs !== undefined) return host.diskMs;
    const { slow, slowMs, minMs, maxMs } = this.disk;
    const share = this.dice.u32() / 2 ** 32;
    if (slow > 0 && this.dice.chance(slow, 10_000)) return share * slowMs;
    return minMs + share * (maxMs - minMs);
  }

  /** How long a supervisor takes to see that its daemon ended; it may be stopped itself. */
  reapMs(): number {
    if (this.#options.isCalm === true) return 1;
    const isStopped = this.slowFences > 0 && this.dice.chance(this.slowFences, 10_000);
    return 1 + this.dice.below(isStopped ? 5_000 : 5);
  }

  /** How long a fence takes; above 500 its limit is passed. */
  fenceMs(): number {
    if (this.slowFences > 0 && this.dice.chance(this.slowFences, 10_000)) return 501;
    return this.#options.isCalm === true ? CALM_MS : 0.5 + this.dice.below(20);
  }

  /** Something happened at a node. */
  onHappened(host: Host, happening: Happening): void {
    const { nowMs, checkers } = this;
    if (happening.what === "proposed") {
      checkers.onProposed(nowMs, happening.doc);
      judgeProposal(this, happening.doc);
      this.databases.onProposed(host, happening.doc);
    }
    if (happening.what === "effective") {
      checkers.onEffective(nowMs, happening.doc);
      this.members.onEffective(nowMs, happening.doc);
      this.databases.onEffective(happening.doc);
    }
    if (happening.what === "chosen") {
      this.chosen.push({ atMs: nowMs, node: host.index, token: happening.token });
    }
    this.note(happening.what, host.index, happening);
  }

  /** A page began or ended serving. */
  onServing(host: Host, wasServing: boolean, isServing: boolean): void {
    if (wasServing === isServing) return;
    if (isServing) {
      const since = this.#stoppedMs[host.index];
      if (since !== undefined) {
        const forMs = this.nowMs - since;
        this.pauses.push({ node: host.index, endMs: this.nowMs, forMs });
      }
      delete this.#stoppedMs[host.index];
    } else this.#stoppedMs[host.index] = this.nowMs;
    this.note(isServing ? "serves" : "serves not", host.index, "");
  }

  /** Tells whoever listens, and the trace. */
  note(what: string, node: number, text: string | Happening): void {
    this.trace.add(NOTE, node, this.nowMs, what.length);
    const { onNote } = this.#options;
    if (onNote === undefined) return;
    onNote(this.nowMs, node, what, typeof text === "string" ? text : happeningText(text));
  }
}

/** The id of a simulated node. */
export function nodeIdOf(index: number): NodeId {
  return index.toString(16).padStart(8, "0").padEnd(32, "a") as NodeId;
}
