/**
 * An actor: a bounded mailbox before a pure machine, and what it takes to run it in a world.
 *
 *   tell(event) -> mailbox -> machine.step(event, now) -> effects -> perform, one after another
 *                                  wakeMs -> a timer of the clock -> step({ type: "wake" })
 *
 * Events are handled in order and never re-entrantly: an effect that is completed at once waits in the mailbox for
 * its turn. A machine never throws; one whose own assert fails does, and then the actor stops and tells its owner.
 *
 * Does NOT promise: to keep events of a full mailbox. tell() answers false, and the sender's loss shows in `dropped`.
 */
import type { Clock, Log } from "../transport/world.ts";

/** Events that wait for one actor. */
export const MAILBOX_MAX = 8192;
/** Events done after which they are forgotten. */
const COMPACT = 256;

/** What an actor runs. Time is in the event; what it wants done comes back as data. */
export interface Machine<Event, Effect> {
  /** Handles one event and answers what is to be done, in this order. */
  step(event: Event, nowMs: number): readonly Effect[];
  /** When it wants a wake event, by the clock of its node; Infinity: never. */
  readonly wakeMs: number;
}

/** What an actor needs. */
export interface ActorOptions<Event, Effect> {
  /** For the log. */
  readonly name: string;
  readonly machine: Machine<Event, Effect>;
  readonly clock: Clock;
  readonly log: Log;
  /** The event that a machine gets when its time has come. */
  readonly wake: Event;
  /** Does what the machine wants. An error thrown here stops the actor. */
  perform(effect: Effect): void;
  /** Called once when the actor stops by itself, with what it stopped for. */
  onFailure(error: unknown): void;
  /** Default MAILBOX_MAX. */
  readonly mailboxMax?: number;
}

/** One actor. */
export class Actor<Event, Effect> {
  readonly #options: ActorOptions<Event, Effect>;
  readonly #mailboxMax: number;
  /** Events from #next on wait; those before it are done. */
  #mailbox: Event[] = [];
  #next = 0;
  #busy = false;
  #stopped = false;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #dropped = 0;
  #handled = 0;

  constructor(options: ActorOptions<Event, Effect>) {
    this.#options = options;
    this.#mailboxMax = options.mailboxMax ?? MAILBOX_MAX;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Events refused because the mailbox was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Events that the machine has taken. */
  get handled(): number {
    return this.#handled;
  }

  /** Events that wait. */
  get waiting(): number {
    return this.#mailbox.length - this.#next;
  }

  /** Puts an event into the mailbox; false: it is full, or the actor has stopped, and the event is lost. */
  tell(event: Event): boolean {
    if (this.#stopped) return false;
    if (this.waiting >= this.#mailboxMax) {
      this.#dropped++;
      return false;
    }
    this.#mailbox.push(event);
    if (!this.#busy) this.#run();
    return true;
  }

  /** Ends it: what waits is dropped, no timer fires any more. */
  stop(): void {
    this.#stopped = true;
    this.#mailbox = [];
    this.#next = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #run(): void {
    this.#busy = true;
    try {
      while (this.#next < this.#mailbox.length) {
        this.#step(this.#mailbox[this.#next++] as Event);
        if (this.#stopped) return;
        if (this.#next >= COMPACT) this.#compact();
      }
      this.#compact();
    } catch (error) {
      this.stop();
      const { name, log, onFailure } = this.#options;
      log.write("error", `The actor ${name} has stopped`, { error });
      onFailure(error);
      return;
    } finally {
      this.#busy = false;
    }
    this.#setTimer();
  }

  /** Forgets the events that are done. */
  #compact(): void {
    // Most often all are done: what is cut off anywhere else makes an array of it.
    if (this.#next === this.#mailbox.length) this.#mailbox.length = 0;
    else this.#mailbox.splice(0, this.#next);
    this.#next = 0;
  }

  #step(event: Event): void {
    const { machine, clock } = this.#options;
    this.#handled++;
    for (const effect of machine.step(event, clock.nowMs())) {
      this.#options.perform(effect);
      if (this.#stopped) return;
    }
  }

  #setTimer(): void {
    const { machine, clock, wake } = this.#options;
    const atMs = machine.wakeMs;
    if (this.#timer?.atMs === atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === Infinity) return;
    const fire = (): void => {
      this.#timer = undefined;
      this.tell(wake);
    };
    this.#timer = { atMs, cancel: clock.after(Math.max(0, atMs - clock.nowMs()), fire) };
  }
}
