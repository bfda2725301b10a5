/**
 * A host of a simulated cluster: a daemon with its disk and clock, the pages its client programs map, a supervisor.
 *
 *   power ─┬─ supervisor ── reaps the daemon, fences, certifies, starts it anew
 *          ├─ daemon (ClusterMachine) ── may be stopped, killed; its messages wait while it is stopped
 *          └─ pages ── clients go on serving by them until the lease end, whatever the daemon does
 *
 * Does NOT promise: torn writes; the metadata file has two slots and a checksum, which its own tests tear.
 */
import { LEFT_MAX } from "../../../transport/wire/messages/cluster.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, NodeId, Pnn } from "../../../transport/wire/terms.ts";
import { ClusterMachine } from "../cluster/cluster.ts";
import { hasVolatile } from "../cluster/databases.ts";
import { allVotersOf } from "../cluster/document.ts";
import type { ClusterEffect, ClusterEvent, Durable, Happening } from "../cluster/events.ts";
import { goingOf } from "../cluster/left.ts";
import type { SimPage } from "./checkers.ts";
import type { ClusterSim } from "./cluster_sim.ts";

/** How bad a disk is. */
export interface DiskWeather {
  /** Chances in 10 000 of a write that takes up to slowMs. */
  slow: number;
  slowMs: number;
  minMs: number;
  maxMs: number;
}

/** Messages that wait for a stopped daemon; more are lost, as a slow consumer's are. */
const BACKLOG_MAX = 20_000;
/** The supervisor fences within this, or certifies nothing. */
const FENCE_LIMIT_MS = 500;
/** Between two looks at what is left at members that go. */
const LEFT_LOOK_MS = 100;
const DEAD_TIMES = 20;
const DEAD_EVERY_MS = 250;

/** What a host is made with. */
export interface HostOptions {
  readonly index: number;
  readonly nodeId: NodeId;
  readonly durable: Durable;
  /** Of its clock; 0.01: 1 % fast. */
  readonly drift: number;
  readonly level: number;
}

/** What a life's homes know to be at members that go, by one view. */
export interface LeftSaid {
  readonly generation: Generation;
  readonly life: Incarnation;
  readonly at: ReadonlyMap<Pnn, number>;
}

/** One host. */
export class Host {
  readonly index: number;
  nodeId: NodeId;
  /** The version that it runs: what it knows of messages and files. */
  level: number;
  /** It has left the cluster for good; only another identity comes back. */
  isGone = false;
  readonly #sim: ClusterSim;
  readonly offsetMs: number;
  /** Own clock over simulated time. */
  readonly rate: number;
  durable: Durable;
  machine: ClusterMachine | undefined;
  /** Counts starts of the daemon: what belongs to a former one is dropped. */
  daemon = 0;
  isPaused = false;
  hasPower = true;
  hasSupervisor = true;
  /** Nothing can be written until then. */
  fullUntilMs = 0;
  /** How long its writes take; undefined: as the weather has it. */
  diskMs: number | undefined;
  /** What its homes know to be at members that go, by which view. */
  leftSaid: LeftSaid = { generation: 0n as Generation, life: 0n as Incarnation, at: new Map() };
  #writing: Durable | undefined;
  #backlog: ClusterEvent[] = [];
  #wakeAtMs = Infinity;
  /** When it was last stopped or ended. */
  #downMs = -Infinity;

  constructor(
    sim: ClusterSim,
    { index, nodeId, durable, drift, level }: HostOptions,
  ) {
    this.#sim = sim;
    this.level = level;
    this.index = index;
    this.nodeId = nodeId;
    this.durable = durable;
    this.rate = 1 + drift;
    this.offsetMs = 1000 + sim.dice.below(1_000_000);
  }

  /** The host's clock at a simulated time. */
  clock(atMs: number): number {
    return this.offsetMs + atMs * this.rate;
  }

