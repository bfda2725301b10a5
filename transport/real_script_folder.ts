/**
 * Folders of event scripts on this machine, and which of their files may be run.
 *
 *   NN.NAME.script  regular file, executable, owned by root or by us, writable by nobody else   enabled
 *   ...             not executable                                                       disabled
 *   ...             writable by others, another's, no regular file, a link to nothing     refused: its event fails
 *   another name                                                                         ignored
 *
 * A link is judged by what it names, and so is the folder of that. Upstream: event_script.c; differs from upstream: it
 * runs what others may write to.
 *
 * Does NOT promise: anything about what a script itself runs or reads.
 */
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { nodeError, systemCode } from "./real_errors.ts";
import type { FoundScript, FoundScripts, ScriptFolder } from "./script_folder.ts";
import { CtdbxError } from "./wire/errors.ts";
import { SCRIPT_NAME_MAX, SCRIPTS_MAX } from "./wire/event_daemon.ts";
import { fitText } from "./wire/limits.ts";

/** How the file of a script is called. */
const NAME = /^\d\d\.[^/]+\.script$/;
const ENDING = ".script";
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const EXECUTABLE = 0o111;
const OWNER_EXECUTES = 0o100;

/** Where they are; absolute. */
export interface ScriptPlaces {
  /** The folder of events: DIR/events/legacy. */
  readonly folder: string;
  /** Folders above it that are ours, too: DIR/events and DIR. */
  readonly above: readonly string[];
  /** Scripts that came with a package; undefined: none. */
  readonly stock?: string;
}

/** Those of one folder. */
export class RealScriptFolder implements ScriptFolder {
  readonly #places: ScriptPlaces;

  constructor(places: ScriptPlaces) {
    this.#places = places;
  }

  look(): FoundScripts {
    const { folder, above, stock } = this.#places;
    const why = [...above, folder].map(folderFault).find((fault) => fault !== undefined);
    const own = namesIn(folder).map((name) => foundOrGone(folder, name));
    const taken = new Set(own.map(({ name }) => name));
    const others = stock === undefined ? [] : namesIn(stock)
      .filter((name) => NAME.test(name) && !taken.has(plain(name)))
      .map((name) => stockScript(stock, name));
    const runnable = own.filter(({ state }) => state !== "ignored").length;
    const many = runnable > SCRIPTS_MAX ? `SCRIPTS_MAX is ${SCRIPTS_MAX}` : undefined;
    const fault = why ?? many;
    return {
      scripts: [...own, ...others.slice(0, SCRIPTS_MAX)].slice(0, 3 * SCRIPTS_MAX),
      ...fault === undefined ? {} : { why: fitText(fault) },
    };
  }

  switch(given: string, isEnabled: boolean): FoundScript {
    const { folder, stock } = this.#places;
    const name = plain(given);
    const file = `${name}${ENDING}`;
    const what = `Cannot ${isEnabled ? "enable" : "disable"} ${name}`;
    if (!NAME.test(file) || file.length > SCRIPT_NAME_MAX) {
      throw new CtdbxError("state", `${what}: scripts are called NN.NAME, as 10.interface`);
    }
    const path = join(folder, file);
    const before = statOf(path);
    try {
      if (before === undefined) this.#link(what, path, file, isEnabled);
      else if (before.isSymbolicLink()) {
        if (!isEnabled) unlinkSync(path);
      } else if (!before.isFile()) {
        throw new CtdbxError("state", `${what}: ${path} is no regular file`);
      } else {
        const mode = before.mode & 0o7777;
        chmodSync(path, isEnabled ? mode | OWNER_EXECUTES : mode & ~EXECUTABLE);
      }
    } catch (error) {
      throw nodeError(what, error);
    }
    if (statOf(path) !== undefined) return found(folder, file);
    return stockScript(stock ?? folder, file);
  }

  #link(what: string, path: string, file: string, isEnabled: boolean): void {
    const { stock, folder } = this.#places;
    const target = stock === undefined ? undefined : join(stock, file);
    if (target === undefined || statOf(target) === undefined) {
      const places = [folder, ...stock === undefined ? [] : [stock]].join(" or ");
      throw new CtdbxError("not_found", `${what}: there is no ${file} in ${places}`);
    }
    if (isEnabled) symlinkSync(target, path);
  }
}

