/**
 * The way of messages past the NATS client's queues: it logs in, subscribes, asks and counts pings; what comes goes to
 * its parser in the turn in which it comes, and what is published is put together by our socket.
 *
 *   publish ─▶ NatsSocket: "PUB subject size", payload ─▶ one write a turn        socket ─▶ parser ─▶ subscription
 *
 * The client would make an array for each word of a publication, and go through four turns of microtasks for each piece
 * that comes.
 *
 * Does NOT promise: to fit a client that is made otherwise inside; it says so when it connects.
 */
import { checkSubject } from "./bus_checks.ts";
import { NatsSocket } from "./real_nats_socket.ts";

/** Subjects whose first words are remembered. */
const HEADS_MAX = 4096;
const encoder = new TextEncoder();

/** The parts of a client through which all messages go. */
export interface NatsProtocol {
  /** What the client says at the end of the turn. */
  readonly outbound: { size(): number; drain(): Uint8Array };
  readonly parser: { parse(bytes: Uint8Array): void };
  readonly transport: unknown;
}

/** Of one client that is connected. */
export class NatsWire {
  readonly #protocol: NatsProtocol;
  readonly #socket: NatsSocket;

  /** Takes the way of its messages in hand. Throws when the client is made otherwise. */
  constructor(protocol: NatsProtocol | undefined) {
    const socket = protocol?.transport;
    if (protocol === undefined || !(socket instanceof NatsSocket)) {
      throw new Error("Cannot use the client of NATS: it is made otherwise inside");
    }
    this.#protocol = protocol;
    this.#socket = socket;
    socket.hand((bytes) => protocol.parser.parse(bytes));
  }

  /** Bytes that were published and that the system has not taken yet. */
  get waiting(): number {
    return this.#socket.waiting;
  }

  /** What the server has said that cannot be, a phrase; it is given up for it. */
  get fault(): string | undefined {
    return this.#socket.fault;
  }

  /** Publishes; `head` is of a Heads. The payload is good until it returns. */
  publish(head: Uint8Array, payload: Uint8Array): void {
    // What the client has to say, as of a new subscription, was said before.
    const { outbound } = this.#protocol;
    if (outbound.size() > 0) this.#socket.send(outbound.drain());
    this.#socket.publish(head, payload);
  }
}

/** The first words of publications, by subject. */
export class Heads {
  readonly #bySubject = new Map<string, Uint8Array>();

  /** "PUB subject ", with a reply "PUB subject reply ". Throws RangeError on subjects that are none. */
  of(subject: string, reply: string | undefined): Uint8Array {
    if (reply !== undefined) {
      checkSubject(subject);
      checkSubject(reply);
      return encoder.encode(`PUB ${subject} ${reply} `);
    }
    const known = this.#bySubject.get(subject);
    if (known !== undefined) return known;
    checkSubject(subject);
    const head = encoder.encode(`PUB ${subject} `);
    if (this.#bySubject.size >= HEADS_MAX) this.#bySubject.clear();
    this.#bySubject.set(subject, head);
    return head;
  }
}
