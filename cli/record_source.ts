/**
 * Where the records of an import come from: a TDB file, the text of a dump, or JSON lines; which of them, its first
 * bytes say.
 *
 *   "TDB file"  ─▶ tdb (all of one moment)        {  and a line end ─▶ dump        {"  ─▶ jsonl
 *
 * Values may begin with the 24 bytes that CTDB puts before each in its local files. Nothing in a file says so: when
 * those of the first records all look like that, one must say whether they are to go.
 *
 * Does NOT promise: that a key comes once; the later record is stored over the earlier.
 */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { joined } from "./bytes_text.ts";
import { withDatabase } from "./database.ts";
import { atOneMoment } from "./commands/tdb_copy.ts";
import { DumpReader, type DumpRecord } from "./dump_text.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, requireName, systemFailure, usage } from "./failure.ts";
import { readHeader, RECORD_HEADER_BYTES } from "./record_header.ts";
import { LinesReader } from "./record_lines.ts";
import type { CommandWorld } from "./world.ts";
import { nextTurn } from "./world.ts";

/** The forms of records in files. */
export const SOURCE_FORMATS = ["tdb", "dump", "jsonl"] as const;
/** One of them. */
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

/** What becomes of the headers before values. */
export type HeaderWish = "strip" | "keep" | "ask";

/** What is read. */
export interface SourceWish {
  /** A path; "-": standard input. */
  readonly path: string;
  /** Undefined: what its first bytes say. */
  readonly format: SourceFormat | undefined;
  readonly header: HeaderWish;
  /** Seconds to wait for the lock of a TDB file. */
  readonly lockSeconds: number;
}

/** What was left out on the way. */
export interface Passed {
  /** Empty values, which are deleted records; those that were only a header among them. */
  empty: number;
  /** Values shorter than the header that was to be taken off. */
  short: number;
}

/** Takes one record; what it returns is awaited before the next. */
export type Take = (record: DumpRecord) => Promise<void> | void;

const PIECE_BYTES = 65536;
const TDB_START = "TDB file";
/** Records that are looked at before the first is handed out. */
const LOOKED_AT = 64;
/** A dmaster that names nobody, and the highest number of a node. */
const NOBODY = 0xffffffff;
const PNN_MAX = 4095;
/** Bits of flags that CTDB and ctdbx know. */
const KNOWN_FLAGS = 0x3f070000;
/** More writes to one record than these are hardly possible; bytes of text are above it. */
const RSN_MAX = 1n << 48n;

/** Reads all of it. Throws Failure and CtdbxError; what `take` throws. */
export async function readSource(
  world: CommandWorld,
  wish: SourceWish,
  take: Take,
): Promise<Passed> {
  const passed: Passed = { empty: 0, short: 0 };
  const sieve = new Sieve(wish, passed, take);
  if (wish.path === "-") await readText(wish, stdin(world, wish), sieve);
  else if (formatOfFile(wish) === "tdb") await readTdb(world, wish, sieve);
  else await readText(wish, filePieces(wish.path), sieve);
  await sieve.end();
  return passed;
}

/** Does a value look as if it began with the header of a clustered database? */
export function looksHeaded(value: Uint8Array): boolean {
  const header = readHeader(value);
  if (header === undefined) return false;
  const { rsn, dmaster, flags } = header;
  return rsn < RSN_MAX && (dmaster <= PNN_MAX || dmaster === NOBODY) &&
    (flags & ~KNOWN_FLAGS) === 0;
}

/** Takes headers off, leaves out what is deleted, and finds out first whether headers were forgotten. */
class Sieve {
  readonly #wish: SourceWish;
  readonly #passed: Passed;
  readonly #take: Take;
  /** The first records, until it is clear that they may go on; undefined: it is. */
  #first: DumpRecord[] | undefined;

  constructor(wish: SourceWish, passed: Passed, take: Take) {
    this.#wish = wish;
    this.#passed = passed;
    this.#take = take;
    this.#first = wish.header === "ask" ? [] : undefined;
  }

