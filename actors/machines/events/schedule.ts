/**
 * When which event is run on a node.
 *
 *   init ─ok─▶ setup ─ok─▶ startup (once it serves) ─ok─▶ running: monitor after 2, 4, 8, 15, 15 ... s
 *     └──────────┴──────────┴── failed: again after 5 s, and the node is unhealthy meanwhile
 *   a new generation: startrecovery, then, when it serves: recovered       members changed: ipreallocated
 *   what is asked for (takeip, releaseip, an operator's): before all that, and a monitor that runs is called off for it
 *
 * One event at a time. The order among those that are due is that of `nextJob`. A node is healthy once a monitor event
 * has passed. Upstream: ctdb_monitor.c, eventscript.c. Differs from upstream: a failed init or setup leaves the daemon
 * running, as an unhealthy member whose databases work; startrecovery and recovered tell of a change of the view, and
 * hold nothing up; an event daemon that died under a script counts as a failure of that script.
 *
 * Does NOT promise: an event for each generation: those that come while scripts run are told by one.
 */
import { fitText } from "../../../transport/wire/limits.ts";
import type { EventEnd, EventName } from "../../../transport/wire/event_daemon.ts";
import {
  ASKS_MAX,
  DAEMON_GONE_MS,
  type EventHealth,
  type Job,
  MONITOR_CHANGED_MS,
  MONITOR_FIRST_MS,
  RETRY_MS,
  type ScheduleEffect,
  type ScheduleEvent,
  type ScheduleState,
} from "./state.ts";

/** One step. Total: what makes no sense changes nothing. */
export function step(state: ScheduleState, event: ScheduleEvent): ScheduleEffect[] {
  const effects: ScheduleEffect[] = [];
  state.nowMs = event.now;
  if (state.phase === "over") {
    if (event.kind === "ask") effects.push(answer(event.ask, lostEnd(event, STOPPED)));
    return effects;
  }
  take(state, event, effects);
  start(state, effects);
  if (!state.isUp && state.nowMs - state.downMs >= DAEMON_GONE_MS) {
    say(state, { ok: false, why: `the event daemon does not run: ${state.downWhy}` }, effects);
  }
  const atMs = wakeOf(state);
  if (atMs !== undefined) effects.push({ kind: "wake", atMs });
  return effects;
}

const STOPPED = "the node is stopping";

function take(state: ScheduleState, event: ScheduleEvent, effects: ScheduleEffect[]): void {
  switch (event.kind) {
    case "up":
      state.isUp = true;
      return;
    case "down":
      return onDown(state, event.why, effects);
    case "node":
      state.node = event.node;
      return;
    case "ended":
      if (state.running?.id === event.id) onEnd(state, event.end, effects);
      return;
    case "ask":
      return onAsk(state, event, effects);
    case "timing":
      state.timing = event.timing;
      state.pauseMs = Math.min(state.pauseMs, event.timing.monitorMostMs);
      state.monitorMs = Math.min(state.monitorMs, state.nowMs + state.pauseMs);
      return;
    case "stop":
      state.isStopping = true;
      for (const job of state.asks.splice(0)) {
        effects.push(answer(job.ask ?? 0, lostEnd(job, STOPPED)));
      }
      return;
    case "wake":
      return;
  }
}

function onAsk(
  state: ScheduleState,
  { ask, event, args }: ScheduleEvent & { readonly kind: "ask" },
  effects: ScheduleEffect[],
): void {
  const why = state.isStopping
    ? STOPPED
    : state.asks.length >= ASKS_MAX
    ? `${ASKS_MAX} events wait already`
    : undefined;
  if (why !== undefined) {
    effects.push(answer(ask, { ...lostEnd({ event, args }, why), outcome: "refused" }));
    return;
  }
  state.asks.push({ id: state.nextId++, event, args, ask });
}

function onDown(state: ScheduleState, why: string, effects: ScheduleEffect[]): void {
  if (state.isUp) state.downMs = state.nowMs;
  state.isUp = false;
  state.downWhy = why;
  const { running } = state;
  if (running === undefined) return;
  onEnd(state, lostEnd(running, `the event daemon died: ${why}`), effects);
}

/** The end of what runs. */
function onEnd(state: ScheduleState, end: EventEnd, effects: ScheduleEffect[]): void {
  const { running } = state;
  state.running = undefined;
  state.isCancelled = false;
  if (running === undefined) return;
  note(state, end);
  effects.push({ kind: "ended", end });
  if (running.ask !== undefined) {
    effects.push(answer(running.ask, end));
    return;
  }
  const isOk = end.outcome === "ok";
  if (!isOk && end.outcome !== "cancelled") effects.push({ kind: "failed", end });
  switch (running.event) {
    case "init":
    case "setup":
    case "startup":
      return onStart(state, running.event, end, effects);
    case "monitor":
      return onMonitor(state, end, effects);
    case "shutdown":
      state.phase = "over";
      effects.push({ kind: "over" });
      return;
  }
}

function onStart(
  state: ScheduleState,
  event: "init" | "setup" | "startup",
  end: EventEnd,
  effects: ScheduleEffect[],
): void {
  if (end.outcome !== "ok") {
    state.retryMs = state.nowMs + RETRY_MS;
    return say(state, unwell(end), effects);
  }
  state.retryMs = 0;
  state.phase = event === "init" ? "setup" : event === "setup" ? "startup" : "running";
  if (state.phase === "running") pause(state, MONITOR_FIRST_MS);
}

