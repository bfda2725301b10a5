/**
 * Mutated messages: what leaves a good node and is changed on the way, by chance or with intent.
 *
 *   good payload ─▶ its envelope, or the body in it ─▶ bits, bytes, heads, pieces changed ─▶ decode ─▶ a verdict
 *
 * A run judges each verdict: it is a message that is of its declared form, or a refusal with a code and a short text;
 * nothing is thrown, no prototype is touched, no more work is done than bytes allow, and nothing piles up.
 *
 * Does NOT promise: the same mutations after a change of the declarations; a seed counts for one version.
 */

import fc from "fast-check";
import type { Codec } from "../../../transport/wire/codec.ts";
import { isRefusal, REFUSAL_MEANING } from "../../../transport/wire/envelope.ts";
import { FAULT_TEXT_MAX, MAP_FIELDS_MAX, UNFINISHED_MAX } from "../../../transport/wire/limits.ts";
import { DECLARATIONS } from "../../../transport/wire/messages/registry.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { anyBody } from "./declared.ts";
import { codecOf, declared, ONE, OTHER, STAMPS, subjectFor, THIRD, wrapped } from "./two_nodes.ts";

/** Bytes that mean much in CBOR. */
const HEADS = [0x00, 0x17, 0x18, 0x1b, 0x20, 0x3b, 0x40, 0x5b, 0x5f, 0x60, 0x78, 0x7b, 0x7f, 0x80];
HEADS.push(
  0x9a,
  0x9b,
  0x9f,
  0xa0,
  0xb8,
  0xbb,
  0xbf,
  0xc2,
  0xc3,
  0xd8,
  0xf4,
  0xf6,
  0xf7,
  0xfb,
  0xff,
);
/** Steps of the gate for each byte at most. */
const WORK_PER_BYTE = 2 + MAP_FIELDS_MAX / 4;
/** Messages of each kind to begin with. */
const SAMPLES = 12;

/** A good message, as its kind and its body. */
interface Seedling {
  readonly kind: string;
  readonly body: Uint8Array;
  readonly payload: Uint8Array;
}

/** Good messages of all kinds. */
export function seedlings(): Seedling[] {
  const sender = codecOf(ONE);
  return [...DECLARATIONS.keys()].flatMap((kind) => {
    const bodies = fc.sample(anyBody(declared(kind)), { numRuns: SAMPLES, seed: 3 });
    return bodies.map((body) => {
      const [payload = new Uint8Array()] = sender.encode({ kind, ...body } as never, STAMPS);
      return { kind, body: bodyIn(payload), payload };
    });
  });
}

/** The body in a payload of ours: it stands last, behind its name and its head. */
function bodyIn(payload: Uint8Array): Uint8Array {
  const name = [0x64, 0x62, 0x6f, 0x64, 0x79]; // text(4) "body"
  for (let at = payload.length - name.length; at >= 0; at--) {
    if (!name.every((byte, i) => payload[at + i] === byte)) continue;
    const start = at + name.length;
    const info = (payload[start] ?? 0) & 31;
    const head = info < 24 ? 1 : 1 + (1 << (info - 24));
    return payload.slice(start + head);
  }
  throw new Error("a payload without a body");
}

/** Mutates and judges. */
export class Mutations {
  /** How often each verdict came. */
  readonly counts = new Map<string, number>();
  readonly #seedlings = seedlings();
  #receiver: Codec = codecOf(OTHER);

  /** One mutated message. Throws what is wrong with its treatment. */
  run(seed: number): void {
    const dice = new SeededDice(seed);
    const seedling = this.#pick(dice);
    const isInside = dice.chance(2, 3);
    const other = this.#pick(dice);
    const changed = isInside
      ? mutated(seedling.body, other.body, dice)
      : mutated(seedling.payload, other.payload, dice);
    const envelope = dice.chance(1, 5) ? oddEnvelope(dice, changed, other.kind) : {};
    const payload = isInside ? wrapped(seedling.kind, changed, envelope) : changed;
    // Now and then another life of the receiver.
    if (dice.chance(1, 1000)) this.#receiver = codecOf(OTHER);
    const like = dice.chance(1, 50) ? other.kind : seedling.kind;
    this.#judge(subjectFor(like), payload, seed);
  }

