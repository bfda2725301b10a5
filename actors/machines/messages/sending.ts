/**
 * A program sends: to itself and its neighbours at once, to other nodes by way of their queues.
 *
 *   to a node         no room: refused with "busy", the sender may wait and try again
 *   to all, connected no room at one: it is told as a gap there, and the others get it
 *   long data         parts, one behind the other, all or none of them
 *
 * Does NOT promise: that anybody has read it. Whoever wants to know has an answer sent.
 */
import { PROGRAM_DATA_MAX } from "../../../transport/wire/messages/program.ts";
import { ENTRY, PROGRAM_ENTRY_SIZE } from "../../../transport/wire/program_layout.ts";
import type { ProgramEntry } from "../../../transport/wire/program_layout.ts";
import type { ProgramSender, SendEvent, SendTo } from "./events.ts";
import { mayWant } from "./interest.ts";
import { append, hasRoom, lose, outboundOf } from "./outbound.ts";
import { handOut } from "./programs.ts";
import { answer, type Core, type Outbound, refuse } from "./state.ts";

/** A program sends a message. */
export function onSend(core: Core, event: SendEvent): void {
  const { askId, program, to, srvid, data } = event;
  const { own, self, peers } = core;
  if (own === undefined) return refuse(core, askId, "state", "the node is in no cluster yet");
  if (!core.programs.has(program)) {
    return refuse(core, askId, "not_found", `there is no program ${program}`);
  }
  if (data.length > PROGRAM_DATA_MAX) {
    const text = `a message has ${PROGRAM_DATA_MAX} bytes at most, this one ${data.length}`;
    return refuse(core, askId, "limit", text);
  }
  if (to !== self && !isGroup(to) && !peers.has(to)) {
    return refuse(core, askId, "not_found", `there is no node ${to}`);
  }
  const links = linksFor(core, to, srvid);
  const entries = entriesOf(core, event);
  const bytes = entries.length * PROGRAM_ENTRY_SIZE + data.length;
  const isFree = (link: Outbound) => hasRoom(core, link, entries.length, bytes);
  // Most often there is room, and no other list is made.
  const free = links.every(isFree) ? links : links.filter(isFree);
  if (!isGroup(to) && free.length < links.length) {
    return refuse(core, askId, "busy", "too much waits for that node: try again later");
  }
  const isHere = to === self || to === "all" || (to === "connected" && own.isMember);
  const isWantedHere = isHere && handOut(core, ownSender(core, own, program), srvid, data);
  if (free.length < links.length) {
    for (const link of links) if (!free.includes(link)) lose(core, link, program, srvid);
  }
  if (free.length > 0) { for (const entry of entries) append(core, free, entry); }
  core.counters.sent++;
  core.counters.copies += free.length;
  if (askId <= 0) return;
  const nodes = free.length + (isWantedHere ? 1 : 0);
  answer(core, askId, { type: "sent", nodes, full: links.length - free.length });
}

function isGroup(to: SendTo): to is "all" | "connected" {
  return to === "all" || to === "connected";
}

/** The queues of the other nodes that a message is for, where somebody may want it. */
function linksFor(core: Core, to: SendTo, srvid: bigint): Outbound[] {
  const links: Outbound[] = [];
  if (!isGroup(to)) {
    const peer = core.peers.get(to);
    if (peer !== undefined && mayWant(peer, srvid)) links.push(outboundOf(core, peer));
    return links;
  }
  for (const peer of core.peers.values()) {
    if (to === "connected" && !peer.isMember) continue;
    if (mayWant(peer, srvid)) links.push(outboundOf(core, peer));
  }
  return links;
}

/** A message as entries: one, or parts. */
function entriesOf(core: Core, { program, srvid, data }: SendEvent): ProgramEntry[] {
  const most = core.bodyMax - PROGRAM_ENTRY_SIZE;
  if (data.length <= most) return [{ kind: ENTRY.whole, srvid, program, value: 0, data }];
  const entries: ProgramEntry[] = [];
  for (let at = 0; at < data.length; at += most) {
    const isLast = at + most >= data.length;
    const kind = at === 0 ? ENTRY.first : isLast ? ENTRY.last : ENTRY.more;
    const value = at === 0 ? data.length : at;
    entries.push({ kind, srvid, program, value, data: data.subarray(at, at + most) });
  }
  return entries;
}

/** A program of this node as the sender. */
function ownSender(
  core: Core,
  { pnn, incarnation }: NonNullable<Core["own"]>,
  program: number,
): ProgramSender {
  const known = core.senders.get(program);
  if (known !== undefined) return known;
  const made = { nodeId: core.self, pnn, incarnation, program };
  core.senders.set(program, made);
  return made;
}
