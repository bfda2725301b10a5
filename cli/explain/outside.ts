/**
 * What this machine shows of a node, for `explain`: its processes, its files, its logs; all but the socket, which may
 * take its time (gather.ts).
 *
 * Does NOT promise: the daemon's own view of its disk where its file system cannot be looked into; then it is this
 * process' view.
 */

import {
  accessSync,
  constants,
  existsSync,
  openSync,
  readSync,
  statfsSync,
  statSync,
} from "node:fs";
import { closeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import type { LogFact, OutsideFacts, ProcessFact } from "../../actors/explain/facts.ts";
import { shellWord } from "../../actors/explain/words.ts";
import type { NodeConfig } from "../../actors/node_config.ts";
import { readIdentity } from "../../actors/storage/node_identity.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import type { ImageStore } from "../../transport/image.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { type NodePaths, readConfigFile } from "../config.ts";
import { childOf, processFact, processOfFile, readText } from "./processes.ts";
import { reportOf } from "../failure.ts";

/** So much of the end of a log is read, bytes. */
const LOG_BYTES = 16 * 1024;
/** Lines of all logs of a node that are kept. */
const LOG_LINES = 20;
/** Lines that are older say nothing of now, ms. */
const LOG_AGE_MS = 10 * 60_000;

const DAEMON = ["daemon", "run"] as const;
const SUPERVISOR = ["daemon", "supervise"] as const;

/** A node of this machine, before its socket was asked. */
export interface LocalNode {
  readonly paths: NodePaths;
  readonly name: string;
  /** By its files; undefined: they do not say. */
  readonly clusterId: string | undefined;
  /** Undefined: it cannot be read. */
  readonly config: NodeConfig | undefined;
  readonly outside: Omit<OutsideFacts, "socket">;
}

/** Looks at the processes and files of a node. `words`: the options that name it to a command. */
export function lookOutside(
  paths: NodePaths,
  words: string,
  store: ImageStore,
  wallMs: number,
): LocalNode {
  const { config, fault } = configOf(paths);
  const supervisor = processOfFile(join(paths.run, "supervisor.pid"), SUPERVISOR);
  const { page, pid } = pageOf(paths, store);
  const daemon = daemonOf(pid, supervisor);
  const identity = identityOf(paths);
  const keeper = keeperOf(paths);
  const server = config?.nats.server;
  const space = spaceOf(paths.state, daemon);
  return {
    paths,
    name: config?.name ?? identity?.name ?? basename(dirname(paths.state)),
    clusterId: identity?.clusterId,
    config,
    outside: {
      words,
      configPath: paths.config,
      stateFolder: paths.state,
      runFolder: paths.run,
      socketPath: paths.socket,
      ...identity?.left === undefined ? {} : { left: identity.left },
      ...fault === undefined ? {} : { configFault: fault },
      ...supervisor === undefined ? {} : { supervisor },
      ...daemon === undefined ? {} : { daemon },
      ...keeper === undefined ? {} : { keeper },
      ...server === undefined
        ? {}
        : { servers: [server.listen, server.advertise ?? server.listen] },
      ...page === undefined ? {} : { page },
      ...space === undefined ? {} : { space },
      log: logOf(paths, wallMs),
    },
  };
}

/** The options that name a node to a command. */
export function homeWords(home: string): string {
  return `--home ${shellWord(home)}`;
}

function configOf(
  { config: path }: NodePaths,
): { readonly config?: NodeConfig; readonly fault?: string } {
  try {
    return { config: readConfigFile(path) };
  } catch (error) {
    return { fault: reportOf(error).message };
  }
}

function identityOf(
  { state }: NodePaths,
): { name: string; clusterId: string | undefined; left?: string } | undefined {
  try {
    const identity = readIdentity(new RealDisk(), state);
    if (identity === undefined) return undefined;
    const { name, left, clusterId } = identity;
    return {
      name,
      clusterId,
      ...left === undefined ? {} : { left: `its state folder says: ${left.why}` },
    };
  } catch {
    // A file that is damaged names nobody; the daemon's own log says what is wrong with it.
    return undefined;
  }
}

/** What its state page says, and of whom. */
function pageOf(
  { run }: NodePaths,
  store: ImageStore,
): { readonly page?: OutsideFacts["page"]; readonly pid?: number } {
  const path = join(run, "state");
  if (!existsSync(path)) return {};
  let page: StatePage;
  try {
    page = StatePage.open(store, path);
  } catch {
    // It is being made.
    return {};
  }
  try {
    const state = page.read();
    if (state === undefined) return {};
    const { leaseEndNs, pid } = state;
    if (leaseEndNs === 0n) return { page: { isEnded: true, leaseLeftMs: 0 }, pid };
    const leaseLeftMs = Math.round(Number(leaseEndNs) / 1e6 - new RealClock().nowMs());
    return { page: { isEnded: false, leaseLeftMs }, pid };
  } finally {
    page.close();
  }
}

function daemonOf(
  pid: number | undefined,
  supervisor: ProcessFact | undefined,
): ProcessFact | undefined {
  const named = pid === undefined ? undefined : processFact(pid, DAEMON);
  if (named !== undefined && named.state !== "gone") return named;
  const child = supervisor === undefined || supervisor.state === "gone"
    ? undefined
    : childOf(supervisor.pid, DAEMON);
  return child ?? named;
}

/** The keeper of the dev cluster that a home belongs to. */
function keeperOf({ config }: NodePaths): ProcessFact | undefined {
  const home = dirname(dirname(config));
  if (!existsSync(join(home, "dev.json"))) return undefined;
  const path = join(home, "keeper.pid");
  const kept = processOfFile(path, ["dev", "keep"]);
  const found = kept?.state === "gone" ? processOfFile(path, ["dev", "run"]) : kept;
  return found?.state === "gone" || found?.state === "zombie" ? undefined : found;
}

/** The file system of the state folder: as the daemon sees it, where it runs and its root can be looked into. */
function spaceOf(folder: string, daemon: ProcessFact | undefined): OutsideFacts["space"] {
  const inside = daemon === undefined ? folder : `/proc/${daemon.pid}/root${folder}`;
  for (const path of [inside, folder]) {
    try {
      const { bavail, bsize, blocks, ffree, files } = statfsSync(path);
      const denied = denialOf(path);
      return {
        freeBytes: bavail * bsize,
        totalBytes: blocks * bsize,
        // Some file systems count no files.
        freeFiles: files === 0 ? 1 : ffree,
        ...denied === undefined ? {} : { denied },
      };
    } catch {
      // Not there, or not for us: the next view of it.
    }
  }
  return undefined;
}

/** Why the folder cannot be written; only its owner is told. */
function denialOf(path: string): string | undefined {
  const uid = process.getuid?.();
  if (uid !== 0 && statSync(path).uid !== uid) return undefined;
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    if (code === "EROFS") return "its file system is mounted read-only";
    return code === "EACCES" || code === "EPERM" ? "permission denied" : `${code || error}`;
  }
}

