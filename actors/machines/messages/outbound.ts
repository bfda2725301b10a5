/**
 * Messages to one life of a peer: a queue of batches, numbered, published in a window, kept until acknowledged.
 *
 *   entry ─▶ open batch ─(full, or the turn is over, and the window has room)─▶ published ─(ack)─▶ forgotten
 *   acked            sent                 last
 *     │  under way    │   window is full   │  losses: what found no room, said here when there is some again
 *
 * A loss on the way is found by the receiver (a number too high: ack with `missed`) or by silence; then it goes back to
 * the first that is not acknowledged. So nothing is lost between two lives; what is not taken in is counted and told.
 *
 * Does NOT promise: that the peer's programs read it, or that the peer is there.
 */
import type { MsgAck } from "../../../transport/wire/messages/program.ts";
import {
  PROGRAM_ENTRIES_MAX,
  PROGRAM_RECEIVERS_MAX,
} from "../../../transport/wire/messages/program.ts";
import { ENTRY, PROGRAM_ENTRY_SIZE } from "../../../transport/wire/program_layout.ts";
import type { ProgramEntry, ProgramReceiver } from "../../../transport/wire/program_layout.ts";
import { type Batch, type Core, type Outbound, type Peer, wakeBy, wantTurn } from "./state.ts";
import { BROADCAST_MIN } from "./tunables.ts";

const U32_MAX = 0xffff_ffff;
const NO_DATA = new Uint8Array();

/** The queue to a peer, made when there is none. */
export function outboundOf(core: Core, peer: Peer): Outbound {
  return peer.outbound ??= {
    peer,
    queue: [],
    acked: 0,
    sent: 0,
    sentMax: 0,
    flightBytes: 0,
    count: 0,
    bytes: 0,
    losses: undefined,
    resendDueMs: Infinity,
    resendMs: core.timing.resendMs,
    missedMs: -Infinity,
    isOver: false,
  };
}

/** Bytes of an entry in a publication. */
export function entryBytes(entry: ProgramEntry): number {
  return PROGRAM_ENTRY_SIZE + entry.data.length;
}

/** Is there room for so many entries of so many bytes? */
export function hasRoom(core: Core, link: Outbound, count: number, bytes: number): boolean {
  const { linkCount, linkBytes } = core.timing;
  // An empty queue takes anything: a message may be larger than the bound.
  return link.count === 0 || (link.count + count <= linkCount && link.bytes + bytes <= linkBytes);
}

/** Puts an entry behind all others of the same links; for one link or several. */
export function append(core: Core, links: readonly Outbound[], entry: ProgramEntry): void {
  for (const link of links) if (link.losses !== undefined) sayLosses(core, link);
  put(core, links, entry);
}

function put(core: Core, links: readonly Outbound[], entry: ProgramEntry): void {
  const bytes = entryBytes(entry);
  let batch = links[0]?.queue.at(-1);
  if (batch === undefined || !takes(core, batch, links, bytes)) batch = begin(core, links);
  batch.entries.push(entry);
  batch.bytes += bytes;
  for (const link of links) {
    link.count++;
    link.bytes += bytes;
  }
  if (batch.entries.length === PROGRAM_ENTRIES_MAX) publishTurn(core);
}

/** Can an entry for these links go into a batch? It must be the last of all of them, and of no others. */
function takes(core: Core, batch: Batch, links: readonly Outbound[], bytes: number): boolean {
  if (!batch.isOpen || batch.entries.length >= PROGRAM_ENTRIES_MAX) return false;
  if (batch.bytes + bytes > core.bodyMax) return false;
  return batch.rows.length === links.length &&
    links.every(({ queue }) => queue.at(-1) === batch);
}

function begin(core: Core, links: readonly Outbound[]): Batch {
  const rows = links.map((link) => ({ link, seq: link.acked + link.queue.length + 1 }));
  const batch: Batch = { entries: [], bytes: 0, isOpen: true, rows };
  for (const { queue } of links) queue.push(batch);
  core.unsent.push(batch);
  wantTurn(core);
  return batch;
}

/** Notes that a message found no room. */
export function lose(core: Core, link: Outbound, program: number, srvid: bigint): void {
  core.counters.full++;
  const losses = link.losses ??= { rows: new Map(), any: 0 };
  const key = `${program} ${srvid}`;
  const row = losses.rows.get(key);
  if (row !== undefined) row.count = Math.min(U32_MAX, row.count + 1);
  else if (losses.rows.size < core.timing.lostRows) {
    losses.rows.set(key, { program, srvid, count: 1 });
  } else losses.any = Math.min(U32_MAX, losses.any + 1);
}

/** Says what is missing, at the place where it is. */
function sayLosses(core: Core, link: Outbound): void {
  const { losses } = link;
  if (losses === undefined) return;
  link.losses = undefined;
  const links = [link];
  for (const { program, srvid, count } of losses.rows.values()) {
    put(core, links, { kind: ENTRY.lost, srvid, program, value: count, data: NO_DATA });
  }
  if (losses.any === 0) return;
  put(core, links, {
    kind: ENTRY.lostAny,
    srvid: 0n,
    program: 0,
    value: losses.any,
    data: NO_DATA,
  });
}

