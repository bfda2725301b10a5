/**
 * The nats-server inside a binary, unpacked so that it can be started.
 *
 *   binary --copy--> FOLDER/nats-server-VERSION-HASH~PID --rename--> FOLDER/nats-server-VERSION-HASH   (0700)
 *
 * Nobody else may be able to put a program in its place: the folder must be ours and closed to others, and what is
 * found there is used only when size and hash are those of the one inside.
 *
 * Does NOT promise: protection from the user's own other programs, or from root.
 */
import { createHash } from "node:crypto";
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type EmbeddedNats, thisBuild } from "./real_build.ts";
import { isAlive } from "./real_host.ts";
import { CtdbxError } from "./wire/errors.ts";

/** Names of what we unpack, of any version; nothing else is ever removed. */
const OURS = /^nats-server-[\w.]{1,32}-[0-9a-f]{16}(?:~(\d+))?$/;
/** Writable by group or others. */
const OTHERS_WRITE = 0o022;

/** A program that can be unpacked: where its bytes are, and what they must be. */
export interface Packed extends EmbeddedNats {
  readonly source: string;
}

/** The server inside this program; undefined: there is none. */
export function embeddedNats(): Packed | undefined {
  const nats = thisBuild()?.nats;
  if (nats === undefined) return undefined;
  return { ...nats, source: fileURLToPath(new URL("./nats-server", import.meta.url)) };
}

/** Ctdbx's own folder in the user's cache; undefined without XDG_CACHE_HOME and HOME. Never one that all may write. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { XDG_CACHE_HOME = "", HOME = "" } = env;
  if (isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, "ctdbx");
  return isAbsolute(HOME) ? join(HOME, ".cache", "ctdbx") : undefined;
}

/** Unpacks a program into the first folder that will do, or finds it there; its path. Throws "io" with all reasons. */
export function unpackProgram(packed: Packed, folders: readonly string[]): string {
  const reasons: string[] = [];
  for (const folder of folders) {
    try {
      return unpackInto(packed, folder);
    } catch (error) {
      reasons.push(`${folder}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new CtdbxError("io", `Cannot unpack nats-server: ${reasons.join("; ")}`);
}

function unpackInto(packed: Packed, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  refuseForeign(folder, "folder");
  const path = join(folder, `nats-server-${packed.version}-${packed.sha256.slice(0, 16)}`);
  if (!isThere(packed, path)) {
    writeProgram(packed, path);
    removeOthers(folder, path);
  }
  // Fails where programs may not be started from.
  accessSync(path, constants.X_OK);
  return path;
}

function refuseForeign(path: string, kind: "folder" | "file"): void {
  const stat = lstatSync(path);
  if (kind === "folder" ? !stat.isDirectory() : !stat.isFile()) throw new Error(`it is no ${kind}`);
  if (stat.uid !== process.geteuid?.()) throw new Error(`it belongs to user ${stat.uid}`);
  if ((stat.mode & OTHERS_WRITE) !== 0) throw new Error("others may write to it");
}

function isThere({ size, sha256 }: Packed, path: string): boolean {
  try {
    refuseForeign(path, "file");
    const bytes = readFileSync(path);
    return bytes.length === size && hashOf(bytes) === sha256;
  } catch {
    return false;
  }
}

function writeProgram({ source, size, sha256 }: Packed, path: string): void {
  const bytes = readFileSync(source);
  if (bytes.length !== size || hashOf(bytes) !== sha256) {
    throw new CtdbxError("corrupt", "the one inside this program is damaged");
  }
  const beside = `${path}~${process.pid}`;
  rmSync(beside, { force: true });
  const file = openSync(beside, "wx", 0o700);
  try {
    for (let at = 0; at < size;) at += writeSync(file, bytes, at, size - at, at);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
}

/** What other versions have unpacked (one that runs goes on all the same), or have left half-written. */
function removeOthers(folder: string, path: string): void {
  for (const name of readdirSync(folder)) {
    const match = OURS.exec(name);
    const other = join(folder, name);
    if (match === null || other === path) continue;
    // Somebody who is still writing will rename it.
    if (match[1] === undefined || !isAlive(Number(match[1]))) rmSync(other, { force: true });
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
