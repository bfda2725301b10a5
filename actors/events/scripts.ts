/**
 * The event scripts of a node: the schedule, the event daemon that runs what it wants, and what others want run.
 *
 *   clock ── glance of the node ──▶ ScheduleMachine ── run, cancel ──▶ EventDaemon (a process of its own, kept running)
 *   takeIp, releaseIp, operators ──▶        └── health ──▶ the node's health, as "event scripts"
 *
 * Does NOT promise: to run two events at a time; who asks waits for his turn.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import {
  EVENT_ARG_MAX,
  EVENT_ARGS_MAX,
  EVENT_NAMES,
  type EventEnd,
  type EventName,
  type ScriptRow,
} from "../../transport/wire/event_daemon.ts";
import type { Clock, Log } from "../../transport/world.ts";
import { KeptThread } from "../kept_thread.ts";
import type { HealthWord } from "../services/health.ts";
import { step } from "../machines/events/schedule.ts";
import {
  type EventTiming,
  newSchedule,
  type NodeGlance,
  type ScheduleEffect,
  type ScheduleEvent,
  type ScheduleState,
} from "../machines/events/state.ts";
import type { EventDaemon, EventHandle, ScriptList } from "./link.ts";

/** Between two looks at the node, ms. */
const LOOK_MS = 200;
/** Between two looks whether the event daemon answers, ms; after so many without an answer it is killed. */
const PING_MS = 2000;
const SILENT_PINGS = 5;
/** A new event daemon answers within this, ms, or another one is started. */
const GREET_MS = 10_000;
/** An event daemon gets so long to end in order, ms. */
const STOP_MS = 1000;
/** The last event may take this much longer than its scripts may: those that end are killed. */
const OVER_MS = 5000;
/** Interfaces whose link scripts have told. */
export const LINKS_MAX = 256;

/** What is needed. */
export interface ScriptsParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts an event daemon. */
  readonly make: () => Promise<EventHandle>;
  readonly glance: () => NodeGlance;
  /** In force now; it is looked at before each event. */
  readonly timing: () => EventTiming;
  readonly onHealth: (word: HealthWord) => void;
  /** An event has ended, however it did. */
  readonly onEnd?: (end: EventEnd) => void;
  /** Whoever moves addresses tells `ipReallocated`; else it follows the members of the view. */
  readonly isTold?: boolean;
}

/** Without the time of an event. */
type Untimed = ScheduleEvent extends infer E ? E extends unknown ? Omit<E, "now"> : never : never;

/** One node's. */
export class Scripts {
  readonly #parts: ScriptsParts;
  readonly #state: ScheduleState;
  readonly #kept: KeptThread<EventDaemon>;
  readonly #asks = new Map<number, (end: EventEnd) => void>();
  readonly #links = new Map<string, boolean>();
  #nextAsk = 1;
  #silent = 0;
  #endLook: () => void = () => {};
  #endPing: () => void = () => {};
  #endWake: () => void = () => {};
  #over: (() => void) | undefined;
  #isOver = false;
  #stopping: Promise<void> | undefined;

