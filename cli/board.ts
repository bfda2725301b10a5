/**
 * A table of nodes made from their events alone: what `top` draws and `check` judges.
 *
 *   heartbeat ─▶ how it is, when it was heard, how far its clock is off      stats ─▶ rates and load
 *   state     ─▶ what the leader says of it, until it speaks itself
 *   no heartbeat for 2.5 times its pause ─▶ silent
 *
 * Nobody is asked anything: with the rights of a monitor this is all there is, and it is enough.
 *
 * Does NOT promise: nodes that have not been heard since it was begun; how many those are, `size` says.
 */

import {
  EVENT_EVERY_MS,
  type HeartbeatEvent,
  readEvent,
  type StateEvent,
  type StatsEvent,
} from "../transport/wire/messages/event.ts";
import { NODES_MAX } from "../transport/wire/limits.ts";
import { type EventWords, eventWords } from "./event_text.ts";
import type { FeedItem } from "./feed.ts";

/** A node that is silent for so many of its pauses is not there. */
export const SILENT_AFTER = 2.5;
/** A node that has not been heard for so long is forgotten, ms. */
export const FORGET_MS = 600_000;
/** Lines of events that are kept. */
const LINES_MAX = 200;

/** One node as a monitor knows it. */
export interface BoardRow {
  readonly name: string;
  readonly tag: string;
  readonly pnn: number | undefined;
  /** By its own word, by the leader's, or "silent"; "down": it said that it ends. */
  readonly condition: string;
  readonly why: string | undefined;
  readonly isLeader: boolean;
  readonly serving: boolean;
  /** What is left of its lease now, ms. */
  readonly leaseMs: number;
  /** Since its last heartbeat came, ms. */
  readonly heardMsAgo: number;
  /** Its wall clock minus ours when that came, ms: transit counts against it. */
  readonly skewMs: number;
  readonly heartbeat: HeartbeatEvent;
  readonly stats: StatsEvent | undefined;
}

/** The cluster as a whole. */
export interface BoardView {
  readonly rows: readonly BoardRow[];
  /** Names of those that say they lead; one, when all is well. */
  readonly leaders: readonly string[];
  /** Nodes of the cluster by the newest document that anybody has told of. */
  readonly size: number;
  /** The last events, oldest first. */
  readonly lines: readonly EventWords[];
}

interface Known {
  /** As its subject says it. */
  name: string;
  heartbeat: HeartbeatEvent;
  heardMs: number;
  skewMs: number;
  stats: StatsEvent | undefined;
  /** What the leader has said since the last heartbeat. */
  told: StateEvent | undefined;
}

/** Takes events, and knows what follows from them. */
export class Board {
  readonly #nodes = new Map<string, Known>();
  readonly #lines: EventWords[] = [];

  /** An event came; `nowMs` by a clock that never goes back, `wallMs` by our wall clock. */
  note(item: FeedItem, nowMs: number, wallMs: number): void {
    const { topic, who } = item;
    const event = topic === undefined ? undefined : readEvent(topic, item.event);
    if (event === undefined) return;
    switch (event.topic) {
      case "heartbeat":
        return this.#heard(event, who, nowMs, wallMs);
      case "stats": {
        const known = this.#nodes.get(event.tag);
        if (known !== undefined) known.stats = event;
        return;
      }
      case "databases":
      case "services":
        return;
      case "script":
        // Those that are well come all the time.
        if (event.outcome === "ok") return;
        break;
      case "state":
        this.#told(event, who);
    }
    this.#lines.push(eventWords(item));
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  /** All of it, as of now. Nodes by their number. */
  view(nowMs: number): BoardView {
    for (const [tag, { heardMs }] of this.#nodes) {
      if (nowMs - heardMs > FORGET_MS) this.#nodes.delete(tag);
    }
    const rows = [...this.#nodes.values()].map((known) => rowOf(known, nowMs))
      .sort((one, other) => (one.pnn ?? Infinity) - (other.pnn ?? Infinity) || order(one, other));
    const newest = rows.reduce<BoardRow | undefined>(
      (best, row) => best === undefined || versionOf(row) > versionOf(best) ? row : best,
      undefined,
    );
    return {
      rows,
      leaders: rows.filter(({ isLeader }) => isLeader).map(({ name }) => name),
      size: newest?.heartbeat.nodes ?? 0,
      lines: this.#lines,
    };
  }

  /** Has every node of the cluster been heard, with its statistics? */
  isComplete(nowMs: number): boolean {
    const { rows, size } = this.view(nowMs);
    return size > 0 && rows.length >= size && rows.every(({ stats }) => stats !== undefined);
  }

  #heard(heartbeat: HeartbeatEvent, name: string, nowMs: number, wallMs: number): void {
    const { tag } = heartbeat;
    const before = this.#nodes.get(tag);
    if (before === undefined && this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(tag, {
      name,
      heartbeat,
      heardMs: nowMs,
      skewMs: heartbeat.wallMs - wallMs,
      stats: before?.stats,
      told: undefined,
    });
  }

  /** Of a node itself a heartbeat says as much; what another says counts until the next of its heartbeats. */
  #told(event: StateEvent, who: string): void {
    if (who === event.about) return;
    for (const [tag, known] of this.#nodes) {
      if (known.name !== event.about) continue;
      if (event.to === "gone") this.#nodes.delete(tag);
      else known.told = event;
    }
  }
}

function rowOf({ name, heartbeat, heardMs, skewMs, stats, told }: Known, nowMs: number): BoardRow {
  const { tag, pnn, everyMs, leaseMs, runstate } = heartbeat;
  const heardMsAgo = Math.max(0, nowMs - heardMs);
  // A node that is heard once a day by its own word is silent all the same.
  const limitMs = SILENT_AFTER * Math.min(Math.max(everyMs, EVENT_EVERY_MS), 10 * EVENT_EVERY_MS);
  const isSilent = heardMsAgo > limitMs;
  const isDown = runstate === "shutdown";
  const isThere = !isSilent && !isDown;
  return {
    name,
    tag,
    pnn,
    condition: isDown ? "down" : told?.to ?? (isSilent ? "silent" : heartbeat.condition),
    why: told === undefined ? heartbeat.why : told.why,
    isLeader: isThere && heartbeat.isLeader,
    serving: isThere && heartbeat.serving,
    leaseMs: isDown ? 0 : Math.max(0, leaseMs - heardMsAgo),
    heardMsAgo,
    skewMs,
    heartbeat,
    stats: isThere ? stats : undefined,
  };
}

function versionOf({ heartbeat: { version } }: BoardRow): bigint {
  return version === undefined ? -1n : BigInt(version);
}

function order(one: BoardRow, other: BoardRow): number {
  return one.name < other.name ? -1 : Number(one.name > other.name);
}
