/**
 * Where a node's files are, and reading its configuration.
 *
 *   --home DIR (or CTDBX_HOME):  DIR/ctdbx.toml   DIR/state/             DIR/run/
 *   a node NAME of this machine: /etc/ctdbx/NAME.toml   /var/lib/ctdbx/NAME/   /run/ctdbx/NAME/
 *
 * Without a home a command takes the only node that has a run folder, else it names the choices.
 *
 * Does NOT promise: that the node runs; see control_client.ts.
 */

import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";
import type { NodeConfig } from "../actors/node_config.ts";
import { readNodeConfig } from "../actors/node_config.ts";
import { hasSecrets } from "../actors/services/config.ts";
import { isNodeName, nodesHere, RUN_FOLDER } from "../transport/real_node_places.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure, usage } from "./failure.ts";

/** Largest configuration file, bytes. */
export const CONFIG_BYTES_MAX = 1024 * 1024;
/** Longest path of a unix socket that Linux takes, bytes. */
const SOCKET_PATH_MAX = 107;

/** Everybody may read a file of this mode. */
const OTHERS_READ = 0o004;

const ETC = "/etc/ctdbx";
const VAR = "/var/lib/ctdbx";

/** The places of one node, absolute. */
export interface NodePaths {
  /** Its configuration file. */
  readonly config: string;
  /** Durable: node.id, meta.a, meta.b, scopes, databases. */
  readonly state: string;
  /** Of this boot: socket, state page, pid files. */
  readonly run: string;
  /** The socket of its daemon, in `run`. */
  readonly socket: string;
}

/** The places below one folder. */
export function pathsInHome(home: string): NodePaths {
  const root = resolve(home);
  return pathsOf(join(root, "ctdbx.toml"), join(root, "state"), join(root, "run"));
}

function pathsOf(config: string, state: string, run: string): NodePaths {
  const socket = join(run, "ctdbx.sock");
  if (new TextEncoder().encode(socket).length > SOCKET_PATH_MAX) {
    throw usage(`Cannot use ${run}: the path of a socket has ${SOCKET_PATH_MAX} bytes at most`);
  }
  return { config, state, run, socket };
}

/**
 * The node that a command means: of a home, of a name, or the only one of this machine. Throws Failure (usage or
 * not found).
 */
export function findNode(home: string | undefined, name: string | undefined): NodePaths {
  if (home !== undefined) return pathsInHome(home);
  if (name !== undefined) return named(name);
  const names = nodesHere();
  if (names.length === 1) return named(names[0] as string);
  if (names.length === 0) {
    throw new Failure(
      EXIT.notFound,
      "Cannot find a node: none runs on this machine",
      "name its folder with --home DIR or CTDBX_HOME; `ctdbx dev up` starts a cluster to try",
    );
  }
  throw usage(`Cannot tell which node is meant: ${names.join(", ")}`, "name it with --home");
}

/** Has this machine nodes with a run folder of their own? */
export function hasNodes(): boolean {
  return nodesHere().length > 0;
}

function named(name: string): NodePaths {
  if (!isNodeName(name)) {
    throw usage(`Cannot use "${name}" as the name of a node`);
  }
  return pathsOf(join(ETC, `${name}.toml`), join(VAR, name), join(RUN_FOLDER, name));
}

/** Reads a node's configuration. Throws Failure or CtdbxError "config"; both name the file. */
export function readConfigFile(path: string): NodeConfig {
  let text: string;
  let mode: number;
  try {
    const { size, mode: found } = statSync(path);
    mode = found;
    if (size > CONFIG_BYTES_MAX) {
      throw usage(`Cannot read ${path}: CONFIG_BYTES_MAX is ${CONFIG_BYTES_MAX} bytes`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, `Cannot read ${path}`);
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const [why = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw usage(`Cannot read ${path}: it is no TOML: ${why}`);
  }
  const config = readNodeConfig(value, path);
  const { password, token } = config.nats;
  const isSecret = (password ?? token) !== undefined || hasSecrets(config);
  if (!isSecret || (mode & OTHERS_READ) === 0) return config;
  throw usage(
    `Cannot use ${path}: it holds a secret, and everybody can read it`,
    `chmod 600 ${path}, and change the secret`,
  );
}
