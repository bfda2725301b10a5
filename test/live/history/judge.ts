/**
 * Judges a history of real programs: was each record, at all times, like one single copy?
 *
 *   tree of values (versions.ts) -> line: absent, 11, 21, 22, [back to 11], 12, 13 ...
 *   each value gets the earliest moment at which it can have been made, in the order of the line; a write must reach it
 *   before it was acknowledged, a read of the value before it was answered
 *
 * A fall-back is allowed as docs/CONSISTENCY.md words it: all nodes whose programs were told of what is lost had a life
 * that ended between that and the fall-back.
 *
 * Rules: twice, failed (told so, and done), lost, late, stale, from nowhere, not done.
 *
 * Without fall-backs it is exact: it objects if and only if no order of the operations fits times and values
 * (test/live/data_judge.test.ts holds it beside a search over all orders).
 *
 * Does NOT promise: to find why; the logs of the programs and of the nodes tell more.
 */

import type { History, LifeEnd, Op, Token } from "./history.ts";
import { type Version, Versions } from "./versions.ts";

/** What is wrong with a record. */
export interface Objection {
  readonly rule: string;
  readonly key: string;
  readonly atMs: number;
  readonly text: string;
}

/** A value for a time, in the order in which they were there. */
interface Place {
  readonly version: Version;
  /** It was the newest again from then on: what came after it was lost. */
  readonly againMs: number | undefined;
  /** It was lost before this; undefined: it is on the way to the value at the end. */
  readonly lostMs: number | undefined;
  /** The earliest moment. */
  fromMs: number;
  /** The read of something before it that it must not be earlier than; undefined: its own start. */
  because: Op | undefined;
  readonly reads: Op[];
}

const place = (version: Version, lostMs?: number, againMs?: number): Place => ({
  ...{ version, againMs, lostMs, fromMs: 0, because: undefined, reads: [] },
});

/** Trees of a key that are tried. */
const TREES_MAX = 2000;

type Object_ = (rule: string, op: Op | undefined, text: string) => void;

/** What the parts of the judge share about a key. */
interface Scene {
  readonly ends: readonly LifeEnd[];
  /** Operations whose value, or one of whose values, is on the way to the value at the end. */
  readonly keptOps: ReadonlySet<Op>;
  readonly object: Object_;
}

/** All that is wrong, key by key. */
export function judge({ ops, ends, finals }: History): Objection[] {
  const byKey = new Map<string, Op[]>();
  for (const op of ops) {
    const list = byKey.get(op.key);
    if (list === undefined) byKey.set(op.key, [op]);
    else list.push(op);
  }
  const out: Objection[] = [];
  for (const [key, list] of byKey) {
    out.push(...judgeTrees(key, list, ends, finals.get(key)));
  }
  return out;
}

/**
 * Judges a key. Behind which deletion a record was made anew nobody tells: when there are objections to the likely
 * tree, others are tried. One without objections is how it can have been; otherwise the likely one says what is wrong.
 */
function judgeTrees(
  key: string,
  list: readonly Op[],
  ends: readonly LifeEnd[],
  final: readonly Token[] | undefined,
): Objection[] {
  const attempt = (choices: ReadonlyMap<Token, number>) => {
    const out: Objection[] = [];
    const object: Object_ = (rule, op, text) => {
      const of = op === undefined ? "" : `${op.kind} ${op.id} of node ${op.node}, ${shown(op)}: `;
      out.push({ rule, key, atMs: op?.endMs ?? 0, text: `${key} ${of}${text}` });
    };
    return { out, options: judgeKey(list, ends, final, object, choices) };
  };
  const first = attempt(new Map());
  if (first.out.length === 0) return [];
  const open = [{ ...first, choices: new Map<Token, number>() }];
  const tried = new Set<string>();
  while (open.length > 0 && tried.size < TREES_MAX) {
    // The one with the fewest objections first: what is right in it stays.
    const least = Math.min(...open.map(({ out }) => out.length));
    const [at] = open.splice(open.findIndex(({ out }) => out.length === least), 1);
    if (at === undefined) break;
    for (const [token, count] of at.options) {
      for (let choice = 0; choice < count && tried.size < TREES_MAX; choice++) {
        if (choice === (at.choices.get(token) ?? 0)) continue;
        const choices = new Map(at.choices).set(token, choice);
        const name = JSON.stringify([...choices].sort(([one], [other]) => one - other));
        if (tried.has(name)) continue;
        tried.add(name);
        const { out, options } = attempt(choices);
        if (out.length === 0) return [];
        open.push({ out, options, choices });
      }
    }
  }
  return first.out;
}

/** When an operation was. */
const shown = ({ startMs, endMs }: Op) => `${startMs.toFixed(0)}..${endMs.toFixed(0)}`;

