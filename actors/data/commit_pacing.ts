/**
 * Long messages about commits are not sent again while they may still be on their way.
 *
 *   sent ─▶ size / PACE ms ─▶ may be sent again          short ones: always
 *
 * A machine repeats what is not answered in time; a transaction of many MiB takes longer than that on a slow way, and
 * each further copy of it would make it slower still.
 *
 * Does NOT promise: that anything arrives; what is held back here is as if it were lost, and is repeated later.
 */
import type { AnyCommitMessage } from "../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../transport/wire/terms.ts";

/** Messages below this are short, bytes. */
export const LONG_BYTES: number = 64 * 1024;
/** So much goes through a slow way, bytes in a ms: 4 MiB a second. */
export const PACE = 4194;
/** Long messages that are remembered. */
const KNOWN_MAX = 1024;

/** One database's. */
export class CommitPacing {
  /** Until when each is on its way. */
  readonly #until = new Map<string, number>();

  /** May it be sent now? If so, it counts as sent. */
  maySend(to: Pnn, message: AnyCommitMessage, nowMs: number): boolean {
    const long = longOf(message);
    if (long === undefined) return true;
    const name = `${to} ${long.name}`;
    if (nowMs < (this.#until.get(name) ?? 0)) return false;
    this.#until.delete(name);
    if (this.#until.size >= KNOWN_MAX) this.#forget(nowMs);
    this.#until.set(name, nowMs + long.bytes / PACE);
    return true;
  }

  /** Those that have arrived or are lost by now; if none has, the oldest. */
  #forget(nowMs: number): void {
    for (const [name, untilMs] of this.#until) if (untilMs <= nowMs) this.#until.delete(name);
    const [oldest] = this.#until.keys();
    if (this.#until.size >= KNOWN_MAX && oldest !== undefined) this.#until.delete(oldest);
  }
}

/** What it is about, and how long it is; undefined: it is short. */
function longOf(
  message: AnyCommitMessage,
): { readonly name: string; readonly bytes: number } | undefined {
  switch (message.kind) {
    case "append":
    case "ship": {
      const { entries, kind } = message;
      const bytes = entries.reduce((sum, { size }) => sum + size, 0);
      return bytes < LONG_BYTES ? undefined : { bytes, name: `${kind} ${entries.at(-1)?.chain}` };
    }
    case "submit": {
      const { sid, n, term, writes } = message;
      const bytes = writes.reduce(
        (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
        0,
      );
      return bytes < LONG_BYTES ? undefined : { bytes, name: `submit ${sid} ${n} ${term}` };
    }
    default:
      return undefined;
  }
}
