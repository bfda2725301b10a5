/**
 * The leader lock that a program holds: `!command arg ...`, as ctdb's recovery lock knows it.
 *
 *   acquire: start it -> first character on its stdout:  0 held   1 held elsewhere   2 it gave up
 *   it lives: held       it ends: lost       release, close: its process group is killed
 *
 * Nobody can see who else holds it: while it is held elsewhere a look is "unknown", for so long that the cluster goes
 * on without a register (L9); then it may be tried again. A held one cannot be taken over.
 *
 * Upstream: ctdb recovery lock, cluster mutex helpers. Differs from upstream: a helper that says nothing is killed.
 *
 * Does NOT promise: that what the command holds is let go when it is killed; that is the command's business.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { LeaderLock, LockRecord, LockSeen, LockUnknown } from "./leader_lock.ts";
import { LOCK_LIMIT_MS, type LockWrite, type LockWritten } from "./leader_lock.ts";
import { LockTurns, unknown } from "./lock_turns.ts";
import type { Guard } from "./real_child.ts";
import { signalGroup } from "./real_child.ts";
import type { Clock } from "./world.ts";

/** How long "held elsewhere" is believed, ms: longer than the register may be unreadable before L9. */
export const ELSEWHERE_MS = 10_000;

/** A helper that has said something, or not yet. */
interface Helper {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  hasEnded: boolean;
}

/** The lock of a command. */
export class HelperLock implements LeaderLock {
  readonly backend = "helper";
  readonly #command: readonly string[];
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #limitMs: number;
  readonly #turns: LockTurns;
  #helper: Helper | undefined;
  #revision = 0;
  #record: LockRecord | undefined;
  #elsewhereMs = -Infinity;

  /** `command`: the program and its arguments, without the `!`. */
  constructor(
    options: { command: readonly string[]; clock: Clock; guard: Guard; limitMs?: number },
  ) {
    const { command, clock, guard, limitMs = LOCK_LIMIT_MS } = options;
    if (command[0] === undefined || command[0] === "") {
      throw new RangeError("Cannot use a helper lock: no command is named");
    }
    this.#command = command;
    this.#clock = clock;
    this.#guard = guard;
    this.#limitMs = limitMs;
    // The helper is killed when its time is over; that it is gone is part of the answer.
    this.#turns = new LockTurns(clock, limitMs + LOCK_LIMIT_MS);
  }

  get trouble(): string | undefined {
    return this.#turns.trouble;
  }

  look(done: (result: LockSeen | LockUnknown) => void): void {
    this.#turns.run<LockSeen>(() => Promise.resolve(this.#look()), done);
  }

  write(
    op: LockWrite,
    revision: number,
    record: LockRecord,
    done: (result: LockWritten) => void,
  ): void {
    this.#turns.run<LockWritten>(async () => {
      if (revision !== this.#revision) return refused(`it is at revision ${this.#revision}`);
      if (op === "release") return await this.#release(record);
      if (this.#helper === undefined) {
        if (op === "renew") return refused("the helper has ended");
        const failed = await this.#start();
        if (failed !== undefined) return failed;
      }
      return this.#written(record);
    }, done);
  }

  watch(onSeen: (seen: LockSeen) => void): () => void {
    return this.#turns.watch(onSeen);
  }

  async close(): Promise<void> {
    this.#turns.close();
    await this.#end();
  }

  #look(): LockSeen | LockUnknown {
    const isHeld = this.#helper !== undefined;
    if (!isHeld && this.#clock.nowMs() - this.#elsewhereMs < ELSEWHERE_MS) {
      return unknown("held elsewhere; a helper cannot say by whom");
    }
    return { kind: "seen", revision: this.#revision, record: this.#record };
  }

  #written(record: LockRecord): LockWritten {
    this.#revision += 1;
    this.#record = record;
    return { kind: "ok", revision: this.#revision };
  }

  async #release(record: LockRecord): Promise<LockWritten> {
    await this.#end();
    return this.#written(record);
  }

  /** Starts the helper; undefined when it holds the lock. */
  async #start(): Promise<LockWritten | undefined> {
    const helper = startHelper(this.#command, this.#guard);
    this.#helper = helper;
    void helper.ended.then(() => this.#lost(helper));
    const said = await firstCharacter(helper, this.#clock, this.#limitMs);
    if (said === "0" && !helper.hasEnded && this.#helper === helper) {
      this.#elsewhereMs = -Infinity;
      return undefined;
    }
    // Gone before anybody is told: it cannot get the lock later.
    if (this.#helper === helper) this.#helper = undefined;
    await kill(helper);
    if (said === "1" || said === "2") {
      this.#elsewhereMs = this.#clock.nowMs();
      return refused("held elsewhere");
    }
    if (said === undefined) return unknown(`the helper said nothing for ${this.#limitMs} ms`);
    return refused(said === "" ? "the helper ended" : `the helper said ${JSON.stringify(said)}`);
  }

  /** The helper has ended by itself: whoever watches learns that the register is empty. */
  #lost(helper: Helper): void {
    if (this.#helper !== helper) return;
    this.#helper = undefined;
    if (this.#record === undefined) return;
    this.#record = undefined;
    this.#revision += 1;
    this.#turns.tell({ kind: "seen", revision: this.#revision, record: undefined });
  }

  async #end(): Promise<void> {
    const helper = this.#helper;
    this.#helper = undefined;
    if (helper !== undefined) await kill(helper);
  }
}

function refused(why: string): LockWritten {
  return { kind: "refused", why };
}

function startHelper(command: readonly string[], guard: Guard): Helper {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const group = child.pid;
  if (group !== undefined) guard.add(group);
  let settle = () => {};
  const ended = new Promise<void>((resolve) => settle = resolve);
  const helper: Helper = { process: child, ended, hasEnded: false };
  const end = () => {
    if (helper.hasEnded) return;
    helper.hasEnded = true;
    if (group !== undefined) guard.remove(group);
    settle();
  };
  child.on("exit", end);
  child.on("error", end); // it was never there
  return helper;
}

/** What it says first; "" when it ends before, undefined when it says nothing for so long. */
function firstCharacter(
  helper: Helper,
  clock: Clock,
  limitMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const callOff = clock.after(limitMs, () => resolve(undefined));
    const end = (said: string) => {
      callOff();
      resolve(said);
    };
    helper.process.stdout?.once("data", (bytes: Uint8Array) => {
      end(new TextDecoder().decode(bytes.subarray(0, 1)));
      helper.process.stdout?.on("data", () => {}); // whatever else it says is let go
    });
    helper.process.stdout?.once("end", () => end(""));
    void helper.ended.then(() => {
      // What it has said before its end may still be in the pipe; "end" follows it.
      if (helper.process.stdout === null || helper.process.pid === undefined) end("");
    });
  });
}

/** Kills its group and waits until it is gone. */
async function kill(helper: Helper): Promise<void> {
  const { pid } = helper.process;
  if (pid !== undefined && !helper.hasEnded) signalGroup(pid, "SIGKILL");
  await helper.ended;
}
