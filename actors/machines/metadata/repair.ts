/**
 * Anti-entropy: two nodes find out what differs between them, and each gets what it lacks.
 *
 *   md_digest   equal: silence
 *   md_buckets  parts that differ: few records? md_stamps. Many? their 16 parts
 *   md_stamps   all of mine in these parts -> the other sends what I lack, wants what it lacks, says what was deleted
 *   md_records  taken, sent, given up
 *
 * No node remembers a comparison: each message is answered from what is held when it comes. So a lost one ends the
 * comparison, the next digest begins another, and a late or repeated one does no harm.
 *
 * Does NOT promise: to end in one go where both change meanwhile.
 */
import { META_BUCKETS_MAX, META_RECORDS_MAX } from "../../../transport/wire/limits.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, type ScopeState, send, sharedScope } from "./core.ts";
import { about, sendDigest } from "./digest.ts";
import { isSkewed, sawStamp } from "./lamport.ts";
import type { About, MdBuckets, MdDigest, MdRecords, MdStamps } from "./message.ts";
import { isNewer, isSameWrite, type Stamp } from "./record.ts";
import { childrenOf, PATH_MAX, pathOf } from "./table.ts";
import { giveUp, makeWhole, take, takeFloor } from "./taking.ts";
import { hearCold } from "./warming.ts";
import { onWrite, portionsOf } from "./writing.ts";

/** Records of both sides in a part up to which their stamps are compared, not its 16 parts. */
export const LEAF_MAX = 32;
/** Stamps, wishes or deletions in one message. */
export const STAMPS_MAX = META_RECORDS_MAX;
/** The scope that a message is about, with what the sender's floor says. */
function hearOf(core: Core, from: NodeId, message: About): ScopeState | undefined {
  const scope = sharedScope(core, from, message);
  if (scope === undefined || isSkewed(core, from, message.floor)) return undefined;
  sawStamp(core, message.floor);
  // Both held the same when that round succeeded: all that goes are tombstones.
  if (scope.phase === "whole" && message.phase === "whole") takeFloor(core, scope, message.floor);
  return scope;
}

/** Somebody says what it has in all. */
export function onDigest(core: Core, from: NodeId, message: MdDigest): void {
  const scope = hearOf(core, from, message);
  if (scope === undefined) return;
  const isEqual = scope.table.hash === message.hash && scope.table.count === message.count;
  if (scope.phase === "cold") {
    hearCold(core, scope, from, message, isEqual);
    if (scope.phase === "cold" && (isEqual || message.phase === "cold")) return;
  }
  if (isEqual && message.phase === "whole") makeWhole(core, scope, message.floor);
  // The other side must hear of this one's floor before it compares, or that this one is there at all.
  const isBehind = message.phase !== "whole" || message.floor < scope.table.floor;
  if (scope.phase === "whole" && isBehind) return sendDigest(core, scope, from);
  if (scope.phase === "alone" && message.phase === "cold") return sendDigest(core, scope, from);
  if (!isEqual) sendSums(core, scope, from, [""]);
}

/** Sends the sums of the 16 parts of these paths. */
function sendSums(core: Core, scope: ScopeState, to: NodeId, paths: readonly string[]): void {
  for (let at = 0; at < paths.length; at += META_BUCKETS_MAX / 16) {
    const children = paths.slice(at, at + META_BUCKETS_MAX / 16).flatMap(childrenOf);
    const buckets = scope.table.sums(children);
    send(core, to, { kind: "md_buckets", ...about(scope), buckets });
  }
}

/** Somebody says what it has, part by part. */
export function onBuckets(core: Core, from: NodeId, message: MdBuckets): void {
  const scope = hearOf(core, from, message);
  if (scope === undefined) return;
  const own = scope.table.sums(message.buckets.map(({ path }) => path));
  const small: string[] = [];
  const large: string[] = [];
  message.buckets.forEach(({ path, hash, count }, index) => {
    const mine = own[index];
    if (mine === undefined || (mine.hash === hash && mine.count === count)) return;
    const isSmall = mine.count + count <= LEAF_MAX || path.length >= PATH_MAX;
    (isSmall ? small : large).push(path);
  });
  sendSums(core, scope, from, large);
  sendStamps(core, scope, from, small);
}

