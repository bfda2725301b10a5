/**
 * Puts messages together that came in parts.
 *
 *   body of n bytes in p parts: part i = bytes i*n/p .. (i+1)*n/p, rounded down
 *
 * Parts may come twice and in any order. What waits is bounded: per sender by count, in all by bytes, and by age. A
 * message of which a part is lost is dropped in time; its sender repeats it as a new one, if at all.
 *
 * Does NOT promise: that two messages come out in the order in which they were sent.
 */

import { OVER_MAX, PART_BYTES_MIN, UNFINISHED_BYTES_MAX } from "./limits.ts";
import { UNFINISHED_MAX, UNFINISHED_MS } from "./limits.ts";
import type { NodeId } from "./terms.ts";

/** One part, as its envelope says. */
export interface Part {
  readonly from: NodeId;
  readonly id: bigint;
  readonly kind: string;
  /** 0 .. parts - 1. */
  readonly part: number;
  readonly parts: number;
  /** Bytes of the whole. */
  readonly bytes: number;
  /** Kept as it is until the whole is there; nobody may change it. */
  readonly body: Uint8Array;
}

/** What became of a part: the whole; a wait for the others; nothing, since it was there; or what is wrong with it. */
export type Taken = Uint8Array | "waits" | "known" | { readonly wrong: string };

/** A message of which parts are missing. */
interface Unfinished {
  readonly first: Part;
  readonly endMs: number;
  readonly bodies: Map<number, Uint8Array>;
}

/** What waits of one sender. */
interface Share {
  bytes: number;
  /** By key, oldest first. */
  readonly keys: Set<string>;
}

/** Where part `part` begins. */
export function partStart(bytes: number, parts: number, part: number): number {
  return Math.floor((part * bytes) / parts);
}

/** Cuts a body so that no part is larger than `bytesMax`. One part: the body itself. */
export function cut(body: Uint8Array, bytesMax: number): Uint8Array[] {
  const parts = Math.max(1, Math.ceil(body.length / bytesMax));
  return Array.from({ length: parts }, (_, part) =>
    body.subarray(
      partStart(body.length, parts, part),
      partStart(body.length, parts, part + 1),
    ));
}

/** The messages that wait for parts. */
export class Assembly {
  /** By key, oldest first. */
  readonly #unfinished = new Map<string, Unfinished>();
  readonly #shares = new Map<NodeId, Share>();
  /** Keys of messages that are over, oldest first: late parts of them begin nothing. */
  readonly #over = new Set<string>();
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that wait. */
  get count(): number {
    return this.#unfinished.size;
  }

  /** When something is to be dropped next, if nothing comes; undefined: nothing waits. */
  get wakeMs(): number | undefined {
    const [oldest] = this.#unfinished.values();
    return oldest?.endMs;
  }

  /** Takes a part. `nowMs` never goes back. */
  take(part: Part, nowMs: number): Taken {
    this.sweep(nowMs);
    const wrong = faultOf(part);
    if (wrong !== undefined) return { wrong };
    const key = `${part.from}/${part.id}`;
    if (this.#over.has(key)) return "known";
    const unfinished = this.#unfinished.get(key) ?? this.#begin(key, part, nowMs);
    const { first, bodies } = unfinished;
    if (first.kind !== part.kind || first.parts !== part.parts || first.bytes !== part.bytes) {
      return { wrong: "parts of one message differ in what they say of the whole" };
    }
    if (bodies.has(part.part)) return "known";
    bodies.set(part.part, part.body);
    this.#count(part.from, part.body.length);
    if (bodies.size === part.parts) {
      this.#end(key);
      return join(unfinished);
    }
    this.#makeRoom();
    return "waits";
  }

  /** Drops what is too old. Answers how many messages that were. */
  sweep(nowMs: number): number {
    let dropped = 0;
    for (const [key, { endMs }] of this.#unfinished) {
      if (endMs > nowMs) break;
      this.#end(key);
      dropped += 1;
    }
    return dropped;
  }

  #begin(key: string, first: Part, nowMs: number): Unfinished {
    const share = this.#shares.get(first.from) ?? { bytes: 0, keys: new Set<string>() };
    this.#shares.set(first.from, share);
    // UNFINISHED_MAX is above 1, so the share does not go with what is dropped here.
    for (const oldest of share.keys) {
      if (share.keys.size < UNFINISHED_MAX) break;
      this.#end(oldest);
    }
    share.keys.add(key);
    const unfinished = { first, endMs: nowMs + UNFINISHED_MS, bodies: new Map() };
    this.#unfinished.set(key, unfinished);
    return unfinished;
  }

  /** Takes a message out, finished or not. */
  #end(key: string): void {
    const unfinished = this.#unfinished.get(key);
    if (unfinished === undefined) return;
    const { first: { from }, bodies } = unfinished;
    this.#unfinished.delete(key);
    for (const body of bodies.values()) this.#count(from, -body.length);
    const share = this.#shares.get(from);
    share?.keys.delete(key);
    if (share?.keys.size === 0) this.#shares.delete(from);
    this.#over.add(key);
    for (const oldest of this.#over) {
      if (this.#over.size <= OVER_MAX) break;
      this.#over.delete(oldest);
    }
  }

  #count(from: NodeId, bytes: number): void {
    this.#bytes += bytes;
    const share = this.#shares.get(from);
    if (share !== undefined) share.bytes += bytes;
  }

  /** Drops the oldest of whoever has most, so that one who floods harms himself first. */
  #makeRoom(): void {
    while (this.#bytes > UNFINISHED_BYTES_MAX) {
      let most: Share | undefined;
      for (const share of this.#shares.values()) {
        if (most === undefined || share.bytes > most.bytes) most = share;
      }
      const [oldest] = most?.keys ?? [];
      if (oldest === undefined) throw new Error("bytes wait, but nobody's");
      this.#end(oldest);
    }
  }
}

function faultOf({ part, parts, bytes, body }: Part): string | undefined {
  if (part >= parts) return `part ${part} of ${parts}`;
  if (bytes < parts * PART_BYTES_MIN) return `${parts} parts for ${bytes} bytes`;
  const due = partStart(bytes, parts, part + 1) - partStart(bytes, parts, part);
  if (body.length !== due) return `part ${part} of ${parts} has ${body.length} bytes, not ${due}`;
  return undefined;
}

function join({ first: { bytes, parts }, bodies }: Unfinished): Uint8Array {
  const whole = new Uint8Array(bytes);
  for (const [part, body] of bodies) whole.set(body, partStart(bytes, parts, part));
  return whole;
}
