/**
 * What homes and holders answer to a traverse: which keys there are, and what they say.
 *
 *   LIST_ASK ─▶ home ─▶ LIST: a page of keys with their holders, by hash and key       READ_ASK ─▶ holder ─▶ READ
 *
 * A key is in the list as long as it exists; one whose holder is being found out is listed without.
 *
 * Does NOT promise: a list of one moment; each page is of its own.
 */
import type {
  ListAsk,
  ListWish,
  Page,
  Read,
  ReadAsk,
} from "../../../transport/wire/messages/record.ts";
import type { Cursor } from "../../../transport/wire/messages/record_parts.ts";
import type { Key } from "./copy.ts";
import { lookAtBacklog, placeOf, readLater } from "./backlog.ts";
import { isIn, isServing, send } from "./keys.ts";
import type { Entry, Life, RecordState } from "./state.ts";
import { isSameTid } from "./tid.ts";

/** Bytes of values in an answer, but for the last of them; who gets so many asks for the rest at once. */
export const READ_BYTES = 1 << 20;
/** So many bits of a value's length take as much room as a key: 2 KiB. */
const ROOM_SHIFT = 11;

/** A place in the order of a slot's keys: by hash, then by key. */
export function isAfter(one: Cursor, other: Cursor): boolean {
  return one.hash > other.hash || (one.hash === other.hash && one.key > other.key);
}

/** Somebody walks over slots: pages come in slices. */
export function onListAsk(state: RecordState, from: Life, { wishes }: ListAsk): void {
  for (const wish of wishes) {
    state.backlog.lists.set(placeOf(from, wish.slot), { by: from, wish });
  }
  lookAtBacklog(state);
}

/** Some of the pages that are in line. Slots that are not open here are left out, and asked for again. */
export function runLists(state: RecordState): void {
  const { lists } = state.backlog;
  const found = new Map<Life, Page[]>();
  for (const [name, { by, wish }] of lists) {
    if (state.room <= 0) break;
    lists.delete(name);
    const { slot, keys } = wish;
    state.room -= 1 + (keys.length > 0 ? keys.length : state.homes[slot]?.table.size ?? 0);
    const page = isServing(state) ? pageOf(state, wish) : undefined;
    if (page === undefined) continue;
    const pages = found.get(by);
    if (pages === undefined) found.set(by, [page]);
    else pages.push(page);
  }
  for (const [by, pages] of found) send(state, by, { kind: "list", pages });
}

function pageOf(state: RecordState, wish: ListWish): Page | undefined {
  const { slot, slotGen, id, after, keys } = wish;
  const home = state.homes[slot];
  if (home === undefined || !home.isOpen || !state.rules.isSameSlotGen(home.slotGen, slotGen)) {
    return undefined;
  }
  const { table } = home;
  if (keys.length > 0) {
    return { slot, slotGen, id, entries: keys.flatMap((key) => whereOf(table.get(key))) };
  }
  if (table.size === 0) return { slot, slotGen, id, entries: [] };
  const { hashOf } = state.config;
  const places: Cursor[] = [];
  for (const key of table.keys()) {
    const place = { hash: hashOf(key), key };
    if (after === undefined || isAfter(place, after)) places.push(place);
  }
  places.sort((one, other) => isAfter(one, other) ? 1 : -1);
  const page = places.slice(0, state.timing.pageKeys);
  const last = page.at(-1);
  const entries = page.flatMap(({ key }) => whereOf(table.get(key)));
  const next = places.length > page.length && last !== undefined ? { next: last } : {};
  return { slot, slotGen, id, entries, ...next };
}

/** Where a key is; nothing for one that does not exist, or not yet. While it moves: where it moves to. */
function whereOf(entry: Entry | undefined): Page["entries"][number][] {
  if (entry === undefined) return [];
  const { key, holder, htid, phase, pend } = entry;
  if (phase === "query") return [{ key, htid }];
  if (pend !== undefined) return [{ key, holder: pend.to, htid: pend.tid }];
  return holder === undefined ? [] : [{ key, holder, htid }];
}

/**
 * Somebody wants to know what some records say. A copy of the transfer that the home named will do, whoever owns the
 * record now: when the home named it, it was the newest, or not given away yet.
 */
export function onReadAsk(state: RecordState, from: Life, ask: ReadAsk): void {
  readLater(state, from, ask);
  lookAtBacklog(state);
}

/** Some of the questions that are in line. Of long values so many at once: the rest is asked for again. */
export function runReads(state: RecordState): void {
  const { reads } = state.backlog;
  let at = 0;
  for (; at < reads.length && state.room > 0; at++) {
    const { by, ask } = reads[at] as typeof reads[number];
    if (isServing(state) && isIn(state, by)) answerRead(state, by, ask);
  }
  reads.splice(0, at);
}

/** Beside the mutex: a value that a client is just replacing is one that the record had, too. */
function answerRead(state: RecordState, by: Life, { id, keys, isCount }: ReadAsk): void {
  const values: Read["values"][number][] = [];
  let left = READ_BYTES;
  for (const { key, htid } of keys) {
    if (left <= 0) break;
    state.room -= 1;
    const stored = state.store.get(key);
    if (stored === undefined || !isSameTid(stored.tid, htid)) {
      values.push({ key, moved: true, empty: true });
      continue;
    }
    const { data } = stored;
    const empty = data.length === 0;
    if (isCount) values.push({ key, moved: false, empty });
    else {
      values.push({ key, moved: false, empty, data });
      left -= data.length;
      state.room -= data.length >> ROOM_SHIFT;
    }
  }
  if (values.length > 0) send(state, by, { kind: "read", id, values });
}

/** Keys that begin so. */
export function hasPrefix(key: Key, prefix: Key): boolean {
  return key.startsWith(prefix);
}
