/**
 * One persistent or replicated database at this node, in one epoch: its machine, run in the world, a machine for each
 * life of the node.
 *
 *   life ─▶ storage opened ─▶ machine ─ opened ─▶ step ─▶ names told ─▶ effects: mail, disk, ends
 *   config: of the document and the leader; kept, and told to each machine first of all
 *   a sync fails, an assert fails ─▶ no machine until the next life; others take over
 *   the storage cannot be opened ─▶ none either, and it is tried again
 *   a page is bad ─▶ it is mended from others, and the machine goes on (commit_health.ts)
 *
 * Does NOT promise: that its file is in step with the log; `committed` is told when it is.
 */
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { AnyCommitMessage } from "../../transport/wire/messages/commit.ts";
import type { DbCfg, Document, Member } from "../../transport/wire/messages/document.ts";
import type { Incarnation, Pnn, Version } from "../../transport/wire/terms.ts";
import type { CommitEffect, CommitEvent, Hello } from "../machines/commit/events.ts";
import { CommitMachine } from "../machines/commit/machine.ts";
import { COMMIT_RULES } from "../machines/commit/rules.ts";
import type { Key } from "../machines/record/copy.ts";
import { CLIENT_KEEP_MS, CommitAsks } from "./commit_asks.ts";
import { configOf } from "./commit_config.ts";
import { CommitCopying } from "./commit_copying.ts";
import { CommitDisk } from "./commit_disk.ts";
import { CommitHealth } from "./commit_health.ts";
import type { MendState } from "./commit_mending.ts";
import { isPage, isSync, peersOf } from "./commit_peers.ts";
import { CommitRecords } from "./commit_records.ts";
import { brokenHello, lookOf, statsOf, whereOf } from "./commit_looks.ts";
import type { CommitDatabaseParts, CommitLeader } from "./commit_parts.ts";
import { CommitPacing } from "./commit_pacing.ts";
import { CommitReads } from "./commit_reads.ts";
import type { CommitOps } from "./commit_ops.ts";
import { CommitRun } from "./commit_run.ts";
import { CommitWork } from "./commit_work.ts";
import type { DatabaseHost, DatabaseStats, Where } from "./types.ts";

/** A storage that cannot be opened is tried again so often, ms. */
export const REOPEN_MS = 5_000;

/** One of them. */
export class CommitDatabase extends CommitRecords implements DatabaseHost {
  cfg: DbCfg;
  readonly since: Version;
  readonly commits: CommitOps;
  /** Why it is over, when it is. */
  overWhy = "";
  readonly #parts: CommitDatabaseParts;
  readonly #asks: CommitAsks;
  readonly #reads: CommitReads;
  readonly work: CommitWork;
  readonly health: CommitHealth;
  readonly #copying: CommitCopying;
  readonly #pacing = new CommitPacing();
  #run: CommitRun | undefined;
  #disk: CommitDisk | undefined;
  #life: Member | undefined;
  #config: Extract<CommitEvent, { kind: "config" }> | undefined;
  #isOver = false;
  #hasCome = false;
  /** Why there is no machine, after it should be there. */
  #trouble: string | undefined;
  /** The storage of the life before closes. */
  #opening: Promise<void> = Promise.resolve();
  /** What is still to be done later. */
  readonly #gone = new Set<() => void>();

