/**
 * The environment that scripts written for CTDB expect.
 *
 *   CTDB_BASE            DIR: functions, script.options, events/legacy/*.options are read from there by the scripts
 *   CTDB, PATH           the stand-in of `ctdb`, by its path and by its name
 *   CTDB_HELPER_BINDIR   CTDB's helpers, with a stand-in of `ctdb-config`
 *   CTDB_SCRIPT_VARDIR   where scripts keep what they know; empty at the start, `init` of 00.ctdb makes it anew
 *   CTDB_SOCKET          the node's socket: the stand-in asks there; nothing that speaks CTDB's protocol may
 *   CTDB_LOGGING         a file, for what scripts say in the background
 *
 * All else is the event daemon's own, without what is ours in it.
 *
 * Does NOT promise: that a script is content with it; what it lacks it says itself.
 */

/** Where things are; all absolute. */
export interface ScriptSurroundings {
  /** CTDB_BASE. */
  readonly dir: string;
  /** Folder with the stand-ins and links to helpers. */
  readonly tools: string;
  /** Folder for what scripts keep. */
  readonly variable: string;
  /** Socket of the node. */
  readonly socket: string;
  /** File for what is said in the background. */
  readonly log: string;
}

/** Where programs are looked for when nobody says. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Ours; scripts that call ctdbx themselves shall mean what their words say. */
const OWN = /^CTDBX?_/;

/** The environment of every script. */
export function environmentOf(
  { dir, tools, variable, socket, log }: ScriptSurroundings,
  parent: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(parent)) {
    if (value !== undefined && !OWN.test(name)) env[name] = value;
  }
  return {
    ...env,
    PATH: `${tools}:${parent["PATH"] || PATH}`,
    CTDB: `${tools}/ctdb`,
    CTDB_BASE: dir,
    CTDB_HELPER_BINDIR: tools,
    CTDB_SCRIPT_VARDIR: variable,
    CTDB_SOCKET: socket,
    CTDB_LOGGING: `file:${log}`,
    CTDB_DEBUGLEVEL: "NOTICE",
  };
}
