/**
 * The files of a node that a command makes, and what is found where they shall be.
 *
 *   STATE/node.id  meta.a meta.b     the identity, and what it knows when it begins
 *   STATE/node.nkey  nats-ca.pem     its key at NATS, and who vouches for the servers
 *   STATE/join.journal ...           whose work this is (journal.ts)
 *   ctdbx.toml                       its configuration
 *
 * Does NOT promise: that the file system keeps what it says it has written.
 */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { readIdentity } from "../../actors/storage/node_identity.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import type { Identity } from "../../transport/wire/durable.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Incarnation, Token } from "../../transport/wire/terms.ts";
import type { NodePaths } from "../config.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, systemFailure } from "../failure.ts";
import type { HomeFound } from "./checks.ts";
import { Journal, type JournalFile } from "./journal.ts";

/** Bits below the seconds in the first incarnation of a node; as actors/node.ts has it. */
const LIVES_BITS = 20n;
/** Largest file that is read whole, bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Commands that keep a journal. */
export type JournalVerb = "create" | "join" | "leave" | `leave-${number}`;

/** The files of one node. */
export class NodeFiles {
  readonly paths: NodePaths;
  readonly #disk = new RealDisk();

  constructor(paths: NodePaths) {
    this.paths = paths;
  }

  /** Path of its key at NATS. */
  get key(): string {
    return join(this.paths.state, "node.nkey");
  }

  /** Path of the certificates of who vouches for the servers. */
  get ca(): string {
    return join(this.paths.state, "nats-ca.pem");
  }

  /** The identity; undefined: there is none. Throws what readIdentity throws. */
  identity(): Identity | undefined {
    return readIdentity(this.#disk, this.paths.state);
  }

  /** The document that it accepted last; undefined: it knows none. */
  document(): Document | undefined {
    return new MetaFile(this.#disk, this.paths.state).load()?.accepted;
  }

  /** Is there a state at all? */
  hasMeta(): boolean {
    return new MetaFile(this.#disk, this.paths.state).load() !== undefined;
  }

  /** Writes what a node knows when it begins: its disk, and the document before all others if it founds a cluster. */
  async writeMeta(diskId: string, accepted: Document | undefined): Promise<void> {
    const seconds = BigInt(Math.max(0, Math.floor(Date.now() / 1000)));
    // Above all lives that it may have had: its peers would take it for a former one.
    const incarnation = (accepted === undefined ? seconds << LIVES_BITS : 0n) as Incarnation;
    const durable = { diskId, promised: 0n as Token, accepted, incarnation };
    await new Promise<void>((resolve, reject) =>
      new MetaFile(this.#disk, this.paths.state).save(
        durable,
        (error) => error === undefined ? resolve() : reject(error),
      )
    );
  }

  /** The journal of a command; undefined: it was not begun here. */
  journal(verb: JournalVerb): Journal | undefined {
    return Journal.read(this.#journalFile(verb), nowIso);
  }

  /** Begins a journal. */
  beginJournal(
    verb: JournalVerb,
    head: Readonly<Record<string, string | number | boolean | null>>,
  ): Journal {
    const { state } = this.paths;
    try {
      mkdirSync(state, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw systemFailure(error, `Cannot make ${state}`);
    }
    return Journal.begin(this.#journalFile(verb), nowIso, { ...head, verb });
  }

  #journalFile(verb: JournalVerb): JournalFile {
    return durableLines(join(this.paths.state, `${verb}.journal`));
  }

  /** What is there, for a command that `begun` says is its own. */
  found(begun: Journal | undefined): HomeFound {
    const { state, config } = this.paths;
    if (begun !== undefined && !this.#hasLeft()) return { is: "begun", at: begun.lastAt };
    if (existsSync(join(state, "node.id"))) return this.#foundNode();
    const names = existsSync(state) ? readdirSync(state) : [];
    const files = [
      ...names.map((name) => join(state, name)),
      ...existsSync(config) ? [config] : [],
    ];
    const [first] = files;
    if (first === undefined) return this.#foundPlace();
    return {
      is: "other",
      text: `${first} is there already`,
      hint: "choose another place with --home, or move away what is there",
    };
  }

  /** Nothing is there; may something be? */
  #foundPlace(): HomeFound {
    const { state, run, config } = this.paths;
    for (const folder of [state, run, dirname(config)].map(existing)) {
      try {
        accessSync(folder, constants.W_OK);
      } catch {
        const hint = "run it as root, or choose another place with --home";
        return { is: "other", text: `${folder} cannot be written`, hint, exit: EXIT.denied };
      }
    }
    return { is: "empty" };
  }

  #hasLeft(): boolean {
    try {
      return this.identity()?.left !== undefined;
    } catch {
      return false;
    }
  }

  #foundNode(): HomeFound {
    const { state } = this.paths;
    let who = "a node";
    try {
      const { name, left } = this.identity() ?? {};
      who = left === undefined ? `the node ${name}` : `the former node ${name} (${left.why})`;
    } catch {
      // A node that cannot be read is a node all the same.
    }
    const hint = "choose another place with --home";
    if (this.journal("join")?.has("join") === false && !this.#hasLeft()) {
      const text = `a join as ${
        who.replace("the node ", "")
      } was begun in ${state}, and not finished`;
      return {
        is: "other",
        text,
        hint: `${hint}, or remove that folder: nobody has joined from it`,
      };
    }
    return { is: "other", text: `${who} lives in ${state} already`, hint };
  }

  /** Bytes that are free where its state shall be; undefined: the system does not say. */
  freeBytes(): number | undefined {
    try {
      const { bavail, bsize } = statfsSync(existing(this.paths.state));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }
}

/** The folder, or the next one above that is there. */
function existing(folder: string): string {
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

/** Writes a file whole or not at all, durably, mode 0600; folders above it are made. Throws Failure. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // What lies there is a rest, or a trap in a folder where others may write.
    rmSync(temporary, { force: true });
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeAll(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw systemFailure(error, `Cannot write ${path}`);
  }
}

/** The text of a file; undefined: there is none. Throws Failure. */
export function textOf(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length <= FILE_BYTES_MAX) return text;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw systemFailure(error, `Cannot read ${path}`);
  }
  throw new Failure(EXIT.usage, `Cannot read ${path}: more than ${FILE_BYTES_MAX} bytes`);
}

/** A file that grows line by line, each durable before the next. */
export function durableLines(path: string): JournalFile {
  return {
    read: () => textOf(path),
    append(line) {
      try {
        const isNew = !existsSync(path);
        const file = openSync(path, "a", 0o600);
        try {
          writeAll(file, withFirstEnd(path, isNew, line));
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        if (isNew) syncFolder(dirname(path));
      } catch (error) {
        throw systemFailure(error, `Cannot write ${path}`);
      }
    },
  };
}

/** Ends a last line that was cut, so that the new one stands alone. */
function withFirstEnd(path: string, isNew: boolean, line: string): string {
  if (isNew) return line;
  const before = readFileSync(path, "utf8");
  return before === "" || before.endsWith("\n") ? line : `\n${line}`;
}

function writeAll(file: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

function syncFolder(folder: string): void {
  const file = openSync(folder, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function nowIso(): string {
  return new Date().toISOString();
}
