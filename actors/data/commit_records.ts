/**
 * What a persistent or replicated database has for programs that know records only: operations become reads, and
 * transactions of one key (commit_work.ts); what is of volatile databases alone is refused, or does nothing.
 *
 * Does NOT promise: locks, files to be mapped, or records that move.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Key } from "../machines/record/copy.ts";
import type { OpWish } from "../machines/record/events.ts";
import type { CommitWork } from "./commit_work.ts";
import type { DatabaseStats, OpEnd, TraverseEvents, TraverseWish } from "./types.ts";

/** That part of one of them. */
export abstract class CommitRecords {
  /** Programs never map it: who wrote into it would break its sums. */
  readonly path = undefined;
  abstract readonly work: CommitWork;

  op(
    client: number,
    key: Key,
    wish: OpWish,
    deadlineMs: number,
    onEnd: (end: OpEnd) => void,
  ): number {
    return this.work.begin(client, key, wish, deadlineMs, onEnd);
  }

  cancel(id: number): void {
    this.work.cancel(id);
  }

  traverse(client: number, wish: TraverseWish, on: TraverseEvents): number {
    return this.work.traverse(client, wish, on);
  }

  more(id: number, credit: number): void {
    this.work.more(id, credit);
  }

  /** There is no lock that could be given back. */
  unlock(_id: number, _data?: Uint8Array): void {}

  // Nobody maps it.
  done(_id: number): void {}
  emptied(_key: Key): void {}

  pin(_key: Key, _untilMs: number): void {
    throw new CtdbxError("unsupported", "Cannot pin: records of such a database do not move");
  }

  hot(): DatabaseStats["hot"] {
    return [];
  }
}
