/**
 * One database at this node, in one epoch: its record machine, run in the world, and the operations of programs.
 *
 *   look at the page ─▶ changed: `page` first ─▶ step ─▶ look at the page again ─▶ effects
 *                                                          │ served in the step, and not now:
 *                                                          └ sends are dropped, answers are held (ops.ts)
 *
 * The second look is step 4 of section 11 for all that the daemon does itself: what leaves it was done under a lease
 * that was valid after it was done, in a view that was in force.
 *
 * Does NOT promise: files; FileRecordStore has them. An error of the machine or its storage ends the data thread.
 */
import type { DbCfg, Document, Member } from "../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../transport/wire/messages/record.ts";
import type { Generation, Incarnation, NodeId, Pnn, Version } from "../../transport/wire/terms.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";
import type { Key } from "../machines/record/copy.ts";
import type { At, OpWish, RecordEffect, RecordEvent } from "../machines/record/events.ts";
import type { HeldBook } from "../machines/record/held.ts";
import type { RecordLook } from "../machines/record/look.ts";
import { Adaptive } from "../machines/record/policy.ts";
import { RecordMachine } from "../machines/record/record.ts";
import { RECORD_RULES } from "../machines/record/rules.ts";
import type { RecordTiming } from "../machines/record/tunables.ts";
import { FileRecordStore } from "../storage/record_store.ts";
import { HeldStore } from "./held_store.ts";
import { HOT_MAX, hotKeyOf, statsOf, whereOf } from "./looks.ts";
import { Ops } from "./ops.ts";
import type { PageLook } from "./page.ts";
import type { Procedures } from "./procedures.ts";
import { Settings } from "./settings.ts";
import { Untold } from "./untold.ts";
import type {
  DatabaseHost,
  DatabaseStats,
  HotKey,
  OpEnd,
  TraverseEvents,
  TraverseWish,
  Where,
} from "./types.ts";

type RunEffect = Extract<RecordEffect, { readonly kind: "run" }>;

/** What a database needs. */
export interface DatabaseParts {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly page: PageLook;
  readonly store: FileRecordStore;
  readonly procedures: Procedures;
  readonly timing: RecordTiming;
  /** All that a step has for a member; may wait until the turn is over. */
  readonly send: (
    database: Database,
    to: Member,
    generation: Generation,
    messages: readonly RecordMessage[],
  ) => void;
  /** Does anybody watch this key of an epoch `${dbId}.${since}`? */
  readonly isWatched: (epoch: string, key: Key) => boolean;
  readonly heldOf: (name: string) => HeldBook | undefined;
  /** A watched record has a new value, which counts. */
  readonly onWrote: (database: Database, key: Key, data: Uint8Array, at: At) => void;
  readonly viewAsk: (to: Member) => void;
  readonly viewTell: (to: Member) => void;
  /** An assert failed; with a life: that one broke the protocol. */
  readonly onBreach: (number: string, why: string, life: Member | undefined) => void;
  /** It cannot go on, and nor can the data thread. */
  readonly onFailure: (error: unknown) => void;
}

