/**
 * What lies beside a backup: FILE.json says which database FILE is of, of which moment, and what its bytes and its
 * records add up to.
 *
 *   FILE        a TDB file: keys and values as programs know them, nothing before the values
 *   FILE.json   {"format":"ctdbx-backup", database, kind, lineage, seqnum, records, content, fileBytes, sha256, ...}
 *
 * Does NOT promise: protection against intent; it notices accidents. A file without its JSON can be restored as well,
 * and so can a file of STATE/trash or of a stopped node, whose values have 24 bytes before them.
 */

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure } from "./failure.ts";

/** What FILE.json says. Numbers of 64 bits are digits. */
export interface BackupNote {
  readonly format: "ctdbx-backup";
  readonly version: 1;
  readonly database: string;
  readonly kind: "persistent" | "replicated";
  /** The database's id, and its history; null: not known, as when it was made over NATS. */
  readonly id: number | null;
  readonly lineage: string | null;
  /** The records are those after this transaction. */
  readonly seqnum: string;
  readonly records: number;
  /** The sum of the records (transport/wire/commit/content.ts). */
  readonly content: string;
  readonly fileBytes: number;
  /** Of the file, 64 hex digits. */
  readonly sha256: string;
  /** RFC 3339, by the clock of the machine that made it. */
  readonly madeAt: string;
}

/** Where it lies. */
export function notePath(file: string): string {
  return `${file}.json`;
}

/** Writes it. Throws Failure. */
export function writeNote(file: string, note: BackupNote): void {
  try {
    writeFileSync(notePath(file), `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw systemFailure(error, `Cannot write ${notePath(file)}`);
  }
}

/** What lies beside a file; undefined: nothing. Throws Failure (corrupt) on what is no note of a backup. */
export function readNote(file: string): BackupNote | undefined {
  const path = notePath(file);
  if (!existsSync(path)) return undefined;
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw bad(path, "it is no JSON");
    throw systemFailure(error, `Cannot read ${path}`);
  }
  const note = read as Partial<BackupNote>;
  if (typeof read !== "object" || read === null || note.format !== "ctdbx-backup") {
    throw bad(path, "it is no note of a backup");
  }
  if (note.version !== 1) {
    throw new Failure(EXIT.version, `Cannot use ${path}: it is of a newer ctdbx`, "run that one");
  }
  const isWhole = typeof note.database === "string" && typeof note.sha256 === "string" &&
    typeof note.content === "string" && typeof note.records === "number" &&
    (note.kind === "persistent" || note.kind === "replicated");
  if (!isWhole) throw bad(path, "something is missing in it");
  return note as BackupNote;
}

function bad(path: string, why: string): Failure {
  const hint = "without that file the backup is restored unverified: move it away if you mean that";
  return new Failure(EXIT.corrupt, `Cannot use ${path}: ${why}`, hint);
}

/** SHA-256 of a file, hex digits, and its bytes. Throws Failure. */
export async function sumOfFile(
  file: string,
): Promise<{ readonly sha256: string; readonly fileBytes: number }> {
  const hash = createHash("sha256");
  let fileBytes = 0;
  try {
    for await (const piece of createReadStream(file) as AsyncIterable<Uint8Array>) {
      hash.update(piece);
      fileBytes += piece.length;
    }
  } catch (error) {
    throw systemFailure(error, `Cannot read ${file}`);
  }
  return { sha256: hash.digest("hex"), fileBytes };
}

/** Throws Failure (corrupt) when a file is not the one of its note. */
export async function requireFile(file: string, note: BackupNote): Promise<void> {
  const { sha256, fileBytes } = await sumOfFile(file);
  if (sha256 === note.sha256) return;
  const why = fileBytes === note.fileBytes
    ? "its bytes have changed since it was made"
    : `it has ${fileBytes} bytes, and had ${note.fileBytes}`;
  throw new Failure(
    EXIT.corrupt,
    `Cannot use ${file}: it is not what ${notePath(file)} says: ${why}`,
    "take another backup; nothing was changed",
  );
}
