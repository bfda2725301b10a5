/**
 * The configuration of a node: what its file may say, and what holds where it says nothing.
 *
 *   cluster = "edge"    name = "n0"    [nats] servers = [...]    [lock] kind = "jetstream"    [log] level = "info"
 *
 * A key that is not known is refused by name: a mistyped one would otherwise be a default in disguise.
 *
 * Does NOT promise: that the servers exist, or that the lock works; the daemon finds out and says so.
 */
import type { LogLevel } from "../transport/world.ts";
import { LEVEL } from "../transport/wire/level.ts";
import { readAddresses, type WithAddresses } from "./addresses/config.ts";
import { ConfigTable } from "./config_table.ts";
import { readScripts, type ScriptsConfig } from "./events/scripts_config.ts";
import { type NatsOptions, readNats } from "./node_nats.ts";
import { readServices, type ServicesConfig } from "./services/config.ts";

/** How leaders are chosen; see docs/protocol on the lock. */
export type LockConfig =
  | { readonly kind: "jetstream" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "helper"; readonly command: readonly string[] }
  | { readonly kind: "single" };

/** What a node is told. */
export interface NodeConfig extends ServicesConfig, WithAddresses {
  /** Name of the cluster in subjects: 1 to 63 of [A-Za-z0-9_-]. */
  readonly cluster: string;
  /** Name of the node for people: 1 to 63 of [A-Za-z0-9._-]. */
  readonly name: string;
  readonly nats: NatsOptions;
  readonly lock: LockConfig;
  readonly log: { readonly level: LogLevel };
  /** The newest protocol and format that it is to know; the newest of all when absent. For trying versions together. */
  readonly level?: number;
  /** May faults be made on demand? For clusters to try things with. */
  readonly chaos: boolean;
  /** Files with procedures for records, absolute; see cli/load_procedures.ts. None when absent. */
  readonly procedures?: readonly string[];
  /** Events for monitors: are they told as CBOR, too? Default: yes. */
  readonly events?: { readonly cbor: boolean };
  /** Event scripts; undefined: none are run. */
  readonly scripts?: ScriptsConfig;
  /** Metrics over HTTP at host:port; a host of IPv6 in brackets. Undefined: none. */
  readonly metrics?: { readonly listen: string };
}

/** Where metrics are served: a host and a port from 1. */
const LISTEN = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[\w.-]{1,253}):[1-9]\d{0,4}$/;
/** Files with procedures. */
const PROCEDURE_FILES_MAX = 64;
const LEVEL_WORDS: readonly string[] = Array.from({ length: LEVEL }, (_, i) => String(LEVEL - i));
const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/**
 * Reads what a configuration file holds. `where` names the file. Throws CtdbxError "config" with the key and what is
 * wrong with it.
 */
export function readNodeConfig(value: unknown, where: string): NodeConfig {
  const root = new ConfigTable(value, where, "");
  const log = root.table("log");
  const config: NodeConfig = {
    cluster: root.text("cluster", /^[A-Za-z0-9_-]{1,63}$/, "1 to 63 of A-Z a-z 0-9 _ -"),
    name: root.text("name", /^[A-Za-z0-9._-]{1,63}$/, "1 to 63 of A-Z a-z 0-9 . _ -"),
    nats: readNats(root.table("nats")),
    lock: readLock(root.table("lock")),
    log: { level: log.oneOf("level", LEVELS, "info") },
    chaos: root.flag("chaos", false),
    ...readProcedures(root),
    ...maybeScripts(root),
    ...readMonitoring(root),
    ...readServices(root),
    ...readAddresses(root),
    ...readTest(root),
  };
  for (const table of [log, root]) table.end();
  return config;
}

function maybeScripts(root: ConfigTable): Pick<NodeConfig, "scripts"> {
  const scripts = readScripts(root);
  return scripts === undefined ? {} : { scripts };
}

function readProcedures(root: ConfigTable): Pick<NodeConfig, "procedures"> {
  const paths = root.maybeTexts("procedures", PROCEDURE_FILES_MAX);
  if (paths === undefined) return {};
  const wrong = paths.find((path) => !path.startsWith("/"));
  if (wrong === undefined) return { procedures: paths };
  throw root.error("procedures", `must be absolute paths, is ${JSON.stringify(wrong)}`);
}

function readMonitoring(root: ConfigTable): Pick<NodeConfig, "events" | "metrics"> {
  const events = root.maybeTable("events");
  const metrics = root.maybeTable("metrics");
  const read = {
    ...events === undefined ? {} : { events: { cbor: events.flag("cbor", true) } },
    ...metrics === undefined
      ? {}
      : { metrics: { listen: metrics.text("listen", LISTEN, "host:port, as 127.0.0.1:9413") } },
  };
  events?.end();
  metrics?.end();
  return read;
}

/** What only tests of mixed versions say. */
function readTest(root: ConfigTable): Pick<NodeConfig, "level"> {
  const table = root.maybeTable("test");
  if (table === undefined) return {};
  const level = Number(table.oneOf("level", LEVEL_WORDS, LEVEL_WORDS[0] as string));
  table.end();
  return { level };
}

function readLock(table: ConfigTable): LockConfig {
  const kind = table.oneOf("kind", ["jetstream", "file", "helper", "single"], "jetstream");
  let lock: LockConfig;
  switch (kind) {
    case "file":
      lock = { kind, path: table.text("path", /^\//, "an absolute path") };
      break;
    case "helper":
      lock = { kind, command: table.texts("command", undefined, 64) };
      break;
    default:
      lock = { kind };
  }
  table.end();
  return lock;
}
