/**
 * The Courier port on this machine: programs in process groups, and webhooks by fetch.
 *
 * Does NOT promise: to follow a redirect; who answers with one is told nothing.
 */
import process from "node:process";
import type { Courier, Delivery } from "./courier.ts";
import type { Groups } from "./group.ts";
import { wordsOf } from "./real_probe_net.ts";

/** Bytes of a program's output that are read for a reason. */
const OUTPUT_MAX = 512;
/** Server and network are at fault from here on; what they refuse below, they refuse again. */
const SERVER_FAULTS = 500;
/** Those below that may come to something else. */
const AGAIN: readonly number[] = [408, 425, 429];

/** Tells programs and servers. */
export class RealCourier implements Courier {
  readonly #groups: Groups;

  constructor(groups: Groups) {
    this.#groups = groups;
  }

  async run(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Delivery> {
    const all = { ...process.env, ...env } as Record<string, string>;
    const end = await this.#groups.run({ command, env: all, timeoutMs, outputMax: OUTPUT_MAX })
      .ended;
    const { code, signal, isTimeout, output, fault } = end;
    if (fault !== undefined) return { why: fault.message, isFinal: false };
    if (isTimeout) return { why: `no end within ${timeoutMs / 1000} s: killed`, isFinal: false };
    if (code === 0) return { isFinal: false };
    const last = output.trim().split("\n").at(-1) ?? "";
    const why = signal === undefined ? `exit code ${code}` : `ended by ${signal}`;
    return { why: last === "" ? why : `${why}: ${last}`, isFinal: false };
  }

  async post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    timeoutMs: number,
  ): Promise<Delivery> {
    // What follows the host often is the password itself.
    const place = new URL(url).origin;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      const { target, login } = withoutLogin(url);
      const response = await fetch(target, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "ctdbx",
          ...login,
          ...headers,
        },
        body,
        redirect: "manual",
        signal: abort.signal,
      });
      // What it says beyond its status is not wanted, and may have no end.
      await response.body?.cancel();
      const { status } = response;
      if (status >= 200 && status <= 299) return { isFinal: false };
      const isFinal = status < SERVER_FAULTS && !AGAIN.includes(status);
      return { why: `${place} answers with status ${status}`, isFinal };
    } catch (error) {
      if (abort.signal.aborted) {
        return { why: `${place} has no answer within ${timeoutMs / 1000} s`, isFinal: false };
      }
      const { cause } = error as { cause?: unknown };
      return { why: `${place}: ${wordsOf(cause ?? error)}`, isFinal: false };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** fetch refuses a name and password in an address; they are a header. */
function withoutLogin(url: string): { target: string; login: Record<string, string> } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (username === "" && password === "") return { target: url, login: {} };
  parsed.username = "";
  parsed.password = "";
  const bytes = new TextEncoder().encode(
    `${decodeURIComponent(username)}:${decodeURIComponent(password)}`,
  );
  const token = btoa(String.fromCharCode(...bytes));
  return { target: parsed.href, login: { authorization: `Basic ${token}` } };
}
