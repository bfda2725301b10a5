/**
 * Writes of this node: a stamp, a record, one publication.
 *
 *   write ──▶ not interested: the leader is asked to write it
 *         ──▶ cold: waits    ──▶ no stamp on disk: waits for the reserve
 *         ──▶ ++lamport, put, answer ──▶ published now, or (slow) with the others of its scope once in slowMs
 *
 * Does NOT promise: that a write survives its node's death in the next second; what must, is no free metadata.
 */
import { META_BODY_MAX, META_RECORDS_MAX } from "../../../transport/wire/limits.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MetadataAnswer } from "./event.ts";
import { type Core, isWarm, type ScopeState, send, type Writing } from "./core.ts";
import { nextStamp, reserveAhead } from "./lamport.ts";
import { CLUSTER_SCOPE, faultOf, isNewer, SCOPE_RECORDS_MAX, sizeOf } from "./record.ts";
import { put } from "./taking.ts";

/** Writes that wait in one place; more are refused. */
export const WAITING_MAX = 1024;
/** Answers to other nodes' writes that are remembered, so that a repeated question is not a new write. */
export const DONE_MAX = 4096;

/** Does a write, or has it wait. The scope is one of this node. */
export function onWrite(core: Core, scope: ScopeState, writing: Writing): void {
  if (!isWarm(scope)) {
    if (scope.waiting.length >= WAITING_MAX) return busy(core, writing);
    scope.waiting.push({ writing, endMs: core.nowMs + core.timing.askLimitMs });
    return;
  }
  const held = scope.table.get(writing.key);
  if (held === undefined && scope.table.count >= SCOPE_RECORDS_MAX) {
    const text = `scope ${scope.scope} has SCOPE_RECORDS_MAX (${SCOPE_RECORDS_MAX}) records`;
    return finish(core, writing, { type: "refused", code: "limit", text });
  }
  const c = nextStamp(core);
  if (c === undefined) {
    if (core.held.length >= WAITING_MAX) return busy(core, writing);
    core.held.push(writing);
    return reserveAhead(core);
  }
  const { key, value, wallMs, by } = writing;
  const record: MetaRecord = { scope: scope.scope, key, value, c, w: core.self, wallMs, by };
  if (held !== undefined && !isNewer(record, held)) {
    const text = `${scope.scope} ${key}: the own stamp ${c} is not above ${held.c} of ${held.w}`;
    core.out.push({ type: "fault", assert: "V9", text });
    return;
  }
  put(core, scope, record);
  if (scope.phase === "alone") scope.aloneKeys.add(key);
  reserveAhead(core);
  finish(core, writing, { type: "written", c });
  if (writing.isSlow === true || scope.scope === CLUSTER_SCOPE) {
    scope.unsent.set(key, record);
    sendSlow(core, scope);
  } else {
    scope.unsent.delete(key);
    publish(core, scope, [record]);
  }
}

/** What is wrong with a write, as an answer; undefined: nothing. */
export function refusalOf(writing: Writing): MetadataAnswer | undefined {
  const fault = faultOf(writing.scope, writing.key, writing.value);
  if (fault === undefined) return undefined;
  return { type: "refused", code: "limit", text: `Cannot write metadata: ${fault}` };
}

function busy(core: Core, writing: Writing): void {
  const text = `${WAITING_MAX} writes wait already`;
  finish(core, writing, { type: "refused", code: "busy", text });
}

/** Tells who wanted a write what became of it. */
export function finish(core: Core, writing: Writing, answer: MetadataAnswer): void {
  const { askId, asker } = writing;
  if (askId === 0 && asker === undefined) return;
  if (asker === undefined) {
    core.out.push({ type: "answer", askId, answer });
    return;
  }
  const c = answer.type === "written" ? answer.c : 0n;
  const code = answer.type === "refused" ? { code: answer.code } : {};
  const message = { kind: "md_write_answer", askId, c, ...code } as const;
  if (core.done.size >= DONE_MAX) {
    for (const [oldest] of core.done) {
      core.done.delete(oldest);
      break;
    }
  }
  core.done.set(doneKey(asker, askId), message);
  send(core, asker, message);
}

/** Under which name the answer to another node's question is remembered. */
export function doneKey(asker: NodeId, askId: number): string {
  return `${asker}/${askId}`;
}

/** Sends the slow changes of a scope, unless the last ones went a moment ago. */
export function sendSlow(core: Core, scope: ScopeState, atOnce = false): void {
  if (scope.unsent.size === 0 || !isWarm(scope)) return;
  if (!atOnce && core.nowMs < scope.sentMs + core.timing.slowMs) return;
  scope.sentMs = core.nowMs;
  const records = [...scope.unsent.values()];
  scope.unsent.clear();
  publish(core, scope, records);
}

/** Tells the interested, in as few messages as will do. A scope of this node alone is told to nobody. */
export function publish(core: Core, scope: ScopeState, records: readonly MetaRecord[]): void {
  if (scope.interested.length <= 1) return;
  for (const part of portionsOf(records)) {
    const message = { kind: "md_publish", records: part } as const;
    core.out.push({ type: "publish", scope: scope.scope, message });
  }
}

/** Records in portions that fit into a message each. */
export function portionsOf(records: readonly MetaRecord[]): MetaRecord[][] {
  const portions: MetaRecord[][] = [];
  let portion: MetaRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = sizeOf(record);
    if (portion.length === META_RECORDS_MAX || bytes + size > META_BODY_MAX - 4096) {
      portions.push(portion);
      portion = [];
      bytes = 0;
    }
    portion.push(record);
    bytes += size;
  }
  if (portion.length > 0) portions.push(portion);
  return portions;
}
