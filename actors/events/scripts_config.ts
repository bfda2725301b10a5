/**
 * The section of a node's configuration that has event scripts run. Without it there are none.
 *
 *   [scripts]
 *   dir = "/etc/ctdb"                          # its events/legacy/NN.name.script are run
 *   stock = "/usr/share/ctdb/events"           # where `event enable` finds more
 *   helpers = "/usr/libexec/ctdb"              # programs that scripts call by CTDB_HELPER_BINDIR
 *   debug = "debug-hung-script.sh"             # in `dir`: is called with the pid and the event of a script that hangs
 *   timeout = 30    monitor_interval = 15    monitor_timeouts = 20      # without: the cluster's tunables
 *
 * Does NOT promise: that the folders are there; the event daemon looks, and says what is wrong.
 */
import type { ConfigTable } from "../config_table.ts";
import type { EventTiming } from "../machines/events/state.ts";

/** What is configured. */
export interface ScriptsConfig {
  /** The folder that scripts know as CTDB_BASE; absolute. */
  readonly dir: string;
  /** Folder with a folder `legacy` of scripts that may be enabled; absolute. */
  readonly stock: string;
  /** Absolute; undefined: the first of HELPERS that is there. */
  readonly helpers?: string;
  /** A file in `dir`; undefined: nothing is called. */
  readonly debug?: string;
  /** What holds for this node whatever the tunables of the cluster say; what is absent follows them. */
  readonly timing: Partial<EventTiming>;
}

/** Where Debian has the scripts that came with CTDB. */
export const STOCK = "/usr/share/ctdb/events";
/** Where distributions have CTDB's helpers. */
export const HELPERS = ["/usr/libexec/ctdb", "/usr/lib/ctdb"] as const;
/** CTDB's tunables of these names. */
export const DEFAULT_TIMING: EventTiming = {
  timeoutMs: 30_000,
  monitorMostMs: 15_000,
  timeoutsMost: 20,
};
/** Longest time-out of an event and longest interval of monitor events, s. */
export const SECONDS_MAX = 3600;

const ABSOLUTE = /^\/[^\0]{0,255}$/;
const BARE = /^[^/\0]{1,127}$/;

/** Reads the section; undefined: there is none. Throws CtdbxError "config". */
export function readScripts(root: ConfigTable): ScriptsConfig | undefined {
  const table = root.maybeTable("scripts");
  if (table === undefined) return undefined;
  const helpers = table.maybeText("helpers", ABSOLUTE, "an absolute path");
  const debug = table.maybeText("debug", BARE, "the name of a file in dir");
  const config: ScriptsConfig = {
    dir: table.text("dir", ABSOLUTE, "an absolute path"),
    stock: table.maybeText("stock", ABSOLUTE, "an absolute path") ?? STOCK,
    ...helpers === undefined ? {} : { helpers },
    ...debug === undefined ? {} : { debug },
    timing: readTiming(table),
  };
  table.end();
  return config;
}

function readTiming(table: ConfigTable): Partial<EventTiming> {
  // 0 stands for "not given".
  const seconds = (key: string): number => 1000 * table.int(key, 0, 0, SECONDS_MAX);
  const timeoutMs = seconds("timeout");
  const monitorMostMs = seconds("monitor_interval");
  const timeoutsMost = table.int("monitor_timeouts", 0, 0, 1000);
  return {
    ...timeoutMs === 0 ? {} : { timeoutMs },
    ...monitorMostMs === 0 ? {} : { monitorMostMs },
    ...timeoutsMost === 0 ? {} : { timeoutsMost },
  };
}
