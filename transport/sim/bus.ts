/**
 * One node's end of the simulated network: the Bus port.
 *
 * Does NOT promise: what the network does not, see network.ts.
 */
import { checkPattern, checkPayload, checkSubject, checkWait, takes } from "../bus_checks.ts";
import { CtdbxError } from "../wire/errors.ts";
import { MESSAGE_MAX } from "../wire/limits.ts";
import type { Bus, BusMessage, BusStatus, Log } from "../world.ts";
import type { SimLife } from "./life.ts";
import type { SimNetwork } from "./network.ts";

interface Subscription {
  readonly pattern: string;
  readonly onMessage: (message: BusMessage) => void;
}

/** Without a sign of the server a client notices after so long, ms, as with a ping a second and two unanswered. */
const NOTICE_MIN_MS = 2000;
const NOTICE_SPREAD_MS = 1000;
/** A server gives up a client that answers no pings after so long, ms. */
const GIVEN_UP_MIN_MS = 10_000;
const GIVEN_UP_SPREAD_MS = 5000;
/** Dialling again takes so long at least, ms. */
const DIAL_MIN_MS = 5;
const DIAL_SPREAD_MS = 1000;

/** A bus of one life of one node. Connected from the start. */
export class SimBus implements Bus {
  readonly name: string;
  readonly payloadMax: number = MESSAGE_MAX;
  readonly #network: SimNetwork;
  readonly #life: SimLife;
  readonly #log: Log;
  readonly #subscriptions = new Set<Subscription>();
  readonly #watchers = new Set<(status: BusStatus) => void>();
  readonly #waits = new Set<(error: CtdbxError) => void>();
  #status: BusStatus = "connected";
  /** Counts connections: what was sent to an earlier one is lost. */
  #connection = 1;
  #mayConnect = true;
  /** Does anything pass? The node may not have noticed yet that nothing does. */
  #passes = true;
  /** The connection is gone, and the node is about to learn of it. */
  #isDown = false;

