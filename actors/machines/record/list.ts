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
import { isServing, keyOf, locked, send, tidy } from "./keys.ts";
import type { Entry, Life, RecordState } from "./state.ts";
import { isSameTid } from "./tid.ts";

/** A place in the order of a slot's keys: by hash, then by key. */
export function isAfter(one: Cursor, other: Cursor): boolean {
  return one.hash > other.hash || (one.hash === other.hash && one.key > other.key);
}

/** Somebody walks over slots. Those that are not open here are left out, and asked for again. */
export function onListAsk(state: RecordState, from: Life, { wishes }: ListAsk): void {
  if (!isServing(state)) return;
  const pages = wishes.flatMap((wish) => pageOf(state, wish) ?? []);
  if (pages.length > 0) send(state, from, { kind: "list", pages });
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
export function onReadAsk(state: RecordState, from: Life, { id, keys, isCount }: ReadAsk): void {
  if (!isServing(state)) return;
  const values: Read["values"][number][] = [];
  for (const { key, htid } of keys) {
    const ks = keyOf(state, key);
    locked(state, ks, () => {
      const stored = state.store.get(key);
      if (stored === undefined || !isSameTid(stored.tid, htid)) {
        values.push({ key, moved: true, empty: true });
      } else {
        const empty = stored.data.length === 0;
        values.push({ key, moved: false, empty, ...(isCount ? {} : { data: stored.data }) });
      }
    });
    tidy(state, ks);
  }
  if (values.length > 0) send(state, from, { kind: "read", id, values });
}

/** Keys that begin so. */
export function hasPrefix(key: Key, prefix: Key): boolean {
  return key.startsWith(prefix);
}
