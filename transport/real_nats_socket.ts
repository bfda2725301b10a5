/**
 * The socket under the NATS client: what the client calls its transport.
 *
 *   connect: dial -> the server's first line, INFO, within a second -> TLS, where it is wanted -> all bytes on to the
 *            client's parser
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

/** A server that says nothing for so long is hung, ms: the kernel still accepts for it. */
const GREETING_MS = 1000;
/** Longest first line, bytes. */
const GREETING_MAX = 65536;
/** Bytes that the server has not taken; beyond, it counts as gone. 64 MiB. */
const PENDING_MAX = 64 * 1024 * 1024;
const PORT = 4222;
const TLS_DEMANDED = "it demands TLS: name its authority in [nats] tls = { ca = ... }";
/** TLS 1.3 judges our certificate after the handshake; the alert is lost when we write into a closed socket. */
const TLS_CUT =
  "it hangs up as soon as TLS stands: perhaps it wants a certificate of ours that it trusts: tls.cert and tls.key";
const TLS_LACKING = "it does not speak TLS, which [nats] tls asks for";
/** What can be wrong with TLS, by the words of the runtimes. */
const TLS_WORDS: readonly (readonly [RegExp, (name: string) => string])[] = [
  [
    /CERT_HAS_EXPIRED|certificate (?:has )?expired|Expired/i,
    () => "its certificate has expired; a new one, or the clock here is wrong",
  ],
  [
    /NOT_YET_VALID|not yet valid|NotValidYet/i,
    () => "its certificate is not valid yet; is the clock here right?",
  ],
  [
    /ALTNAME|altnames|not valid for name|NotValidForName/i,
    (name) => `its certificate is not for ${name}; a new one, or tls.server_name`,
  ],
  [
    /SELF_SIGNED|self.signed|UNABLE_TO|unable to|UnknownIssuer|issuer|UNTRUSTED/i,
    () => "its certificate is of an authority that is not trusted; is tls.ca the right one?",
  ],
  [
    /certificate.required|bad.certificate|handshake.failure|CertificateRequired/i,
    () => "it wants a certificate of ours that it trusts: tls.cert and tls.key",
  ],
  [
    /KEY_VALUES_MISMATCH|no.start.line|PEM|Invalid CA|asn1|bad base64|invalid.*(?:key|cert)/i,
    () => "a file of ours is no certificate or key, or they do not belong together",
  ],
];

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
  #socket: Socket | undefined;
  #arrived: Uint8Array[] = [];
  #wake: () => void = () => {};
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
      const { socket, heard, line } = await this.#greeted(server);
      const demands = /"tls_required"\s*:\s*true/.test(line);
      const offers = demands || /"tls_available"\s*:\s*true/.test(line);
      if (demands && tls === undefined) throw new Error(TLS_DEMANDED);
      if (tls !== undefined && !offers) throw new Error(TLS_LACKING);
      this.#socket = tls === undefined ? socket : await this.#secured(socket, server.hostname, tls);
      this.#socket.on("data", (more: Uint8Array) => {
        this.#hasAnswered = true;
        this.#take(more);
      });
      if (this.#isOver) throw this.closeError ?? new Error("it was closed");
      this.#isUp = true;
      this.#take(heard);
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

  /** The socket, all that has come, and the first line of it. */
  #greeted(
    server: { readonly hostname: string; readonly port: number },
  ): Promise<{ socket: Socket; heard: Uint8Array; line: string }> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: server.hostname, port: server.port });
      this.#socket = socket;
      this.#fail = reject;
      socket.setNoDelay(true);
      this.#follow(socket, "it hangs up at once");
      let heard = new Uint8Array(0);
      const hear = (bytes: Uint8Array) => {
        heard = concat(heard, bytes);
        const line = greetingOf(heard);
        if (line === undefined) return;
        socket.off("data", hear);
        if (line instanceof Error) reject(line);
        else resolve({ socket, heard, line });
      };
      socket.on("data", hear);
    });
  }

  /** TLS over a socket whose server has greeted. */
  #secured(
    plain: Socket,
    host: string,
    { ca, cert, key, serverName }: TlsTexts,
  ): Promise<Socket> {
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
      this.#follow(socket, "it hangs up in the middle of TLS");
      socket.once("secureConnect", () => {
        if (socket.authorized) resolve(socket);
        else this.#fail(socket.authorizationError);
      });
    });
  }

  /** For the life of a socket and beyond: an error of a socket without listener ends the process. */
  #follow(socket: Socket, hangUp: string): void {
    socket.on("error", (error) => {
      // In TLS 1.3 a server says what it thinks of our certificate when the handshake is over.
      if (this.#isUp) this.#end(this.#isEncrypted ? this.#tlsError(error) : error);
      else this.#fail(error);
    });
    socket.on("close", () => {
      if (this.#isUp) this.#end(this.#isCutEarly ? new Error(TLS_CUT) : undefined);
      else this.#fail(new Error(hangUp));
    });
  }

  get #isCutEarly(): boolean {
    return this.#isEncrypted && !this.#hasAnswered;
  }

  #tlsError(error: Error): Error {
    const isCut = this.#isCutEarly && ["EPIPE", "ECONNRESET"].includes(systemCode(error) ?? "");
    return new Error(isCut ? TLS_CUT : tlsWords(error, ""));
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
    return this.#isEncrypted;
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
    this.#fail(error ?? new Error("it was closed"));
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
  return text.slice(0, end);
}

/** Why TLS does not stand, for people: the runtimes have words and codes of their own. */
function tlsWords(error: unknown, name: string): string {
  const code = systemCode(error as Error) ?? "";
  const text = `${code} ${error instanceof Error ? error.message : String(error)}`;
  const found = TLS_WORDS.find(([form]) => form.test(text));
  return `TLS fails: ${found?.[1](name) ?? text.trim()}`;
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
