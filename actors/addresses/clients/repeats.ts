/**
 * Sends things several times within seconds, some at a time: what is lost once arrives the next time, and a queue of
 * a network card is not flooded.
 *
 *   start(key, 5000 packets) ──▶ 256 now, 256 after 10 ms, ...  ──▶ all again a second after the first, and once more
 *
 * A key that is started again begins anew; who does not want it any more forgets it. What is urgent goes before the
 * rest, and of equals those that have waited longest.
 *
 * A full queue holds up only the key that met it: another one's packets may leave by another interface. It is tried
 * again with each batch; after BUSY_TRIES without one that went, what meets it is left out for this round.
 *
 * Does NOT promise: that a packet goes; what cannot be sent is told once for each key and round.
 */
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Clock } from "../../../transport/world.ts";

/** Upstream: CTDB_ARP_REPEAT, CTDB_ARP_INTERVAL. */
export const ROUNDS = 3;
export const ROUND_MS = 1000;
/** So many packets at most, then a pause of so many ms. */
export const BATCH = 256;
export const PACE_MS = 10;
/** A full queue is tried so often, PACE_MS apart, before a packet is given up: a second. */
export const BUSY_TRIES = 100;

/** What is to be sent. */
export interface Repeated {
  readonly count: number;
  /** Goes before what is not. */
  readonly isUrgent?: boolean;
  /** Sends one, 0 .. count-1. Throws CtdbxError. */
  readonly send: (index: number) => void;
  /** The last round is over, whatever came of it. */
  readonly onEnd?: () => void;
}

interface Job extends Repeated {
  roundsLeft: number;
  next: number;
  startMs: number;
  dueMs: number;
  hasFailed: boolean;
  /** So often more a full queue is waited for in this round; 0: no more. */
  triesLeft: number;
}

/** What it needs. */
export interface RepeatsParts {
  readonly clock: Clock;
  /** Something could not be sent. */
  readonly onFailure: (key: string, error: unknown) => void;
}

/** All that is being sent. */
export class Repeats {
  readonly #parts: RepeatsParts;
  readonly #jobs = new Map<string, Job>();
  /** So many packets may go until then, by the clock. */
  #room = BATCH;
  #roomEndMs = 0;
  /** When the timer fires; Infinity: there is none. */
  #wakeMs = Infinity;
  #cancel: () => void = () => {};

  constructor(parts: RepeatsParts) {
    this.#parts = parts;
  }

  /** Begins to send, in this turn if there is room; what the key sent before is over. */
  start(key: string, { count, send, isUrgent = false, onEnd = () => {} }: Repeated): void {
    this.#jobs.delete(key);
    if (count === 0) return;
    const nowMs = this.#parts.clock.nowMs();
    const times = { startMs: nowMs, dueMs: nowMs };
    const round = { next: 0, hasFailed: false, triesLeft: BUSY_TRIES };
    const job = { count, send, isUrgent, onEnd, roundsLeft: ROUNDS, ...times, ...round };
    this.#jobs.set(key, job);
    this.#send(key, job, nowMs);
    this.#wakeAt(job.dueMs, nowMs);
  }

  forget(key: string): void {
    this.#jobs.delete(key);
  }

  stop(): void {
    this.#jobs.clear();
    this.#cancel();
    this.#wakeMs = Infinity;
  }

  #run(): void {
    this.#wakeMs = Infinity;
    const nowMs = this.#parts.clock.nowMs();
    let nextMs = Infinity;
    const jobs = [...this.#jobs];
    const inOrder = [
      ...jobs.filter(([, { isUrgent }]) => isUrgent),
      ...jobs.filter(([, { isUrgent }]) => !isUrgent),
    ];
    for (const [key, job] of inOrder) {
      if (job.dueMs <= nowMs) this.#send(key, job, nowMs);
      if (job.roundsLeft > 0) nextMs = Math.min(nextMs, job.dueMs);
    }
    this.#wakeAt(nextMs, nowMs);
  }

  #wakeAt(dueMs: number, nowMs: number): void {
    // What is due and was not sent waits for room.
    const wakeMs = Math.max(dueMs, dueMs <= nowMs ? this.#roomEndMs : 0);
    if (wakeMs >= this.#wakeMs || wakeMs === Infinity) return;
    this.#cancel();
    this.#wakeMs = wakeMs;
    this.#cancel = this.#parts.clock.after(Math.max(0, wakeMs - nowMs), () => this.#run());
  }

  /** Sends what there is room for; what is left waits behind the others. */
  #send(key: string, job: Job, nowMs: number): void {
    if (nowMs >= this.#roomEndMs) {
      this.#room = BATCH;
      this.#roomEndMs = nowMs + PACE_MS;
    }
    if (this.#room > 0) {
      // The last of its kind from now on.
      this.#jobs.delete(key);
      this.#jobs.set(key, job);
    }
    for (; job.next < job.count; job.next += 1, this.#room -= 1) {
      if (this.#room <= 0) return;
      try {
        job.send(job.next);
        if (job.triesLeft > 0) job.triesLeft = BUSY_TRIES;
      } catch (error) {
        const isFull = error instanceof CtdbxError && error.code === "busy";
        if (isFull && job.triesLeft > 0) {
          // The same one comes again with the next batch.
          job.triesLeft -= 1;
          job.dueMs = this.#roomEndMs;
          return;
        }
        if (!job.hasFailed) this.#parts.onFailure(key, error);
        job.hasFailed = true;
      }
    }
    job.roundsLeft -= 1;
    job.next = 0;
    job.hasFailed = false;
    job.triesLeft = BUSY_TRIES;
    job.startMs += ROUND_MS;
    job.dueMs = job.startMs;
    if (job.roundsLeft > 0) return;
    this.#jobs.delete(key);
    job.onEnd?.();
  }
}