/** One of them. */
export class Database implements DatabaseHost {
  readonly since: Version;
  /** Why it is over, when it is. */
  overWhy = "";
  readonly machine: RecordMachine;
  readonly #parts: DatabaseParts;
  readonly #settings: Settings;
  readonly #policy: Adaptive;
  readonly #ops: Ops;
  readonly #store: HeldStore;
  /** Events from #next on wait. */
  #mailbox: RecordEvent[] = [];
  #next = 0;
  #isBusy = false;
  #isOver = false;
  readonly #untold: Untold;
  /** What the machine was told of the page last. */
  #toldEndMs = 0;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(cfg: DbCfg, parts: DatabaseParts) {
    this.#parts = parts;
    this.since = cfg.since ?? 0n as Version;
    this.#settings = new Settings(cfg, parts.timing);
    this.#policy = new Adaptive(this.#settings);
    const { nodeId, store: files, procedures, timing, clock } = parts;
    this.#store = new HeldStore(files, () => clock.nowMs());
    const store = this.#store;
    const settings = this.#settings;
    const epoch = `${cfg.dbId}.${this.since}`;
    this.machine = new RecordMachine({
      nodeId,
      dbId: cfg.dbId,
      hashOf: (key) => FileRecordStore.hashOf(key),
      store,
      procedures,
      policy: this.#policy,
      timing,
      ...{ rules: RECORD_RULES, held: parts.heldOf(cfg.name) },
      isWatched: (key) => parts.isWatched(epoch, key),
      get isSticky() {
        return settings.isSticky;
      },
    });
    this.#untold = new Untold((key, data, at) => parts.onWrote(this, key, data, at));
    this.#ops = new Ops(clock, (event) => this.#feed(event));
  }

  get cfg(): DbCfg {
    return this.#settings.cfg;
  }

  get path(): string | undefined {
    return this.#parts.store.path;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Is the page valid, for a machine that is in the view? */
  get isServing(): boolean {
    const { page, clock } = this.#parts;
    return this.machine.state.me !== undefined && clock.nowMs() < page.look();
  }

  // --- what the node is told

  /** A new life: new, empty files when this returns. */
  life(incarnation: Incarnation): void {
    this.#toldEndMs = 0;
    this.#untold.clear();
    this.#ops.lose();
    this.#feed({ kind: "life", incarnation });
  }

  /** A document is in force, which has this database with these settings. */
  view(doc: Document, cfg: DbCfg): void {
    this.#settings.cfg = cfg;
    if (doc.generation > this.machine.state.generation) this.#feed({ kind: "adopted", doc });
  }

  /** The page may have changed. */
  wake(): void {
    this.#feed({ kind: "wake" });
  }

  /** Empty records are given back now, and not when it is time. Answers how many there are still. */
  vacuum(): number {
    this.#feed({ kind: "vacuum" });
    return this.machine.state.empties.size;
  }

  /** A batch of a member for this life of this database. */
  take(
    from: Member,
    to: Member,
    generation: Generation,
    messages: readonly RecordMessage[],
  ): void {
    this.#feed({ kind: "messages", from, to, generation, messages });
  }

  /** Somebody watches a key, or all that begin so, from now on; isWatched says so already. */
  watching({ isPrefix, text }: { readonly isPrefix: boolean; readonly text: Key }): void {
    this.#feed(isPrefix ? { kind: "watching", prefix: text } : { kind: "watching", key: text });
  }

  /** It is no more, or this epoch is: all operations end, and programs that have its file mapped find nothing in it. */
  end(why: string): void {
    this.stop(why);
    this.#parts.store.end();
  }

  /** The thread ends: all operations end; the file stays as it is. */
  stop(why: string): void {
    this.#isOver = true;
    this.overWhy = why;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#ops.endAll(why);
  }

  // --- what programs want

  op(
    client: number,
    key: Key,
    wish: OpWish,
    deadlineMs: number,
    onEnd: (end: OpEnd) => void,
  ): number {
    return this.#ops.begin({ client, key, wish, deadlineMs, onEnd }, this.#isOver);
  }

  unlock(id: number, data?: Uint8Array): void {
    this.#feed({ kind: "unlock", id, ...data === undefined ? {} : { data } });
  }

  done(id: number): void {
    this.#feed({ kind: "done", id });
  }

  cancel(id: number): void {
    this.#feed({ kind: "cancel", id });
  }

  emptied(key: Key): void {
    this.#feed({ kind: "emptied", key });
  }

  traverse(client: number, wish: TraverseWish, on: TraverseEvents): number {
    return this.#ops.traverse(client, wish, on, this.#isOver);
  }

  more(id: number, credit: number): void {
    this.#feed({ kind: "more", id, credit });
  }

  /** A program's connection has ended. */
  clientDied(client: number): void {
    this.#feed({ kind: "client_died", client });
  }

  // --- looks

  where(key: Key): Where {
    const nowMs = this.#parts.clock.nowMs();
    return whereOf(this.machine.lookAt(key), {
      hot: this.#policy.hotOf(key, nowMs),
      heldUp: this.#store.heldUp(key),
      isSticky: this.#settings.isSticky,
      nowMs,
    });
  }

  hot(): readonly HotKey[] {
    const { keys } = this.machine.state;
    return this.#policy.hot(HOT_MAX, this.#parts.clock.nowMs())
      .map((hot) => hotKeyOf(hot, keys.get(hot.key)?.queue.length ?? 0));
  }

  stats(): DatabaseStats {
    const { store, clock } = this.#parts;
    const { dbId, name } = this.cfg;
    const heldUp = this.#store.longest();
    return {
      ...statsOf(this.machine.look(), this.isServing),
      ...{ dbId, name, since: this.since, path: store.path },
      ...store.trouble === undefined ? {} : { why: store.trouble.message },
      ...store.size,
      ops: { ...this.#ops.counts },
      heldUp: heldUp === undefined
        ? undefined
        : { key: heldUp.key, pid: heldUp.pid, ageMs: clock.nowMs() - heldUp.sinceMs },
      hot: this.hot(),
    };
  }

  /** What each of the last views meant, the newest last. */
  views(): RecordLook["views"] {
    return this.machine.look().views;
  }

  /** Keeps a record here for longer, until a time of the node's clock; 0: no longer. Throws "limit". */
  pin(key: Key, untilMs: number): void {
    if (this.#policy.pin(key, untilMs)) return;
    throw new CtdbxError("limit", "Cannot pin the record: too many are");
  }

  /** What this node, as home, knows to be at another still. */
  leftAt(pnn: Pnn): number {
    return this.machine.leftAt(pnn);
  }

  // --- the machine

  #feed(event: RecordEvent): void {
    if (this.#isOver) return;
    this.#mailbox.push(event);
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#next < this.#mailbox.length && !this.#isOver) {
        this.#step(this.#mailbox[this.#next++] as RecordEvent);
      }
      this.#mailbox = [];
      this.#next = 0;
    } catch (error) {
      // Whoever is told stops all databases.
      this.#isOver = true;
      this.#parts.onFailure(error);
    } finally {
      this.#isBusy = false;
    }
    this.#arm();
  }

  #step(event: RecordEvent): void {
    const leaseEndMs = this.#parts.page.look();
    if (leaseEndMs !== this.#toldEndMs && event.kind !== "life") {
      this.#toldEndMs = leaseEndMs;
      this.#run({ kind: "page", leaseEndMs });
    }
    this.#run(event);
  }

  #run(event: RecordEvent): void {
    const { machine } = this;
    const { clock, page } = this.#parts;
    const nowMs = clock.nowMs();
    const effects = machine.step(event, nowMs);
    if (effects.length === 0 && !this.#untold.isHolding && !this.#ops.isHolding) return;
    const { state } = machine;
    const hasServed = state.me !== undefined && nowMs < state.leaseEndMs;
    const isValid = clock.nowMs() < page.look();
    if (hasServed && isValid) this.#settle();
    for (const effect of effects) {
      this.#perform(effect, isValid, hasServed && !isValid);
      if (this.#isOver) return;
    }
  }

  /** `isLost`: the step served by a page that is not valid any more. */
  #perform(effect: RecordEffect, isValid: boolean, isLost: boolean): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "send":
        // A message may be lost on any way, so also on this one.
        if (isLost) return;
        return parts.send(this, effect.to, effect.generation, effect.messages);
      case "answer":
        return this.#ops.answer(effect, isValid);
      case "ready":
        return this.#ops.ready(effect.id);
      case "locked":
        return this.#ops.locked(effect, isValid);
      case "record":
        return this.#ops.record(effect.id, effect.key, effect.data, isLost);
      case "traversed":
        return this.#ops.traversed(effect.id, effect.outcome, effect.count, isLost);
      case "run":
        return void this.#runOutside(effect);
      case "run_over":
        // The program goes on, and what it says is not heard.
        return;
      case "wrote":
        return this.#untold.wrote(effect.key, effect.data, effect.at, isValid);
      case "view_ask":
        return parts.viewAsk(effect.to);
      case "view_tell":
        return parts.viewTell(effect.to);
      case "breach":
        return parts.onBreach(effect.number, effect.why, effect.life);
    }
  }

  /** The page is valid after a step: all that was done in this life counts. */
  #settle(): void {
    if (this.#ops.isHolding) this.#ops.settle();
    if (this.#untold.isHolding) this.#untold.settle();
  }

  /** Has a program run its procedure. */
  async #runOutside({ id, key, procedure, data, args, untilMs }: RunEffect): Promise<void> {
    const { procedures, clock } = this.#parts;
    const call = { db: this.cfg.name, key, procedure, data, args };
    const ran = await procedures.run(call, Math.max(0, untilMs - clock.nowMs()));
    this.#feed(ran.ok ? { kind: "ran", id, ...ran } : { kind: "ran", id, ...ran });
  }

  /** One timer, which may be early: most wakes are put off before they come. */
  #arm(): void {
    const { wakeMs } = this.machine;
    if (this.#isOver || wakeMs === Infinity) return;
    if (this.#timer !== undefined && this.#timer.atMs <= wakeMs) return;
    this.#timer?.cancel();
    const { clock } = this.#parts;
    const cancel = clock.after(Math.max(0, wakeMs - clock.nowMs()), () => {
      this.#timer = undefined;
      if (clock.nowMs() >= this.machine.wakeMs) this.#feed({ kind: "wake" });
      else this.#arm();
    });
    this.#timer = { atMs: wakeMs, cancel };
  }
}
