/**
 * A stream of bytes over a bus that loses messages: one end. The other end is the same.
 *
 *   write ─▶ pieces, numbered ─▶ window ─▶ bus ...  a piece is kept until `got` says that it has come
 *            no word for 250 ms: the window again        one is missing: `missed`, and the window again from there
 *   silent for too long: it is over; nothing that came twice is handed on twice
 *
 * Pieces of one turn of the event loop go together. `got` travels with data, or by itself soon.
 *
 * Does NOT promise: to live through a change of either process; another session begins then.
 */
import {
  PACKET,
  type Packet,
  TUNNEL_HEAD,
  writePacket,
} from "../transport/wire/client/tunnel_layout.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Clock, StreamEvents } from "../transport/world.ts";

/** Pieces that are under way, and their bytes. */
const WINDOW_PIECES = 64;
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Longest piece, bytes. */
const PIECE_MAX = 128 * 1024;
/** No sign of what was sent: it goes again after so long, doubled each time, ms. */
const AGAIN_MIN_MS = 250;
const AGAIN_MAX_MS = 1000;
/** What has come is told after so long at the latest, ms, and after so many pieces. */
const SIGN_MS = 5;
const SIGN_EACH = 16;
/** An idle end gives a sign of life so often, ms. */
const ALIVE_MS = 2000;
/** Bytes of all that waits to be sent; beyond, the tunnel ends. */
const WAITING_MAX = 64 * 1024 * 1024;

/** What an end needs. */
export interface TunnelParts {
  readonly clock: Clock;
  /** 32 hex digits. */
  readonly session: string;
  /** Publishes a packet to the other end. */
  readonly publish: (packet: Uint8Array) => void;
  /** Bytes of one packet at most. */
  readonly payloadMax: number;
  /** The other end is gone when it has been silent for so long, ms. */
  readonly silenceMs: number;
}

interface Piece {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** One end. */
export class Tunnel {
  readonly #parts: TunnelParts;
  #events: StreamEvents | undefined;
  /** Not sent yet. */
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** Sent, and not known to have come. */
  #window: Piece[] = [];
  #windowBytes = 0;
  #number = 0;
  /** All up to this one have come. */
  #got = 0;
  #untold = 0;
  #stopSign: (() => void) | undefined;
  #stopAgain: (() => void) | undefined;
  #stopWatch: (() => void) | undefined;
  #againMs = AGAIN_MIN_MS;
  #heardMs: number;
  #saidMs: number;
  #missedAt = 0;
  #isOver = false;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#heardMs = parts.clock.nowMs();
    this.#saidMs = this.#heardMs;
    this.#watch();
  }