/** Sends all stamps of these paths; each path whole within one message, since what it lacks counts, too. */
function sendStamps(core: Core, scope: ScopeState, to: NodeId, paths: readonly string[]): void {
  let whole: string[] = [];
  let stamps: Stamp[] = [];
  const flush = (): void => {
    if (whole.length > 0) {
      send(core, to, { kind: "md_stamps", ...about(scope), paths: whole, stamps });
    }
    whole = [];
    stamps = [];
  };
  for (const path of paths) {
    const own = scope.table.within(path).map(({ key, c, w }) => ({ key, c, w }));
    // So many keys with one hash are no accident; they are not compared.
    if (own.length > STAMPS_MAX) continue;
    if (stamps.length + own.length > STAMPS_MAX || whole.length >= META_BUCKETS_MAX) flush();
    whole.push(path);
    stamps.push(...own);
  }
  flush();
}

/** Somebody says all that it has in some parts. */
export function onStamps(core: Core, from: NodeId, message: MdStamps): void {
  const scope = hearOf(core, from, message);
  if (scope === undefined) return;
  const theirs = new Map(message.stamps.map((stamp) => [stamp.key, stamp]));
  const push: MetaRecord[] = [];
  for (const path of message.paths) {
    for (const mine of scope.table.within(path)) {
      const other = theirs.get(mine.key);
      if (other !== undefined && (isSameWrite(mine, other) || isNewer(other, mine))) continue;
      // Not above the floor of somebody who lacks it: it was deleted.
      if (mine.c <= message.floor) giveWay(core, scope, mine, message.floor);
      else push.push(mine);
    }
  }
  const want: string[] = [];
  const gone: Stamp[] = [];
  for (const stamp of message.stamps) {
    if (!message.paths.some((path) => pathOf(stamp.key).startsWith(path))) continue;
    const mine = scope.table.get(stamp.key);
    if (mine !== undefined && !isNewer(stamp, mine)) continue;
    if (stamp.c <= scope.table.floor) gone.push(stamp);
    else if (isSkewed(core, from, stamp.c)) continue;
    else want.push(stamp.key);
  }
  sendRecords(core, scope, from, push, want, gone);
}

function sendRecords(
  core: Core,
  scope: ScopeState,
  to: NodeId,
  push: readonly MetaRecord[],
  want: readonly string[],
  gone: readonly Stamp[],
): void {
  const portions = portionsOf(push);
  const count = Math.max(
    portions.length,
    Math.ceil(want.length / STAMPS_MAX),
    Math.ceil(gone.length / STAMPS_MAX),
  );
  for (let i = 0; i < count; i++) {
    const at = i * STAMPS_MAX;
    send(core, to, {
      kind: "md_records",
      ...about(scope),
      records: portions[i] ?? [],
      want: want.slice(at, at + STAMPS_MAX),
      gone: gone.slice(at, at + STAMPS_MAX),
    });
  }
}

/**
 * A write that is held here was deleted, says somebody who lacks nothing up to `floor`. Unless this node wrote it when
 * it was alone: its clock was too low then, and has now seen the floor, so it writes it again.
 */
function giveWay(core: Core, scope: ScopeState, gone: Stamp, floor: bigint): void {
  const held = scope.table.get(gone.key);
  if (held === undefined || !isSameWrite(held, gone) || held.c > floor) return;
  if (held.w !== core.self || !scope.aloneKeys.has(gone.key)) return giveUp(core, scope, held);
  const { key, value, by, wallMs } = held;
  onWrite(core, scope, { type: "write", askId: 0, scope: scope.scope, key, value, by, wallMs });
}

/** Somebody sends what was lacking here, and wants what it lacks. */
export function onRecords(core: Core, from: NodeId, message: MdRecords): void {
  const scope = hearOf(core, from, message);
  if (scope === undefined) return;
  for (const gone of message.gone) giveWay(core, scope, gone, message.floor);
  for (const record of message.records) take(core, scope, from, record);
  const wanted: MetaRecord[] = [];
  for (const key of message.want) {
    const mine = scope.table.get(key);
    if (mine !== undefined) wanted.push(mine);
  }
  sendRecords(core, scope, from, wanted, [], []);
  // Perhaps that was all that was lacking: ask again at once.
  if (scope.phase === "cold" && message.phase !== "cold") sendDigest(core, scope, from);
}