  /** The simulated time at which the host's clock shows this. */
  timeOf(localMs: number): number {
    return (localMs - this.offsetMs) / this.rate;
  }

  /** When its daemon last ran, by the simulated time: now, if it does. */
  upUntilMs(): number {
    return this.machine !== undefined && !this.isPaused ? this.#sim.nowMs : this.#downMs;
  }

  /** Does its daemon run? */
  get isUp(): boolean {
    return this.machine !== undefined;
  }

  /** Starts the daemon, unless it runs, has left for good, or finds files of a newer version. */
  start(): void {
    if (this.machine !== undefined || this.isGone) return;
    this.hasPower = true;
    if ((this.durable.accepted?.format ?? 1) > this.level) {
      return this.#sim.note("refused", this.index, "the files are of a newer version");
    }
    this.daemon += 1;
    this.isPaused = false;
    this.#backlog = [];
    this.#wakeAtMs = Infinity;
    this.machine = new ClusterMachine(this.#sim.configOf(this));
    this.#sim.note("start", this.index, "");
    this.feed({ kind: "start", durable: this.durable });
  }

  /** Gives the daemon an event, or keeps it while it is stopped. */
  feed(event: ClusterEvent): void {
    if (this.machine === undefined) return;
    if (this.isPaused) {
      if (event.kind !== "wake" && this.#backlog.length < BACKLOG_MAX) this.#backlog.push(event);
      return;
    }
    this.#step(this.machine, event);
  }

  /** A wake that was asked for; older ones are skipped. */
  wake(atMs: number): void {
    const { machine } = this;
    if (atMs !== this.#wakeAtMs || machine === undefined || this.isPaused) return;
    this.#wakeAtMs = Infinity;
    this.#step(machine, { kind: "wake" }, machine.wakeMs);
  }

  #step(machine: ClusterMachine, event: ClusterEvent, notBeforeMs = 0): void {
    const { nowMs } = this.#sim;
    // Rounding may put a wake just before its time.
    const effects = machine.step(event, Math.max(this.clock(nowMs), notBeforeMs));
    const { daemon } = this;
    for (const effect of effects) {
      this.#perform(effect);
      if (this.daemon !== daemon || this.machine === undefined) return;
    }
    const wakeAtMs = Math.max(this.timeOf(machine.wakeMs), nowMs);
    if (wakeAtMs === this.#wakeAtMs) return;
    this.#wakeAtMs = wakeAtMs;
    if (wakeAtMs !== Infinity) this.#sim.wakeAt(wakeAtMs, this.index);
  }

  #perform(effect: ClusterEffect): void {
    switch (effect.kind) {
      case "send":
        return this.#sim.send(this.index, effect.to, effect.message);
      case "persist":
        return this.#persist(effect.id, effect.durable);
      case "fence":
        return this.#fence(effect.incarnation);
      case "lock":
        return this.#sim.lockOp(this, effect);
      case "adopted":
        return this.#adopted(effect.doc);
      case "page":
        return this.#page(effect.page);
      case "happened":
        return this.#sim.onHappened(this, effect.happening);
      case "answer":
        this.#sim.onAnswer(effect.verbId, effect.outcome);
        return this.#sim.note("answer", this.index, `${effect.outcome}: ${effect.text}`);
      case "stop": {
        if (effect.isFault) this.#sim.checkers.report(this.#sim.nowMs, "assert", effect.why);
        if (effect.left !== undefined) {
          this.isGone = true;
          this.#sim.note("left", this.index, effect.why);
        }
        return this.kill();
      }
    }
  }

  /** Runs something after a while, unless the daemon is another by then. */
  #after(delayMs: number, run: () => void): void {
    const { daemon } = this;
    this.#sim.after(delayMs, () => {
      if (this.daemon === daemon && this.machine !== undefined) run();
    });
  }

  #persist(id: number, durable: Durable): void {
    this.#writing = durable;
    this.#after(this.#sim.diskMs(this), () => {
      this.#writing = undefined;
      const isOk = this.#sim.nowMs >= this.fullUntilMs;
      if (isOk) this.#write(durable);
      this.feed({ kind: "persisted", id, isOk, why: "no space" });
    });
  }

  #write(durable: Durable): void {
    this.#sim.checkers.onDisk(this.#sim.nowMs, this.index, this.durable, durable);
    this.durable = durable;
  }

  /** The daemon fences its former lives; clients inside an operation may hold it up until their lease ends. */
  #fence(incarnation: Durable["incarnation"]): void {
    const pages = this.#sim.checkers.pagesOf(this.index);
    const leaseEndMs = Math.max(0, ...pages.map((page) => page.endMs));
    let delayMs = this.#sim.fenceMs();
    if (delayMs > FENCE_LIMIT_MS) {
      const marginMs = this.#sim.timing.marginMs;
      delayMs = Math.max(FENCE_LIMIT_MS, leaseEndMs + marginMs - this.#sim.nowMs);
    }
    this.#after(delayMs, () => {
      this.#sim.checkers.fence(this.index, incarnation);
      this.feed({ kind: "fenced", incarnation });
    });
  }

  #page({ incarnation, generation, leaseEndMs }: NonNullable<ClusterMachine["state"]["page"]>) {
    const { checkers, nowMs } = this.#sim;
    let page: SimPage | undefined = checkers.pagesOf(this.index)
      .find((known) => known.incarnation === incarnation);
    const endMs = leaseEndMs === 0 ? 0 : this.timeOf(leaseEndMs);
    const view = this.machine?.state.adopted?.view;
    const pnn = this.machine?.state.pnn;
    if (page === undefined) page = { node: this.index, incarnation, pnn, generation, endMs, view };
    const wasServing = page.endMs > nowMs;
    page.pnn = pnn;
    page.generation = generation;
    page.endMs = endMs;
    page.view = view;
    checkers.onPage(nowMs, page);
    this.#sim.onServing(this, wasServing, endMs > nowMs);
  }

  /** The homes here look what is left at members that go: some at first, nothing after a while. */
  #adopted(adopted: Document): void {
    const { generation } = adopted;
    if (!hasVolatile(adopted)) return;
    const life = this.machine?.state.incarnation ?? 0n as Incarnation;
    const { leftSaid: said } = this;
    if (said.generation === generation && said.life === life) return;
    this.leftSaid = { generation, life, at: new Map() };
    const look = (): void => {
      const { state } = this.machine ?? {};
      const doc = state?.adopted;
      if (doc?.generation !== generation || state?.incarnation !== life) return;
      const going = hasVolatile(doc) ? goingOf(doc).slice(0, LEFT_MAX) : [];
      const before = this.leftSaid.at;
      // What has gone does not come back.
      const countOf = (pnn: Pnn) => Math.max(0, (before.get(pnn) ?? this.#sim.dice.below(4)) - 1);
      const nodes = going.map((pnn) => ({ pnn, count: countOf(pnn) }));
      const isOther = nodes.some(({ pnn, count }) => before.get(pnn) !== count);
      this.leftSaid = { generation, life, at: new Map(nodes.map((one) => [one.pnn, one.count])) };
      if (isOther) this.feed({ kind: "left", left: { generation, nodes } });
      this.#after(LEFT_LOOK_MS, look);
    };
    this.#after(this.#sim.dice.below(LEFT_LOOK_MS), look);
  }

  /** The thread with its databases dies. */
  loseData(): void {
    this.feed({ kind: "lost", why: "the data thread has died" });
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.machine === undefined || this.isPaused) return;
    this.isPaused = true;
    this.#downMs = this.#sim.nowMs;
  }

  /** SIGCONT: what waited comes at once, its timers before or after. */
  resume(): void {
    const { machine } = this;
    if (!this.isPaused || machine === undefined) return;
    this.isPaused = false;
    const backlog = this.#backlog;
    this.#backlog = [];
    this.#wakeAtMs = Infinity;
    if (this.#sim.dice.chance(1, 2)) this.feed({ kind: "wake" });
    for (const event of backlog) this.feed(event);
    this.feed({ kind: "wake" });
  }

  /** kill -9 of the daemon. What was being written is there or not. Its clients go on. */
  kill(): void {
    if (this.machine === undefined) return;
    const incarnation = this.machine.state.page?.incarnation;
    this.#end();
    if (this.hasSupervisor && incarnation !== undefined) this.#certify(incarnation);
  }

  #end(): void {
    const writing = this.#writing;
    if (!this.isPaused && this.machine !== undefined) this.#downMs = this.#sim.nowMs;
    this.machine = undefined;
    this.daemon += 1;
    this.isPaused = false;
    this.#backlog = [];
    this.#writing = undefined;
    if (writing !== undefined && this.#sim.dice.chance(1, 2)) this.#write(writing);
    this.#sim.note("end", this.index, "");
  }

  /** No power: nothing runs here, clients neither. */
  powerOff(): void {
    this.#end();
    this.hasPower = false;
    this.#sim.checkers.clear(this.index);
  }

  /** Its disk was replaced: all that was promised is forgotten, and the node has only its id. */
  replaceDisk(): void {
    if (this.machine !== undefined) this.powerOff();
    const diskId = `e${this.durable.diskId.slice(1)}`;
    this.durable = {
      diskId,
      promised: 0n as Durable["promised"],
      accepted: undefined,
      // As the daemon does on a new disk: by the wall clock, above all that the former disk gave.
      incarnation: BigInt(1 + Math.floor(this.#sim.nowMs / 1000)) << 20n as Durable["incarnation"],
    };
  }

  /** A new installation, which nobody knows: another id, another disk. It may be invited. */
  reinstall(nodeId: NodeId, diskId: string): void {
    if (this.machine !== undefined) this.powerOff();
    this.#sim.checkers.clear(this.index);
    this.nodeId = nodeId;
    this.isGone = false;
    this.durable = {
      diskId,
      promised: 0n as Durable["promised"],
      accepted: undefined,
      incarnation: BigInt(1 + Math.floor(this.#sim.nowMs / 1000)) << 20n as Durable["incarnation"],
    };
  }

  /** The supervisor saw its daemon end: fence, and if that was quick, DEAD to the voters. */
  #certify(incarnation: Durable["incarnation"]): void {
    const sim = this.#sim;
    const reapMs = sim.reapMs();
    const fenceMs = sim.fenceMs();
    sim.after(reapMs + fenceMs, () => {
      if (!this.hasPower || !this.hasSupervisor) return;
      sim.checkers.fence(this.index, incarnation + 1n as typeof incarnation);
      if (fenceMs > FENCE_LIMIT_MS) return;
      const tMs = this.clock(sim.nowMs);
      this.sendDead(incarnation, tMs, DEAD_TIMES);
    });
  }

  /** The supervisor tells the voters `times` times, now and every 250 ms. */
  sendDead(incarnation: Durable["incarnation"], tMs: number, times: number): void {
    const doc = this.durable.accepted;
    const pnn = doc?.nodes.find(({ nodeId }) => nodeId === this.nodeId)?.pnn;
    if (times === 0 || doc === undefined || pnn === undefined || !this.hasPower) return;
    const voters = allVotersOf(doc).map(({ nodeId }) => nodeId);
    this.#sim.send(this.index, voters, { kind: "dead", pnn, incarnation, tMs });
    this.#sim.after(DEAD_EVERY_MS, () => this.sendDead(incarnation, tMs, times - 1));
  }

  /** What its machine last told, newest first; for reports. */
  lastHappenings(count: number): Happening[] {
    const entries = this.machine?.state.history.list() ?? [];
    return entries.slice(-count).reverse().map(({ happening }) => happening);
  }
}
