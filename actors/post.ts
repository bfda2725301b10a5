/**
 * The post of a node: messages out to nodes, messages in from the bus, each refused one counted.
 *
 *   send([nodes], message) -> encoded once -> one publication for each     payload -> codec -> onMessage | refused
 *
 * Who sends what is refused is told in the log once a minute for each reason and sender; the counts are for status.
 *
 * Does NOT promise: delivery; while the bus is down everything is lost, and the machines know that.
 */
import type { Bus, BusMessage, Clock, Log } from "../transport/world.ts";
import type { Codec, Received, Stamps } from "../transport/wire/codec.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { isRefusal, refusal } from "../transport/wire/envelope.ts";
import type { Refusal, RefusalCode } from "../transport/wire/envelope.ts";
import type { AnyMessage } from "../transport/wire/message.ts";
import type { SubjectClass } from "../transport/wire/subjects.ts";
import {
  buildSubject,
  eventSubscription,
  parseSubject,
  subscriptionsOf,
} from "../transport/wire/subjects.ts";
import { type DbId, type NodeId, type Tag, tagOf } from "../transport/wire/terms.ts";

/** The same complaint is logged again after so long, ms. */
const COMPLAIN_MS = 60_000;
/** Complaints that are remembered. */
const COMPLAINTS_MAX = 1024;
/** Longest event of another node that is shown, bytes. */
const EVENT_BYTES_MAX = 64 * 1024;
/** Tags that are remembered. */
const TAGS_MAX = 8192;

/** What a post needs. */
export interface PostOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly codec: Codec;
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  readonly own: NodeId;
  /** What the node says of itself with each message, now. */
  readonly stamps: () => Stamps;
  /** May one who is not of the cluster send this? Nobody may when absent. */
  readonly takesFromStranger?: (message: Received["message"]) => boolean;
  /** Takes what came; `subjectClass` says how. */
  readonly onMessage: (
    received: Received,
    subjectClass: SubjectClass,
    reply: string | undefined,
  ) => void;
}

/** What went through. */
export interface PostCounters {
  /** Messages; one that goes to several nodes is one. */
  sent: number;
  received: number;
  /** Bytes of payloads, those of events and answers too. */
  sentBytes: number;
  receivedBytes: number;
  readonly refused: Map<RefusalCode, number>;
}

/** One node's post. */
export class Post {
  readonly counters: PostCounters = {
    sent: 0,
    received: 0,
    sentBytes: 0,
    receivedBytes: 0,
    refused: new Map(),
  };
  readonly #options: PostOptions;
  readonly #own: Tag;
  readonly #tags = new Map<NodeId, Tag>();
  readonly #complaints = new Map<string, number>();
  readonly #ends: (() => void)[] = [];
  #sweep: (() => void) | undefined;

  constructor(options: PostOptions) {
    this.#options = options;
    this.#own = tagOf(options.own);
  }

