/**
 * `[[notify]]` in a node's configuration: who is told of what, and how.
 *
 *   [[notify]]   name = "pager"   kind = "webhook"   url = "https://..."   on = ["service:failed", "state:unhealthy"]
 *
 * Does NOT promise: that there is somebody who listens; what was not told is counted.
 */
import { TOPICS } from "../../transport/wire/messages/event.ts";
import type { ConfigTable } from "../config_table.ts";

/** Ways of notification of one node. */
export const NOTIFY_MAX = 16;
/** Events that can be told: those that do not come every second. */
export const NOTIFY_TOPICS = ["service", "state", "cluster", "audit", "address", "script"] as const;
/** One of them. */
export type NotifyTopic = (typeof NOTIFY_TOPICS)[number];

/** Which events: all of a topic, or those with a word. */
export interface NotifyFilter {
  readonly topic: NotifyTopic;
  /** service, state: what it is now. cluster, address: what happened. audit, script: the outcome. Undefined: any. */
  readonly word?: string;
}

/** How it is told. */
export type NotifyWay =
  | {
    readonly kind: "script";
    readonly command: readonly string[];
    /** events: TOPIC WORD as arguments, the event in the environment. ctdb: one argument, as CTDB's notify.sh. */
    readonly style: "events" | "ctdb";
  }
  /** topic: on the node's own subject of it, `ctdbx.<cluster>.ev.<topic>.from.<tag>`, which its role allows. */
  | { readonly kind: "nats"; readonly subject: string }
  | { readonly kind: "nats"; readonly topic: string }
  | {
    readonly kind: "webhook";
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
  };

/** One way of notification. */
export interface NotifyConfig {
  readonly name: string;
  readonly way: NotifyWay;
  /** Empty with a script of CTDB's style. */
  readonly on: readonly NotifyFilter[];
  /** One try has so long, ms. */
  readonly timeoutMs: number;
}

const NAME = /^[A-Za-z0-9._-]{1,63}$/;
const ON_MAX = 32;
const COMMAND_MAX = 64;
const HEADERS_MAX = 32;
const ON = new RegExp(`^(${NOTIFY_TOPICS.join("|")})(?::([a-z][a-z_ ]{0,31}))?$`);
const TOPIC = /^[a-z][a-z0-9_]{0,31}$/;
/** Tokens of letters, digits, _ and -; what begins with $ is the server's own. */
const SUBJECT = /^[\w-]{1,63}(?:\.[\w-]{1,63}){0,15}$/;

/** Reads all of them. Throws CtdbxError "config", which names the way and the key. */
export function readNotify(root: ConfigTable): readonly NotifyConfig[] {
  const names = new Set<string>();
  return root.tables("notify", NOTIFY_MAX).map((table) => {
    const name = table.text("name", NAME, "1 to 63 of A-Z a-z 0-9 . _ -");
    if (names.has(name)) throw table.error("name", "is that of another notification, too");
    names.add(name);
    const way = readWay(table);
    const isCtdb = way.kind === "script" && way.style === "ctdb";
    if (isCtdb && table.has("on")) {
      throw table.error("on", 'is of no use with style "ctdb", which is told what CTDB tells');
    }
    const timeoutMs = table.span("timeout", 10_000, 100, 600_000);
    const on = isCtdb
      ? []
      : table.texts("on", undefined, ON_MAX).map((text) => filterOf(table, text));
    table.end();
    return { name, way, on, timeoutMs };
  });
}

function filterOf(table: ConfigTable, text: string): NotifyFilter {
  const match = ON.exec(text);
  if (match === null) {
    const topics = NOTIFY_TOPICS.join(", ");
    const form = `must be TOPIC or TOPIC:WORD with one of ${topics}, as "service:failed"`;
    throw table.error("on", `${form}, is ${JSON.stringify(text)}`);
  }
  const [, topic, word] = match;
  return { topic: topic as NotifyTopic, ...word === undefined ? {} : { word } };
}

function readWay(table: ConfigTable): NotifyWay {
  const kind = table.oneOf("kind", ["script", "nats", "webhook"], undefined);
  switch (kind) {
    case "script": {
      const command = table.texts("command", undefined, COMMAND_MAX);
      const [program = ""] = command;
      if (!program.startsWith("/")) {
        throw table.error("command", `must begin with an absolute path, is ${program}`);
      }
      return { kind, command, style: table.oneOf("style", ["events", "ctdb"], "events") };
    }
    case "nats": {
      const topic = table.maybeText("topic", TOPIC, "a word of a-z 0-9 _, as alerts");
      if (topic !== undefined) {
        const isTaken = topic === "cbor" || TOPICS.some((known) => known === topic);
        if (isTaken) throw table.error("topic", `cannot be ${topic}, which has a meaning already`);
        return { kind, topic };
      }
      if (!table.has("subject")) throw table.error("topic", "or subject is missing");
      const subject = table.text("subject", SUBJECT, "a subject without wildcards, as ops.alerts");
      if (/^ctdbx(?:\.|$)/i.test(subject)) {
        throw table.error("subject", "must not begin with ctdbx, where the cluster talks");
      }
      return { kind, subject };
    }
    case "webhook": {
      const url = table.text("url", /^https?:\/\/[^\s/]\S{0,2040}$/, "http://... or https://...");
      if (!URL.canParse(url)) throw table.error("url", "must be http://... or https://...");
      const headers = table.pairs("headers", /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, HEADERS_MAX);
      return { kind, url, ...headers === undefined ? {} : { headers } };
    }
  }
}
