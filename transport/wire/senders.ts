/**
 * Who sends what has a layout of its own: ids as 16 bytes, and the senders that were seen, so that none is made anew.
 *
 *   16 bytes of a payload ──▶ { node id, tag } ── is the tag the subject's?
 *
 * Does NOT promise: that there is such a node.
 */
import type { NodeId, Tag } from "./terms.ts";
import { tagOf } from "./terms.ts";

/** Bytes of an id. */
export const ID_SIZE = 16;
/** Senders that are remembered. */
const SENDERS_MAX = 4096;

/** Who sent something, as it says itself. */
export interface Sender {
  readonly bytes: Uint8Array;
  readonly nodeId: NodeId;
  readonly tag: Tag;
}

/** The senders that were seen last. */
export class Senders {
  /** By the first four bytes of their ids: two with the same ones take turns. */
  readonly #known = new Map<number, Sender>();

  /** Who is named at a place; the 16 bytes must be there. */
  at(payload: Uint8Array, at: number): Sender {
    const [a = 0, b = 0, c = 0, d = 0] = payload.subarray(at, at + 4);
    const key = (a | b << 8 | c << 16) + d * 2 ** 24;
    const known = this.#known.get(key);
    if (known !== undefined && isAt(payload, at, known.bytes)) return known;
    const bytes = payload.slice(at, at + ID_SIZE);
    const nodeId = hexOf(bytes) as NodeId;
    const made = { bytes, nodeId, tag: tagOf(nodeId) };
    if (this.#known.size >= SENDERS_MAX) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}

/** Are these bytes at that place? */
export function isAt(payload: Uint8Array, at: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (payload[at + i] !== bytes[i]) return false;
  return true;
}

/** The 16 bytes of an id of 32 hex digits. Throws RangeError on what is none. */
export function bytesOfId(id: string): Uint8Array {
  if (!/^[0-9a-f]{32}$/.test(id)) throw new RangeError(`Cannot write ${id}: it is no id`);
  return Uint8Array.from(
    { length: ID_SIZE },
    (_, i) => Number.parseInt(id.slice(2 * i, 2 * i + 2), 16),
  );
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
