/**
 * Messages about records, read from their layout: what record_write.ts writes, and nothing else.
 *
 * One form only: whatever is taken would be written with exactly the same bytes. Values lie in what was read; a list is
 * made only as far as its items are there.
 *
 * Does NOT promise: sense. Who may say what, the machine judges.
 */
import { BodyFault, type In } from "./byte_cursor.ts";
import { SLOTS } from "./limits.ts";
import type { Member } from "./messages/document.ts";
import type {
  CallProof,
  Copy,
  Cursor,
  ListWish,
  Page,
  RecordMessage,
  SlotName,
  StandOf,
  TableEntry,
  Tid,
} from "./messages/record.ts";
import { RECORD_CALLS_MAX, RECORD_KEYS_MAX, RECORD_PART_MAX } from "./messages/record_parts.ts";
import { PROCEDURE_NAME, QUEUE_MAX, RECORD_PARTS_MAX } from "./messages/record_parts.ts";
import { CALL_WHYS, PATHS, PHASES, RECORD_KIND, RO_WHYS } from "./record_write.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "./terms.ts";

const NO_CALLS: readonly CallProof[] = [];
const PROCEDURE = new RegExp(PROCEDURE_NAME);
/** Procedures whose names were found right. */
const PROCEDURES_MAX = 256;
const procedures = new WeakMap<In, Set<string>>();

const K = RECORD_KIND;

/** Reads a message. Throws RangeError where bytes are missing, BodyFault on what is never written. */
export function readRecord(bytes: In): RecordMessage {
  const kind = bytes.u8();
  switch (kind) {
    case K.call:
      return call(bytes);
    case K.call_done:
      return callDone(bytes);
    case K.req:
      return { kind: "req", key: bytes.text(), slotGen: bytes.u64(), rid: bytes.u32() };
    case K.recall: {
      const { key, slotGen, tid } = move(bytes);
      const ft = tidOf(bytes);
      const [to, rid] = [member(bytes), bytes.u32()];
      return { kind: "recall", key, slotGen, tid, ft, to, rid, ...heldOf(bytes, bits(bytes, 1)) };
    }
    case K.grant: {
      const { key, slotGen, tid } = move(bytes);
      const rid = bytes.u32();
      const held = heldOf(bytes, bits(bytes, 1));
      return { kind: "grant", key, slotGen, tid, rid, ...held, copy: copy(bytes) };
    }
    case K.ack:
      return { kind: "ack", ...move(bytes), have: tidOf(bytes) };
    case K.nack:
      return { kind: "nack", ...move(bytes), have: tidOf(bytes) };
    case K.ro_ask: {
      const [key, slotGen] = [bytes.text(), bytes.u64<Generation>()];
      const rid = bytes.u32();
      const origin = member(bytes);
      return { kind: "ro_ask", key, slotGen, rid, origin, path: word(bytes, PATHS) };
    }
    case K.ro:
      return { kind: "ro", key: bytes.text(), rid: bytes.u32(), copy: copy(bytes) };
    case K.revoke:
      return { kind: "revoke", key: bytes.text(), rid: bytes.u32() };
    case K.revoked:
      return { kind: "revoked", key: bytes.text(), rid: bytes.u32() };
    default:
      return rare(bytes, kind);
  }
}

function rare(bytes: In, kind: number): RecordMessage {
  switch (kind) {
    case K.call_no: {
      const [key, seq, why] = [bytes.text(), bytes.u32(), word(bytes, CALL_WHYS)];
      if (bits(bytes, 1) === 0) return { kind: "call_no", key, seq, why };
      return { kind: "call_no", key, seq, why, birth: tidOf(bytes) };
    }
    case K.ro_no:
      return { kind: "ro_no", key: bytes.text(), rid: bytes.u32(), why: word(bytes, RO_WHYS) };
    case K.nocopy:
      return { kind: "nocopy", ...move(bytes) };
    case K.purge1:
      return { kind: "purge1", ...move(bytes) };
    case K.purge1_done:
      return { kind: "purge1_done", ...move(bytes) };
    case K.purge2:
      return { kind: "purge2", ...move(bytes) };
    case K.purge2_done:
      return { kind: "purge2_done", ...move(bytes) };
    case K.release:
      return { kind: "release", ...move(bytes), rsn: bytes.u64<Rsn>() };
    case K.query:
      return { kind: "query", ...move(bytes), generation: bytes.u64<Generation>() };
    case K.query_answer: {
      const about = { ...move(bytes), generation: bytes.u64<Generation>() };
      if (bits(bytes, 1) === 0) return { kind: "query_answer", ...about };
      return { kind: "query_answer", ...about, stand: stand(bytes) };
    }
    case K.list_ask:
      return { kind: "list_ask", wishes: list(bytes, 1, SLOTS, listWish) };
    case K.list:
      return { kind: "list", pages: list(bytes, 1, SLOTS, page) };
    case K.read_ask: {
      const [id, isCount] = [bytes.u32(), bits(bytes, 1) === 1];
      return { kind: "read_ask", id, isCount, keys: list(bytes, 0, RECORD_KEYS_MAX, readWish) };
    }
    case K.read:
      return { kind: "read", id: bytes.u32(), values: list(bytes, 0, RECORD_KEYS_MAX, value) };
    default:
      return recovery(bytes, kind);
  }
}

