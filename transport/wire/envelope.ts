/**
 * The envelope of every message, what a receiver may refuse, and which versions understand each other.
 *
 *   { v, cluster, from, gen, stamp, id, kind, body: bytes }      + { part, parts, bytes } when the body is in parts
 *
 * The body is encoded for itself and lies inside as bytes. So version, cluster and sender are judged before anything of
 * the body is looked at, and a body may change its form in a new version.
 *
 * Versions: N understands N-1 and N+1. A version may add kinds, and optional fields; what it takes away or needs must
 * have been optional one version before. Receivers drop fields that they do not know.
 *
 * Does NOT promise: who sent it, by itself; the subject says so, and the codec compares.
 */

import { bytes, clusterId, nodeId, optional, record, text, u32, u64 } from "./fields.ts";
import type { Shaped } from "./fields.ts";
import { FAULT_TEXT_MAX, fitText, PARTS_MAX, WHOLE_MAX } from "./limits.ts";
import { LEVEL } from "./level.ts";
import type { Generation, NodeId, Tag } from "./terms.ts";

/** The protocol's version of this build. */
export const PROTOCOL = LEVEL;

/** The envelope. */
export const ENVELOPE = record("Envelope", "What is around every message.", {
  v: u32("Protocol version of the sender.", 0xffff, 1),
  cluster: clusterId("The sender's cluster; all zeros: it has none yet."),
  from: nodeId("The sender; its tag must be the one in the subject."),
  gen: u64<Generation>("Generation that the sender has adopted; 0: none."),
  stamp: u64("Lamport clock of the sender."),
  id: u64(
    "Number of the message; the sender does not use it again. Parts of one message share it.",
  ),
  kind: text("Which message.", 32, "^[a-z][a-z0-9_]{0,31}$"),
  part: optional(u32("Which part this is, from 0.", PARTS_MAX - 1)),
  parts: optional(u32("How many parts there are.", PARTS_MAX, 2)),
  bytes: optional(
    u32("Bytes of the whole body. Part i is from i*bytes/parts on, rounded down.", WHOLE_MAX),
  ),
  body: bytes("The message's own fields as one CBOR map, or a part of that."),
});
/** The envelope. */
export type Envelope = Shaped<typeof ENVELOPE>;

/** Why a message was refused, and what each code means, in the words of docs/WIRE.md. */
export const REFUSAL_MEANING = {
  size: "larger than a message, or than one of its kind may be",
  subject: "not a subject of this cluster",
  form: "not CBOR, or CBOR that no message holds",
  version: "a protocol version that is too old or too new",
  envelope: "not an envelope",
  sender: "the subject names another sender",
  cluster: "another cluster's",
  kind: "a message that this version does not know",
  class: "a message that does not travel on that subject",
  part: "a part that does not fit",
  body: "not of the declared form",
} as const;
/** Why a message was refused. */
export type RefusalCode = keyof typeof REFUSAL_MEANING;

/** A message that was refused, as a value; who receives it counts it. */
export interface Refusal {
  readonly refused: RefusalCode;
  /** What is wrong and, for a version, what to do. At most FAULT_TEXT_MAX characters. */
  readonly text: string;
  /** Whom the subject names, for which the server vouches; undefined: it came on no subject of ours. */
  readonly tag?: Tag;
  /** Whom the envelope names, if it could be read and the subject does not say otherwise. */
  readonly from?: NodeId;
}

/** Is it refused? */
export function isRefusal(value: object): value is Refusal {
  return "refused" in value;
}

/** A refusal. */
export function refusal(refused: RefusalCode, text: string, from?: NodeId): Refusal {
  const said = { refused, text: fitText(text, FAULT_TEXT_MAX) };
  return from === undefined ? said : { ...said, from };
}

/** Whether version `v` is understood by `own`: undefined when it is, else what to do. */
export function versionFault(v: number, own: number): string | undefined {
  const least = Math.max(1, own - 1);
  if (v >= least && v <= own + 1) return undefined;
  const say =
    `Cannot read a message of protocol ${v}: this node speaks ${own} and reads ${least} to ${
      own + 1
    }`;
  if (v > own) return `${say}; upgrade this node`;
  return `${say}; upgrade the sender, in steps of one protocol version`;
}
