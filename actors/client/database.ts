/**
 * A database as a program uses it: in the mapped file where there is one, else through the daemon.
 *
 *   read, update ─▶ Mapped ─ elsewhere ─▶ daemon: read | ready, then Mapped again | call
 *   without a file: read | call | lock, change, unlock
 *
 * Does NOT promise: which way an operation takes.
 */
import { type AtBody, WISH } from "../../transport/wire/client/bodies.ts";
import { bytesOfKey, FRAME, keyOfBytes } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { NewValue } from "../storage/local_records.ts";
import type { RecordHold } from "../storage/record_hold.ts";
import type { RecordView } from "../storage/tdb_record.ts";
import { appendOf, casOf, incrementOf, numberOf, pushOf, setIfOf, sizeOf } from "./built_in.ts";
import type { ClientCore } from "./core.ts";
import type { OpAsk, OpPending, OpReply } from "./ops.ts";
import {
  argsBytes,
  done,
  failure,
  givenBytes,
  isDraining,
  isRepeatable,
  keyBytes,
  NO_BYTES,
  operate,
  procedureName,
  resultOf,
  unlock,
  valueBytes,
  valueOrNone,
  wantsBytes,
} from "./ops.ts";
import { DaemonLock, MappedLock } from "./lock.ts";
import type { Mapped } from "./mapped.ts";
import { countRecords, traverseRecords } from "./traverse.ts";
import type {
  Change,
  Changer,
  Database,
  HotInfo,
  KeyLike,
  LookInfo,
  OpOptions,
  PinOptions,
  RecordEntry,
  RecordLock,
  TraverseOptions,
  ValueLike,
  WhereInfo,
} from "./types.ts";
import type { Transactional } from "./transaction_types.ts";
import { KEEP } from "./types.ts";
import { watchRecords } from "./watch.ts";

/** A record that came so often and had gone before this process had its turn is locked by the daemon instead. */
const COME_MAX = 3;
/** Longest time of a pin, ms: 49 days. */
const PIN_MS_MAX = 2 ** 32 - 1;

/** What a database is made with. */
export interface DatabaseParts {
  readonly core: ClientCore;
  /** Its number at the node; 0: it was detached. */
  readonly place: { readonly ref: number };
  readonly name: string;
  readonly dbId: number;
  readonly mapped: Mapped | undefined;
}

/** One database of one program. */
export class DatabaseClient implements Omit<Database, keyof Transactional> {
  readonly name: string;
  readonly dbId: number;
  readonly #core: ClientCore;
  readonly #at: { readonly ref: number };
  readonly #mapped: Mapped | undefined;

  constructor({ core, place, name, dbId, mapped }: DatabaseParts) {
    this.name = name;
    this.dbId = dbId;
    this.#core = core;
    this.#at = place;
    this.#mapped = mapped;
  }

  async read(key: KeyLike, options?: OpOptions): Promise<Uint8Array | undefined> {
    const bytes = keyBytes(key);
    const timeoutMs = this.#core.timeout(options);
    const here = this.#mapped?.readHere(bytes);
    if (here !== undefined) return valueOrNone(here);
    const untilMs = this.#core.clock.nowMs() + timeoutMs;
    let found: Uint8Array | undefined;
    const end = await this.#mapped?.read(bytes, untilMs, (value) => found = value);
    if (end === "done") return valueOrNone(found);
    return valueOrNone((await this.#readThere(bytes, untilMs)).result);
  }

  async look(key: KeyLike, options?: OpOptions): Promise<LookInfo> {
    const { result, at } = await this.#readThere(keyBytes(key), this.#until(options));
    return {
      value: valueOrNone(result),
      rsn: at?.rsn,
      tid: at === undefined ? undefined : { gen: at.gen, seq: at.seq },
    };
  }

  async #readThere(
    key: Uint8Array,
    untilMs: number,
  ): Promise<{ readonly result: Uint8Array | undefined; readonly at: AtBody | undefined }> {
    const reply = await this.#operate("read a record", { wish: WISH.read }, key, untilMs);
    if (reply.what === "answer" && reply.outcome === "ok") return reply;
    throw failure(`read a record of ${this.name}`, reply, false);
  }

  async put(key: KeyLike, value: ValueLike, options?: OpOptions): Promise<void> {
    await this.#put(keyBytes(key), givenBytes(value), this.#core.timeout(options));
  }

  async delete(key: KeyLike, options?: OpOptions): Promise<void> {
    await this.#put(keyBytes(key), NO_BYTES, this.#core.timeout(options));
  }

  async #put(key: Uint8Array, value: Uint8Array, timeoutMs: number): Promise<void> {
    const untilMs = this.#lazily(timeoutMs);
    const end = this.#mapped?.write(key, value, untilMs);
    if (end === "done" || (end !== undefined && await end === "done")) return;
    await this.#call(key, "set", value, untilMs());
  }

