/**
 * How commands speak with a daemon: lines of JSON over a local socket.
 *
 *   -> {"id":1,"verb":"node list","args":{}}           <- {"id":1,"ok":...}  or  {"id":1,"error":{"code","text"}}
 *   -> {"id":2,"verb":"watch","args":{}}               <- {"id":2,"item":...} ...     -> {"id":2,"cancel":true}
 *
 * u64 are strings of digits. Everything is bounded; what breaks the form ends the connection, with a last line that
 * says why.
 *
 * Does NOT promise: a form that other programs may rely on; they have the library and the bus.
 */
import type { Host, Log, Stream, StreamEvents } from "../transport/world.ts";
import type { Tag } from "../transport/wire/terms.ts";
import { CtdbxError } from "../transport/wire/errors.ts";

/** Longest line of a request, bytes. */
export const REQUEST_BYTES_MAX = 1024 * 1024;
/** Connections at a time. */
export const CLIENTS_MAX = 4096;
/** Requests of one connection that are not answered yet. */
export const REQUESTS_MAX = 64;
/** Bytes that wait for a client that does not read; then its connection ends. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** The arguments of a request: a JSON object. */
export type Args = Readonly<Record<string, unknown>>;

/** Who asks: a process of this machine, as the kernel knows it; or a sender on the bus, as its subject says. */
export type Caller =
  | { readonly way: "socket"; readonly uid?: number; readonly pid?: number }
  | { readonly way: "bus"; readonly tag: Tag };

/** What a verb may do besides answering. */
export interface Call {
  /** Who asks. */
  readonly by?: Caller;
  /** Sends one of many answers; false: the client is gone or has had enough. */
  item(value: unknown): boolean;
  /** Called once when the client is gone or has had enough. */
  onCancel(work: () => void): void;
}

/** Answers a request: the result, or a promise of it. Throws CtdbxError. */
export type Verb = (args: Args, call: Call) => unknown;

/** Serves verbs on a socket until `stop`; before `open` it only says that the node is starting. */
export class Control {
  readonly #log: Log;
  readonly #clients = new Set<Client>();
  #verbs: ReadonlyMap<string, Verb> | undefined;
  #end: (() => Promise<void>) | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on these verbs are served. */
  open(verbs: ReadonlyMap<string, Verb>): void {
    this.#verbs = verbs;
  }

  /** Listens. Throws what Host.listen throws. */
  async start(host: Host, path: string): Promise<void> {
    this.#end = await host.listen(path, (stream) => this.#serve(stream));
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#end?.();
  }

  #serve(stream: Stream): StreamEvents {
    const verbs = () => this.#verbs;
    const client = new Client(stream, verbs, this.#log, () => this.#clients.delete(client));
    this.#clients.add(client);
    if (this.#clients.size > CLIENTS_MAX) client.refuse("limit", `CLIENTS_MAX is ${CLIENTS_MAX}`);
    return client;
  }
}

/** One connection. */
class Client implements StreamEvents {
  readonly #stream: Stream;
  readonly #verbs: () => ReadonlyMap<string, Verb> | undefined;
  readonly #log: Log;
  readonly #onEnd: () => void;
  readonly #lines = new LineReader(REQUEST_BYTES_MAX);
  /** Requests under way, each with what is to be done when it is called off. */
  readonly #calls = new Map<number, (() => void)[]>();
  #closed = false;

  constructor(
    stream: Stream,
    verbs: () => ReadonlyMap<string, Verb> | undefined,
    log: Log,
    onEnd: () => void,
  ) {
    this.#stream = stream;
    this.#verbs = verbs;
    this.#log = log;
    this.#onEnd = onEnd;
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      for (const line of this.#lines.add(bytes)) if (!this.#closed) this.#take(line);
    } catch (error) {
      this.refuse("limit", error instanceof Error ? error.message : String(error));
    }
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const works of this.#calls.values()) for (const work of works) work();
    this.#calls.clear();
    this.#onEnd();
  }

  close(): void {
    this.#stream.close();
    this.onClose();
  }

