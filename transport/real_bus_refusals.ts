/**
 * What a NATS server refuses, in words that lead somewhere: the log-in, a subject, a question.
 *
 *   log-in    "it refuses key U... (Authorization Violation); does its configuration know it?"
 *   subject   "NATS forbids to publish x", once a minute in the log; and a trouble for as long as it goes on
 *
 * Does NOT promise: why. A server never says who would be allowed.
 */
import { errors } from "nats";
import { CtdbxError } from "./wire/errors.ts";
import type { Clock, Log } from "./world.ts";

/** What was forbidden is a trouble for so long, and told in the log as rarely, ms. */
const FORBIDDEN_MS = 60_000;
/** Forbidden subjects that are remembered. */
const FORBIDDEN_MAX = 256;

/** What one connection after the other was refused. */
export class Refusals {
  /** Who the server takes us for, a phrase. */
  owner = "";
  readonly #clock: Clock;
  readonly #log: Log;
  /** What is forbidden, and when that was told, ms; the newest is the last. */
  readonly #forbidden = new Map<string, number>();
  #thrownOut: string | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Why the server ends the connection that stands; undefined: it has not said so. */
  get thrownOut(): string | undefined {
    return this.#thrownOut;
  }

  /** What the server forbids, a phrase; undefined: nothing of late. */
  get trouble(): string | undefined {
    const [what, atMs] = [...this.#forbidden].at(-1) ?? [];
    if (atMs === undefined || this.#clock.nowMs() - atMs >= FORBIDDEN_MS) return undefined;
    return `the server forbids ${this.owner} ${what}; is its role, or its tag, another?`;
  }

  /** Another connection: what the last one was told is over. */
  clear(): void {
    this.#thrownOut = undefined;
    this.#forbidden.clear();
  }

  /** The server complains. It cuts by itself where it means to. */
  complain(error: Error): void {
    const words = this.loginWords(error);
    if (words !== undefined) {
      this.#thrownOut = words;
      return;
    }
    if (!(error instanceof errors.PermissionViolationError)) {
      return this.#log.write("warning", "NATS complains", { text: error.message });
    }
    const { operation, subject } = error;
    const what = `${operation === "publish" ? "to publish" : "to subscribe to"} ${subject}`;
    const nowMs = this.#clock.nowMs();
    if (nowMs - (this.#forbidden.get(what) ?? -Infinity) < FORBIDDEN_MS) return;
    if (this.#forbidden.size >= FORBIDDEN_MAX) this.#forbidden.clear();
    this.#forbidden.delete(what);
    this.#forbidden.set(what, nowMs);
    this.#log.write("warning", `NATS forbids ${what}`, { owner: this.owner });
  }

  /** The words for an error that says "not you"; undefined: it is another. */
  loginWords(error: unknown): string | undefined {
    const isRefusal = error instanceof errors.AuthorizationError ||
      error instanceof errors.UserAuthenticationExpiredError;
    if (!isRefusal) return undefined;
    return `it refuses ${this.owner} (${error.message}); does its configuration know it?`;
  }
}

/** Gave up waiting. */
export function tooLate(what: string, timeoutMs: number): CtdbxError {
  return new CtdbxError("timeout", `Cannot ${what}: no answer within ${timeoutMs} ms`);
}

/** What the client throws, in our words. */
export function requestError(what: string, error: unknown, timeoutMs: number): CtdbxError {
  if (error instanceof CtdbxError) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (error instanceof errors.NoRespondersError || cause instanceof errors.NoRespondersError) {
    return new CtdbxError("not_found", `Cannot ${what}: nobody listens`, { cause: error });
  }
  if (error instanceof errors.TimeoutError) return tooLate(what, timeoutMs);
  if (
    error instanceof errors.PermissionViolationError ||
    cause instanceof errors.PermissionViolationError
  ) {
    return new CtdbxError("denied", `Cannot ${what}: the server forbids it`, { cause: error });
  }
  const text = error instanceof Error ? error.message : String(error);
  return new CtdbxError("timeout", `Cannot ${what}: ${text}, no answer came`, { cause: error });
}
