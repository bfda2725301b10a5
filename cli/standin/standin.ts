/**
 * The stand-in of CTDB's tool: what event scripts call as `ctdb`, answered by the node of ctdbx.
 *
 *   script ── ctdb -X nodestatus all ──▶ ctdbx event ctdb --socket S -- -X nodestatus all ──▶ socket ──▶ CTDB's form
 *
 * What is not answered says so on standard error, and ends with 1; a word that CTDB's tool does not know, either, is
 * told as that does.
 *
 * Does NOT promise: all of CTDB's tool; what its stock scripts ask, and what is near to that.
 */

import { createServer } from "node:net";
import { constants } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { askOnce } from "../commands/asking.ts";
import type { NodePaths } from "../config.ts";
import { Failure } from "../failure.ts";
import type { CommandWorld } from "../world.ts";
import { readInput } from "../world.ts";
import { announce, ips, noteTickles, tickles } from "./addresses.ts";
import { callOf, type StandinCall, type StandinEnd, type StandinPorts, unsaid } from "./form.ts";
import {
  capabilities,
  daemonPid,
  leader,
  listNodes,
  nodeStatus,
  ping,
  pnn,
  runstate,
  status,
} from "./nodes.ts";
import { attach, catDatabase, databaseMap, transact } from "./records.ts";
import { checkPort, eventScript, eventStatus, getVar, ifaces, setLink, setVar } from "./scripts.ts";

/** Longest input of a script, bytes. */
const INPUT_MAX = 16 * 1024 * 1024;

type Answer = (call: StandinCall, ports: StandinPorts) => StandinEnd | Promise<StandinEnd>;

/** All that is answered, by the first word. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  pnn: (_call, ports) => pnn(ports),
  nodestatus: nodeStatus,
  status,
  listnodes: listNodes,
  runstate,
  leader: (_call, ports) => leader(ports),
  // Of CTDB before 4.15.
  recmaster: (_call, ports) => leader(ports),
  getcapabilities: capabilities,
  getpid: (_call, ports) => daemonPid(ports),
  ping: (_call, ports) => ping(ports),
  attach: ({ words }, ports) => attach(words, ports),
  getdbmap: databaseMap,
  catdb: ({ words }, ports) => catDatabase(words, ports),
  ptrans: ({ words }, ports) => transact(words, ports),
  ifaces,
  setifacelink: ({ words }, ports) => setLink(words, ports),
  checktcpport: ({ words }, ports) => checkPort(words, ports),
  getvar: ({ words }, ports) => getVar(words, ports),
  setvar: ({ words }, ports) => setVar(words, ports),
  scriptstatus: ({ words: [, event = "monitor"] }, ports) => eventStatus(event, ports),
  event: ({ words }, ports) => event(words, ports),
  ip: ips,
  gettickles: tickles,
  addtickle: noteTickles,
  deltickle: noteTickles,
  tickle: noteTickles,
  gratarp: announce,
  // Its older name.
  gratiousarp: announce,
};
/** What CTDB's tool knows beside these. */
const UNANSWERED = new Set(
  (
    "uptime stats statistics listvars statisticsreset statsreset process-exists moveip " +
    "addip delip reloadips ipinfo ipiface reallocate ipreallocate disable enable stop " +
    "continue ban unban shutdown recover backupdb restoredb wipedb dumpdbbackup " +
    "getreclock setlmasterrole setleaderrole setrecmasterrole setdbreadonly setdbsticky " +
    "readkey writekey deletekey pfetch pstore pdelete pulldb cattdb dumpmemory " +
    "rddumpmemory getdebug setdebug lvs natgw killtcp rebalancenode rebalanceip " +
    "reloadnodes eventscript runevent detach version getdbstatus getdbseqnum dbstatistics " +
    "config help"
  ).split(" "),
);

/** Answers one call. Never rejects. */
export async function answerCtdb(
  given: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  const call = callOf(given);
  if (typeof call === "string") return unsaid(call);
  const [verb] = call.words;
  if (verb === undefined) return unsaid("usage: ctdb [-X] [-v] COMMAND ...");
  const answer = Object.hasOwn(ANSWERS, verb) ? ANSWERS[verb] : undefined;
  if (answer === undefined) {
    const known = `ctdbx does not answer \`ctdb ${verb}\``;
    return unsaid(UNANSWERED.has(verb) ? known : `Unknown command '${verb}'`);
  }
  try {
    return await answer(call, ports);
  } catch (error) {
    if (error instanceof Failure || error instanceof CtdbxError) return unsaid(error.message);
    throw error;
  }
}

async function event(words: readonly string[], ports: StandinPorts): Promise<StandinEnd> {
  const [, verb, component, name = ""] = words;
  if (verb === "script") return await eventScript(words.slice(2), ports);
  if (verb === "status" && component === "legacy") return await eventStatus(name, ports);
  return unsaid(`ctdbx does not answer \`ctdb event ${verb ?? ""}\``);
}

/** The ports of a process: the node behind a socket. */
export function standinPorts(socket: string, world: CommandWorld): StandinPorts {
  const run = dirname(socket);
  const paths: NodePaths = { config: "", state: "", run, socket };
  return {
    ask: (verb, args) => askOnce(paths, verb, args),
    input: async () => new TextDecoder().decode(await readInput(world, INPUT_MAX, "the input")),
    cluster: async (use) => {
      const connect = world.connect ?? (await import("../../actors/mod.ts")).connect;
      const cluster = await connect({ run });
      try {
        return await use(cluster);
      } finally {
        await cluster.close();
      }
    },
    bind: tryPort,
  };
}

/** Listens for a moment on all addresses of IPv4, as CTDB's tool does. */
function tryPort(port: number): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: { readonly code?: string; readonly errno?: number }) => {
      const codes: Readonly<Record<string, number>> = constants.errno;
      resolve(codes[error.code ?? ""] ?? Math.abs(error.errno ?? 1));
    });
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(0)));
  });
}

/** Runs the stand-in as a command: writes what it says, and ends the process with its exit code. */
export async function runStandin(
  socket: string,
  given: readonly string[],
  world: CommandWorld,
): Promise<never> {
  const { terminal } = world;
  const { code, out = "", err = "" } = await answerCtdb(given, standinPorts(socket, world));
  terminal.out.write(out);
  terminal.out.flush();
  terminal.err.write(err);
  terminal.err.flush();
  process.exit(code);
}