/** Upstream: ctdb_health_callback. Time-outs are borne for a while, then they are failures. */
function onMonitor(state: ScheduleState, end: EventEnd, effects: ScheduleEffect[]): void {
  const { timing } = state;
  if (end.outcome === "cancelled") return pause(state, MONITOR_FIRST_MS);
  state.timeouts = end.outcome === "timeout" ? state.timeouts + 1 : 0;
  const isBorne = end.outcome === "timeout" && state.timeouts < timing.timeoutsMost;
  const wasOk = state.health.ok;
  if (!isBorne) say(state, end.outcome === "ok" ? { ok: true } : unwell(end), effects);
  if (state.health.ok !== wasOk) return pause(state, MONITOR_CHANGED_MS);
  pause(state, 2 * state.pauseMs);
}

function pause(state: ScheduleState, delayMs: number): void {
  state.pauseMs = Math.min(delayMs, state.timing.monitorMostMs);
  state.monitorMs = state.nowMs + state.pauseMs;
}

/** Runs what is due first; a monitor that runs is called off when something else is. */
function start(state: ScheduleState, effects: ScheduleEffect[]): void {
  if (state.phase === "over") return;
  if (state.isStopping && !state.isUp && state.running === undefined) {
    // Nobody is there to run it.
    state.phase = "over";
    effects.push({ kind: "over" });
    return;
  }
  if (!state.isUp) return;
  const job = nextJob(state);
  const { running } = state;
  if (running !== undefined) {
    if (state.isCancelled || job === undefined || !yields(state, running)) return;
    state.isCancelled = true;
    effects.push({ kind: "cancel", id: running.id });
    return;
  }
  if (job === undefined) return;
  begin(state, job);
  effects.push({ kind: "run", job, timeoutMs: state.timing.timeoutMs });
}

/** Is it called off for what is due? A monitor event is, and when the node stops every other of the schedule's own. */
function yields({ isStopping }: ScheduleState, { event, ask }: Job): boolean {
  if (ask !== undefined || event === "shutdown") return false;
  return isStopping || event === "monitor";
}

/** What is due, in the order in which it matters. Changes nothing. */
function nextJob(state: ScheduleState): Job | undefined {
  const { phase, node, nowMs } = state;
  const own = (event: EventName): Job => ({ id: state.nextId, event, args: [] });
  if (state.isStopping) return own("shutdown");
  const mayTry = nowMs >= state.retryMs;
  if ((phase === "init" || phase === "setup") && mayTry) return own(phase);
  const [asked] = state.asks;
  if (asked !== undefined) return asked;
  if (phase === "init" || phase === "setup") return undefined;
  if (node.generation !== state.startedGen) return own("startrecovery");
  if (node.isServing && node.generation !== state.recoveredGen) return own("recovered");
  if (phase === "startup") return node.isServing && mayTry ? own("startup") : undefined;
  if (!state.isTold && node.isServing && node.members !== state.reallocatedFor) {
    return own("ipreallocated");
  }
  const isDue = node.isActive && state.running === undefined && nowMs >= state.monitorMs;
  return isDue ? own("monitor") : undefined;
}

/** What a job that begins settles. */
function begin(state: ScheduleState, job: Job): void {
  state.running = job;
  const { node } = state;
  if (job.ask !== undefined) {
    state.asks.shift();
    return;
  }
  state.nextId++;
  switch (job.event) {
    case "startrecovery":
      state.startedGen = node.generation;
      break;
    case "recovered":
      state.recoveredGen = node.generation;
      break;
    case "ipreallocated":
      state.reallocatedFor = node.members;
      break;
    case "shutdown":
      state.phase = "shutdown";
      break;
  }
}

/** When something is due that no event tells of; undefined: nothing is. */
function wakeOf(state: ScheduleState): number | undefined {
  const { phase, retryMs, nowMs } = state;
  if (phase === "over") return undefined;
  if (!state.isUp) {
    const goneMs = state.downMs + DAEMON_GONE_MS;
    return goneMs > nowMs ? goneMs : undefined;
  }
  if (state.running !== undefined) return undefined;
  if (phase === "running") return state.node.isActive ? state.monitorMs : undefined;
  return retryMs > nowMs ? retryMs : undefined;
}

function say(state: ScheduleState, health: EventHealth, effects: ScheduleEffect[]): void {
  const { ok, why, tail } = state.health;
  if (health.ok === ok && health.why === why && health.tail === tail) return;
  state.health = health;
  effects.push({ kind: "health", health });
}

/** Why an event that did not end well makes the node unhealthy. */
function unwell(end: EventEnd): EventHealth {
  const last = end.scripts.at(-1);
  const why = fitText(`${end.event}: ${end.why ?? end.outcome}`);
  return { ok: false, why, ...last === undefined ? {} : { tail: last.output } };
}

function note(state: ScheduleState, end: EventEnd): void {
  state.last.set(end.event, end);
  const counts = state.counts.get(end.event) ?? { ok: 0, failed: 0, timeout: 0 };
  if (end.outcome === "ok") counts.ok++;
  else if (end.outcome === "timeout") counts.timeout++;
  else if (end.outcome !== "cancelled") counts.failed++;
  state.counts.set(end.event, counts);
}

function answer(ask: number, end: EventEnd): ScheduleEffect {
  return { kind: "answer", ask, end };
}

/** Of an event that had no end of its own. */
function lostEnd({ event, args }: Pick<Job, "event" | "args">, why: string): EventEnd {
  const outcome = "lost";
  return { event, args, outcome, startWallMs: 0, tookMs: 0, scripts: [], why: fitText(why) };
}
