/**
 * The values that a record had, or may have had, as a tree: each hangs below the value that it was made from.
 *
 *   absent ── 11 ── 12 ── 13 ── (deleted by 14) ── 15 ...        kept: on the way to the value at the end
 *               └── 21 ── 22                                     lost: a fall-back went from 22 back to 11
 *
 * A value tells all tokens before it since the record was made. Where it begins anew, the deletion before it is not
 * told: it is put behind the last deletion that can have been before it.
 *
 * Does NOT promise: the right deletion where two of them were at the same time; either would do for the judge.
 */

import type { Op, Token } from "./history.ts";

/** A value of a record. */
export class Version {
  /** Undefined: the first of all, no record. */
  readonly op: Op | undefined;
  readonly token: Token;
  /** Is it "no record"? */
  readonly isAbsent: boolean;
  parent: Version | undefined;
  readonly children: Version[] = [];
  /** Reads that were answered with it. */
  readonly reads: Op[] = [];
  /** Was it there for certain: seen by somebody, or acknowledged? */
  isReal = false;
  /** Is it on the way to the value at the end? */
  isKept = false;

  constructor(token: Token, isAbsent: boolean, op: Op | undefined, parent: Version | undefined) {
    this.token = token;
    this.isAbsent = isAbsent;
    this.op = op;
    this.parent = parent;
    parent?.children.push(this);
  }

  /** It cannot have been made before this. */
  get releaseMs(): number {
    return this.op?.startMs ?? -Infinity;
  }

  /** Nor before what it was made from: an operation may have tried for long. */
  get earliestMs(): number {
    let ms = this.releaseMs;
    for (let at = this.parent; at !== undefined; at = at.parent) ms = Math.max(ms, at.releaseMs);
    return ms;
  }

  /** It must have been made by then. */
  get deadlineMs(): number {
    return this.op?.outcome === "ok" ? this.op.endMs : Infinity;
  }

  /** As in a story. */
  get text(): string {
    if (this.op === undefined) return "nothing";
    const { id, kind, node } = this.op;
    return `${this.token} (${kind} ${id} of node ${node})`;
  }
}

/** Stands for "no record at the end"; no operation has this token. */
export const LAST_ABSENT: Token = -1;

/** All versions of one key. */
export class Versions {
  readonly root = new Version(0, true, undefined, undefined);
  /** Where a record was made from nothing. */
  readonly #firsts = new Map<Token, Version>();
  readonly #graves: Version[] = [];
  /** What there was at the end, where it is no record. */
  #lastAbsent = this.root;
  readonly #opOf: ReadonlyMap<Token, Op>;
  readonly #next = new Map<Version, Map<Token, Version>>();
  /** Reads that found nothing. */
  readonly absentReads: Op[] = [];
  /** Tokens that no operation has. */
  readonly unknown = new Set<Token>();

  constructor(opOf: ReadonlyMap<Token, Op>) {
    this.#opOf = opOf;
    this.root.isReal = true;
  }

  /** The version of a list of tokens, which is real, as all before it; undefined: the empty list. */
  seen(tokens: readonly Token[]): Version | undefined {
    let at: Version | undefined;
    for (const token of tokens) {
      at = this.#child(at, token, false);
      at.isReal = true;
    }
    return at;
  }

  /** A value that somebody made, or tried to make, from another. */
  tried(from: readonly Token[], token: Token, isAbsent: boolean): Version {
    return this.#child(this.seen(from), token, isAbsent);
  }