function judgeKey(
  ops: readonly Op[],
  ends: readonly LifeEnd[],
  final: readonly Token[] | undefined,
  object: Object_,
  choices: ReadonlyMap<Token, number>,
): ReadonlyMap<Token, number> {
  const last = final ?? latest(ops);
  const versions = grow(ops, last, choices);
  for (const token of versions.unknown) object("from nowhere", undefined, `${token} is nobody's`);
  versions.lose(choices, (op) => endOf(ends, op, Infinity) !== undefined);
  versions.keep(last);
  judgeWrites(ops, versions, ends, object);
  const keptOps = new Set<Op>();
  for (const { op, isKept } of all(versions.root)) if (isKept && op !== undefined) keptOps.add(op);
  const scene = { ends, keptOps, object };
  judgeTimes(lineOf(versions.root, scene), versions, scene);
  return versions.options;
}

/** Where nobody looked at the end: the value of the last read. */
function latest(ops: readonly Op[]): readonly Token[] {
  const reads = ops.filter(({ kind, outcome }) => kind === "read" && outcome === "ok");
  return reads.sort((one, other) => one.endMs - other.endMs).at(-1)?.seen ?? [];
}

/** A deletion that finds nothing is a read that finds nothing. */
function isRead({ kind, tries }: Op): boolean {
  return kind === "read" || (kind === "delete" && tries.at(-1)?.from.length === 0);
}

function grow(
  ops: readonly Op[],
  last: readonly Token[],
  choices: ReadonlyMap<Token, number>,
): Versions {
  const opOf = new Map<Token, Op>();
  for (const op of ops) {
    for (const { token } of op.tries) opOf.set(token, op);
    if (op.token !== undefined) opOf.set(op.token, op);
  }
  const versions = new Versions(opOf);
  for (const op of ops) {
    for (const [at, { token, from }] of op.tries.entries()) {
      if (op.kind === "delete" && from.length === 0) continue;
      const made = versions.tried(from, token, op.kind === "delete");
      // Of several the last one counts.
      if (op.outcome === "ok" && at === op.tries.length - 1) made.isReal = true;
    }
    if (!isRead(op) || op.outcome !== "ok") continue;
    (versions.seen(op.seen ?? [])?.reads ?? versions.absentReads).push(op);
  }
  versions.join(last, choices);
  return versions;
}

/** Did what was acknowledged happen, once; and what was refused, never? */
function judgeWrites(
  ops: readonly Op[],
  versions: Versions,
  ends: readonly LifeEnd[],
  object: Object_,
): void {
  const madeBy = new Map<Op, Version[]>();
  for (const version of all(versions.root)) {
    if (version.op === undefined || !version.isReal) continue;
    const list = madeBy.get(version.op);
    if (list === undefined) madeBy.set(version.op, [version]);
    else list.push(version);
  }
  for (const op of ops) {
    if (isRead(op)) continue;
    const made = madeBy.get(op) ?? [];
    const kept = made.filter(({ isKept }) => isKept);
    if (kept.length > 1) object("twice", op, `${kept.map(({ token }) => token).join(" and ")}`);
    if (op.outcome === "failed" && kept.length > 0) {
      object("failed", op, `it failed (${op.why}), and is in the record`);
    }
    if (op.outcome !== "ok" || made.length > 0) continue;
    if (op.kind !== "append") object("not done", op, "it is ok, and made nothing");
    else if (endOf(ends, op, Infinity) === undefined) {
      object("lost", op, "its token is in no value, and its node lives");
    }
  }
}

function* all(root: Version): Iterable<Version> {
  const open = [root];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    yield at;
    open.push(...at.children);
  }
}

/** When the life ended of a node whose program was answered; undefined: it did not, before `untilMs`. */
function endOf(ends: readonly LifeEnd[], op: Op, untilMs: number): number | undefined {
  let found: number | undefined;
  for (const { node, fromMs, toMs } of ends) {
    if (node !== op.node || toMs < op.startMs || fromMs > untilMs) continue;
    found = Math.min(found ?? Infinity, fromMs);
  }
  return found;
}

/** All values in the order in which they were there, the lost ones included. */
function lineOf(root: Version, scene: Scene, lostMs?: number): Place[] {
  const line: Place[] = [];
  let next: Version | undefined = root;
  while (next !== undefined) {
    const version: Version = next;
    line.push(place(version, lostMs));
    const children = inOrder(version, scene);
    const kept = children.find(({ isKept }) => isKept);
    // Below a lost one all are lost: the last one from further up, unless this one was seen.
    const isSeen = version.isKept || version.reads.length > 0;
    const main = kept ?? (isSeen ? undefined : children.at(-1));
    const lost = children.filter((child) => child !== main);
    for (const [at, child] of lost.entries()) {
      const after = lost[at + 1] ?? main;
      const untilMs = after?.deadlineMs ?? lostMs ?? Infinity;
      line.push(...lineOf(child, scene, untilMs));
      const againMs = judgeLoss(child, after, untilMs, scene);
      line.push(place(version, lostMs, againMs));
    }
    next = main;
  }
  return line;
}

/**
 * What was made from a value, each after what came of the one before was lost. Each must be gone before the next is
 * told, so it is in the order of what was told first; of what nobody was told in the order of its begins.
 */
