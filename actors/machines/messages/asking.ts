/**
 * Who is where: does a process exist, on which nodes is a srvid registered.
 *
 *   count ─▶ msg_count_ask ─▶ one node, or all ─▶ msg_count ─▶ counts, and who did not answer in time
 *
 * Does NOT promise: that it is still so when the answer is read.
 */
import type { MsgCount, MsgCountAsk } from "../../../transport/wire/messages/program.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MessageEvent } from "./events.ts";
import { countHere } from "./programs.ts";
import { answer, type Ask, type Core, refuse, wakeBy } from "./state.ts";
import { ASKS_MAX } from "./tunables.ts";

/** A program asks. */
export function onCount(core: Core, event: Extract<MessageEvent, { type: "count" }>): void {
  const { askId, at, look, limitMs } = event;
  const { self, own, nowMs } = core;
  if (own === undefined) return refuse(core, askId, "state", "the node is in no cluster yet");
  if (at !== "all" && at !== self && !core.peers.has(at)) {
    return refuse(core, askId, "not_found", `there is no node ${at}`);
  }
  if (core.asks.size >= ASKS_MAX) return refuse(core, askId, "busy", "too many questions at once");
  const isHere = at === "all" || at === self;
  const counts = isHere ? [{ nodeId: self, count: countHere(core, look) }] : [];
  const open = new Set(at === "all" ? core.peers.keys() : at === self ? [] : [at]);
  const ask = core.nextAsk;
  core.nextAsk = ask === 0xffff_ffff ? 1 : ask + 1;
  const made: Ask = { ask, askId, at, look, endMs: nowMs + limitMs, dueMs: nowMs, open, counts };
  core.asks.set(ask, made);
  if (!isOver(core, made)) send(core, made);
}

function send(core: Core, ask: Ask): void {
  if (core.own === undefined) return;
  ask.dueMs = core.nowMs + core.timing.askAgainMs;
  wakeBy(core, Math.min(ask.dueMs, ask.endMs));
  const { incarnation } = core.own;
  const message = { kind: "msg_count_ask", incarnation, ask: ask.ask, ...ask.look } as const;
  // The first time to all at once, later to those who have not answered.
  const isFirst = ask.at === "all" && ask.counts.length === 1;
  if (isFirst) return void core.out.push({ type: "tell", to: "all", message });
  for (const to of ask.open) core.out.push({ type: "tell", to, message });
}

/** Another node asks. */
export function onCountAsk(core: Core, from: NodeId, { ask, ...look }: MsgCountAsk): void {
  if (core.own === undefined) return;
  const { incarnation } = core.own;
  const { pid, uniqueId, srvid } = look;
  const count = countHere(core, {
    ...pid === undefined ? {} : { pid },
    ...uniqueId === undefined ? {} : { uniqueId },
    ...srvid === undefined ? {} : { srvid },
  });
  core.out.push({
    type: "tell",
    to: from,
    message: { kind: "msg_count", incarnation, ask, count },
  });
}

/** Another node has answered. */
export function onCountAnswer(core: Core, from: NodeId, { ask, count }: MsgCount): void {
  const asked = core.asks.get(ask);
  if (asked === undefined || !asked.open.delete(from)) return;
  asked.counts.push({ nodeId: from, count });
  isOver(core, asked);
}

/** Answers a question whose answers are all there, or whose time is up. */
function isOver(core: Core, { ask, askId, endMs, open, counts }: Ask): boolean {
  if (open.size > 0 && core.nowMs < endMs) return false;
  core.asks.delete(ask);
  answer(core, askId, { type: "counted", counts, unheard: [...open] });
  return true;
}

/** Asks again, or ends; answers when the next is due. */
export function wakeAsks(core: Core): number {
  let next = Infinity;
  for (const ask of [...core.asks.values()]) {
    // Who has left does not answer.
    for (const node of ask.open) if (!core.peers.has(node)) ask.open.delete(node);
    if (isOver(core, ask)) continue;
    if (ask.dueMs <= core.nowMs) send(core, ask);
    next = Math.min(next, ask.dueMs, ask.endMs);
  }
  return next;
}
