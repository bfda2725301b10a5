/**
 * The leader's data thread decides who keeps, leads and is in sync, for each persistent or replicated database.
 *
 *   all nodes ── hello, want_isr ──▶ council ── planner ──▶ db_commit, made from the version that is in force
 *                                                     main thread ──▶ cluster machine ──▶ the next document
 *
 * A proposal is done only if what it was made from is still in force (databases.ts of the cluster machine): one of a
 * leader that was is void, and one at a time is under way for each database.
 *
 * Does NOT promise: a plan before it has heard the nodes for CALM_MS: who has just begun to lead knows nobody.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { HelloMessage, WantIsr } from "../../transport/wire/messages/commit.ts";
import type { DbCfg, Document, Member } from "../../transport/wire/messages/document.ts";
import type { DbId, Incarnation, Pnn, Token, Version } from "../../transport/wire/terms.ts";
import type { Clock, Log } from "../../transport/world.ts";
import type { CommitConfig } from "../machines/commit/config.ts";
import type { Going, PlanInput, PlanNode } from "../machines/commit/placement.ts";
import { decideWish, plan } from "../machines/commit/planner.ts";
import { COMMIT_RULES } from "../machines/commit/rules.ts";
import {
  forcedOf,
  type ForceInput,
  type ForceLook,
  forceLook,
  type ForceWish,
} from "./commit_force.ts";
import { cfgOf, configOf, hasCommits } from "./commit_config.ts";

/** The command that the main thread passes on. */
export type CommitChange = Extract<LeaderCommand, { verb: "db_commit" }>;

/** What it needs. */
export interface CouncilParts {
  readonly clock: Clock;
  readonly log: Log;
  /** A u64 by chance. */
  readonly random: () => bigint;
  readonly doc: () => Document | undefined;
  /** Has it taken into the document, or not; resolves when that is known. */
  readonly propose: (change: CommitChange, timeoutMs: number) => Promise<void>;
}

/** Between two looks, ms. */
const LOOK_MS = 50;
/** Who told nothing so long is not there, ms. Nodes tell it each HELLO_MS. */
const DEAF_MS = 2_000;
/** Nothing is concluded from silence so soon after the lead began, ms. */
const CALM_MS = 1_000;
const PROPOSE_MS = 2_000;
/** In place of the version that is not known yet. */
const NEXT_VERSION = 0xffff_ffff_ffff_ffffn as Version;

interface Heard {
  readonly since: Version;
  readonly incarnation: Incarnation;
  readonly atMs: number;
  readonly hello: HelloMessage;
}

/** One node's; at work while the node leads. */
export class CommitCouncil {
  readonly #parts: CouncilParts;
  readonly #heard = new Map<string, Heard>();
  readonly #open = new Set<DbId>();
  /** What it waits for, by database: told once. */
  readonly #waits = new Map<DbId, string>();
  #token: Token | undefined;
  #sinceMs = 0;
  #endLook: () => void = () => {};

  constructor(parts: CouncilParts) {
    this.#parts = parts;
  }

