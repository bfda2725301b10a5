/**
 * How a message is declared: once. Its type, its check, its subject and its page in docs/WIRE.md all follow.
 *
 *   export const PROBE = declare("probe", { class: "n", doc: "...", fields: { nonce: u32("...") } });
 *   export type Probe = MessageOf<typeof PROBE>;      // { readonly kind: "probe"; readonly nonce: number }
 *
 * The check is made at its first use. Encoding takes a message that passes it (anything else is a mistake of the
 * program); decoding makes one, or a refusal.
 *
 * Does NOT promise: order, delivery, or anything about a message beyond its form.
 */

import type { TObject, TProperties } from "typebox";
import { checkOf } from "./check.ts";
import type { Shaped } from "./fields.ts";
import { guideOf } from "./guide.ts";
import type { Guide } from "./guide.ts";
import { schemaAt } from "./level.ts";
import { BODY_MAX } from "./limits.ts";
import { faultFinder } from "./fault.ts";
import { objectOf } from "./schema.ts";
import type { SchemaNode } from "./schema.ts";
import { packOf, shapeOf } from "./shape.ts";
import type { Shape } from "./shape.ts";
import type { SubjectClass } from "./subjects.ts";

/** What there is to say of a message. */
export interface Saying<Fields extends TProperties> {
  /** The class of subjects that it travels on; on any other it is refused. */
  readonly class: SubjectClass | readonly SubjectClass[];
  /** Who sends it to whom, when, and what follows. */
  readonly doc: string;
  readonly fields: Fields;
  /** Bytes of its body at most; BODY_MAX when absent. */
  readonly bytesMax?: number;
  /** The level that it came with; 1 when absent. */
  readonly since?: number;
  /** May one ask so who does not know the cluster's id, or says another? What it may ask is the receiver's to judge. */
  readonly fromStrangers?: boolean;
}

/** A declared message. */
export interface Declaration<
  Kind extends string = string,
  Fields extends TProperties = TProperties,
> {
  readonly kind: Kind;
  readonly classes: readonly SubjectClass[];
  readonly doc: string;
  /** Its fields without `kind`. */
  readonly body: TObject<Fields>;
  /** Bytes of its encoded body at most. */
  readonly bytesMax: number;
  /** The level that it came with. */
  readonly since: number;
  /** Is it taken from who is not of the cluster, too? */
  readonly fromStrangers: boolean;
  /** What the gate may expect of an encoded body. Made at the first use. */
  readonly guide: () => Guide;
  /** Makes a message of a decoded body: u64 as bigint, unknown fields dropped. What is wrong stays, for check. */
  readonly shape: Shape;
  /** What is encoded for a body that passes the check. */
  readonly pack: Shape;
  /** Does a body have the declared form, each value in its range? */
  check(body: unknown): boolean;
  /** What is wrong with a body, in words; "" when nothing is. At most FAULT_TEXT_MAX characters. */
  faultOf(body: unknown): string;
  /** As a level has it: newer fields are unknown. The same one when there are none. */
  at(level: number): Declaration<Kind, Fields>;
}

/** The type of a declared message. */
export type MessageOf<D> = D extends Declaration<infer Kind, infer Fields>
  ? { readonly kind: Kind } & Shaped<TObject<Fields>>
  : never;

/** What every message has. */
export interface AnyMessage {
  readonly kind: string;
}

/** What a kind looks like: it is shown, logged and counted. */
const KIND = /^[a-z][a-z0-9_]{0,31}$/;

/** Declares a message. Throws RangeError on a kind of another form. */
export function declare<const Kind extends string, const Fields extends TProperties>(
  kind: Kind,
  saying: Saying<Fields>,
): Declaration<Kind, Fields> {
  if (!KIND.test(kind)) throw new RangeError(`Cannot declare ${kind}: a kind is ${KIND.source}`);
  return declared(kind, saying, objectOf(saying.fields));
}

function declared<const Kind extends string, const Fields extends TProperties>(
  kind: Kind,
  saying: Saying<Fields>,
  body: TObject<Fields>,
): Declaration<Kind, Fields> {
  const { class: classes, doc, bytesMax = BODY_MAX, since = 1, fromStrangers = false } = saying;
  const levels = new Map<number, Declaration<Kind, Fields>>();
  const check = lazily(() => checkOf(body as SchemaNode));
  const fault = lazily(() => faultFinder(body));
  const shape = lazily(() => shapeOf(body));
  const pack = lazily(() => packOf(body) ?? ((value: unknown) => value));
  const own: Declaration<Kind, Fields> = {
    kind,
    classes: typeof classes === "string" ? [classes] : classes,
    doc,
    body,
    bytesMax,
    since,
    fromStrangers,
    guide: lazily(() => guideOf(body)),
    shape: (value) => shape()(value),
    pack: (value) => pack()(value),
    check: (value) => check()(value),
    faultOf: (value) => check()(value) ? "" : fault()(value),
    at: (level) => {
      const known = levels.get(level);
      if (known !== undefined) return known;
      const older = schemaAt(body, level);
      const made = older === body ? own : declared(kind, saying, older);
      levels.set(level, made);
      return made;
    },
  };
  return own;
}

/** Made at the first call, kept after. */
function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => made ??= make();
}
