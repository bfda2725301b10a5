/**
 * A database as a program on the node's machine uses it: in the mapped file, at once, and through the daemon only when
 * a record is elsewhere.
 *
 *   done ─▶ result      busy ─▶ wait for the chain, in turn      frozen ─▶ wait for the page      elsewhere ─▶ daemon
 *
 * Does NOT promise: that the file is there: without it everything goes through the daemon, and it is looked for again.
 */
import { LocalNode } from "../storage/local_node.ts";
import { type LocalAnswer, LocalRecords, type NewValue } from "../storage/local_records.ts";
import type { RecordHold } from "../storage/record_hold.ts";
import type { RecordView } from "../storage/tdb_record.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Version } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { NO_BYTES, valueBytes } from "./ops.ts";
import { type Changer, KEEP } from "./types.ts";

/** A file that is not there is looked for so often, ms. */
const LOOK_MS = 50;

/** Between two tries at a file in which another process makes space, ms. */
const PAUSE_MS = 1;

/** How something at the file ended: it counts, or the record is elsewhere. */
export type MappedEnd = "done" | "elsewhere";

/** The file of one database. */
export class Mapped {
  readonly #node: LocalNode;
  readonly #clock: Clock;
  readonly #name: string;
  /** Called with the key of each record that was emptied here. */
  readonly #onEmptied: (key: Uint8Array) => void;
  #since: Version;
  #records: LocalRecords | undefined;
  #opening: Promise<void> | undefined;
  #lookedMs = -Infinity;
  #isClosed = false;
  /** Records that the program has locked. */
  readonly #holds = new Set<RecordHold>();

  constructor(
    node: LocalNode,
    name: string,
    since: bigint,
    onEmptied: (key: Uint8Array) => void,
  ) {
    this.#node = node;
    this.#clock = node.options.clock;
    this.#name = name;
    this.#since = since as Version;
    this.#onEmptied = onEmptied;
  }

  /** The file; undefined: it is not there just now. */
  get records(): LocalRecords | undefined {
    return this.#records;
  }

