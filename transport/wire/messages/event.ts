/**
 * The events that a node tells monitors: what each says, with units and meaning.
 *
 *   heartbeat  each second: how I am             cluster   something happened in the protocol, in words
 *   stats      each second: what I have done     state     the condition of a node has changed
 *   databases, services  each second               audit     somebody had something changed, and what came of it
 *                                                service   a check has another result than before
 *                                                address   an address was taken, released, can be hosted by nobody
 *                                                script    event scripts have been run
 *
 * Whoever may subscribe to `ctdbx.<cluster>.ev.>` can build a dashboard from these, without asking anybody anything.
 *
 * Does NOT promise: secrets, keys or values of records; none of that is in events.
 */

import type { TProperties } from "typebox";
import { flag, list, oneOf, optional, record, text } from "../fields.ts";
import { DATABASE_NAME_MAX } from "../limits.ts";
import { RUNSTATES } from "./cluster.ts";
import {
  declareEvent,
  digits,
  type EventDeclaration,
  type EventOf,
  type FieldsOf,
  measure,
  openWord,
} from "./event_form.ts";
import { ADDRESS_EVENT, ADDRESS_STATS, type AddressEvent } from "./event_addresses.ts";
import { SCRIPT_EVENT, type ScriptEvent } from "./event_scripts.ts";
import {
  SERVICE_EVENT,
  type ServiceEvent,
  SERVICES_EVENT,
  type ServicesEvent,
} from "./event_services.ts";

/** Between two heartbeats of a node, and between two of its statistics, ms. */
export const EVENT_EVERY_MS = 1000;
/** Arguments of a command in an audit event, characters. */
export const AUDIT_ARGS_MAX = 1024;
/** What has happened in words, characters: a view of many nodes is long. */
export const HAPPENING_MAX = 2048;
/** Reasons of refused messages that are told. */
const REASONS_MAX = 32;

/** How a node can be, in a word. */
export const CONDITIONS = [
  "ok",
  "unhealthy",
  "disconnected",
  "disabled",
  "banned",
  "stopped",
  "draining",
  "joining",
  "gone",
  "unknown",
] as const;

const CONDITION_MEANING =
  "ok: in the view, heard and healthy; unhealthy; draining, disabled, stopped or banned: as was ordered; " +
  "joining: heard, not in the view; disconnected: not heard; gone: no node of the cluster any more; unknown. " +
  "A later version may know more.";

/** How a node is. */
export const HEARTBEAT_EVENT = declareEvent("heartbeat", {
  doc:
    "Each second, from every node that has a connection: how it is, by its own word. Three missed: it is lost.",
  fields: {
    condition: openWord(`How it is. ${CONDITION_MEANING}`),
    why: optional(text("Why it is not ok, in words.")),
    runstate: openWord(
      `How far it is: ${
        RUNSTATES.join(", ")
      }. The last of them: in the last heartbeat of a planned end.`,
    ),
    incarnation: digits("Which life of the node this is: higher after each start."),
    generation: optional(
      digits("Generation of the view that it goes by; missing: it has adopted none."),
    ),
    version: optional(digits("Version of the document that it goes by.")),
    leader: optional(text("Name of the leader; missing: it knows none.", 63)),
    isLeader: flag("Does it lead?"),
    serving: flag("May it serve now? It has a lease, and the document in force."),
    leaseMs: measure("ms", "What is left of its lease; 0: none."),
    members: measure("count", "Nodes in the view that it goes by."),
    nodes: measure("count", "Nodes of the cluster, in the view or not."),
    uptimeMs: measure("ms", "Since its daemon started."),
    software: text("Version of its ctdbx.", 63),
    everyMs: measure("ms", "When to expect the next one."),
  },
});
/** How a node is. */
export type HeartbeatEvent = EventOf<typeof HEARTBEAT_EVENT>;
/** The same without the head. */
export type HeartbeatFields = FieldsOf<typeof HEARTBEAT_EVENT>;

/** Something has happened in the protocol. */
export const CLUSTER_EVENT = declareEvent("cluster", {
  doc: "As it happens: what a node has seen or done in the cluster's protocol, for people.",
  fields: {
    what: text("What: chosen, adopted, suspect, called dead, new life, ...", 32),
    text: text("The same in words.", HAPPENING_MAX),
  },
});
/** Something has happened in the protocol. */
export type ClusterEvent = EventOf<typeof CLUSTER_EVENT>;