function recovery(bytes: In, kind: number): RecordMessage {
  switch (kind) {
    case K.table_ask:
      return { kind: "table_ask", wishes: list(bytes, 0, SLOTS, tableWish) };
    case K.table: {
      const numbers = partOf(bytes);
      const slots = list(bytes, 1, SLOTS, slotName);
      return { kind: "table", ...numbers, slots, entries: list(bytes, 0, RECORD_PART_MAX, entry) };
    }
    case K.no_table:
      return { kind: "no_table", slots: list(bytes, 1, SLOTS, slotName) };
    case K.table_done:
      return { kind: "table_done", slots: list(bytes, 1, SLOTS, slotName) };
    case K.table_kept:
      return { kind: "table_kept", slots: list(bytes, 1, SLOTS, slotName) };
    case K.report_ask: {
      const generation = bytes.u64<Generation>();
      return { kind: "report_ask", generation, slots: list(bytes, 1, SLOTS, slotName) };
    }
    case K.report: {
      const generation = bytes.u64<Generation>();
      const numbers = partOf(bytes);
      const slots = list(bytes, 0, SLOTS, slotName);
      const stands = list(bytes, 0, RECORD_PART_MAX, keyStand);
      return { kind: "report", generation, ...numbers, slots, stands };
    }
    default:
      throw new BodyFault(`there is no kind ${kind}`);
  }
}

function call(bytes: In): RecordMessage {
  const key = bytes.text();
  const slotGen = bytes.u64<Generation>();
  const seq = bytes.u32();
  const birth = tidOf(bytes);
  const procedure = procedureOf(bytes);
  const args = bytes.blob();
  const origin = member(bytes);
  const path = word(bytes, PATHS);
  return { kind: "call", key, slotGen, seq, birth, procedure, args, origin, path };
}

function callDone(bytes: In): RecordMessage {
  const key = bytes.text();
  const seq = bytes.u32();
  const is = bits(bytes, 3);
  const ok = (is & 1) !== 0;
  if ((is & 2) === 0) return { kind: "call_done", key, seq, ok, copy: copy(bytes) };
  return { kind: "call_done", key, seq, ok, result: bytes.blob(), copy: copy(bytes) };
}

/** A name is a name, and short: those that were checked are remembered with the bytes' own texts. */
function procedureOf(bytes: In): string {
  const name = bytes.text();
  let known = procedures.get(bytes);
  if (known === undefined) procedures.set(bytes, known = new Set());
  if (known.has(name)) return name;
  if (!PROCEDURE.test(name)) throw new BodyFault("that is no name of a procedure");
  if (known.size >= PROCEDURES_MAX) known.clear();
  known.add(name);
  return name;
}

/** A byte of flags of which the lower ones mean something: `mask`. */
function bits(bytes: In, mask: number): number {
  const value = bytes.u8();
  if ((value & ~mask) !== 0) throw new BodyFault(`flags ${value} where ${mask} is all`);
  return value;
}

function word<const Words extends readonly string[]>(bytes: In, words: Words): Words[number] {
  const found = words[bytes.u8()];
  if (found === undefined) throw new BodyFault(`there is no such word`);
  return found;
}

/** u16 count, `min` .. `max`, and the items; it ends with the bytes at the latest. */
function list<Item>(bytes: In, min: number, max: number, item: (bytes: In) => Item): Item[] {
  const count = bytes.u16();
  if (count < min || count > max) {
    throw new BodyFault(`a list of ${count} where ${min} to ${max} are`);
  }
  const items: Item[] = [];
  for (let i = 0; i < count; i++) items.push(item(bytes));
  return items;
}

/** Reads a life of a node. */
export function member(bytes: In): Member {
  return { pnn: bytes.u32() as Pnn, incarnation: bytes.u64<Incarnation>() };
}

function tidOf(bytes: In): Tid {
  return { gen: bytes.u64<Generation>(), seq: bytes.u32() };
}