  constructor(cfg: DbCfg, parts: CommitDatabaseParts) {
    super();
    this.cfg = cfg;
    this.since = cfg.since ?? 0n as Version;
    this.#parts = parts;
    const { clock } = parts;
    this.#asks = new CommitAsks({
      closed: () => this.#closed(),
      feed: (event) => this.#feed(event),
      conflictOf: ({ reads }) => this.#reads.changedOf(reads),
    });
    this.#reads = new CommitReads({
      closed: () => this.#closed(),
      disk: () => this.#disk,
      mayRead: () => this.machine?.mayRead ? this.machine.state.replica : undefined,
      settled: (deadlineMs) => this.health.settled(deadlineMs),
      latest: (deadlineMs) => this.#asks.latest(deadlineMs),
    });
    this.commits = {
      transact: (...args) => this.#asks.transact(...args),
      fate: (...args) => this.#asks.fate(...args),
      read: (...args) => this.#reads.read(...args),
      seqnum: (how, deadlineMs) => this.#reads.read([], how, deadlineMs),
      snapshot: (...args) => this.#reads.snapshot(...args),
      look: () => lookOf(this),
    };
    this.work = new CommitWork(this.commits, clock);
    this.#copying = new CommitCopying({
      clock,
      disk: () => this.#disk,
      lineage: () => this.machine?.state.replica.lineage ?? 0n,
      send: (to, message) => this.#send(to, message),
      onEvent: (event) => this.#feed(event),
    });
    this.health = new CommitHealth({
      ...{ clock, copying: this.#copying, nameOf: parts.nameOf },
      store: () => this.#disk?.usable,
      peers: () => peersOf(this.#config, this.#life?.pnn),
      send: (to, message) => this.#send(to, message),
      onSwapped: () => {
        this.#reads.end("the file was exchanged for one that another node had whole");
        this.#copying.endSources();
      },
      onState: (state) => this.#onHealth(state),
      tell: (what, text) => parts.tell(this, what, text),
    });
  }

  /** What is being taken over from another node. */
  get sync(): CommitCopying["look"] {
    return this.#copying.look;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Undefined: there is none just now. */
  get machine(): CommitMachine | undefined {
    return this.#run?.machine;
  }

  get disk(): CommitDisk | undefined {
    return this.#disk;
  }

  /** Why it does not run; undefined: it does, or will soon. */
  get trouble(): string | undefined {
    return this.#trouble ?? this.health.trouble;
  }

  get counts(): CommitAsks["counts"] {
    return this.#asks.counts;
  }

  /** What waits here. */
  get waiting(): number {
    return this.#asks.size + this.work.waiting;
  }

  #closed(): { readonly code: "gone" | "damaged"; readonly why: string } | undefined {
    if (this.#isOver) return { code: "gone", why: this.overWhy };
    const { trouble } = this;
    if (this.#run !== undefined && trouble === undefined) return undefined;
    return { code: "damaged", why: trouble ?? "the node begins a new life" };
  }

  // --- what the node is told

  /** The life is over, and the next has not begun: what was under way is unknown. */
  pause(why: string): void {
    if (this.#isOver) return;
    this.#life = undefined;
    this.#endMachine("gone", why);
  }

  /** A new life, after a pause: the storage is opened anew. */
  life(pnn: Pnn, incarnation: Incarnation): void {
    if (this.#isOver) return;
    this.pause("the node began a new life");
    const life = { pnn, incarnation };
    this.#life = life;
    this.#trouble = undefined;
    this.#opening = this.#opening.then(() => this.#open(life));
  }

  async #open(life: Member): Promise<void> {
    if (this.#isOver || this.#life !== life || this.#run !== undefined) return;
    const id = this.cfg.kind === "replicated" ? `${life.incarnation}` : undefined;
    const { disk } = this.#parts;
    try {
      this.#parts.beforeOpen();
      const opened = await CommitDisk.open({
        ...disk,
        onEvent: (event) => {
          if (this.#life === life) this.#feed(event);
        },
        onDamage: () => {
          void this.health.verify().then((found) => {
            if (found !== undefined) opened.mended(found);
          });
        },
        onFailure: (error) => {
          if (this.#life === life) this.#break(error);
        },
      }, id);
      if (this.#isOver || this.#life !== life) return opened.close();
      this.#disk = opened;
      // What has rotted while nobody looked is found, and mended, before anything is read.
      if (!await this.health.checked() || this.#disk !== opened) return opened.close();
      this.#trouble = undefined;
      this.#begin(life, opened);
    } catch (error) {
      this.#break(error);
      this.#openLater(life);
      if (error instanceof CorruptError) this.#rescue(life, error);
    }
    this.#come();
  }

  #begin(life: Member, opened: CommitDisk): void {
    const { nodeId, timing, clock } = this.#parts;
    const event = { ...opened.opened(), ...life, nodeId };
    const store = { versionOf: (key: Key) => opened.versionOf(key) };
    const machine = new CommitMachine({ store, timing, rules: COMMIT_RULES });
    this.#run = new CommitRun({
      ...{ machine, clock },
      onStep: () => this.#asks.named(machine.state),
      perform: (effect) => this.#perform(effect),
      onError: (error) => this.#break(error),
    });
    this.#run.hold(this.health.state !== "well");
    if (this.#config !== undefined) this.#feed(this.#config);
    this.#feed({ kind: "opened", disk: event });
  }

  /** No machine has run in this life: what could not be opened may be tried again. */
  #openLater(life: Member): void {
    const cancel = this.#parts.clock.after(REOPEN_MS, () => {
      this.#gone.delete(cancel);
      this.#opening = this.#opening.then(() => this.#open(life));
    });
    this.#gone.add(cancel);
  }

  /** What is here is of no use to anybody: as if it could not be opened. */
  #giveUp(why: string): void {
    const life = this.#life;
    const error = new CorruptError("truncated", 0, why);
    this.#break(error);
    if (life === undefined) return;
    this.#openLater(life);
    this.#rescue(life, error);
  }

  /** What is here cannot be used: where another copy is whole it is put aside, and the copy begins anew from there. */
  #rescue(life: Member, { message }: CorruptError): void {
    this.health.seekWhole(this.#config?.config.lineage ?? 0n, (who) => {
      if (this.#life !== life || this.#disk !== undefined || this.#isOver) return;
      const { setAside, tell } = this.#parts;
      const to = setAside();
      tell(
        this,
        "damaged",
        `${message}; its files are put aside in ${to}, and ${who} has it whole`,
      );
      this.#opening = this.#opening.then(() => this.#open(life));
    });
  }

  /** The file is well, or is not. */
  #onHealth(state: MendState): void {
    this.#run?.hold(state !== "well");
    if (state !== "lost") return;
    const { trouble = "" } = this;
    this.#parts.log.write(
      "error",
      `Database ${this.cfg.name} cannot be used at this node: ${trouble}`,
    );
    this.#asks.lose("damaged", trouble);
    this.#come();
  }

  #come(): void {
    if (this.#hasCome || this.#isOver) return;
    this.#hasCome = true;
    this.#parts.onCame(this);
  }

  /** A document is in force, or another leads. */
  config(doc: Document, cfg: DbCfg, leader: CommitLeader | undefined): void {
    this.cfg = cfg;
    this.#config = { kind: "config", config: configOf(cfg), leader, members: doc.view.members };
    if (this.#run !== undefined) this.#feed(this.#config);
  }

  /** What the leader is told; undefined: nothing yet. */
  hello(): Hello | undefined {
    const { machine } = this;
    if (this.trouble !== undefined) return brokenHello();
    if (machine?.state.replica.isOpen !== true) return undefined;
    return this.health.hello(machine.hello(), machine.role === "primary", brokenHello());
  }

  /** Messages of a member for this epoch. */
  take(from: Member, messages: readonly AnyCommitMessage[]): void {
    for (const message of messages) {
      if (isPage(message)) this.health.take(from.pnn, message);
      else if (isSync(message)) this.#copying.take(from.pnn, message);
      else if (message.kind !== "hello") this.#feed({ kind: "message", from, message });
    }
  }

  /** It is no more, or this epoch is: everything ends, and its files are closed. Resolves when they are. */
  end(why: string): Promise<void> {
    if (this.#isOver) return this.#opening;
    this.overWhy = why;
    this.#endMachine("gone", why);
    this.#isOver = true;
    this.work.end();
    for (const cancel of this.#gone) cancel();
    this.#gone.clear();
    return this.#opening;
  }

  #endMachine(code: "gone" | "damaged", why: string): void {
    this.#run?.end();
    this.#run = undefined;
    this.health.end();
    this.#copying.end();
    this.#reads.end(why);
    const disk = this.#disk;
    this.#disk = undefined;
    disk?.close();
    this.#asks.lose(code, why);
  }

  /** It cannot go on in this life. */
  #break(error: unknown): void {
    const why = error instanceof Error ? error.message : `${error}`;
    if (why !== this.#trouble) {
      this.#parts.log.write("error", `Database ${this.cfg.name} has stopped at this node`, {
        error,
      });
    }
    this.#trouble = why;
    this.#endMachine("damaged", why);
  }

  // --- the machine

  #feed(event: CommitEvent): void {
    this.#run?.feed(event);
  }

  #perform(effect: CommitEffect): void {
    switch (effect.kind) {
      case "send":
        return this.#send(effect.to, effect.message);
      case "answer":
        return this.#asks.answered(effect);
      case "told":
        return this.#asks.told(effect);
      case "readable":
        return this.#asks.readable(effect);
      case "catch_up":
        return this.#copying.begin(effect);
      case "install":
        return this.#copying.install(effect.epoch);
      case "discard":
        return this.#copying.discard();
      case "breach":
        return this.#break(new CtdbxError("state", `${effect.number}: ${effect.why}`));
      case "put_aside":
        return this.#giveUp(effect.why);
      case "reset":
        this.#reads.end("this copy began anew, from another node's");
        this.#copying.end();
        return this.#disk?.perform(effect);
      default:
        return this.#disk?.perform(effect);
    }
  }

  #send(to: Pnn, message: AnyCommitMessage): void {
    const by = this.#life;
    if (by === undefined || this.#isOver) return;
    const { clock, send } = this.#parts;
    if (this.#pacing.maySend(to, message, clock.nowMs())) send(this, by, to, [message]);
  }

  // --- programs, and people

  where(key: Key): Where {
    return whereOf(this, key);
  }

  stats(): DatabaseStats {
    return statsOf(this);
  }

  /** A program's connection has ended: what it reads ends now, its sessions a while later. */
  clientDied(client: number): void {
    this.#reads.clientDied(client);
    this.work.clientDied(client);
    const cancel = this.#parts.clock.after(CLIENT_KEEP_MS, () => {
      this.#gone.delete(cancel);
      this.#feed({ kind: "client_gone", client });
    });
    this.#gone.add(cancel);
  }
}