function inOrder({ children }: Version, scene: Scene): Version[] {
  const real = children.filter(({ isReal }) => isReal);
  if (real.length < 2) return real;
  const spans = new Map(real.map((child) => [child, lossOf(child, scene)]));
  const beginMs = (child: Version) => spans.get(child)?.beginMs ?? 0;
  const goneMs = (child: Version) => spans.get(child)?.goneMs ?? 0;
  return real.sort((one, other) => beginMs(one) - beginMs(other) || goneMs(one) - goneMs(other));
}

/** When what came of a value was there at the latest, or gone at the earliest if that is before; and the latter. */
function lossOf(child: Version, { ends, keptOps }: Scene): { beginMs: number; goneMs: number } {
  let toldMs = Infinity;
  let goneMs = -Infinity;
  for (const { op, isReal, reads, deadlineMs, releaseMs } of all(child)) {
    if (!isReal) continue;
    toldMs = Math.min(toldMs, deadlineMs, ...reads.map(({ endMs }) => endMs));
    goneMs = Math.max(goneMs, releaseMs, ...reads.map(({ startMs }) => startMs));
    if (child.isKept || op?.outcome !== "ok" || keptOps.has(op)) continue;
    goneMs = Math.max(goneMs, endOf(ends, op, Infinity) ?? goneMs);
  }
  return { beginMs: Math.min(toldMs, goneMs), goneMs };
}

/** May these values be lost? Answers since when that can have been so. */
function judgeLoss(
  lost: Version,
  after: Version | undefined,
  untilMs: number,
  { ends, keptOps, object }: Scene,
): number {
  let sinceMs = -Infinity;
  for (const version of all(lost)) {
    if (!version.isReal) continue;
    const { op, reads } = version;
    // A call that was executed again, on what the record fell back to, was told of that.
    const isTold = op?.outcome === "ok" && !keptOps.has(op);
    const told = isTold ? [op, ...reads] : reads;
    for (const each of told) {
      const endMs = endOf(ends, each, untilMs);
      if (endMs === undefined) {
        const instead = after === undefined
          ? ""
          : `; ${after.text} came instead at ${after.releaseMs.toFixed(0)}`;
        object("lost", each, `it was told of ${version.text}, and its node lives${instead}`);
      } else if (each === op) sinceMs = Math.max(sinceMs, endMs);
    }
  }
  return sinceMs;
}

/** Gives each value its earliest moment, and looks whether all that was told fits. */
function judgeTimes(
  line: readonly Place[],
  versions: Versions,
  { ends, object }: Scene,
): void {
  const places = new Map<Version | undefined, Place[]>();
  for (const place of line) {
    const value = place.version.isAbsent ? undefined : place.version;
    const list = places.get(value);
    if (list === undefined) places.set(value, [place]);
    else list.push(place);
  }
  const choices = new Map<Op, Place[]>();
  for (const [version, list] of places) {
    for (const read of version?.reads ?? versions.absentReads) {
      // What the programs of a living node were told must not be lost.
      const may = ({ lostMs }: Place) =>
        version !== undefined || lostMs === undefined || endOf(ends, read, lostMs) !== undefined;
      choices.set(read, list.filter(may));
    }
  }
  placeReads(line, choices);
  for (const { version, againMs, fromMs, because, reads } of line) {
    const at = `${version.text} was there at ${fromMs.toFixed(1)} at first`;
    if (againMs === undefined && fromMs > version.deadlineMs) {
      if (because === undefined) object("late", version.op, at);
      else {object(
          "stale",
          because,
          `it saw what was before ${version.text}, which was acknowledged`,
        );}
    }
    for (const read of reads) {
      if (fromMs > read.endMs) object("stale", read, `it was answered at ${read.endMs}, and ${at}`);
    }
  }
}

/**
 * Gives each read the last place that it can have seen: an earlier one would only move all that follow. Reads move
 * what comes after them, so some must go to an earlier place then, until all stay.
 */
function placeReads(line: readonly Place[], choices: ReadonlyMap<Op, readonly Place[]>): void {
  const chosen = new Map<Op, number>();
  for (const [read, list] of choices) chosen.set(read, list.length - 1);
  for (let isStill = false; !isStill;) {
    for (const place of line) place.reads.length = 0;
    for (const [read, list] of choices) list[chosen.get(read) ?? 0]?.reads.push(read);
    setFrom(line);
    isStill = true;
    for (const [read, list] of choices) {
      const at = chosen.get(read) ?? 0;
      if (at === 0 || (list[at]?.fromMs ?? 0) <= read.endMs) continue;
      chosen.set(read, at - 1);
      isStill = false;
    }
  }
}

function setFrom(line: readonly Place[]): void {
  let nowMs = -Infinity;
  let because: Op | undefined;
  for (const place of line) {
    const releaseMs = place.againMs ?? place.version.releaseMs;
    if (releaseMs >= nowMs) because = undefined;
    nowMs = Math.max(nowMs, releaseMs);
    place.fromMs = nowMs;
    place.because = because;
    for (const read of place.reads) {
      if (read.startMs <= nowMs) continue;
      nowMs = read.startMs;
      because = read;
    }
  }
}
