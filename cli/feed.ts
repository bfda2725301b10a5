/**
 * Where events come from: a daemon's socket, which brings those of its whole cluster, or NATS itself.
 *
 *   --home, --node-name ─▶ daemon ─▶ `watch`           --nats SERVER --creds FILE ─▶ ctdbx.<cluster>.ev.<topic>.from.*
 *                                     └──────────────── FeedItem ────────────────┘
 *
 * Over NATS the rights of a monitor suffice: nothing is published, nobody is asked.
 *
 * Does NOT promise: events that are not lost, or senders that keep the declared form; readers check.
 */

import type { Command } from "commander";
import { RealHost } from "../transport/real_host.ts";
import { askedNode } from "./commands/asking.ts";
import { Daemon } from "./control_client.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, usage } from "./failure.ts";
import type { HomeFlags } from "./home_option.ts";

/** Options that say where events come from. */
export interface FeedFlags extends HomeFlags {
  /** Servers of NATS, with commas between. */
  readonly nats?: string;
  readonly creds?: string;
  readonly cluster?: string;
  readonly tlsCa?: string;
}

/** An event as it came; another node may send anything. */
export interface FeedItem {
  /** Undefined: no event, but a word of the daemon about the watching itself. */
  readonly topic: string | undefined;
  /** Name of the sender; its tag, where nobody knows the name. */
  readonly who: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** A feed that is open. */
export interface Feed {
  /** Where from, in words. */
  readonly from: string;
  /** Resolves, or rejects with a Failure, when no more will come. */
  readonly ended: Promise<void>;
  close(): void;
}

/** What is wanted of a feed. */
export interface FeedWish {
  readonly topics: readonly string[];
  readonly onItem: (item: FeedItem) => void;
  /** Called when a connection that was lost is there again, or is lost: what was known is old then. */
  readonly onGap?: () => void;
}

/** Adds --nats, --creds, --cluster and --tls-ca. */
export function feedOptions(command: Command): Command {
  return command
    .option("--nats <servers>", "listen at NATS itself, host:port with commas between")
    .option("--creds <file>", "with --nats: key file (nkey or creds) of a monitor")
    .option("--cluster <name>", "with --nats: name of the cluster in subjects")
    .option("--tls-ca <file>", "with --nats: authority that vouches for the server");
}

/** Opens one. Throws Failure. */
export async function openFeed(flags: FeedFlags, wish: FeedWish): Promise<Feed> {
  const { nats, creds, cluster, tlsCa } = flags;
  if (nats !== undefined) {
    // The client of NATS is not loaded for a socket.
    const { openNatsFeed } = await import("./nats_feed.ts");
    return await openNatsFeed({ ...flags, nats }, wish);
  }
  for (const [name, value] of Object.entries({ creds, cluster, "tls-ca": tlsCa })) {
    if (value !== undefined) throw usage(`Cannot use --${name}: it goes with --nats`);
  }
  return await openSocketFeed(flags, wish);
}

async function openSocketFeed(flags: FeedFlags, { topics, onItem }: FeedWish): Promise<Feed> {
  const paths = await askedNode(flags);
  const daemon = await Daemon.dial(new RealHost(), paths);
  const watching = daemon.watch("watch", { topics }, (item) => onItem(itemOf(item)));
  const ended = watching.then(() => {}, (error: unknown) => {
    if (!(error instanceof Failure) || error.exit !== EXIT.unknownOutcome) throw error;
    throw new Failure(
      EXIT.other,
      `Cannot watch any longer: the daemon at ${paths.socket} has gone, or does not feed us`,
      "`ctdbx cluster wait` waits until it is back",
    );
  });
  // Whoever waits for it hears of it; nobody else must.
  ended.catch(() => {});
  return { from: `the daemon at ${paths.socket}`, ended, close: () => daemon.close() };
}

function itemOf(value: unknown): FeedItem {
  const { who, ...event } = (typeof value === "object" && value !== null ? value : {}) as FeedItem[
    "event"
  ];
  const { topic } = event;
  return {
    topic: typeof topic === "string" ? topic : undefined,
    who: typeof who === "string" ? who : "",
    event,
  };
}