  constructor(network: SimNetwork, name: string, life: SimLife, log: Log) {
    this.name = name;
    this.#network = network;
    this.#life = life;
    this.#log = log;
    network.join(this);
    life.onEnd(() => network.leave(this));
    life.onResume((pausedMs) => this.#woken(pausedMs));
  }

  get status(): BusStatus {
    return this.#status;
  }

  get connection(): number {
    return this.#connection;
  }

  /** Does the server have its subscriptions? */
  get isReachable(): boolean {
    return this.#status === "connected" && this.#passes;
  }

  get patterns(): readonly string[] {
    return [...this.#subscriptions].map(({ pattern }) => pattern);
  }

  publish(subject: string, payload: Uint8Array, reply?: string): void {
    checkSubject(subject);
    if (reply !== undefined) checkSubject(reply);
    checkPayload(subject, payload, this.payloadMax);
    this.#alive(`publish to ${subject}`);
    if (this.isReachable) this.#network.send(this, { subject, payload, reply });
  }

  subscribe(pattern: string, onMessage: (message: BusMessage) => void): () => void {
    checkPattern(pattern);
    this.#alive(`subscribe to ${pattern}`);
    const subscription = { pattern, onMessage };
    this.#subscriptions.add(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    checkSubject(subject);
    checkPayload(subject, payload, this.payloadMax);
    checkWait(timeoutMs);
    const what = `ask ${subject}`;
    this.#connected(what);
    const inbox = this.#network.newInbox();
    let end = () => {};
    try {
      return await this.#answer<BusMessage>(what, timeoutMs, (resolve, reject) => {
        end = this.subscribe(inbox, resolve);
        const message = { subject, payload: new Uint8Array(payload), reply: inbox };
        if (!this.isReachable || this.#network.send(this, message)) return;
        const nobody = new CtdbxError("not_found", `Cannot ${what}: nobody listens`);
        this.#later(2, () => reject(nobody));
      });
    } finally {
      end();
    }
  }

  watch(onStatus: (status: BusStatus) => void): () => void {
    this.#watchers.add(onStatus);
    return () => void this.#watchers.delete(onStatus);
  }

  async flush(timeoutMs: number): Promise<void> {
    checkWait(timeoutMs);
    this.#connected("flush");
    await this.#answer<void>("flush", timeoutMs, (resolve) => {
      if (this.isReachable) this.#later(2, resolve);
    });
  }

  close(): Promise<void> {
    if (this.#status === "closed") return Promise.resolve();
    this.#drop("the bus was closed");
    this.#set("closed");
    this.#subscriptions.clear();
    this.#network.leave(this);
    return Promise.resolve();
  }

  /** The connection is cut, and the node knows; it comes back when connect() says so. */
  cut(): void {
    this.#mayConnect = false;
    this.#down("the connection was cut");
  }

  /** Nothing passes any more, and the node finds out after a while. */
  hang(): void {
    this.#mayConnect = false;
    this.#passes = false;
    const connection = this.#connection;
    const noticeMs = NOTICE_MIN_MS + this.#network.dice.below(NOTICE_SPREAD_MS);
    this.#network.time.after(noticeMs, () => {
      if (!this.#passes && connection === this.#connection) this.#down("no answer to pings");
    });
  }

  /** It may connect again, and does so in a moment. What hung and was not noticed goes on. */
  connect(): void {
    if (this.#mayConnect) return;
    this.#mayConnect = true;
    if (this.#status === "disconnected") this.#dial();
    else if (!this.#isDown) this.#passes = true;
  }

  /** A message has come over the network; what was for an earlier connection is lost. */
  arrive(connection: number, message: BusMessage): void {
    this.#life.run(() => {
      if (connection !== this.#connection || !this.isReachable) return;
      for (const subscription of [...this.#subscriptions]) {
        if (!this.#subscriptions.has(subscription)) continue; // ended by the one before
        if (takes(subscription.pattern, message.subject)) this.#hand(subscription, message);
      }
    });
  }

  #hand({ pattern, onMessage }: Subscription, message: BusMessage): void {
    try {
      onMessage({ ...message, payload: new Uint8Array(message.payload) });
    } catch (error) {
      this.#log.write("error", "The handler of a message threw", { pattern, error });
    }
  }

  /** After a pause: a server that had no pong for too long has hung up. */
  #woken(pausedMs: number): void {
    const givenUpMs = GIVEN_UP_MIN_MS + this.#network.dice.below(GIVEN_UP_SPREAD_MS);
    if (pausedMs < givenUpMs || this.#status !== "connected") return;
    this.#down("the server has hung up"); // nothing that waited comes through
  }

  #down(why: string): void {
    if (this.#status !== "connected" || this.#isDown) return;
    this.#connection += 1;
    this.#isDown = true;
    this.#passes = false;
    this.#life.run(() => {
      this.#isDown = false;
      if (this.#status !== "connected") return;
      this.#drop(why);
      this.#set("disconnected");
      if (this.#mayConnect) this.#dial();
    });
  }

  #dial(): void {
    const takesMs = DIAL_MIN_MS + this.#network.dice.below(DIAL_SPREAD_MS);
    this.#network.time.after(takesMs, () =>
      this.#life.run(() => {
        if (!this.#mayConnect || this.#status !== "disconnected") return;
        this.#passes = true;
        this.#set("connected");
      }));
  }

  #drop(why: string): void {
    const error = new CtdbxError("timeout", why);
    for (const fail of [...this.#waits]) fail(error);
  }

  #set(status: BusStatus): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    for (const onStatus of [...this.#watchers]) onStatus(status);
  }

  #later(ways: number, fire: () => void): void {
    let delayMs = 0;
    for (let way = 0; way < ways; way++) delayMs += this.#network.drawDelay();
    this.#network.time.after(delayMs, () => this.#life.run(fire));
  }

  /** Something that must come in time, and while the connection lasts. */
  #answer<T>(
    what: string,
    timeoutMs: number,
    begin: (resolve: (value: T) => void, reject: (error: CtdbxError) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const end = () => {
        callOff();
        this.#waits.delete(cut);
      };
      const fail = (error: CtdbxError) => {
        end();
        reject(error);
      };
      const cut = ({ message }: CtdbxError) =>
        fail(new CtdbxError("timeout", `Cannot ${what}: ${message}, no answer came`));
      const late = new CtdbxError(
        "timeout",
        `Cannot ${what}: no answer within ${timeoutMs} ms`,
      );
      const callOff = this.#network.time.after(timeoutMs, () => this.#life.run(() => fail(late)));
      this.#waits.add(cut);
      begin((value) => {
        end();
        resolve(value);
      }, fail);
    });
  }

  #alive(what: string): void {
    if (this.#status !== "closed") return;
    throw new CtdbxError("state", `Cannot ${what}: the bus is closed`);
  }

  #connected(what: string): void {
    this.#alive(what);
    if (this.#status === "connected") return;
    throw new CtdbxError("state", `Cannot ${what}: not connected`);
  }
}
