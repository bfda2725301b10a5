/**
 * `ctdbx top`: the nodes of the cluster as a table that is drawn anew each second.
 *
 *   feed ─▶ board ─▶ a terminal: the whole screen, keys sort it, q or Ctrl-C ends it and gives the terminal back
 *                    --once, or no terminal: one frame, when every node was heard        -o jsonl: rows each second
 *
 * Does NOT promise: a frame for each event; it shows how it is once a second, and at each key.
 */

import process from "node:process";
import type { Command } from "commander";
import { TOPICS } from "../../transport/wire/messages/event.ts";
import { Board, type BoardRow } from "../board.ts";
import { declare, type Task } from "../declare.ts";
import { type Feed, type FeedFlags, feedOptions, openFeed } from "../feed.ts";
import { LiveScreen } from "../live_screen.ts";
import { Pacer } from "../pacer.ts";
import { type RowOf, rows } from "../result.ts";
import { flag, int, maybe, ms, num, text, u64 } from "../schema.ts";
import { screenLines, type ScreenLook, type SortKey, SORTS } from "../top_screen.ts";
import type { CommandWorld } from "../world.ts";
import { seconds, whole } from "../world.ts";

interface TopFlags extends FeedFlags {
  readonly once?: boolean;
  readonly every: number;
  readonly count?: number;
}

/** For the first frame nodes are waited for so long: two heartbeats and a moment, ms. */
const FIRST_MS = 2500;
const LOOK_EVERY_MS = 50;
/** Width of a frame that goes to no terminal, characters. */
const PLAIN_COLUMNS = 120;
/** Shortest pause between two frames, ms. */
const EVERY_MIN_MS = 100;

const ROWS = rows({
  time: text("Time", "when the row was made, ISO 8601, UTC"),
  node: text("Node", "its name, as it calls itself"),
  pnn: maybe(int("Pnn", "its number")),
  tag: text("Tag", "its tag, as the subject says"),
  condition: text("Condition", "how it is; silent: not heard, down: it said that it ends"),
  why: maybe(text("Why", "why it is not ok")),
  leader: flag("Leader", "says that it leads"),
  serving: flag("Serving", "may serve"),
  leaseMs: ms("Lease", "what is left of its lease"),
  incarnation: u64("Life", "its life"),
  heardMsAgo: ms("Heard", "since its last heartbeat"),
  skewMs: num("Skew", "its wall clock minus ours", "ms"),
  messagesRate: maybe(num("Msg/s", "messages sent and taken", "1/s")),
  bytesRate: maybe(num("Bytes/s", "bytes sent and taken", "bytes/s")),
  lagMaxMs: maybe(ms("Lag", "how late its latest timer was in the last second")),
  cpu: maybe(num("CPU", "processors that it keeps busy", "cores")),
  rssBytes: maybe(int("Memory", "resident memory", "bytes")),
  uptimeMs: ms("Up", "since its daemon started"),
});
type Row = RowOf<typeof ROWS>;

/** Adds `ctdbx top`. */
export function addTopCommand(program: Command, world: CommandWorld): void {
  const command = feedOptions(program.command("top"))
    .description("the nodes as a table that is drawn anew each second")
    .option("--once", "one frame, as soon as every node was heard")
    .option("--every <seconds>", "time between two frames", seconds, 1)
    .option("--count <frames>", "end after so many", whole(1, 1_000_000_000));
  declare<TopFlags, Row>(command, world, { result: ROWS, asks: "node" }, top);
}

async function top(task: Task<TopFlags, Row>): Promise<void> {
  const { flags, out, world } = task;
  const board = new Board();
  const feed = await openFeed(flags, {
    topics: TOPICS,
    onItem: (item) => board.note(item, performance.now(), Date.now()),
  });
  try {
    const isLive = out.isTable && flags.once !== true && world.terminal.outIsTerminal;
    if (isLive) return await live(task, board, feed);
    await first(board, feed);
    const isOne = flags.once === true || out.isTable;
    await stream(task, board, feed, isOne ? 1 : flags.count ?? Infinity);
  } finally {
    feed.close();
  }
}

/** Waits until every node has been heard with its statistics, or long enough. */
async function first(board: Board, feed: Feed): Promise<void> {
  const pacer = new Pacer([feed.ended]);
  const endMs = performance.now() + FIRST_MS;
  while (performance.now() < endMs && !board.isComplete(performance.now())) {
    if (await pacer.pause(LOOK_EVERY_MS)) return;
  }
}

