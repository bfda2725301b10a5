/**
 * Two nodes of one cluster that talk: what the tests of the codec send and receive.
 *
 *   const { sender, receiver, subject } = twoNodes();
 *
 * Does NOT promise: a bus; what one encodes is handed to the other.
 */

import { Codec } from "../../../transport/wire/codec.ts";
import type { CodecOptions, Received } from "../../../transport/wire/codec.ts";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import type { Refusal } from "../../../transport/wire/envelope.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import { DECLARATIONS } from "../../../transport/wire/messages/registry.ts";
import type { Message, SomeDeclaration } from "../../../transport/wire/messages/registry.ts";
import { buildSubject } from "../../../transport/wire/subjects.ts";
import type { SubjectClass } from "../../../transport/wire/subjects.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import type { ClusterId, DbId, Generation, NodeId } from "../../../transport/wire/terms.ts";
import { encoded } from "./cbor_bytes.ts";

/** The two nodes, a third one, and their cluster. */
export const ONE = "0123456789abcdef0123456789abcdef" as NodeId;
export const OTHER = "fedcba9876543210fedcba9876543210" as NodeId;
export const THIRD = "00112233445566778899aabbccddeeff" as NodeId;
export const CLUSTER = "cafe0000cafe0000cafe0000cafe0000" as ClusterId;
export const STAMPS = { gen: (7n << 32n) as Generation, stamp: 99n };

/** A codec of a node. */
export function codecOf(own: NodeId, options: Partial<CodecOptions> = {}): Codec {
  const codec = new Codec({ cluster: "test", own, firstId: 1000n, ...options });
  codec.clusterId = CLUSTER;
  return codec;
}

/** The subject by which ONE reaches OTHER on a class. */
export function subjectOn(subjectClass: SubjectClass, from: NodeId = ONE): string {
  const head = { cluster: "test", from: tagOf(from) };
  switch (subjectClass) {
    case "all":
      return buildSubject({ ...head, class: subjectClass });
    case "db":
      return buildSubject({ ...head, class: subjectClass, to: 0xabc as DbId });
    case "n":
    case "r":
    case "cl":
    case "ask":
      return buildSubject({ ...head, class: subjectClass, to: tagOf(OTHER) });
    case "ev":
    case "ev.cbor":
      return buildSubject({ ...head, class: subjectClass, to: "view" });
  }
}

/** The declaration of a kind. */
export function declared(kind: string): SomeDeclaration {
  const declaration = DECLARATIONS.get(kind);
  if (declaration === undefined) throw new Error(`${kind} is not declared`);
  return declaration;
}

/** The subject on which a kind travels from ONE to OTHER. */
export function subjectFor(kind: string): string {
  return subjectOn(declared(kind).classes[0] ?? "n");
}

/** An envelope of ONE around bytes, as a program of another make would write it. */
export function wrapped(kind: string, body: Uint8Array, changes: object = {}): Uint8Array {
  const head = { v: 1, cluster: CLUSTER, from: ONE, gen: 5, stamp: 6, id: 77 };
  return encoded({ ...head, kind, body, ...changes });
}

/** What must be a message; throws the refusal otherwise. */
export function received(result: Received | Refusal | undefined): Received {
  if (result !== undefined && !isRefusal(result)) return result;
  throw new Error(`no message: ${result === undefined ? "parts are missing" : said(result)}`);
}

/** What must be a refusal; throws otherwise. */
export function refused(result: Received | Refusal | undefined): Refusal {
  if (result !== undefined && isRefusal(result)) return result;
  throw new Error(
    `not refused: ${result === undefined ? "parts are missing" : result.message.kind}`,
  );
}

/** Sends a message from ONE to OTHER, all of its parts. */
export function sent(sender: Codec, receiver: Codec, message: Message): Received {
  const payloads = sender.encode(message, STAMPS);
  const results = payloads.map((payload) => receiver.decode(subjectFor(message.kind), payload, 0));
  return received(results.at(-1));
}

function said({ refused, text }: Refusal): string {
  return `${refused}: ${text}`;
}

/** A document with so many nodes, all of them members, and all slots dealt. */
export function documentOf(nodeCount: number): Document {
  const member = (i: number) => ({ pnn: i % nodeCount, incarnation: BigInt(i % nodeCount) + 100n });
  const numbers = Array.from({ length: nodeCount }, (_, i) => i);
  const slots = Array.from({ length: 1024 }, (_, i) => ({ home: member(i), slotGen: 5n << 32n }));
  const nodes = numbers.map((i) => ({
    pnn: i,
    nodeId: i.toString(16).padStart(32, "0"),
    name: `node${i}`,
    addr: `10.0.0.${i % 256}:4222`,
    adminFlags: [],
    caps: ["leader", "lmaster"],
    since: 5n << 32n,
  }));
  const members = numbers.map(member);
  const document = {
    version: (5n << 32n) + 1n,
    parent: 0n,
    generation: (5n << 32n) + 1n,
    coreVersion: (5n << 32n) + 1n,
    clusterId: CLUSTER,
    voters: [{ voterId: 1, nodeId: ONE }],
    nodes,
    view: { members, prevMembers: [], slots, maxInc: members },
    dbs: [],
    publicIps: [],
  };
  const { message } = sent(codecOf(ONE), codecOf(OTHER), { kind: "view", doc: document } as never);
  if (message.kind !== "view") throw new Error("a view became something else");
  return message.doc;
}
