/**
 * Traverses, as a program reads them: records come as they are taken, so many ahead.
 *
 *   credit 2 ─▶ records ─▶ taken: more, the more the shorter they are ─▶ ... ─▶ end
 *
 * Does NOT promise: to go on over a cut of the connection: it would not know what was told; it ends with "state".
 */
import { readEnd, writeTraverse } from "../../transport/wire/client/bodies.ts";
import { FRAME } from "../../transport/wire/client/frames.ts";
import type { FrameBody, FrameWriter } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { ClientCore } from "./core.ts";
import type { Pending } from "./line.ts";
import { keyBytes, NO_BYTES } from "./ops.ts";
import type { KeyLike, RecordEntry, TraverseOptions } from "./types.ts";

/** Records that are under way, at most; at first few, for nobody knows how long they are. */
const CREDIT_MAX = 512;
const CREDIT_FIRST = 2;
/** Bytes that are under way, if records are as long as those before. 4 MiB. */
const CREDIT_BYTES = 4 * 1024 * 1024;
/** How a traverse ended. */
interface End {
  readonly count: number;
  readonly error: CtdbxError | undefined;
}

class Traverse implements Pending {
  readonly untilMs: number;
  readonly #name: string;
  #records: RecordEntry[] = [];
  #at = 0;
  #end: End | undefined;
  /** Who waits for a record, or the end. */
  readonly #waiting: (() => void)[] = [];
  /** Records that may still come. */
  #credit = CREDIT_FIRST;
  #count = 0;
  #bytes = 0;

  constructor(untilMs: number, name: string) {
    this.untilMs = untilMs;
    this.#name = name;
  }

  frame(kind: number, body: FrameBody): boolean {
    if (kind === FRAME.record) {
      const record = { key: body.short().slice(), value: body.bytes().slice() };
      this.#records.push(record);
      this.#credit -= 1;
      this.#count += 1;
      this.#bytes += record.key.length + record.value.length;
      this.#tell();
      return true;
    }
    const { outcome, count, why } = readEnd(body);
    const space = why.indexOf(" ");
    const error = outcome === "ok" ? undefined : new CtdbxError(
      why.slice(0, space) as ErrorCode,
      `Cannot traverse ${this.#name}: ${why.slice(space + 1)}`,
    );
    this.#finish({ count, error });
    return false;
  }

  over(why: "lost" | "late" | "closed"): void {
    const text = why === "late" ? "the node did not answer in time" : "the connection was cut";
    const code = why === "late" ? "timeout" : "state";
    const error = new CtdbxError(code, `Cannot traverse ${this.#name}: ${text}`);
    this.#finish({ count: 0, error });
  }

  /** The next record, if it is here. */
  take(): RecordEntry | undefined {
    const record = this.#records[this.#at];
    if (record === undefined) return undefined;
    this.#at += 1;
    if (this.#at === this.#records.length || this.#at >= CREDIT_MAX) {
      this.#records = this.#records.slice(this.#at);
      this.#at = 0;
    }
    return record;
  }

