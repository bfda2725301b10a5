/**
 * The post of a node: messages out to nodes, messages in from the bus, each refused one counted.
 *
 *   send([nodes], message) -> encoded once -> one publication for each     payload -> codec -> onMessage | refused
 *   sendRaw(node, bytes)   -> as they are                                  payload that is no CBOR map -> onRaw
 *
 * A post has one of two mails: "n", the node's, and "r", that of its data thread, whose traffic the others never see.
 * What programs send that use the bus alone (class cl) goes to the data thread, too, and is always raw.
 *
 * Who sends what is refused is told in the log once a minute for each reason and sender; the counts are for status.
 *
 * Does NOT promise: delivery; while the bus is down everything is lost, and the machines know that.
 */
import { isSubject } from "../transport/bus_checks.ts";
import type { Bus, BusMessage, Clock, Log } from "../transport/world.ts";
import type { Codec, Received, Stamps } from "../transport/wire/codec.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { isRefusal, refusal } from "../transport/wire/envelope.ts";
import type { Refusal, RefusalCode } from "../transport/wire/envelope.ts";
import { FAULT_TEXT_MAX, fitText } from "../transport/wire/limits.ts";
import type { AnyMessage } from "../transport/wire/message.ts";
import type { SubjectClass } from "../transport/wire/subjects.ts";
import {
  buildSubject,
  dataSubscriptionsOf,
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
/** Raw mail is dropped while so many bytes wait for the server, who counts as gone at twice as many. 32 MiB. */
const WAITING_MAX = 32 * 1024 * 1024;
/** Subjects that are remembered. */
const SUBJECTS_MAX = 8192;
/** First bytes of CBOR maps, and so of envelopes. */
const MAP_FIRST = 0xa0;
const MAP_LAST = 0xbf;
const TAG = /^[a-z2-7]{10}$/;
/** Somebody's mail, or what leads into the server: no answer goes there. */
const TRAP = /^(?:ctdbx\.|\$)/;

/** Which mail a post takes and sends: the node's, or its data thread's. */
export type MailClass = "n" | "r";

/** A payload that has a layout of its own. */
export interface RawMail {
  /** It is not used again: it may be kept. */
  readonly payload: Uint8Array;
  readonly subjectClass: MailClass | "cl";
  /** Who sent it, as the subject says; the bus vouches for it, if it knows who is who. */
  readonly from: Tag;
  /** Where an answer is awaited; see answerRaw. */
  readonly reply: string | undefined;
}

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
  /** "n" when absent. */
  readonly mail?: MailClass;
  /** Takes what is no envelope; when absent, it is refused as one that has not its form. */
  readonly onRaw?: (mail: RawMail) => void;
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
  /** Raw mail that was not sent, since too much waits for the server. */
  dropped: number;
  readonly refused: Map<RefusalCode, number>;
}

/** One node's post. */
export class Post {
  readonly counters: PostCounters = {
    sent: 0,
    received: 0,
    sentBytes: 0,
    receivedBytes: 0,
    dropped: 0,
    refused: new Map(),
  };
  readonly #options: PostOptions;
  readonly #own: Tag;
  readonly #mail: MailClass;
  readonly #subjects = new Map<NodeId, string>();
  readonly #subjectOfAll: string;
  readonly #complaints = new Map<string, number>();
  readonly #ends: (() => void)[] = [];
  #sweep: (() => void) | undefined;

