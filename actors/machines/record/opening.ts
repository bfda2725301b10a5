/**
 * A new home opens its slot: it takes the table of the home before, or makes one of what all members have.
 *
 *   the home before is a member ─▶ TABLE_ASK ─▶ TABLE, in parts ─▶ open ─▶ TABLE_DONE
 *                                            └▶ NO_TABLE ─▶ rebuild
 *   it is gone                  ─▶ REPORT_ASK to all, in this view ─▶ REPORT, in parts, of each ─▶ open
 *
 * A newer view begins a rebuild anew. Until the slot is open, everything about it is dropped; it is repeated.
 *
 * Does NOT promise: to end while a member is silent.
 */
import type { NoTable, Report, Table } from "../../../transport/wire/messages/record.ts";
import type { SlotName, TableEntry } from "../../../transport/wire/messages/record_parts.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import { lookAtBacklog, queryLater } from "./backlog.ts";
import { isNewer } from "./copy.ts";
import { drive, nameLife, newEntry, newTid, next } from "./home.ts";
import { isOfCopy, unite } from "./held.ts";
import { askLater, breach, count, isIn, lifeOf, newAsking, send } from "./keys.ts";
import { collect } from "./parts.ts";
import { noteOpened, noteRecovering, review } from "./progress.ts";
import { settleHolder } from "./query.ts";
import type { Home, Life, RecordState } from "./state.ts";
import { NEVER } from "./state.ts";

/** Makes this node the home of a slot, closed. */
export function startHome(state: RecordState, slot: number): void {
  const named = state.slots[slot];
  if (named === undefined) return;
  const home: Home = {
    sort: "home",
    wakeMs: NEVER,
    slot,
    slotGen: named.slotGen,
    isOpen: false,
    seq: 0,
    table: new Map(),
    opening: undefined,
  };
  state.homes[slot] = home;
  state.closed.add(home);
  startOpening(state, home);
}

/** Asks for what makes the table. */
export function startOpening(state: RecordState, home: Home): void {
  const { from } = state.slots[home.slot] ?? {};
  const before = from === undefined ? undefined : lifeOf(state, from);
  const isTable = before !== undefined && from !== undefined;
  home.opening = {
    ...newAsking(state, state.timing.roundMs),
    way: isTable ? "table" : "rebuild",
    need: isTable ? new Set([before]) : new Set(state.members.values()),
    fromGen: isTable ? from.slotGen : 0n as Generation,
    best: new Map(),
    held: new Map(),
  };
  askOpening(state, home);
}

function rebuild(state: RecordState, home: Home): void {
  count(state, "rebuilds");
  home.opening = {
    ...newAsking(state, state.timing.roundMs),
    way: "rebuild",
    need: new Set(state.members.values()),
    fromGen: 0n as Generation,
    best: new Map(),
    held: new Map(),
  };
  askOpening(state, home);
}

/** A view that does not touch the slot: a rebuild begins anew, a home before that left has no table. */
export function reviewOpening(state: RecordState, home: Home): void {
  const { opening } = home;
  if (opening === undefined) return;
  if (opening.way === "rebuild" && !state.rules.restartsRebuild()) {
    for (const life of opening.need) if (!isIn(state, life)) opening.need.delete(life);
    return finishIfWhole(state, home);
  }
  startOpening(state, home);
}

function askOpening(state: RecordState, home: Home): void {
  const { opening, slot, slotGen } = home;
  if (opening === undefined) return;
  state.timers.set(home, opening.dueMs);
  for (const life of opening.need) {
    if (opening.way === "table") {
      add(state.wishes, life, { slot, slotGen, fromGen: opening.fromGen });
    } else add(state.reportWishes, life, { slot, slotGen });
  }
}

function add<Item>(wishes: Map<Life, Item[]>, life: Life, item: Item): void {
  const known = wishes.get(life);
  if (known === undefined) wishes.set(life, [item]);
  else known.push(item);
}

/** What is asked of a peer about many slots goes in one message. */
export function sendWishes(state: RecordState): void {
  for (const [life, wishes] of state.wishes) send(state, life, { kind: "table_ask", wishes });
  state.wishes.clear();
  const { generation } = state;
  for (const [life, slots] of state.reportWishes) {
    send(state, life, { kind: "report_ask", generation, slots });
  }
  state.reportWishes.clear();
}

/** It is due again. */
export function onOpeningDue(state: RecordState, home: Home): void {
  const { opening } = home;
  if (opening === undefined || state.homes[home.slot] !== home) return;
  if (opening.dueMs > state.nowMs) return state.timers.set(home, opening.dueMs);
  askLater(state, opening, state.timing.roundMaxMs);
  askOpening(state, home);
}

/** The home before has no table: it never had it whole. */
export function onNoTable(state: RecordState, from: Life, { slots }: NoTable): void {
  for (const name of slots) {
    const home = openingOf(state, name, "table");
    if (home?.opening?.need.has(from) === true) rebuild(state, home);
  }
}

