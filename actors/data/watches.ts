/**
 * Watches: programs of this node hear of new values of records, whoever owns them.
 *
 *   watch ─▶ interest ── program messages ──▶ all data threads ─▶ their machines: `watching`, isWatched
 *   owner's machine ─▶ `wrote` ── program messages ──▶ data threads that are interested ─▶ programs
 *
 * A node that learns of an interest tells what it owns of it, so a write before that is not missed. Of one record only
 * later states are told; where something may be missing (a gap, a member that left, a node that could not be told) all
 * watchers are told `again`, and read anew.
 *
 * Does NOT promise: every value in between.
 */
import type { ProgramItem } from "../machines/messages/events.ts";
import { itemBytes } from "../machines/messages/events.ts";
import type { Key } from "../machines/record/copy.ts";
import { NO_DATA } from "../machines/record/copy.ts";
import type { At } from "../machines/record/events.ts";
import { isSameBytes } from "../machines/record/procedures.ts";
import { compareTid } from "../machines/record/tid.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Incarnation, NodeId } from "../../transport/wire/terms.ts";
import {
  INTERESTS_MAX,
  readWatch,
  WATCH_SRVID,
  type WatchWord,
  writeWatch,
  type Wrote,
} from "../../transport/wire/watch_layout.ts";
import type { Interest } from "../../transport/wire/watch_layout.ts";
import type { Clock } from "../../transport/world.ts";
import type { PeerNode } from "../machines/messages/events.ts";
import type { Messages } from "../messages.ts";
import type { Database } from "./database.ts";
import { interestName, Interests } from "./interests.ts";
import type { WatchEvent, WatchWish } from "./types.ts";

/** What they need. */
export interface WatchesParts {
  readonly self: NodeId;
  readonly pid: number;
  readonly clock: Clock;
  readonly messages: Messages;
  /** Hosted databases. */
  readonly databases: () => readonly Database[];
}

/** The number of this program on every node: it is the first one that is opened. */
const PROGRAM = 1;
/** Something that could not be told is tried again after so long, ms. */
const RETRY_MS = 200;
/** Longest value that is kept to see whether the next one is another, bytes. */
const COMPARED_MAX = 1024;
/** What a record that did not exist has when it is taken: nobody has written it. */
const FIRST_RSN = 1n;
/** The first look at a record is given up, and begun again, after so long, ms. */
const FIRST_MS = 60_000;
/** Looks of watches are of no program. */
const NOBODY = 0;
/** Bytes of all that one node watches. */
const LIST_MAX = 4 * 1024 * 1024;
/** States that are remembered of a prefix's records; beyond, `again` is told. */
const STATES_MAX = 16_384;

/** One watch of a program. */
interface Watcher {
  readonly database: Database;
  readonly isPrefix: boolean;
  readonly text: Key;
  readonly on: (event: WatchEvent) => void;
  /** The last state told, by key. */
  readonly told: Map<Key, Told>;
}

interface Told extends At {
  /** The value, unless it is long. */
  readonly data: Uint8Array | undefined;
}

/** Those of one node. */
export class Watches {
  readonly interests: Interests = new Interests();
  readonly #parts: WatchesParts;
  readonly #program: number;
  readonly #watchers = new Set<Watcher>();
  /** Lives of others that have this life's list. */
  #told = new Set<string>();
  /** Nodes that could not be told of something. */
  readonly #behind = new Set<NodeId>();
  #peers: readonly PeerNode[] = [];
  #members = new Set<string>();
  #retry: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: WatchesParts) {
    this.#parts = parts;
    this.#program = parts.messages.open(parts.pid, 0n);
    if (this.#program !== PROGRAM) throw new Error("the program of watches must be the first one");
  }

  /** A life of this node begins: all who were told anything are told anew. */
  begin(): void {
    this.#told = new Set();
    this.#register();
    this.#again();
  }