  constructor(options: PostOptions) {
    this.#options = options;
    const { cluster, own, mail = "n" } = options;
    const from = tagOf(own);
    this.#own = from;
    this.#mail = mail;
    this.#subjectOfAll = buildSubject(
      mail === "n" ? { cluster, class: "all", from } : { cluster, class: "r", to: "all", from },
    );
  }

  /** Begins to listen. */
  start(): void {
    const { bus, cluster } = this.#options;
    const patterns = this.#mail === "n"
      ? subscriptionsOf(cluster, this.#own, [])
      : dataSubscriptionsOf(cluster, this.#own);
    for (const pattern of patterns) {
      const take = this.#takerOf(pattern);
      this.#ends.push(bus.subscribe(pattern, take));
    }
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    this.#sweep?.();
    this.#sweep = undefined;
  }

  /** Sends to nodes. Throws TypeError on a message that is not as declared: a mistake of this program. */
  send(to: readonly NodeId[], message: AnyMessage): void {
    const payloads = this.#encode(message);
    for (const node of to) this.#publish(this.#subjectOf(node), payloads);
  }

  /** Sends to all nodes, or to those interested in a database. */
  publish(to: "all" | DbId, message: AnyMessage): void {
    const { cluster } = this.#options;
    const from = this.#own;
    const subject = to === "all"
      ? this.#subjectOfAll
      : buildSubject({ cluster, class: "db", to, from });
    this.#publish(subject, this.#encode(message));
  }

  /**
   * Sends bytes as they are, at most `bus.payloadMax`; good until it returns. They must not look like an envelope. They
   * are dropped while the server takes too little: whoever sends large values repeats them in time.
   */
  sendRaw(to: NodeId | "all", payload: Uint8Array): void {
    const { bus } = this.#options;
    if (bus.status !== "connected") return;
    if ((bus.waiting ?? 0) > WAITING_MAX) {
      this.counters.dropped++;
      return;
    }
    this.#put(to === "all" ? this.#subjectOfAll : this.#subjectOf(to), payload);
    this.counters.sent++;
  }

  /** Answers raw mail, at most `bus.payloadMax` bytes; as often as one likes. What `answer` says of `reply` holds. */
  answerRaw(reply: string, payload: Uint8Array): void {
    if (!mayAnswer(reply)) return this.#refuseReply(reply);
    this.#put(reply, payload);
  }

  /** Counts and tells what was refused by who takes raw mail. */
  refuse(refused: Refusal): void {
    this.#refuse(refused);
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
    if (!mayAnswer(reply)) return this.#refuseReply(reply);
    for (const payload of this.#encode(message)) this.#put(reply, payload);
  }

  /** Asks a node and awaits its answer. Throws what Bus.request throws; a refusal is answered as it is. */
  async ask(to: NodeId, message: AnyMessage, timeoutMs: number): Promise<Received | Refusal> {
    const { bus, cluster, codec, clock } = this.#options;
    const subject = buildSubject({ cluster, class: "ask", to: tagOf(to), from: this.#own });
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

  /** The mail of a node. */
  #subjectOf(node: NodeId): string {
    let subject = this.#subjects.get(node);
    if (subject === undefined) {
      if (this.#subjects.size >= SUBJECTS_MAX) this.#subjects.clear();
      const { cluster } = this.#options;
      subject = buildSubject({ cluster, class: this.#mail, to: tagOf(node), from: this.#own });
      this.#subjects.set(node, subject);
    }
    return subject;
  }

  /** What takes the messages of a subscription, whose pattern ends with the sender's place. */
  #takerOf(pattern: string): (message: BusMessage) => void {
    const fromAt = pattern.length - 1;
    const { cluster, onRaw } = this.#options;
    const isOfPrograms = pattern.startsWith(`ctdbx.${cluster}.cl.`);
    const subjectClass = isOfPrograms ? "cl" : this.#mail;
    if (onRaw === undefined) return (message) => this.#take(message);
    return (message) => {
      const { payload, subject, reply } = message;
      const [first = MAP_FIRST] = payload;
      const isEnvelope = first >= MAP_FIRST && first <= MAP_LAST;
      if (isEnvelope && !isOfPrograms) return this.#take(message);
      this.counters.receivedBytes += payload.length;
      const from = subject.slice(fromAt) as Tag;
      if (!TAG.test(from)) {
        return this.#refuse({ refused: "subject", text: "it does not say who sent it" });
      }
      // What goes to all comes back to its sender.
      if (from === this.#own && !isOfPrograms) return;
      this.counters.received++;
      onRaw({ payload, subjectClass, from, reply });
    };
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

  #refuseReply(reply: string): void {
    this.#refuse({
      refused: "sender",
      text: fitText(`an answer is wanted at ${reply}`, FAULT_TEXT_MAX),
    });
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

/** Who asks names where the answer goes, and may name anything: nothing that an answer there could do harm by. */
function mayAnswer(reply: string): boolean {
  return isSubject(reply) && !TRAP.test(reply);
}
