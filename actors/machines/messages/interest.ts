/**
 * Who wants to hear of which srvids: told to those who send, and to nobody else.
 *
 *   a peer that was told nothing sends everything: to know nothing is safe
 *   data that nobody here wants ─▶ tell the peer our bits ─▶ it sends only what may be wanted
 *   a srvid with a new bit: all who were told are told anew; registered when each of them has acknowledged that
 *   a bit that nobody has any more is taken back after a while
 *
 * So a cluster in which nobody sends to many exchanges nothing; who does hears once from each other node.
 *
 * Does NOT promise: that what comes is wanted; srvids share bits.
 */
import { INTEREST_BITS, SRVID_ALL } from "../../../transport/wire/messages/program.ts";
import type { MsgInterest, MsgInterestAck } from "../../../transport/wire/messages/program.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { mix } from "../mix.ts";
import {
  answer,
  type Core,
  type OwnInterest,
  type Peer,
  refuse,
  type Told,
  wakeBy,
} from "./state.ts";
import { REGISTERING_MAX } from "./tunables.ts";

const BYTES = INTEREST_BITS / 8;
/** Srvids of which it is remembered whether a peer may want them. */
const FOUND_MAX = 1024;

/** The interest of a node without programs. */
export function noInterest(): OwnInterest {
  return {
    version: 1,
    bits: new Uint8Array(BYTES),
    counts: new Uint32Array(INTEREST_BITS + 1),
    since: new Uint32Array(INTEREST_BITS + 1),
    narrowDueMs: Infinity,
  };
}

/** The bit of a srvid; INTEREST_BITS stands for all of them. */
function bitOf(srvid: bigint): number {
  if (srvid === SRVID_ALL) return INTEREST_BITS;
  const low = Number(srvid & 0xffff_ffffn);
  return mix(mix(low) ^ Number(srvid >> 32n)) % INTEREST_BITS;
}

