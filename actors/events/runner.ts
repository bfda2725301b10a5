/**
 * Runs the scripts of one event, one after the other, until the first that fails.
 *
 *   00.ctdb ok ─▶ 05.system ok ─▶ 10.interface exit 1 ─▶ failed: "10.interface: exit code 1"; later ones are not run
 *
 * All scripts of an event have one time together. When it is over the debug script is called, and the group of the
 * script that runs is ended. A script that may not be run (see real_script_folder.ts) fails its event.
 *
 * Does NOT promise: that what a script has left in the background ends; services are started that way.
 */
import type { GroupEnd, GroupRun, Groups } from "../../transport/group.ts";
import type { FoundScript, ScriptFolder } from "../../transport/script_folder.ts";
import {
  type EventEnd,
  type EventName,
  SCRIPT_OUTPUT_MAX,
  type ScriptEnd,
} from "../../transport/wire/event_daemon.ts";
import { fitText } from "../../transport/wire/limits.ts";
import type { Clock, Log } from "../../transport/world.ts";

/** Between TERM and KILL, ms. */
export const KILL_AFTER_MS = 1000;
/** A debug script may take so long, ms. Upstream: none; it waits for ever. */
export const DEBUG_MS = 10_000;
/** The stock script that sets addresses, and the events in which it does; in others it looks at links. */
const ADDRESS_SCRIPT = "10.interface";
const SETTING: ReadonlySet<EventName> = new Set([
  "init",
  "takeip",
  "releaseip",
  "updateip",
  "shutdown",
]);
/** What such a script starts has this in its environment, with the node's socket: it ends before others take over. */
export const SETS_ADDRESSES = "CTDBX_SETS_ADDRESSES";
const TAKING: ReadonlySet<EventName> = new Set(["takeip", "updateip"]);
/** Of what a debug script says, so many bytes go into the log: the last ones. */
const DEBUG_OUTPUT_MAX = 16 * 1024;

/** What running needs. */
export interface RunnerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly groups: Groups;
  readonly folder: ScriptFolder;
  /** The whole environment of scripts. */
  readonly env: Readonly<Record<string, string>>;
  /** Called with the process id and the event of a script that hangs; absolute. */
  readonly debug?: string;
  /** Addresses are set by the node itself: the stock script that does it is left out where it would. */
  readonly hasAddresses?: boolean;
}

/** One event that runs. */
export class EventRun {
  readonly ended: Promise<EventEnd>;
  readonly #parts: RunnerParts;
  readonly #event: EventName;
  readonly #args: readonly string[];
  readonly #endMs: number;
  readonly #scripts: ScriptEnd[] = [];
  #group: GroupRun | undefined;
  #isCancelled = false;

  constructor(
    parts: RunnerParts,
    { event, args, timeoutMs }: {
      readonly event: EventName;
      readonly args: readonly string[];
      readonly timeoutMs: number;
    },
  ) {
    this.#parts = parts;
    this.#event = event;
    this.#args = args;
    this.#endMs = parts.clock.nowMs() + timeoutMs;
    this.ended = this.#run();
  }

  /** Calls it off: the script that runs is killed, no other one follows. */
  cancel(): void {
    this.#isCancelled = true;
    this.#group?.kill();
  }

  async #run(): Promise<EventEnd> {
    const { clock, folder } = this.#parts;
    const startMs = clock.nowMs();
    const startWallMs = clock.wallMs();
    const { scripts, why } = folder.look();
    const end = why === undefined
      ? await this.#all(scripts)
      : { outcome: "refused" as const, why: fitText(why) };
    return {
      event: this.#event,
      args: [...this.#args],
      startWallMs,
      tookMs: Math.max(0, clock.nowMs() - startMs),
      scripts: this.#scripts,
      ...end,
    };
  }

  async #all(scripts: readonly FoundScript[]): Promise<Pick<EventEnd, "outcome" | "why">> {
    for (const script of scripts) {
      if (script.place === "stock" || script.state === "ignored") continue;
      if (this.#isCancelled) return CANCELLED;
      const end = await this.#one(script);
      this.#scripts.push(end);
      if (end.outcome === "ok" || end.outcome === "disabled") continue;
      if (this.#isCancelled) return CANCELLED;
      const outcome = end.outcome === "timeout" || end.outcome === "refused"
        ? end.outcome
        : "failed";
      return { outcome, why: fitText(`${script.name}: ${reasonOf(end)}`) };
    }
    return this.#isCancelled ? CANCELLED : { outcome: "ok" };
  }

  async #one({ name, path, state, why }: FoundScript): Promise<ScriptEnd> {
    const { clock, groups, env } = this.#parts;
    const base = { name, startWallMs: clock.wallMs(), tookMs: 0, output: "", cutBytes: 0 };
    if (state !== "enabled") {
      const outcome = state === "refused" ? "refused" : "disabled";
      return { ...base, outcome, ...why === undefined ? {} : { why } };
    }
    if (this.#parts.hasAddresses === true && name === ADDRESS_SCRIPT && SETTING.has(this.#event)) {
      return { ...base, outcome: "disabled", why: "the node sets its addresses itself" };
    }
    const group = groups.run({
      command: [path, this.#event, ...this.#args],
      env: TAKING.has(this.#event) ? { ...env, [SETS_ADDRESSES]: env["CTDB_SOCKET"] ?? "" } : env,
      cwd: "/",
      // 0 would be for ever.
      timeoutMs: Math.max(1, this.#endMs - clock.nowMs()),
      outputMax: SCRIPT_OUTPUT_MAX,
      killAfterMs: KILL_AFTER_MS,
      keepsBackground: true,
      onHung: (pid) => this.#debug(name, pid),
    });
    this.#group = group;
    const end = await group.ended;
    this.#group = undefined;
    return { ...base, ...scriptEnd(end, this.#isCancelled) };
  }

  /** Has the debug script say what it finds, into the log. */
  async #debug(name: string, pid: number): Promise<void> {
    const { log, groups, debug, env } = this.#parts;
    log.write("error", `Script ${name} hangs in ${this.#event}; it is ended`, { pid });
    if (debug === undefined) return;
    const { output, cutBytes, code, signal, fault } = await groups.run({
      command: [debug, String(pid), this.#event],
      env,
      cwd: "/",
      timeoutMs: DEBUG_MS,
      outputMax: DEBUG_OUTPUT_MAX,
    }).ended;
    log.write("warning", `${debug} says: ${output}`, { cutBytes, code, signal, fault });
  }
}

const CANCELLED = { outcome: "cancelled", why: "it was called off for another event" } as const;

function scriptEnd(
  { code, signal, isTimeout, output, cutBytes, tookMs, fault }: GroupEnd,
  isCancelled: boolean,
): Omit<ScriptEnd, "name" | "startWallMs"> {
  const outcome = isCancelled && code === undefined
    ? "cancelled"
    : isTimeout
    ? "timeout"
    : signal !== undefined
    ? "killed"
    : code === 0
    ? "ok"
    : "failed";
  return {
    outcome,
    ...code === undefined ? {} : { exit: code },
    ...signal === undefined ? {} : { signal },
    tookMs: Math.max(0, tookMs),
    output,
    cutBytes,
    ...fault === undefined ? {} : { why: fitText(fault.message) },
  };
}

function reasonOf({ outcome, exit, signal, why, tookMs }: ScriptEnd): string {
  if (why !== undefined) return why;
  if (outcome === "timeout") return `it took more than ${Math.round(tookMs / 100) / 10} s`;
  return signal === undefined ? `exit code ${exit}` : `it was ended by ${signal}`;
}
