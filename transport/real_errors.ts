/**
 * Errors of node:fs, node:net and node:child_process as ours.
 *
 * Does NOT promise: a code of its own for each errno; what is not named here is "io".
 */
import { CtdbxError, type ErrorCode } from "./wire/errors.ts";

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not_found",
  ENOTDIR: "not_found",
  ECONNREFUSED: "not_found",
  EEXIST: "exists",
  EADDRINUSE: "exists",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "read_only",
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EFBIG: "limit",
  EMFILE: "limit",
  ENFILE: "limit",
  ENOMEM: "limit",
  ENAMETOOLONG: "limit",
  ETIMEDOUT: "timeout",
};

/** The name of an error of the system, as ENOENT; undefined when it has none. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : undefined;
}

/** Does the runtime itself not let this program do it? Deno's permissions. */
export function isNotAllowed(error: unknown): boolean {
  return error instanceof Error && error.name === "NotCapable";
}

/** `what` is the sentence so far: "Cannot read /x". */
export function nodeError(what: string, error: unknown): CtdbxError {
  if (error instanceof CtdbxError) return error;
  const name = systemCode(error);
  const text = name ?? (error instanceof Error ? error.message : String(error));
  const code = isNotAllowed(error) ? "denied" : CODES[name ?? ""] ?? "io";
  return new CtdbxError(code, `${what}: ${text}`, { cause: error });
}
