/**
 * The storage of a node as the commit machine knows it: a log, a file, saved sessions; and what a crash leaves of them.
 *
 *   write ──▶ queue ── sync ──▶ log        a crash leaves any number of the queued writes, the last one cut short
 *   apply ──▶ file, whole entries          checkpoint ──▶ sessions        trim ──▶ the log begins later
 *
 * A memory (of a replicated database) syncs at once and is empty after a crash.
 *
 * Does NOT promise: pages, sums or torn sectors; actors/storage has those, and its own torture.
 */
import { type Entry, versionAt } from "../../../../transport/wire/commit/entry.ts";
import {
  farther,
  isBehind,
  NO_REACH,
  type Reach,
} from "../../../../transport/wire/commit/reach.ts";
import type { Dice } from "../../../../transport/world.ts";
import type { CaughtUp, CommitEffect, Opened } from "../../commit/events.ts";
import { NOWHERE, type Place, placeAfter } from "../../commit/log.ts";
import type { CommitRules } from "../../commit/rules.ts";
import { readSessions, writeSessions } from "../../commit/session_table.ts";
import { Sessions, type SessionsSnapshot } from "../../commit/sessions.ts";

/** What of the rules of the machine is a disk's. */
export type DiskRules = Pick<CommitRules, "hasOwnVersions" | "keepsProof">;

/** A record. */
export interface SimRecord {
  readonly value: string;
  readonly rsn: bigint;
}

type Write = Extract<CommitEffect, { kind: "write" }>;

const NO_SESSIONS: SessionsSnapshot = { sessions: [] };

/** The disk. */
export class SimDisk {
  id: string;
  lineage = 0n;
  highTerm = 0n;
  /** Place before the first entry of the log. */
  base: Place = NOWHERE;
  log: Entry[] = [];
  file = new Map<string, SimRecord>();
  applied: Place = NOWHERE;
  #saved: { seq: bigint; sessions: SessionsSnapshot } = { seq: 0n, sessions: NO_SESSIONS };
  /** So far the log came before its end was lost; nobody but the judge of faults knows. */
  #lost: Reach = NO_REACH;
  /** What is left behind the bad place says so: it goes with the first write that needs its room. */
  #seen: Reach = NO_REACH;
  /** As it was written down beside the log before that. */
  #noted: Reach = NO_REACH;
  isFresh = true;
  /** Why it cannot be opened as it should be; what a judge wants to know. */
  fault = "";
  #queue: Write[] = [];
  readonly #rules: DiskRules;

  constructor(id: string, rules: DiskRules) {
    this.id = id;
    this.#rules = rules;
  }

  /** Takes a write in; it is not synced. */
  queue(write: Write): void {
    if (this.#rules.keepsProof()) this.#note(write);
    else this.#seen = NO_REACH;
    this.#queue.push(write);
  }

  /** The place of what was lost is to be used: that something was lost is on the disk first, whatever comes then. */
  #note({ cut, entries }: Write): void {
    if (cut === undefined && entries.length === 0) return;
    this.#noted = farther(this.#noted, this.#seen);
    this.#seen = NO_REACH;
  }

  /** Has the log all again that it ever had? */
  get isWhole(): boolean {
    return !isBehind(this.#end, this.#lost);
  }

  get #end(): Place {
    const last = this.log.at(-1);
    return last === undefined ? this.base : placeAfter(last);
  }

  /** How many are not synced. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Syncs so many of the queued writes; answers the id of the last one. */
  sync(count: number): number {
    let id = 0;
    for (const write of this.#queue.splice(0, count)) {
      this.#put(write, write.entries.length);
      id = write.id;
    }
    return id;
  }