  constructor(parts: ScriptsParts) {
    this.#parts = parts;
    const { clock, log, make, timing, isTold, onHealth } = parts;
    this.#state = newSchedule(timing(), clock.nowMs(), isTold);
    this.#kept = new KeptThread<EventDaemon>({ clock, log }, {
      name: "event daemon",
      make,
      start: (daemon) => this.#greet(daemon),
      onUp: () => this.#tell({ kind: "up" }),
      onDied: (_handle, { message }) => this.#tell({ kind: "down", why: message }),
      stopMs: STOP_MS,
    });
    onHealth(this.#state.health);
  }

  /** Starts the event daemon; init follows. */
  start(): void {
    void this.#kept.start();
    this.#look();
    this.#ping();
  }

  /** Runs the shutdown event, then ends the event daemon. Resolves when both is done, or has taken too long. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** Ends the event daemon, with what it runs. */
  async end(): Promise<void> {
    for (const end of [this.#endLook, this.#endPing, this.#endWake]) end();
    await this.#kept.stop();
  }

  async #stop(): Promise<void> {
    if (!this.#isOver) {
      const { clock } = this.#parts;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(this.#state.timing.timeoutMs + OVER_MS, resolve);
        this.#over = () => {
          cancel();
          resolve();
        };
        this.#tell({ kind: "stop" });
      });
    }
    await this.end();
  }

  /** Runs an event when it is its turn; its end says how it went. Throws CtdbxError "state", "limit"; never rejects. */
  run(event: string, args: readonly string[] = []): Promise<EventEnd> {
    const name = EVENT_NAMES.find((each) => each === event);
    if (name === undefined) {
      const known = EVENT_NAMES.join(", ");
      throw new CtdbxError(
        "state",
        `Cannot run ${event}: there is no such event; known are ${known}`,
      );
    }
    checkArgs(name, args);
    const ask = this.#nextAsk++;
    return new Promise((resolve) => {
      this.#asks.set(ask, resolve);
      this.#tell({ kind: "ask", ask, event: name, args: [...args] });
    });
  }

  /** An address comes to this node. `bits`: of its network. */
  takeIp(iface: string, address: string, bits: number): Promise<EventEnd> {
    return this.run("takeip", [iface, address, String(bits)]);
  }

  /** An address leaves this node. */
  releaseIp(iface: string, address: string, bits: number): Promise<EventEnd> {
    return this.run("releaseip", [iface, address, String(bits)]);
  }

  /** An address goes to another interface of this node. */
  updateIp(from: string, to: string, address: string, bits: number): Promise<EventEnd> {
    return this.run("updateip", [from, to, address, String(bits)]);
  }

  /** Addresses are where they belong. */
  ipReallocated(): Promise<EventEnd> {
    return this.run("ipreallocated");
  }

  /** Addresses are about to move. */
  startIpReallocate(): Promise<EventEnd> {
    return this.run("startipreallocate");
  }

  /** Throws CtdbxError. */
  list(): Promise<ScriptList> {
    return this.#kept.thread.list();
  }

  /** Throws CtdbxError. */
  switch(name: string, isEnabled: boolean): Promise<ScriptRow> {
    return this.#kept.thread.switch(name, isEnabled);
  }

  /** How interfaces are, as scripts have told. */
  get links(): ReadonlyMap<string, boolean> {
    return this.#links;
  }

  /** A script has looked at an interface. Throws CtdbxError "limit". */
  setLink(iface: string, isUp: boolean): void {
    if (!this.#links.has(iface) && this.#links.size >= LINKS_MAX) {
      throw new CtdbxError("limit", `Cannot note ${iface}: LINKS_MAX is ${LINKS_MAX}`);
    }
    this.#links.set(iface, isUp);
  }

  /** What the schedule knows; to be looked at, never changed. */
  get state(): ScheduleState {
    return this.#state;
  }

  /** How often the event daemon has died. */
  get failures(): number {
    return this.#kept.failures;
  }

  /** What it is doing, a word for people: the event that runs, "waiting", or why nothing can run. */
  get doing(): string {
    const { running, isUp, downWhy } = this.#state;
    if (running !== undefined) return running.event;
    return isUp ? "waiting" : `no event daemon: ${this.#kept.lastFailure?.why ?? downWhy}`;
  }

  #tell(event: Untimed): void {
    const { clock } = this.#parts;
    const effects = step(this.#state, { ...event, now: clock.nowMs() } as ScheduleEvent);
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ScheduleEffect): void {
    const { clock, log, onHealth } = this.#parts;
    switch (effect.kind) {
      case "run":
        return this.#run(effect);
      case "cancel":
        return this.#kept.handle?.thread.cancel(effect.id);
      case "answer":
        this.#asks.get(effect.ask)?.(effect.end);
        this.#asks.delete(effect.ask);
        return;
      case "health":
        return onHealth(effect.health);
      case "failed": {
        const { event, outcome, why, tookMs } = effect.end;
        log.write("error", `Event ${event}: ${outcome}: ${why ?? "nobody says why"}`, { tookMs });
        return;
      }
      case "ended":
        return this.#parts.onEnd?.(effect.end);
      case "wake":
        this.#endWake();
        this.#endWake = clock.after(Math.max(0, effect.atMs - clock.nowMs()), () => {
          this.#tell({ kind: "wake" });
        });
        return;
      case "over":
        this.#isOver = true;
        return this.#over?.();
    }
  }

  #run({ job: { id, event, args }, timeoutMs }: ScheduleEffect & { readonly kind: "run" }): void {
    const daemon = this.#kept.handle?.thread;
    // One that has just gone is told by "down".
    daemon?.run(id, event, args, timeoutMs).then(
      (end) => this.#tell({ kind: "ended", id, end }),
      (error: CtdbxError) => {
        if (error.code === "io") return;
        const end = { event, args: [...args], startWallMs: 0, tookMs: 0, scripts: [] };
        this.#tell({ kind: "ended", id, end: { ...end, outcome: "failed", why: error.message } });
      },
    );
  }

  #look(): void {
    const { clock, glance, timing } = this.#parts;
    const { node, timing: known } = this.#state;
    const now = timing();
    if (!isSame(now, known)) this.#tell({ kind: "timing", timing: now });
    const seen = glance();
    if (!isSame(seen, node)) this.#tell({ kind: "node", node: seen });
    this.#endLook = clock.after(LOOK_MS, () => this.#look());
  }

  /** Its first answer. */
  #greet(daemon: EventDaemon): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.after(GREET_MS, () => {
        reject(new CtdbxError("timeout", `it has not answered for ${GREET_MS / 1000} s`));
      });
      daemon.ping().then(resolve, reject).finally(cancel);
    });
  }

  /** An event daemon that does not answer hangs; scripts cannot make it. */
  #ping(): void {
    const { clock } = this.#parts;
    const handle = this.#kept.handle;
    if (handle === undefined) this.#silent = 0;
    else {
      if (++this.#silent > SILENT_PINGS) handle.end();
      handle.thread.ping().then(() => this.#silent = 0, () => {});
    }
    this.#endPing = clock.after(PING_MS, () => this.#ping());
  }
}

function isSame<T extends object>(one: T, other: T): boolean {
  return Object.entries(one).every(([key, value]) => other[key as keyof T] === value);
}

/** How many arguments events have that have any. */
const COUNTS: Partial<Record<EventName, number>> = { takeip: 3, releaseip: 3, updateip: 4 };

function checkArgs(event: EventName, args: readonly string[]): void {
  const count = COUNTS[event];
  if (count !== undefined && args.length !== count) {
    throw new CtdbxError(
      "state",
      `Cannot run ${event}: it has ${count} arguments, not ${args.length}`,
    );
  }
  const isFit = args.length <= EVENT_ARGS_MAX &&
    args.every((arg) => arg.length <= EVENT_ARG_MAX && !arg.includes("\0") && arg.isWellFormed());
  if (isFit) return;
  const limit = `${EVENT_ARGS_MAX} arguments of ${EVENT_ARG_MAX} characters`;
  throw new CtdbxError("limit", `Cannot run ${event}: it may have ${limit}`);
}
