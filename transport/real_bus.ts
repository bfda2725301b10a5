/**
 * The Bus port on NATS: one connection, kept up for ever through the official client.
 *
 *   disconnected --dial, greeting, log-in--> connected
 *        ^            no: back off, 50 ms to 1 s   |
 *        '--- no sign of the server for 2-3 s, cut, slow consumer
 *
 * The client's own reconnecting is switched off: it keeps what was published in the meantime and sends it later. Each
 * connection is a client of its own on a socket of ours (real_nats_socket.ts); the old one is dropped as it is, and
 * subscriptions are made anew on the next.
 *
 * What the server forbids (its permissions) is told in the log once a minute and in `trouble`; a subscription that it
 * has refused is asked for again, for its operator may have changed his mind.
 *
 * Does NOT promise: that a message published in the moment of a cut arrives, or that it does not. Whoever needs to
 * know asks for an answer; `watch` tells of cuts.
 */
import { type Msg, type NatsConnection, NatsConnectionImpl, setTransportFactory } from "nats";
import { checkPattern, checkPayload, checkSubject, checkWait } from "./bus_checks.ts";
import { Refusals, requestError, tooLate } from "./real_bus_refusals.ts";
import { isNotAllowed } from "./real_errors.ts";
import { type BusLogin, readLogin } from "./real_nats_login.ts";
import { addressOf, NatsSocket, reasonOf } from "./real_nats_socket.ts";
import { Heads, NatsWire } from "./real_nats_wire.ts";
import { CtdbxError } from "./wire/errors.ts";
import { MESSAGE_MAX } from "./wire/limits.ts";
import type { Bus, BusMessage, BusStatus, Clock, Dice, Log } from "./world.ts";

export type { NatsConnection };

/** How to connect. */
export interface BusOptions {
  /** Servers as `host:port` or `nats://host:port`, tried in this order. */
  readonly servers: readonly string[];
  /** Who we are, for the operator of the server. */
  readonly name: string;
  readonly login?: BusLogin;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly log: Log;
}

/** What was published before close() has so long to go out. */
const LAST_FLUSH_MS = 1000;
/** Time of the whole log-in after the greeting. */
const LOGIN_MS = 2000;
const PING_MS = 1000;
/** Pings without an answer after which the server counts as gone. */
const PINGS_OUT = 2;
/** A forbidden subscription is asked for again after so long, doubled each time, ms. */
const FORBIDDEN_MIN_MS = 1000;
const FORBIDDEN_MAX_MS = 30_000;
/** Pause before a new try: doubled each time, give or take a quarter. */
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;

interface Subscription {
  readonly pattern: string;
  readonly onMessage: (message: BusMessage) => void;
  /** Ends it on the connection that is up; undefined while there is none. */
  end: (() => void) | undefined;
  /** How often the server has forbidden it on this connection. */
  forbidden: number;
}

/** The bus on NATS. Starts disconnected and dials at once. */
export class RealBus implements Bus {
  readonly #options: BusOptions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #watchers = new Set<(status: BusStatus) => void>();
  /** What waits for an answer fails with it when the connection is cut. */
  readonly #waits = new Set<(error: CtdbxError) => void>();
  #client: NatsConnection | undefined;
  /** Of the client that is up. */
  #wire: NatsWire | undefined;
  readonly #heads = new Heads();
  #status: BusStatus = "disconnected";
  #payloadMax = MESSAGE_MAX;
  #trouble: string | undefined = "not connected yet";
  #stopWaiting: () => void = () => {};
  #tries = 0;
  /** Of the last tries, so many were refused one after the other. */
  #refused = 0;
  readonly #refusals: Refusals;

  constructor(options: BusOptions) {
    if (options.servers.length === 0) throw new RangeError("Cannot connect: no server is named");
    for (const server of options.servers) addressOf(server);
    const inbox = options.login?.inbox;
    if (inbox !== undefined) checkSubject(inbox);
    this.#options = options;
    this.#refusals = new Refusals(options.clock, options.log);
    void this.#dialOn();
  }

  get status(): BusStatus {
    return this.#status;
  }

  get payloadMax(): number {
    return this.#payloadMax;
  }

  get waiting(): number {
    return this.#wire?.waiting ?? 0;
  }

  /** Why it is not connected, or what the server forbids although it is; a phrase. Undefined: all is well. */
  get trouble(): string | undefined {
    return this.#trouble ?? this.#refusals.trouble;
  }