function openingOf(
  state: RecordState,
  { slot, slotGen }: SlotName,
  way: "table" | "rebuild",
): Home | undefined {
  const home = state.homes[slot];
  if (home === undefined || !state.rules.isSameSlotGen(home.slotGen, slotGen)) return undefined;
  return home.opening?.way === way ? home : undefined;
}

/** A part of some tables. */
export function onTable(state: RecordState, from: Life, message: Table): void {
  const isWanted = message.slots.some((name) =>
    openingOf(state, name, "table")?.opening?.need.has(from) === true
  );
  const parts = isWanted ? collect(state, from, message) : undefined;
  const homes = new Map<number, Home>();
  if (parts !== undefined) {
    for (const name of message.slots) {
      const home = openingOf(state, name, "table");
      if (home?.opening?.need.has(from) === true) homes.set(home.slot, home);
    }
  }
  for (const home of homes.values()) open(state, home);
  for (const part of parts ?? []) {
    for (const entry of part.entries) {
      const home = homes.get(entry.slot);
      if (home !== undefined) takeEntry(state, home, entry);
    }
  }
  review(state);
  lookAtBacklog(state);
  // Also for tables that are here already: that was not heard.
  const slots = message.slots.filter(({ slot, slotGen }) => {
    const home = state.homes[slot];
    return home?.slotGen === slotGen && home.isOpen;
  });
  if (slots.length > 0) send(state, from, { kind: "table_done", slots });
}

function open(state: RecordState, home: Home): void {
  if (home.isOpen) breach(state, "I10", `slot ${home.slot} opens twice`);
  home.isOpen = true;
  state.closed.delete(home);
  if (home.opening !== undefined) noteOpened(state, home.opening);
  home.opening = undefined;
  state.timers.set(home, NEVER);
  count(state, "opened");
}

/** Takes over what the home before knew of a key. */
function takeEntry(state: RecordState, home: Home, told: TableEntry): void {
  const { key, holder, htid, phase, pend, queue } = told;
  // A life that is no member is still named, so that the key is asked for.
  const nameOf = (life: Life) => lifeOf(state, life) ?? life;
  const entry = newEntry(home, key);
  entry.held = told.held?.slice();
  for (const { of, rid } of queue) {
    const life = lifeOf(state, of);
    if (life === undefined) continue;
    entry.queue.push({ of: life, rid });
    nameLife(state, life, entry);
  }
  if (holder !== undefined) {
    entry.holder = nameOf(holder);
    entry.htid = htid;
    nameLife(state, entry.holder, entry);
  }
  const taker = pend === undefined ? undefined : nameOf(pend.to);
  const isLost = (entry.holder !== undefined && !isIn(state, entry.holder)) ||
    (taker !== undefined && !isIn(state, taker));
  if (phase === "query" || phase === "purge2" || (isLost && state.rules.queriesAfterLoss())) {
    noteRecovering(state, entry);
    return queryLater(state, entry);
  }
  if (pend === undefined || taker === undefined) return next(state, entry);
  const tid = state.rules.renumbersPending() ? newTid(home) : htid;
  entry.pend = {
    ...newAsking(state, state.timing.retryMs),
    ...{ tid, to: taker, rid: pend.rid, empty: pend.empty },
  };
  nameLife(state, taker, entry);
  drive(state, entry);
}

/** A part of what a member has. It counts when all parts are there. */
export function onReport(state: RecordState, from: Life, message: Report): void {
  if (!state.rules.isAnswerOfNow(state.generation, message.generation)) return;
  const isWanted = message.slots.some((name) =>
    openingOf(state, name, "rebuild")?.opening?.need.has(from) === true
  );
  if (!isWanted) return;
  const parts = collect(state, from, message);
  if (parts === undefined) return;
  const homes = new Map<number, Home>();
  for (const name of message.slots) {
    const home = openingOf(state, name, "rebuild");
    if (home?.opening?.need.delete(from) === true) homes.set(home.slot, home);
  }
  for (const part of parts) {
    for (const { key, slot, stand } of part.stands) {
      const opening = homes.get(slot)?.opening;
      if (opening === undefined) continue;
      const { best } = opening;
      const known = best.get(key);
      const held = unite(state, opening.held.get(key), stand.held);
      if (held !== undefined) opening.held.set(key, held);
      if (!isOfCopy(stand)) continue;
      if (known?.stand.owner === true && stand.owner) {
        const other = isNewer(stand, known.stand, state.rules) ? known.of : from;
        breach(state, "I6", `two owners of one key in slot ${slot}`, other);
      }
      if (known === undefined || isNewer(stand, known.stand, state.rules)) {
        best.set(key, { stand, of: from });
      }
    }
  }
  for (const home of homes.values()) finishIfWhole(state, home);
}

function finishIfWhole(state: RecordState, home: Home): void {
  const { opening } = home;
  if (opening === undefined || opening.need.size > 0) return;
  open(state, home);
  for (const key of new Set([...opening.best.keys(), ...opening.held.keys()])) {
    const entry = newEntry(home, key);
    entry.held = opening.held.get(key);
    settleHolder(state, entry, opening.best.get(key));
  }
  review(state);
}
