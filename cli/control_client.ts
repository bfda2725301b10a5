/**
 * Asking a daemon over its socket (actors/control.ts is the other end).
 *
 *   const daemon = await Daemon.dial(world.host, paths);   await daemon.ask("node list", {})
 *
 * Does NOT promise: that a request whose answer did not come was not carried out: that is "unknown outcome", code 5.
 */

import { basename, dirname } from "node:path";
import { encodeLine, LineReader } from "../actors/control.ts";
import { readIdentity } from "../actors/storage/node_identity.ts";
import { RealDisk } from "../transport/real_disk.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { ErrorCode } from "../transport/wire/errors.ts";
import type { Host, Stream } from "../transport/world.ts";
import type { NodePaths } from "./config.ts";
import { EXIT, EXIT_OF } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { nodeHint } from "./nearest.ts";

/** Longest answer, bytes. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

interface Waiting {
  readonly item: (value: unknown) => void;
  readonly ok: (value: unknown) => void;
  readonly fail: (error: Failure) => void;
}

/** A connection to one daemon. */
export class Daemon {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #stream: Stream | undefined;
  #id = 0;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Connects. Throws Failure (not found) when no daemon runs there. */
  static async dial(host: Host, paths: NodePaths): Promise<Daemon> {
    const daemon = new Daemon(paths.socket);
    const lines = new LineReader(ANSWER_BYTES_MAX);
    try {
      daemon.#stream = await host.dial(paths.socket, {
        onBytes: (bytes) => {
          for (const line of lines.add(bytes)) daemon.#take(line);
        },
        onClose: () => daemon.#lost(),
      });
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      throw new Failure(
        EXIT_OF[error.code],
        `Cannot reach the daemon: ${error.message}`,
        error.code === "not_found" ? startHint(paths) : undefined,
      );
    }
    return daemon;
  }

  /** Asks and awaits the answer, which the daemon bounds in time. Throws Failure. */
  ask(verb: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.watch(verb, args, () => {});
  }

  /** Asks for a stream of answers; resolves when it ends. Throws Failure. */
  watch(
    verb: string,
    args: Readonly<Record<string, unknown>>,
    onItem: (value: unknown) => void,
  ): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { item: onItem, ok: resolve, fail: reject });
      if (this.#stream === undefined) this.#lost();
      else this.#stream.write(encodeLine({ id, verb, args }));
    });
  }

  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  #take(line: string): void {
    const answer = JSON.parse(line) as {
      id?: number;
      ok?: unknown;
      item?: unknown;
      end?: true;
      error?: { code: ErrorCode; text: string };
    };
    const { error } = answer;
    const ids = answer.id === undefined ? [...this.#waiting.keys()] : [answer.id];
    for (const id of ids) {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      if ("item" in answer) {
        waiting.item(answer.item);
        continue;
      }
      this.#waiting.delete(id);
      if (error === undefined) waiting.ok(answer.ok);
      else waiting.fail(failureOf(error.code, error.text));
    }
  }

  #lost(): void {
    this.#stream = undefined;
    for (const { fail } of this.#waiting.values()) {
      fail(
        new Failure(
          EXIT.unknownOutcome,
          `Cannot tell the outcome: the daemon at ${this.#path} has gone before it answered`,
        ),
      );
    }
    this.#waiting.clear();
  }
}

/** What to do about a daemon that does not run. */
function startHint({ config, state }: NodePaths): string {
  try {
    const identity = readIdentity(new RealDisk(), state);
    if (identity?.left !== undefined) {
      return `${identity.name} cannot be started: ${identity.left.why}`;
    }
  } catch {
    // The start says what is wrong with it.
  }
  const which = basename(config) === "ctdbx.toml"
    ? `--home ${dirname(config)}`
    : `--node-name ${basename(config, ".toml")}`;
  return `\`ctdbx daemon start ${which}\` starts it`;
}

/** A daemon's refusal as a failure, with which node may have been meant when one was not found. */
function failureOf(code: ErrorCode, text: string): Failure {
  const [, name, known] = /^Cannot find node (.+): known are (.+)$/.exec(text) ?? [];
  const hint = name === undefined || known === undefined
    ? undefined
    : nodeHint(name, known.split(", "));
  return new Failure(EXIT_OF[code] ?? EXIT.other, text, hint);
}
