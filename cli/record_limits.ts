/**
 * Records that libtdb stores and ctdbx does not: found before the engine refuses them, so that they can be named.
 *
 * Does NOT promise: that there is room for a record that is small enough.
 */

import { KEY_MAX, VALUE_MAX } from "../transport/wire/limits.ts";
import { shortKey } from "./bytes_text.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** What to do about such a record, as a hint. */
export const TOO_LARGE =
  "Debian's tdbbackup and tdbrestore take it; `ctdbx tdb rescue FILE --to NEW` leaves it out";

/** Why ctdbx does not store a record, from a key and a value of these bytes; undefined: it does. */
export function overLimits(keyBytes: number, valueBytes: number): string | undefined {
  if (keyBytes > KEY_MAX) return `its key has ${keyBytes} bytes, KEY_MAX is ${KEY_MAX}`;
  if (valueBytes > VALUE_MAX) return `its value has ${valueBytes} bytes, VALUE_MAX is ${VALUE_MAX}`;
  return undefined;
}

/** Refuses a record over the limits, with exit code 1. `cannot` is the first half of the text. */
export function requireStorable(cannot: string, key: Uint8Array, value: Uint8Array): void {
  const why = overLimits(key.length, value.length);
  if (why === undefined) return;
  throw new Failure(
    EXIT.other,
    `${cannot}: the record "${shortKey(key)}" is too large: ${why}`,
    TOO_LARGE,
  );
}