  /** Says why, and ends the connection. */
  refuse(code: string, text: string): void {
    this.#send({ error: { code, text: `Cannot take the request: ${text}` } });
    this.close();
  }

  #take(line: string): void {
    const request = parse(line);
    if (typeof request === "string") return this.refuse("state", request);
    const { id, verb, args, cancel } = request;
    if (cancel) return this.#cancel(id);
    if (this.#calls.has(id)) return this.refuse("state", `the id ${id} is in use`);
    if (this.#calls.size >= REQUESTS_MAX) {
      return this.refuse("limit", `REQUESTS_MAX is ${REQUESTS_MAX}`);
    }
    const verbs = this.#verbs();
    if (verbs === undefined) {
      return this.#fail(id, new CtdbxError("busy", `Cannot do "${verb}": the node is starting`));
    }
    const work = verbs.get(verb);
    if (work === undefined) {
      return this.#fail(id, new CtdbxError("unsupported", `Cannot do "${verb}": no such verb`));
    }
    void this.#run(id, work, args);
  }

  #cancel(id: number): void {
    const works = this.#calls.get(id);
    if (works === undefined) return;
    this.#calls.delete(id);
    for (const work of works) work();
    this.#send({ id, end: true });
  }

  async #run(id: number, verb: Verb, args: Args): Promise<void> {
    const works: (() => void)[] = [];
    this.#calls.set(id, works);
    const isOn = (): boolean => this.#calls.get(id) === works;
    const call: Call = {
      by: { way: "socket", ...this.#stream.caller },
      item: (value) => isOn() && this.#send({ id, item: value }),
      onCancel: (work) => isOn() ? void works.push(work) : work(),
    };
    try {
      const ok = await verb(args, call) ?? null;
      if (isOn()) this.#send({ id, ok });
    } catch (error) {
      if (isOn()) this.#fail(id, error);
    } finally {
      if (isOn()) this.#calls.delete(id);
    }
  }

  #fail(id: number, error: unknown): void {
    if (!(error instanceof CtdbxError)) this.#log.write("error", "A request has failed", { error });
    const code = error instanceof CtdbxError ? error.code : "io";
    this.#send({
      id,
      error: { code, text: error instanceof Error ? error.message : String(error) },
    });
  }

  #send(value: unknown): boolean {
    if (this.#closed) return false;
    this.#stream.write(encodeLine(value));
    if (this.#stream.waiting <= WAITING_BYTES_MAX) return true;
    this.#log.write("warning", "A client does not read what it has asked for; it is cut off");
    this.close();
    return false;
  }
}

interface Request {
  readonly id: number;
  readonly verb: string;
  readonly args: Args;
  readonly cancel: boolean;
}

/** The request in a line; a text: what is wrong with it. */
function parse(line: string): Request | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "a line is no JSON";
  }
  if (!isObject(value)) return "a line must be an object";
  const { id, verb = "", args = {}, cancel = false } = value;
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
    return "id must be an integer from 0";
  }
  if (typeof verb !== "string") return "verb must be a string";
  if (!isObject(args)) return "args must be an object";
  return { id, verb, args, cancel: cancel === true };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as a line; bigints as strings of digits. */
export function encodeLine(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, part) => typeof part === "bigint" ? `${part}` : part);
  return new TextEncoder().encode(`${text}\n`);
}

/** Cuts bytes into lines. */
export class LineReader {
  readonly #max: number;
  #parts: Uint8Array[] = [];
  #size = 0;

  /** `max`: bytes of one line. */
  constructor(max: number) {
    this.#max = max;
  }

  /** The lines that end within these bytes. Throws RangeError when one is too long. */
  add(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#keep(bytes.subarray(start, end));
      lines.push(this.#line());
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.slice(start));
    return lines;
  }

  #keep(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > this.#max) throw new RangeError(`a line has more than ${this.#max} bytes`);
    this.#parts.push(part);
  }

  #line(): string {
    const decoder = new TextDecoder();
    const text = this.#parts.map((part) => decoder.decode(part, { stream: true })).join("");
    this.#parts = [];
    this.#size = 0;
    return text + decoder.decode();
  }
}
