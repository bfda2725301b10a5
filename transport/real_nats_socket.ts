/**
 * The socket under the NATS client: what the client calls its transport.
 *
 *   connect: dial -> the server's first line, INFO, within a second -> TLS, where it is wanted -> all bytes on to the
 *            client's parser: by turns of its reader while it logs in, then in the turn in which they come
 *   publish: what a turn publishes is put together in one buffer, and leaves at the end of the turn in one write
 *
 * The client's own transport will not do for a daemon: it takes its listeners off a socket that it destroys, and on
 * Deno a reset that comes then is an error nobody catches, which ends the process; it waits for a full socket to be
 * written before it gives a hung server up; and it leaves a socket behind for each try at a server that hangs.
 *
 * Does NOT promise: TLS before the first line (a server set to handshake_first). What the server says first is not
 * secret, and what counts of it is checked again inside.
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { systemCode } from "./real_errors.ts";
import { TLS_CUT, TLS_DEMANDED, TLS_LACKING, tlsWords } from "./real_nats_tls.ts";
import { nodeSocket, type OpenSocket, type SocketEvents, theseSockets } from "./real_socket.ts";

/** A server that says nothing for so long is hung, ms: the kernel still accepts for it. */
const GREETING_MS = 1000;
/** Longest first line, bytes. */
const GREETING_MAX = 65536;
/** Bytes that the server has not taken; beyond, it counts as gone. 64 MiB. */
export const PENDING_MAX = 64 * 1024 * 1024;
/** What a turn publishes is put together up to this, bytes; a larger buffer is not kept. */
const OUT_SIZE = 64 * 1024;
/** Around a payload: its length, and two ends of line. */
const PUB_MORE = 24;
const [CR, LF, ZERO] = [13, 10, 48];
const PORT = 4222;
/** What TLS needs, as texts of PEM files. */
export interface TlsTexts {
  /** Authorities that may vouch for the server; the runtime's when absent. */
  readonly ca?: string;
  /** What we show, when it asks. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that its certificate must hold; the host that was dialled when absent. */
  readonly serverName?: string;
}

/** What the client hands on. */
interface DialOptions {
  readonly tls?: TlsTexts | null;
}

/** One connection, used once. Has the shape that the client asks for. */
export class NatsSocket implements AsyncIterable<Uint8Array> {
  readonly lang = "ctdbx";
  readonly version = "1";
  closeError?: Error;
  /** What the server has said that cannot be, a phrase. */
  fault: string | undefined;
  #socket: OpenSocket | undefined;
  #onBytes: (bytes: Uint8Array) => void = () => {};
  /** For the reader that goes by turns. */
  #arrived: Uint8Array[] = [];
  #wake: () => void = () => {};
  /** Has the reader had all that came, and waits? */
  #isIdle = false;
  /** Who takes what comes when the reader is idle; undefined: the reader does. */
  #wanted: ((bytes: Uint8Array) => void) | undefined;
  #direct: ((bytes: Uint8Array) => void) | undefined;
  /** What this turn has published. */
  #out = new Uint8Array(OUT_SIZE);
  #outAt = 0;
  #isUp = false;
  #isOver = false;
  #isEncrypted = false;
  /** Has the server said anything through TLS? */
  #hasAnswered = false;
  #resolveClosed: (error?: Error) => void = () => {};
  #fail: (error: Error) => void = () => {};
  readonly #closed = new Promise<Error | void>((resolve) => this.#resolveClosed = resolve);

  get isClosed(): boolean {
    return this.#isOver;
  }

  /** Resolves when the server has greeted, and TLS stands. Rejects with why not, in plain words. */
  async connect(
    server: { readonly hostname: string; readonly port: number },
    options: DialOptions = {},
  ): Promise<void> {
    const tls = options.tls ?? undefined;
    const callOff = this.#limit();
    try {
      const made: { plain?: Socket } = {};
      const line = await this.#greeted(server, tls === undefined ? undefined : made);
      const demands = /"tls_required"\s*:\s*true/.test(line);
      const offers = demands || /"tls_available"\s*:\s*true/.test(line);
      if (demands && tls === undefined) throw new Error(TLS_DEMANDED);
      if (tls !== undefined && !offers) throw new Error(TLS_LACKING);
      const { plain } = made;
      if (tls !== undefined && plain !== undefined) {
        await this.#secured(plain, server.hostname, tls);
      }
      if (this.#isOver) throw this.closeError ?? new Error("it was closed");
      this.#isUp = true;
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      callOff();
    }
  }

  /** Ends the try when the server hangs. */
  #limit(): () => void {
    const timer = setTimeout(
      () => this.#end(new Error(`it says nothing for ${GREETING_MS} ms`)),
      GREETING_MS,
    );
    return () => clearTimeout(timer);
  }

