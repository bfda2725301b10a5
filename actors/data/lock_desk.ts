/**
 * What the data thread knows of cluster locks: what each program of this node wants and has, and the calls that do it.
 *
 *   program ── take ─▶ LockDesk ── call "g_lock" at the record ─▶ granted
 *                                                              ─▶ waiting ─▶ woken by whoever gives it up, on any node
 *   a program's connection ends ─▶ its places are given up; of a lock with a grace: so much later
 *   a node's life ends          ─▶ whoever waits, and knows by its view, removes its places, after their grace
 *
 * Whoever executes a step that gives the lock to somebody tells him, by a message. A wake that is lost is found when
 * the wish is asked again, as all that is repeated: after RECHECK_MS, doubling. A program that maps the file takes and
 * gives a lock there, and tells what it holds; its places end with its connection all the same.
 *
 * Does NOT promise: to stop a program that has lost its lock; it is told.
 */
import type { Clock } from "../../transport/world.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ProgramItem } from "../machines/messages/events.ts";
import type { Key } from "../machines/record/copy.ts";
import type { HeldBook } from "../machines/record/held.ts";
import { LOCK_BOOK } from "../machines/locks/procedure.ts";
import { FREE, GRACE_MS_MAX, isOf, writeLock } from "../machines/locks/value.ts";
import type { Owner, Token } from "../machines/locks/value.ts";
import { LockCalls, RETRY_MS } from "./lock_calls.ts";
import { LockPost } from "./lock_post.ts";
import type { LockPostParts } from "./lock_post.ts";
import { Wish, type WishEnd } from "./lock_wish.ts";
import type { DataHost } from "./types.ts";

/** A wish that waits is asked again after so long, ms, doubling to RECHECK_MAX_MS. */
export const RECHECK_MS = 1000;
/** See RECHECK_MS. */
export const RECHECK_MAX_MS = 8000;
/** The id of no wish. */
const NO_WISH = 0xffff_ffff;
/** Locks that one program uses at a time. */
export const LOCKS_MAX = 4096;

/** What it needs. */
export interface LockDeskParts extends Omit<LockPostParts, "onWake"> {
  readonly clock: Clock;
  readonly host: () => DataHost;
}

/** A lock that a program has lost. */
export interface LockLost {
  readonly key: Key;
  readonly id: number;
  readonly why: string;
}

interface ClientLocks {
  readonly wishes: Map<string, Wish>;
  /** Keys at which it may have places, and the longest grace of any. */
  readonly keys: Map<Key, number>;
  readonly lost: LockLost[];
  tell: (() => void) | undefined;
}

/** What a program asks for. */
export interface TakeWish {
  readonly key: Key;
  readonly id: number;
  readonly isExclusive: boolean;
  readonly isTry: boolean;
  readonly pid: number;
  readonly graceMs: number;
  /** When it was wished for, ms of the program's wall clock. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** The desk of one node. */
export class LockDesk implements HeldBook {
  readonly unite: HeldBook["unite"] = LOCK_BOOK.unite;
  readonly taken: HeldBook["taken"] = LOCK_BOOK.taken;
  readonly #parts: LockDeskParts;
  readonly #clients = new Map<number, ClientLocks>();
  readonly #held = new Map<Key, Set<Wish>>();
  readonly #calls: LockCalls;
  readonly #post: LockPost;

  constructor(parts: LockDeskParts) {
    this.#parts = parts;
    this.#calls = new LockCalls({
      clock: parts.clock,
      host: parts.host,
      isUsed: (key) => [...this.#clients.values()].some(({ keys }) => keys.has(key)),
      onGranted: (key, token, owners) => this.#tell(key, token, owners),
    });
    this.#post = new LockPost({ ...parts, onWake: (key, token, of) => this.#wake(key, token, of) });
  }

  // --- what the record machine asks

  of(key: Key): Uint8Array | undefined {
    const wishes = this.#held.get(key);
    const life = this.#calls.life();
    if (wishes === undefined || life === undefined) return undefined;
    return writeLock({ ...FREE, holders: [...wishes].map((wish) => wish.place(life)) });
  }

  keys(): Iterable<Key> {
    return this.#held.keys();
  }

  // --- what the node tells