  async take(record: DumpRecord): Promise<void> {
    if (this.#first === undefined) return await this.#hand(record);
    this.#first.push(record);
    if (!looksHeaded(record.value) || this.#first.length >= LOOKED_AT) await this.#settle();
  }

  async end(): Promise<void> {
    if (this.#first !== undefined) await this.#settle();
  }

  async #settle(): Promise<void> {
    const first = this.#first ?? [];
    this.#first = undefined;
    if (first.length > 0 && first.every(({ value }) => looksHeaded(value))) {
      throw usage(
        `Cannot tell what the values of ${this.#wish.path} are: all look as if they began with the ` +
          `${RECORD_HEADER_BYTES} bytes that CTDB puts before each`,
        "--strip-header takes them off, --keep-header stores them as part of the values",
      );
    }
    for (const record of first) await this.#hand(record);
  }

  async #hand({ key, value }: DumpRecord): Promise<void> {
    const isStripped = this.#wish.header === "strip";
    if (isStripped && value.length < RECORD_HEADER_BYTES) {
      this.#passed.short += 1;
      return;
    }
    const rest = isStripped ? value.subarray(RECORD_HEADER_BYTES) : value;
    if (rest.length === 0) this.#passed.empty += 1;
    else await this.#take({ key, value: rest });
  }
}

async function readTdb(world: CommandWorld, wish: SourceWish, sieve: Sieve): Promise<void> {
  const flags = { lock: true, timeout: wish.lockSeconds };
  await withDatabase(world, wish.path, flags, "look", (tdb) =>
    atOneMoment(tdb, async () => {
      await tdb.traverse((record) => sieve.take({ key: record.key(), value: record.value() }));
    }));
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

async function readText(wish: SourceWish, pieces: Pieces, sieve: Sieve): Promise<void> {
  const found: DumpRecord[] = [];
  const keep = (record: DumpRecord): void => void found.push(record);
  let reader: DumpReader | LinesReader | undefined;
  let head: Uint8Array = new Uint8Array(0);
  const drain = async (): Promise<void> => {
    for (const record of found.splice(0)) await sieve.take(record);
    await nextTurn();
  };
  for await (const piece of pieces) {
    let bytes = piece;
    if (reader === undefined) {
      head = joined([head, piece.slice()]);
      const format = wish.format ?? textFormat(head, wish.path);
      if (format === undefined) continue;
      if (format === "tdb") throw tdbOnInput();
      reader = format === "dump" ? new DumpReader(keep) : new LinesReader(keep);
      bytes = head;
    }
    reader.push(bytes);
    await drain();
  }
  if (reader === undefined) {
    const why = head.length === 0 ? "it is empty" : "it ends before it says what it is";
    throw usage(`Cannot import ${nameOf(wish.path)}: ${why}`, "--format dump or jsonl says it");
  }
  reader.end();
  await drain();
}

/** What text begins like this; undefined: more of it must be seen. */
function textFormat(head: Uint8Array, path: string): SourceFormat | undefined {
  const text = new TextDecoder("latin1").decode(head.subarray(0, 4096)).trimStart();
  if (text.startsWith(TDB_START)) return "tdb";
  if (/^\{[ \t]*\r?\n[ \t]*k/.test(text)) return "dump";
  if (/^\{\s*"/.test(text)) return "jsonl";
  if (text.length < 16 && /^(\{[\s]*|TDB fil|TDB fi|TDB f|TDB |TDB|TD|T|)$/.test(text)) {
    return undefined;
  }
  throw new Failure(
    EXIT.usage,
    `Cannot import ${nameOf(path)}: it is no TDB file, no text of a dump, and no JSON lines`,
    'a TDB file begins with "TDB file", a dump with a line {, JSON lines with {"key":',
  );
}

function tdbOnInput(): Failure {
  return usage(
    "Cannot import a TDB file from standard input: it must be a file that can be locked",
    "name the file, or pipe `ctdbx tdb dump FILE` here",
  );
}

function nameOf(path: string): string {
  return path === "-" ? "standard input" : path;
}

function stdin(world: CommandWorld, { format }: SourceWish): Pieces {
  if (format === "tdb") throw tdbOnInput();
  if (world.terminal.inIsTerminal) {
    throw usage(
      "Cannot import from the keyboard: standard input is a terminal",
      "ctdbx db import DATABASE - < FILE",
    );
  }
  return world.terminal.input();
}

function formatOfFile({ path, format }: SourceWish): SourceFormat {
  const cannot = `Cannot import ${path}`;
  requireName(cannot, path);
  try {
    if (statSync(path).isDirectory()) throw usage(`${cannot}: it is a directory`, "name a file");
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, cannot);
  }
  if (format !== undefined) return format;
  // What is no regular file can be read only once: text, then.
  if (!statSync(path).isFile()) return "dump";
  for (const piece of filePieces(path)) {
    const start = new TextDecoder("latin1").decode(piece.subarray(0, TDB_START.length));
    return start === TDB_START ? "tdb" : "dump";
  }
  return "dump";
}

/** The bytes of a file; a piece is valid until the next is asked for. */
function* filePieces(path: string): Iterable<Uint8Array> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw systemFailure(error, `Cannot import ${path}`);
  }
  const buffer = new Uint8Array(PIECE_BYTES);
  try {
    for (;;) {
      let size: number;
      try {
        size = readSync(file, buffer, 0, buffer.length, null);
      } catch (error) {
        throw systemFailure(error, `Cannot read ${path}`);
      }
      if (size === 0) return;
      yield buffer.subarray(0, size);
    }
  } finally {
    closeSync(file);
  }
}
