/**
 * A traverse: all records of the database, each once, while they move. At the node that asks.
 *
 *   slot after slot, a few at once:  LIST_ASK ─▶ page of keys ─▶ READ_ASK to each holder ─▶ values ─▶ next page
 *                                    moved, or holder unknown ─▶ LIST_ASK for those keys again
 *   the slot has a new home          ─▶ the slot begins anew, and keys that were seen are skipped
 *
 * A key belongs to one slot and is in its list as long as it exists, so what exists all the time is found; what was
 * seen in a slot is told once. The client takes so many records as it said it would; more are not read before it says
 * so. What is under way is bounded by its bytes, as far as the lengths of the last values tell: FETCH_BYTES.
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
import { hasPrefix, READ_BYTES } from "./list.ts";
import type { Asking, Life, RecordState } from "./state.ts";
import type { Waker } from "./timers.ts";

const NOTHING: readonly never[] = [];
/** Bytes of values that are asked for at once, about. */
const FETCH_BYTES = 8 << 20;
/** How long a value may be as long as nothing is known of them: some are asked for then, and no more. */
const LENGTH_FIRST = 1 << 20;
/** A key and its header count, too. */
const LENGTH_MIN = 64;

/** One slot of a traverse. */
export interface SlotWalk extends Asking {
  readonly slot: number;
  slotGen: Generation;
  /** Keys that were told; undefined: none. */
  seen: Set<Key> | undefined;
  after: Cursor | undefined;
  next: Cursor | undefined;
  /** The question of now, and the keys that it asks the home for. */
  askId: number;
  wished: readonly Key[];
  /** Is a page asked for? Otherwise its keys are. */
  isPaging: boolean;
  /** Keys of the page without a value yet, and where they are; undefined: that is asked for. */
  readonly open: Map<Key, { readonly holder: Life; readonly htid: Tid } | undefined>;
  /** Values that are asked for. */
  under: number;
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
  /** Values of all slots that are asked for, and how long they are, about. */
  under: number;
  length: number;
  /** Does a slot wait for room? */
  isParked: boolean;
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
    under: 0,
    length: isCount ? 0 : LENGTH_FIRST,
    isParked: false,
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
  goOn(state, run);
}

/** What waits for room has its turn; opens slots until enough are under way; ends when none is left. */
function goOn(state: RecordState, run: TraverseRun): void {
  if (run.isParked && roomOf(run) > 0) unpark(state, run);
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
      seen: undefined,
      after: undefined,
      next: undefined,
      askId: 0,
      wished: NOTHING,
      isPaging: true,
      open: new Map(),
      under: 0,
    };
    run.walks.set(slot, walk);
    ask(state, run, walk);
  }
  if (slots.length > 0 && run.nextSlot >= slots.length && run.walks.size === 0) {
    if (run.kept.length === 0) return end(state, run, true);
  }
  schedule(state, run);
}

function unpark(state: RecordState, run: TraverseRun): void {
  run.isParked = false;
  for (const walk of run.walks.values()) {
    if (walk.dueMs !== Infinity) continue;
    if (roomOf(run) > 0) ask(state, run, walk);
    else run.isParked = true;
  }
}

function park(run: TraverseRun, walk: SlotWalk): void {
  walk.dueMs = Infinity;
  run.isParked = true;
}

function schedule(state: RecordState, run: TraverseRun): void {
  let dueMs = run.deadlineMs;
  for (const walk of run.walks.values()) dueMs = Math.min(dueMs, walk.dueMs);
  state.timers.set(run, dueMs);
}

function end(state: RecordState, run: TraverseRun, isWhole: boolean): void {
  state.runs.delete(run.id);
  for (const { askId } of run.walks.values()) state.asked.delete(askId);
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
  if (state.runs.get(run.id) !== run) return;
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
    forgetAsked(run, walk);
    park(run, walk);
    return;
  }
  if (walk.dueMs === Infinity) walk.dueMs = state.nowMs + walk.waitMs;
  const { slot, slotGen, after } = walk;
  const home = homeLife(state, slot);
  state.asked.delete(walk.askId);
  state.askId += 1;
  walk.askId = state.askId;
  state.asked.set(walk.askId, { run, walk });
  walk.wished = walk.isPaging ? NOTHING : lostOf(walk).slice(0, RECORD_KEYS_MAX);
  if (walk.isPaging || walk.wished.length > 0) {
    if (home === undefined) return;
    const from = after === undefined ? {} : { after };
    const wish = { slot, slotGen, id: walk.askId, keys: walk.wished, ...from };
    const wishes = state.listWishes.get(home);
    if (wishes === undefined) state.listWishes.set(home, [wish]);
    else wishes.push(wish);
  }
  if (!walk.isPaging) askValues(state, run, walk);
}

function lostOf({ open }: SlotWalk): Key[] {
  const lost: Key[] = [];
  for (const [key, where] of open) if (where === undefined) lost.push(key);
  return lost;
}

/** Values that may be asked for now. */
function roomOf({ credit, kept, under, length }: TraverseRun): number {
  if (credit <= 0 || kept.length > 0) return 0;
  return Math.ceil(FETCH_BYTES / Math.max(length, LENGTH_MIN)) - under;
}

/** Nothing of this slot is asked for any more. */
function forgetAsked(run: TraverseRun, walk: SlotWalk): void {
  run.under -= walk.under;
  walk.under = 0;
}

