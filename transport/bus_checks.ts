/**
 * What every adapter of the Bus port refuses, and which subjects a pattern takes.
 *
 *   subject   a.b.c        tokens of printable ASCII, none empty, no wildcard       SUBJECT_MAX characters
 *   pattern   a.*.c  a.>   `*` stands for one token, `>` for one or more at the end
 *
 * A server takes a literal `*` in a published subject, and a line break in one would be a command of its own: so
 * nothing goes out unchecked.
 *
 * Does NOT promise: that a subject means anything in ctdbx; transport/wire/subjects.ts makes those.
 */
import { CtdbxError } from "./wire/errors.ts";
import { MESSAGE_MAX } from "./wire/limits.ts";

/** Longest subject or pattern, characters. */
export const SUBJECT_MAX = 255;

/** Printable ASCII without space, dot and the wildcards. */
const TOKEN = /^[!-)+-\-/-=?-~]+$/;
const TOKENS = /^[!-)+-\-/-=?-~]+(?:\.[!-)+-\-/-=?-~]+)*$/;

/** Can it be published to? A server lets others name more than that as the place of an answer. */
export function isSubject(subject: string): boolean {
  return subject.length <= SUBJECT_MAX && TOKENS.test(subject);
}

/** Throws RangeError on what cannot be published to. */
export function checkSubject(subject: string): void {
  if (!isSubject(subject)) throw odd("publish to", subject);
}

/** Throws RangeError on what cannot be subscribed to. */
export function checkPattern(pattern: string): void {
  const tokens = pattern.split(".");
  const isSound = pattern.length <= SUBJECT_MAX &&
    tokens.every((token, index) =>
      token === "*" || (token === ">" && index === tokens.length - 1) || TOKEN.test(token)
    );
  if (!isSound) throw odd("subscribe to", pattern);
}

/** Throws "limit" when a payload is longer than `max` bytes. */
export function checkPayload(subject: string, payload: Uint8Array, max: number): void {
  if (payload.length <= max) return;
  const name = max === MESSAGE_MAX ? "MESSAGE_MAX" : "the server's limit";
  throw new CtdbxError(
    "limit",
    `Cannot publish to ${subject}: the payload has ${payload.length} bytes, ${name} is ${max}`,
  );
}

/** Throws RangeError unless `timeoutMs` is a time that can be waited: 1 ms to a day. */
export function checkWait(timeoutMs: number): void {
  if (timeoutMs >= 1 && timeoutMs <= 86_400_000) return;
  throw new RangeError(`Cannot wait: timeoutMs must be 1 to 86400000, is ${timeoutMs}`);
}

/** Does a pattern take a subject? Both are sound. */
export function takes(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  let at = 0;
  for (let i = 0; i < pattern.length; i++) {
    const wanted = pattern[i];
    if (wanted === ">") return at < subject.length;
    if (wanted === "*") {
      const dot = subject.indexOf(".", at);
      if (at >= subject.length) return false;
      at = dot < 0 ? subject.length : dot;
    } else if (subject[at++] !== wanted) return false;
  }
  return at === subject.length;
}

function odd(what: string, subject: string): RangeError {
  return new RangeError(`Cannot ${what} ${JSON.stringify(subject.slice(0, 80))}: no sound subject`);
}