  /** The next record; undefined: that was all. Throws why it ended. */
  async next(): Promise<RecordEntry | undefined> {
    for (;;) {
      const record = this.take();
      if (record !== undefined) return record;
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** How many more records may be under way; 0: it is not worth a word yet. */
  more(): number {
    const size = Math.max(1, this.#bytes / Math.max(1, this.#count));
    const wanted = Math.min(CREDIT_MAX, Math.max(CREDIT_FIRST, Math.floor(CREDIT_BYTES / size)));
    const here = this.#records.length - this.#at;
    const more = wanted - this.#credit - here;
    if (more < wanted / 2) return 0;
    this.#credit += more;
    return more;
  }

  async count(): Promise<number> {
    while (this.#end === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#end.error !== undefined) throw this.#end.error;
    return this.#end.count;
  }

  /** Nobody wants it any more. */
  stop(): void {
    this.#records.length = 0;
    this.#at = 0;
    this.#finish({ count: 0, error: undefined });
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  #finish(end: End): void {
    this.#end ??= end;
    this.#tell();
  }

  #tell(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()?.();
  }
}

/** The bytes of a prefix; it may be empty. */
export function prefixBytes(prefix: KeyLike | undefined): Uint8Array {
  const isText = typeof prefix === "string" || prefix instanceof Uint8Array;
  if (prefix === undefined || (isText && prefix.length === 0)) return NO_BYTES;
  return keyBytes(prefix);
}

/** How many records at most. Throws RangeError. */
function limitOf({ limit = Infinity }: TraverseOptions): number {
  if (limit === Infinity || (Number.isInteger(limit) && limit >= 0)) return limit;
  throw new RangeError(`Cannot stop after ${String(limit)} records: it is a whole number, or none`);
}

/** What is traversed. */
export interface TraverseSource {
  /** For errors. */
  readonly name: string;
  /** Writes the first frame; record and end come for it. May throw why not. */
  readonly write: (
    writer: FrameWriter,
    id: number,
    wish: { readonly timeoutMs: number; readonly isCount: boolean; readonly credit: number },
    prefix: Uint8Array,
  ) => void;
}

function databaseSource(ref: number, name: string): TraverseSource {
  const write: TraverseSource["write"] = (writer, id, wish, prefix) =>
    writeTraverse(writer, id, { ref, ...wish }, prefix);
  return { name, write };
}

async function begin(
  core: ClientCore,
  { name, write }: TraverseSource,
  options: TraverseOptions,
  isCount: boolean,
): Promise<{ readonly run: Traverse; readonly id: number }> {
  const timeoutMs = core.timeout(options);
  const run = new Traverse(core.clock.nowMs() + timeoutMs, name);
  const prefix = prefixBytes(options.prefix);
  const credit = isCount ? 0 : CREDIT_FIRST;
  const id = await core.begin(
    run,
    (writer, id) => write(writer, id, { timeoutMs, isCount, credit }, prefix),
  );
  return { run, id };
}

/** All records; see Database.traverse(). It begins with the first `next`. */
export function traverseRecords(
  core: ClientCore,
  ref: number,
  name: string,
  options: TraverseOptions,
): AsyncIterableIterator<RecordEntry> {
  return traverseFrom(core, databaseSource(ref, name), options);
}

/** The same of anything that tells records. */
export function traverseFrom(
  core: ClientCore,
  source: TraverseSource,
  options: TraverseOptions,
): AsyncIterableIterator<RecordEntry> {
  const { keysOnly = false } = options;
  const limit = limitOf(options);
  let begun: ReturnType<typeof begin> | undefined;
  let running: Awaited<ReturnType<typeof begin>> | undefined;
  // Records that were asked for, and told.
  let given = 0;
  let told = 0;
  const end = async (): Promise<IteratorResult<RecordEntry>> => {
    given = Infinity;
    const { run, id } = await begun?.catch(() => undefined) ?? {};
    if (run === undefined || id === undefined || run.isOver) {
      return { done: true, value: undefined };
    }
    core.line.tell((writer) => writer.begin(FRAME.cancel, id).end());
    core.line.forget(id);
    run.stop();
    return { done: true, value: undefined };
  };
  /** A record as it is told; those that were taken make room for more. */
  const entryOf = ({ run, id }: NonNullable<typeof running>, record: RecordEntry) => {
    const more = run.isOver ? 0 : run.more();
    if (more > 0) core.line.tell((writer) => writer.begin(FRAME.more, id).u32(more).end());
    told += 1;
    return keysOnly ? { key: record.key, value: NO_BYTES } : record;
  };
  const later = async (): Promise<IteratorResult<RecordEntry>> => {
    begun ??= begin(core, source, options, false);
    running = await begun;
    const record = await running.run.next();
    if (record === undefined) return { done: true, value: undefined };
    const value = entryOf(running, record);
    if (told === limit) await end();
    return { done: false, value };
  };
  return {
    next() {
      if (given >= limit) return Promise.resolve({ done: true, value: undefined });
      given += 1;
      // What is here needs no turn of its own, unless somebody waits for an earlier one, or it is the last.
      const isInTurn = running !== undefined && given === told + 1 && given < limit;
      const record = isInTurn ? running?.run.take() : undefined;
      if (running === undefined || record === undefined) return later();
      return Promise.resolve({ done: false, value: entryOf(running, record) });
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** How many; see Database.count(). */
export async function countRecords(
  core: ClientCore,
  ref: number,
  name: string,
  options: TraverseOptions,
): Promise<number> {
  const limit = limitOf(options);
  const { run } = await begin(core, databaseSource(ref, name), options, true);
  return Math.min(limit, await run.count());
}
