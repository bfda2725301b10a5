/**
 * The journal of a command that makes or ends a node: what was begun, one line of JSON a step, durable before the step.
 *
 *   {"head":{"verb":"join",...}}
 *   {"at":"2026-01-31T12:00:00.000Z","step":"identity","is":"begun"}
 *   {"at":"2026-01-31T12:00:00.030Z","step":"identity","is":"done"}
 *
 * It says whose work lies in a folder, and keeps what must be the same when the command is run again. What is done is
 * looked up where it is, never believed from here.
 *
 * Does NOT promise: a last line that is whole; who was killed may have cut it, and it is left out.
 */

/** Where a journal is kept. */
export interface JournalFile {
  /** All of it; undefined: there is none. */
  read(): string | undefined;
  /** Adds a line, durably. */
  append(line: string): void;
}

/** What must be the same in every run. */
export interface Head {
  readonly verb: string;
  readonly [name: string]: string | number | boolean | null;
}

/** One entry. */
export interface Entry {
  /** When, ISO 8601. */
  readonly at: string;
  readonly step: string;
  readonly is: "begun" | "done";
}

/** One command's. */
export class Journal {
  readonly head: Head;
  readonly #file: JournalFile;
  readonly #nowIso: () => string;
  readonly #entries: Entry[];

  private constructor(file: JournalFile, nowIso: () => string, head: Head, entries: Entry[]) {
    this.#file = file;
    this.#nowIso = nowIso;
    this.head = head;
    this.#entries = entries;
  }

  /** The journal that is there; undefined: there is none, or it was cut before its head was whole. */
  static read(file: JournalFile, nowIso: () => string): Journal | undefined {
    const [first, ...rest] = linesOf(file.read() ?? "");
    const head = (first as { head?: Head } | undefined)?.head;
    if (typeof head?.verb !== "string") return undefined;
    return new Journal(file, nowIso, head, rest.filter(isEntry));
  }

  /** A new one. */
  static begin(file: JournalFile, nowIso: () => string, head: Head): Journal {
    file.append(`${JSON.stringify({ head })}\n`);
    return new Journal(file, nowIso, head, []);
  }

  /** What was done and begun so far, in order. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** Was this step ever ended? */
  has(step: string): boolean {
    return this.#entries.some((entry) => entry.step === step && entry.is === "done");
  }

  /** When it was last written to, ISO 8601; undefined: only its head stands there. */
  get lastAt(): string | undefined {
    return this.#entries.at(-1)?.at;
  }

  /** Writes that a step begins, or has ended. */
  note(step: string, is: Entry["is"]): void {
    const entry = { at: this.#nowIso(), step, is };
    this.#file.append(`${JSON.stringify(entry)}\n`);
    this.#entries.push(entry);
  }
}

function linesOf(text: string): unknown[] {
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as unknown];
    } catch {
      return [];
    }
  });
}

function isEntry(value: unknown): value is Entry {
  const { at, step, is } = (value ?? {}) as Partial<Entry>;
  return typeof at === "string" && typeof step === "string" && (is === "begun" || is === "done");
}
