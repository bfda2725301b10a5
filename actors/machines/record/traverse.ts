/**
 * A traverse: all records of the database, each once, while they move. At the node that asks.
 *
 *   slot after slot, a few at once:  LIST_ASK ─▶ page of keys ─▶ READ_ASK to each holder ─▶ values ─▶ next page
 *                                    moved, or holder unknown ─▶ LIST_ASK for those keys again
 *   the slot has a new home          ─▶ the slot begins anew, and keys that were seen are skipped
 *
 * A key belongs to one slot and is in its list as long as it exists, so what exists all the time is found; what was
 * seen in a slot is told once. The client takes so many records as it said it would; more are not read before it says
 * so.
 *
 * Does NOT promise: one moment for all; records that come or go meanwhile may be told or not.
 */
import { RECORD_KEYS_MAX } from "../../../transport/wire/messages/record_parts.ts";
import type { List, Page, Read } from "../../../transport/wire/messages/record.ts";
import type { Cursor, Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import type { Key } from "./copy.ts";
import type { RecordEvent } from "./events.ts";
import { askLater, effect, homeLife, lifeOf, newAsking, send } from "./keys.ts";
import { hasPrefix } from "./list.ts";
import type { Asking, Life, RecordState } from "./state.ts";
import type { Waker } from "./timers.ts";

/** One slot of a traverse. */
export interface SlotWalk extends Asking {
  readonly slot: number;
  slotGen: Generation;
  readonly seen: Set<Key>;
  after: Cursor | undefined;
  next: Cursor | undefined;
  /** The question of now. */
  askId: number;
  /** Is a page asked for? Otherwise its keys are. */
  isPaging: boolean;
  /** Keys of the page without a value yet, and where they are; undefined: that is asked for. */
  readonly open: Map<Key, { readonly holder: Life; readonly htid: Tid } | undefined>;
}

/** A traverse under way. */
export interface TraverseRun extends Waker {
  readonly sort: "run";
  readonly id: number;
  readonly client: number;
  readonly prefix: Key;
  readonly isCount: boolean;
  readonly deadlineMs: number;
  credit: number;
  nextSlot: number;
  told: number;
  readonly walks: Map<number, SlotWalk>;
  /** Values that came when the client had no room. */
  readonly kept: { readonly key: Key; readonly data: Uint8Array | undefined }[];
}

/** A client wants all records. */
export function onTraverse(
  state: RecordState,
  event: Extract<RecordEvent, { readonly kind: "traverse" }>,
): void {
  const { id, client, prefix, isCount, credit, deadlineMs } = event;
  const run: TraverseRun = {
    sort: "run",
    wakeMs: Infinity,
    ...{ id, client, prefix, isCount, deadlineMs },
    credit: isCount ? Infinity : credit,
    nextSlot: 0,
    told: 0,
    walks: new Map(),
    kept: [],
  };
  state.runs.set(id, run);
  goOn(state, run);
}

/** The client takes more. */
export function onMore(state: RecordState, id: number, credit: number): void {
  const run = state.runs.get(id);
  if (run === undefined) return;
  run.credit += credit;
  while (run.credit > 0 && run.kept.length > 0) {
    const one = run.kept.shift();
    if (one !== undefined) tell(state, run, one.key, one.data);
  }
  for (const walk of run.walks.values()) {
    if (walk.dueMs === Infinity) ask(state, run, walk);
  }
  goOn(state, run);
}

/** Opens slots until enough are under way; ends when none is left. */
function goOn(state: RecordState, run: TraverseRun): void {
  const { slots } = state;
  // Many at once: what is asked of one home goes in one message.
  const { slotWindow } = state.timing;
  const isRoom = run.walks.size <= slotWindow / 2 && run.kept.length === 0;
  while (isRoom && run.nextSlot < slots.length && run.walks.size < slotWindow) {
    const slot = run.nextSlot;
    run.nextSlot += 1;
    const walk: SlotWalk = {
      ...newAsking(state, state.timing.roundMs),
      slot,
      slotGen: slots[slot]?.slotGen ?? 0n as Generation,
      seen: new Set(),
      after: undefined,
      next: undefined,
      askId: 0,
      isPaging: true,
      open: new Map(),
    };
    run.walks.set(slot, walk);
    ask(state, run, walk);
  }
  if (slots.length > 0 && run.nextSlot >= slots.length && run.walks.size === 0) {
    if (run.kept.length === 0) return end(state, run, true);
  }
  schedule(state, run);
}

function schedule(state: RecordState, run: TraverseRun): void {
  let dueMs = run.deadlineMs;
  for (const walk of run.walks.values()) dueMs = Math.min(dueMs, walk.dueMs);
  state.timers.set(run, dueMs);
}

function end(state: RecordState, run: TraverseRun, isWhole: boolean): void {
  state.runs.delete(run.id);
  state.timers.set(run, Infinity);
  const outcome = isWhole ? "ok" : "failed";
  effect(state, { kind: "traversed", id: run.id, outcome, count: run.told });
}

/** A traverse ends before its end. */
export function stopRun(state: RecordState, id: number): void {
  const run = state.runs.get(id);
  if (run !== undefined) end(state, run, false);
}

/** Something is due again. */
export function onRunDue(state: RecordState, run: TraverseRun): void {
  if (state.nowMs >= run.deadlineMs) return end(state, run, false);
  for (const walk of run.walks.values()) {
    if (walk.dueMs > state.nowMs) continue;
    askLater(state, walk, state.timing.roundMaxMs);
    ask(state, run, walk);
  }
  goOn(state, run);
}

/** Asks for what a slot needs next: a page, or the keys of this page. */
function ask(state: RecordState, run: TraverseRun, walk: SlotWalk): void {
  if (run.credit <= 0 || run.kept.length > 0) {
    walk.dueMs = Infinity;
    return;
  }
  if (walk.dueMs === Infinity) walk.dueMs = state.nowMs + walk.waitMs;
  const { slot, slotGen, after } = walk;
  const home = homeLife(state, slot);
  state.askId += 1;
  walk.askId = state.askId;
  const id = walk.askId;
  const lost = [...walk.open].flatMap(([key, where]) => where === undefined ? [key] : []);
  if (walk.isPaging || lost.length > 0) {
    if (home === undefined) return;
    const from = after === undefined ? {} : { after };
    const keys = walk.isPaging ? [] : lost.slice(0, RECORD_KEYS_MAX);
    const wish = { slot, slotGen, id, keys, ...from };
    const wishes = state.listWishes.get(home);
    if (wishes === undefined) state.listWishes.set(home, [wish]);
    else wishes.push(wish);
  }
  if (!walk.isPaging) askValues(state, run, walk);
}

function askValues(state: RecordState, run: TraverseRun, walk: SlotWalk): void {
  const byHolder = new Map<Life, { key: Key; htid: Tid }[]>();
  for (const [key, where] of walk.open) {
    if (where === undefined) continue;
    const keys = byHolder.get(where.holder);
    if (keys === undefined) byHolder.set(where.holder, [{ key, htid: where.htid }]);
    else keys.push({ key, htid: where.htid });
  }
  for (const [holder, keys] of byHolder) {
    send(state, holder, { kind: "read_ask", id: walk.askId, isCount: run.isCount, keys });
  }
}

function walkOf(state: RecordState, id: number): [TraverseRun, SlotWalk] | undefined {
  for (const run of state.runs.values()) {
    for (const walk of run.walks.values()) if (walk.askId === id) return [run, walk];
  }
  return undefined;
}

/** What is asked of a home about many slots goes in one message. */
export function sendListWishes(state: RecordState): void {
  for (const [home, wishes] of state.listWishes) send(state, home, { kind: "list_ask", wishes });
  state.listWishes.clear();
}

/** Pages, or where some keys are now. */
export function onList(state: RecordState, { pages }: List): void {
  for (const page of pages) onPage(state, page);
}

function onPage(state: RecordState, { id, entries, next, slotGen }: Page): void {
  const found = walkOf(state, id);
  if (found === undefined) return;
  const [run, walk] = found;
  if (walk.slotGen !== slotGen) return;
  const isPage = walk.isPaging;
  if (!isPage) {
    // Keys that were asked for and are not listed exist no longer.
    for (const [key, where] of [...walk.open]) {
      if (where === undefined && !entries.some((entry) => entry.key === key)) walk.open.delete(key);
    }
  } else {
    walk.isPaging = false;
    walk.next = next;
  }
  for (const { key, holder, htid } of entries) {
    if (!hasPrefix(key, run.prefix)) continue;
    if (isPage && walk.seen.has(key) && state.rules.skipsSeen()) continue;
    if (!isPage && !walk.open.has(key)) continue;
    const life = holder === undefined ? undefined : lifeOf(state, holder);
    walk.open.set(key, life === undefined ? undefined : { holder: life, htid });
  }
  walk.waitMs = state.timing.roundMs;
  step(state, run, walk);
}

/** What some records say. */
export function onRead(state: RecordState, { id, values }: Read): void {
  const found = walkOf(state, id);
  if (found === undefined) return;
  const [run, walk] = found;
  let isMoved = false;
  for (const { key, moved, empty, data } of values) {
    if (walk.open.get(key) === undefined) continue;
    if (moved) {
      walk.open.set(key, undefined);
      isMoved = true;
      continue;
    }
    walk.open.delete(key);
    walk.seen.add(key);
    if (empty) continue;
    if (run.credit > 0) tell(state, run, key, data);
    else run.kept.push({ key, data });
  }
  if (walk.open.size === 0) step(state, run, walk);
  else if (isMoved) walk.dueMs = Math.min(walk.dueMs, state.nowMs + state.timing.mutexMs);
  schedule(state, run);
}

function tell(
  state: RecordState,
  run: TraverseRun,
  key: Key,
  data: Uint8Array | undefined,
): void {
  run.credit -= 1;
  run.told += 1;
  if (run.isCount) return;
  effect(state, { kind: "record", id: run.id, key, data });
}

/** The next step of a slot: values of this page, the next page, the end. */
function step(state: RecordState, run: TraverseRun, walk: SlotWalk): void {
  const isLost = [...walk.open.values()].includes(undefined);
  if (walk.open.size === 0) {
    if (walk.next === undefined) {
      run.walks.delete(walk.slot);
      return goOn(state, run);
    }
    walk.after = walk.next;
    walk.isPaging = true;
  }
  walk.waitMs = state.timing.roundMs;
  // Where the holder is not known yet, or was another, a moment is given.
  walk.dueMs = state.nowMs + walk.waitMs;
  if (!isLost || walk.open.size === 0) ask(state, run, walk);
  else if (!walk.isPaging) askValues(state, run, walk);
  schedule(state, run);
}

/** A newer view: slots that have a new home begin anew. */
export function walkAnew(state: RecordState, run: TraverseRun): void {
  for (const walk of run.walks.values()) {
    const slotGen = state.slots[walk.slot]?.slotGen;
    if (slotGen === undefined || slotGen === walk.slotGen) {
      for (const [key, where] of walk.open) {
        if (where !== undefined && lifeOf(state, where.holder) === undefined) {
          walk.open.set(key, undefined);
        }
      }
      continue;
    }
    walk.slotGen = slotGen;
    walk.after = undefined;
    walk.next = undefined;
    walk.isPaging = true;
    walk.open.clear();
    walk.waitMs = state.timing.roundMs;
    walk.dueMs = state.nowMs + walk.waitMs;
    ask(state, run, walk);
  }
  goOn(state, run);
}