  #child(parent: Version | undefined, token: Token, isAbsent: boolean): Version {
    const known = parent === undefined ? this.#firsts : this.#next.get(parent) ?? new Map();
    if (parent !== undefined) this.#next.set(parent, known);
    const found = known.get(token);
    if (found !== undefined) return found;
    const op = this.#opOf.get(token);
    if (op === undefined) this.unknown.add(token);
    const made = new Version(token, isAbsent, op, parent);
    known.set(token, made);
    if (isAbsent) this.#graves.push(made);
    return made;
  }

  /** Behind how many things each of those that were made from nothing may hang; LAST_ABSENT: no record at the end. */
  readonly options = new Map<Token, number>();

  /**
   * Hangs what was made from nothing behind a deletion, or behind the beginning. `last`: the value at the end.
   * `choices`: which of its `options`, where it is not the first, the likely one.
   */
  join(last: readonly Token[], choices: ReadonlyMap<Token, number> = new Map()): void {
    const choose = (
      token: Token,
      graves: readonly Version[],
      before: Version,
      may: readonly Version[],
    ): Version => {
      const likely = newest(graves) ?? before;
      // The deletions may all have been lost, with what they deleted; or one of them only later,
      // with what came after it, and what it had deleted was there again.
      const all = new Set([before, this.root, ...graves, ...may]);
      const others = [...all].filter((each) => each !== likely);
      this.options.set(token, 1 + others.length);
      return others[(choices.get(token) ?? 0) - 1] ?? likely;
    };
    const stays = this.seen(last.slice(0, 1));
    const span = (first: Version) => spanOf(first, first === stays);
    // Of a value that was never there nobody asks where it came from.
    const firsts = [...this.#firsts.values()].filter(({ isReal }) => isReal)
      .map((first) => ({ first, ...span(first) }))
      .sort((one, other) => one.beginMs - other.beginMs || one.sinceMs - other.sinceMs);
    const isFree = new Set<Version>();
    let before: Version = this.root;
    for (const { first, endMs } of firsts) {
      // Nothing hangs below itself.
      const mayBe = (each: Version) => each.earliestMs <= endMs && !isBelow(each, first);
      // Without one, what came before was never deleted: it was lost, and this took its place.
      const graves = [...isFree].filter((each) => mayBe(each) && !isPassed(each, endMs));
      const may = this.#graves.filter((each) => each.op?.outcome !== "failed" && mayBe(each));
      const behind = isBelow(before, first) ? this.root : before;
      const parent = choose(first.token, graves, behind, may);
      isFree.delete(parent);
      parent.isReal = true;
      first.parent = parent;
      parent.children.push(first);
      before = parent;
      for (const each of this.#graves) {
        if (each.op?.outcome !== "failed" && isBelow(each, first)) isFree.add(each);
      }
    }
    const graves = [...isFree].filter((each) => !isPassed(each, Infinity));
    const may = this.#graves.filter(({ op }) => op?.outcome !== "failed");
    this.#lastAbsent = choose(LAST_ABSENT, graves, before, may);
  }

  /**
   * A deletion that nobody is sure of may have been there, and seen, and lost again with nothing
   * made behind it: its option 1. `may`: can it be lost?
   */
  lose(choices: ReadonlyMap<Token, number>, may: (op: Op) => boolean): void {
    for (const grave of this.#graves) {
      const { op, token, isReal } = grave;
      if (isReal || op === undefined || op.outcome === "failed" || !may(op)) continue;
      this.options.set(token, 2);
      grave.isReal = choices.get(token) === 1;
    }
  }

  /** Marks the way to the value at the end. */
  keep(tokens: readonly Token[]): void {
    let at: Version | undefined = this.seen(tokens) ?? this.#lastAbsent;
    for (; at !== undefined; at = at.parent) {
      at.isKept = true;
      at.isReal = true;
    }
  }
}

/** Deletions by age; one that nobody is sure of comes before all that were acknowledged. */
function rank({ op, earliestMs }: Version): number {
  return op?.outcome === "ok" ? earliestMs : earliestMs - 1e12;
}

/**
 * When a record that was made from nothing, and its values up to the next deletion, must have been there: from
 * `beginMs` on at the latest, or somewhere from `beginMs` to `endMs`.
 */
function spanOf(
  first: Version,
  stays: boolean,
): { beginMs: number; sinceMs: number; endMs: number } {
  let endMs = first.deadlineMs;
  let sinceMs = stays ? Infinity : first.releaseMs;
  // It went by one of these deletions, if by none that is certain.
  let goneMs = Infinity;
  let isGone = stays;
  const open = [first];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.isAbsent && at.op?.outcome !== "failed") goneMs = Math.min(goneMs, at.releaseMs);
    if (!at.isReal) continue;
    isGone ||= at.isAbsent;
    endMs = Math.min(endMs, at.deadlineMs, ...at.reads.map(({ endMs }) => endMs));
    sinceMs = Math.max(sinceMs, at.releaseMs, ...at.reads.map(({ startMs }) => startMs));
    open.push(...at.children);
  }
  if (!isGone && goneMs < Infinity) sinceMs = Math.max(sinceMs, goneMs);
  return { beginMs: Math.min(sinceMs, endMs), sinceMs, endMs };
}

/** The newest; of several of one value that nobody is sure of the first, which asks least of the others. */
function newest(graves: readonly Version[]): Version | undefined {
  const last = [...graves].sort((one, other) => rank(one) - rank(other)).at(-1);
  if (last === undefined || last.op?.outcome === "ok") return last;
  return graves.filter(({ op, parent }) => parent === last.parent && op?.outcome !== "ok")
    .sort((one, other) => one.earliestMs - other.earliestMs)[0];
}

/** Did the record go on from before a deletion, after it, by then? Then that was lost, or never came. */
function isPassed(grave: Version, untilMs: number): boolean {
  const { earliestMs } = grave;
  let from: Version = grave;
  for (let at = grave.parent; at !== undefined; from = at, at = at.parent) {
    const open = at.children.filter((each) => each !== from);
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      if (!each.isReal) continue;
      if (each.releaseMs > untilMs) continue;
      if (each.releaseMs >= earliestMs) return true;
      open.push(...each.children);
    }
  }
  return false;
}

function isBelow(version: Version, above: Version): boolean {
  for (let at: Version | undefined = version; at !== undefined; at = at.parent) {
    if (at === above) return true;
  }
  return false;
}