  /** Begins to listen. */
  start(): void {
    const { bus, cluster } = this.#options;
    for (const subject of subscriptionsOf(cluster, this.#own, [])) {
      this.#ends.push(bus.subscribe(subject, (message) => this.#take(message)));
    }
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    this.#sweep?.();
    this.#sweep = undefined;
  }

  /** Sends to nodes. Throws TypeError on a message that is not as declared: a mistake of this program. */
  send(to: readonly NodeId[], message: AnyMessage): void {
    const { cluster } = this.#options;
    const payloads = this.#encode(message);
    for (const node of to) {
      const subject = buildSubject({ cluster, class: "n", to: this.#tagOf(node), from: this.#own });
      this.#publish(subject, payloads);
    }
  }

  /** Sends to all nodes, or to those interested in a database. */
  publish(to: "all" | DbId, message: AnyMessage): void {
    const { cluster } = this.#options;
    const from = this.#own;
    const subject = to === "all"
      ? buildSubject({ cluster, class: "all", from })
      : buildSubject({ cluster, class: "db", to, from });
    this.#publish(subject, this.#encode(message));
  }

  /** Tells monitors: an encoded event on the subject of its topic. */
  event(topic: string, payload: Uint8Array, isCbor: boolean): void {
    const subjectClass = isCbor ? "ev.cbor" : "ev";
    const { cluster } = this.#options;
    this.#put(
      buildSubject({ cluster, class: subjectClass, to: topic, from: this.#own }),
      payload,
    );
  }

  /**
   * Calls `onEvent` with the events of other nodes on a topic, and the sender's tag in the subject; answers how to end
   * it. What is no JSON is dropped.
   */
  watchEvents(topic: string, onEvent: (event: unknown, from: Tag) => void): () => void {
    const { bus, cluster } = this.#options;
    return bus.subscribe(eventSubscription(cluster, topic), ({ subject, payload }) => {
      const from = parseSubject(subject)?.from;
      if (from === undefined || from === this.#own || payload.length > EVENT_BYTES_MAX) return;
      let event: unknown;
      try {
        event = JSON.parse(new TextDecoder().decode(payload));
      } catch {
        // Whoever may publish there may publish anything; monitors must live with it.
        return;
      }
      onEvent(event, from);
    });
  }

  /**
   * Answers a question that came with a reply subject. One that is the mail of somebody, or leads into the server, is
   * refused: who asks names it, and we may say there what he may not.
   */
  answer(reply: string, message: AnyMessage): void {
    if (/^(?:ctdbx\.|\$)/.test(reply)) {
      return this.#refuse({ refused: "sender", text: `an answer is wanted at ${reply}` });
    }
    for (const payload of this.#encode(message)) this.#put(reply, payload);
  }

  /** Asks a node and awaits its answer. Throws what Bus.request throws; a refusal is answered as it is. */
  async ask(to: NodeId, message: AnyMessage, timeoutMs: number): Promise<Received | Refusal> {
    const { bus, cluster, codec, clock } = this.#options;
    const subject = buildSubject({ cluster, class: "ask", to: this.#tagOf(to), from: this.#own });
    const [payload, ...more] = this.#encode(message);
    if (payload === undefined || more.length > 0) throw new RangeError("Cannot ask: too long");
    const answer = await bus.request(subject, payload, timeoutMs);
    const received = codec.decode(undefined, answer.payload, clock.nowMs());
    return received ?? { refused: "part", text: "an answer comes in one piece" };
  }

  #encode(message: AnyMessage): Uint8Array[] {
    const { bus, codec, stamps } = this.#options;
    codec.payloadMax = bus.payloadMax;
    return codec.encode(message, stamps());
  }

  /** Publishes what the bus takes; what is too long for its server is dropped, counted and told. */
  #put(subject: string, payload: Uint8Array): void {
    const { bus } = this.#options;
    if (bus.status !== "connected") return;
    try {
      bus.publish(subject, payload);
      this.counters.sentBytes += payload.length;
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      this.#refuse({ refused: "size", text: error.message });
    }
  }

  #publish(subject: string, payloads: readonly Uint8Array[]): void {
    if (this.#options.bus.status !== "connected") return;
    for (const payload of payloads) this.#put(subject, payload);
    this.counters.sent++;
  }

  #tagOf(node: NodeId): Tag {
    let tag = this.#tags.get(node);
    if (tag === undefined) {
      if (this.#tags.size >= TAGS_MAX) this.#tags.clear();
      tag = tagOf(node);
      this.#tags.set(node, tag);
    }
    return tag;
  }

  #take(message: BusMessage): void {
    const { codec, clock, onMessage, own } = this.#options;
    this.counters.receivedBytes += message.payload.length;
    const received = codec.decode(message.subject, message.payload, clock.nowMs());
    this.#sweepLater();
    if (received === undefined) return;
    if (isRefusal(received)) return this.#refuse(received);
    // What goes to all comes back to its sender. A question from oneself comes from a copy of
    // this node (cli/double.ts).
    const isOwn = received.from === own;
    if (isOwn && received.message.kind !== "ask") return;
    const isTaken = isOwn || this.#options.takesFromStranger?.(received.message) === true;
    if (received.isStranger && !isTaken) {
      const { from } = received;
      return this.#refuse(refusal("cluster", "it is of another cluster, or of none", from));
    }
    this.counters.received++;
    const subjectClass = parseSubject(message.subject)?.class;
    if (subjectClass !== undefined) onMessage(received, subjectClass, message.reply);
  }

  #refuse(refused: Refusal): void {
    const { clock, log } = this.#options;
    const code = refused.refused;
    this.counters.refused.set(code, (this.counters.refused.get(code) ?? 0) + 1);
    const about = `${code} ${refused.tag ?? ""}`;
    const nowMs = clock.nowMs();
    if (nowMs - (this.#complaints.get(about) ?? -Infinity) < COMPLAIN_MS) return;
    if (this.#complaints.size >= COMPLAINTS_MAX) this.#complaints.clear();
    this.#complaints.set(about, nowMs);
    log.write("warning", "A message was refused", { ...refused });
  }

  /** Drops messages of which parts are missing, when it is time. */
  #sweepLater(): void {
    const { codec, clock } = this.#options;
    const atMs = codec.assembly.wakeMs;
    if (this.#sweep !== undefined || atMs === undefined) return;
    this.#sweep = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
      this.#sweep = undefined;
      codec.assembly.sweep(clock.nowMs());
      this.#sweepLater();
    });
  }
}
