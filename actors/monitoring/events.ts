/**
 * The events of a node: each gets its head, goes to who watches here, and out to monitors.
 *
 *   tell(topic, fields) ─▶ { v, topic, cluster, node, pnn, tag, wallMs, seq, ...fields } ─▶ watchers
 *                            └─▶ ev.<topic> (JSON), and ev.cbor.<topic> when that is wanted
 *
 * Does NOT promise: that an event arrives; while the bus is down they are lost, and `seq` shows the gap.
 */
import { EventCodec, plain } from "../../transport/wire/event_codec.ts";
import type { AnyEvent, FieldsByTopic, Topic } from "../../transport/wire/messages/event.ts";
import { EVENT_VERSION } from "../../transport/wire/messages/event_form.ts";
import type { Pnn, Tag } from "../../transport/wire/terms.ts";
import type { Clock, Log } from "../../transport/world.ts";

/** What events are told with. */
export interface EventsParts {
  readonly clock: Clock;
  readonly log: Log;
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  /** The node's name. */
  readonly name: string;
  readonly tag: Tag;
  /** The node's number, when it has one. */
  readonly pnn: () => Pnn | undefined;
  /** Are they wanted as CBOR, too? */
  readonly isCborWanted: boolean;
  /** Can anything go out now? */
  readonly isUp: () => boolean;
  /** Puts bytes on the subject of a topic. */
  readonly publish: (topic: Topic, payload: Uint8Array, isCbor: boolean) => void;
}

/** Tells events. */
export class Events {
  readonly #parts: EventsParts;
  readonly #codec = new EventCodec();
  readonly #watchers = new Map<(event: AnyEvent) => void, readonly Topic[]>();
  #seq = 0;

  constructor(parts: EventsParts) {
    this.#parts = parts;
  }

  /** Events told in this life. */
  get count(): number {
    return this.#seq;
  }

  /** Tells one. */
  tell<T extends Topic>(topic: T, fields: FieldsByTopic[T]): void {
    this.#seq += 1;
    const event = this.make(topic, fields);
    for (const [onEvent, topics] of [...this.#watchers]) {
      if (topics.includes(topic)) onEvent(event);
    }
    if (!this.#parts.isUp()) return;
    const { publish, log, isCborWanted } = this.#parts;
    try {
      publish(topic, this.#codec.json(event), false);
      if (isCborWanted) publish(topic, this.#codec.cbor(event), true);
    } catch (error) {
      // Too long: every field is bounded, so this is a mistake of ours, and no reason to end the node.
      log.write("error", "An event could not be told", { topic, error });
    }
  }

  /** An event with its head and the number of the last one that was told. */
  make<T extends Topic>(topic: T, fields: FieldsByTopic[T]): AnyEvent {
    const { clock, cluster, name, tag, pnn } = this.#parts;
    return plain({
      v: EVENT_VERSION,
      topic,
      cluster,
      node: name,
      pnn: pnn(),
      tag,
      wallMs: Math.max(0, Math.round(clock.wallMs())),
      seq: this.#seq,
      ...fields,
    }) as AnyEvent;
  }

  /** Calls `onEvent` with what this node tells on these topics; answers how to end it. */
  watch(topics: readonly Topic[], onEvent: (event: AnyEvent) => void): () => void {
    // A function of its own, so that one that watches twice is called twice.
    const call = (event: AnyEvent): void => onEvent(event);
    this.#watchers.set(call, topics);
    return () => void this.#watchers.delete(call);
  }
}
