/**
 * Programs that use NATS alone: a session behind each tunnel.
 *
 *   seek ─▶ offer, if this node serves          first packet of a session ─▶ Tunnel ── Session
 *
 * A session belongs to the sender of its first packet, as the bus knows him, and dies when he is silent for 10 s; one
 * that has ended is not begun again by a packet that comes late.
 *
 * Does NOT promise: that a program finds the same node again.
 */
import { PACKET, readPacket, writePacket } from "../../transport/wire/client/tunnel_layout.ts";
import type { Packet } from "../../transport/wire/client/tunnel_layout.ts";
import type { Tag } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { Tunnel } from "../tunnel.ts";
import type { Sessions } from "./sessions.ts";
import type { DataHost } from "./types.ts";

/** A program that says nothing for so long is dead, ms. */
export const SESSION_SILENCE_MS = 10_000;
/** Sessions that have ended, as far as they are remembered. */
const ENDED_MAX = 4096;

/** What it needs. */
export interface SessionMailParts {
  readonly host: DataHost;
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** Publishes where an answer is awaited. */
  readonly answer: (reply: string, payload: Uint8Array) => void;
  /** Bytes of one message, now. */
  readonly payloadMax: () => number;
}

interface Open {
  readonly from: Tag;
  readonly tunnel: Tunnel;
  /** Where its packets go. */
  reply: string;
}

/** One node's. */
export class SessionMail {
  readonly #parts: SessionMailParts;
  readonly #open = new Map<string, Open>();
  readonly #ended = new Set<string>();

  constructor(parts: SessionMailParts) {
    this.#parts = parts;
  }

  /** How many programs are there. */
  get size(): number {
    return this.#open.size;
  }

  /** A message of class cl. What is none of ours is dropped. */
  take(payload: Uint8Array, from: Tag, reply: string | undefined): void {
    const packet = readPacket(payload);
    if (packet === undefined || reply === undefined) return;
    if (packet.kind === PACKET.seek) return this.#offer(packet, reply);
    const open = this.#open.get(packet.session) ?? this.#begin(packet, from, reply);
    // Another sender knows its number: whoever that is, it is not his.
    if (open === undefined || open.from !== from) return;
    open.reply = reply;
    open.tunnel.take(packet);
  }

  /** The node ends. */
  stop(): void {
    for (const { tunnel } of this.#open.values()) tunnel.close("the node stops");
    this.#open.clear();
  }

  #offer({ session }: Packet, reply: string): void {
    const { host: { node }, answer } = this.#parts;
    if (!node.isServing) return;
    const tag = new TextEncoder().encode(tagOf(node.nodeId));
    answer(reply, writePacket(PACKET.offer, session, 0, 0, tag));
  }

  /** A session begins with its first packet, and only with that. */
  #begin({ kind, session, number }: Packet, from: Tag, reply: string): Open | undefined {
    const { clock, sessions, answer, payloadMax } = this.#parts;
    if (kind === PACKET.end) return undefined;
    if (kind !== PACKET.data || number !== 1 || this.#ended.has(session)) {
      const why = new TextEncoder().encode("there is no such session");
      answer(reply, writePacket(PACKET.end, session, 0, 0, why));
      return undefined;
    }
    const tunnel = new Tunnel({
      clock,
      session,
      payloadMax: payloadMax(),
      silenceMs: SESSION_SILENCE_MS,
      publish: (packet) => answer(open.reply, packet),
    });
    const open: Open = { from, tunnel, reply };
    this.#open.set(session, open);
    const events = sessions.openAs(
      {
        send: (bytes) => tunnel.write(bytes),
        get waiting() {
          return tunnel.waiting;
        },
        close: () => {
          tunnel.close();
          this.#forget(session);
        },
      },
      "nats",
      undefined,
    );
    tunnel.open({
      onBytes: (bytes) => events.onBytes(bytes),
      onClose: () => {
        this.#forget(session);
        events.onClose();
      },
    });
    return open;
  }

  #forget(session: string): void {
    this.#open.delete(session);
    if (this.#ended.size >= ENDED_MAX) {
      const oldest = this.#ended.values().next().value;
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    this.#ended.add(session);
  }
}
