/**
 * How an event for monitors is declared: once. Its type, its check and its table in docs/MONITORING.md follow.
 *
 *   export const STATE = declareEvent("state", { doc: "...", fields: { about: text("...") } });
 *   { v, topic, cluster, node, pnn, tag, wallMs, seq, ...fields }     JSON on ev.<topic>, CBOR on ev.cbor.<topic>
 *
 * The declared form is that of JSON: u64 are texts of digits, counts are numbers below 2^53. A field's `title` is its
 * unit where it has one.
 *
 * Does NOT promise: that an event comes, or comes once: monitors see gaps in `seq`, and live with them.
 */

import type { TObject, TProperties } from "typebox";
import type { Field, Shaped } from "../fields.ts";
import { field, optional, tag, text, u32 } from "../fields.ts";
import { type Declaration, declare } from "../message.ts";
import { objectOf } from "../schema.ts";

/** The version of the form of events: it rises when a field that was always there changes or goes. */
export const EVENT_VERSION = 1;
/** Longest event, bytes of JSON. */
export const EVENT_MAX = 8192;

/** Units of measured fields, as docs/MONITORING.md shows them. */
export type Unit = "count" | "bytes" | "ms" | "1/s" | "bytes/s" | "cores" | "number";

/** A measured number: 0 .. 2^53-1, with fractions where the unit has them. */
export function measure(unit: Unit, description: string): Field<number> {
  const form = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER, title: unit, description };
  const isWhole = unit === "count" || unit === "bytes" || unit === "number";
  return field({ type: isWhole ? "integer" : "number", ...form });
}

/** A u64 as a text of digits: JSON has no such numbers. */
export function digits(description: string): Field<string> {
  const form = { maxLength: 20, pattern: "^\\d{1,20}$", title: "u64 as digits", description };
  return field({ type: "string", ...form });
}

/** A word that a later version may add others to. */
export function openWord(description: string): Field<string> {
  const form = { maxLength: 32, pattern: "^[a-z][a-z_ ]{0,31}$", title: "word", description };
  return field({ type: "string", ...form });
}

/** What stands in every event. */
export const EVENT_HEAD = {
  v: u32("Version of the form of events.", 0xffff, 1),
  topic: text("Which event, as in its subject.", 32),
  cluster: text("Name of the cluster, as in its subject.", 63),
  node: text(
    "Name of the node that tells it, as it calls itself. The sender in the subject is what the server vouches for.",
    63,
  ),
  pnn: optional(measure("number", "Its number in the cluster; missing: it belongs to none yet.")),
  tag: tag("Its tag: the last token of the subject."),
  wallMs: measure("ms", "Its wall clock, since 1970. For people; clocks differ."),
  seq: measure(
    "count",
    "Rises by one with each event since the daemon started, over all topics; 1 is the first. A gap: an event was lost.",
  ),
} as const satisfies TProperties;

/** What every event says. */
export type EventHead = Shaped<TObject<typeof EVENT_HEAD>>;

/** A declared event. */
export interface EventDeclaration<
  Topic extends string = string,
  Fields extends TProperties = TProperties,
> {
  readonly topic: Topic;
  readonly doc: string;
  /** Its own fields, without the head. */
  readonly fields: TObject<Fields>;
  /** Head and fields; the check is made at the first use. */
  readonly form: Declaration<Topic, typeof EVENT_HEAD & Fields>;
}

/** What a declared event says beyond its head. */
export type FieldsOf<D> = D extends EventDeclaration<string, infer Fields> ? Shaped<TObject<Fields>>
  : never;
/** A whole event. */
export type EventOf<D> = EventHead & FieldsOf<D>;

/** Declares an event. */
export function declareEvent<const Topic extends string, const Fields extends TProperties>(
  topic: Topic,
  { doc, fields }: { readonly doc: string; readonly fields: Fields },
): EventDeclaration<Topic, Fields> {
  const form = declare(topic, {
    class: ["ev", "ev.cbor"],
    doc,
    bytesMax: EVENT_MAX,
    fields: { ...EVENT_HEAD, ...fields },
  });
  return { topic, doc, fields: objectOf(fields), form };
}
