/**
 * A simulated cluster with one persistent or replicated database: time, network, leaders, nodes and their clients.
 *
 *   const sim = new CommitSim({ ... });  sim.start();  sim.run(20_000);  sim.judge();
 *
 * After each step of a machine it is looked whether what it knows as committed fits the one history.
 *
 * Does NOT promise: real bytes on the wire; entries are real, with real chains.
 */
import { SimTime } from "../../../../transport/sim/clock.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { CommitMessage } from "../../../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { CommitConfig } from "../../commit/config.ts";
import type { CommitEffect, Hello } from "../../commit/events.ts";
import type { CommitMachine } from "../../commit/machine.ts";
import type { Going } from "../../commit/placement.ts";
import type { CommitRules } from "../../commit/rules.ts";
import type { CommitTiming } from "../../commit/tunables.ts";
import { textHash } from "../../mix.ts";
import { fairWeather, Links } from "../links.ts";
import { Trace } from "../trace.ts";
import { Clients } from "./clients.ts";
import { CommitHost } from "./commit_host.ts";
import { Leader, type SimDocument, type Told } from "./council.ts";
import { History } from "./history.ts";

/** What a run is made of. */
export interface CommitSimOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly zones: number;
  readonly rules: CommitRules;
  readonly timing: CommitTiming;
  /** What was attached: without lineage. */
  readonly config: CommitConfig;
  /** Called with each message; false: it is lost. */
  readonly onMessage?: (from: number, to: number, message: CommitMessage) => boolean;
  readonly onNote?: (atMs: number, node: number, text: string) => void;
}

/** Something that is wrong. */
export interface Fault {
  readonly atMs: number;
  readonly rule: string;
  readonly text: string;
}

/** Copies of a message that come twice may be so late, ms. */
const LATE_MS = 4_000;
const COPY_MS = 30;
/** About how long a disk takes that is very slow. */
const LAME_MS = 300;
const FAULTS_MAX = 20;
/** Messages of one run; beyond, one begets many, and the run is over. A usual one has 15 000, a long one 100 000. */
const MESSAGES_MAX = 400_000;

/** The cluster. */
export class CommitSim {
  readonly options: CommitSimOptions;
  readonly dice: SeededDice;
  readonly links: Links;
  readonly hosts: readonly CommitHost[];
  readonly faults: Fault[] = [];
  readonly trace = new Trace();
  readonly history: History;
  readonly clients: Clients;
  readonly #time = new SimTime();
  #leaders: Leader[] = [];
  #token = 1n;
  #proposal: { leader: Leader; doc: SimDocument; done: () => void } | undefined = undefined;
  /** The newest effective document. */
  doc: SimDocument;
  /** Chances in 10 000 that the second copy of a message is very late. */
  lateCopies = 0;
  disk = { slow: 0, slowMs: 300, minMs: 0.3, maxMs: 4 };
  /** Nodes on their way out, by decision. */
  readonly going = new Map<Pnn, Going>();
  /** Copies that are asked for. */
  wanted: Pick<CommitConfig, "k" | "mWanted">;
  /** When a disk was lost or damaged last. */
  harmedMs = -Infinity;
  /** Nodes whose disks take very long. */
  readonly lame = new Set<Pnn>();
  /** Called when a client was told that something is committed. */
  onAck: (() => void) | undefined = undefined;
  /** How much faster the leader's patience with absent copies runs out. */
  haste = 1;
  messages = 0;

