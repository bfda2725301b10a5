/**
 * The Log port: a line of JSON for each entry, into a file or on standard error.
 *
 *   {"@timestamp":"...","level":"WARN","message":"NATS is gone: ...","logger":"ctdbx.n1","properties":{...}}
 *
 * LogTape makes the lines; its registry of sinks is one for a whole thread and not used. A line is written with one
 * write(2) to a file opened for appending, so that lines of several processes do not mix.
 *
 * Does NOT promise: that a line is on the disk, or that it is written at all when there is no space; how many were
 * lost is said as soon as one can be written again. Logging never throws.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { getJsonLinesFormatter, getTextFormatter, type LogRecord } from "@logtape/logtape";
import { plainThing } from "./log_fields.ts";
import { nodeError } from "./real_errors.ts";
import type { Clock, Log, LogLevel } from "./world.ts";

const STDERR = 2;
const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Where to and how much. */
export interface LogOptions {
  /** File that lines are added to, mode 0600; standard error when absent. */
  readonly path?: string;
  /** The least grave level that is written. Default "info". */
  readonly level?: LogLevel;
  /** Who speaks, in words without dots: ["ctdbx", "n1"]. Default ["ctdbx"]. */
  readonly speaker?: readonly string[];
  /** Lines for people instead of JSON. Default false. */
  readonly plain?: boolean;
  readonly clock: Pick<Clock, "wallMs">;
}

/** A log with a place to write to. */
export class RealLog implements Log {
  readonly #options: LogOptions;
  readonly #least: number;
  readonly #speaker: readonly string[];
  readonly #format: (record: LogRecord) => string;
  #fd: number;
  #lost = 0;
  /** The last line is there in part. */
  #isTorn = false;

  /** Throws "denied", "not_found" when the file cannot be opened. */
  constructor(options: LogOptions) {
    this.#options = options;
    this.#least = LEVELS.indexOf(options.level ?? "info");
    this.#speaker = options.speaker ?? ["ctdbx"];
    this.#format = options.plain === true ? plainFormatter() : getJsonLinesFormatter();
    this.#fd = openLog(options.path);
  }

  write(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (LEVELS.indexOf(level) < this.#least) return;
    if (this.#lost > 0) {
      const line = this.#lineOf("warning", `${this.#lost} lines of this log were lost`, {});
      if (this.#put(line)) this.#lost = 0;
    }
    if (!this.#put(this.#lineOf(level, text, fields))) this.#lost += 1;
  }

  /** Opens the file anew, after somebody has moved it away. Stays with the old one when that fails. */
  reopen(): void {
    if (this.#options.path === undefined) return;
    const fd = openLog(this.#options.path);
    closeSync(this.#fd);
    this.#fd = fd;
  }

  /** Nothing is written after this. */
  close(): void {
    if (this.#fd !== STDERR && this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #lineOf(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>>): string {
    const properties = plainThing(fields) as Record<string, unknown>;
    const record: LogRecord = {
      category: this.#speaker,
      level,
      message: [plainThing(text)],
      rawMessage: text,
      timestamp: this.#options.clock.wallMs(),
      properties,
    };
    const line = this.#format(record).trimEnd();
    // Also of a person's name in a field: one entry, one line.
    return `${line.replaceAll("\n", "\\n").replaceAll("\r", "\\r")}\n`;
  }

  /** False: it is not there, or not all of it. */
  #put(line: string): boolean {
    if (this.#fd < 0) return false;
    const bytes = new TextEncoder().encode(this.#isTorn ? `\n${line}` : line);
    try {
      const wrote = writeSync(this.#fd, bytes);
      // The next line shall not stick to what there is of this one.
      if (wrote > 0) this.#isTorn = wrote < bytes.length;
      return wrote === bytes.length;
    } catch {
      // Deno throws after it has written a part; an empty line does no harm where it has not.
      this.#isTorn = true;
      return false;
    }
  }
}

function openLog(path: string | undefined): number {
  if (path === undefined) return STDERR;
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw nodeError(`Cannot open log ${path}`, error);
  }
}

/** Time, level, text, then the fields as JSON. */
function plainFormatter(): (record: LogRecord) => string {
  return getTextFormatter({
    timestamp: "rfc3339",
    format: ({ timestamp, level, message, record }) => {
      const fields = Object.keys(record.properties).length === 0
        ? ""
        : ` ${JSON.stringify(record.properties)}`;
      return `${timestamp} ${level} ${message}${fields}`;
    },
  });
}