function move(bytes: In): { key: string; slotGen: Generation; tid: Tid } {
  return { key: bytes.text(), slotGen: bytes.u64<Generation>(), tid: tidOf(bytes) };
}

function copy(bytes: In): Copy {
  const tid = tidOf(bytes);
  const rsn = bytes.u64<Rsn>();
  const birth = tidOf(bytes);
  const data = bytes.blob();
  const calls = list(bytes, 0, RECORD_CALLS_MAX, proof);
  return { tid, rsn, birth, data, calls: calls.length === 0 ? NO_CALLS : calls };
}

function proof(bytes: In): CallProof {
  const origin = member(bytes);
  const seq = bytes.u32();
  const is = bits(bytes, 3);
  const ok = (is & 1) !== 0;
  return (is & 2) === 0 ? { origin, seq, ok } : { origin, seq, ok, result: bytes.blob() };
}

function stand(bytes: In): StandOf {
  const [tid, rsn] = [tidOf(bytes), bytes.u64<Rsn>()];
  const is = bits(bytes, 7);
  const held = heldOf(bytes, is >>> 2);
  return { tid, rsn, owner: (is & 1) !== 0, empty: (is & 2) !== 0, ...held };
}

function heldOf(bytes: In, isThere: number): { readonly held?: Uint8Array } {
  return isThere === 0 ? {} : { held: bytes.blob() };
}

function keyStand(bytes: In) {
  return { key: bytes.text(), slot: slotOf(bytes), stand: stand(bytes) };
}

function slotOf(bytes: In): number {
  const slot = bytes.u16();
  if (slot >= SLOTS) throw new BodyFault(`there is no slot ${slot}`);
  return slot;
}

function slotName(bytes: In): SlotName {
  return { slot: slotOf(bytes), slotGen: bytes.u64<Generation>() };
}

function tableWish(bytes: In) {
  const [slot, slotGen] = [slotOf(bytes), bytes.u64<Generation>()];
  return { slot, slotGen, fromGen: bytes.u64<Generation>() };
}

function partOf(bytes: In): { id: number; part: number; parts: number } {
  const [id, part, parts] = [bytes.u32(), bytes.u16(), bytes.u32()];
  if (parts < 1 || parts > RECORD_PARTS_MAX) {
    throw new BodyFault(`part ${part} of ${parts}`);
  }
  return { id, part, parts };
}

function entry(bytes: In): TableEntry {
  const [key, slot] = [bytes.text(), slotOf(bytes)];
  const is = bits(bytes, 7);
  const holder = (is & 1) === 0 ? {} : { holder: member(bytes) };
  const [htid, phase] = [tidOf(bytes), word(bytes, PHASES)];
  const pend = (is & 2) === 0 ? {} : { pend: pendOf(bytes) };
  const held = heldOf(bytes, is >>> 2);
  const queue = list(bytes, 0, QUEUE_MAX, place);
  return { key, slot, ...holder, htid, phase, ...pend, ...held, queue };
}

function pendOf(bytes: In) {
  return { to: member(bytes), rid: bytes.u32(), empty: bits(bytes, 1) === 1 };
}

function place(bytes: In) {
  return { of: member(bytes), rid: bytes.u32() };
}

function cursor(bytes: In): Cursor {
  return { hash: bytes.u32(), key: bytes.text() };
}

function listWish(bytes: In): ListWish {
  const [slot, slotGen, id] = [slotOf(bytes), bytes.u64<Generation>(), bytes.u32()];
  const after = bits(bytes, 1) === 0 ? {} : { after: cursor(bytes) };
  return { slot, slotGen, id, ...after, keys: list(bytes, 0, RECORD_KEYS_MAX, keyOf) };
}

function keyOf(bytes: In): string {
  return bytes.text();
}

function page(bytes: In): Page {
  const [slot, slotGen, id] = [slotOf(bytes), bytes.u64<Generation>(), bytes.u32()];
  const entries = list(bytes, 0, RECORD_KEYS_MAX, where);
  const next = bits(bytes, 1) === 0 ? {} : { next: cursor(bytes) };
  return { slot, slotGen, id, entries, ...next };
}

function where(bytes: In) {
  const key = bytes.text();
  const holder = bits(bytes, 1) === 0 ? {} : { holder: member(bytes) };
  return { key, ...holder, htid: tidOf(bytes) };
}

function readWish(bytes: In) {
  return { key: bytes.text(), htid: tidOf(bytes) };
}

function value(bytes: In) {
  const key = bytes.text();
  const is = bits(bytes, 7);
  const said = { key, moved: (is & 1) !== 0, empty: (is & 2) !== 0 };
  return (is & 4) === 0 ? said : { ...said, data: bytes.blob() };
}
