/**
 * `[[check]]` in a node's configuration: what is looked at, how often, and what failures in a row come to.
 *
 *   [[check]]   name = "web"   kind = "http"   url = "http://127.0.0.1/health"   interval = "5s"   fails = "1:3"
 *
 * Does NOT promise: that there is something to look at; the first look finds out.
 */
import type {
  ExecWish,
  FileWish,
  HttpWish,
  ProbeWish,
  TcpWish,
  Thresholds,
} from "../../transport/probe.ts";
import { PROBE_KINDS } from "../../transport/probe.ts";
import type { ConfigTable } from "../config_table.ts";
import { type CheckRule, CHECKS_MAX, type RestartRule } from "../machines/checks/state.ts";

/** A check as it is configured. */
export interface CheckConfig {
  readonly rule: CheckRule;
  readonly wish: ProbeWish;
  /** Is the node unhealthy while it has failed, and until it was well once? */
  readonly isCritical: boolean;
  /** The command that starts the service anew. */
  readonly restart?: readonly string[];
}

/** Name of a check, characters. */
export const CHECK_NAME_MAX = 63;
const NAME = /^[A-Za-z0-9._-]{1,63}$/;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Words of one command. */
const COMMAND_MAX = 64;
/** Variables, and headers, of one check. */
const PAIRS_MAX = 32;
/** Failures in a row that a verdict may need. */
const FAILS_MAX = 1000;
const WARN_ERROR = /^(\d{0,4}):(\d{0,4})$/;
const TEXT = /^[^\0]{1,4096}$/;
const PATH = /^\/[^\0]{0,4094}$/;

/** Reads all of them. Throws CtdbxError "config", which names the check and the key. */
export function readChecks(root: ConfigTable): readonly CheckConfig[] {
  const names = new Set<string>();
  return root.tables("check", CHECKS_MAX).map((table) => {
    const check = readCheck(table);
    const { name } = check.rule;
    if (names.has(name)) throw table.error("name", "is that of another check, too");
    names.add(name);
    return check;
  });
}

function readCheck(table: ConfigTable): CheckConfig {
  const name = table.text("name", NAME, `1 to ${CHECK_NAME_MAX} of A-Z a-z 0-9 . _ -`);
  const wish = readWish(table);
  const intervalMs = table.span("interval", 10_000, 100, DAY_MS);
  const { warn, error } = readFails(table);
  const command = table.maybeTexts("restart", COMMAND_MAX);
  const restart = readRestart(table, command !== undefined, error ?? warn ?? 1);
  const check: CheckConfig = {
    wish,
    rule: {
      name,
      intervalMs,
      retryMs: table.span("retry", intervalMs, 100, DAY_MS),
      timeoutMs: table.span("timeout", 5000, 100, HOUR_MS),
      warnAfter: warn ?? 0,
      errorAfter: error ?? 0,
      passes: table.int("passes", 1, 1, FAILS_MAX),
      graceMs: table.span("grace", 0, 0, HOUR_MS),
      ...restart === undefined ? {} : { restart },
    },
    isCritical: table.flag("critical", true),
    ...command === undefined ? {} : { restart: command },
  };
  table.end();
  return check;
}

function readRestart(
  table: ConfigTable,
  isWanted: boolean,
  after: number,
): RestartRule | undefined {
  const keys = ["restart_after", "restarts", "restart_wait", "restart_wait_max", "restart_timeout"];
  if (!isWanted) {
    for (const key of keys) {
      if (table.has(key)) throw table.error(key, "is of no use without restart, a command");
    }
    return undefined;
  }
  const firstMs = table.span("restart_wait", 10_000, 100, DAY_MS);
  return {
    after: table.int("restart_after", after, 1, FAILS_MAX),
    limit: table.int("restarts", 3, 1, 1_000_000),
    firstMs,
    mostMs: table.span("restart_wait_max", Math.max(firstMs, 300_000), firstMs, DAY_MS),
    timeoutMs: table.span("restart_timeout", 60_000, 100, HOUR_MS),
  };
}

/** Failures in a row, WARN:ERROR; an empty side: never. */
function readFails(table: ConfigTable): Thresholds {
  const read = readPair(table, "fails", "1:3", FAILS_MAX, "failures in a row");
  const { warn, error } = read;
  if (warn === 0 || error === 0) throw table.error("fails", "must count from 1 on");
  return read;
}