  #pick(dice: SeededDice): Seedling {
    const seedling = this.#seedlings[dice.below(this.#seedlings.length)];
    if (seedling === undefined) throw new Error("no seedlings");
    return seedling;
  }

  #judge(subject: string, payload: Uint8Array, nowMs: number): void {
    const receiver = this.#receiver;
    const before = payload.slice();
    const result = receiver.decode(subject, payload, nowMs);
    if (receiver.work > WORK_PER_BYTE * 2 * payload.length + 64) {
      throw new Error(`${receiver.work} steps for ${payload.length} bytes`);
    }
    if (!before.every((byte, i) => byte === payload[i])) throw new Error("the payload was changed");
    if (receiver.assembly.count > UNFINISHED_MAX) throw new Error("unfinished messages pile up");
    for (const name of ["refused", "nonce", "polluted", "kind", "x"]) {
      if (name in {}) throw new Error(`every object has ${name} now`);
    }
    this.#count(result === undefined ? "waits" : isRefusal(result) ? result.refused : "message");
    if (result === undefined) return;
    if (isRefusal(result)) {
      if (!Object.hasOwn(REFUSAL_MEANING, result.refused)) throw new Error(result.refused);
      if (result.text === "" || result.text.length > FAULT_TEXT_MAX) throw new Error(result.text);
      return;
    }
    const { kind, ...body } = result.message;
    const fault = declared(kind).faultOf(body);
    if (fault !== "") throw new Error(`a message that is not of its form: ${fault}`);
    // Whatever was taken can be said again.
    codecOf(ONE).encode(result.message, STAMPS);
  }

  #count(verdict: string): void {
    this.counts.set(verdict, (this.counts.get(verdict) ?? 0) + 1);
  }
}

/** Envelopes that are well-formed, but say something else. */
function oddEnvelope(dice: SeededDice, body: Uint8Array, kind: string): object {
  switch (dice.below(7)) {
    case 0:
      return { v: dice.below(6) };
    case 1:
      return { from: THIRD };
    case 2:
      return { cluster: "0".repeat(32) };
    case 3:
      return { kind };
    case 4:
      return { kind: "something_new", v: 3 };
    case 5:
      return { body: new Uint8Array(dice.below(100_000)) };
    default: {
      const parts = dice.below(4);
      const bytes = dice.chance(1, 2) ? body.length * parts : 1024 * parts;
      const whole = { part: dice.below(4), parts, bytes, id: dice.below(8) };
      return dice.chance(1, 3) ? whole : { ...whole, body: new Uint8Array(1024) };
    }
  }
}

/** A message with one to four changes. */
function mutated(bytes: Uint8Array, other: Uint8Array, dice: SeededDice): Uint8Array {
  let changed: Uint8Array = bytes.slice();
  for (let times = 1 + dice.below(2) * dice.below(4); times > 0; times--) {
    changed = changedOnce(changed, other, dice);
  }
  return changed;
}

function changedOnce(bytes: Uint8Array, other: Uint8Array, dice: SeededDice): Uint8Array {
  if (bytes.length === 0) return other.slice(0, 1);
  const at = dice.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + dice.below(16));
  const copy = bytes.slice();
  switch (dice.below(9)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
      return copy;
    case 1:
      copy[at] = dice.below(256);
      return copy;
    case 2:
      copy[at] = HEADS[dice.below(HEADS.length)] ?? 0;
      return copy;
    case 3:
      return bytes.slice(0, at);
    case 4:
      return spliced(bytes, at, end, new Uint8Array());
    case 5:
      // A piece twice.
      return spliced(bytes, end, end, bytes.slice(at, end));
    case 6:
      return spliced(bytes, at, at, Uint8Array.of(HEADS[dice.below(HEADS.length)] ?? 0));
    case 7: {
      const from = dice.below(other.length + 1);
      return spliced(bytes, at, end, other.slice(from, from + 1 + dice.below(64)));
    }
    default:
      // A small change of a number or a length.
      copy[at] = (copy[at] ?? 0) + (dice.chance(1, 2) ? 1 : 255);
      return copy;
  }
}

function spliced(bytes: Uint8Array, at: number, end: number, put: Uint8Array): Uint8Array {
  const made = new Uint8Array(bytes.length - (end - at) + put.length);
  made.set(bytes.subarray(0, at));
  made.set(put, at);
  made.set(bytes.subarray(end), at + put.length);
  return made;
}
