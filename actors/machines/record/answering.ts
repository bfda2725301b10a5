/**
 * What a member answers to new homes: the tables that it had, and the copies that it has.
 *
 * A table that another home is to have is kept as it was when the slot left, until that home has it or the slot goes on
 * to a third. Who answers NO_TABLE has the newer view already, so it can never open the slot any more.
 *
 * Does NOT promise: one moment for all copies of a report: who reads the answers knows.
 */
import type {
  Report,
  ReportAsk,
  Table,
  TableAsk,
  TableDone,
  TableKept,
} from "../../../transport/wire/messages/record.ts";
import type { SlotName, TableEntry } from "../../../transport/wire/messages/record_parts.ts";
import { standOf } from "./copy.ts";
import { isReportedOwner } from "./holder.ts";
import { homeLife, keyOf, locked, send, stopReading, tidy } from "./keys.ts";
import { inParts } from "./parts.ts";
import type { Entry, Life, RecordState } from "./state.ts";

/** A new home wants tables. */
export function onTableAsk(state: RecordState, from: Life, { wishes }: TableAsk): void {
  const missing: SlotName[] = [];
  const there: SlotName[] = [];
  for (const { slot, slotGen, fromGen } of wishes) {
    const now = state.slots[slot]?.slotGen;
    if (now === undefined || !state.rules.isSameSlotGen(now, slotGen)) continue;
    const table = state.frozen.get(slot);
    const isThere = table !== undefined && table.slotGen === fromGen;
    if (!isThere || (!table.wasOpen && state.rules.onlyOpenTables())) {
      missing.push({ slot, slotGen });
    } else there.push({ slot, slotGen });
  }
  if (missing.length > 0) send(state, from, { kind: "no_table", slots: missing });
  if (there.length > 0) sendTables(state, from, there);
}

function sendTables(state: RecordState, to: Life, slots: readonly SlotName[]): void {
  state.askId += 1;
  const id = state.askId;
  const told: TableEntry[] = [];
  for (const { slot } of slots) {
    for (const entry of state.frozen.get(slot)?.table.values() ?? []) told.push(entryOf(entry));
  }
  const all = inParts(told, state.timing.partEntries);
  const parts = all.length;
  all.forEach((entries, part) =>
    send(state, to, { kind: "table", id, part, parts, slots, entries } as Table)
  );
}

function entryOf({ key, home: { slot }, holder, htid, phase, pend, queue }: Entry): TableEntry {
  return {
    key,
    slot,
    htid,
    phase,
    queue,
    ...(holder === undefined ? {} : { holder }),
    ...(pend === undefined ? {} : { pend: { to: pend.to, rid: pend.rid, empty: pend.empty } }),
  };
}

/** The new home has tables. */
export function onTableDone(state: RecordState, { slots }: TableDone): void {
  for (const { slot, slotGen } of slots) {
    if (state.slots[slot]?.slotGen === slotGen) state.frozen.delete(slot);
  }
}

/** Tables that are kept for long: perhaps the new home has them, and that was not heard. */
export function askAboutKept(state: RecordState): void {
  const kept = new Map<Life, SlotName[]>();
  for (const [slot, { sinceMs }] of state.frozen) {
    if (state.nowMs < sinceMs + state.timing.keptMs) continue;
    const home = homeLife(state, slot);
    const slotGen = state.slots[slot]?.slotGen;
    if (home === undefined || slotGen === undefined) continue;
    const slots = kept.get(home);
    if (slots === undefined) kept.set(home, [{ slot, slotGen }]);
    else slots.push({ slot, slotGen });
  }
  for (const [home, slots] of kept) send(state, home, { kind: "table_kept", slots });
}

/** The home before still keeps tables: those of slots that are open here may go. */
export function onTableKept(state: RecordState, from: Life, { slots }: TableKept): void {
  const done = slots.filter(({ slot, slotGen }) => {
    const home = state.homes[slot];
    return home?.slotGen === slotGen && home.isOpen;
  });
  if (done.length > 0) send(state, from, { kind: "table_done", slots: done });
}

/** A new home wants to know of all copies in some slots. Slots with a busy key are left out, and asked for again. */
export function onReportAsk(
  state: RecordState,
  from: Life,
  { generation, slots }: ReportAsk,
): void {
  const stands: Report["stands"][number][] = [];
  const whole: SlotName[] = [];
  for (const name of slots) {
    const now = state.slots[name.slot]?.slotGen;
    if (now === undefined || !state.rules.isSameSlotGen(now, name.slotGen)) continue;
    const found = standsOf(state, name.slot);
    if (found === undefined) continue;
    whole.push(name);
    stands.push(...found);
  }
  if (whole.length === 0) return;
  state.askId += 1;
  const id = state.askId;
  const all = inParts(stands, state.timing.partEntries);
  const parts = all.length;
  all.forEach((some, part) => {
    const message = { kind: "report", generation, id, part, parts, slots: whole, stands: some };
    send(state, from, message as Report);
  });
}

function standsOf(state: RecordState, slot: number): Report["stands"][number][] | undefined {
  const stands: Report["stands"][number][] = [];
  if (!state.copies.has(slot)) return stands;
  for (const key of [...state.copies.get(slot) ?? []]) {
    const ks = keyOf(state, key);
    const isDone = locked(state, ks, () => {
      if (ks.mustStop && state.rules.stopsReadingFirst()) stopReading(state, ks);
      const stored = state.store.get(key);
      if (stored === undefined) return;
      stands.push({ key, slot, stand: standOf(stored, isReportedOwner(state, ks)) });
    });
    tidy(state, ks);
    if (!isDone) return undefined;
  }
  return stands;
}