  get #last(): bigint {
    return this.base.seq + BigInt(this.log.length);
  }

  #put({ cut, entries, highTerm, lineage, isFresh }: Write, count: number): void {
    if (cut !== undefined) this.log.length = Math.max(0, Number(cut - this.base.seq));
    for (const entry of entries.slice(0, count)) {
      if (entry.seq !== this.#last + 1n) throw new Error(`entry ${entry.seq} after ${this.#last}`);
      this.log.push(entry);
    }
    if (highTerm !== undefined) this.highTerm = highTerm;
    if (lineage !== undefined) this.lineage = lineage;
    if (isFresh !== undefined) this.isFresh = isFresh;
    this.#settle();
  }

  /** What was lost is here again. */
  #settle(): void {
    if (!isBehind(this.#end, this.#lost)) this.#lost = NO_REACH;
    if (!isBehind(this.#end, this.#noted)) this.#noted = NO_REACH;
  }

  /** A crash: the first of the queued writes may have got there. */
  crash(dice: Dice, isHard: boolean): void {
    const whole = isHard && dice.chance(3, 4) ? 0 : dice.below(this.#queue.length + 1);
    for (const write of this.#queue.slice(0, whole)) this.#put(write, write.entries.length);
    const torn = this.#queue[whole];
    // The sync that raises the term covers the whole write, so a torn one has not raised it.
    if (torn !== undefined && torn.entries.length > 0) {
      const { highTerm, lineage: _, isFresh: __, ...rest } = torn;
      if (highTerm === undefined) this.#put(rest, dice.below(torn.entries.length + 1));
    }
    this.#queue = [];
  }

  /** The end of the log is lost, and that is seen. Answers whether there was one. */
  damage(dice: Dice): boolean {
    const least = this.applied.seq - this.base.seq;
    const room = this.log.length - Number(least > 0n ? least : 0n);
    if (room <= 0) return false;
    this.#lost = farther(this.#lost, this.#end);
    this.#seen = farther(this.#seen, this.#end);
    this.log.length -= 1 + dice.below(room);
    return true;
  }

  /** Applies entries to the file. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.seq <= this.applied.seq) continue;
      for (const [at, { writes }] of entry.txns.entries()) {
        const dbseq = entry.dbseqFirst + BigInt(at);
        const version = versionAt(entry.lineage, dbseq);
        for (const { key, value } of writes) this.#store(key, value, version);
      }
      this.applied = placeAfter(entry);
    }
  }

  #store(key: string, value: Uint8Array | undefined, version: bigint): void {
    if (value === undefined) return void this.file.delete(key);
    const rsn = this.#rules.hasOwnVersions() ? version : (this.file.get(key)?.rsn ?? 0n) + 1n;
    this.file.set(key, { value: textOf(value), rsn });
  }

  /** The sessions up to an entry, as bytes: what a real one keeps. */
  save(seq: bigint, sessions: SessionsSnapshot): void {
    const kept = readSessions(writeSessions(sessions));
    if (kept === undefined) throw new Error("a table of sessions is not read as it was written");
    this.#saved = { seq, sessions: kept };
  }

  /** Entries below this one go. */
  trim(below: bigint): void {
    const count = Number(below - 1n - this.base.seq);
    const last = this.log[count - 1];
    if (last === undefined) return;
    this.log.splice(0, count);
    this.base = placeAfter(last);
  }

  /** Entries from one on; none: the log begins later. */
  read(from: bigint, bytesMax: number): Entry[] {
    const at = Number(from - 1n - this.base.seq);
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of at < 0 ? [] : this.log.slice(at)) {
      if (bytes > 0 && bytes + entry.size > bytesMax) break;
      bytes += entry.size;
      found.push(entry);
    }
    return found;
  }

  /** What another node gets to catch up. */
  copy(): CaughtUp & { readonly file: ReadonlyMap<string, SimRecord> } {
    const sessions = this.#sessions().snapshot();
    const { lineage, applied: place } = this;
    return { lineage, place, sessions, file: new Map(this.file) };
  }

  /** Such a copy takes the place of everything. */
  install({ lineage, place, sessions, file }: ReturnType<SimDisk["copy"]>): void {
    this.lineage = lineage;
    this.#noted = farther(this.#noted, this.#seen);
    this.#begin(place);
    this.#settle();
    this.file = new Map(file);
    this.save(place.seq, sessions);
  }

  /** Everything goes. */
  reset(lineage: bigint): void {
    this.lineage = lineage;
    this.#begin(NOWHERE);
    this.#lost = this.#noted = NO_REACH;
    this.file.clear();
    this.#saved = { seq: 0n, sessions: NO_SESSIONS };
    this.isFresh = true;
  }

  #begin(place: Place): void {
    this.base = place;
    this.log = [];
    this.applied = place;
    this.#seen = NO_REACH;
    this.#queue = [];
  }

  /** The sessions of the file: the saved ones, and what the log says since. */
  #sessions(): Sessions {
    const sessions = new Sessions(this.#saved.sessions);
    if (this.#saved.seq < this.base.seq) this.fault = "the log lacks entries since the checkpoint";
    for (const entry of this.log) {
      if (entry.seq > this.#saved.seq && entry.seq <= this.applied.seq) sessions.apply(entry);
    }
    return sessions;
  }

  /** Opens it. */
  open(): Omit<Opened, "nodeId" | "pnn" | "incarnation"> {
    this.sync(this.#queue.length);
    const { id, lineage, highTerm, applied, base, isFresh } = this;
    if (applied.seq < base.seq) this.fault = "the log lacks entries that are not applied";
    const sessions = this.#sessions().snapshot();
    const entries = this.log.filter(({ seq }) => seq > applied.seq);
    const first = base.seq + 1n;
    const proven = farther(this.#noted, this.#seen);
    return { id, lineage, highTerm, applied, sessions, entries, first, proven, isFresh };
  }
}

const DECODER = new TextDecoder();
const ENCODER = new TextEncoder();

/** A value as text. */
export function textOf(value: Uint8Array): string {
  return DECODER.decode(value);
}

/** A text as value. */
export function valueOf(text: string): Uint8Array {
  return ENCODER.encode(text);
}
