/**
 * Looks at services that are reached over the network: does a port take connections, does a page come.
 *
 *   tcp   connect ─▶ send ─▶ does what comes hold `expect`?      http   own connection ─▶ status ─▶ `contains`?
 *
 * Does NOT promise: that a redirect leads anywhere; it is an answer, and none is followed.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect } from "node:net";
import process from "node:process";
import {
  GREETING_MAX,
  HTTP_BODY_MAX,
  type HttpWish,
  type Probe,
  type ProbeResult,
  shownUrl,
  TAIL_MAX,
  type TcpWish,
} from "./probe.ts";

/** A timer that is later than this was late because the process stood still, ms. */
const STOOD_MS = 50;

/** Bytes that came, up to a limit; the rest is dropped. */
class Kept {
  readonly #max: number;
  #bytes = new Uint8Array(0);

  constructor(max: number) {
    this.#max = max;
  }

  get isFull(): boolean {
    return this.#bytes.length >= this.#max;
  }

  get text(): string {
    return new TextDecoder().decode(this.#bytes);
  }

  add(more: Uint8Array): void {
    const part = more.subarray(0, this.#max - this.#bytes.length);
    const both = new Uint8Array(this.#bytes.length + part.length);
    both.set(this.#bytes);
    both.set(part, this.#bytes.length);
    this.#bytes = both;
  }
}

/** A look that ends once: by a word, by the clock, or when it is stopped. */
function bounded(
  timeoutMs: number,
  late: () => string,
  begin: (end: (result: ProbeResult) => void) => () => void,
): Probe {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  let undo: (() => void) | undefined;
  let isOver = false;
  const end = (result: ProbeResult): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    undo?.();
    resolve(result);
  };
  const startedMs = performance.now();
  let timer = setTimeout(() => {
    // Time in which this process stood still is not the service's: it gets as much again, once.
    const stoodMs = performance.now() - startedMs - timeoutMs;
    const over = (): void => end({ level: "failed", why: late() });
    if (stoodMs < STOOD_MS) over();
    else timer = setTimeout(over, Math.min(stoodMs, timeoutMs));
  }, timeoutMs);
  try {
    undo = begin(end);
  } catch (error) {
    end({ level: "failed", why: wordsOf(error) });
  }
  if (isOver) undo?.();
  return { ended: promise, stop: () => end({ level: "failed", why: "it was stopped" }) };
}

/** Looks at a port. */
export function probeTcp({ host, port, send, expect }: TcpWish, timeoutMs: number): Probe {
  const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const seconds = timeoutMs / 1000;
  const kept = new Kept(GREETING_MAX);
  let isConnected = false;
  const late = (): string =>
    isConnected
      ? `${place} has not said ${JSON.stringify(expect)} within ${seconds} s`
      : `${place} takes no connection within ${seconds} s`;
  return bounded(timeoutMs, late, (end) => {
    const socket = connect({ host, port });
    socket.on("error", (error) => end({ level: "failed", why: `${place}: ${wordsOf(error)}` }));
    socket.on("connect", () => {
      isConnected = true;
      if (send !== undefined) socket.write(send);
      if (expect === undefined) end({ level: "ok" });
    });
    const hasAll = (): boolean => expect !== undefined && kept.text.includes(expect);
    const lacks = (): ProbeResult => ({
      level: "failed",
      why: `${place} has not said ${JSON.stringify(expect)}`,
      tail: kept.text,
    });
    socket.on("data", (bytes: Uint8Array) => {
      kept.add(bytes);
      if (hasAll()) end({ level: "ok" });
      else if (kept.isFull) end(lacks());
    });
    socket.on("close", () => end(lacks()));
    return () => void socket.destroy();
  });
}

/** Looks at a page. */
export function probeHttp(wish: HttpWish, timeoutMs: number): Probe {
  const { url, method, headers, contains } = wish;
  const place = shownUrl(url);
  const late = () => `${place} has no answer within ${timeoutMs / 1000} s`;
  return bounded(timeoutMs, late, (end) => {
    // Loaded by who looks at a page: few daemons do.
    const { request: ask } = process.getBuiltinModule(
      url.startsWith("https:") ? "node:https" : "node:http",
    );
    // A connection of its own: one that was kept would say nothing of whether the service takes new ones.
    const request: ClientRequest = ask(url, {
      method,
      agent: false,
      headers: { "user-agent": "ctdbx", connection: "close", ...headers },
    });
    request.on("error", (error) => end({ level: "failed", why: `${place}: ${wordsOf(error)}` }));
    request.on("response", (response) => {
      const wrong = statusFault(wish, response.statusCode ?? 0);
      if (wrong === undefined && contains === undefined) end({ level: "ok" });
      else {void page(response).then((text) => end(judged(wish, wrong, text)), (error) => {
          end({ level: "failed", why: `${place}: ${wordsOf(error)}` });
        });}
    });
    request.end();
    return () => void request.destroy();
  });
}

function statusFault({ url, status }: HttpWish, found: number): string | undefined {
  const isRight = status === undefined ? found >= 200 && found <= 399 : found === status;
  if (isRight) return undefined;
  return `${shownUrl(url)} has status ${found}${status === undefined ? "" : `, not ${status}`}`;
}

function judged(
  { url, contains }: HttpWish,
  wrong: string | undefined,
  text: string,
): ProbeResult {
  const tail = text.slice(0, TAIL_MAX);
  if (wrong !== undefined) return { level: "failed", why: wrong, tail };
  if (contains === undefined || text.includes(contains)) return { level: "ok" };
  const why = `${shownUrl(url)} does not hold ${
    JSON.stringify(contains)
  } in its first ${HTTP_BODY_MAX} bytes`;
  return { level: "failed", why, tail };
}

/** The beginning of a page. */
function page(response: IncomingMessage): Promise<string> {
  const kept = new Kept(HTTP_BODY_MAX);
  return new Promise((resolve, reject) => {
    response.on("data", (bytes: Uint8Array) => {
      kept.add(bytes);
      if (kept.isFull) resolve(kept.text);
    });
    response.on("end", () => resolve(kept.text));
    response.on("error", reject);
    response.on("close", () => resolve(kept.text));
  });
}

/** An error in a word or two. */
export function wordsOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  const known = typeof code === "string" ? WORDS[code] : undefined;
  if (known !== undefined) return known;
  const text = error instanceof Error ? error.message : String(error);
  return text === "" && typeof code === "string" ? code : text;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ConnectionRefused: "nobody listens there",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "the machine is not reached",
  ENETUNREACH: "the network is not reached",
  ENOTFOUND: "there is no such name",
  EAI_AGAIN: "the name cannot be looked up",
  ETIMEDOUT: "no answer",
  ENOENT: "there is none",
  EACCES: "it may not be looked at",
  EPERM: "it may not be looked at",
};
