/**
 * The daemon's own process: it dies, hangs, is not there, or has lost its socket.
 *
 * Does NOT promise: why a process died; its last words are shown.
 */
import type { Rule } from "./facts.ts";
import {
  eachLocal,
  isMute,
  isThere,
  killWords,
  logWords,
  othersWords,
  wasKilled,
} from "./local.ts";
import { pageWords, socketWords, startWords } from "./local.ts";
import { flagsOf, outWords } from "./seen.ts";
import { COMMOTION, ctdbx, found, shellWord, span, STANDSTILL } from "./words.ts";
import { BACK_OFF } from "../supervision.ts";

/** Deaths of a daemon that are this old belong to the past, ms. */
const RECENT_MS = 60_000;
/** A daemon has made its socket within this, ms. */
const SOCKET_MS = 10_000;
/** How the supervisor's log tells of a death. */
const DEATH = /^The daemon has died/;

const DAEMON_CRASHING: Rule = {
  id: "daemon_crashing",
  cause: "The daemon dies again and again",
  evidence: "the supervisor's log: how it ended and how often; what the daemon said last",
  next: "its supervisor starts it again after 0.1 s to 10 s",
  command: "ctdbx daemon stop",
  explainsHere: [
    "daemon_starting",
    "daemon_not_running",
    "shard_crashing",
    "data_crashing",
    ...STANDSTILL,
  ],
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }) => {
    const { supervisor, socket, log, words, runFolder } = outside;
    const deaths = log.filter(({ part, text, msAgo }) =>
      part === "supervisor" && DEATH.test(text) && (msAgo ?? Infinity) <= RECENT_MS
    );
    const last = deaths[deaths.length - 1];
    if (last === undefined || supervisor?.state !== "running") return undefined;
    const isDown = socket.state !== "answers";
    if (!isDown && deaths.length < 3) return undefined;
    const said = log.filter(({ part, text }) => part === "daemon" && !DEATH.test(text));
    return found({
      node: name,
      title: isDown
        ? `The daemon of ${name} has died, and is not up again`
        : `The daemon of ${name} dies again and again`,
      severity: "error",
      evidence: [
        `it has died ${deaths.length === 1 ? "once" : `${deaths.length} times`} in the last ` +
        `${span(RECENT_MS)}, the last time ${span(last.msAgo ?? 0)} ago: ${last.text}`,
        ...logWords(said, 2),
      ],
      next: [
        `its supervisor (process ${supervisor.pid}) starts it again, ${
          span(BACK_OFF.firstMs)
        } after the first ` +
        `death, later each time, ${span(BACK_OFF.mostMs)} at the most`,
      ],
      commands: [
        `tail -n 20 ${shellWord(`${runFolder}/daemon.log`)}`,
        ctdbx("daemon status", words),
      ],
    });
  }),
};

const DAEMON_STARTING: Rule = {
  id: "daemon_starting",
  cause: "The daemon is starting",
  evidence: "its socket says so",
  next: "it joins by itself",
  command: "ctdbx node runstate --for running --timeout 30",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }) => {
    if (outside.socket.state !== "starting") return undefined;
    return found({
      node: name,
      title: `The daemon of ${name} is starting`,
      severity: "warning",
      evidence: [socketWords(outside)],
      next: ["it reads its files and joins by itself, within seconds"],
      commands: [ctdbx("node runstate --for running --timeout 30", outside.words)],
    });
  }),
};

const DAEMON_HUNG: Rule = {
  id: "daemon_hung",
  cause: "The daemon runs and does not answer",
  evidence: "its process is there and not stopped; its socket takes connections and is silent",
  next: "its supervisor kills it after 30 s and starts it again; the others wait its lease out",
  command: "ctdbx daemon stop",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }, { timing }) => {
    const { socket, daemon, words } = outside;
    if (socket.state !== "silent" || daemon?.state === "stopped" || isMute(outside)) {
      return undefined;
    }
    const state = daemon?.state === "waiting"
      ? "is in state D: it waits in the kernel, mostly for a disk or a network file system"
      : "runs, and its event loop does not turn";
    return found({
      node: name,
      title: `The daemon of ${name} hangs: it is there and does not answer`,
      severity: "error",
      evidence: [
        socketWords(outside),
        daemon === undefined
          ? "which process it is is not known"
          : `process ${daemon.pid} ${state}`,
        ...pageWords(outside),
      ],
      next: [...killWords(outside, timing), othersWords(timing)],
      commands: [ctdbx("daemon stop", words), ctdbx("daemon start", words)],
    });
  }),
};

const SOCKET_GONE: Rule = {
  id: "socket_gone",
  cause: "The daemon runs, and its socket is gone",
  evidence: "its process is there; the file of the socket was removed or replaced",
  next: "its supervisor cannot ask it, and kills it after 30 s",
  command: "ctdbx daemon stop",
  explainsHere: ["node_silent"],
  explainsAll: [],
  find: eachLocal(({ name, outside }, { timing }) => {
    const { daemon, words } = outside;
    const runs = daemon?.state === "running" || daemon?.state === "waiting";
    if (!runs || !isMute(outside) || (daemon.ageMs ?? 0) < SOCKET_MS) return undefined;
    return found({
      node: name,
      title: `The daemon of ${name} runs, and its socket is gone`,
      severity: "error",
      evidence: [
        `process ${daemon.pid} runs for ${span(daemon.ageMs ?? 0)}`,
        socketWords(outside),
      ],
      next: killWords(outside, timing),
      commands: [ctdbx("daemon stop", words), ctdbx("daemon start", words)],
    });
  }),
};

const DAEMON_NOT_RUNNING: Rule = {
  id: "daemon_not_running",
  cause: "The daemon does not run",
  evidence: "no process, no socket that answers; whether it ended in order",
  next: "nothing starts it, unless it has a supervisor, a keeper or a systemd unit",
  command: "ctdbx daemon start",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }, facts) => {
    const { daemon, page, words, supervisor, keeper } = outside;
    if (!isMute(outside) || isThere(daemon) || wasKilled(outside)) return undefined;
    const inOrder = outside.socket.state === "missing";
    const how = page === undefined
      ? "it has left no state page: it was not started since this machine was, or never"
      : inOrder
      ? "it has removed its socket: it ended in order"
      : "its socket is left: it did not end in order";
    const byKeeper = keeper !== undefined && inOrder
      ? "nothing: what was stopped with `ctdbx daemon stop` stays down"
      : startWords(outside);
    return found({
      node: name,
      title: `The daemon of ${name} does not run`,
      severity: "error",
      evidence: [
        socketWords(outside),
        how,
        ...inOrder ? [] : logWords(outside.log, 1),
      ],
      next: [
        isThere(supervisor)
          ? `${startWords(outside)}, ${span(BACK_OFF.mostMs)} after its end at the latest`
          : byKeeper,
        flagsOf(facts, name)?.isMember === false
          ? outWords(facts, name)
          : othersWords(facts.timing),
      ],
      commands: [ctdbx("daemon start", words)],
    });
  }),
};

/** From the deepest cause on. */
export const DAEMON_RULES: readonly Rule[] = [
  DAEMON_CRASHING,
  DAEMON_STARTING,
  DAEMON_HUNG,
  SOCKET_GONE,
  DAEMON_NOT_RUNNING,
];
