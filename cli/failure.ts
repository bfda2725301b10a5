/**
 * How a command says that it could not: one line why, one line what to do, and an exit code.
 *
 *   ctdbx: Cannot open /srv/a.tdb: it is a directory
 *   hint: name the .tdb file itself
 *
 * Errors of the engine carry a code, from which the exit code and a hint follow. What nobody expected keeps
 * its stack: that is a bug of ctdbx and the stack is what its report needs.
 *
 * Does NOT promise: stable texts; scripts go by exit code, or by `code` of the JSON form.
 */

import { CorruptError, CtdbxError } from "../transport/wire/errors.ts";
import { EXIT, EXIT_OF } from "./exit_codes.ts";
import type { ExitCode } from "./exit_codes.ts";
import { oneLine } from "./output.ts";

/** An error of the command line itself: wrong usage, or an outcome that has an exit code of its own. */
export class Failure extends Error {
  readonly exit: ExitCode;
  /** What the user can do about it, a phrase without a full stop. */
  readonly hint: string | undefined;

  constructor(exit: ExitCode, message: string, hint?: string) {
    super(message);
    this.name = "Failure";
    this.exit = exit;
    this.hint = hint;
  }
}

/** What to do about a wrong call when nothing better is known. */
export const HELP = "--help after a command shows its arguments and options";

/** A wrong call: exit code 2. */
export function usage(message: string, hint?: string): Failure {
  return new Failure(EXIT.usage, message, hint);
}

/** An error of node:fs as one of ours. `cannot` is the first half of the text. */
export function systemFailure(error: unknown, cannot: string): Failure {
  const code = (error as { code?: string }).code ?? "";
  switch (code) {
    case "ENOENT":
      return new Failure(
        EXIT.notFound,
        `${cannot}: there is no such file or folder`,
        "check the name",
      );
    case "ENOTDIR":
      return new Failure(
        EXIT.notFound,
        `${cannot}: a part of the path is not a folder`,
        "check the path",
      );
    case "EROFS":
      return new Failure(
        EXIT.denied,
        `${cannot}: the file system takes no writes`,
        "mount it for writing, or name another place",
      );
    case "EACCES":
    case "EPERM":
      return new Failure(EXIT.denied, `${cannot}: permission denied`, "run it as the file's owner");
    case "ENOSPC":
    case "EDQUOT":
      return new Failure(EXIT.noSpace, `${cannot}: no space left`, "free some space and try again");
    default: {
      const text = error instanceof Error ? error.message : String(error);
      return new Failure(EXIT.other, `${cannot}: ${text}`);
    }
  }
}

/** Refuses a name that cannot be that of a file. `cannot` is the first half of the text. */
export function requireName(cannot: string, path: string): void {
  if (path === "") throw usage(`${cannot}: its name is empty`, "name a file");
  // What is not UTF-8 has become this character before it reached us: it would be another file.
  if (path.includes("\uFFFD")) throw usage(`${cannot}: its name is not UTF-8`, "rename it first");
}

/** An error in the form in which it is shown. */
export interface Report {
  readonly exit: ExitCode;
  /** The engine's error code, or the name of the exit code. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly kind?: string;
  readonly offset?: number;
  /** Only for errors that nobody expected. */
  readonly stack?: string;
}

/** Hints by error code; `corrupt` and others may know better at the place where they are thrown. */
const HINTS: Partial<Record<string, string>> = {
  busy: "another process holds the lock: try again, or wait longer with --timeout SECONDS",
  timeout: "another process holds the lock; wait longer with --timeout SECONDS",
  corrupt: "`ctdbx tdb check FILE` lists what is wrong, `ctdbx tdb rescue FILE` saves what is left",
  truncated: "another process has shortened or replaced the file: run the command again",
  limit: "libtdb's own limits are wider: Debian's tdb tools may still take the file",
  no_space: "free some space on the file system, then run the command again",
  read_only: "it was opened with --read-only, or its file system takes no writes",
  denied: "run it as the owner of the file (Samba's files belong to root)",
  unsupported: "--read-only reads it without locks, where that is enough",
  version: "a newer ctdbx may know it; Debian's tdbtool shows what libtdb makes of the file",
};

function hintOf(error: CtdbxError): string | undefined {
  // These are thrown by the open itself: check and rescue would only say the same.
  const isClosed = error instanceof CorruptError && ["header", "truncated"].includes(error.kind);
  return isClosed
    ? "without a sound header nothing of it can be read: is there a backup?"
    : HINTS[error.code];
}

/** What to do by exit code, where nothing better is known. */
const FALLBACKS: Partial<Record<ExitCode, string>> = {
  [EXIT.usage]: HELP,
  [EXIT.unknownOutcome]: "look how it is before you repeat it",
  [EXIT.noQuorum]: "`ctdbx cluster explain` says who is missing",
};

/** Turns whatever was thrown into what is shown. */
export function reportOf(error: unknown): Report {
  if (error instanceof Failure) {
    const code = Object.entries(EXIT).find(([, exit]) => exit === error.exit)?.[0] ?? "other";
    const hint = error.hint ?? FALLBACKS[error.exit];
    return { exit: error.exit, code, message: error.message, ...some("hint", hint) };
  }
  if (error instanceof CtdbxError) {
    const place = error instanceof CorruptError ? { kind: error.kind, offset: error.offset } : {};
    const { code, message } = error;
    return { exit: EXIT_OF[code], code, message, ...some("hint", hintOf(error)), ...place };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    exit: EXIT.other,
    code: "internal",
    message: `Cannot go on: ${message}`,
    hint: "this is a bug of ctdbx; please report it with the lines above",
    ...some("stack", error instanceof Error ? error.stack : undefined),
  };
}

/** The report as lines for a person. File names in it cannot steer the terminal. */
export function reportText(report: Report): string {
  const stack = report.stack === undefined ? "" : `${report.stack}\n`;
  const hint = report.hint === undefined ? "" : `hint: ${oneLine(report.hint)}\n`;
  return `${stack}ctdbx: ${oneLine(report.message)}\n${hint}`;
}

function some<Name extends string>(
  name: Name,
  value: string | undefined,
): { [key in Name]?: string } {
  return value === undefined ? {} : { [name]: value } as { [key in Name]: string };
}
