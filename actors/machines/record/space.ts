/**
 * Where a copy cannot be stored: no space on the disk, no room in the file, no file at all.
 *
 *   a new value      refused, and nothing was changed: the operation fails, a GRANT gets NACK, so the record stays
 *                    where it is; a copy to read is not used; a call whose copy cannot be kept is unknown
 *   the same value   with another header, or an empty one: the store has room for those always
 *
 * A refusal travels in the place of a result, its code before the words.
 *
 * Does NOT promise: to go on with a file that is broken; that ends the thread, as it always did.
 */
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import type { Stored } from "./copy.ts";
import type { OpCode, Reason } from "./events.ts";
import { count, putStored } from "./keys.ts";
import type { KeyState, RecordState } from "./state.ts";

/** What is no want of room: a file whose content is wrong, or a mistake of the machine. */
const BROKEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["corrupt", "truncated", "busy"]);

/** Codes of refusals that are told of in words to other nodes. */
const TOLD: readonly OpCode[] = ["limit", "no_space", "state"];
/** Between the code and the words. */
const UNIT = "\u001f";
/** What is told of the reason of a refusal, bytes at most. */
const WHY_MAX = 300;

/** Why nothing can be stored, as a client is told. */
export function reasonOf({ code, message }: CtdbxError): Reason {
  return { code: code === "no_space" || code === "limit" ? code : "state", why: message };
}

/** Under the mutex: stores a new value. Answers why not, if the store has no room for it: nothing was changed then. */
export function tryPut(state: RecordState, ks: KeyState, stored: Stored): Reason | undefined {
  try {
    putStored(state, ks, stored);
    return undefined;
  } catch (error) {
    if (!(error instanceof CtdbxError) || BROKEN.has(error.code)) throw error;
    count(state, "puts refused");
    return reasonOf(error);
  }
}

/** Why a call was refused, as it travels in the place of a result. */
export function reasonBytes({ code, why }: Reason): Uint8Array {
  const told = TOLD.includes(code) ? `${code}${UNIT}${why}` : why;
  return new TextEncoder().encode(told).slice(0, WHY_MAX);
}

/** The reason of reasonBytes; a text that was cut may end in a replacement character. */
export function reasonIn(bytes: Uint8Array | undefined): Reason {
  if (bytes === undefined || bytes.length === 0) {
    return { code: "refused", why: "the procedure refused" };
  }
  const text = new TextDecoder().decode(bytes);
  const code = TOLD.find((one) => text.startsWith(`${one}${UNIT}`));
  return code === undefined
    ? { code: "refused", why: text }
    : { code, why: text.slice(code.length + UNIT.length) };
}
