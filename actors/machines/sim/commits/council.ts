/**
 * The leader and its document, as much of it as commits need: the real ones are the cluster machine's, and are judged
 * there.
 *
 *   nodes ── hello ──▶ leader ── plan ──▶ proposal ── (a majority, some ms) ──▶ effective ── told ──▶ nodes, some late
 *
 * Whoever leads knows the newest effective document when it begins; a proposal of the one before either got through by
 * then, or never does. So documents form one line, as the protocol of documents promises. Leaders change at any time;
 * one that was followed by another notices late, and goes on to propose in vain.
 *
 * Does NOT promise: leases, views or slots; who is heard is alive.
 */
import type { WantIsr } from "../../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, Pnn, Token, Version } from "../../../../transport/wire/terms.ts";
import type { CommitConfig } from "../../commit/config.ts";
import type { Hello } from "../../commit/events.ts";
import type { PlanInput, PlanNode } from "../../commit/placement.ts";
import { decideWish, forcePrimary, plan } from "../../commit/planner.ts";
import type { CommitSim } from "./commit_sim.ts";

/** A document. */
export interface SimDocument {
  readonly version: bigint;
  readonly config: CommitConfig;
}

/** What a leader tells. */
export interface Told {
  readonly doc: SimDocument;
  readonly leader: { readonly pnn: Pnn; readonly token: Token };
  readonly members: readonly Member[];
}

const DEAD_MS = 1_500;
const CALM_MS = 800;
const TELL_MS = 250;
const PLAN_MS = 40;
const TOKEN_BITS = 20n;

interface Heard {
  incarnation: bigint;
  atMs: number;
  hello: Hello | undefined;
}

/** One leader, from when it begins until it is told of another. */
export class Leader {
  readonly pnn: Pnn;
  readonly token: bigint;
  doc: SimDocument;
  isOver = false;
  readonly #sim: CommitSim;
  readonly #sinceMs: number;
  readonly #life: bigint;
  readonly #heard = new Map<Pnn, Heard>();
  #n = 1n;
  #isProposing = false;

  constructor(sim: CommitSim, pnn: Pnn, token: bigint, doc: SimDocument) {
    this.#sim = sim;
    this.pnn = pnn;
    this.token = token;
    this.doc = doc;
    this.#sinceMs = sim.nowMs;
    this.#life = sim.hosts[pnn]?.incarnation ?? 0n;
    this.#turn();
  }

  /** Is the life of its node still the one that was chosen? */
  get isThere(): boolean {
    const host = this.#sim.hosts[this.pnn];
    return !this.isOver && host?.isUp === true && host.incarnation === this.#life;
  }

  #turn(): void {
    const sim = this.#sim;
    if (!this.isThere) return;
    if (sim.hosts[this.pnn]?.isPaused === false) {
      this.tell();
      this.#plan();
    }
    const turns = TELL_MS / PLAN_MS;
    for (let at = 1; at < turns; at++) sim.after(at * PLAN_MS, () => this.#plan());
    sim.after(TELL_MS, () => this.#turn());
  }

  /** A node tells how it is. */
  onHello(pnn: Pnn, incarnation: bigint, hello: Hello | undefined): void {
    const before = this.#heard.get(pnn);
    if (before !== undefined && before.incarnation > incarnation) return;
    this.#heard.set(pnn, { incarnation, atMs: this.#sim.nowMs, hello });
  }

  /** A primary wants somebody in or out. */
  onWish(from: Pnn, wish: WantIsr): void {
    if (!this.isThere || this.#isProposing) return;
    const config = decideWish(this.#input(), from, this.token as Token, wish);
    if (config !== undefined) this.#propose(config);
  }

  /** Somebody who keeps a copy that can lead on, when nothing else can: the one with the longest log. */
  lastResort(): Pnn | undefined {
    const { nodes, config } = this.#input();
    const next = plan(this.#input());
    const able = nodes.filter(({ isAlive, hello }) => isAlive && hello?.lineage === config.lineage);
    const [best] = able.sort((one, other) =>
      Number((other.hello?.lastTerm ?? 0n) - (one.hello?.lastTerm ?? 0n)) ||
      Number((other.hello?.lastSeq ?? 0n) - (one.hello?.lastSeq ?? 0n))
    );
    return next.what === "wait" && this.doc.config.lineage !== 0n ? best?.pnn : undefined;
  }

  /** An administrator forces a primary. Words: why not. */
  force(pnn: Pnn): string {
    if (this.isOver || this.#isProposing) return "busy";
    const config = forcePrimary(this.#input(), pnn);
    if (typeof config === "string") return config;
    this.#propose(config);
    return "";
  }

  #input(): PlanInput {
    const { hosts, nowMs, options } = this.#sim;
    const nodes = hosts.map(({ pnn, zone }): PlanNode => {
      const heard = this.#heard.get(pnn);
      const silentMs = nowMs - (heard?.atMs ?? this.#sinceMs);
      const going = this.#sim.going.get(pnn);
      return {
        pnn,
        zone,
        incarnation: (heard?.incarnation ?? 0n) as Incarnation,
        isAlive: silentMs < DEAD_MS && heard !== undefined,
        silentMs: silentMs * this.#sim.haste,
        overInc: (heard?.incarnation ?? 0n) - 1n,
        hello: heard?.hello,
        ...going === undefined ? {} : { going },
      };
    });
    const version = ((this.token << TOKEN_BITS) + this.#n) as Version;
    const random = (BigInt(this.#sim.dice.u32()) << 32n) | BigInt(this.#sim.dice.u32());
    // What people ask for stands beside what the leader decides.
    const { mWanted: _, ...decided } = this.doc.config;
    const config = { ...decided, ...this.#sim.wanted };
    return { config, nodes, version, random, rules: options.rules };
  }

  #plan(): void {
    const { nowMs, hosts } = this.#sim;
    if (!this.isThere || this.#isProposing || hosts[this.pnn]?.isPaused === true) return;
    if (nowMs < this.#sinceMs + CALM_MS) return;
    const next = plan(this.#input());
    if (next.what === "change") this.#propose(next.config);
  }

  #propose(config: CommitConfig): void {
    const version = (this.token << TOKEN_BITS) + this.#n++;
    this.#isProposing = true;
    this.#sim.propose(this, { version, config }, () => {
      this.#isProposing = false;
    });
  }

  /** Tells everybody the document that it knows as effective. */
  tell(): void {
    const leader = { pnn: this.pnn, token: this.token as Token };
    const { nowMs } = this.#sim;
    const members = [...this.#heard].filter(([, { atMs }]) => atMs + DEAD_MS > nowMs)
      .map(([pnn, { incarnation }]) => ({ pnn, incarnation: incarnation as Incarnation }));
    this.#sim.tellDocument(this, { doc: this.doc, leader, members });
  }
}
