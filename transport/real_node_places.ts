/**
 * Where the nodes of this machine are.
 *
 *   a home DIR:    DIR/ctdbx.toml         DIR/state/             DIR/run/
 *   a node NAME:   /etc/ctdbx/NAME.toml   /var/lib/ctdbx/NAME/   /run/ctdbx/NAME/
 *
 * Does NOT promise: that a node is there, or runs.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { CtdbxError } from "./wire/errors.ts";

/** Below it each node of the machine that has no home has its run folder. */
export const RUN_FOLDER = "/run/ctdbx";
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/;
/** Where a cluster to try things with has its first node, unless it was told another place. */
const TRY_HOME = "CTDBX_HOME=~/.local/state/ctdbx/dev/n0";
/** The socket of programs, in the run folder. */
export const DATA_SOCKET = "data.sock";

/** Names of nodes with a run folder of their own, sorted; none where we may not look. */
export function nodesHere(): string[] {
  try {
    return existsSync(RUN_FOLDER) ? readdirSync(RUN_FOLDER).sort() : [];
  } catch {
    return [];
  }
}

/**
 * The run folder of the node that is meant: of a home, of a name, of CTDBX_HOME, or the only one of this machine.
 * Throws "not_found", "config".
 */
export function runFolderOf(home: string | undefined, name: string | undefined): string {
  if (home !== undefined) return join(resolve(home), "run");
  if (name !== undefined) return named(name);
  const ownHome = environment("CTDBX_HOME");
  if (ownHome !== undefined && ownHome !== "") return join(resolve(ownHome), "run");
  const names = nodesHere();
  const [only] = names;
  if (names.length === 1 && only !== undefined) return named(only);
  if (names.length === 0) {
    const hint = isHidden("CTDBX_HOME")
      ? "CTDBX_HOME may not be looked at: name the home, or on Deno --allow-env=CTDBX_HOME"
      : `name its home, or set CTDBX_HOME; a node of \`npm start\` or \`ctdbx dev up\`: ${TRY_HOME}`;
    throw new CtdbxError("not_found", `Cannot find a node: none is in ${RUN_FOLDER}; ${hint}`);
  }
  const choices = names.join(", ");
  throw new CtdbxError("config", `Cannot tell which node is meant: ${choices}; name one`);
}

/** What to do when nobody listens in a run folder. `wasThere`: somebody did before, in this program's life. */
export function silentHint(run: string, wasThere: boolean): string {
  const home = dirname(run);
  if (wasThere) {
    return "it did, and has ended; its supervisor starts it again, unless that was stopped";
  }
  if (isThere(join(home, "n0", "run"))) {
    return `${home} is a cluster of dev; its nodes are ${join(home, "n0")} and so on`;
  }
  if (isThere(join(dirname(home), "dev.json"))) {
    return `start its cluster: ctdbx dev up --home ${dirname(home)}`;
  }
  if (isThere(join(home, "ctdbx.toml"))) return `start it: ctdbx daemon start --home ${home}`;
  return "is it the folder of a node?";
}

/** Can a node be called so? */
export function isNodeName(name: string): boolean {
  return NAME.test(name);
}

function named(name: string): string {
  if (isNodeName(name)) return join(RUN_FOLDER, name);
  throw new CtdbxError("config", `Cannot use "${name}" as the name of a node`);
}

/** Is there such a file, as far as we may look? */
function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/** May we not even look? */
function isHidden(name: string): boolean {
  try {
    return process.env[name] === null;
  } catch {
    return true;
  }
}

/** A runtime that does not let us look has none. */
function environment(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}
