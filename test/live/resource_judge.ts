/**
 * What programs wrote down of what they owned, and whether it can be so: the times of two ownerships of one resource
 * do not overlap.
 *
 * Does NOT promise: to see what nobody wrote down; each owner writes a hundred times a second.
 */
import { existsSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";

/** The time of one ownership, as its program saw it. */
export interface Span {
  readonly name: string;
  /** Process id and number of the ownership. */
  readonly who: string;
  readonly beginMs: number;
  endMs: number;
}

/** All ownerships of a log, by when they began. */
export function spansOf(path: string): Span[] {
  const spans = new Map<string, Span>();
  if (!existsSync(path)) return [];
  // The last line may be half-written: its program was killed.
  for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
    const [at, name = "", who = ""] = line.split(" ");
    const beginMs = Number(at);
    const known = spans.get(`${name} ${who}`);
    if (known === undefined) spans.set(`${name} ${who}`, { name, who, beginMs, endMs: beginMs });
    else known.endMs = Math.max(known.endMs, beginMs);
  }
  return [...spans.values()].sort((one, other) => one.beginMs - other.beginMs);
}

/** Throws when two owned one resource at one time. */
export function judge(spans: readonly Span[]): void {
  const last = new Map<string, Span>();
  for (const span of spans) {
    const before = last.get(span.name);
    if (before !== undefined) {
      const text =
        `${span.name}: ${before.who} until ${before.endMs}, ${span.who} from ${span.beginMs}`;
      assert.ok(before.endMs < span.beginMs, text);
    }
    if (before === undefined || span.endMs > before.endMs) last.set(span.name, span);
  }
}