/** Asks for values of this page, as many as there is room for; without any it waits until there is. */
function askValues(state: RecordState, run: TraverseRun, walk: SlotWalk): void {
  forgetAsked(run, walk);
  const byHolder = new Map<Life, { key: Key; htid: Tid }[]>();
  let room = run.isCount ? Infinity : roomOf(run);
  let isParked = false;
  for (const [key, where] of walk.open) {
    if (where === undefined) continue;
    if (room <= 0) {
      isParked = walk.under === 0;
      break;
    }
    room -= 1;
    walk.under += 1;
    const keys = byHolder.get(where.holder);
    if (keys === undefined) byHolder.set(where.holder, [{ key, htid: where.htid }]);
    else keys.push({ key, htid: where.htid });
  }
  run.under += walk.under;
  if (isParked) park(run, walk);
  for (const [holder, keys] of byHolder) {
    send(state, holder, { kind: "read_ask", id: walk.askId, isCount: run.isCount, keys });
  }
}

/** What is asked of a home about many slots goes in one message. */
export function sendListWishes(state: RecordState): void {
  for (const [home, wishes] of state.listWishes) send(state, home, { kind: "list_ask", wishes });
  state.listWishes.clear();
}

/** Pages, or where some keys are now. */
export function onList(state: RecordState, { pages }: List): void {
  const touched = new Set<TraverseRun>();
  for (const page of pages) {
    const asked = state.asked.get(page.id);
    if (asked === undefined || asked.walk.slotGen !== page.slotGen) continue;
    const { run, walk } = asked;
    touched.add(run);
    onPage(state, run, walk, page);
  }
  for (const run of touched) goOn(state, run);
}

function onPage(
  state: RecordState,
  run: TraverseRun,
  walk: SlotWalk,
  { entries, next }: Page,
): void {
  const isPage = walk.isPaging;
  if (!isPage) {
    // Keys that were asked for and are not listed exist no longer. Others may be lost since.
    const listed = new Set(entries.map(({ key }) => key));
    for (const key of walk.wished) {
      if (walk.open.get(key) === undefined && !listed.has(key)) walk.open.delete(key);
    }
  } else {
    walk.isPaging = false;
    walk.next = next;
  }
  for (const { key, holder, htid } of entries) {
    if (!hasPrefix(key, run.prefix)) continue;
    if (isPage && walk.seen?.has(key) === true && state.rules.skipsSeen()) continue;
    if (!isPage && !walk.open.has(key)) continue;
    const life = holder === undefined ? undefined : lifeOf(state, holder);
    walk.open.set(key, life === undefined ? undefined : { holder: life, htid });
  }
  walk.waitMs = state.timing.roundMs;
  step(state, run, walk);
}

/** What some records say. */
export function onRead(state: RecordState, { id, values }: Read): void {
  const asked = state.asked.get(id);
  if (asked === undefined) return;
  const { run, walk } = asked;
  let isMoved = false;
  let bytes = 0;
  for (const { key, moved, empty, data } of values) {
    if (walk.open.get(key) === undefined) continue;
    if (walk.under > 0) {
      walk.under -= 1;
      run.under -= 1;
    }
    if (moved) {
      walk.open.set(key, undefined);
      isMoved = true;
      continue;
    }
    walk.open.delete(key);
    walk.seen ??= new Set();
    walk.seen.add(key);
    bytes += data?.length ?? 0;
    if (empty) continue;
    if (run.credit > 0) tell(state, run, key, data);
    else run.kept.push({ key, data });
  }
  if (values.length > 0) noteLength(run, bytes / values.length);
  // Somebody who had too much to say at once may have put other slots off.
  for (const other of run.walks.values()) {
    other.waitMs = Math.min(other.waitMs, state.timing.roundMs);
  }
  if (walk.open.size === 0 || bytes >= READ_BYTES || walk.under === 0 && !isMoved) {
    step(state, run, walk);
  } else if (isMoved) walk.dueMs = Math.min(walk.dueMs, state.nowMs + state.timing.mutexMs);
  goOn(state, run);
}

/** Values have had this length, about. A longer one counts at once, shorter ones by and by. */
function noteLength(run: TraverseRun, length: number): void {
  run.length = Math.max(length, run.length === LENGTH_FIRST ? 0 : (3 * run.length + length) / 4);
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
  const isLost = walk.open.size > 0 && lostOf(walk).length > 0;
  forgetAsked(run, walk);
  if (walk.open.size === 0) {
    if (walk.next === undefined) {
      run.walks.delete(walk.slot);
      state.asked.delete(walk.askId);
      return;
    }
    walk.after = walk.next;
    walk.isPaging = true;
  }
  walk.waitMs = state.timing.roundMs;
  // Where the holder is not known yet, or was another, a moment is given.
  walk.dueMs = state.nowMs + walk.waitMs;
  if (!isLost || walk.open.size === 0) ask(state, run, walk);
  else if (!walk.isPaging) askValues(state, run, walk);
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
    forgetAsked(run, walk);
    // A late answer about the slot as it was must not end it as it is now.
    state.asked.delete(walk.askId);
    walk.slotGen = slotGen;
    walk.after = walk.next = undefined;
    walk.isPaging = true;
    walk.open.clear();
    walk.waitMs = state.timing.roundMs;
    walk.dueMs = state.nowMs + walk.waitMs;
    ask(state, run, walk);
  }
  goOn(state, run);
}