function plain(name: string): string {
  return name.endsWith(ENDING) ? name.slice(0, -ENDING.length) : name;
}

/** Sorted by bytes, as the numbers in front want it. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((one, other) => one < other ? -1 : 1);
  } catch {
    return [];
  }
}

/** A stock script is judged when it is enabled. */
function stockScript(stock: string, file: string): FoundScript {
  const path = join(stock, file);
  return { name: shortName(file), state: "disabled", place: "stock", path };
}

function shortName(file: string): string {
  return fitText(plain(file), SCRIPT_NAME_MAX);
}

/** One that goes while it is looked at was not there. */
function foundOrGone(folder: string, file: string): FoundScript {
  try {
    return found(folder, file);
  } catch (error) {
    const why = fitText(`it cannot be looked at: ${systemCode(error) ?? String(error)}`);
    const name = fitText(file, SCRIPT_NAME_MAX);
    return { name, state: "ignored", place: "folder", path: join(folder, file), why };
  }
}

function found(folder: string, file: string): FoundScript {
  const path = join(folder, file);
  const base = { name: shortName(file), place: "folder", path } as const;
  if (!NAME.test(file)) {
    const options = file.endsWith(".options")
      ? "options of a script"
      : "its name is not NN.NAME.script";
    return { ...base, name: fitText(file, SCRIPT_NAME_MAX), state: "ignored", why: options };
  }
  if (file.length > SCRIPT_NAME_MAX) {
    return { ...base, state: "refused", why: `SCRIPT_NAME_MAX is ${SCRIPT_NAME_MAX} characters` };
  }
  const link = statOf(path);
  if (link === undefined) return { ...base, state: "ignored", why: "it has just gone" };
  const target = link.isSymbolicLink() ? { target: readlinkSync(path) } : {};
  const why = fileFault(path, link);
  if (why !== undefined) return { ...base, ...target, state: "refused", why: fitText(why) };
  if ((statSync(path).mode & EXECUTABLE) !== 0) return { ...base, ...target, state: "enabled" };
  return { ...base, ...target, state: "disabled", why: "it is not executable" };
}

/** Why this file is not to be run by us; undefined: it may be. */
function fileFault(path: string, link: Stats): string | undefined {
  const ownLink = ownerFault(link);
  if (ownLink !== undefined) return ownLink;
  if (!link.isSymbolicLink()) return statFault(link);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    const target = resolve(dirname(path), readlinkSync(path));
    return systemCode(error) === "ENOENT"
      ? `it links to ${target}, which is not there`
      : String(error);
  }
  const fault = statFault(statSync(real));
  if (fault !== undefined) return `it links to ${real}: ${fault}`;
  return folderFault(dirname(real));
}

function statFault(stats: Stats): string | undefined {
  if (!stats.isFile()) return "it is no regular file";
  return ownerFault(stats) ?? writerFault(stats);
}

/** What is wrong with a folder whose files are run. */
function folderFault(folder: string): string | undefined {
  try {
    const stats = statSync(folder);
    if (!stats.isDirectory()) return `${folder} is no folder`;
    const fault = ownerFault(stats) ?? writerFault(stats);
    return fault === undefined ? undefined : `its folder ${folder}: ${fault}`;
  } catch (error) {
    return `${folder} cannot be read: ${systemCode(error) ?? String(error)}`;
  }
}

function ownerFault({ uid }: Stats): string | undefined {
  const own = process.getuid?.() ?? 0;
  if (uid === 0 || uid === own) return undefined;
  return `user ${uid} owns it, ${own === 0 ? "not root" : `neither root nor user ${own}`}`;
}

function writerFault({ mode, gid }: Stats): string | undefined {
  if ((mode & OTHERS_WRITE) !== 0) return "everybody may write to it";
  const own = process.getgid?.() ?? 0;
  if ((mode & GROUP_WRITES) === 0 || gid === 0 || gid === own) return undefined;
  return `group ${gid} may write to it`;
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