  /** Bytes that were handed over and are not known to have come. */
  get waiting(): number {
    return this.#queued + this.#windowBytes;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Who hears of what comes. */
  open(events: StreamEvents): void {
    this.#events = events;
  }

  /** Hands bytes over; a copy is made. */
  write(bytes: Uint8Array): void {
    if (this.#isOver || bytes.length === 0) return;
    if (this.waiting + bytes.length > WAITING_MAX) {
      return this.end(new CtdbxError("limit", `The stream was cut: ${WAITING_MAX} bytes wait`));
    }
    this.#queue.push(bytes.slice());
    this.#queued += bytes.length;
    this.#pump();
  }

  /** Ends it, and tells the other end. */
  close(why = "closed"): void {
    if (this.#isOver) return;
    const { session } = this.#parts;
    const bytes = new TextEncoder().encode(why);
    this.#parts.publish(writePacket(PACKET.end, session, 0, this.#got, bytes));
    this.#stop();
  }

  /** A packet of the other end. */
  take({ kind, number, got, bytes }: Packet): void {
    if (this.#isOver) return;
    this.#heardMs = this.#parts.clock.nowMs();
    if (kind === PACKET.end) {
      const why = new TextDecoder().decode(bytes.subarray(0, 200));
      return this.end(new CtdbxError("state", `The node has ended the session: ${why}`));
    }
    this.#onGot(got);
    if (kind === PACKET.missed) this.#sendWindow();
    if (kind !== PACKET.data) return;
    if (number === this.#got + 1) {
      this.#got = number;
      this.#untold += 1;
      this.#signLater();
      this.#events?.onBytes(bytes);
    } else if (number > this.#got + 1) this.#missed();
    // It has come before: so its sender has not heard.
    else this.#sign();
  }

  /** It is over, without a word to the other end. */
  end(error: CtdbxError): void {
    if (this.#isOver) return;
    this.#stop();
    this.#events?.onClose(error);
  }

  #stop(): void {
    this.#isOver = true;
    this.#stopSign?.();
    this.#stopAgain?.();
    this.#stopWatch?.();
    this.#queue = [];
    this.#window = [];
    this.#queued = 0;
    this.#windowBytes = 0;
  }

  #pump(): void {
    const piece = Math.min(this.#parts.payloadMax - TUNNEL_HEAD, PIECE_MAX);
    while (this.#queue.length > 0 && this.#window.length < WINDOW_PIECES) {
      if (this.#windowBytes > 0 && this.#windowBytes + piece > WINDOW_BYTES) return;
      const bytes = this.#next(piece);
      this.#number += 1;
      const made = { number: this.#number, bytes };
      this.#window.push(made);
      this.#windowBytes += bytes.length;
      this.#send(made);
    }
  }

  /** Up to so many bytes from the front. */
  #next(max: number): Uint8Array {
    const [first] = this.#queue;
    if (first === undefined) return new Uint8Array(0);
    if (first.length > max) {
      this.#queue[0] = first.subarray(max);
      this.#queued -= max;
      return first.subarray(0, max);
    }
    let count = 0;
    let length = 0;
    for (const each of this.#queue) {
      if (length + each.length > max) break;
      length += each.length;
      count += 1;
    }
    const taken = this.#queue.splice(0, count);
    this.#queued -= length;
    if (count === 1) return first;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const each of taken) {
      whole.set(each, at);
      at += each.length;
    }
    return whole;
  }

  #send({ number, bytes }: Piece): void {
    this.#publish(writePacket(PACKET.data, this.#parts.session, number, this.#got, bytes));
    this.#againLater();
  }

  #sendWindow(): void {
    for (const piece of this.#window) this.#send(piece);
  }

  #onGot(got: number): void {
    let count = 0;
    for (const { number, bytes } of this.#window) {
      if (number > got) break;
      count += 1;
      this.#windowBytes -= bytes.length;
    }
    if (count === 0) return;
    this.#window.splice(0, count);
    this.#againMs = AGAIN_MIN_MS;
    this.#stopAgain?.();
    this.#stopAgain = undefined;
    if (this.#window.length > 0) this.#againLater();
    this.#pump();
  }

  #againLater(): void {
    if (this.#stopAgain !== undefined) return;
    this.#stopAgain = this.#parts.clock.after(this.#againMs, () => {
      this.#stopAgain = undefined;
      this.#againMs = Math.min(2 * this.#againMs, AGAIN_MAX_MS);
      this.#sendWindow();
    });
  }

  #signLater(): void {
    if (this.#untold >= SIGN_EACH) return this.#sign();
    this.#stopSign ??= this.#parts.clock.after(SIGN_MS, () => this.#sign());
  }

  #sign(kind: number = PACKET.sign): void {
    this.#publish(writePacket(kind, this.#parts.session, 0, this.#got));
  }

  /** Once for each piece that is missing; after that its sender's own clock sends it. */
  #missed(): void {
    if (this.#missedAt === this.#got + 1) return;
    this.#missedAt = this.#got + 1;
    this.#sign(PACKET.missed);
  }

  /** Every packet says what has come. */
  #publish(packet: Uint8Array): void {
    this.#untold = 0;
    this.#stopSign?.();
    this.#stopSign = undefined;
    this.#saidMs = this.#parts.clock.nowMs();
    this.#parts.publish(packet);
  }

  #watch(): void {
    const { clock, silenceMs } = this.#parts;
    const waitMs = Math.min(ALIVE_MS, silenceMs) / 2;
    this.#stopWatch = clock.after(waitMs, () => {
      const nowMs = clock.nowMs();
      if (nowMs - this.#heardMs >= silenceMs) {
        return this.end(new CtdbxError("timeout", "The other end is silent"));
      }
      if (nowMs - this.#saidMs >= ALIVE_MS) this.#sign();
      this.#watch();
    });
  }
}
