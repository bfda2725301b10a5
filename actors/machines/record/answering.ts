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
import type { Generation } from "../../../transport/wire/terms.ts";
import { lookAtBacklog, placeOf } from "./backlog.ts";
import { standOf } from "./copy.ts";
import { heldField, heldHere, heldKeys, heldOnly } from "./held.ts";
import { isReportedOwner } from "./holder.ts";
import { homeLife, isIn, keyOf, locked, send, stopReading, tidy } from "./keys.ts";
import { inParts } from "./parts.ts";
import type { Entry, FrozenTable, Life, RecordState } from "./state.ts";

/** A new home wants tables. Those that are there come in slices. */
export function onTableAsk(state: RecordState, from: Life, { wishes }: TableAsk): void {
  const missing: SlotName[] = [];
  for (const { slot, slotGen, fromGen } of wishes) {
    const now = state.slots[slot]?.slotGen;
    if (now === undefined || !state.rules.isSameSlotGen(now, slotGen)) continue;
    if (tableFor(state, slot, fromGen) === undefined) missing.push({ slot, slotGen });
    else {
      const wanted = { by: from, slot, slotGen, gen: fromGen };
      state.backlog.tables.set(placeOf(from, slot), wanted);
    }
  }
  if (missing.length > 0) send(state, from, { kind: "no_table", slots: missing });
  lookAtBacklog(state);
}

function tableFor(state: RecordState, slot: number, gen: Generation): FrozenTable | undefined {
  const table = state.frozen.get(slot);
  const isThere = table !== undefined && table.slotGen === gen &&
    (table.wasOpen || !state.rules.onlyOpenTables());
  return isThere ? table : undefined;
}

/** Some of the tables that are in line. One that is not there any more is asked for again. */
export function runTables(state: RecordState): void {
  const { tables } = state.backlog;
  const found = new Map<Life, { readonly slots: SlotName[]; readonly entries: TableEntry[] }>();
  for (const [name, { by, slot, slotGen, gen }] of tables) {
    if (state.room <= 0) break;
    tables.delete(name);
    const table = tableFor(state, slot, gen);
    if (table === undefined || !isIn(state, by)) continue;
    state.room -= 1 + table.table.size;
    const all = found.get(by) ?? { slots: [], entries: [] };
    found.set(by, all);
    all.slots.push({ slot, slotGen });
    for (const entry of table.table.values()) all.entries.push(entryOf(entry));
  }
  for (const [to, { slots, entries }] of found) {
    state.askId += 1;
    const id = state.askId;
    const all = inParts(entries, state.timing.partEntries);
    const parts = all.length;
    all.forEach((some, part) =>
      send(state, to, { kind: "table", id, part, parts, slots, entries: some } as Table)
    );
  }
}

function entryOf(entry: Entry): TableEntry {
  const { key, home: { slot }, holder, htid, phase, pend, queue, held } = entry;
  return {
    key,
    slot,
    htid,
    phase,
    queue,
    ...(holder === undefined ? {} : { holder }),
    ...(pend === undefined ? {} : { pend: { to: pend.to, rid: pend.rid, empty: pend.empty } }),
    ...heldField(held),
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

/** A new home wants to know of all copies in some slots: they come in slices. */
export function onReportAsk(
  state: RecordState,
  from: Life,
  { generation, slots }: ReportAsk,
): void {
  for (const { slot, slotGen } of slots) {
    const now = state.slots[slot]?.slotGen;
    if (now === undefined || !state.rules.isSameSlotGen(now, slotGen)) continue;
    const wanted = { by: from, slot, slotGen, gen: generation };
    state.backlog.reports.set(placeOf(from, slot), wanted);
  }
  lookAtBacklog(state);
}

/** Some of the reports that are in line. Slots with a busy key are left out, and asked for again. */
export function runReports(state: RecordState): void {
  const { reports } = state.backlog;
  const found: ReportSome[] = [];
  for (const [name, { by, slot, slotGen, gen }] of reports) {
    if (state.room <= 0) break;
    reports.delete(name);
    const now = state.slots[slot]?.slotGen;
    if (now === undefined || !state.rules.isSameSlotGen(now, slotGen) || !isIn(state, by)) continue;
    state.room -= 1 + (state.copies.get(slot)?.size ?? 0);
    const stands = standsOf(state, slot);
    if (stands === undefined) continue;
    let some = found.find((one) => one.by === by && one.generation === gen);
    if (some === undefined) {
      some = { by, generation: gen, slots: [], stands: [] };
      found.push(some);
    }
    some.slots.push({ slot, slotGen });
    some.stands.push(...stands);
  }
  for (const { by, generation, slots, stands } of found) {
    state.askId += 1;
    const id = state.askId;
    const all = inParts(stands, state.timing.partEntries);
    const parts = all.length;
    all.forEach((some, part) => {
      const message = { kind: "report", generation, id, part, parts, slots, stands: some };
      send(state, by, message as Report);
    });
  }
}

/** What one home is told in one slice. */
interface ReportSome {
  readonly by: Life;
  readonly generation: Generation;
  readonly slots: SlotName[];
  readonly stands: Report["stands"][number][];
}

function standsOf(state: RecordState, slot: number): Report["stands"][number][] | undefined {
  const stands: Report["stands"][number][] = [];
  const copies = state.copies.get(slot);
  for (const key of heldKeys(state, slot)) {
    const stand = copies?.has(key) === true ? undefined : heldOnly(state, key);
    if (stand !== undefined) stands.push({ key, slot, stand });
  }
  if (copies === undefined) return stands;
  for (const key of [...copies]) {
    const ks = keyOf(state, key);
    const isDone = locked(state, ks, () => {
      if (ks.mustStop && state.rules.stopsReadingFirst()) stopReading(state, ks);
      const stored = state.store.head(key);
      if (stored === undefined) return;
      const stand = standOf(stored, isReportedOwner(state, ks));
      stands.push({ key, slot, stand: { ...stand, ...heldHere(state, key) } });
    });
    tidy(state, ks);
    if (!isDone) return undefined;
  }
  return stands;
}
