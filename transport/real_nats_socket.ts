/**
 * The socket under the NATS client: what the client calls its transport.
 *
 *   connect: dial -> the server's first line, INFO, within a second -> all bytes on to the client's parser
 *
 * The client's own transport will not do for a daemon: it takes its listeners off a socket that it destroys, and on
 * Deno a reset that comes then is an error nobody catches, which ends the process; it waits for a full socket to be
 * written before it gives a hung server up; and it leaves a socket behind for each try at a server that hangs.
 *
 * Does NOT promise: TLS. A server that demands it is refused by name.
 */
import { connect, type Socket } from "node:net";
import { systemCode } from "./real_errors.ts";

/** A server that says nothing for so long is hung, ms: the kernel still accepts for it. */
const GREETING_MS = 1000;
/** Longest first line, bytes. */
const GREETING_MAX = 65536;
/** Bytes that the server has not taken; beyond, it counts as gone. 64 MiB. */
const PENDING_MAX = 64 * 1024 * 1024;
const PORT = 4222;

/** One connection, used once. Has the shape that the client asks for. */
export class NatsSocket implements AsyncIterable<Uint8Array> {
  readonly lang = "ctdbx";
  readonly version = "1";
  closeError?: Error;
  #socket: Socket | undefined;
  #arrived: Uint8Array[] = [];
  #wake: () => void = () => {};
  #isUp = false;
  #isOver = false;
  #resolveClosed: (error?: Error) => void = () => {};
  readonly #closed = new Promise<Error | void>((resolve) => this.#resolveClosed = resolve);

  get isClosed(): boolean {
    return this.#isOver;
  }

  /** Resolves when the server has greeted. Rejects with why it did not, in plain words. */
  connect(server: { readonly hostname: string; readonly port: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: server.hostname, port: server.port });
      this.#socket = socket;
      socket.setNoDelay(true);
      const timer = setTimeout(
        () => fail(new Error(`it says nothing for ${GREETING_MS} ms`)),
        GREETING_MS,
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        this.#end(error);
        reject(error);
      };
      let heard = new Uint8Array(0);
      const hear = (bytes: Uint8Array) => {
        heard = concat(heard, bytes);
        const text = greetingOf(heard);
        if (text === undefined) return;
        if (text instanceof Error) return fail(text);
        clearTimeout(timer);
        socket.off("data", hear);
        socket.on("data", (more: Uint8Array) => this.#take(more));
        this.#isUp = true;
        this.#take(heard);
        resolve();
      };
      socket.on("data", hear);
      // For the life of the socket and beyond: an error of a socket without listener ends the process.
      socket.on("error", (error) => {
        if (this.#isUp) this.#end(error);
        else fail(error);
      });
      socket.on("close", () => {
        if (this.#isUp) this.#end(undefined);
        else fail(new Error("it hangs up at once"));
      });
    });
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    while (!this.#isOver || this.#arrived.length > 0) {
      const arrived = this.#arrived;
      this.#arrived = [];
      yield* arrived;
      if (this.#arrived.length > 0 || this.#isOver) continue;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  isEncrypted(): boolean {
    return false;
  }

  send(frame: Uint8Array): void {
    const socket = this.#socket;
    if (this.#isOver || socket === undefined) return;
    socket.write(frame);
    if (socket.writableLength <= PENDING_MAX) return;
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
    this.#arrived.push(bytes);
    this.#wake();
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (error !== undefined) this.closeError = error;
    this.#socket?.destroy();
    this.#wake();
    if (this.#isUp) this.#resolveClosed(error);
  }
}

/** The first line when it is whole and sound; an Error when it is not what it should be; undefined: not yet. */
function greetingOf(heard: Uint8Array): string | Error | undefined {
  const text = new TextDecoder("latin1").decode(heard.subarray(0, GREETING_MAX));
  if (text.length >= 5 && !text.startsWith("INFO ")) return new Error("it is no NATS server");
  const end = text.indexOf("\r\n");
  if (end < 0) return text.length < GREETING_MAX ? undefined : new Error("it is no NATS server");
  const line = text.slice(0, end);
  if (!/"tls_required"\s*:\s*true/.test(line)) return line;
  return new Error("it demands TLS, which ctdbx does not speak");
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
  return `${server}: ${code === "ECONNREFUSED" ? "nothing listens there" : text}`;
}
