/**
 * Messages about records, written in their layout (record_layout.ts has its head, docs/WIRE.md all of it).
 *
 *   u8 kind, then the fields in the order in which they are declared
 *
 *   u64, u32            8 and 4 bytes; 2 for a number whose declared limit is below 65536
 *   text                u16 size, a byte for each character          bytes    u32 size, the bytes
 *   list                u16 count, the items                         word     u8: its number in its list, from 0
 *   flags, optional     one byte for all of a record, where the first of them is declared: bit 0 is the first one
 *
 * Does NOT promise: to check what types and the machine promise; only what would not fit its field throws RangeError.
 */
import type { Out } from "./byte_cursor.ts";
import { SLOTS } from "./limits.ts";
import type { Member } from "./messages/document.ts";
import type {
  CallNo,
  Copy,
  Cursor,
  ListAsk,
  Page,
  RecordMessage,
  RoAsk,
  RoNo,
  SlotName,
  StandOf,
  TableEntry,
  Tid,
} from "./messages/record.ts";
import { RECORD_CALLS_MAX, RECORD_KEYS_MAX, RECORD_PART_MAX } from "./messages/record_parts.ts";
import { QUEUE_MAX } from "./messages/record_parts.ts";

/** The numbers of the kinds on the wire. */
export const RECORD_KIND = {
  req: 1,
  recall: 2,
  grant: 3,
  ack: 4,
  nack: 5,
  nocopy: 6,
  release: 7,
  purge1: 8,
  purge1_done: 9,
  purge2: 10,
  purge2_done: 11,
  query: 12,
  query_answer: 13,
  table_ask: 14,
  table: 15,
  no_table: 16,
  table_done: 17,
  table_kept: 18,
  report_ask: 19,
  report: 20,
  ro_ask: 21,
  ro: 22,
  ro_no: 23,
  revoke: 24,
  revoked: 25,
  call: 26,
  call_done: 27,
  call_no: 28,
  list_ask: 29,
  list: 30,
  read_ask: 31,
  read: 32,
} as const satisfies Record<RecordMessage["kind"], number>;

/** Ways of a question, by their number on the wire. */
export const PATHS = ["hint", "home", "passed"] as const satisfies readonly RoAsk["path"][];
/** Why not to be read, by number. */
export const RO_WHYS = ["absent", "unowned", "moved"] as const satisfies readonly RoNo["why"][];
/** Why not called, by number. */
export const CALL_WHYS = [
  "absent",
  "unowned",
  "moved",
  "birth",
  "noproc",
] as const satisfies readonly CallNo["why"][];
/** What is under way with a key, by number. */
export const PHASES = [
  "idle",
  "query",
  "purge1",
  "purge2",
] as const satisfies readonly TableEntry["phase"][];

/** Writes a message. Throws RangeError on one that does not fit its fields. */
export function writeRecord(out: Out, message: RecordMessage): void {
  out.room(0);
  out.u8(RECORD_KIND[message.kind]);
  switch (message.kind) {
    case "call":
      putAbout(out, message);
      out.u32(message.seq);
      putTid(out, message.birth);
      out.text(message.procedure);
      out.blob(message.args);
      putMember(out, message.origin);
      return out.u8(PATHS.indexOf(message.path));
    case "call_done": {
      const { key, seq, ok, result, copy } = message;
      out.text(key);
      out.u32(seq);
      out.u8(flags(ok, result !== undefined));
      if (result !== undefined) out.blob(result);
      return putCopy(out, copy);
    }
    case "req":
      putAbout(out, message);
      return out.u32(message.rid);
    case "recall":
      putMove(out, message);
      putTid(out, message.ft);
      putMember(out, message.to);
      out.u32(message.rid);
      return putHeld(out, message.held);
    case "grant":
      putMove(out, message);
      out.u32(message.rid);
      putHeld(out, message.held);
      return putCopy(out, message.copy);
    case "ack":
    case "nack":
      putMove(out, message);
      return putTid(out, message.have);
    case "ro_ask":
      putAbout(out, message);
      out.u32(message.rid);
      putMember(out, message.origin);
      return out.u8(PATHS.indexOf(message.path));
    case "ro":
      out.text(message.key);
      out.u32(message.rid);
      return putCopy(out, message.copy);
    case "revoke":
    case "revoked":
      out.text(message.key);
      return out.u32(message.rid);
    default:
      return putRare(out, message);
  }
}