  /** The end of an operation's time, counted from its first use: what is done at once asks no clock. */
  #lazily(timeoutMs: number): () => number {
    const { clock } = this.#core;
    let untilMs: number | undefined;
    return () => untilMs ??= clock.nowMs() + timeoutMs;
  }

  async update(
    key: KeyLike,
    change: Changer,
    options?: OpOptions,
  ): Promise<Uint8Array | undefined> {
    const bytes = keyBytes(key);
    const until = this.#lazily(this.#core.timeout(options));
    const mapped = this.#mapped;
    let made: Uint8Array | undefined;
    let told: number | undefined;
    try {
      for (let tries = 0; mapped !== undefined && tries <= COME_MAX; tries++) {
        const end = mapped.update(bytes, until, change, (value) => made = value);
        if (end === "done" || (end !== "elsewhere" && await end === "done")) {
          return valueOrNone(made);
        }
        if (mapped.records === undefined || tries === COME_MAX) break;
        this.#used(told);
        const reply = await this.#come(bytes, until());
        if (reply === undefined) return await this.#updateThere(bytes, change, until());
        told = reply;
      }
    } finally {
      this.#used(told);
    }
    return await this.#updateLocked(bytes, change, until());
  }

  /** Has the record come here; the number to say `done` by. Undefined: this node drains. */
  async #come(key: Uint8Array, untilMs: number): Promise<number | undefined> {
    const what = "have a record here";
    const reply = await this.#operate(what, { wish: WISH.readyToWrite }, key, untilMs);
    if (reply.what === "ready") return reply.id;
    if (isDraining(reply)) return undefined;
    throw failure(`have a record of ${this.name} here`, reply, false);
  }

  #used(told: number | undefined): void {
    if (told !== undefined) done(this.#core.line, told);
  }

  /** Changes under the daemon's lock. */
  async #updateLocked(
    key: Uint8Array,
    change: Changer,
    untilMs: number,
  ): Promise<Uint8Array | undefined> {
    const reply = await this.#operate("lock a record", { wish: WISH.lock }, key, untilMs);
    if (isDraining(reply)) return await this.#updateThere(key, change, untilMs);
    if (reply.what !== "locked") throw failure(`lock a record of ${this.name}`, reply, false);
    const { op, data } = reply;
    let next: Uint8Array | undefined;
    try {
      const made = change(valueOrNone(data));
      next = made === KEEP ? undefined : valueBytes(made);
    } catch (error) {
      await this.#unlock(op, undefined, untilMs);
      throw error;
    }
    await this.#unlock(op, next, untilMs);
    return valueOrNone(next ?? data);
  }

  async #unlock(op: OpPending, data: Uint8Array | undefined, untilMs: number): Promise<void> {
    const reply = await unlock(this.#core.line, op, data, untilMs);
    if (data === undefined || (reply.what === "answer" && reply.outcome === "ok")) return;
    throw failure(`change a record of ${this.name}`, reply, true);
  }

  /** Changes where the record is, as long as nobody else does meanwhile. */
  async #updateThere(
    key: Uint8Array,
    change: Changer,
    untilMs: number,
  ): Promise<Uint8Array | undefined> {
    for (;;) {
      const { result = NO_BYTES } = await this.#readThere(key, untilMs);
      const made = change(valueOrNone(result));
      if (made === KEEP) return valueOrNone(result);
      const next = valueBytes(made);
      const swapped = await this.#call(key, "cas", casOf(result, next), untilMs);
      if (swapped[0] === 1) return valueOrNone(next);
    }
  }

  readNow(key: Uint8Array, visit: (value: RecordView) => void): boolean {
    if (typeof key === "string") throw wantsBytes("readNow");
    return this.#mapped !== undefined && this.#mapped.readNow(key, visit);
  }

  updateNow(
    key: Uint8Array,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): boolean {
    if (typeof key === "string") throw wantsBytes("updateNow");
    return this.#mapped !== undefined && this.#mapped.updateNow(key, change);
  }

  async fetchLock(key: KeyLike, options?: OpOptions): Promise<RecordLock> {
    const bytes = keyBytes(key).slice();
    const timeoutMs = this.#core.timeout(options);
    const untilMs = this.#core.clock.nowMs() + timeoutMs;
    const mapped = this.#mapped;
    let told: number | undefined;
    for (let tries = 0; mapped !== undefined && tries <= COME_MAX; tries++) {
      const hold: RecordHold | "elsewhere" = await mapped.lock(bytes, untilMs).catch((error) => {
        this.#used(told);
        throw error;
      });
      if (hold !== "elsewhere") {
        const id = told;
        return new MappedLock({
          name: this.name,
          hold,
          mapped,
          clock: this.#core.clock,
          timeoutMs,
          onEnd: () => this.#used(id),
        });
      }
      if (mapped.records === undefined || tries === COME_MAX) break;
      this.#used(told);
      told = await this.#come(bytes, untilMs);
      if (told === undefined) break;
    }
    this.#used(told);
    const reply = await this.#operate("lock a record", { wish: WISH.lock }, bytes, untilMs);
    if (reply.what !== "locked") throw failure(`lock a record of ${this.name}`, reply, false);
    const { op, data } = reply;
    return new DaemonLock({ key: bytes, data, op, timeoutMs, core: this.#core, name: this.name });
  }

  async call(
    key: KeyLike,
    procedure: string,
    args: ValueLike,
    options?: OpOptions,
  ): Promise<Uint8Array> {
    const [bytes, name, given] = [keyBytes(key), procedureName(procedure), argsBytes(args)];
    return await this.#call(bytes, name, given, this.#until(options));
  }

  async increment(key: KeyLike, by: bigint | number = 1n, options?: OpOptions): Promise<bigint> {
    return numberOf(await this.call(key, "incr", incrementOf(by), options));
  }

  async append(key: KeyLike, more: ValueLike, options?: OpOptions): Promise<number> {
    return sizeOf(await this.call(key, "append", appendOf(givenBytes(more)), options));
  }

  async compareAndSwap(
    key: KeyLike,
    expected: ValueLike | undefined,
    next: ValueLike | undefined,
    options?: OpOptions,
  ): Promise<boolean> {
    const args = casOf(valueBytes(expected), valueBytes(next));
    return (await this.call(key, "cas", args, options))[0] === 1;
  }

  async setIf(
    key: KeyLike,
    when: "empty" | "present",
    value: ValueLike,
    options?: OpOptions,
  ): Promise<boolean> {
    const before = await this.call(key, "set_if", setIfOf(when, givenBytes(value)), options);
    return (before.length === 0) === (when === "empty");
  }

  async push(
    key: KeyLike,
    item: ValueLike,
    max: number,
    options?: OpOptions,
  ): Promise<number> {
    return sizeOf(await this.call(key, "push", pushOf(max, givenBytes(item)), options));
  }

  traverse(options: TraverseOptions = {}): AsyncIterableIterator<RecordEntry> {
    return traverseRecords(this.#core, this.#at.ref, this.name, options);
  }

  async count(options: TraverseOptions = {}): Promise<number> {
    return await countRecords(this.#core, this.#at.ref, this.name, options);
  }

  watch(
    what: KeyLike | { readonly prefix: KeyLike },
    options?: OpOptions,
  ): AsyncIterableIterator<Change> {
    return watchRecords(this.#core, this.#at.ref, this.name, what, options);
  }

  async where(key: KeyLike): Promise<WhereInfo> {
    const ask = { do: "where", ref: this.#at.ref, key: keyOfBytes(keyBytes(key)) };
    return await this.#core.ask(ask) as unknown as WhereInfo;
  }

  async pin(key: KeyLike, options: PinOptions): Promise<void> {
    const bytes = keyBytes(key);
    const { forMs } = options;
    if (!(forMs >= 0 && forMs <= PIN_MS_MAX)) {
      throw new RangeError(`Cannot pin for ${forMs} ms: 0 to ${PIN_MS_MAX} are possible`);
    }
    if (forMs > 0) this.#used(await this.#come(bytes, this.#until(options)));
    const { ref } = this.#at;
    const ask = { do: "pin", ref, key: keyOfBytes(bytes), forMs: Math.ceil(forMs) };
    await this.#core.ask(ask, options);
  }

  async hot(): Promise<HotInfo[]> {
    const { hot } = await this.#core.ask({ do: "hot", ref: this.#at.ref });
    const found = hot as readonly (Omit<HotInfo, "key"> & { readonly key: string })[];
    return found.map((each) => ({ ...each, key: bytesOfKey(each.key) }));
  }

  async stats(): Promise<Readonly<Record<string, unknown>>> {
    return await this.#core.ask({ do: "stats", ref: this.#at.ref });
  }

  /** Tells the daemon that a record was emptied in the file. */
  emptied(key: Uint8Array): void {
    this.#core.line.tell((writer) => writer.begin(FRAME.emptied, this.#at.ref).short(key).end());
  }

  async #call(
    key: Uint8Array,
    procedure: string,
    args: Uint8Array,
    untilMs: number,
  ): Promise<Uint8Array> {
    const ask = { wish: WISH.call, procedure, args };
    const reply = await this.#operate(`do ${procedure}`, ask, key, untilMs);
    if (reply.what === "answer" && reply.outcome === "ok") return resultOf(procedure, reply.result);
    throw failure(`do ${procedure} at a record of ${this.name}`, reply, true);
  }

  /** Asks; what was lost on the way and may be done twice is asked again. */
  async #operate(
    what: string,
    ask: Omit<OpAsk, "ref">,
    key: Uint8Array,
    untilMs: number,
  ): Promise<OpReply> {
    const { line, clock } = this.#core;
    for (;;) {
      const nowMs = clock.nowMs();
      if (nowMs >= untilMs) {
        throw new CtdbxError("timeout", `Cannot ${what} of ${this.name}: no time is left`);
      }
      const reply = await operate(line, { ...ask, ref: this.#at.ref }, key, untilMs, nowMs);
      const isLost = reply.what === "over" && reply.why === "lost";
      if (!isLost || !isRepeatable(ask.wish)) return reply;
    }
  }

  #until(options: OpOptions | undefined): number {
    return this.#core.clock.nowMs() + this.#core.timeout(options);
  }
}
