/**
 * Messages from one life of a peer: taken in the order of their numbers, each once, and acknowledged.
 *
 *   number = next   taken; parts are put together        ─▶ programs
 *          < next   had already: acknowledged again
 *          > next   one is missing: dropped, and the sender is told at once
 *
 * Does NOT promise: to keep what comes too early; the sender has it, and sends it again.
 */
import { ENTRY } from "../../../transport/wire/program_layout.ts";
import type { ProgramEntry, ProgramPublication } from "../../../transport/wire/program_layout.ts";
import type { ProgramSender } from "./events.ts";
import { tellInterest } from "./interest.ts";
import { beginLife } from "./lives.ts";
import { handGap, handOut } from "./programs.ts";
import { type Core, type Inbound, type Peer, wakeBy } from "./state.ts";

/** Senders of a peer that are remembered. */
const SENDERS_MAX = 4096;

/** A publication has come that names this node. */
export function onData(core: Core, publication: ProgramPublication): void {
  const { from, incarnation, receiver, entries } = publication;
  const peer = beginLife(core, from, incarnation);
  if (peer === undefined || core.own === undefined) return void core.counters.dropped++;
  if (receiver.incarnation !== core.own.incarnation) {
    core.counters.dropped++;
    return tellLife(core, peer);
  }
  const link = inboundOf(peer);
  if (receiver.seq > link.next) {
    core.counters.early++;
    return complain(core, peer, link);
  }
  ackBy(core, link, core.nowMs + core.timing.ackMs);
  if (receiver.seq < link.next) return void core.counters.twice++;
  link.next++;
  link.unacked++;
  link.isMissing = false;
  let isWanted = true;
  for (const entry of entries) if (!take(core, peer, link, entry)) isWanted = false;
  if (!isWanted) tellInterest(core, peer);
  if (link.unacked >= core.timing.ackEach) sendAck(core, peer, link);
}

function inboundOf(peer: Peer): Inbound {
  return peer.inbound ??= {
    next: 1,
    unacked: 0,
    ackDueMs: Infinity,
    missedMs: -Infinity,
    isMissing: false,
    partial: undefined,
    senders: new Map(),
  };
}

/** Takes an entry; false: nobody here wants it. */
function take(core: Core, peer: Peer, link: Inbound, entry: ProgramEntry): boolean {
  const { kind, srvid, program, value, data } = entry;
  switch (kind) {
    case ENTRY.whole:
      return handOut(core, senderOf(peer, link, program), srvid, data);
    case ENTRY.first:
      link.partial = { srvid, program, bytes: value, have: data.length, parts: [data] };
      return true;
    case ENTRY.more:
    case ENTRY.last:
      return takePart(core, peer, link, entry);
    case ENTRY.lost:
      handGap(core, senderOf(peer, link, program), srvid, value);
      return true;
    case ENTRY.lostAny:
      handGap(core, senderOf(peer, link, 0), undefined, value);
      return true;
  }
}

function takePart(core: Core, peer: Peer, link: Inbound, entry: ProgramEntry): boolean {
  const { kind, srvid, program, value, data } = entry;
  const { partial } = link;
  const have = value + data.length;
  const isNext = partial !== undefined && partial.program === program && partial.srvid === srvid &&
    partial.have === value && (kind === ENTRY.last ? have === partial.bytes : have < partial.bytes);
  if (!isNext) {
    // No sender of ours does that: what it was meant to be is not known, that it is missing is.
    core.counters.dropped++;
    link.partial = undefined;
    handGap(core, senderOf(peer, link, program), srvid, 1);
    return true;
  }
  partial.parts.push(data);
  partial.have = have;
  if (kind === ENTRY.more) return true;
  link.partial = undefined;
  return handOut(core, senderOf(peer, link, program), srvid, joined(partial.parts, have));
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function senderOf(peer: Peer, link: Inbound, program: number): ProgramSender {
  const known = link.senders.get(program);
  if (known !== undefined) return known;
  const { nodeId, pnn, incarnation } = peer;
  const made = { nodeId, pnn, incarnation, program };
  if (link.senders.size >= SENDERS_MAX) link.senders.clear();
  link.senders.set(program, made);
  return made;
}

/** A number is missing: says so at once, but not for each that comes after it. */
function complain(core: Core, peer: Peer, link: Inbound): void {
  link.isMissing = true;
  if (core.nowMs < link.missedMs) return;
  link.missedMs = core.nowMs + core.timing.missMs;
  sendAck(core, peer, link);
}

function ackBy(core: Core, link: Inbound, dueMs: number): void {
  if (link.ackDueMs <= dueMs) return;
  link.ackDueMs = dueMs;
  wakeBy(core, dueMs);
}

function sendAck(core: Core, peer: Peer, link: Inbound): void {
  if (core.own === undefined) return;
  link.unacked = 0;
  link.ackDueMs = Infinity;
  const { incarnation } = core.own;
  const next = BigInt(link.next);
  const missed = link.isMissing;
  const message = { kind: "msg_ack", incarnation, to: peer.incarnation, next, missed } as const;
  core.out.push({ type: "tell", to: peer.nodeId, message });
}

/** The peer believes in another life of this node. */
export function tellLife(core: Core, peer: Peer): void {
  if (core.own === undefined) return;
  const { incarnation } = core.own;
  const said = { incarnation, to: peer.incarnation, next: 0n, missed: false };
  core.out.push({ type: "tell", to: peer.nodeId, message: { kind: "msg_ack", ...said } });
}

/** Sends the acknowledgements that are due; answers when the next is. */
export function wakeInbound(core: Core): number {
  let next = Infinity;
  for (const peer of core.peers.values()) {
    const { inbound: link } = peer;
    if (link === undefined) continue;
    if (link.ackDueMs <= core.nowMs) sendAck(core, peer, link);
    next = Math.min(next, link.ackDueMs);
  }
  return next;
}