  /** A newer document: who left may have places. */
  view(doc: Document): void {
    if (!this.#calls.graves.view(doc)) return;
    for (const { wishes } of this.#clients.values()) {
      for (const wish of wishes.values()) wish.look();
    }
  }

  /** A new life begins: what was held in the one before is lost. */
  life(): void {
    this.#post.begin();
    for (const [client, { wishes }] of this.#clients) {
      for (const wish of [...wishes.values()]) {
        if (wish.isHeld) this.#lose(client, wish, "the node has begun a new life");
        else wish.look();
      }
    }
  }

  /** Is this program of messages the desk's own? */
  has(program: number): boolean {
    return this.#post.has(program);
  }

  deliver(items: readonly ProgramItem[]): void {
    this.#post.deliver(items);
  }

  stop(): void {
    this.#calls.stop();
    for (const { wishes } of this.#clients.values()) {
      for (const wish of [...wishes.values()]) wish.end({ status: "gone", why: "the node stops" });
    }
  }

  // --- what programs ask

  /** A program may have places at a key from now on: they end with it. Throws "limit", and what attaching throws. */
  async use(client: number, key: Key, graceMs: number): Promise<Owner> {
    const locks = this.#of(client);
    if (locks.keys.size >= LOCKS_MAX && !locks.keys.has(key)) {
      throw new CtdbxError("limit", `Cannot lock: LOCKS_MAX of a program is ${LOCKS_MAX}`);
    }
    locks.keys.set(key, Math.max(graceMs, locks.keys.get(key) ?? 0));
    await this.#calls.database();
    const life = this.#calls.life();
    if (life === undefined) throw new CtdbxError("state", "Cannot lock: the node has no life");
    return { ...life, client, id: 0 };
  }

  /** It has none there any more; a lock that nobody has goes. */
  unuse(client: number, key: Key): void {
    const locks = this.#clients.get(client);
    if (locks === undefined || [...locks.wishes.values()].some((wish) => wish.key === key)) return;
    // In the name of no wish: another one of this program may come before it is done.
    if (locks.keys.delete(key)) void this.#calls.release(key, client, NO_WISH);
  }

  /** Takes a lock. Resolves when it is had, or why not. */
  async take(client: number, asked: TakeWish): Promise<WishEnd> {
    const { key, id, graceMs } = asked;
    await this.use(client, key, Math.min(graceMs, GRACE_MS_MAX));
    const { wishes } = this.#of(client);
    const name = `${id}`;
    if (wishes.has(name)) throw new CtdbxError("exists", `Cannot lock: the id ${id} is in use`);
    const wish = new Wish(this.#parts.clock, client, asked);
    wishes.set(name, wish);
    void this.#run(wish);
    const end = await wish.ended;
    if (end.status === "granted") this.#hold(wish);
    else {
      wishes.delete(name);
      if (end.status !== "busy" && end.status !== "full") void this.#calls.release(key, client, id);
    }
    return end;
  }

  /** Gives one up. Done when that is certain. */
  async leave(client: number, key: Key, id: number): Promise<void> {
    this.#drop(client, id);
    await this.#calls.release(key, client, id);
  }

  /** A program that maps the file has taken a lock there. */
  told(client: number, asked: TakeWish, token: Token): void {
    const { wishes } = this.#of(client);
    if (wishes.has(`${asked.id}`)) return;
    const wish = new Wish(this.#parts.clock, client, asked);
    wish.end({ status: "granted", token });
    wishes.set(`${asked.id}`, wish);
    this.#hold(wish);
  }

  /** It has given it up there. */
  left(client: number, id: number): void {
    this.#drop(client, id);
  }

  /** A program has given a lock to others, in the file. */
  wake(key: Key, token: Token, owners: readonly Owner[]): void {
    this.#tell(key, token, owners);
  }

  /** The lock is given up if this is not said again in time. False: it is not held any more. */
  renew(client: number, id: number, ttlMs: number): boolean {
    const wish = this.#clients.get(client)?.wishes.get(`${id}`);
    if (wish?.isHeld !== true) return false;
    wish.renew(ttlMs, () => {
      this.#lose(client, wish, "it was not renewed in time");
      void this.#calls.release(wish.key, client, id);
    });
    return true;
  }

  /** What a program has lost; waits until there is something. */
  async news(client: number): Promise<LockLost[]> {
    const locks = this.#of(client);
    if (locks.lost.length === 0) await new Promise<void>((resolve) => locks.tell = resolve);
    return locks.lost.splice(0);
  }

  /** A program's connection has ended. */
  ended(client: number): void {
    const locks = this.#clients.get(client);
    if (locks === undefined) return;
    this.#clients.delete(client);
    locks.tell?.();
    const graces = new Map(locks.keys);
    for (const wish of [...locks.wishes.values()]) {
      wish.end({ status: "gone", why: "the program has ended" });
      // Announced as held until its grace is over.
      if ((graces.get(wish.key) ?? 0) === 0) this.#unhold(wish);
    }
    for (const [key, graceMs] of graces) {
      const free = () => {
        for (const wish of locks.wishes.values()) if (wish.key === key) this.#unhold(wish);
        void this.#calls.release(key, client, 0);
      };
      if (graceMs === 0) free();
      else this.#parts.clock.after(graceMs, free);
    }
  }

  // --- inside

  #of(client: number): ClientLocks {
    const known = this.#clients.get(client);
    if (known !== undefined) return known;
    const made: ClientLocks = { wishes: new Map(), keys: new Map(), lost: [], tell: undefined };
    this.#clients.set(client, made);
    return made;
  }

  #hold(wish: Wish): void {
    const known = this.#held.get(wish.key);
    if (known === undefined) this.#held.set(wish.key, new Set([wish]));
    else known.add(wish);
  }

  #unhold(wish: Wish): void {
    const known = this.#held.get(wish.key);
    known?.delete(wish);
    if (known?.size === 0) this.#held.delete(wish.key);
    wish.stop();
  }