/** Publishes what this turn has begun, in order: to several at once where several get the same. */
export function publishTurn(core: Core): void {
  const { unsent } = core;
  core.unsent = [];
  for (const batch of unsent) {
    const rows = batch.rows.filter(({ link, seq }) =>
      !link.isOver && link.sent === seq - 1 && mayGo(core, link, batch)
    );
    if (rows.length < BROADCAST_MIN) {
      for (const { link, seq } of rows) publishOne(core, link, seq, batch);
      continue;
    }
    for (let at = 0; at < rows.length; at += PROGRAM_RECEIVERS_MAX) {
      const part = rows.slice(at, at + PROGRAM_RECEIVERS_MAX);
      for (const { link, seq } of part) went(core, link, seq, batch);
      const receivers = part.map(({ link, seq }) => receiver(link, seq));
      publish(core, undefined, receivers, batch);
    }
  }
}

/** Is there room in the window? */
function mayGo(core: Core, link: Outbound, batch: Batch): boolean {
  const { windowCount, windowBytes } = core.timing;
  const flight = link.sent - link.acked;
  return flight === 0 || (flight < windowCount && link.flightBytes + batch.bytes <= windowBytes);
}

function publishOne(core: Core, link: Outbound, seq: number, batch: Batch): void {
  went(core, link, seq, batch);
  publish(core, link, [receiver(link, seq)], batch);
}

function receiver({ peer }: Outbound, seq: number): ProgramReceiver {
  return { pnn: peer.pnn, incarnation: peer.incarnation, seq };
}

function publish(
  core: Core,
  link: Outbound | undefined,
  receivers: readonly ProgramReceiver[],
  batch: Batch,
): void {
  if (core.own === undefined) return;
  core.counters.publications++;
  const { incarnation } = core.own;
  const { entries } = batch;
  core.out.push({ type: "publish", to: link?.peer.nodeId, incarnation, receivers, entries });
}

/** Notes that a batch is under way. */
function went(core: Core, link: Outbound, seq: number, batch: Batch): void {
  batch.isOpen = false;
  if (seq <= link.sentMax) core.counters.again++;
  link.sent = seq;
  link.sentMax = Math.max(link.sentMax, seq);
  link.flightBytes += batch.bytes;
  if (link.resendDueMs !== Infinity) return;
  link.resendDueMs = core.nowMs + link.resendMs;
  wakeBy(core, link.resendDueMs);
}

/** Publishes as much as the window allows; `most`: and no more batches than that. */
function pump(core: Core, link: Outbound, most = Infinity): void {
  for (let count = 0; count < most; count++) {
    const batch = link.queue[link.sent - link.acked];
    if (batch === undefined || !mayGo(core, link, batch)) return;
    publishOne(core, link, link.sent + 1, batch);
  }
}

/** The peer has everything before `next`. Its life and ours are known to be those of now. */
export function onAck(core: Core, { outbound: link }: Peer, { next, missed }: MsgAck): void {
  const acked = Number(next) - 1;
  if (link === undefined || acked < link.acked || acked > link.sentMax) return;
  if (acked > link.acked) forget(core, link, acked);
  if (missed && core.nowMs >= link.missedMs) {
    link.missedMs = core.nowMs + core.timing.missMs;
    goBack(link);
  }
  if (link.losses !== undefined && hasRoom(core, link, 1, PROGRAM_ENTRY_SIZE)) {
    sayLosses(core, link);
  }
  pump(core, link);
}

function forget(core: Core, link: Outbound, acked: number): void {
  const underWay = link.sent - link.acked;
  const gone = link.queue.splice(0, acked - link.acked);
  for (const [at, { entries, bytes }] of gone.entries()) {
    link.count -= entries.length;
    link.bytes -= bytes;
    if (at < underWay) link.flightBytes -= bytes;
  }
  link.acked = acked;
  link.sent = Math.max(link.sent, acked);
  link.resendMs = core.timing.resendMs;
  link.resendDueMs = link.sent > acked ? core.nowMs + link.resendMs : Infinity;
  if (link.resendDueMs !== Infinity) wakeBy(core, link.resendDueMs);
}

function goBack(link: Outbound): void {
  link.sent = link.acked;
  link.flightBytes = 0;
}

/** Sends again what was not acknowledged in time; answers when the next is due. */
export function wakeOutbound(core: Core): number {
  let next = Infinity;
  for (const { outbound: link } of core.peers.values()) {
    if (link === undefined) continue;
    if (link.resendDueMs <= core.nowMs) {
      link.resendMs = Math.min(core.timing.resendMaxMs, 2 * link.resendMs);
      link.resendDueMs = Infinity;
      goBack(link);
      // One, to see whether the peer is there; the answer brings the others.
      pump(core, link, 1);
    }
    next = Math.min(next, link.resendDueMs);
  }
  return next;
}

/** The bus is there again: what is not acknowledged is tried at once. */
export function tryAgain(core: Core): void {
  for (const { outbound: link } of core.peers.values()) {
    if (link === undefined || link.resendDueMs === Infinity) continue;
    link.resendMs = core.timing.resendMs;
    link.resendDueMs = core.nowMs;
    wakeBy(core, core.nowMs);
  }
}

/** The peer's life is over. */
export function endOutbound({ outbound: link }: Peer): void {
  if (link !== undefined) link.isOver = true;
}
