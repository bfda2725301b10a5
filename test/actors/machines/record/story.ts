/**
 * A ledger of what happened to one record that is told by hand, for the judge.
 *
 *   story.take(0, 1, 1, EMPTY);  const made = story.write(0, 5, story.op("write", 4, 6));  story.rules()
 *
 * Does NOT promise: that a story can happen; each test says what is wrong with its own.
 */
import type { Stored } from "../../../../actors/machines/record/copy.ts";
import { SimFile } from "../../../../actors/machines/sim/records/file.ts";
import { judge } from "../../../../actors/machines/sim/records/judge.ts";
import { Ledger } from "../../../../actors/machines/sim/records/ledger.ts";
import type { OpLog } from "../../../../actors/machines/sim/records/ledger.ts";
import type { Tid } from "../../../../transport/wire/messages/record_parts.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../../transport/wire/terms.ts";

/** The record. */
export const KEY = "k";
/** The value of a record that is deleted, or was never written. */
export const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** A ledger that is told a story by hand. */
export class Story {
  readonly ledger = new Ledger();
  readonly #files: SimFile[];
  living = new Set(["0.1", "1.1"]);
  #atMs = 0;

  #purged: Tid | undefined;

  constructor() {
    this.#files = [0, 1, 2].map((node) => {
      const file = new SimFile(node, 1n as Incarnation, 1, {
        onPut: (own, key, before, after) => {
          const { living } = this;
          this.ledger.onPut(own, key, before, after, this.#atMs, living, this.#purged);
        },
      });
      file.pnn = node as Pnn;
      return file;
    });
  }

  /** A node takes the record with a value; or gets a copy, if it is not the owner. */
  take(
    node: number,
    atMs: number,
    seq: number,
    data: Uint8Array,
    isOwner = true,
    rsn = 10 * seq,
  ): void {
    this.#put(node, atMs, {
      tid: { gen: 1n as Generation, seq },
      rsn: BigInt(rsn) as Rsn,
      birth: { gen: 1n as Generation, seq: 1 },
      data,
      calls: [],
      dmaster: (isOwner ? node : 9) as Pnn,
      flags: 0,
    });
  }

  /** An owner writes for an operation; its value. */
  write(node: number, atMs: number, op: OpLog, data = new Uint8Array([op.id])): Uint8Array {
    const before = this.#files[node]?.records.get(KEY);
    if (before === undefined) throw new Error("nothing to write to");
    this.ledger.madeBy.set(data, { op: op.id, result: data });
    this.#put(node, atMs, { ...before, data, rsn: before.rsn + 1n as Rsn });
    return data;
  }

  /** A node buries the record that had this transfer. */
  bury(node: number, atMs: number, seq: number, purged: Tid): void {
    this.#purged = purged;
    this.take(node, atMs, seq, new Uint8Array(0), false);
    this.#purged = undefined;
  }

  /** A node tells those who watch. */
  told(node: number, atMs: number, seq: number, data: Uint8Array, rsn: number): void {
    const tid = { gen: 1n as Generation, seq };
    this.ledger.onTold(KEY, { tid, rsn: BigInt(rsn) as Rsn, data, life: `${node}.1`, atMs });
  }

  #put(node: number, atMs: number, stored: Stored): void {
    this.#atMs = atMs;
    this.#files[node]?.put(KEY, stored);
  }

  op(kind: OpLog["kind"], invMs: number, retMs: number, outcome: OpLog["outcome"] = "ok"): OpLog {
    const op = this.ledger.begin(KEY, kind, 0, invMs);
    op.retMs = retMs;
    op.outcome = outcome;
    return op;
  }

  rules(): string[] {
    return [...new Set(judge(this.ledger).map(({ rule }) => rule))].sort();
  }
}