/** The condition of a node has changed. */
export const STATE_EVENT = declareEvent("state", {
  doc:
    "As it happens: the condition of a node has changed. The leader tells it of every node, a node of itself: " +
    "the same change may come from both.",
  fields: {
    about: text("Name of the node that it is about.", 63),
    aboutPnn: optional(measure("number", "Its number.")),
    from: openWord("Its condition before, as far as the teller knew."),
    to: openWord("Its condition now, as in a heartbeat."),
    why: optional(text("Why, in words.")),
  },
});
/** The condition of a node has changed. */
export type StateEvent = EventOf<typeof STATE_EVENT>;
/** The same without the head. */
export type StateFields = FieldsOf<typeof STATE_EVENT>;

/** A command that may have changed something. */
export const AUDIT_EVENT = declareEvent("audit", {
  doc:
    "When a command that changes something has ended at this node: who wanted what, and the outcome.",
  fields: {
    verb: text("What was to be done.", 64),
    args: text(
      "Its arguments, `name=value`, shortened; what may be secret is not shown.",
      AUDIT_ARGS_MAX,
    ),
    way: oneOf("How it came: over the daemon's socket, or over NATS.", ["socket", "bus"]),
    uid: optional(measure("number", "Over the socket: the user id of the process, by the kernel.")),
    pid: optional(measure("number", "Over the socket: its process id, by the kernel.")),
    by: optional(text("Over NATS: the tag of the sender.", 10)),
    outcome: oneOf("What came of it. unknown: it may have been done.", [
      "done",
      "refused",
      "unknown",
    ]),
    code: optional(text("Why not: an error code.", 32)),
    text: optional(text("Why not, in words.")),
    tookMs: measure("ms", "From the request to the outcome."),
  },
});
/** A command that may have changed something. */
export type AuditEvent = EventOf<typeof AUDIT_EVENT>;
/** The same without the head. */
export type AuditFields = FieldsOf<typeof AUDIT_EVENT>;

const MESSAGES = record("Messages", "Messages of the cluster, of all threads of the node.", {
  sent: measure("count", "Messages sent, since the daemon started; to several nodes is one."),
  received: measure("count", "Messages taken, since the daemon started."),
  refused: measure("count", "Messages refused, since the daemon started."),
  sentBytes: measure("bytes", "Bytes published, events too, since the daemon started."),
  receivedBytes: measure("bytes", "Bytes that came, since the daemon started."),
  sentRate: measure("1/s", "Messages sent, in the last second."),
  receivedRate: measure("1/s", "Messages taken, in the last second."),
  sentBytesRate: measure("bytes/s", "Bytes published, in the last second."),
  receivedBytesRate: measure("bytes/s", "Bytes that came, in the last second."),
  events: measure("count", "Events told to monitors, since the daemon started."),
});

const MACHINE = record("Machine", "The cluster's protocol at this node.", {
  steps: measure("count", "Steps of the machine, since the daemon started."),
  stepsRate: measure("1/s", "Steps of the machine, in the last second."),
  dropped: measure("count", "Events that found its mailbox full, since the daemon started."),
  leaders: measure("count", "Changes of the leader that it saw, since the daemon started."),
  views: measure("count", "Views that it adopted, since the daemon started."),
});

const STORE = record("Store", "Writes of the node's own metadata (meta.a, meta.b).", {
  writes: measure("count", "Writes, since the daemon started."),
  failures: measure("count", "Writes that failed, since the daemon started."),
  lastMs: measure("ms", "How long the last one took."),
});

const SHARD = record("Shard", "The thread with the node's free metadata.", {
  scopes: measure("count", "Scopes that it keeps."),
  records: measure("count", "Records in them."),
  dropped: measure("count", "Events that found its mailbox full, since the thread started."),
  failures: measure("count", "How often the thread has died, since the daemon started."),
});

const PROCESS = record("Process", "The daemon as a process.", {
  lagMs: measure("ms", "How late its timers were in the last second, on the average."),
  lagMaxMs: measure("ms", "How late the latest one was."),
  rssBytes: measure("bytes", "Resident memory."),
  cpuMs: measure("ms", "Processor time that it has used."),
  cpu: measure("cores", "Processors that it kept busy in the last second."),
});

/** What a node has done and uses. */
export const STATS_EVENT = declareEvent("stats", {
  doc: "Each second, from every node that has a connection: counters, gauges and rates.",
  fields: {
    overMs: measure("ms", 'How long the "last second" of the rates was.'),
    messages: MESSAGES,
    refusedFor: list(
      "Refused messages by reason (docs/WIRE.md), since the daemon started.",
      record("Refused", "Refused messages of one reason.", {
        code: text("The reason.", 32),
        count: measure("count", "How many, since the daemon started."),
      }),
      REASONS_MAX,
    ),
    machine: MACHINE,
    store: STORE,
    shard: optional(SHARD),
    addresses: optional(ADDRESS_STATS),
    process: PROCESS,
  },
});
/** What a node has done and uses. */
export type StatsEvent = EventOf<typeof STATS_EVENT>;
/** The same without the head. */
export type StatsFields = FieldsOf<typeof STATS_EVENT>;