/** Frames, or rows, one after another. */
async function stream(
  { flags, out, world }: Task<TopFlags, Row>,
  board: Board,
  feed: Feed,
  count: number,
): Promise<void> {
  const stop = signalled();
  const pacer = new Pacer([stop.asked, feed.ended]);
  try {
    for (let done = 0; done < count; done++) {
      const view = board.view(performance.now());
      const time = new Date().toISOString();
      if (out.isTable) {
        const { columns, outIsTerminal } = world.terminal;
        const size = { columns: outIsTerminal ? columns : PLAIN_COLUMNS, rows: Infinity };
        const lines = screenLines(view, lookOf(size, "n", false, { time, feed, color: out.color }));
        out.say(lines.map((line) => `${line}\n`).join(""));
      } else for (const row of view.rows) out.row(rowOf(row, time));
      out.flush();
      if (done + 1 >= count || await pacer.pause(everyMs(flags))) return;
    }
  } finally {
    stop.end();
  }
}

/** The whole screen, until q, Ctrl-C, a signal, or the end of the feed. */
async function live(
  { flags, out, world }: Task<TopFlags, Row>,
  board: Board,
  feed: Feed,
): Promise<void> {
  const done = Promise.withResolvers<void>();
  const stop = signalled();
  let sort: SortKey = "n";
  let isReversed = false;
  const draw = (): void => {
    const time = new Date().toISOString();
    const more = { time, feed, color: out.color, hasKeys: screen.hasKeys };
    const look = lookOf(screen.size, sort, isReversed, more);
    screen.draw(screenLines(board.view(performance.now()), look));
  };
  const onKey = (key: string): void => {
    // Raw keys: Ctrl-C and Ctrl-D are characters.
    if (key === "q" || key === "\x03" || key === "\x04") return done.resolve();
    if (key === "r") isReversed = !isReversed;
    else if (Object.hasOwn(SORTS, key)) sort = key as SortKey;
    else return;
    draw();
  };
  const screen = new LiveScreen(world.terminal.out, { onKey, onResize: draw });
  const pacer = new Pacer([done.promise, stop.asked, feed.ended]);
  screen.open();
  try {
    for (let frames = 0; frames < (flags.count ?? Infinity); frames++) {
      draw();
      // Nobody has been heard yet: look again soon.
      const waitMs = board.view(performance.now()).rows.length === 0 ? 200 : everyMs(flags);
      if (await pacer.pause(waitMs)) return;
    }
  } finally {
    screen.close();
    stop.end();
  }
}

function lookOf(
  size: { readonly columns: number; readonly rows: number },
  sort: SortKey,
  isReversed: boolean,
  more: {
    readonly time: string;
    readonly feed: Feed;
    readonly color: boolean;
    readonly hasKeys?: boolean;
  },
): ScreenLook {
  const { time, feed, color, hasKeys = false } = more;
  return { ...size, sort, isReversed, time, color, hasKeys, from: feed.from };
}

function everyMs({ every }: TopFlags): number {
  return Math.max(EVERY_MIN_MS, every * 1000);
}

/** Signals that ask for an end, until `end`. */
function signalled(): { readonly asked: Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSignal = (): void => resolve();
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.once(name, onSignal);
  return { asked: promise, end: () => names.forEach((name) => process.off(name, onSignal)) };
}

function rowOf(row: BoardRow, time: string): Row {
  const { name, pnn, tag, condition, why, isLeader, serving, heardMsAgo, heartbeat, stats } = row;
  const messages = stats?.messages;
  return {
    time,
    node: name,
    pnn: pnn ?? null,
    tag,
    condition,
    why: why ?? null,
    leader: isLeader,
    serving,
    leaseMs: Math.round(row.leaseMs),
    incarnation: heartbeat.incarnation,
    heardMsAgo: Math.round(heardMsAgo),
    skewMs: Math.round(row.skewMs),
    messagesRate: messages === undefined ? null : messages.sentRate + messages.receivedRate,
    bytesRate: messages === undefined ? null : messages.sentBytesRate + messages.receivedBytesRate,
    lagMaxMs: stats?.process.lagMaxMs ?? null,
    cpu: stats?.process.cpu ?? null,
    rssBytes: stats?.process.rssBytes ?? null,
    uptimeMs: heartbeat.uptimeMs + Math.round(heardMsAgo),
  };
}