  /** Opens the file, if it is there. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => this.#opening = undefined);
    return this.#opening;
  }

  /** The database has another epoch, and another file. */
  renew(since: bigint): void {
    if (since === this.#since) return;
    this.#since = since as Version;
    this.#records?.close();
    this.#records = undefined;
    this.#lookedMs = -Infinity;
    void this.open();
  }

  /** The database has gone. */
  gone(): void {
    this.#records?.close();
    this.#records = undefined;
    this.#lookedMs = Infinity;
  }

  /** Ends it; locks are given back. */
  close(): void {
    this.#isClosed = true;
    for (const hold of this.#holds) hold.release();
    this.#holds.clear();
    this.#records?.close();
    this.#records = undefined;
  }

  async #open(): Promise<void> {
    const since = this.#since;
    this.#lookedMs = this.#clock.nowMs();
    let records: LocalRecords;
    try {
      records = await LocalRecords.open(this.#node, this.#name, since);
    } catch (error) {
      if (error instanceof CtdbxError && error.code === "not_found") return;
      throw error;
    }
    if (this.#isClosed || since !== this.#since || this.#records !== undefined) {
      return records.close();
    }
    records.onEmptied = this.#onEmptied;
    this.#records = records;
  }

  /** The file, if it is there by now. */
  async #look(): Promise<LocalRecords | undefined> {
    if (this.#records !== undefined) return this.#records;
    if (this.#opening === undefined && this.#clock.nowMs() < this.#lookedMs + LOOK_MS) {
      return undefined;
    }
    if (this.#isClosed || this.#lookedMs === Infinity) return undefined;
    await this.open();
    return this.#records;
  }

  /** Reads at once, if that is possible: a copy of the value. */
  readHere(key: Uint8Array): Uint8Array | undefined {
    const isDone = this.#records !== undefined && this.#records.read(key, this.#see) === "done";
    return isDone ? this.#seen : undefined;
  }

  #seen: Uint8Array = NO_BYTES;
  readonly #see = (view: RecordView): void => {
    this.#seen = view.value();
  };

  /** Reads; `visit` gets a copy when it counts. Throws "timeout". */
  async read(
    key: Uint8Array,
    untilMs: number,
    visit: (value: Uint8Array) => void,
  ): Promise<MappedEnd> {
    let found: Uint8Array = NO_BYTES;
    const end = await this.#run(
      key,
      untilMs,
      (records) => records.read(key, (view) => found = view.value()),
      { isRead: true, run: (hold) => found = hold.value() },
    );
    if (end === "done") visit(found);
    return end;
  }

  /**
   * Changes; `told` gets the new value when it counts. Throws "timeout", "unknown", and what `change` throws. What can
   * be done at once is done before this returns.
   */
  update(
    key: Uint8Array,
    untilMs: () => number,
    change: Changer,
    told: (value: Uint8Array) => void,
  ): MappedEnd | Promise<MappedEnd> {
    let made: Uint8Array = NO_BYTES;
    const next = (value: Uint8Array): Uint8Array | undefined => {
      const answer = change(value.length === 0 ? undefined : value);
      if (answer === KEEP) {
        made = value;
        return undefined;
      }
      made = valueBytes(answer);
      return made;
    };
    const attempt = (records: LocalRecords) => records.update(key, (view) => next(view.value()));
    const first = this.#records === undefined ? undefined : attempt(this.#records);
    if (first === "done") told(made);
    if (first === "done" || first === "elsewhere") return first;
    const held = {
      isRead: false,
      run: (hold: RecordHold) => {
        const value = next(hold.value());
        return value === undefined || hold.store(value);
      },
    };
    return this.#run(key, untilMs(), attempt, held, first).then((end) => {
      if (end === "done") told(made);
      return end;
    });
  }

  /** Stores, as `update`. Throws "timeout", "unknown". */
  write(
    key: Uint8Array,
    value: Uint8Array,
    untilMs: () => number,
  ): MappedEnd | Promise<MappedEnd> {
    const first = this.#records?.write(key, value);
    if (first === "done" || first === "elsewhere") return first;
    const attempt = (records: LocalRecords) => records.write(key, value);
    const held = { isRead: false, run: (hold: RecordHold) => hold.store(value) };
    return this.#run(key, untilMs(), attempt, held, first);
  }

  /** At once; false: nothing was done, or seen. */
  readNow(key: Uint8Array, visit: (value: RecordView) => void): boolean {
    return this.#records !== undefined && this.#records.read(key, visit) === "done";
  }

  /** At once, or after a view change that came in between; false: nothing was done. Throws "unknown". */
  updateNow(
    key: Uint8Array,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): boolean {
    const records = this.#records;
    if (records === undefined) return false;
    const answer = records.update(key, change);
    if (answer === "done") return true;
    if (answer === "unsure" && records.settledNow()) return true;
    if (answer === "unsure" || answer === "unknown") throw unknown(this.#name);
    return false;
  }

  /** Locks the record here. Throws "timeout". */
  async lock(key: Uint8Array, untilMs: number): Promise<RecordHold | "elsewhere"> {
    for (;;) {
      const records = await this.#look();
      if (records === undefined) return "elsewhere";
      const hold = await records.fetchLock(key, { timeoutMs: this.#left(untilMs) });
      if (typeof hold !== "string") {
        if (this.#isClosed) hold.release();
        else this.#holds.add(hold);
        return hold;
      }
      if (hold === "elsewhere") return hold;
      if (hold === "busy") throw this.#late("another has it");
      await this.#ready(records, untilMs);
    }
  }

  /** A lock that was had has ended. */
  ended(hold: RecordHold): void {
    this.#holds.delete(hold);
  }

  async #run(
    key: Uint8Array,
    untilMs: number,
    attempt: (records: LocalRecords) => LocalAnswer,
    held: { readonly isRead: boolean; readonly run: (hold: RecordHold) => unknown },
    first?: LocalAnswer,
  ): Promise<MappedEnd> {
    // The answer of an attempt that was made just now, in this turn.
    let before = first;
    for (;;) {
      const records = this.#records ?? await this.#look();
      if (records === undefined) return "elsewhere";
      let answer = before ?? attempt(records);
      before = undefined;
      if (answer === "busy") answer = await this.#inTurn(records, key, untilMs, held);
      if (answer === "busy") {
        await this.#pause(untilMs, "its file is being written elsewhere");
        continue;
      }
      if (answer === "done" || answer === "elsewhere") return answer;
      if (answer === "unsure") {
        if (await records.settled(this.#left(untilMs))) return "done";
        throw unknown(this.#name);
      }
      if (answer === "unknown") throw unknown(this.#name);
      await this.#ready(records, untilMs);
    }
  }

  /** Waits for the chain as everybody does, and does it then. */
  async #inTurn(
    records: LocalRecords,
    key: Uint8Array,
    untilMs: number,
    { isRead, run }: { readonly isRead: boolean; readonly run: (hold: RecordHold) => unknown },
  ): Promise<LocalAnswer> {
    const hold = await records.fetchLock(key, { timeoutMs: this.#left(untilMs), isRead });
    if (hold === "busy") throw this.#late("another has the record, or its chain");
    if (typeof hold === "string") return hold;
    let isDone = true;
    let isBusy = false;
    try {
      isDone = run(hold) !== false;
    } catch (error) {
      if (!isBusyError(error)) throw error;
      isBusy = true;
    } finally {
      hold.release();
    }
    const outcome = hold.outcome ?? "frozen";
    if (isBusy) return "busy";
    if (!isDone) return "frozen";
    if (outcome !== "unsure") return isRead && outcome === "unknown" ? "frozen" : outcome;
    if (await hold.settled(this.#left(untilMs))) return "done";
    throw unknown(this.#name);
  }

  /** Waits a moment for another process, which is about to go on. Throws "timeout". */
  async #pause(untilMs: number, why: string): Promise<void> {
    if (this.#left(untilMs) <= 0) throw this.#late(why);
    await new Promise<void>((resolve) => void this.#clock.after(PAUSE_MS, resolve));
  }

  /** Stores under a lock; waits while another process has the file's free list. False: as RecordHold.store. */
  async store(hold: RecordHold, value: Uint8Array, untilMs: number): Promise<boolean> {
    for (;;) {
      try {
        return hold.store(value);
      } catch (error) {
        if (!isBusyError(error)) throw error;
      }
      await this.#pause(untilMs, "its file is being written elsewhere");
    }
  }

  async #ready(records: LocalRecords, untilMs: number): Promise<void> {
    try {
      if (await records.ready(this.#left(untilMs)) || this.#records !== records) return;
      if (this.#left(untilMs) > 0) return this.#without(records);
    } catch (error) {
      // Another epoch, or the end of the program: whoever waited looks again.
      if (this.#records === records) throw error;
      return;
    }
    throw this.#late("the node serves nothing just now");
  }

  /** The node serves, and has no file of this database: until it has one, everything goes through the daemon. */
  #without(records: LocalRecords): void {
    records.close();
    this.#records = undefined;
    this.#lookedMs = this.#clock.nowMs();
  }

  #left(untilMs: number): number {
    return Math.max(0, untilMs - this.#clock.nowMs());
  }

  #late(why: string): CtdbxError {
    return new CtdbxError("timeout", `Cannot use a record of ${this.#name}: ${why}`);
  }
}

/** Has another process the file's free list? Nothing was done then. */
function isBusyError(error: unknown): boolean {
  return error instanceof CtdbxError && error.code === "busy";
}

function unknown(name: string): CtdbxError {
  const why = "the node's lease ended meanwhile";
  return new CtdbxError("unknown", `Cannot tell whether a record of ${name} was changed: ${why}`);
}