  /** Who is there. A member that left may have written what nobody is told of. */
  setPeers(peers: readonly PeerNode[]): void {
    const { self } = this.#parts;
    this.#peers = peers.filter(({ nodeId }) => nodeId !== self);
    const members = new Set(
      peers.flatMap((peer) => peer.isMember ? [lifeName(peer)] : []),
    );
    const hasLost = [...this.#members].some((life) => !members.has(life));
    this.#members = members;
    const lives = new Set(this.#peers.map(lifeName));
    this.#told = new Set([...this.#told].filter((life) => lives.has(life)));
    const there = new Set(peers.map(({ nodeId }) => nodeId));
    for (const node of [...this.#behind]) if (!there.has(node)) this.#behind.delete(node);
    for (const node of this.interests.nodes()) {
      if (!there.has(node) && node !== self) this.interests.dropAll(node);
    }
    this.#tellLists();
    if (hasLost) this.#again();
  }

  /** Watches for a program of this node; answers how to end it. Throws "limit", "state". */
  watch(database: Database, wish: WatchWish, on: (event: WatchEvent) => void): () => void {
    if (database.isOver) throw new CtdbxError("state", "Cannot watch: the database is gone");
    const { self } = this.#parts;
    if (this.interests.countOf(self) >= INTERESTS_MAX) {
      throw new CtdbxError("limit", `Cannot watch: INTERESTS_MAX of a node is ${INTERESTS_MAX}`);
    }
    const isPrefix = "prefix" in wish;
    const text = isPrefix ? wish.prefix : wish.key;
    // All of them go in one message.
    if (this.interests.bytesOf(self) + text.length > LIST_MAX) {
      throw new CtdbxError(
        "limit",
        `Cannot watch: what a node watches has ${LIST_MAX} bytes at most`,
      );
    }
    const watcher: Watcher = { database, isPrefix, text, on, told: new Map() };
    this.#watchers.add(watcher);
    const interest = interestOf(watcher);
    if (this.interests.add(self, interest)) this.#tellAll({ kind: "add", interest });
    // Also for a second watcher: what is owned here is told as it is.
    database.watching(interest);
    if (!isPrefix) this.#first(watcher);
    return () => this.#end(watcher);
  }

  /** The first state of a key, also where there is none. */
  #first(watcher: Watcher): void {
    const { database, text, told, on } = watcher;
    const { clock } = this.#parts;
    const deadlineMs = clock.nowMs() + FIRST_MS;
    database.op(NOBODY, text, { what: "read" }, deadlineMs, (end) => {
      if (!this.#watchers.has(watcher) || end.what !== "answer") return;
      const { outcome, at, result = NO_DATA } = end;
      if (outcome !== "ok" || at === undefined) {
        return void clock.after(RETRY_MS, () => {
          if (this.#watchers.has(watcher) && !this.#isStopped) this.#first(watcher);
        });
      }
      if (told.has(text)) return;
      told.set(text, { ...at, data: result.length > COMPARED_MAX ? undefined : result });
      on({ type: "value", key: text, value: result.length === 0 ? undefined : result });
    });
  }

  #end(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    const interest = interestOf(watcher);
    const name = interestName(interest);
    for (const other of this.#watchers) if (interestName(interestOf(other)) === name) return;
    this.interests.drop(this.#parts.self, interest);
    this.#tellAll({ kind: "drop", interest });
  }

  /** A database has come: what is watched of it was announced before, perhaps. */
  came(database: Database): void {
    for (const one of this.interests.at(database.cfg.dbId, database.since)) database.watching(one);
  }

  /** A database, or this epoch of it, has gone. */
  went(database: Database, why: string): void {
    for (const watcher of [...this.#watchers]) {
      if (watcher.database !== database) continue;
      this.#end(watcher);
      watcher.on({ type: "ended", why });
    }
  }

  /** The machine of a database has a new value of a watched record. */
  wrote({ cfg: { dbId }, since }: Database, key: Key, data: Uint8Array, { tid, rsn }: At): void {
    const wrote: Wrote = { dbId, since, key, tid, rsn, data };
    const nodes = this.interests.watchersOf(`${dbId}.${since}`, key);
    const isOwn = nodes.delete(this.#parts.self);
    if (nodes.size > 0) {
      const bytes = writeWatch({ kind: "wrote", wrote });
      for (const node of nodes) this.#send(node, bytes);
    }
    if (isOwn) this.#hear(wrote);
  }

  /** Is this program the watches' own? */
  has(program: number): boolean {
    return program === this.#program;
  }

  /** What came by program messages. */
  deliver(items: readonly ProgramItem[]): void {
    let size = 0;
    for (const item of items) {
      size += itemBytes(item);
      if (item.type === "message") this.#take(item);
      else if (item.type === "ended") this.#register();
      if (item.type !== "message") this.#again();
    }
    this.#parts.messages.took(this.#program, items.length, size);
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.();
    for (const { on } of [...this.#watchers]) on({ type: "ended", why: "the node stops" });
    this.#watchers.clear();
  }

  #take({ from, data }: Extract<ProgramItem, { readonly type: "message" }>): void {
    // Whoever may send messages may send this one; only data threads have this number.
    const word = from.program === PROGRAM ? readWatch(data) : undefined;
    switch (word?.kind) {
      case "list":
        this.interests.dropAll(from.nodeId);
        for (const interest of word.interests) this.#add(from.nodeId, interest);
        return;
      case "add":
        return this.#add(from.nodeId, word.interest);
      case "drop":
        return this.interests.drop(from.nodeId, word.interest);
      case "wrote":
        return this.#hear({ ...word.wrote, data: new Uint8Array(word.wrote.data) });
      case "again":
        return this.#again();
    }
  }

  #add(node: NodeId, interest: Interest): void {
    if (this.interests.countOf(node) >= INTERESTS_MAX) return;
    this.interests.add(node, interest);
    const { dbId, since } = interest;
    this.#parts.databases().find((one) => one.cfg.dbId === dbId && one.since === since)
      ?.watching(interest);
  }

  /** A new value: whoever has not seen a later state is told. */
  #hear({ dbId, since, key, tid, rsn, data }: Wrote): void {
    for (const watcher of [...this.#watchers]) {
      const { database, isPrefix, text, told, on } = watcher;
      if (database.cfg.dbId !== dbId || database.since !== since) continue;
      if (isPrefix ? !key.startsWith(text) : key !== text) continue;
      const last = told.get(key);
      const order = last === undefined ? 1 : compareTid(tid, last.tid) || Number(rsn - last.rsn);
      if (order <= 0) continue;
      // Taking a record is a new state of it with the same value.
      const isNew = last === undefined
        ? !isPrefix || data.length > 0 || rsn > FIRST_RSN
        : last.data === undefined || !isSameBytes(last.data, data);
      if (last === undefined && told.size >= STATES_MAX) {
        told.clear();
        on({ type: "again" });
      }
      told.set(key, { tid, rsn, data: data.length > COMPARED_MAX ? undefined : data });
      if (isNew) on({ type: "value", key, value: data.length === 0 ? undefined : data });
    }
  }

  /** Something may be missing, or may have fallen back. */
  #again(): void {
    for (const { told, on } of [...this.#watchers]) {
      told.clear();
      on({ type: "again" });
    }
  }

  #register(): void {
    this.#parts.messages.register(this.#program, WATCH_SRVID).catch(() => this.#later());
  }

  #tellAll(word: WatchWord): void {
    const bytes = writeWatch(word);
    for (const { nodeId } of this.#peers) this.#send(nodeId, bytes);
  }

  /** Those who do not know this node's interests are told all of them. */
  #tellLists(): void {
    const untold = this.#peers.filter((peer) => !this.#told.has(lifeName(peer)));
    if (untold.length === 0) return;
    const bytes = writeWatch({ kind: "list", interests: this.interests.of(this.#parts.self) });
    for (const peer of untold) {
      this.#told.add(lifeName(peer));
      this.#send(peer.nodeId, bytes);
    }
  }

  #send(node: NodeId, bytes: Uint8Array): void {
    this.#parts.messages.send(this.#program, node, WATCH_SRVID, bytes).catch(() => {
      // Too much waits for that node, or it is none just now: it hears all that matters again.
      this.#behind.add(node);
      this.#later();
    });
  }

  #later(): void {
    if (this.#retry !== undefined || this.#isStopped) return;
    this.#retry = this.#parts.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#register();
      const behind = [...this.#behind];
      this.#behind.clear();
      for (const node of behind) {
        this.#send(node, writeWatch({ kind: "again" }));
        this.#send(
          node,
          writeWatch({ kind: "list", interests: this.interests.of(this.#parts.self) }),
        );
      }
    });
  }
}

function interestOf({ database, isPrefix, text }: Watcher): Interest {
  return { dbId: database.cfg.dbId, since: database.since, isPrefix, text };
}

function lifeName({ nodeId, incarnation }: { nodeId: NodeId; incarnation: Incarnation }): string {
  return `${nodeId}.${incarnation}`;
}
