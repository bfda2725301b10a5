/**
 * Subjects: where a message goes, and whom it is from. The server can enforce subjects and nothing else, so the sender
 * stands in them.
 *
 *   ctdbx.<cluster>.n.<tag>.from.<tag>           to one node            ctdbx.<cluster>.all.from.<tag>     to all nodes
 *   ctdbx.<cluster>.db.<db id>.from.<tag>        to those interested in a database
 *   ctdbx.<cluster>.ask.<tag>.from.<tag>         a client asks a node
 *   ctdbx.<cluster>.r.<tag|all>.from.<tag>       records and messages of programs, to one node or to all
 *   ctdbx.<cluster>.cl.<tag|any>.from.<tag>      frames of a program that uses NATS alone, to one node or to any
 *   ctdbx.<cluster>.ev.<topic>.from.<tag>        events as JSON, for monitors;  ev.cbor.<topic>: the same as CBOR
 *
 * Each token is of a narrow form, so none can hold a wildcard, a dot or a line break; parse takes exactly what build
 * makes. Nobody subscribes across classes: that would take away the server's quick "nobody listens".
 *
 * Does NOT promise: that a node or a database of that name exists.
 */

import type { DbId, Tag } from "./terms.ts";

/** The classes of subjects. */
export const SUBJECT_CLASSES = ["n", "all", "db", "ask", "r", "cl", "ev", "ev.cbor"] as const;
/** One of SUBJECT_CLASSES. */
export type SubjectClass = (typeof SUBJECT_CLASSES)[number];

/** A subject in its parts. */
export type Subject =
  | { readonly cluster: string; readonly class: "all"; readonly from: Tag }
  | {
    readonly cluster: string;
    readonly class: "n" | "ask";
    readonly to: Tag;
    readonly from: Tag;
  }
  | { readonly cluster: string; readonly class: "db"; readonly to: DbId; readonly from: Tag }
  | {
    readonly cluster: string;
    readonly class: "r";
    readonly to: Tag | "all";
    readonly from: Tag;
  }
  | {
    readonly cluster: string;
    readonly class: "cl";
    readonly to: Tag | "any";
    readonly from: Tag;
  }
  | {
    readonly cluster: string;
    readonly class: "ev" | "ev.cbor";
    readonly to: string;
    readonly from: Tag;
  };

/** The longest subject, characters: a cluster of 63, ev.cbor and a topic of 32. */
export const SUBJECT_MAX: number = "ctdbx..ev.cbor..from.".length + 63 + 32 + 10;

const ROOT = "ctdbx";
const CLUSTER = /^[A-Za-z0-9_-]{1,63}$/;
const TAG = /^[a-z2-7]{10}$/;
const DB = /^[0-9a-f]{8}$/;
/** A topic of events. "cbor" is the name of a class. */
const TOPIC = /^(?!cbor$)[a-z][a-z0-9_]{0,31}$/;
const TO: Readonly<Record<Exclude<SubjectClass, "all">, RegExp>> = {
  "n": TAG,
  "db": DB,
  "ask": TAG,
  "r": /^(?:all|[a-z2-7]{10})$/,
  "cl": /^(?:any|[a-z2-7]{10})$/,
  "ev": TOPIC,
  "ev.cbor": TOPIC,
};

/** Is this a name that a cluster can have? 1 to 63 of A-Z a-z 0-9 _ -. */
export function isClusterName(name: string): boolean {
  return CLUSTER.test(name);
}

/** The subject of a message. Throws RangeError on a part of another form. */
export function buildSubject(subject: Subject): string {
  const { cluster, from } = subject;
  if (!CLUSTER.test(cluster)) throw wrong("cluster", cluster, CLUSTER);
  if (!TAG.test(from)) throw wrong("sender", from, TAG);
  const head = `${ROOT}.${cluster}.${subject.class}`;
  if (subject.class === "all") return `${head}.from.${from}`;
  return `${head}.${receiverToken(subject)}.from.${from}`;
}

