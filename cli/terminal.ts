/**
 * Where a command's words go: standard output, standard error, standard input.
 *
 * Output is written with blocking writes from one buffer: a slow reader slows the command down, no memory
 * fills up, and both runtimes behave alike. A reader that goes away (`| head`) ends the command quietly.
 *
 *   write() -> 64 KiB buffer -> write(2) until all of it is taken
 *
 * A closed stdout (`>&-`) is an error as soon as something is written, as for cat. The runtime has put /dev/null in
 * its place before we run, which Bun opens for itself alone (O_CLOEXEC): that is how we know.
 *
 * Does NOT promise: order between stdout and stderr; flush() first where it matters. To see a closed stdout on Deno
 * and behind Node: theirs looks like the /dev/null that a caller may have meant.
 */

import { fstatSync, read, readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure, usage } from "./failure.ts";

/** The reader of stdout has gone. Not an error of the command: it has done what was still wanted. */
export class ClosedPipe extends Error {
  constructor() {
    super("Cannot write: nobody reads any more");
    this.name = "ClosedPipe";
  }
}

/** A place to write to. */
export interface Sink {
  write(data: string | Uint8Array): void;
  /** Hands everything over. Throws ClosedPipe when nobody reads. */
  flush(): void;
}

/** What a command sees of the place it was started from. */
export interface Terminal {
  readonly out: Sink;
  readonly err: Sink;
  /**
   * The pieces of standard input; a piece is valid until the next one is asked for. While it waits for one, signals
   * are heard.
   */
  input(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Standard input is a person at a keyboard. */
  readonly inIsTerminal: boolean;
  /** Width in characters, for tables and bars. */
  readonly columns: number;
  /** Colour may be used (terminal, no NO_COLOR, TERM not dumb). --no-color comes on top. */
  readonly colorAllowed: boolean;
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
}

const BUFFER_SIZE = 65536;
const UTF8 = new TextEncoder();

/** A sink that hands whole buffers to `put`. */
export class BufferedSink implements Sink {
  readonly #put: (bytes: Uint8Array) => void;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #used = 0;

  constructor(put: (bytes: Uint8Array) => void) {
    this.#put = put;
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? UTF8.encode(data) : data;
    if (this.#used + bytes.length > BUFFER_SIZE) this.flush();
    if (bytes.length > BUFFER_SIZE) {
      this.#put(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  flush(): void {
    if (this.#used === 0) return;
    // Emptied first: after a failed write the rest is not tried again.
    const size = this.#used;
    this.#used = 0;
    this.#put(this.#buffer.subarray(0, size));
  }
}

/** The process's own. */
export function realTerminal(): Terminal {
  const { NO_COLOR, TERM, COLUMNS } = process.env;
  const outIsTerminal = isatty(1);
  const outIsClosed = isOurOwn(1);
  return {
    out: new BufferedSink((bytes) => {
      if (outIsClosed) {
        throw new Failure(EXIT.other, "Cannot write to standard output: it is closed");
      }
      writeAll(1, bytes);
    }),
    err: new BufferedSink((bytes) => writeAll(2, bytes)),
    input: readPieces,
    outIsTerminal,
    errIsTerminal: isatty(2),
    inIsTerminal: isatty(0),
    columns: columnsFrom(process.stdout.columns, COLUMNS),
    // https://no-color.org: any value but the empty one.
    colorAllowed: outIsTerminal && (NO_COLOR ?? "") === "" && TERM !== "dumb",
    nowMs: () => performance.now(),
  };
}

function columnsFrom(real: number | undefined, named: string | undefined): number {
  const columns = real ?? Number(named);
  return Number.isInteger(columns) && columns >= 20 ? columns : 100;
}

const O_CLOEXEC = 0o2000000;

/** Was the descriptor opened after this process began? What is inherited has no O_CLOEXEC. Linux only. */
function isOurOwn(descriptor: number): boolean {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
    const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? "0";
    return (parseInt(flags, 8) & O_CLOEXEC) !== 0;
  } catch {
    return false;
  }
}

/** Writes all of it, also to a descriptor that somebody made non-blocking. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(descriptor, bytes, done, bytes.length - done);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EPIPE") throw new ClosedPipe();
      if (code !== "EAGAIN" && code !== "EINTR") {
        throw systemFailure(
          error,
          `Cannot write to standard ${descriptor === 1 ? "output" : "error"}`,
        );
      }
      // Blocks this thread for a moment; there is nothing else to do until the reader has read.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

async function* readPieces(): AsyncIterable<Uint8Array> {
  const buffer = new Uint8Array(BUFFER_SIZE);
  // A directory as stdin would give an obscure error below.
  if (fstatSync(0).isDirectory()) throw usage("Cannot read standard input: it is a directory");
  for (;;) {
    let size = 0;
    try {
      size = await readSome(buffer);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EOF") return;
      if (code !== "EAGAIN" && code !== "EINTR") {
        throw systemFailure(error, "Cannot read standard input");
      }
      // Somebody made it non-blocking.
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    if (size === 0) return;
    yield buffer.subarray(0, size);
  }
}

function readSome(buffer: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    read(0, buffer, 0, buffer.length, null, (error, size) => {
      if (error) reject(error);
      else resolve(size);
    });
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}
