/**
 * Reads a folder of CTDB, as a rule /etc/ctdb: its files as texts, its scripts by whether they can be run.
 *
 * Does NOT promise: that nothing is written to it meanwhile.
 */

import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { EXIT } from "../exit_codes.ts";
import { Failure, requireName, systemFailure, usage } from "../failure.ts";
import type { CtdbFile, CtdbFiles, CtdbScript } from "./plan.ts";

/** Largest file of a configuration, bytes. */
export const FILE_BYTES_MAX = 1024 * 1024;
/** Scripts of one folder. */
const SCRIPTS_MAX = 1000;
/** As ctdb's event daemon takes them. */
const SCRIPT_NAME = /^[0-9]{2}\..+\.script$/;

/** Reads it. Throws Failure: not found when it is no folder of CTDB, usage when a file is too long or no UTF-8. */
export function readFolder(path: string): CtdbFiles {
  requireName("Cannot read the configuration of ctdb", path);
  const folder = resolve(path);
  requireFolder(folder);
  const file = (name: string): CtdbFile | undefined => readText(join(folder, name));
  const notify = join(folder, "notify.sh");
  const found: CtdbFiles = {
    folder,
    conf: file("ctdb.conf"),
    nodes: file("nodes"),
    publicAddresses: file("public_addresses"),
    homeNodes: file("home_nodes"),
    tunables: file("ctdb.tunables"),
    scriptOptions: file("script.options"),
    scripts: scriptsIn(join(folder, "events/legacy")).filter(({ file }) => SCRIPT_NAME.test(file)),
    notifications: scriptsIn(join(folder, "events/notification")),
    notify: whyNotRun(notify) === undefined ? notify : undefined,
  };
  if ((found.conf ?? found.nodes ?? found.tunables) !== undefined) return found;
  throw new Failure(
    EXIT.notFound,
    `Cannot read ${path}: there is no ctdb.conf, nodes or ctdb.tunables in it`,
    "name the folder of a configuration of ctdb, as a rule /etc/ctdb",
  );
}

function requireFolder(folder: string): void {
  try {
    if (statSync(folder).isDirectory()) return;
  } catch (error) {
    throw systemFailure(error, `Cannot read ${folder}`);
  }
  throw usage(`Cannot read ${folder}: it is no folder`);
}

/** A file; undefined: there is none. */
function readText(path: string): CtdbFile | undefined {
  try {
    const stats = statSync(path);
    // A pipe would wait for somebody who writes, and a device may have no end.
    if (!stats.isFile()) throw usage(`Cannot read ${path}: it is no regular file`);
    const { size } = stats;
    if (size > FILE_BYTES_MAX) {
      throw usage(`Cannot read ${path}: FILE_BYTES_MAX is ${FILE_BYTES_MAX} bytes`);
    }
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    return { path, text };
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    if (error instanceof Failure) throw error;
    if (error instanceof TypeError) throw usage(`Cannot read ${path}: it is not UTF-8`);
    throw systemFailure(error, `Cannot read ${path}`);
  }
}

function scriptsIn(folder: string): CtdbScript[] {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw systemFailure(error, `Cannot read ${folder}`);
  }
  if (names.length > SCRIPTS_MAX) {
    throw usage(
      `Cannot read ${folder}: it has ${names.length} files, SCRIPTS_MAX is ${SCRIPTS_MAX}`,
    );
  }
  return names.map((file) => ({ file, why: whyNotRun(join(folder, file)) }));
}

/** Why a file cannot be run, a phrase; undefined: it can. Links are followed. */
function whyNotRun(path: string): string | undefined {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return "it is no file";
    if ((stats.mode & 0o111) === 0) return "it is not executable";
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    const { code } = error as { code?: string };
    return code === "ENOENT" ? "it leads to nothing" : `it cannot be read (${code})`;
  }
}