/** Two numbers, WARN:ERROR. */
function readPair(
  table: ConfigTable,
  key: string,
  byDefault: string | undefined,
  max: number,
  said: string,
): Thresholds {
  const form = `WARN:ERROR, ${said}, as ${JSON.stringify(byDefault ?? "80:90")}`;
  const given = table.maybeText(key, WARN_ERROR, form) ?? byDefault;
  if (given === undefined) return { warn: undefined, error: undefined };
  const [warn, error] = given.split(":").map((side) => side === "" ? undefined : Number(side));
  for (const side of [warn, error]) {
    if (side !== undefined && side > max) throw table.error(key, `must be ${max} at most`);
  }
  if (warn === undefined && error === undefined) throw table.error(key, `must be ${form}`);
  if (warn !== undefined && error !== undefined && warn > error) {
    throw table.error(key, "must not have a warning above its error");
  }
  return { warn, error };
}

function percents(table: ConfigTable, key: string, byDefault?: string): Thresholds {
  return readPair(table, key, byDefault, 100, "percent in use");
}

function readWish(table: ConfigTable): ProbeWish {
  const kind = table.oneOf("kind", PROBE_KINDS, undefined);
  switch (kind) {
    case "tcp":
      return readTcp(table);
    case "http":
      return readHttp(table);
    case "exec":
      return readExec(table);
    case "file":
      return readFile(table);
    case "systemd":
      return { kind, unit: table.text("unit", /^[\w.@:\\-]{1,255}$/, "the name of a unit") };
    case "disk": {
      const path = table.text("path", PATH, "an absolute path");
      return {
        kind,
        path,
        used: percents(table, "used", "80:95"),
        files: percents(table, "files"),
      };
    }
    case "memory":
      return { kind, used: percents(table, "used", "85:95"), swap: percents(table, "swap") };
  }
}

function readTcp(table: ConfigTable): TcpWish {
  const host = table.maybeText("host", /^[\w.:-]{1,253}$/, "a name or an address");
  const send = table.maybeText("send", TEXT, "1 to 4096 characters");
  const expect = table.maybeText("expect", TEXT, "1 to 4096 characters");
  return {
    kind: "tcp",
    host: host ?? "127.0.0.1",
    port: table.int("port", undefined, 1, 65535),
    ...send === undefined ? {} : { send },
    ...expect === undefined ? {} : { expect },
  };
}

function readHttp(table: ConfigTable): HttpWish {
  const url = table.text("url", /^https?:\/\/[^\s/]\S{0,2040}$/, "http://... or https://...");
  if (!URL.canParse(url)) throw table.error("url", `must be http://... or https://..., is ${url}`);
  const headers = table.pairs("headers", /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, PAIRS_MAX);
  const status = table.has("status") ? table.int("status", undefined, 100, 599) : undefined;
  const contains = table.maybeText("contains", TEXT, "1 to 4096 characters");
  const method = table.oneOf("method", ["GET", "HEAD"], "GET");
  if (contains !== undefined && method === "HEAD") {
    throw table.error("contains", "is of no use with method HEAD, which has no page");
  }
  return {
    kind: "http",
    url,
    method,
    ...headers === undefined ? {} : { headers },
    ...status === undefined ? {} : { status },
    ...contains === undefined ? {} : { contains },
  };
}

function readExec(table: ConfigTable): ExecWish {
  const env = table.pairs("env", /^[A-Za-z_][A-Za-z0-9_]{0,127}$/, PAIRS_MAX);
  const warnExit = table.has("warn_exit") ? table.int("warn_exit", undefined, 1, 255) : undefined;
  return {
    kind: "exec",
    command: table.texts("command", undefined, COMMAND_MAX),
    ...env === undefined ? {} : { env },
    ...warnExit === undefined ? {} : { warnExit },
  };
}

function readFile(table: ConfigTable): FileWish {
  const bytesMin = table.int("min_size", 0, 0, Number.MAX_SAFE_INTEGER);
  const ageMaxMs = table.has("max_age") ? table.span("max_age", 0, 1000, 366 * DAY_MS) : undefined;
  return {
    kind: "file",
    path: table.text("path", PATH, "an absolute path"),
    ...bytesMin === 0 ? {} : { bytesMin },
    ...ageMaxMs === undefined ? {} : { ageMaxMs },
  };
}
