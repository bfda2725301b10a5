/**
 * Notifications of a node: what it tells monitors is told to programs, subjects and webhooks, too, as it is configured.
 *
 *   event of this node ── filter ──▶ outbox of each way (machine) ──▶ Courier, bus ──▶ sent | again | lost, and counted
 *
 * Each node tells of its own events; the leader's are about all nodes. The form is that of the event
 * (docs/MONITORING.md) with `lost`, the number of notifications that were lost since the last one that arrived, when
 * there were any.
 *
 * Does NOT promise: delivery; what is lost is counted, said in the log, and in the next notification that arrives.
 */
import type { Courier, Delivery } from "../../transport/courier.ts";
import type { AnyEvent, Topic } from "../../transport/wire/messages/event.ts";
import type { Bus, Clock, Log } from "../../transport/world.ts";
import { fitText } from "../../transport/wire/limits.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { shownUrl } from "../../transport/probe.ts";
import { Actor } from "../actor.ts";
import { type OutboxEffect, type OutboxEvent, OutboxMachine } from "../machines/checks/outbox.ts";
import { NOTIFY_TOPICS, type NotifyConfig, type NotifyFilter } from "./notify_config.ts";
import type { NotifyRow } from "./rows.ts";
import type { NodeHealth } from "./health.ts";

/** What is told: an event, or a word of CTDB's style. */
export type Notice =
  | { readonly topic: string; readonly word: string; readonly event: AnyEvent }
  | { readonly ctdb: CtdbWord };
/** What CTDB's notification script is called with. */
export type CtdbWord = "init" | "setup" | "startup" | "healthy" | "unhealthy";

/** What they need. */
export interface NotifierParts {
  readonly world: { readonly clock: Clock; readonly log: Log; readonly bus: Bus };
  readonly ways: readonly NotifyConfig[];
  readonly courier: Courier;
  readonly health: NodeHealth;
  /** Calls back with each event that this node tells on these topics; answers how to end it. */
  /** Publishes on the node's own subject of a topic. Throws what the bus throws. */
  readonly publish: (topic: string, payload: Uint8Array) => void;
  readonly watch: (topics: readonly Topic[], onEvent: (event: AnyEvent) => void) => () => void;
}

interface Way {
  readonly config: NotifyConfig;
  readonly machine: OutboxMachine<Notice>;
  readonly actor: Actor<OutboxEvent<Notice>, OutboxEffect<Notice>>;
  /** Was it said in the log that some are lost? Once, until one has arrived. */
  isSaid: boolean;
}