/** The parts of a subject; undefined when it is none of ours. Takes exactly what buildSubject makes. */
export function parseSubject(subject: string): Subject | undefined {
  if (subject.length > SUBJECT_MAX) return undefined;
  const [root, cluster = "", ...rest] = subject.split(".");
  const from = (rest.pop() ?? "") as Tag;
  if (root !== ROOT || !CLUSTER.test(cluster) || !TAG.test(from)) return undefined;
  if (rest.pop() !== "from") return undefined;
  const [name, to = "", ...more] = rest[0] === "ev" && rest[1] === "cbor"
    ? ["ev.cbor", ...rest.slice(2)]
    : rest;
  if (name === "all") return rest.length === 1 ? { cluster, class: name, from } : undefined;
  if (more.length > 0 || !isReceivable(name) || !TO[name].test(to)) return undefined;
  switch (name) {
    case "db":
      return { cluster, class: name, to: Number.parseInt(to, 16) as DbId, from };
    case "n":
    case "ask":
      return { cluster, class: name, to: to as Tag, from };
    case "r":
      return { cluster, class: name, to: to as Tag | "all", from };
    case "cl":
      return { cluster, class: name, to: to as Tag | "any", from };
    case "ev":
    case "ev.cbor":
      return { cluster, class: name, to, from };
  }
}

/** What a node subscribes to: its own mail, what goes to all, what clients ask it, and its databases. */
export function subscriptionsOf(cluster: string, own: Tag, dbs: readonly DbId[]): string[] {
  if (!CLUSTER.test(cluster)) throw wrong("cluster", cluster, CLUSTER);
  if (!TAG.test(own)) throw wrong("tag", own, TAG);
  const root = `${ROOT}.${cluster}`;
  return [
    `${root}.n.${own}.from.*`,
    `${root}.all.from.*`,
    `${root}.ask.${own}.from.*`,
    ...dbs.map((db) => databaseSubscription(cluster, db)),
  ];
}

/** What a node's data thread subscribes to: its own mail, what goes to all, and what programs ask it, or any node. */
export function dataSubscriptionsOf(cluster: string, own: Tag): string[] {
  if (!CLUSTER.test(cluster)) throw wrong("cluster", cluster, CLUSTER);
  if (!TAG.test(own)) throw wrong("tag", own, TAG);
  const root = `${ROOT}.${cluster}`;
  return [
    `${root}.r.${own}.from.*`,
    `${root}.r.all.from.*`,
    `${root}.cl.${own}.from.*`,
    `${root}.cl.any.from.*`,
  ];
}

/** What somebody interested in a database subscribes to. */
export function databaseSubscription(cluster: string, db: DbId): string {
  if (!CLUSTER.test(cluster)) throw wrong("cluster", cluster, CLUSTER);
  return `${ROOT}.${cluster}.db.${databaseToken(db)}.from.*`;
}

/** What a monitor subscribes to: events of one topic, or of all; as JSON, or as CBOR. */
export function eventSubscription(
  cluster: string,
  topic: string | undefined,
  asCbor = false,
): string {
  if (!CLUSTER.test(cluster)) throw wrong("cluster", cluster, CLUSTER);
  if (topic !== undefined && !TOPIC.test(topic)) throw wrong("topic", topic, TOPIC);
  return `${ROOT}.${cluster}.${asCbor ? "ev.cbor" : "ev"}.${topic ?? "*"}.from.*`;
}

function receiverToken(subject: Exclude<Subject, { class: "all" }>): string {
  if (subject.class === "db") return databaseToken(subject.to);
  const form = TO[subject.class];
  if (!form.test(subject.to)) throw wrong("receiver", subject.to, form);
  return subject.to;
}

function databaseToken(db: DbId): string {
  if (!Number.isInteger(db) || db < 0 || db > 0xffff_ffff) throw wrong("database", db, DB);
  return db.toString(16).padStart(8, "0");
}

function isReceivable(name: string | undefined): name is Exclude<SubjectClass, "all"> {
  return name !== undefined && Object.hasOwn(TO, name);
}

function wrong(what: string, value: unknown, form: RegExp): RangeError {
  const text = JSON.stringify(String(value)).slice(0, 100);
  return new RangeError(`Cannot make a subject: ${what} must match ${form.source}, is ${text}`);
}