  /** Nobody lets us in: each server has refused the log-in when it was tried last; or what we ask for is forbidden. */
  get isRefused(): boolean {
    if (this.#status === "connected") return this.#refusals.trouble !== undefined;
    return this.#refused >= this.#options.servers.length;
  }

  /** The client's connection, for what the port does not offer (real_kv.ts); another one after each cut. */
  get client(): NatsConnection | undefined {
    return this.#client;
  }

  publish(subject: string, payload: Uint8Array, reply?: string): void {
    const head = this.#heads.of(subject, reply);
    checkPayload(subject, payload, this.#payloadMax);
    if (this.#status === "closed") this.#alive(`publish to ${subject}`);
    this.#wire?.publish(head, payload);
  }

  subscribe(pattern: string, onMessage: (message: BusMessage) => void): () => void {
    checkPattern(pattern);
    this.#alive(`subscribe to ${pattern}`);
    const subscription: Subscription = { pattern, onMessage, end: undefined, forbidden: 0 };
    this.#subscriptions.add(subscription);
    const client = this.#client;
    if (client !== undefined && !client.isClosed()) this.#start(client, subscription);
    return () => {
      if (!this.#subscriptions.delete(subscription)) return;
      subscription.end?.();
      subscription.end = undefined;
    };
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    checkSubject(subject);
    checkPayload(subject, payload, this.#payloadMax);
    checkWait(timeoutMs);
    const what = `ask ${subject}`;
    const client = this.#connected(what);
    const answer = client.request(subject, new Uint8Array(payload), { timeout: timeoutMs });
    try {
      return messageOf(await this.#orCut(what, answer));
    } catch (error) {
      throw requestError(what, error, timeoutMs);
    }
  }

  watch(onStatus: (status: BusStatus) => void): () => void {
    this.#watchers.add(onStatus);
    return () => void this.#watchers.delete(onStatus);
  }

  async flush(timeoutMs: number): Promise<void> {
    checkWait(timeoutMs);
    const what = "flush";
    const client = this.#connected(what);
    let callOff = () => {};
    const late = new Promise<never>((_, reject) => {
      callOff = this.#options.clock.after(timeoutMs, () => reject(tooLate(what, timeoutMs)));
    });
    try {
      await this.#orCut(what, Promise.race([client.flush(), late]));
      // What the server has complained of before it answered is known afterwards: the client tells of it a turn later.
      await new Promise<void>((resolve) => this.#options.clock.after(0, resolve));
    } catch (error) {
      throw requestError(what, error, timeoutMs);
    } finally {
      callOff();
    }
  }

  async close(): Promise<void> {
    if (this.#status === "closed") return;
    const client = this.#client;
    // What was published before goes out first, if the server takes it soon.
    if (client !== undefined) await this.flush(LAST_FLUSH_MS).catch(() => {});
    this.#drop("the bus was closed");
    this.#set("closed");
    this.#stopWaiting();
    this.#subscriptions.clear();
    await client?.close();
  }

  /** Dials until a connection stands or the bus is closed. */
  async #dialOn(): Promise<void> {
    const { servers, log } = this.#options;
    let said = "";
    while (this.#status !== "closed") {
      const server = servers[this.#tries % servers.length] ?? "";
      try {
        const client = await this.#login(server);
        if (!this.#isWanted(client)) return;
        this.#up(client, server);
        return;
      } catch (error) {
        const refused = this.#refusals.loginWords(error);
        this.#refused = refused === undefined && !isNotAllowed(error) ? 0 : this.#refused + 1;
        this.#trouble = reasonOf(server, refused ?? error);
        if (said !== this.#trouble) log.write("warning", `No NATS: ${this.#trouble}`, { server });
        said = this.#trouble;
      }
      this.#tries += 1;
      await this.#pause();
    }
  }

  async #login(server: string): Promise<NatsConnection> {
    const { name, login = {} } = this.#options;
    // Anew each time: keys and certificates are replaced while the process runs.
    const { owner, ...secrets } = readLogin(login);
    this.#refusals.owner = owner;
    // The client keeps it for the whole thread; nobody else connects with it here.
    setTransportFactory({ factory: () => new NatsSocket() });
    return await NatsConnectionImpl.connect({
      servers: [server],
      name,
      reconnect: false,
      ignoreClusterUpdates: true,
      noAsyncTraces: true,
      timeout: LOGIN_MS,
      pingInterval: PING_MS,
      maxPingOut: PINGS_OUT,
      ...secrets,
    });
  }

  /** The bus may have been closed while the client logged in. */
  #isWanted(client: NatsConnection): boolean {
    if (this.#status !== "closed") return true;
    void client.close();
    return false;
  }

  #up(client: NatsConnection, server: string): void {
    this.#client = client;
    this.#wire = new NatsWire(
      client instanceof NatsConnectionImpl ? client.protocol : undefined,
    );
    this.#tries = 0;
    this.#refused = 0;
    this.#trouble = undefined;
    this.#refusals.clear();
    this.#payloadMax = Math.min(client.info?.max_payload ?? MESSAGE_MAX, MESSAGE_MAX);
    for (const subscription of this.#subscriptions) this.#start(client, subscription);
    void this.#listen(client);
    void client.closed().then((error) =>
      this.#down(
        client,
        this.#refusals.loginWords(error) ?? error?.message ?? "the server closed",
      )
    );
    this.#options.log.write("info", "Connected to NATS", {
      server,
      serverVersion: client.info?.version,
    });
    this.#set("connected");
  }

  /** Follows what the client says about itself. */
  async #listen(client: NatsConnection): Promise<void> {
    for await (const event of client.status()) {
      if (client !== this.#client) continue;
      if (event.type === "error") this.#refusals.complain(event.error);
      // The client says this, too, when it is thrown out.
      const { thrownOut } = this.#refusals;
      const stale = thrownOut ?? "the server does not answer pings";
      if (event.type === "staleConnection") this.#down(client, stale);
      if (event.type === "disconnect") {
        this.#down(client, thrownOut ?? this.#wire?.fault ?? "the connection was cut");
      }
    }
  }

  #down(client: NatsConnection, why: string): void {
    if (client !== this.#client) return;
    this.#drop(why);
    // Not awaited: with a server that hangs it may take its time. It sends nothing more.
    void client.close().catch(() => {});
    this.#options.log.write("warning", `NATS is gone: ${why}`);
    this.#set("disconnected");
    if (this.status !== "closed") void this.#dialOn();
  }

  #drop(why: string): void {
    this.#client = undefined;
    this.#wire = undefined;
    this.#trouble = why;
    for (const subscription of this.#subscriptions) {
      subscription.end = undefined;
      subscription.forbidden = 0;
    }
    const error = new CtdbxError("timeout", why);
    for (const fail of [...this.#waits]) fail(error);
  }

  #start(client: NatsConnection, subscription: Subscription): void {
    const { pattern, onMessage } = subscription;
    const { log } = this.#options;
    const started = client.subscribe(pattern, {
      callback: (error, message) => {
        if (error !== null) return this.#again(client, subscription);
        // A cut connection may still hold messages; another one has taken its place.
        if (client !== this.#client || !this.#subscriptions.has(subscription)) return;
        // A throw would end the client's reader: the connection would look alive and be deaf.
        try {
          onMessage(messageOf(message));
        } catch (thrown) {
          log.write("error", "The handler of a message threw", { pattern, error: thrown });
        }
      },
    });
    subscription.end = () => started.unsubscribe();
  }

  /** The server forbids a subscription, and the client has forgotten it: it is asked for again later. */
  #again(client: NatsConnection, subscription: Subscription): void {
    subscription.end = undefined;
    const delayMs = Math.min(FORBIDDEN_MAX_MS, FORBIDDEN_MIN_MS * 2 ** subscription.forbidden);
    subscription.forbidden += 1;
    this.#options.clock.after(delayMs, () => {
      const isWanted = client === this.#client && this.#subscriptions.has(subscription);
      if (isWanted && !client.isClosed()) this.#start(client, subscription);
    });
  }

  #set(status: BusStatus): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    for (const onStatus of [...this.#watchers]) onStatus(status);
  }

  #alive(what: string): void {
    if (this.#status === "closed") {
      throw new CtdbxError("state", `Cannot ${what}: the bus is closed`);
    }
  }

  #connected(what: string): NatsConnection {
    this.#alive(what);
    if (this.#client !== undefined) return this.#client;
    throw new CtdbxError("state", `Cannot ${what}: not connected to NATS (${this.#trouble})`);
  }

  /** The answer; or, when the connection is cut before: "timeout", for what was asked may have been done. */
  #orCut<T>(what: string, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: CtdbxError) => {
        this.#waits.delete(fail);
        reject(new CtdbxError("timeout", `Cannot ${what}: ${error.message}, no answer came`));
      };
      this.#waits.add(fail);
      answer.then(resolve, reject).finally(() => this.#waits.delete(fail));
    });
  }

  #pause(): Promise<void> {
    const { clock, dice } = this.#options;
    const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#tries - 1, 10));
    return new Promise((resolve) => {
      const callOff = clock.after(fullMs * (75 + dice.below(51)) / 100, resolve);
      this.#stopWaiting = () => {
        callOff();
        resolve();
      };
    });
  }
}

function messageOf(message: Msg): BusMessage {
  const { subject, data, reply } = message;
  return { subject, payload: data, reply: reply === "" ? undefined : reply };
}
