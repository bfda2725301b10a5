/**
 * Single records of a persistent or replicated database, for programs that know records only: an operation is a read,
 * or a transaction of one key.
 *
 *   read ─▶ the value that is here       call ─▶ read, run the procedure, transact; a conflict: read the latest, again
 *   traverse ─▶ a snapshot ─▶ so many records as may be told, more when they may
 *
 * An empty value is none, as with volatile records: what a procedure empties is deleted.
 *
 * Does NOT promise: locks: a record of such a database is changed by transactions only, `lock` is refused.
 */
import type { Clock } from "../../transport/world.ts";
import type { At, OpCode, OpWish } from "../machines/record/events.ts";
import type { Key } from "../machines/record/copy.ts";
import { NO_DATA } from "../machines/record/copy.ts";
import { PROCEDURES, runProcedure } from "../machines/record/procedures.ts";
import { TID_NONE } from "../machines/record/tid.ts";
import type { Rsn } from "../../transport/wire/terms.ts";
import type { CommitOps, CommitValue, ReadHow } from "./commit_ops.ts";
import type { DatabaseStats, OpEnd, TraverseEvents, TraverseWish } from "./types.ts";

type Answer = Extract<OpEnd, { readonly what: "answer" }>;

/** Conflicts after which a call gives up, beside its deadline. */
const TRIES_MAX = 1000;

interface Run {
  readonly on: TraverseEvents;
  readonly client: number;
  credit: number;
  /** Goes on when there is credit, or when it is over. */
  go: (() => void) | undefined;
  isOver: boolean;
}

/** A record, and of which history it is. */
interface Found extends CommitValue {
  readonly of: { readonly lineage?: bigint };
}

/** Operations and traverses of one database. */
export class CommitWork {
  readonly counts = { ok: 0, failed: 0, unknown: 0, ready: 0 };
  readonly #ops: CommitOps;
  readonly #clock: Clock;
  readonly #open = new Map<number, (end: OpEnd) => void>();
  readonly #runs = new Map<number, Run>();
  #nextId = 0;

  constructor(ops: CommitOps, clock: Clock) {
    this.#ops = ops;
    this.#clock = clock;
  }

  /** Traverses under way. */
  get traverses(): DatabaseStats["traverses"] {
    return this.#runs.size;
  }

  /** Operations under way. */
  get waiting(): number {
    return this.#open.size;
  }