/** What the cases of `writeRecord` leave over. */
type Rare = Exclude<
  RecordMessage,
  {
    kind:
      | ("call" | "call_done" | "req" | "recall" | "grant" | "ack" | "nack")
      | ("ro_ask" | "ro" | "revoke" | "revoked");
  }
>;

function putRare(out: Out, message: Rare): void {
  switch (message.kind) {
    case "call_no": {
      const { key, seq, why, birth } = message;
      out.text(key);
      out.u32(seq);
      out.u8(CALL_WHYS.indexOf(why));
      out.u8(flags(birth !== undefined));
      if (birth !== undefined) putTid(out, birth);
      return;
    }
    case "ro_no":
      out.text(message.key);
      out.u32(message.rid);
      return out.u8(RO_WHYS.indexOf(message.why));
    case "nocopy":
    case "purge1":
    case "purge1_done":
    case "purge2":
    case "purge2_done":
      return putMove(out, message);
    case "release":
      putMove(out, message);
      return out.u64(message.rsn);
    case "query":
      putMove(out, message);
      return out.u64(message.generation);
    case "query_answer":
      putMove(out, message);
      out.u64(message.generation);
      out.u8(flags(message.stand !== undefined));
      if (message.stand !== undefined) putStand(out, message.stand);
      return;
    case "list_ask":
      return putListAsk(out, message);
    case "list":
      return putList(out, message.pages, 1, SLOTS, putPage);
    case "read_ask":
      out.u32(message.id);
      out.u8(flags(message.isCount));
      return putList(out, message.keys, 0, RECORD_KEYS_MAX, (_, { key, htid }) => {
        out.text(key);
        putTid(out, htid);
      });
    case "read":
      out.u32(message.id);
      return putList(out, message.values, 0, RECORD_KEYS_MAX, (_, one) => {
        out.text(one.key);
        out.u8(flags(one.moved, one.empty, one.data !== undefined));
        if (one.data !== undefined) out.blob(one.data);
      });
    default:
      return putRecovery(out, message);
  }
}

type Recovery = Extract<
  RecordMessage,
  {
    kind:
      | ("table_ask" | "table" | "no_table" | "table_done" | "table_kept")
      | ("report_ask" | "report");
  }
>;

function putRecovery(out: Out, message: Recovery): void {
  switch (message.kind) {
    case "table_ask":
      return putList(out, message.wishes, 0, SLOTS, (_, wish) => {
        putSlot(out, wish);
        out.u64(wish.fromGen);
      });
    case "table":
      putPart(out, message);
      putList(out, message.slots, 1, SLOTS, putSlot);
      return putList(out, message.entries, 0, RECORD_PART_MAX, putEntry);
    case "no_table":
    case "table_done":
    case "table_kept":
      return putList(out, message.slots, 1, SLOTS, putSlot);
    case "report_ask":
      out.u64(message.generation);
      return putList(out, message.slots, 1, SLOTS, putSlot);
    case "report":
      out.u64(message.generation);
      putPart(out, message);
      putList(out, message.slots, 0, SLOTS, putSlot);
      return putList(out, message.stands, 0, RECORD_PART_MAX, (_, { key, slot, stand }) => {
        out.text(key);
        out.u16(slot);
        putStand(out, stand);
      });
  }
}

/** Up to three flags as the bits of a byte. */
function flags(one: boolean, two = false, four = false): number {
  return (one ? 1 : 0) | (two ? 2 : 0) | (four ? 4 : 0);
}