  constructor(options: CommitSimOptions) {
    this.options = options;
    this.dice = new SeededDice(options.seed);
    this.links = new Links(options.nodes, this.dice, fairWeather());
    this.doc = { version: 0n, config: options.config };
    this.wanted = { k: options.config.k };
    this.history = new History((rule, text) => this.report(rule, text));
    this.hosts = Array.from(
      { length: options.nodes },
      (_, at) => new CommitHost(this, at as Pnn, `z${at % options.zones}`),
    );
    this.clients = new Clients(this);
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  after(delayMs: number, fire: () => void): void {
    this.#time.after(delayMs, fire);
  }

  /** Lets everything happen up to a time. */
  run(toMs: number): void {
    this.#time.runTo(toMs);
  }

  /** All nodes start, and one leads. */
  start(): void {
    for (const host of this.hosts) host.start();
    this.elect(0 as Pnn);
  }

  report(rule: string, text: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push({ atMs: this.nowMs, rule, text });
    this.note(-1, `FAULT ${rule}: ${text}`);
  }

  note(node: number, text: string): void {
    this.options.onNote?.(this.nowMs, node, text);
  }

  diskMs(pnn?: Pnn): number {
    const { slow, slowMs, minMs, maxMs } = this.disk;
    if (pnn !== undefined && this.lame.has(pnn)) return LAME_MS / 2 + this.dice.below(LAME_MS);
    if (slow > 0 && this.dice.chance(slow, 10_000)) return this.dice.below(slowMs);
    return minMs + (this.dice.below(1024) / 1024) * (maxMs - minMs);
  }

  /** A message on its way. */
  send(from: CommitHost, to: Pnn, message: CommitMessage): void {
    const { life } = from;
    if (this.options.onMessage?.(from.pnn, to, message) === false) return;
    this.messages += 1;
    if (this.messages === MESSAGES_MAX) this.report("flood", `${MESSAGES_MAX} messages`);
    if (this.messages >= MESSAGES_MAX) return;
    this.#carry(from.pnn, to, (host) => {
      if (message.kind !== "want_isr") return host.onMessage(life, message);
      for (const leader of this.#leaders) {
        if (leader.pnn === to) leader.onWish(life.pnn, message);
      }
    });
  }

  #carry(from: number, to: number, deliver: (host: CommitHost) => void): void {
    const host = this.hosts[to];
    if (host === undefined) return;
    const copies = from === to ? 1 : this.links.copies(from, to);
    for (let copy = 0; copy < copies; copy++) {
      const isLate = copy > 0 && this.lateCopies > 0 && this.dice.chance(this.lateCopies, 10_000);
      const delayMs = from === to
        ? 0.01
        : this.links.delayMs() + (isLate ? this.dice.below(LATE_MS) : 0);
      this.after(delayMs, () => {
        if (host.isUp) host.run(() => deliver(host));
      });
    }
  }

  /** A node tells the leaders how it is. */
  sendHello(pnn: Pnn, incarnation: bigint, hello: Hello): void {
    for (const leader of this.#leaders) {
      this.#carry(pnn, leader.pnn, () => leader.onHello(pnn, incarnation, hello));
    }
  }

  /** A leader tells its document. */
  tellDocument(leader: Leader, told: Told): void {
    for (const { pnn } of this.hosts) {
      this.#carry(leader.pnn, pnn, (host) => host.onDocument(told));
    }
  }

  /** A node leads from now on: what was proposed before got through, or never does. */
  elect(pnn: Pnn): void {
    const host = this.hosts[pnn];
    if (host?.isUp !== true || !this.#reachesMajority(pnn)) return;
    if (this.#proposal !== undefined && this.dice.chance(1, 2)) this.#effect();
    this.#proposal = undefined;
    for (const old of this.#leaders) {
      // It notices when it is told.
      this.after(this.dice.below(3_000), () => old.isOver = true);
    }
    const leader = new Leader(this, pnn, this.#token++, this.doc);
    this.#leaders = [...this.#leaders.filter(({ isOver }) => !isOver), leader];
    this.note(pnn, `leads with token ${leader.token}`);
  }

  /** Leads the newest leader, still? */
  get leader(): Leader | undefined {
    return this.#leaders.at(-1);
  }

  /** Somebody leads if anybody can. */
  keepLed(): void {
    const { leader } = this;
    const isLed = leader?.isThere === true &&
      this.hosts[leader.pnn]?.isPaused === false && this.#reachesMajority(leader.pnn);
    if (isLed) return;
    const { hosts } = this;
    const first = this.dice.below(hosts.length);
    for (let at = 0; at < hosts.length; at++) {
      const host = hosts[(first + at) % hosts.length] as CommitHost;
      if (host.isUp && !host.isPaused && this.#reachesMajority(host.pnn)) {
        return this.elect(host.pnn);
      }
    }
  }

  #reachesMajority(pnn: Pnn): boolean {
    const reached = this.hosts.filter((host) =>
      host.pnn === pnn ||
      (host.isUp && !host.isPaused && this.links.isOpen(pnn, host.pnn) &&
        this.links.isOpen(host.pnn, pnn))
    );
    return reached.length > this.hosts.length / 2;
  }

  /** A leader proposes; it becomes effective in a while, if nobody newer leads and a majority is there. */
  propose(leader: Leader, doc: SimDocument, done: () => void): void {
    const proposal = { leader, doc, done };
    if (leader === this.leader) this.#proposal = proposal;
    this.after(this.links.delayMs() * 2 + this.diskMs() * 2, () => {
      if (this.#proposal !== proposal || !leader.isThere || !this.#reachesMajority(leader.pnn)) {
        return this.after(100, done);
      }
      this.#effect();
      done();
      if (this.hosts[leader.pnn]?.isUp === true) leader.tell();
    });
  }

  #effect(): void {
    const proposal = this.#proposal;
    this.#proposal = undefined;
    if (proposal === undefined || proposal.leader !== this.leader) return;
    const { leader, doc } = proposal;
    const before = this.doc.config;
    this.doc = doc;
    leader.doc = doc;
    const { primary, primaryInc, isr, m, term } = doc.config;
    const set = isr.map(({ pnn, id }) => `${pnn}:${id}`).join(" ");
    this.note(
      leader.pnn,
      `document ${doc.version}: ${primary}.${primaryInc} in ${term}, ${set}, m ${m}`,
    );
    if (doc.config.lineage !== before.lineage) this.#begin(before, doc.config);
  }

  #begin(before: CommitConfig, config: CommitConfig): void {
    const { kind } = config;
    const isOver = before.isr.every(({ pnn, id }) => {
      const host = this.hosts[pnn];
      return host?.isUp !== true || `${host.incarnation}` !== id;
    });
    if (before.lineage !== 0n && kind === "replicated" && config.parent === undefined && !isOver) {
      this.report(
        "lineage",
        `a new history, and somebody of ${before.isr.length} still has the old`,
      );
    }
    this.history.begin(config);
  }

  /** A machine has taken a step. */
  onStep(host: CommitHost, machine: CommitMachine): void {
    this.history.look(host.pnn, machine.state.replica);
  }

  onStarted(host: CommitHost): void {
    this.note(host.pnn, `starts, life ${host.incarnation}`);
    if (this.leader !== undefined && host.doc !== undefined) {
      const { pnn, token } = this.leader;
      const leader = { pnn, token: token as Told["leader"]["token"] };
      host.onDocument({ doc: host.doc, leader, members: [] });
    }
    this.clients.onStarted(host);
  }

  onCrash(host: CommitHost): void {
    this.note(host.pnn, "is gone");
    this.history.forget(host.pnn);
    this.clients.onCrash(host);
  }

  onInstalled(host: CommitHost): void {
    this.note(host.pnn, `has pages up to ${host.disk.applied.seq}`);
  }

  /** A node wants a copy of another one's file. */
  fetchCopy(host: CommitHost, { epoch, from, above }: Extract<CommitEffect, { kind: "catch_up" }>) {
    let isOver = false;
    const end = (copy?: ReturnType<CommitHost["disk"]["copy"]>) => {
      if (isOver) return;
      isOver = true;
      host.onCopy(epoch, copy);
    };
    host.later(LATE_MS, () => end());
    this.#carry(host.pnn, from, (source) => {
      const { replica } = source.machine?.state ?? {};
      if (replica === undefined || replica.catching !== undefined) return;
      if (source.disk.applied.seq <= above) return;
      const copy = source.disk.copy();
      const ms = this.dice.below(COPY_MS);
      source.later(ms, () => this.#carry(from, host.pnn, () => end(copy)));
    });
  }

  onClientEffect(
    host: CommitHost,
    effect: Extract<CommitEffect, { kind: "answer" | "told" | "readable" }>,
  ): void {
    this.trace.add(2, host.pnn, this.nowMs, textHash(effect.kind, effect.id));
    this.clients.onEffect(host, effect);
  }
}