/** The notifications of one node. */
export class Notifier {
  readonly #parts: NotifierParts;
  readonly #ways: readonly Way[];
  readonly #ends: (() => void)[] = [];

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#ways = parts.ways.map((config) => this.#way(config));
  }

  start(): void {
    const { watch, health } = this.#parts;
    if (this.#ways.length === 0) return;
    this.#ends.push(watch(NOTIFY_TOPICS, (event) => this.#onEvent(event)));
    this.#tellCtdb("init");
    this.#tellCtdb("setup");
    let isHealthy: boolean | undefined;
    let hasStarted = false;
    const onWord = (healthy: boolean): void => {
      if (healthy === isHealthy) return;
      // A node begins as one that is not well, as CTDB's do.
      const isNews = isHealthy !== undefined || healthy;
      isHealthy = healthy;
      if (healthy && !hasStarted) {
        hasStarted = true;
        this.#tellCtdb("startup");
      }
      if (isNews) this.#tellCtdb(healthy ? "healthy" : "unhealthy");
    };
    onWord(health.verdict.healthy);
    this.#ends.push(health.watch(({ healthy }) => onWord(healthy)));
  }

  /** Ends it; what waits is dropped. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    for (const { actor } of this.#ways) actor.stop();
  }

  /** How each way is. */
  get rows(): NotifyRow[] {
    return this.#ways.map(({ config: { name, way, on }, machine }) => ({
      name,
      kind: way.kind,
      target: targetOf(way),
      on: on.map(({ topic, word }) => word === undefined ? topic : `${topic}:${word}`),
      ...machine.counts,
      waiting: machine.waiting,
      why: machine.why,
    }));
  }

  #way(config: NotifyConfig): Way {
    const { clock, log } = this.#parts.world;
    const machine = new OutboxMachine<Notice>(config.timeoutMs);
    const way: Way = {
      config,
      machine,
      isSaid: false,
      actor: new Actor<OutboxEvent<Notice>, OutboxEffect<Notice>>({
        name: `notify ${config.name}`,
        machine,
        clock,
        log,
        wake: { kind: "wake" },
        perform: (effect) => this.#perform(way, effect),
        onFailure: () => {},
      }),
    };
    return way;
  }

  #onEvent(event: AnyEvent): void {
    const word = wordOf(event);
    for (const { config, actor } of this.#ways) {
      if (!config.on.some((filter) => isMeant(filter, event.topic, word))) continue;
      actor.tell({ kind: "post", item: { topic: event.topic, word, event } });
    }
  }

  #tellCtdb(ctdb: CtdbWord): void {
    for (const { config: { way }, actor } of this.#ways) {
      if (way.kind === "script" && way.style === "ctdb") {
        actor.tell({ kind: "post", item: { ctdb } });
      }
    }
  }

  #perform(way: Way, effect: OutboxEffect<Notice>): void {
    const { log } = this.#parts.world;
    const { name } = way.config;
    if (effect.kind === "lost") {
      // One line for as long as it goes on, or a server that is down would fill the log.
      if (!way.isSaid) {
        log.write("warning", `Notifications of ${name} are lost`, { why: effect.why });
      }
      way.isSaid = true;
      return;
    }
    const { id } = effect;
    void this.#send(way.config, effect.item, effect.lost).then(({ why, isFinal }) => {
      if (why === undefined) way.isSaid = false;
      const said = why === undefined ? undefined : fitText(why);
      way.actor.tell({ kind: "ended", id, why: said, isFinal });
    });
  }

  async #send({ way, timeoutMs }: NotifyConfig, notice: Notice, lost: number): Promise<Delivery> {
    const { courier, world } = this.#parts;
    if ("ctdb" in notice) {
      if (way.kind !== "script") return { isFinal: true, why: "only a script has CTDB's style" };
      return await courier.run([...way.command, notice.ctdb], {}, timeoutMs);
    }
    const { topic, word, event } = notice;
    const text = JSON.stringify(lost === 0 ? event : { ...event, lost });
    switch (way.kind) {
      case "script": {
        const env = { CTDBX_TOPIC: topic, CTDBX_WORD: word, CTDBX_EVENT: text };
        return await courier.run([...way.command, topic, word], env, timeoutMs);
      }
      case "webhook":
        return await courier.post(way.url, way.headers ?? {}, text, timeoutMs);
      case "nats":
        return await onBus(world.bus, timeoutMs, "subject" in way ? way.subject : undefined, () => {
          const payload = new TextEncoder().encode(text);
          if ("subject" in way) world.bus.publish(way.subject, payload);
          else this.#parts.publish(way.topic, payload);
        });
    }
  }
}

/** `subject`: one that the server may forbid; it says so before it answers the flush. */
async function onBus(
  bus: Bus,
  timeoutMs: number,
  subject: string | undefined,
  publish: () => void,
): Promise<Delivery> {
  if (bus.status !== "connected") {
    return { why: "this node is not connected to NATS", isFinal: false };
  }
  try {
    publish();
    await bus.flush(timeoutMs);
    const { trouble } = bus;
    if (subject === undefined || !(trouble?.includes(`publish ${subject};`) ?? false)) {
      return { isFinal: false };
    }
    return { why: `the server forbids this node to publish ${subject}`, isFinal: true };
  } catch (error) {
    const isFinal = error instanceof CtdbxError && error.code === "limit";
    return { why: error instanceof Error ? error.message : String(error), isFinal };
  }
}

/** The word of an event by which it can be chosen. */
export function wordOf(event: AnyEvent): string {
  const { what, to, outcome } = event as { what?: string; to?: string; outcome?: string };
  switch (event.topic) {
    case "service":
      return what === "changed" ? to ?? "" : what ?? "";
    case "state":
      return to ?? "";
    case "cluster":
    case "address":
      return what ?? "";
    case "audit":
    case "script":
      return outcome ?? "";
    default:
      return "";
  }
}

function isMeant(filter: NotifyFilter, topic: string, word: string): boolean {
  return filter.topic === topic && (filter.word === undefined || filter.word === word);
}

/** Where it goes, without what may be secret. */
function targetOf(way: NotifyConfig["way"]): string {
  switch (way.kind) {
    case "script":
      return fitText(way.command.join(" "));
    case "nats":
      return "subject" in way ? way.subject : `events of topic ${way.topic}`;
    case "webhook":
      // What follows the host often is the password itself.
      return new URL(shownUrl(way.url)).origin;
  }
}