/** u16 count, and each item, for which there is room. */
function putList<Item>(
  out: Out,
  list: readonly Item[],
  min: number,
  max: number,
  put: (out: Out, item: Item) => void,
): void {
  const { length } = list;
  if (length < min || length > max) {
    throw new RangeError(`Cannot write a list of ${length}: it has ${min} to ${max}`);
  }
  out.room(2);
  out.u16(length);
  for (const item of list) {
    out.room(0);
    put(out, item);
  }
}

/** Writes a life of a node. */
export function putMember(out: Out, { pnn, incarnation }: Member): void {
  out.u32(pnn);
  out.u64(incarnation);
}

function putTid(out: Out, { gen, seq }: Tid): void {
  out.u64(gen);
  out.u32(seq);
}

function putAbout(out: Out, { key, slotGen }: { readonly key: string; readonly slotGen: bigint }) {
  out.text(key);
  out.u64(slotGen);
}

function putMove(
  out: Out,
  move: { readonly key: string; readonly slotGen: bigint; readonly tid: Tid },
): void {
  putAbout(out, move);
  putTid(out, move.tid);
}

function putCopy(out: Out, { tid, rsn, birth, data, calls }: Copy): void {
  putTid(out, tid);
  out.u64(rsn);
  putTid(out, birth);
  out.blob(data);
  putList(out, calls, 0, RECORD_CALLS_MAX, putProof);
}

function putProof(out: Out, { origin, seq, ok, result }: Copy["calls"][number]): void {
  putMember(out, origin);
  out.u32(seq);
  out.u8(flags(ok, result !== undefined));
  if (result !== undefined) out.blob(result);
}

function putStand(out: Out, { tid, rsn, owner, empty, held }: StandOf): void {
  putTid(out, tid);
  out.u64(rsn);
  out.u8(flags(owner, empty, held !== undefined));
  if (held !== undefined) out.blob(held);
}

function putHeld(out: Out, held: Uint8Array | undefined): void {
  out.u8(flags(held !== undefined));
  if (held !== undefined) out.blob(held);
}

function putSlot(out: Out, { slot, slotGen }: SlotName): void {
  out.u16(slot);
  out.u64(slotGen);
}

function putPart(
  out: Out,
  { id, part, parts }: { readonly id: number; readonly part: number; readonly parts: number },
): void {
  out.u32(id);
  out.u16(part);
  out.u32(parts);
}

function putEntry(out: Out, entry: TableEntry): void {
  const { key, slot, holder, htid, phase, pend, held, queue } = entry;
  out.text(key);
  out.u16(slot);
  out.u8(flags(holder !== undefined, pend !== undefined, held !== undefined));
  if (holder !== undefined) putMember(out, holder);
  putTid(out, htid);
  out.u8(PHASES.indexOf(phase));
  if (pend !== undefined) {
    putMember(out, pend.to);
    out.u32(pend.rid);
    out.u8(flags(pend.empty));
  }
  if (held !== undefined) out.blob(held);
  putList(out, queue, 0, QUEUE_MAX, (_, { of, rid }) => {
    putMember(out, of);
    out.u32(rid);
  });
}

function putCursor(out: Out, { hash, key }: Cursor): void {
  out.u32(hash);
  out.text(key);
}

function putListAsk(out: Out, { wishes }: ListAsk): void {
  putList(out, wishes, 1, SLOTS, (_, wish) => {
    const { id, after, keys } = wish;
    putSlot(out, wish);
    out.u32(id);
    out.u8(flags(after !== undefined));
    if (after !== undefined) putCursor(out, after);
    putList(out, keys, 0, RECORD_KEYS_MAX, (_, key) => out.text(key));
  });
}

function putPage(out: Out, page: Page): void {
  const { id, entries, next } = page;
  putSlot(out, page);
  out.u32(id);
  putList(out, entries, 0, RECORD_KEYS_MAX, (_, { key, holder, htid }) => {
    out.text(key);
    out.u8(flags(holder !== undefined));
    if (holder !== undefined) putMember(out, holder);
    putTid(out, htid);
  });
  out.u8(flags(next !== undefined));
  if (next !== undefined) putCursor(out, next);
}
