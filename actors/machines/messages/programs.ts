/**
 * The programs of this node: who has which srvid, and what is handed to whom.
 *
 *   register ─▶ srvids ─▶ interest (others are told) ─▶ "registered"
 *   item ─▶ waiting ≤ limit ─▶ deliver ─▶ took
 *              └ more: all registrations end with "slow"; nobody else notices
 *
 * Does NOT promise: that a program which does not read is kept; it has registered in order to read.
 */
import { SRVID_ALL } from "../../../transport/wire/messages/program.ts";
import type { MessageEvent, ProgramItem, ProgramLook, ProgramSender } from "./events.ts";
import { itemBytes } from "./events.ts";
import { addInterest, dropInterest, endRegistering, waitUntilKnown } from "./interest.ts";
import { answer, type Core, type Program, refuse, wantTurn } from "./state.ts";
import { PROGRAMS_MAX, SRVIDS_MAX } from "./tunables.ts";

type Of<Type extends MessageEvent["type"]> = Extract<MessageEvent, { type: Type }>;

/** A program has come. */
export function onProgram(core: Core, { program, pid, uniqueId }: Of<"program">): void {
  if (program < 1 || core.programs.has(program)) return refuse(core, 0, "exists", "it is there");
  if (core.programs.size >= PROGRAMS_MAX) {
    return refuse(core, 0, "limit", `a node has ${PROGRAMS_MAX} programs at most`);
  }
  const none = { items: [], waiting: 0, waitingBytes: 0 };
  core.programs.set(program, { program, pid, uniqueId, srvids: new Set(), ...none });
}

/** A program has gone. */
export function onLeave(core: Core, { program }: Of<"leave">): void {
  const gone = core.programs.get(program);
  if (gone === undefined) return;
  endAll(core, gone);
  core.programs.delete(program);
  core.ready.delete(gone);
  core.senders.delete(program);
}

/** A program wants the messages of a srvid. */
export function onRegister(core: Core, { askId, program, srvid }: Of<"register">): void {
  const known = core.programs.get(program);
  if (known === undefined) {
    return refuse(core, askId, "not_found", `there is no program ${program}`);
  }
  if (2 * known.waiting > core.timing.programCount) {
    return refuse(core, askId, "busy", "it has not taken what waits for it: read first");
  }
  if (!known.srvids.has(srvid)) {
    if (known.srvids.size >= SRVIDS_MAX) {
      return refuse(core, askId, "limit", `a program has ${SRVIDS_MAX} srvids at most`);
    }
    known.srvids.add(srvid);
    const having = core.srvids.get(srvid);
    if (having === undefined) core.srvids.set(srvid, new Set([known]));
    else having.add(known);
    addInterest(core, srvid);
  }
  waitUntilKnown(core, askId, program, srvid);
}

/** A program does not want a srvid any more. */
export function onUnregister(core: Core, { askId, program, srvid }: Of<"unregister">): void {
  const known = core.programs.get(program);
  if (known === undefined || !known.srvids.has(srvid)) {
    return refuse(core, askId, "not_found", "it is not registered");
  }
  end(core, known, srvid);
  answer(core, askId, { type: "unregistered" });
}

/** A program has taken items. */
export function onTook(core: Core, { program, count, bytes }: Of<"took">): void {
  const known = core.programs.get(program);
  if (known === undefined) return;
  known.waiting = Math.max(0, known.waiting - count);
  known.waitingBytes = Math.max(0, known.waitingBytes - bytes);
}

/** Hands a message to all programs that have its srvid; false: nobody has. */
export function handOut(
  core: Core,
  from: ProgramSender,
  srvid: bigint,
  data: Uint8Array,
): boolean {
  const having = core.srvids.get(srvid);
  const all = srvid === SRVID_ALL ? undefined : core.srvids.get(SRVID_ALL);
  if (having === undefined && all === undefined) return false;
  const item: ProgramItem = { type: "message", from, srvid, data };
  if (having !== undefined) { for (const program of having) hand(core, program, item); }
  if (all === undefined) return true;
  // Who has both gets it once.
  for (const program of all) if (!program.srvids.has(srvid)) hand(core, program, item);
  return true;
}

/** Tells those who have a srvid that messages are missing; undefined: all who have any. */
export function handGap(
  core: Core,
  from: ProgramSender,
  srvid: bigint | undefined,
  count: number,
): void {
  const item: ProgramItem = { type: "gap", from, srvid, count };
  for (const program of core.programs.values()) {
    const isFor = srvid === undefined
      ? program.srvids.size > 0
      : program.srvids.has(srvid) || program.srvids.has(SRVID_ALL);
    if (isFor) hand(core, program, item);
  }
}

/** Tells all who have registered anything. */
export function handAll(core: Core, item: ProgramItem): void {
  for (const program of core.programs.values()) {
    if (program.srvids.size > 0) hand(core, program, item);
  }
}

/** How many programs are such. */
export function countHere(core: Core, { pid, uniqueId, srvid }: ProgramLook): number {
  let count = 0;
  for (const program of core.programs.values()) {
    const isSuch = (pid === undefined || program.pid === pid) &&
      (uniqueId === undefined || program.uniqueId === uniqueId) &&
      (srvid === undefined || program.srvids.has(srvid));
    if (isSuch) count++;
  }
  return count;
}

/** Hands over what has come in this turn. */
export function deliverReady(core: Core): void {
  for (const program of core.ready) {
    core.out.push({ type: "deliver", program: program.program, items: program.items });
    program.items = [];
  }
  core.ready.clear();
}

function hand(core: Core, program: Program, item: ProgramItem): void {
  const bytes = itemBytes(item);
  const { programCount, programBytes } = core.timing;
  // One that waits for nothing gets anything: a message may be larger than the bound.
  const isFull = program.waiting > 0 &&
    (program.waiting >= programCount || program.waitingBytes + bytes > programBytes);
  if (isFull) return endSlow(core, program);
  if (item.type === "message") core.counters.delivered++;
  put(core, program, item, bytes);
}

function put(core: Core, program: Program, item: ProgramItem, bytes: number): void {
  program.waiting++;
  program.waitingBytes += bytes;
  program.items.push(item);
  core.ready.add(program);
  wantTurn(core);
}

function endSlow(core: Core, program: Program): void {
  core.counters.slow++;
  endAll(core, program);
  const item: ProgramItem = { type: "ended", code: "slow" };
  put(core, program, item, itemBytes(item));
}

function endAll(core: Core, program: Program): void {
  for (const srvid of [...program.srvids]) end(core, program, srvid);
}

function end(core: Core, program: Program, srvid: bigint): void {
  program.srvids.delete(srvid);
  const having = core.srvids.get(srvid);
  having?.delete(program);
  if (having?.size === 0) core.srvids.delete(srvid);
  dropInterest(core, srvid);
  endRegistering(core, program.program, srvid);
}