/** Warnings and errors at the end of its logs, the newest last. */
function logOf({ run }: NodePaths, wallMs: number): LogFact[] {
  const lines = [
    ...jsonLines("daemon", join(run, "daemon.log"), wallMs),
    ...jsonLines("supervisor", join(run, "supervisor.log"), wallMs),
    ...plainLines("daemon", join(run, "daemon.out"), wallMs),
    ...plainLines("supervisor", join(run, "supervisor.out"), wallMs),
  ];
  return lines.filter(({ msAgo }) => msAgo === undefined || msAgo <= LOG_AGE_MS)
    .sort((one, other) => (other.msAgo ?? 0) - (one.msAgo ?? 0)).slice(-LOG_LINES);
}

/** Lines of JSON as transport/real_log.ts writes them. */
function jsonLines(part: LogFact["part"], path: string, wallMs: number): LogFact[] {
  return endOf(path).flatMap((line) => {
    if (!/"level":"(?:WARN|WARNING|ERROR|FATAL)"/.test(line)) return [];
    try {
      const { message, properties = {}, ["@timestamp"]: at } = JSON.parse(line) as {
        message?: unknown;
        properties?: Record<string, unknown>;
        "@timestamp"?: string;
      };
      const atMs = Date.parse(at ?? "");
      const text = `${message}${detailOf(properties)}`.slice(0, 300);
      return [{ part, ...Number.isNaN(atMs) ? {} : { msAgo: Math.max(0, wallMs - atMs) }, text }];
    } catch {
      // A line that was cut by a full disk, or the first of what was read.
      return [];
    }
  });
}

/** The error, or what else says why. */
function detailOf(properties: Record<string, unknown>): string {
  for (const name of ["error", "why", "text"]) {
    const value = properties[name];
    if (typeof value === "string") return ` (${value})`;
    const message = (value as { message?: unknown } | undefined)?.message;
    if (typeof message === "string") return ` (${message})`;
  }
  return "";
}

/** What a process said on standard error when it could not go on. */
function plainLines(part: LogFact["part"], path: string, wallMs: number): LogFact[] {
  const said = endOf(path).filter((line) => line.startsWith("ctdbx: ")).slice(-1);
  if (said.length === 0) return [];
  const msAgo = Math.max(0, Math.round(wallMs - statSync(path).mtimeMs));
  return said.map((line) => ({ part, msAgo, text: line.slice("ctdbx: ".length, 300) }));
}

/** The lines at the end of a file; the first one may be cut. */
function endOf(path: string): string[] {
  if (!existsSync(path)) return [];
  const size = statSync(path).size;
  if (size <= LOG_BYTES) return (readText(path) ?? "").split("\n");
  const bytes = new Uint8Array(LOG_BYTES);
  const file = openSync(path, "r");
  try {
    const count = readSync(file, bytes, 0, LOG_BYTES, size - LOG_BYTES);
    return new TextDecoder().decode(bytes.subarray(0, count)).split("\n").slice(1);
  } finally {
    closeSync(file);
  }
}