  /** Begins an operation; answers its number. */
  begin(
    client: number,
    key: Key,
    wish: OpWish,
    deadlineMs: number,
    onEnd: (end: OpEnd) => void,
  ): number {
    const id = ++this.#nextId;
    this.#open.set(id, onEnd);
    this.#do(client, key, wish, deadlineMs).then(
      (end) => this.#end(id, end),
      (error) =>
        this.#end(id, failed("limit", error instanceof Error ? error.message : `${error}`)),
    );
    return id;
  }

  /** Takes one back; its end is told at once. What was sent may be done all the same. */
  cancel(id: number): void {
    const run = this.#runs.get(id);
    if (run !== undefined) return stop(run);
    this.#end(id, {
      what: "answer",
      outcome: "unknown",
      code: "cancelled",
      why: "its program took it back",
    });
  }

  #end(id: number, end: Answer): void {
    const onEnd = this.#open.get(id);
    if (onEnd === undefined) return;
    this.#open.delete(id);
    this.counts[end.outcome] += 1;
    onEnd(end);
  }

  async #do(client: number, key: Key, wish: OpWish, deadlineMs: number): Promise<Answer> {
    if (wish.what === "read") {
      const read = await this.#read(key, "local", deadlineMs);
      return "what" in read ? read : ok(read.value ?? NO_DATA, read.version);
    }
    if (wish.what !== "call") {
      const why = "a record of such a database is changed by transactions, not under a lock";
      return failed("unsupported", why);
    }
    return await this.#call(client, key, wish, deadlineMs);
  }

  async #call(
    client: number,
    key: Key,
    { procedure, args }: Extract<OpWish, { readonly what: "call" }>,
    deadlineMs: number,
  ): Promise<Answer> {
    const run = PROCEDURES.get(procedure);
    if (run === undefined) {
      return failed("unsupported", `procedure ${procedure} does not run in such a database`);
    }
    let how: ReadHow = "local";
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const read = await this.#read(key, how, deadlineMs);
      if ("what" in read) return read;
      const before = read.value ?? NO_DATA;
      const ran = runProcedure(run, before, args, atOf(read.version + 1n));
      if (!ran.ok) return failed(ran.code ?? "refused", ran.why);
      const { data, result } = ran;
      // A value that stays as it was is no write, but that it was so counts.
      const value = data.length === 0 ? {} : { value: data };
      const isSame = data === before || (data.length === 0 && read.value === undefined);
      const writes = isSame ? [] : [{ key, ...value }];
      const reads = [{ key, version: read.version }];
      const end = await this.#ops.transact(client, { reads, writes, ...read.of }, deadlineMs);
      if (end.outcome === "committed") return ok(result, end.dbseq);
      if (end.outcome === "unknown") {
        return { what: "answer", outcome: "unknown", code: "timeout", why: end.why };
      }
      if (end.code !== "conflict") return failed(codeOf(end.code), end.why);
      how = "latest";
      if (this.#clock.nowMs() >= deadlineMs) break;
    }
    return failed("timeout", "others changed the record each time before this was done");
  }

  async #read(key: Key, how: ReadHow, deadlineMs: number): Promise<Found | Answer> {
    const read = await this.#ops.read([key], how, deadlineMs);
    if (!read.ok) return failed(codeOf(read.code), read.why);
    const { values: [value], lineage } = read;
    if (value === undefined) return failed("state", "nothing was read");
    return { ...value, of: lineage === undefined ? {} : { lineage } };
  }

  // --- traverses

  /** Begins a traverse; answers its number. */
  traverse(client: number, wish: TraverseWish, on: TraverseEvents): number {
    const id = ++this.#nextId;
    const run: Run = { on, client, credit: wish.credit, go: undefined, isOver: false };
    this.#runs.set(id, run);
    const cancel = this.#clock.after(
      Math.max(0, wish.deadlineMs - this.#clock.nowMs()),
      () => stop(run),
    );
    const end = (outcome: "ok" | "failed", count: number, why?: string): void => {
      cancel();
      this.#runs.delete(id);
      on.end(outcome, count, why);
    };
    this.#walk(run, wish).then(
      ({ count, why }) => end(why === undefined ? "ok" : "failed", count, why),
      (error) => end("failed", 0, error instanceof Error ? error.message : `${error}`),
    );
    return id;
  }

  async #walk(run: Run, wish: TraverseWish): Promise<{ count: number; why?: string }> {
    const opened = await this.#ops.snapshot(run.client, "local", wish.deadlineMs);
    if (!opened.ok) return { count: 0, why: opened.why };
    const { snapshot } = opened;
    try {
      const listed = await snapshot.list(wish.prefix, async ({ key, value }) => {
        if (wish.isCount) return !run.isOver;
        if (run.credit <= 0 && !run.isOver) {
          await new Promise<void>((resolve) => {
            run.go = resolve;
          });
        }
        if (run.isOver) return false;
        run.credit -= 1;
        run.on.record(key, value);
        return true;
      });
      if (!listed.ok) return { count: 0, why: listed.why };
      const { count } = listed;
      return run.isOver ? { count, why: "it was ended before its end" } : { count };
    } finally {
      snapshot.close();
    }
  }

  /** So many more records may be told. */
  more(id: number, credit: number): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.credit += credit;
    if (run.credit <= 0) return;
    run.go?.();
    run.go = undefined;
  }

  /** A client is no more: nobody hears of what it wanted. */
  clientDied(client: number): void {
    for (const run of this.#runs.values()) if (run.client === client) stop(run);
  }

  /** The database is over. */
  end(): void {
    for (const run of this.#runs.values()) stop(run);
  }
}

function stop(run: Run): void {
  run.isOver = true;
  run.go?.();
  run.go = undefined;
}

function ok(result: Uint8Array, version: bigint): Answer {
  return { what: "answer", outcome: "ok", result, at: atOf(version) };
}

function atOf(version: bigint): At {
  return { tid: TID_NONE, rsn: version as Rsn };
}

function failed(code: OpCode, why: string): Answer {
  return { what: "answer", outcome: "failed", code, why };
}

/** What a refusal is for who knows records only. */
function codeOf(code: string): OpCode {
  if (code === "timeout" || code === "limit") return code;
  return code === "space" ? "no_space" : "state";
}
