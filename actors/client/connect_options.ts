/**
 * The options of connect(), checked: a misspelt one would be passed over in silence, and the program would talk to
 * another node than it means to.
 *
 *   { server: ["127.0.0.1:4222"] }             config: does not know "server" (servers, cluster, ...)
 *   { servers: [...], home: "/srv/n0" }        config: "home" is of the way by a node of this machine
 *
 * Does NOT promise: that the servers, files and folders that are named exist: who uses them says so.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { isClusterName } from "../../transport/wire/subjects.ts";
import type { ConnectOptions } from "./types.ts";

type Kind = "string" | "boolean" | "number" | "object";
type Way = "here" | "nats" | "both";
type Options = Readonly<Required<ConnectOptions>>;

const KNOWN: Readonly<Record<keyof Options, readonly [Way, Kind]>> = {
  home: ["here", "string"],
  run: ["here", "string"],
  node: ["here", "string"],
  mapped: ["here", "boolean"],
  servers: ["nats", "object"],
  cluster: ["nats", "string"],
  keyFile: ["nats", "string"],
  user: ["nats", "string"],
  password: ["nats", "string"],
  token: ["nats", "string"],
  tls: ["nats", "object"],
  timeoutMs: ["both", "number"],
};
const TLS: Readonly<Record<keyof Options["tls"], Kind>> = {
  ca: "string",
  cert: "string",
  key: "string",
  serverName: "string",
};
const OVER = " over NATS";
/** Longest deadline, ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Throws CtdbxError "config": an option that is not known, of another type, or of the other way to connect. */
export function checkConnectOptions(options: ConnectOptions): void {
  if (typeof options !== "object" || options === null) {
    throw wrong(`the options are an object, not ${kindOf(options)}`);
  }
  const isOver = options.servers !== undefined;
  checkServers(options.servers);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(KNOWN, name)) throw unknown(name, Object.keys(KNOWN));
    const [way, kind] = KNOWN[name as keyof Options];
    if (typeof value !== kind || value === null) {
      throw wrong(`${name} is a ${kind}, not ${kindOf(value)}`);
    }
    if (way === "here" && isOver) {
      throw wrong(`${name} is for the node of this machine; with servers it says nothing`);
    }
    if (way === "nats" && !isOver) {
      throw wrong(`${name} is for a way over NATS; name the servers, too`);
    }
  }
  checkTls(options.tls);
  if (isOver && !isClusterName(options.cluster ?? "")) {
    throw wrong("name the cluster, as nodes do", OVER);
  }
  const { timeoutMs = 1 } = options;
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw wrong(`timeoutMs is 1 to ${MAX_TIMEOUT_MS} ms, not ${timeoutMs}`);
  }
}

function checkTls(tls: ConnectOptions["tls"]): void {
  for (const [name, value] of Object.entries(tls ?? {})) {
    if (value === undefined) continue;
    if (!Object.hasOwn(TLS, name)) throw unknown(`tls.${name}`, Object.keys(TLS));
    if (typeof value !== "string") {
      throw wrong(`tls.${name} is a path or a name, not ${kindOf(value)}`);
    }
  }
}

function checkServers(servers: ConnectOptions["servers"]): void {
  if (servers === undefined) return;
  const isList = Array.isArray(servers) && servers.length > 0;
  if (!isList || servers.some((each) => typeof each !== "string")) {
    throw wrong('servers is a list, as ["127.0.0.1:4222"]', OVER);
  }
}

function unknown(name: string, known: readonly string[]): CtdbxError {
  return wrong(`no option ${JSON.stringify(name).slice(0, 80)}; there are ${known.join(", ")}`);
}

function wrong(what: string, over = ""): CtdbxError {
  return new CtdbxError("config", `Cannot connect${over}: ${what}`);
}

/** What a value is, for people. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value;
}
