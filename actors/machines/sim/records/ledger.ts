/**
 * All that happened to the records of a run: each state that an owner made, who held a copy of it, and what each client
 * was told. judge.ts reads it when the run is over.
 *
 * A value is an array that is made once and handed on as it is, so two copies of one state hold the same array.
 *
 * Does NOT promise: to be small; a run has some ten thousand operations.
 */
import type { Tid } from "../../../../transport/wire/messages/record_parts.ts";
import type { Rsn } from "../../../../transport/wire/terms.ts";
import type { Key, Stored } from "../../record/copy.ts";
import { compareTid } from "../../record/tid.ts";
import type { SimFile } from "./file.ts";

/** A state of a record that an owner stored. */
export interface State {
  readonly tid: Tid;
  readonly rsn: Rsn;
  readonly data: Uint8Array;
  /** The value before, in the same file under the same transfer; undefined: it was taken, not written. */
  readonly before: Uint8Array | undefined;
  readonly life: string;
  readonly atMs: number;
  readonly order: number;
  /** Lives that are members of the newest effective view, and those that were stopped by plan. */
  readonly living: ReadonlySet<string>;
}

/** What a client wanted, and was told. */
export interface OpLog {
  readonly id: number;
  readonly key: Key;
  readonly kind: "read" | "write";
  readonly node: number;
  readonly invMs: number;
  retMs: number;
  outcome: "ok" | "failed" | "unknown" | "open";
  /** How long it may take. */
  forMs: number;
  /** Did it end because its time was over? */
  isTimeout: boolean;
  /** What a read saw; the result of a call. */
  seen: Uint8Array | undefined;
  /** May it be done without a new state? */
  mayStay: boolean;
}

/** A traverse, and what it told. */
export interface TraverseLog {
  readonly node: number;
  readonly invMs: number;
  retMs: number;
  outcome: "ok" | "failed" | "open";
  readonly isCount: boolean;
  readonly records: { readonly key: Key; readonly data: Uint8Array | undefined }[];
  count: number;
}

/** What those who watch a record were told. */
export interface ToldLog {
  readonly tid: Tid;
  readonly rsn: Rsn;
  readonly data: Uint8Array;
  readonly life: string;
  readonly atMs: number;
}

/** An execution of a procedure. */
export interface Execution {
  readonly op: number;
  readonly result: Uint8Array;
}

/** The ledger of a run. */
export class Ledger {
  readonly states = new Map<Key, State[]>();
  readonly ops: OpLog[] = [];
  readonly traverses: TraverseLog[] = [];
  /** Which operation made a value. */
  readonly madeBy = new Map<Uint8Array, Execution>();
  /** Values that a writer left without a number of their own: it died between the two. */
  readonly halfWritten = new Set<Uint8Array>();
  /** When a life left the newest effective view. */
  readonly leftMs = new Map<string, number>();
  /** Lives that held a copy with a value. */
  readonly holders = new Map<Uint8Array, Set<string>>();
  /** Records that are watched, and since when. */
  readonly watchedSince = new Map<Key, number>();
  readonly told = new Map<Key, ToldLog[]>();
  /** When the run was over. */
  endMs = Infinity;
  #order = 0;
  /** States that are empty. */
  readonly #deletions = new Map<Key, State[]>();
  /** The last state of each tid, by ascending tid. */
  readonly #lastOfTid = new Map<Key, State[]>();

  /** Notes an operation that begins. */
  begin(key: Key, kind: OpLog["kind"], node: number, invMs: number): OpLog {
    const log: OpLog = {
      id: this.ops.length,
      key,
      kind,
      node,
      invMs,
      retMs: Infinity,
      outcome: "open",
      forMs: Infinity,
      isTimeout: false,
      seen: undefined,
      mayStay: false,
    };
    this.ops.push(log);
    return log;
  }

  /** Those who watch a record were told. */
  onTold(key: Key, told: ToldLog): void {
    const known = this.told.get(key);
    if (known === undefined) this.told.set(key, [told]);
    else known.push(told);
  }

  /** A file of a life got a copy. `purged`: it is a tombstone of the record that had this tid. */
  onPut(
    file: SimFile,
    key: Key,
    before: Stored | undefined,
    after: Stored,
    atMs: number,
    living: ReadonlySet<string>,
    purged?: Tid,
  ): void {
    const life = file.name;
    this.#hold(after.data, life);
    if (!file.owns(key)) {
      if (after.data.length === 0) this.#holdEmpty(key, life, after.tid, purged);
      return;
    }
    const isSame = before !== undefined && before.data === after.data &&
      before.rsn === after.rsn && before.tid === after.tid;
    let list = this.states.get(key);
    if (isSame && list?.at(-1)?.life === life) return;
    const isWrite = before !== undefined && before.data !== after.data &&
      before.tid === after.tid && before.dmaster === after.dmaster;
    this.#order += 1;
    const state: State = {
      tid: after.tid,
      rsn: after.rsn,
      data: after.data,
      before: isWrite ? before.data : undefined,
      life,
      atMs,
      order: this.#order,
      living,
    };
    if (list === undefined) this.states.set(key, list = []);
    list.push(state);
    this.#noteTid(key, state);
    if (after.data.length > 0) return;
    const deletions = this.#deletions.get(key);
    if (deletions === undefined) this.#deletions.set(key, [state]);
    else deletions.push(state);
  }

  #hold(data: Uint8Array, life: string): void {
    const known = this.holders.get(data);
    if (known === undefined) this.holders.set(data, new Set([life]));
    else known.add(life);
  }

  /** A tombstone: that life knows of the deletion that it is for; or, if that is not known, of the newest before it. */
  #holdEmpty(key: Key, life: string, tid: Tid, purged: Tid | undefined): void {
    if (purged !== undefined) {
      for (const { tid: of, data } of this.#deletions.get(key) ?? []) {
        if (compareTid(of, purged) === 0) this.#hold(data, life);
      }
      return;
    }
    const lasts = this.#lastOfTid.get(key);
    const newest = lasts?.[countUpTo(lasts, tid) - 1];
    if (newest !== undefined && newest.data.length === 0) this.#hold(newest.data, life);
  }

  #noteTid(key: Key, state: State): void {
    let lasts = this.#lastOfTid.get(key);
    if (lasts === undefined) this.#lastOfTid.set(key, lasts = []);
    const count = countUpTo(lasts, state.tid);
    const known = lasts[count - 1];
    if (known !== undefined && compareTid(known.tid, state.tid) === 0) lasts[count - 1] = state;
    else lasts.splice(count, 0, state);
  }
}

/** How many of some states, ascending, have this tid or an earlier one. New ones come at the end, as a rule. */
function countUpTo(ascending: readonly State[], tid: Tid): number {
  let count = ascending.length;
  while (count > 0 && compareTid((ascending[count - 1] as State).tid, tid) > 0) count -= 1;
  return count;
}