  /** The node leads with this token, or no more. */
  lead(token: Token | undefined): void {
    if (token === this.#token) return;
    this.#token = token;
    this.#heard.clear();
    this.#waits.clear();
    this.#endLook();
    this.#sinceMs = this.#parts.clock.nowMs();
    if (token !== undefined) this.#look();
  }

  /** Why a database does not get on, as far as the leader knows; undefined: it does, or this node does not lead. */
  waitOf(dbId: DbId): string | undefined {
    return this.#waits.get(dbId);
  }

  stop(): void {
    this.lead(undefined);
  }

  /** A node tells how its copy is. */
  onHello({ pnn, incarnation }: Member, dbId: DbId, since: Version, hello: HelloMessage): void {
    if (this.#token === undefined) return;
    const name = nameOf(dbId, pnn);
    if (incarnation < (this.#heard.get(name)?.incarnation ?? 0n)) return;
    const atMs = this.#parts.clock.nowMs();
    this.#heard.set(name, { since, incarnation, atMs, hello });
  }

  /** A primary wants somebody in or out of its set. */
  onWish({ pnn, incarnation }: Member, dbId: DbId, since: Version, wish: WantIsr): void {
    const cfg = this.#cfgs().find((one) => one.dbId === dbId && sinceOf(one) === since);
    const token = this.#token;
    if (cfg === undefined || token === undefined || this.#open.has(dbId) || !this.#isCalm) return;
    const input = this.#input(cfg);
    if (input.config.primaryInc !== incarnation) return;
    const config = decideWish(input, pnn, token, wish);
    if (config !== undefined) this.#try(cfg, config);
  }

  /**
   * What it is to have a node lead by force; with `from` it is had, too. Throws CtdbxError "no_quorum" (this node does
   * not lead, or has just begun to), "not_found", "state" (it cannot be, or its copies have changed).
   */
  async force(wish: ForceWish): Promise<ForceLook> {
    const { name, pnn } = wish;
    if (this.#token === undefined || !this.#isCalm) {
      throw new CtdbxError(
        "no_quorum",
        `Cannot judge the copies of ${name}: this node leads not, or not long enough`,
      );
    }
    const cfg = this.#cfgs().find((one) => one.name === name);
    if (cfg === undefined) throw new CtdbxError("not_found", `Cannot find database ${name}`);
    const input = this.#forceInput(cfg);
    const look = forceLook(input, pnn);
    if (wish.from === undefined) return look;
    const config = forcedOf(input, wish);
    if (this.#open.has(cfg.dbId)) {
      throw new CtdbxError("busy", `Cannot change ${name}: a plan is under way; try again`);
    }
    this.#parts.log.write("warning", `Database ${name}: ${pnn} leads by force`, {
      keptSeq: look.keptSeq,
    });
    await this.#propose(cfg, config);
    return look;
  }

  #forceInput(cfg: DbCfg): ForceInput {
    const nowMs = this.#parts.clock.nowMs();
    const lastWord = (pnn: Pnn) => {
      const heard = this.#heard.get(nameOf(cfg.dbId, pnn));
      if (heard === undefined || heard.since !== sinceOf(cfg)) return undefined;
      return { silentMs: nowMs - heard.atMs, hello: heard.hello };
    };
    return { name: cfg.name, plan: this.#input(cfg), from: changedOf(cfg), lastWord };
  }

  get #isCalm(): boolean {
    return this.#parts.clock.nowMs() >= this.#sinceMs + CALM_MS;
  }

  #cfgs(): DbCfg[] {
    return this.#parts.doc()?.dbs.filter((cfg) => hasCommits(cfg)) ?? [];
  }

  #look(): void {
    if (this.#isCalm) {
      for (const cfg of this.#cfgs()) if (!this.#open.has(cfg.dbId)) this.#plan(cfg);
    }
    this.#endLook = this.#parts.clock.after(LOOK_MS, () => this.#look());
  }

  #plan(cfg: DbCfg): void {
    const next = plan(this.#input(cfg));
    const { dbId, name } = cfg;
    if (next.what === "change") {
      this.#parts.log.write("info", `Database ${name}: ${next.why}`);
      return this.#try(cfg, next.config);
    }
    const waits = next.what === "wait" ? next.why : undefined;
    if (waits === this.#waits.get(dbId)) return;
    if (waits === undefined) return void this.#waits.delete(dbId);
    this.#waits.set(dbId, waits);
    this.#parts.log.write("info", `Database ${name} waits ${waits}`);
  }

  #propose(cfg: DbCfg, config: CommitConfig): Promise<void> {
    const { dbId } = cfg;
    this.#waits.delete(dbId);
    this.#open.add(dbId);
    const isNewTerm = config.term === NEXT_VERSION;
    const from = changedOf(cfg);
    const change: CommitChange = {
      ...{ verb: "db_commit", dbId, since: sinceOf(cfg), from, isNewTerm },
      // Both versions are put in by who makes the document.
      commit: { ...cfgOf(config), ...isNewTerm ? { term: from } : {}, changed: from },
    };
    return this.#parts.propose(change, PROPOSE_MS).finally(() => this.#open.delete(dbId));
  }

  #try(cfg: DbCfg, config: CommitConfig): void {
    this.#propose(cfg, config).catch((error) => {
      this.#parts.log.write("warning", `Database ${cfg.name}: a plan was not taken`, { error });
    });
  }

  #input(cfg: DbCfg): PlanInput {
    const doc = this.#parts.doc();
    const lives = new Map(doc?.view.members.map(({ pnn, incarnation }) => [pnn, incarnation]));
    const newest = new Map(doc?.view.maxInc.map(({ pnn, incarnation }) => [pnn, incarnation]));
    const nodes = (doc?.nodes ?? [])
      .filter(({ adminFlags, pnn }) => newest.has(pnn) && !adminFlags.includes("deleted"))
      .map(({ pnn }) => this.#node(cfg, pnn, lives.get(pnn), newest.get(pnn)));
    const config = configOf(cfg);
    return {
      config,
      nodes,
      version: NEXT_VERSION,
      random: this.#parts.random(),
      rules: COMMIT_RULES,
    };
  }

  #node(
    cfg: DbCfg,
    pnn: Pnn,
    life: Incarnation | undefined,
    newest: Incarnation = 0n as Incarnation,
  ): PlanNode {
    const heard = this.#heard.get(nameOf(cfg.dbId, pnn));
    const isOfNow = heard !== undefined && heard.since === sinceOf(cfg) &&
      heard.incarnation === life;
    const silentMs = this.#parts.clock.nowMs() - (heard?.atMs ?? this.#sinceMs);
    const going = goingOf(this.#parts.doc(), pnn);
    return {
      ...going === undefined ? {} : { going },
      pnn,
      incarnation: life ?? newest,
      zone: this.#parts.doc()?.nodes.find((node) => node.pnn === pnn)?.zone ?? "",
      isAlive: isOfNow && silentMs < DEAF_MS,
      silentMs,
      // A life that another one of its node has followed is over.
      overInc: life === undefined ? 0n : life - 1n,
      hello: isOfNow ? heard.hello : undefined,
    };
  }
}

/** Is a node on its way out, by the document? */
function goingOf(doc: Document | undefined, pnn: Pnn): Going | undefined {
  const node = doc?.nodes.find((one) => one.pnn === pnn);
  if (doc?.view.stopping?.includes(pnn) === true) return "stops";
  if (node?.leaving !== undefined) return "leaves";
  return node?.adminFlags.includes("draining") === true ? "drains" : undefined;
}

function nameOf(dbId: DbId, pnn: Pnn): string {
  return `${dbId} ${pnn}`;
}

function sinceOf({ since }: DbCfg): Version {
  return since ?? 0n as Version;
}

/** The version that changed its copies last; 0: nobody has begun. */
function changedOf({ commit }: DbCfg): Version {
  return commit?.changed ?? 0n as Version;
}
