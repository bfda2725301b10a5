/**
 * Streams between processes of one simulated machine.
 *
 * Does NOT promise: that bytes come in the pieces in which they were written.
 */
import type { Stream, StreamEvents } from "../world.ts";
import type { SimTime } from "./clock.ts";
import type { SimLife } from "./life.ts";

/** Bytes that come at a time, and how long a piece takes, ms. */
const PIECE = 65536;
const PIECE_MS = 0.02;

/** One end. The other one is `peer`. */
export class SimStream implements Stream {
  peer: SimStream | undefined;
  events: StreamEvents | undefined;
  readonly #time: SimTime;
  readonly #life: SimLife;
  readonly #queue: Uint8Array[] = [];
  #waiting = 0;
  #isMoving = false;
  /** Nothing more is written; what waits still goes out. */
  #isEnding = false;
  #isClosed = false;

  constructor(time: SimTime, life: SimLife) {
    this.#time = time;
    this.#life = life;
    life.onEnd(() => this.cut());
  }

  get waiting(): number {
    return this.#waiting;
  }

  write(bytes: Uint8Array): void {
    if (this.#isEnding || this.#isClosed || bytes.length === 0) return;
    for (let at = 0; at < bytes.length; at += PIECE) this.#queue.push(bytes.slice(at, at + PIECE));
    this.#waiting += bytes.length;
    this.#move();
  }

  close(): void {
    this.#isEnding = true;
    this.#move();
  }

  /** Ends both ends now; what waits is lost. */
  cut(): void {
    this.closed();
    this.peer?.closed();
  }

  /** A paused reader takes nothing: pieces wait with the writer, one at a time is under way. */
  #move(): void {
    if (this.#isMoving || this.#isClosed) return;
    this.#isMoving = true;
    this.#time.after(PIECE_MS, () => this.peer?.take(() => this.#arrived()));
  }

  #arrived(): void {
    this.#isMoving = false;
    const piece = this.#queue.shift();
    if (piece === undefined) {
      if (this.#isEnding) this.cut();
      return;
    }
    this.#waiting -= piece.length;
    this.peer?.events?.onBytes(piece);
    if (this.#queue.length > 0 || this.#isEnding) this.#move();
  }

  /** Runs `arrived` when this end can take something. */
  take(arrived: () => void): void {
    if (!this.#isClosed) this.#life.run(arrived);
  }

  /** The stream is over; told once. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#waiting = 0;
    this.#time.after(PIECE_MS, () => this.#life.run(() => this.events?.onClose()));
  }
}
