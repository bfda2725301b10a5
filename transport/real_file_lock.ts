/**
 * The leader lock in a file that all voters see: a shared file system with coherent locks.
 *
 * Work is done by a thread of its own (file_lock_worker.ts), one operation after the other. When the file system hangs
 * so does that thread; the operations are "unknown" after their time, and new ones are not even queued.
 *
 * Does NOT promise: that the thread of a file system that hangs ends when the lock is closed.
 */
import { Worker } from "node:worker_threads";
import { FILE_LOCK_THREAD, type FileLockAnswer, type FileLockRequest } from "./file_lock_steps.ts";
import type { LeaderLock, LockRecord, LockSeen, LockUnknown } from "./leader_lock.ts";
import { LOCK_LIMIT_MS, type LockWrite, type LockWritten } from "./leader_lock.ts";
import { decodeLockRecord, encodeLockRecord } from "./lock_record.ts";
import { LockTurns, unknown } from "./lock_turns.ts";
import { threadUrl } from "./real_build.ts";
import type { Clock } from "./world.ts";

/** How often a watched register is looked at, ms: no file system tells of another machine's writes. */
export const LOOK_EVERY_MS = 500;
/** Operations that may wait for the thread; more only come when it hangs. */
const QUEUE_MAX = 8;

/** The lock in one file. */
export class FileLock implements LeaderLock {
  readonly backend = "file";
  readonly #path: string;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #turns: LockTurns;
  readonly #waiting = new Map<number, (answer: FileLockAnswer) => void>();
  #worker: Worker | undefined;
  #id = 0;
  #endLooks: (() => void) | undefined;
  #lastRevision: number | undefined;

  constructor(options: { path: string; clock: Clock; limitMs?: number }) {
    const { path, clock, limitMs = LOCK_LIMIT_MS } = options;
    if (!path.startsWith("/") || path.includes("\0")) {
      throw new RangeError(`Cannot use lock ${JSON.stringify(path)}: the path must be absolute`);
    }
    this.#path = path;
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#turns = new LockTurns(clock, limitMs);
  }

  get trouble(): string | undefined {
    return this.#turns.trouble;
  }

  look(done: (result: LockSeen | LockUnknown) => void): void {
    this.#turns.run<LockSeen>(async () => {
      const { kind, revision, bytes, why } = await this.#ask();
      if (kind !== "seen") return unknown(why ?? kind);
      const record = bytes === undefined ? undefined : decodeLockRecord(bytes);
      return { kind, revision, record };
    }, done);
  }

  write(
    _op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void {
    this.#turns.run<LockWritten>(async () => {
      const answer = await this.#ask({ revision, bytes: encodeLockRecord(record) });
      const { kind, why = kind } = answer;
      if (kind === "ok") return { kind, revision: answer.revision };
      return kind === "refused" ? { kind, why } : unknown(why);
    }, done);
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    const end = this.#turns.watch(onSeen);
    this.#endLooks ??= this.#lookOn();
    return () => {
      end();
      if (this.#turns.isWatched) return;
      this.#endLooks?.();
      this.#endLooks = undefined;
    };
  }

  async close(): Promise<void> {
    this.#endLooks?.();
    this.#endLooks = undefined;
    this.#turns.close();
    this.#waiting.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #ask(write?: { revision: number; bytes: Uint8Array }): Promise<FileLockAnswer> {
    if (this.#waiting.size >= QUEUE_MAX) {
      return Promise.reject(new Error(`the file system of ${this.#path} hangs`));
    }
    const id = ++this.#id;
    const request: FileLockRequest = {
      id,
      path: this.#path,
      // The thread gives up before we do: a late result would be lost.
      waitMs: this.#limitMs * 0.75,
      ...(write === undefined ? {} : { write }),
    };
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      const worker = this.#thread();
      worker.postMessage(request);
      worker.unref(); // after the message: Bun counts the thread again with each
    });
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const url = threadUrl("file_lock_worker", import.meta.url);
    const worker = new Worker(url, { workerData: FILE_LOCK_THREAD });
    this.#worker = worker;
    worker.on("message", (answer: FileLockAnswer) => {
      const resolve = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      resolve?.(answer);
    });
    const fail = (cause: unknown) => {
      if (this.#worker === worker) this.#worker = undefined;
      const why = `its thread ended: ${cause instanceof Error ? cause.message : cause}`;
      for (const [id, resolve] of [...this.#waiting]) {
        this.#waiting.delete(id);
        resolve({ id, kind: "unknown", revision: 0, why });
      }
    };
    worker.on("error", fail);
    worker.on("exit", fail);
    return worker;
  }

  #lookOn(): () => void {
    let callOff = () => {};
    const again = () => {
      callOff = this.#clock.after(LOOK_EVERY_MS, () => {
        this.look((result) => {
          if (result.kind === "seen" && result.revision !== this.#lastRevision) {
            this.#lastRevision = result.revision;
            this.#turns.tell(result);
          }
          if (this.#endLooks !== undefined) again();
        });
      });
    };
    again();
    return () => callOff();
  }
}