/** Databases that one event has rows of, at most: the busiest ones. */
export const EVENT_DATABASES_MAX = 16;

const FILES = record("Files", "Files of a persistent or replicated database at this node.", {
  state: openWord("well; mending, slow: bad pages are mended; lost: no other node has them."),
  seqnum: digits("Transactions in the database, as this node shows it."),
  pages: measure("count", "Pages of the file."),
  scrubAt: measure("count", "The page where the background scrub goes on."),
  scrubbed: measure("count", "Pages that it has looked at."),
  bad: measure("count", "Pages that were found damaged."),
  mended: measure("count", "Pages that were mended from another node."),
  anew: measure("count", "Files that were taken anew from another node."),
  syncDone: measure("count", "Pages of a file that is taken over now that are here."),
  syncPages: measure("count", "Pages of it that have to travel; 0: none is taken over."),
});
const DATABASE = record("Database", "One database at this node, since it is here.", {
  name: text("Its name.", DATABASE_NAME_MAX),
  state: openWord(
    "ready, recovering, frozen (nothing may be served just now) or idle (no member).",
  ),
  records: measure("count", "Copies of records here, of whatever role."),
  waiting: measure("count", "Operations of programs that wait now."),
  opsOk: measure(
    "count",
    "Operations that the daemon did; programs that map the file need it for few.",
  ),
  opsFailed: measure("count", "Operations that were not done."),
  opsUnknown: measure("count", "Operations that may have been done once, or not at all."),
  movedIn: measure("count", "Records that came here."),
  movedOut: measure("count", "Records that went elsewhere."),
  slotsOpening: measure(
    "count",
    "Slots of which this node is home and that a recovery has not opened yet.",
  ),
  heldMs: measure(
    "ms",
    "How long a program holds up the record that is held up longest; 0: none is.",
  ),
  files: optional(FILES),
});

/** What the volatile databases of a node do. */
export const DATABASES_EVENT = declareEvent("databases", {
  doc: "Each second, from every node that has volatile databases: what is done in them.",
  fields: {
    count: measure("count", "Databases at this node."),
    programs: measure("count", "Programs that are connected."),
    databases: list("The busiest of them.", DATABASE, EVENT_DATABASES_MAX),
  },
});
/** What the volatile databases of a node do. */
export type DatabasesEvent = EventOf<typeof DATABASES_EVENT>;
/** The same without the head. */
export type DatabasesFields = FieldsOf<typeof DATABASES_EVENT>;

/** All of them, in the order of docs/MONITORING.md. */
export const EVENTS = [
  HEARTBEAT_EVENT,
  STATE_EVENT,
  CLUSTER_EVENT,
  AUDIT_EVENT,
  STATS_EVENT,
  DATABASES_EVENT,
  SERVICE_EVENT,
  SERVICES_EVENT,
  ADDRESS_EVENT,
  SCRIPT_EVENT,
] as const;
/** The names of topics. */
export type Topic = (typeof EVENTS)[number]["topic"];
/** The names of topics. */
export const TOPICS: readonly Topic[] = EVENTS.map(({ topic }) => topic);
/** Any event. */
export type AnyEvent =
  | (HeartbeatEvent | StateEvent | ClusterEvent | AuditEvent | StatsEvent)
  | (DatabasesEvent | ServiceEvent | ServicesEvent)
  | (AddressEvent | ScriptEvent);
/** An event by its topic. */
export interface EventByTopic {
  heartbeat: HeartbeatEvent;
  state: StateEvent;
  cluster: ClusterEvent;
  audit: AuditEvent;
  stats: StatsEvent;
  databases: DatabasesEvent;
  service: ServiceEvent;
  services: ServicesEvent;
  address: AddressEvent;
  script: ScriptEvent;
}
/** What an event of a topic says beyond its head. */
export type FieldsByTopic = {
  readonly [T in Topic]: FieldsOf<Extract<(typeof EVENTS)[number], { readonly topic: T }>>;
};

/** An event whose topic is told by its type. */
export type TopicEvent = { [T in Topic]: { readonly topic: T } & EventByTopic[T] }[Topic];

/**
 * An event that came, when it is of the declared form: fields that this version does not know are dropped. Undefined:
 * it is none; whoever may publish there may publish anything.
 */
export function readEvent(topic: string, value: unknown): TopicEvent | undefined {
  const declared = EVENTS.find((each) => each.topic === topic) as
    | EventDeclaration<Topic, TProperties>
    | undefined;
  if (declared === undefined) return undefined;
  const shaped = declared.form.shape(value);
  if (!declared.form.check(shaped)) return undefined;
  const event = shaped as unknown as TopicEvent;
  return event.topic === topic ? event : undefined;
}
