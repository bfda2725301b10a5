/**
 * The file of users that a nats-server includes, kept as the cluster's document has them.
 *
 *   document ──▶ who may connect ──▶ users.conf, whole or not at all ──▶ SIGHUP to the server: it cuts who is gone
 *
 * The file outlives server and node: after a restart of everything, those whom it lets in can find the document again.
 * One that was made from a later document is left alone: several nodes may keep one file.
 *
 * Does NOT promise: that the server has taken it; a server that cannot read it goes on with what it had.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import {
  type NatsUser,
  natsUsersOf,
  type UsersDocument,
  usersText,
} from "../transport/nats_roles.ts";
import type { Log } from "../transport/world.ts";
import { pidIn } from "./processes.ts";

/** What the keeper of a file needs. */
export interface UsersOptions {
  readonly log: Log;
  /** Name of the cluster, as in subjects. */
  readonly cluster: string;
  /** Absolute. */
  readonly file: string;
  /** Where the server writes its process id; undefined: nobody is told. */
  readonly pidFile?: string | undefined;
  /** This node: let in also where no document knows it yet, or its key of today. */
  readonly own?: NatsUser | undefined;
}

/** A document, as far as it matters here. */
export interface VersionedUsers extends UsersDocument {
  readonly version: bigint;
}

/** Keeps one file. */
export class UsersKeeper {
  readonly #options: UsersOptions;

  constructor(options: UsersOptions) {
    this.#options = options;
  }

  /**
   * Brings the file up to date and tells the server; undefined: no document is known, then only a missing file is made.
   * Says in the log what does not work.
   */
  update(doc: VersionedUsers | undefined): void {
    try {
      this.#update(doc);
    } catch (error) {
      this.#options.log.write("error", "The users of the nats-server cannot be kept", { error });
    }
  }

  #update(doc: VersionedUsers | undefined): void {
    const { log, cluster, file, own } = this.#options;
    const before = readUsersFile(file);
    const known = doc === undefined ? [] : natsUsersOf(doc);
    // A document without keys says nothing of who may connect: the cluster has no roles, or none yet.
    if (known.length === 0 && (before !== undefined || own === undefined)) return;
    const version = doc?.version ?? 0n;
    if (before !== undefined && before.version > version) return;
    const text = usersFileText(cluster, withOwn(known, own), version);
    // A new version that lets in the same people is no news.
    if (before !== undefined && bodyOf(before.text) === bodyOf(text)) return;
    replaceFile(file, text);
    const isTold = this.#tell();
    log.write("info", "The users of the nats-server have changed", {
      users: known.length,
      version: String(version),
      isTold,
    });
  }

  /** Tells the server; false: none runs, and the next one reads the file when it starts. */
  #tell(): boolean {
    const { pidFile } = this.#options;
    const pid = pidFile === undefined ? undefined : natsPid(pidFile);
    if (pid === undefined) return false;
    try {
      process.kill(pid, "SIGHUP");
      return true;
    } catch {
      return false;
    }
  }
}

/** The living nats-server of a pid file; undefined: there is none. */
export function natsPid(pidFile: string): number | undefined {
  const pid = pidIn(pidFile, ["-c"]);
  if (pid === undefined) return undefined;
  const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return /(?:^|\/)nats-server$/.test(program) ? pid : undefined;
}

/** The file's text. Throws RangeError on users that cannot be. */
export function usersFileText(
  cluster: string,
  users: readonly NatsUser[],
  version: bigint,
): string {
  return `# Kept by ctdbx; a change by hand is lost.\n# document: ${version}\n${
    usersText(cluster, users)
  }`;
}

function bodyOf(text: string): string {
  return text.replace(/^# document: .*$/m, "");
}

/** A node's own key of today goes before what a document says of it. */
function withOwn(users: readonly NatsUser[], own: NatsUser | undefined): NatsUser[] {
  if (own === undefined) return [...users];
  return [own, ...users.filter(({ key, tag }) => key !== own.key && tag !== own.tag)];
}

/** Writes a new file beside it and renames; a name of its own, for other processes may do the same now. */
function replaceFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const beside = `${file}.${process.pid}`;
  const handle = openSync(beside, "w", 0o600);
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
}

function readUsersFile(file: string): { text: string; version: bigint } | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const version = /^# document: (\d{1,20})$/m.exec(text)?.[1] ?? "0";
  return { text, version: BigInt(version) };
}
