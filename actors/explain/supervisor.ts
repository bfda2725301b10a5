/**
 * What keeps a node's daemon from its work from without: a wrong configuration, a process that is stopped, a supervisor
 * that was killed.
 *
 *   supervisor ── starts ──▶ daemon ── socket          each may be stopped, dead, hung, or not there at all
 *
 * Does NOT promise: anything about nodes of other machines; of those only silence is known (nodes.ts).
 */
import type { Rule } from "./facts.ts";
import { eachLocal, isThere, killWords, othersWords } from "./local.ts";
import { pageWords, socketWords, startWords, wasKilled } from "./local.ts";
import { COMMOTION, ctdbx, found, STANDSTILL } from "./words.ts";

const CONFIG_ERROR: Rule = {
  id: "config_error",
  cause: "The node's configuration cannot be read",
  evidence: "the file, the key and what is wrong with it, as the daemon would say it",
  next: "nothing; a daemon that runs goes on with what it read at its start",
  command: "ctdbx daemon start",
  explainsHere: [
    "supervisor_killed",
    "daemon_crashing",
    "daemon_starting",
    "daemon_not_running",
    ...STANDSTILL,
  ],
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }) => {
    const { configFault, socket, words } = outside;
    if (configFault === undefined) return undefined;
    const runs = socket.state === "answers";
    return found({
      node: name,
      title: runs
        ? `The configuration of ${name} is wrong; its daemon still runs by the former one`
        : `The configuration of ${name} is wrong: it cannot start`,
      severity: runs ? "warning" : "error",
      evidence: [configFault, socketWords(outside)],
      next: [
        runs
          ? "the daemon goes on with what it read at its start; once it has ended it does not start again"
          : "nothing: it waits for a correct file",
      ],
      commands: [ctdbx("daemon start", words)],
    });
  }),
};

const SOCKET_DENIED: Rule = {
  id: "socket_denied",
  cause: "The daemon belongs to another user",
  evidence: "the socket refuses this user",
  next: "nothing; only the owner may ask",
  command: "sudo ctdbx cluster explain",
  explainsHere: ["node_silent"],
  explainsAll: [],
  find: eachLocal(({ name, outside }) => {
    if (outside.socket.state !== "denied") return undefined;
    return found({
      node: name,
      title: `The daemon of ${name} is another user's: this one may not ask it`,
      severity: "error",
      evidence: [socketWords(outside)],
      next: ["nothing: only its owner may ask; how the node is cannot be said from here"],
      commands: [`sudo ${ctdbx("cluster explain", outside.words)}`],
    });
  }),
};

const DAEMON_STOPPED: Rule = {
  id: "daemon_stopped",
  cause: "The daemon's process is stopped (SIGSTOP, or a debugger)",
  evidence: "state T of the process; its socket takes connections and is silent; its lease",
  next:
    "its supervisor kills it after 30 s and starts it again; the others wait its lease out, 3.5 s",
  command: "kill -CONT PID",
  explainsHere: ["socket_gone", "supervisor_stopped", ...STANDSTILL],
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }, { timing }) => {
    const { daemon } = outside;
    if (daemon?.state !== "stopped") return undefined;
    return found({
      node: name,
      title: `The daemon of ${name} is stopped: its process does not run, and is not dead`,
      severity: "error",
      evidence: [
        `process ${daemon.pid} is in state T: SIGSTOP, or a debugger`,
        socketWords(outside),
        ...pageWords(outside),
      ],
      next: [...killWords(outside, timing), othersWords(timing)],
      commands: [
        `kill -CONT ${daemon.pid}`,
        ...outside.supervisor?.state === "stopped" ? [`kill -CONT ${outside.supervisor.pid}`] : [],
      ],
    });
  }),
};

const SUPERVISOR_STOPPED: Rule = {
  id: "supervisor_stopped",
  cause: "The supervisor's process is stopped",
  evidence: "state T of the process",
  next: "nothing: a daemon that dies is neither certified nor started again",
  command: "kill -CONT PID",
  explainsHere: ["daemon_not_running", "daemon_crashing", ...STANDSTILL],
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }, { timing }) => {
    const { supervisor, daemon } = outside;
    if (supervisor?.state !== "stopped") return undefined;
    const runs = isThere(daemon);
    return found({
      node: name,
      title: runs
        ? `The supervisor of ${name} is stopped: nobody would start its daemon again`
        : `The supervisor of ${name} is stopped, and its daemon is dead`,
      severity: runs ? "warning" : "error",
      evidence: [`process ${supervisor.pid} is in state T`, socketWords(outside)],
      next: [
        runs
          ? "the daemon works; should it die, its lease must be waited out and nobody starts it again"
          : `nothing starts the daemon; ${othersWords(timing)}`,
      ],
      commands: [`kill -CONT ${supervisor.pid}`],
    });
  }),
};

const SUPERVISOR_KILLED: Rule = {
  id: "supervisor_killed",
  cause: "The supervisor was killed, and its daemon with it",
  evidence: "its pid file names a process that is gone; the socket is left, and nobody listens",
  next:
    "nobody certifies the death: the others wait the lease out; a keeper or systemd starts it again",
  command: "ctdbx daemon start",
  explainsHere: STANDSTILL,
  explainsAll: COMMOTION,
  find: eachLocal(({ name, outside }, { timing }) => {
    const { supervisor, words } = outside;
    if (supervisor === undefined || !wasKilled(outside)) return undefined;
    const { pid, state } = supervisor;
    return found({
      node: name,
      title: `The supervisor of ${name} was killed, and its daemon with it`,
      severity: "error",
      evidence: [
        `process ${pid}, its supervisor by its pid file, is ${
          state === "zombie" ? "dead and not reaped yet" : "gone"
        }`,
        socketWords(outside),
        "a daemon that ends in order removes its socket",
        ...pageWords(outside),
      ],
      next: [startWords(outside), othersWords(timing)],
      commands: [ctdbx("daemon start", words)],
    });
  }),
};

/** From the deepest cause on. */
export const SUPERVISOR_RULES: readonly Rule[] = [
  CONFIG_ERROR,
  SOCKET_DENIED,
  DAEMON_STOPPED,
  SUPERVISOR_STOPPED,
  SUPERVISOR_KILLED,
];
