/**
 * Events as bytes: JSON for people and programs of all kinds, CBOR for those that want it smaller. Both say the same.
 *
 *   event ─▶ plain values (u64 as digits) ─▶ JSON      ─▶ CBOR, maps with the same names as keys
 *
 * Does NOT promise: CBOR that nodes would take as a message; events go to monitors only, and no node decides by them.
 */

import { Encoder } from "cbor-x/encode";
import { EVENT_MAX } from "./messages/event_form.ts";

/** Encodes events. */
export class EventCodec {
  readonly #cbor = new Encoder({
    useRecords: false,
    mapsAsObjects: true,
    variableMapSize: true,
    tagUint8Array: false,
  });
  readonly #utf8 = new TextEncoder();

  /** As JSON, u64 as digits, without fields that are undefined. Throws RangeError beyond EVENT_MAX. */
  json(event: object): Uint8Array {
    const text = JSON.stringify(event, digitsOf);
    const bytes = this.#utf8.encode(text);
    if (bytes.length > EVENT_MAX) {
      throw new RangeError(
        `Cannot tell an event of ${bytes.length} bytes: EVENT_MAX is ${EVENT_MAX}`,
      );
    }
    return bytes;
  }

  /** The same as CBOR. `event` must be plain: no bigint, nothing undefined. */
  cbor(event: object): Uint8Array {
    // The encoder uses its buffer again.
    return this.#cbor.encode(event).slice();
  }
}

/** The value without undefined fields, bigint as digits: what JSON would make of it. */
export function plain(value: unknown): unknown {
  if (typeof value === "bigint") return `${value}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const made: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) {
    if (part !== undefined) made[name] = plain(part);
  }
  return made;
}

function digitsOf(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}