  /** The first line, when it has come. `made`: the socket is wanted as node:tls takes it, and put there. */
  #greeted(
    server: { readonly hostname: string; readonly port: number },
    made: { plain?: Socket } | undefined,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      let heard = new Uint8Array(0);
      this.#onBytes = (bytes) => {
        heard = concat(heard, bytes);
        const line = greetingOf(heard);
        if (line === undefined) return;
        this.#onBytes = (more) => this.#take(more);
        if (line instanceof Error) return reject(line);
        this.#take(heard);
        resolve(line);
      };
      const place = { host: server.hostname, port: server.port };
      const events = this.#followed("it hangs up at once");
      if (made !== undefined) {
        made.plain = connect(place);
        made.plain.setNoDelay(true);
        this.#socket = nodeSocket(made.plain, () => events);
        return;
      }
      theseSockets().dial(place, (socket) => {
        this.#socket = socket;
        // Nobody waits for it any more.
        if (this.#isOver) socket.destroy();
        return events;
      }).catch(reject);
    });
  }

  /** TLS over a socket whose server has greeted. */
  #secured(
    plain: Socket,
    host: string,
    { ca, cert, key, serverName }: TlsTexts,
  ): Promise<void> {
    // What it says now is for TLS.
    plain.removeAllListeners("data");
    return new Promise((resolve, reject) => {
      const name = serverName ?? host;
      this.#fail = (error) => reject(new Error(tlsWords(error, name)));
      const options = {
        socket: plain,
        host: name,
        // An address is no name to ask for; the certificate must hold it all the same.
        ...isIP(name) === 0 ? { servername: name } : {},
        ...ca === undefined ? {} : { ca: [ca] },
        ...cert === undefined ? {} : { cert },
        ...key === undefined ? {} : { key },
        rejectUnauthorized: true,
      };
      let socket: TLSSocket;
      try {
        socket = connectTls(options);
      } catch (error) {
        // Files that are none are found out at once.
        return this.#fail(error as Error);
      }
      this.#isEncrypted = true;
      this.#onBytes = (bytes) => {
        this.#hasAnswered = true;
        this.#take(bytes);
      };
      const events = this.#followed("it hangs up in the middle of TLS");
      this.#socket = nodeSocket(socket, () => events);
      // At once: what an error says is lost when the socket is closed for another.
      socket.on("error", (error) => this.#broken(error));
      socket.once("secureConnect", () => {
        if (socket.authorized) resolve();
        else this.#fail(socket.authorizationError);
      });
    });
  }

  #followed(hangUp: string): SocketEvents {
    return {
      onBytes: (bytes) => this.#onBytes(bytes),
      onClose: (error) => {
        if (error !== undefined) return this.#broken(error);
        if (this.#isUp) this.#end(this.#isCutEarly ? new Error(TLS_CUT) : undefined);
        else this.#fail(new Error(hangUp));
      },
    };
  }

  /** In TLS 1.3 a server says what it thinks of our certificate when the handshake is over. */
  #broken(error: Error): void {
    if (this.#isUp) this.#end(this.#isEncrypted ? this.#tlsError(error) : error);
    else this.#fail(error);
  }

  get #isCutEarly(): boolean {
    return this.#isEncrypted && !this.#hasAnswered;
  }

  #tlsError(error: Error): Error {
    const isCut = this.#isCutEarly && ["EPIPE", "ECONNRESET"].includes(systemCode(error) ?? "");
    return new Error(isCut ? TLS_CUT : tlsWords(error, ""));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const iterator: AsyncIterableIterator<Uint8Array> = {
      next: () => this.#next(),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#arrived.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    this.#isIdle = true;
    this.#direct = this.#wanted;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#isIdle = false;
        resolve(this.#next());
      };
    });
  }

  /** From now on, when the reader has had what came before, `parse` gets what comes, in the turn in which it comes. */
  hand(parse: (bytes: Uint8Array) => void): void {
    this.#wanted = parse;
    if (this.#isIdle) this.#direct = parse;
  }

  /** Bytes that the system has not taken yet. */
  get waiting(): number {
    return this.#outAt + (this.#socket?.waiting ?? 0);
  }

  isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  /** What the client says: after all that was published before it. */
  send(frame: Uint8Array): void {
    this.flush();
    this.#write(frame);
  }

  /** Publishes at the end of this turn; `head` is "PUB subject " or "PUB subject reply ". Good until it returns. */
  publish(head: Uint8Array, payload: Uint8Array): void {
    if (this.#isOver) return;
    const need = head.length + payload.length + PUB_MORE;
    if (this.#outAt + need > OUT_SIZE) this.flush();
    if (need > this.#out.length) this.#out = new Uint8Array(need);
    if (this.#outAt === 0) queueMicrotask(() => this.flush());
    const out = this.#out;
    out.set(head, this.#outAt);
    let at = putDigits(out, this.#outAt + head.length, payload.length);
    out[at++] = CR;
    out[at++] = LF;
    out.set(payload, at);
    at += payload.length;
    out[at++] = CR;
    out[at++] = LF;
    this.#outAt = at;
  }

  /** Hands on what was published, now. */
  flush(): void {
    if (this.#outAt === 0) return;
    const bytes = this.#out.subarray(0, this.#outAt);
    this.#outAt = 0;
    this.#write(bytes);
    if (this.#out.length > OUT_SIZE) this.#out = new Uint8Array(OUT_SIZE);
  }

  #write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (this.#isOver || socket === undefined) return;
    socket.write(bytes);
    if (socket.waiting <= PENDING_MAX) return;
    this.#end(new Error(`the server does not take what is sent: ${PENDING_MAX} bytes wait`));
  }

  close(error?: Error): Promise<void> {
    this.#end(error);
    return Promise.resolve();
  }

  /** The client gives the server up: at once, whatever the socket still holds. */
  disconnect(): void {
    this.#end(undefined);
  }

  /** Resolves when a connection that stood is over. */
  closed(): Promise<Error | void> {
    return this.#closed;
  }

  /** Ends it without a word to the client. */
  discard(): void {
    this.#isUp = false;
    this.#end(undefined);
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#direct === undefined) {
      this.#arrived.push(bytes);
      return this.#wake();
    }
    try {
      this.#direct(bytes);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.fault = `it says what is no NATS: ${why.slice(0, 200)}`;
      this.#end(new Error(this.fault));
    }
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#outAt = 0;
    if (error !== undefined) this.closeError = error;
    this.#fail(error ?? new Error("it was closed"));
    this.#socket?.destroy();
    this.#wake();
    if (this.#isUp) this.#resolveClosed(error);
  }
}

/** Writes a number in decimal; answers where it ends. */
function putDigits(out: Uint8Array, at: number, value: number): number {
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end += 1;
  for (let digit = end - 1, rest = value; digit >= at; digit--, rest = Math.floor(rest / 10)) {
    out[digit] = ZERO + rest % 10;
  }
  return end;
}

/** The first line when it is whole and sound; an Error when it is not what it should be; undefined: not yet. */
function greetingOf(heard: Uint8Array): string | Error | undefined {
  const text = new TextDecoder("latin1").decode(heard.subarray(0, GREETING_MAX));
  if (text.length >= 5 && !text.startsWith("INFO ")) return new Error("it is no NATS server");
  const end = text.indexOf("\r\n");
  if (end < 0) return text.length < GREETING_MAX ? undefined : new Error("it is no NATS server");
  return text.slice(0, end);
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** Host and port of `nats://host:port`, `host:port` or `host`. Throws RangeError on anything else. */
export function addressOf(server: string): { host: string; port: number } {
  const match = /^(?:nats:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?\/?$/.exec(server);
  const port = Number(match?.[3] ?? PORT);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port >= 1 && port <= 65535) return { host, port };
  throw new RangeError(`Cannot connect to ${JSON.stringify(server)}: must be host:port`);
}

/** Why a server could not be used, for people. */
export function reasonOf(server: string, error: unknown): string {
  const code = systemCode(error);
  const text = error instanceof Error && error.message !== "" ? error.message : String(error);
  // Who has left the port out is shown which one was tried.
  const place = /:\d{1,5}\/?$/.test(server) ? server : `${server}:${PORT}`;
  return `${place}: ${code === "ECONNREFUSED" ? "nothing listens there" : text}`;
}