  #drop(client: number, id: number): void {
    const wishes = this.#clients.get(client)?.wishes;
    const wish = wishes?.get(`${id}`);
    if (wish === undefined) return;
    wishes?.delete(`${id}`);
    this.#unhold(wish);
    wish.end({ status: "gone", why: "it was taken back" });
  }

  #lose(client: number, wish: Wish, why: string): void {
    const locks = this.#clients.get(client);
    locks?.wishes.delete(`${wish.id}`);
    this.#unhold(wish);
    locks?.lost.push({ key: wish.key, id: wish.id, why });
    locks?.tell?.();
  }

  /** Somebody is told that he has it. */
  #wake(key: Key, token: Token, owner: Owner): void {
    const life = this.#calls.life();
    if (life === undefined) return;
    const wish = this.#clients.get(owner.client)?.wishes.get(`${owner.id}`);
    if (wish?.key !== key || !isOf(wish.place(life), owner)) return;
    wish.end({ status: "granted", token });
  }

  #tell(key: Key, token: Token, owners: readonly Owner[]): void {
    const life = this.#calls.life();
    for (const owner of owners) {
      const isHere = life?.pnn === owner.pnn && life.incarnation === owner.incarnation;
      if (isHere) this.#wake(key, token, owner);
    }
    this.#post.tell(key, token, owners.filter(({ pnn }) => pnn !== life?.pnn));
  }

  /** Asks for a lock until there is an end. */
  async #run(wish: Wish): Promise<void> {
    for (let waitMs = RECHECK_MS; !wish.isOver;) {
      const said = await this.#calls.call(wish.key, {
        op: "take",
        isLight: wish.isTry,
        place: (life) => wish.place(life),
        dead: [],
      });
      if (wish.isOver) return;
      if (said instanceof CtdbxError) return wish.end({ status: "gone", why: said.message });
      if (said === undefined) await wish.pause(RETRY_MS);
      else if (said.status === "granted") wish.end({ status: "granted", token: said.token });
      else if (await this.#calls.bury(wish.key, said)) continue;
      else if (said.status !== "waiting") wish.end({ status: said.status as "busy" | "full" });
      else {
        const againMs = this.#calls.graves.nextMs(said.lives);
        await wish.pause(Math.min(waitMs, againMs));
        waitMs = Math.min(2 * waitMs, RECHECK_MAX_MS);
      }
    }
  }
}
