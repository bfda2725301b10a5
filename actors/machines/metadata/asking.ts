/**
 * Reading and writing scopes that this node is not interested in: the leader, or another node that is, does it.
 *
 *   read, write ──▶ md_read, md_write ──▶ somebody who has the scope ──▶ md_read_answer (parts), md_write_answer
 *                       no answer within askLimitMs: "timeout"; a write may have been done then
 *
 * Does NOT promise: that what was read is still so.
 */
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import { META_READ_PARTS_MAX } from "../../../transport/wire/limits.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MetadataAnswer, ReadEvent } from "./event.ts";
import { type Ask, type Core, isWarm, send, type Writing } from "./core.ts";
import type { MdRead, MdReadAnswer, MdWrite, MdWriteAnswer } from "./message.ts";
import type { Scope } from "./record.ts";
import { doneKey, finish, onWrite, portionsOf, refusalOf } from "./writing.ts";

/** Questions to other nodes at a time; more are refused. */
export const ASKS_MAX = 1024;

/** Answers a read of this node from its own table, or asks for it. */
export function onRead(core: Core, { askId, scope: name, prefix, at }: ReadEvent): void {
  const scope = core.scopes.get(name);
  if (isWarm(scope)) {
    const records = visible(scope.table.records(), prefix);
    answer(core, askId, { type: "read", records });
    return;
  }
  const to = at ?? core.leader;
  const number = open(core, "read", askId, to);
  if (number === undefined || to === undefined) return;
  send(core, to, { kind: "md_read", askId: number, scope: name, prefix });
}

/** Asks the leader to write for this node. */
export function askWrite(core: Core, writing: Writing): void {
  const { scope, key, value, wallMs, by } = writing;
  const to = core.leader;
  const number = open(core, "write", writing.askId, to);
  if (number === undefined || to === undefined) return;
  send(core, to, { kind: "md_write", askId: number, scope, key, value, wallMs, by });
}

/** Opens a question; undefined: it cannot be asked, which is answered. */
function open(
  core: Core,
  type: Ask["type"],
  askId: number,
  to: NodeId | undefined,
): number | undefined {
  if (to === undefined || to === core.self) {
    refuse(core, askId, "state", "nobody is known who has the scope");
    return undefined;
  }
  if (core.asks.size >= ASKS_MAX) {
    refuse(core, askId, "busy", `${ASKS_MAX} questions are open already`);
    return undefined;
  }
  const number = core.nextAsk;
  core.nextAsk = (core.nextAsk + 1) >>> 0;
  const endMs = core.nowMs + core.timing.askLimitMs;
  core.asks.set(number, { type, askId, endMs, parts: new Map() });
  return number;
}

/** Another node reads here. */
export function onMdRead(core: Core, from: NodeId, { askId, scope: name, prefix }: MdRead): void {
  const kind = "md_read_answer" as const;
  const scope = core.scopes.get(name);
  if (!isWarm(scope)) {
    send(core, from, { kind, askId, code: "state", part: 0, parts: 1, records: [] });
    return;
  }
  const portions = portionsOf(visible(scope.table.records(), prefix));
  if (portions.length === 0) portions.push([]);
  const parts = portions.length;
  portions.forEach((records, part) => send(core, from, { kind, askId, part, parts, records }));
}

/** Another node wants something written that it may not write itself. */
export function onMdWrite(core: Core, from: NodeId, message: MdWrite): void {
  const known = core.done.get(doneKey(from, message.askId));
  if (known !== undefined) return send(core, from, known);
  const writing: Writing = { ...message, type: "write", asker: from };
  const refusal = refusalOf(writing);
  if (refusal !== undefined) return finish(core, writing, refusal);
  const scope = core.scopes.get(message.scope);
  if (scope === undefined) {
    return finish(core, writing, { type: "refused", code: "state", text: "not interested" });
  }
  // A repeated question must not wait here twice.
  const waits = (other: Writing): boolean => other.asker === from && other.askId === writing.askId;
  if (core.held.some(waits) || scope.waiting.some((one) => waits(one.writing))) return;
  onWrite(core, scope, writing);
}

/** A part of what was asked for has come. */
export function onMdReadAnswer(core: Core, message: MdReadAnswer): void {
  const ask = core.asks.get(message.askId);
  if (ask?.type !== "read") return;
  const { code, part, parts, records } = message;
  if (code !== undefined) {
    core.asks.delete(message.askId);
    return refuse(core, ask.askId, code, "the node that was asked does not have the scope");
  }
  if (parts > META_READ_PARTS_MAX || part >= parts) return;
  ask.parts.set(part, records);
  if (ask.parts.size < parts) return;
  core.asks.delete(message.askId);
  const all: MetaRecord[] = [];
  for (let index = 0; index < parts; index++) all.push(...ask.parts.get(index) ?? []);
  answer(core, ask.askId, { type: "read", records: all });
}

/** The leader has written, or not. */
export function onMdWriteAnswer(core: Core, { askId, code, c }: MdWriteAnswer): void {
  const ask = core.asks.get(askId);
  if (ask?.type !== "write") return;
  core.asks.delete(askId);
  if (code !== undefined) return refuse(core, ask.askId, code, "the leader refused");
  answer(core, ask.askId, { type: "written", c });
}

/** Ends questions, and writes that wait for a scope, whose time is over. */
export function endLate(core: Core): void {
  for (const [number, ask] of core.asks) {
    if (ask.endMs > core.nowMs) continue;
    core.asks.delete(number);
    const may = ask.type === "write" ? "; it may have been written" : "";
    refuse(core, ask.askId, "timeout", `no answer within ${core.timing.askLimitMs} ms${may}`);
  }
  for (const scope of core.scopes.values()) {
    const late = scope.waiting.filter(({ endMs }) => endMs <= core.nowMs);
    if (late.length === 0) continue;
    scope.waiting = scope.waiting.filter(({ endMs }) => endMs > core.nowMs);
    const text = "nobody who has the scope answered; nothing was written";
    for (const { writing } of late) {
      finish(core, writing, { type: "refused", code: "timeout", text });
    }
  }
}

/** Records that are not tombstones, of keys with a prefix, in the order of their keys. */
export function visible(records: Iterable<MetaRecord>, prefix: string): MetaRecord[] {
  const found: MetaRecord[] = [];
  for (const record of records) {
    if (record.value !== null && record.key.startsWith(prefix)) found.push(record);
  }
  return found.sort((one, other) => one.key < other.key ? -1 : 1);
}

function refuse(core: Core, askId: number, code: ErrorCode, text: string): void {
  answer(core, askId, { type: "refused", code, text });
}

function answer(core: Core, askId: number, what: MetadataAnswer): void {
  core.out.push({ type: "answer", askId, answer: what });
}

/** Ends the writes that wait for a scope that is dropped. */
export function endWaiting(
  core: Core,
  scope: { waiting: readonly { writing: Writing }[] },
  name: Scope,
): void {
  for (const { writing } of scope.waiting) {
    const text = `this node is no longer interested in ${name}`;
    finish(core, writing, { type: "refused", code: "state", text });
  }
}
