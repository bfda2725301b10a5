/**
 * A feed of events straight from NATS, with the rights of a monitor.
 *
 *   dial ─▶ subscribe each topic ─▶ flush: the server has taken, or forbidden, them ─▶ items; after a cut: again
 *
 * The sender is read off the subject, for which the server vouches when it has roles; its name is what it calls itself.
 *
 * Does NOT promise: anything of before; who has just subscribed knows nothing until the next heartbeat, 1 s.
 */

import { resolve } from "node:path";
import { RealBus } from "../transport/real_bus.ts";
import { RealClock } from "../transport/real_clock.ts";
import { RealDice } from "../transport/real_dice.ts";
import { EVENT_MAX } from "../transport/wire/messages/event_form.ts";
import { eventSubscription, isClusterName, parseSubject } from "../transport/wire/subjects.ts";
import type { BusMessage } from "../transport/world.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, usage } from "./failure.ts";
import type { Feed, FeedFlags, FeedItem, FeedWish } from "./feed.ts";

/** How long the first connection is waited for, ms. */
const DIAL_MS = 5000;
/** How long the server may take to say what it thinks of the subscriptions, ms. */
const FLUSH_MS = 2000;

/** Opens one; the connection is kept up until it is closed. Throws Failure. */
export async function openNatsFeed(
  flags: FeedFlags & { readonly nats: string },
  wish: FeedWish,
): Promise<Feed> {
  const { nats, cluster } = flags;
  if (cluster === undefined) {
    throw usage("Cannot tell which cluster is meant", "with --nats, --cluster names it");
  }
  if (!isClusterName(cluster)) throw usage(`Cannot use "${cluster}" as the name of a cluster`);
  const bus = dial(flags);
  const give = (message: BusMessage): void => {
    const item = itemOf(message);
    if (item !== undefined) wish.onItem(item);
  };
  try {
    await connected(bus, nats);
    for (const topic of wish.topics) bus.subscribe(eventSubscription(cluster, topic), give);
    await bus.flush(FLUSH_MS);
    if (bus.trouble !== undefined) throw forbidden(bus.trouble);
  } catch (error) {
    await bus.close();
    throw error;
  }
  bus.watch(() => wish.onGap?.());
  // A bus that was cut dials again; it ends only with us.
  const ended = Promise.withResolvers<void>();
  const close = (): void => {
    ended.resolve();
    void bus.close();
  };
  return { from: `NATS at ${nats}`, ended: ended.promise, close };
}

function dial({ nats, creds, tlsCa }: FeedFlags & { readonly nats: string }): RealBus {
  const login = {
    ...creds === undefined ? {} : { keyFile: resolve(creds) },
    ...tlsCa === undefined ? {} : { tls: { ca: resolve(tlsCa) } },
  };
  const servers = nats.split(",").filter((server) => server !== "");
  try {
    return new RealBus({
      servers,
      name: "ctdbx monitor",
      login,
      clock: new RealClock(),
      dice: new RealDice(),
      // What goes wrong is told by the command itself.
      log: { write: () => {} },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

async function connected(bus: RealBus, servers: string): Promise<void> {
  const isUp = (): boolean => bus.status === "connected";
  if (isUp()) return;
  const { promise, resolve: done } = Promise.withResolvers<void>();
  const end = bus.watch((status) => void (status === "connected" && done()));
  const timer = setTimeout(done, DIAL_MS);
  await promise;
  clearTimeout(timer);
  end();
  if (isUp()) return;
  throw new Failure(
    EXIT.other,
    `Cannot reach NATS at ${servers}: ${bus.trouble ?? "it does not answer"}`,
    "`--creds FILE` names the key of a monitor; `ctdbx nats creds --role monitor` makes one",
  );
}

function forbidden(trouble: string): Failure {
  return new Failure(
    EXIT.denied,
    `Cannot watch: ${trouble}`,
    "a monitor may subscribe to ctdbx.<cluster>.ev.*.from.*; is --cluster right?",
  );
}

function itemOf({ subject, payload }: BusMessage): FeedItem | undefined {
  const parsed = parseSubject(subject);
  if (parsed?.class !== "ev" || payload.length > EVENT_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    // Whoever may publish there may publish anything.
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const event = value as FeedItem["event"];
  const { node, tag } = event;
  // A name counts only with the tag that the server has vouched for.
  const who = tag === parsed.from && typeof node === "string" ? node : parsed.from;
  return { topic: parsed.to, who, event: { ...event, tag: parsed.from } };
}
