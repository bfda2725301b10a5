/**
 * The Lamport clock of a node, which never gives a stamp twice and never one below what the node has seen.
 *
 *   on disk: reserved ........................... next reserve
 *                 lamport ->                      a restart goes on from the end of what is reserved
 *
 * Nothing above the reserve is given or even looked at: after a restart, the clock is above all that was seen. Without
 * that, a node's own writes would lose against what it had seen itself.
 *
 * Does NOT promise: that stamps say when something was written.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, type Parked, report } from "./core.ts";
import type { MetadataMessage } from "./message.ts";
import { SKEW_MAX } from "./record.ts";

/** Messages that wait for a reserve; more are dropped, and repaired later. */
export const PARKED_MAX = 1024;

/** Wants more stamps on disk when half of the block is used up, or when something waits for them. */
export function reserveAhead(core: Core): void {
  const block = BigInt(core.timing.reserveBlock);
  const isWaiting = core.parked.length > 0 && core.needed > core.lamport;
  const from = isWaiting ? core.needed : core.lamport;
  if (core.reserving !== 0n || from + block / 2n < core.reserved) return;
  core.reserving = from + block;
  core.out.push({ type: "reserve", upTo: core.reserving });
}

/** A reserve is on disk, or could not be made: then it is tried again at the next wake. */
export function onReserved(core: Core, upTo: bigint, ok: boolean): void {
  if (upTo === core.reserving) core.reserving = 0n;
  if (ok && upTo > core.reserved) core.reserved = upTo;
}

/** The next stamp; undefined: it is not on disk yet. */
export function nextStamp(core: Core): bigint | undefined {
  if (core.lamport >= core.reserved) return undefined;
  return ++core.lamport;
}

/** Is a stamp too far ahead? Then its sender is reported. */
export function isSkewed(core: Core, from: NodeId, c: bigint): boolean {
  if (c <= core.lamport + SKEW_MAX) return false;
  core.counters.skewed++;
  report(core, { about: "skew", from, c, lamport: core.lamport });
  return true;
}

/** The clock has seen a stamp, which is not skewed and is covered by the reserve. */
export function sawStamp(core: Core, c: bigint): void {
  if (c > core.lamport) core.lamport = c;
}

/** Keeps a message for later when its stamps are beyond the reserve. True: it was kept, or dropped. */
export function isParked(core: Core, parked: Parked): boolean {
  const highest = highestOf(core, parked);
  if (highest <= core.reserved) return false;
  if (core.parked.length < PARKED_MAX) core.parked.push(parked);
  else core.counters.dropped++;
  if (highest > core.needed) core.needed = highest;
  reserveAhead(core);
  return true;
}

/** The highest stamp of a message that will count; those too far ahead will not. */
function highestOf(core: Core, { stamp, message }: Parked): bigint {
  let highest = 0n;
  const end = core.lamport + SKEW_MAX;
  const see = (c: bigint): void => {
    if (c > highest && c <= end) highest = c;
  };
  see(stamp);
  if ("floor" in message) see(message.floor);
  for (const { c } of recordsOf(message)) see(c);
  return highest;
}

function recordsOf(message: MetadataMessage): readonly MetaRecord[] {
  return message.kind === "md_publish" || message.kind === "md_records" ? message.records : [];
}
