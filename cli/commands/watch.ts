/**
 * `ctdbx watch`: what happens, as it happens, at all nodes that the asked one hears, or that NATS brings; until Ctrl-C.
 *
 *   09:14:03.211  n1  adopted  0.5.3 view 0.5.3 [0.1 1.2]
 *
 * Does NOT promise: every event of another node; those that the bus loses are not told again (`leader history` has
 * them at that node). The time is the wall clock of the node that tells it.
 */

import process from "node:process";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { TOPICS } from "../../transport/wire/messages/event.ts";
import { declare, type Task } from "../declare.ts";
import { type EventWords, eventWords } from "../event_text.ts";
import { type FeedFlags, type FeedItem, feedOptions, openFeed } from "../feed.ts";
import { CELL_MAX, oneLine } from "../output.ts";
import { type RowOf, rows } from "../result.ts";
import { type Field, maybe, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";

interface WatchFlags extends FeedFlags {
  readonly count?: number;
  readonly topic: readonly string[];
}

/** What is watched when no topic is named: what does not come every second. */
const BY_DEFAULT = ["state", "cluster", "audit", "service", "address"];

const EVENT: Field<FeedItem["event"]> = {
  type: "object",
  title: "Event",
  description: "the event as it came; docs/MONITORING.md has its fields",
};

const ROWS = rows({
  time: text("Time", "when, by the clock of the node that tells it; ISO 8601, UTC"),
  topic: maybe(text("Topic", "which kind of event; null: a word about the watching itself")),
  who: text("Node", "who tells it, as its subject says"),
  what: text("What", "what it is, in a word or two"),
  text: text("Text", "the rest, for people"),
  event: EVENT,
});

/** Width of the columns of the table that fit most events, characters. */
const WIDTHS = { who: 6, what: 13 } as const;

/** Adds `ctdbx watch`. */
export function addWatchCommand(program: Command, world: CommandWorld): void {
  const command = feedOptions(program.command("watch"))
    .description("show what happens in the cluster, and where, until Ctrl-C")
    .addOption(
      new Option(
        "--topic <topics>",
        `only these, with commas between: ${TOPICS.join(", ")}, or all`,
      )
        .argParser(topicsOf).default(BY_DEFAULT, BY_DEFAULT.join(",")),
    )
    .option("--count <events>", "end after so many", whole(1, 1_000_000_000));
  declare<WatchFlags, RowOf<typeof ROWS>>(command, world, { result: ROWS, asks: "node" }, watch);
}

async function watch({ flags, out }: Task<WatchFlags, RowOf<typeof ROWS>>): Promise<void> {
  const done = Promise.withResolvers<void>();
  let left = flags.count ?? Infinity;
  const onItem = (item: FeedItem): void => {
    if (left <= 0) return;
    left--;
    try {
      const words = eventWords(item);
      if (out.isTable) out.say(lineOf(words));
      else out.row({ ...words, topic: item.topic, event: item.event });
      out.flush();
    } catch (error) {
      left = 0;
      return done.reject(error);
    }
    if (left === 0) done.resolve();
  };
  const onSignal = (): void => done.resolve();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, onSignal);
  try {
    const feed = await openFeed(flags, { topics: flags.topic, onItem });
    try {
      await Promise.race([feed.ended, done.promise]);
    } finally {
      feed.close();
    }
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
  }
}

function topicsOf(named: string): readonly string[] {
  if (named === "all") return TOPICS;
  const topics = [...new Set(named.split(","))];
  const odd = topics.find((topic) => !TOPICS.some((known) => known === topic));
  if (odd === undefined) return topics;
  throw new InvalidArgumentError(`"${odd}" is none of ${TOPICS.join(", ")}, all.`);
}

/** An event of a daemon as a line for people. */
export function eventLine(item: unknown): string {
  const event = (typeof item === "object" && item !== null ? item : {}) as FeedItem["event"];
  const { topic, who } = event;
  return lineOf(eventWords({
    topic: typeof topic === "string" ? topic : undefined,
    who: typeof who === "string" ? who : "",
    event,
  }));
}

function lineOf({ time, who, what, text }: EventWords): string {
  // Happenings begin with their name; it has a column of its own here.
  const rest = what !== "" && text.startsWith(what)
    ? text.slice(what.length).replace(/^:? /, "")
    : text;
  const name = who.slice(0, CELL_MAX).padEnd(WIDTHS.who);
  const cells = [time.slice(11, 23).padEnd(12), name, what.padEnd(WIDTHS.what), rest];
  return `${oneLine(cells.join("  "))}\n`;
}
