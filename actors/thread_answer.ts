/**
 * Answers that survive the way between two threads: errors lose their class and code there, so they go as data.
 *
 *   answered(work) ─▶ {ok} | {code, text} ── between threads ──▶ taken(answer) ─▶ the value, or the error again
 *
 * Does NOT promise: the stack of where it was thrown.
 */
import { CtdbxError, type ErrorCode } from "../transport/wire/errors.ts";

/** An answer as data. */
export type Answer<T> = { readonly ok: T } | { readonly code: ErrorCode; readonly text: string };

/** Does something and answers as data; what is no CtdbxError has code "io". */
export async function answered<T>(work: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: await work() };
  } catch (error) {
    const code = error instanceof CtdbxError ? error.code : "io";
    return { code, text: error instanceof Error ? error.message : String(error) };
  }
}

/** The value of an answer. Throws the CtdbxError that it carries. */
export function taken<T>(answer: Answer<T>): T {
  if ("ok" in answer) return answer.ok;
  throw new CtdbxError(answer.code, answer.text);
}