function isSet(bits: Uint8Array, bit: number): boolean {
  return ((bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

/** May somebody at a peer want a srvid? */
export function mayWant(peer: Peer, srvid: bigint): boolean {
  if (peer.interest === undefined) return true;
  const { bits, found } = peer.interest;
  const known = found.get(srvid);
  if (known !== undefined) return known;
  // A message to SRVID_ALL itself is for those who registered for all.
  const may = srvid === SRVID_ALL ? isFull(bits) : isSet(bits, bitOf(srvid));
  if (found.size >= FOUND_MAX) found.clear();
  found.set(srvid, may);
  return may;
}

function isFull(bits: Uint8Array): boolean {
  return bits.every((byte) => byte === 0xff);
}

/** A srvid was registered here by one more program. */
export function addInterest(core: Core, srvid: bigint): void {
  const { interest } = core;
  const bit = bitOf(srvid);
  const count = interest.counts[bit] ?? 0;
  interest.counts[bit] = count + 1;
  if (count > 0) return;
  if (bit === INTEREST_BITS && isFull(interest.bits)) {
    interest.since[bit] = interest.since.reduce((one, other) => Math.max(one, other), 0);
    return;
  }
  if (bit !== INTEREST_BITS && isSet(interest.bits, bit)) return;
  setBit(interest.bits, bit);
  interest.version++;
  interest.since[bit] = interest.version;
  // A full set sets all the others, too.
  if (bit === INTEREST_BITS) interest.since.fill(interest.version);
  for (const peer of core.peers.values()) {
    if (peer.told !== undefined) tellNow(core, peer, peer.told);
  }
}

function setBit(bits: Uint8Array, bit: number): void {
  if (bit === INTEREST_BITS) bits.fill(0xff);
  else bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** One program less has a srvid. */
export function dropInterest(core: Core, srvid: bigint): void {
  const { interest } = core;
  const bit = bitOf(srvid);
  const count = (interest.counts[bit] ?? 0) - 1;
  interest.counts[bit] = count;
  if (count > 0 || interest.narrowDueMs !== Infinity) return;
  interest.narrowDueMs = core.nowMs + core.timing.narrowMs;
  wakeBy(core, interest.narrowDueMs);
}

/** Takes back bits that nobody has any more. */
function narrow(core: Core): void {
  const { interest } = core;
  interest.narrowDueMs = Infinity;
  const bits = new Uint8Array(BYTES);
  for (let bit = 0; bit <= INTEREST_BITS; bit++) if (interest.counts[bit] !== 0) setBit(bits, bit);
  if (bits.every((byte, at) => byte === interest.bits[at])) return;
  // A new array: the old one may be in a message.
  interest.bits = bits;
  interest.version++;
  for (const peer of core.peers.values()) {
    if (peer.told !== undefined) tellNow(core, peer, peer.told);
  }
}

/** A peer has sent what nobody here wants. */
export function tellInterest(core: Core, peer: Peer): void {
  if (peer.told !== undefined) return;
  peer.told = { sent: 0, acked: 0, dueMs: Infinity, againMs: 0, openMs: 0 };
  tellNow(core, peer, peer.told);
}

function tellNow(core: Core, peer: Peer, told: Told): void {
  told.againMs = core.timing.toldMs;
  if (told.sent === told.acked) told.openMs = core.nowMs;
  tellAgain(core, peer, told);
}

function tellAgain(core: Core, peer: Peer, told: Told): void {
  const { own, interest } = core;
  if (own === undefined) return;
  told.sent = interest.version;
  told.dueMs = core.nowMs + told.againMs;
  wakeBy(core, told.dueMs);
  const { incarnation } = own;
  const { version } = interest;
  const to = peer.incarnation;
  const bits = interest.bits.slice();
  const message = { kind: "msg_interest", incarnation, to, version, bits } as const;
  core.out.push({ type: "tell", to: peer.nodeId, message });
}

/** A peer tells what its programs want. Its life and ours are known to be those of now. */
export function onInterest(core: Core, peer: Peer, { version, bits }: MsgInterest): void {
  if (bits.length !== BYTES || core.own === undefined) return void core.counters.dropped++;
  if (peer.interest === undefined || version > peer.interest.version) {
    peer.interest = { version, bits, found: new Map() };
  }
  const { incarnation } = core.own;
  const to = peer.incarnation;
  // What is known, not what came: a late one is older.
  const known = peer.interest.version;
  const message = { kind: "msg_interest_ack", incarnation, to, version: known } as const;
  core.out.push({ type: "tell", to: peer.nodeId, message });
}

/** A peer knows what ours want. */
export function onInterestAck(core: Core, { told }: Peer, { version }: MsgInterestAck): void {
  if (told === undefined || version > told.sent || version <= told.acked) return;
  told.acked = version;
  if (told.acked === told.sent) told.dueMs = Infinity;
  settleRegistering(core);
}

/** Answers a registration when all who were told something else know of it. */
export function waitUntilKnown(core: Core, askId: number, program: number, srvid: bigint): void {
  const { interest, timing, nowMs } = core;
  const bit = bitOf(srvid);
  const version = interest.since[bit] ?? 0;
  const unheard = unheardOf(core, version);
  if (unheard.every((peer) => isMute(core, peer))) {
    return answer(core, askId, { type: "registered", unheard: idsOf(unheard) });
  }
  if (core.registering.length >= REGISTERING_MAX) {
    return refuse(core, askId, "busy", "too many registrations at once");
  }
  const endMs = nowMs + timing.registerMs;
  core.registering.push({ askId, program, srvid, version, endMs });
  wakeBy(core, endMs);
}

/** Peers that may believe less than this version says. */
function unheardOf(core: Core, version: number): Peer[] {
  return [...core.peers.values()].filter(({ told }) => told !== undefined && told.acked < version);
}

function idsOf(peers: readonly Peer[]): NodeId[] {
  return peers.map(({ nodeId }) => nodeId);
}

/** Has it not answered for so long that a registration need not wait for it? */
function isMute(core: Core, { told }: Peer): boolean {
  return told !== undefined && core.nowMs - told.openMs > 2 * core.timing.registerMs;
}

/** Answers registrations that all know of, or that have waited long enough. */
export function settleRegistering(core: Core): void {
  if (core.registering.length === 0) return;
  const unheard = new Map<number, Peer[]>();
  core.registering = core.registering.filter(({ askId, version, endMs }) => {
    const who = unheard.get(version) ?? unheardOf(core, version);
    unheard.set(version, who);
    if (who.length > 0 && core.nowMs < endMs) return true;
    answer(core, askId, { type: "registered", unheard: idsOf(who) });
    return false;
  });
}

/** A registration ends before it was answered. */
export function endRegistering(core: Core, program: number, srvid: bigint): void {
  if (core.registering.length === 0) return;
  core.registering = core.registering.filter((one) => {
    if (one.program !== program || one.srvid !== srvid) return true;
    refuse(core, one.askId, "state", "the registration has ended");
    return false;
  });
}

/** What is due; answers when the next is. */
export function wakeInterest(core: Core): number {
  const { interest, nowMs, timing } = core;
  if (interest.narrowDueMs <= nowMs) narrow(core);
  let next = interest.narrowDueMs;
  for (const peer of core.peers.values()) {
    const { told } = peer;
    if (told === undefined) continue;
    if (told.dueMs <= nowMs) {
      told.againMs = Math.min(timing.toldMaxMs, 2 * told.againMs);
      tellAgain(core, peer, told);
    }
    next = Math.min(next, told.dueMs);
  }
  settleRegistering(core);
  for (const { endMs } of core.registering) next = Math.min(next, endMs);
  return next;
}
