/**
 * Messages about commits, read from their layout: what commit_write.ts writes, and nothing else.
 *
 * One form only: whatever is taken would be written with exactly the same bytes. Values of a `submit` and pages lie in
 * what was read; entries are copied out of it, for they are kept, and each is checked with its checksum and its chain.
 *
 * Does NOT promise: sense. Who may say what, the machine judges; whether a page is right, its sum.
 */
import { BodyFault, type In } from "./byte_cursor.ts";
import { entrySize, isFault, readEntry } from "./commit/entry.ts";
import type { Entry } from "./commit/entry.ts";
import { COMMIT_KIND, SYNC_WHATS, SYNC_WHYS } from "./commit_write.ts";
import { TEXT_MAX, VALUE_MAX } from "./limits.ts";
import { ABORTS, ACKS, COPY_ID, ENTRIES_MAX, OUTCOMES, STATES } from "./messages/commit.ts";
import { TXN_ITEMS_MAX } from "./messages/commit.ts";
import type { AnyCommitMessage, Result, Submit, TxnRead, TxnState } from "./messages/commit.ts";
import { SYNC_PART_BYTES, SYNC_RANGES_MAX } from "./messages/commit_sync.ts";
import type { Incarnation, Pnn, Token, Version } from "./terms.ts";

const K = COMMIT_KIND;
const ID = new RegExp(COPY_ID);

/** Reads a message. Throws RangeError where bytes are missing, BodyFault on what is never written. */
export function readCommit(bytes: In): AnyCommitMessage {
  const kind = bytes.u8();
  switch (kind) {
    case K.open:
      return { kind: "open", term: bytes.u64(), number: bytes.u32() };
    case K.opened: {
      const [term, asker] = [bytes.u64<Version>(), bytes.u64<Incarnation>()];
      return { kind: "opened", term, asker, number: bytes.u32(), sid: bytes.u64() };
    }
    case K.close:
      return { kind: "close", term: bytes.u64(), sid: bytes.u64() };
    case K.closed:
      return { kind: "closed", term: bytes.u64(), sid: bytes.u64() };
    case K.submit:
      return submit(bytes);
    case K.result:
      return result(bytes);
    case K.txn_ask:
      return { kind: "txn_ask", ...txid(bytes), finalize: bits(bytes, 1) === 1 };
    case K.txn_state:
      return txnState(bytes);
    case K.append: {
      const [term, lineage] = [bytes.u64<Version>(), bytes.u64()];
      const [prevSeq, prevChain] = [bytes.u64(), bytes.u64()];
      const entries = entriesOf(bytes);
      const [commit, readNo] = [bytes.u64(), bytes.u32()];
      return { kind: "append", term, lineage, prevSeq, prevChain, entries, commit, readNo };
    }
    case K.appended: {
      const [term, id, outcome] = [bytes.u64<Version>(), copyId(bytes), word(bytes, ACKS)];
      const [seq, readNo, highTerm] = [bytes.u64(), bytes.u32(), bytes.u64<Version>()];
      return { kind: "appended", term, id, outcome, seq, readNo, highTerm };
    }
    default:
      return rare(bytes, kind);
  }
}

function rare(bytes: In, kind: number): AnyCommitMessage {
  switch (kind) {
    case K.too_old: {
      const [term, lineage] = [bytes.u64<Version>(), bytes.u64()];
      return { kind: "too_old", term, lineage, first: bytes.u64() };
    }
    case K.shipped: {
      const [lineage, seq, chain] = [bytes.u64(), bytes.u64(), bytes.u64()];
      return { kind: "shipped", lineage, seq, chain, applied: bytes.u64() };
    }
    case K.ship: {
      const [lineage, prevSeq, prevChain] = [bytes.u64(), bytes.u64(), bytes.u64()];
      return { kind: "ship", lineage, prevSeq, prevChain, entries: entriesOf(bytes) };
    }
    case K.read_index:
      return { kind: "read_index", term: bytes.u64(), id: bytes.u32() };
    case K.read_at: {
      const [term, asker, id] = [bytes.u64<Version>(), bytes.u64<Incarnation>(), bytes.u32()];
      return { kind: "read_at", term, asker, id, lineage: bytes.u64(), commit: bytes.u64() };
    }
    case K.want_isr: {
      const [term, token, reqNo] = [bytes.u64<Version>(), bytes.u64<Token>(), fromOne(bytes)];
      const about = { kind: "want_isr" as const, term, token, reqNo, pnn: bytes.u32() as Pnn };
      return bits(bytes, 1) === 0 ? about : { ...about, id: copyId(bytes) };
    }
    case K.hello:
      return hello(bytes);
    default:
      return sync(bytes, kind);
  }
}

function sync(bytes: In, kind: number): AnyCommitMessage {
  switch (kind) {
    case K.sync_open:
      return { kind: "sync_open", id: bytes.u32(), lineage: bytes.u64(), above: bytes.u64() };
    case K.sync_opened:
      return opened(bytes);
    case K.sync_no:
      return { kind: "sync_no", id: bytes.u32(), why: word(bytes, SYNC_WHYS) };
    case K.sync_ask:
      return { kind: "sync_ask", id: bytes.u32(), what: word(bytes, SYNC_WHATS), ...ranges(bytes) };
    case K.sync_part: {
      const [id, what, from] = [bytes.u32(), word(bytes, SYNC_WHATS), bytes.u32()];
      return { kind: "sync_part", id, what, from, data: bytes.blob() };
    }
    case K.sync_close:
      return { kind: "sync_close", id: bytes.u32() };
    case K.page_ask:
      return { kind: "page_ask", page: bytes.u32(), sum: bytes.blob() };
    case K.page_is: {
      const [page, sum] = [bytes.u32(), bytes.blob()];
      return { kind: "page_is", page, sum, data: bytes.blob() };
    }
    default:
      throw new BodyFault(`there is no kind ${kind}`);
  }
}

function txid(bytes: In): { term: Version; sid: bigint; n: number } {
  return { term: bytes.u64<Version>(), sid: bytes.u64(), n: fromOne(bytes) };
}

/** A u32 that counts from 1. */
function fromOne(bytes: In): number {
  const number = bytes.u32();
  if (number === 0) throw new BodyFault("a number that counts from 1 is 0");
  return number;
}

function copyId(bytes: In): string {
  const id = bytes.text();
  if (!ID.test(id)) throw new BodyFault("that is no id of a copy");
  return id;
}

/** A byte of flags of which the lower ones mean something: `mask`. */
function bits(bytes: In, mask: number): number {
  const value = bytes.u8();
  if ((value & ~mask) !== 0) throw new BodyFault(`flags ${value} where ${mask} is all`);
  return value;
}

function word<const Words extends readonly string[]>(bytes: In, words: Words): Words[number] {
  const found = words[bytes.u8()];
  if (found === undefined) throw new BodyFault("there is no such word");
  return found;
}

/** u32 count of a list; its items end with the bytes at the latest. */
function count(bytes: In, max: number): number {
  const count = bytes.u32();
  if (count > max) throw new BodyFault(`a list of ${count} where 0 to ${max} are`);
  return count;
}

function submit(bytes: In): Submit {
  const name = txid(bytes);
  const doneUpTo = bytes.u32();
  const reads: TxnRead[] = [];
  for (let left = count(bytes, TXN_ITEMS_MAX); left > 0; left--) {
    reads.push({ key: bytes.text(), version: bytes.u64() });
  }
  const writes: Submit["writes"][number][] = [];
  for (let left = count(bytes, TXN_ITEMS_MAX); left > 0; left--) {
    const key = bytes.text();
    if (bits(bytes, 1) === 0) {
      writes.push({ key });
      continue;
    }
    const value = bytes.blob();
    if (value.length > VALUE_MAX) throw new BodyFault(`a value of ${value.length} bytes`);
    writes.push({ key, value });
  }
  return { kind: "submit", ...name, doneUpTo, reads, writes };
}

function result(bytes: In): Result {
  const name = txid(bytes);
  const outcome = word(bytes, OUTCOMES);
  const is = bits(bytes, 63);
  return {
    kind: "result",
    ...name,
    outcome,
    ...(is & 1) === 0 ? {} : { lineage: bytes.u64() },
    ...(is & 2) === 0 ? {} : { seq: bytes.u64() },
    ...(is & 4) === 0 ? {} : { dbseq: bytes.u64() },
    ...(is & 8) === 0 ? {} : { code: word(bytes, ABORTS) },
    ...(is & 16) === 0 ? {} : { why: why(bytes) },
    ...(is & 32) === 0 ? {} : { key: bytes.text() },
  };
}

function why(bytes: In): string {
  const text = bytes.text();
  if (text.length > TEXT_MAX) throw new BodyFault(`a text of ${text.length} characters`);
  return text;
}

function txnState(bytes: In): TxnState {
  const name = txid(bytes);
  const state = word(bytes, STATES);
  const is = bits(bytes, 3);
  return {
    kind: "txn_state",
    ...name,
    state,
    ...(is & 1) === 0 ? {} : { seq: bytes.u64() },
    ...(is & 2) === 0 ? {} : { dbseq: bytes.u64() },
  };
}

/** Entries, out of a copy of their bytes: they are kept, and what was read is larger than they are. */
function entriesOf(bytes: In): Entry[] {
  const many = count(bytes, ENTRIES_MAX);
  const start = bytes.at;
  let end = start;
  for (let left = many; left > 0; left--) {
    const size = entrySize(bytes.bytes, end);
    if (size === undefined && bytes.bytes.length - end >= 12) {
      throw new BodyFault("no entry begins there");
    }
    if (size === undefined || size > bytes.bytes.length - end) {
      throw new RangeError("an entry is cut off");
    }
    end += Math.max(1, size);
  }
  bytes.at = end;
  const copy = bytes.bytes.slice(start, end);
  const entries: Entry[] = [];
  let at = 0;
  while (at < copy.length) {
    const entry = readEntry(copy, at);
    if (isFault(entry)) throw new BodyFault(`an entry: ${entry.text}`);
    entries.push(entry);
    at += entry.size;
  }
  return entries;
}

function hello(bytes: In): AnyCommitMessage {
  const [id, lineage] = [copyId(bytes), bytes.u64()];
  const last = { lastSeq: bytes.u64(), lastTerm: bytes.u64(), lastChain: bytes.u64() };
  const is = bits(bytes, 3);
  const [isDamaged, isFull] = [(is & 1) !== 0, (is & 2) !== 0];
  const about = { ...last, isDamaged, isFull, applied: bytes.u64() };
  return { kind: "hello", id, lineage, ...about, commitKnown: bytes.u64() };
}

function opened(bytes: In): AnyCommitMessage {
  const [id, lineage] = [bytes.u32(), bytes.u64()];
  const place = { seq: bytes.u64(), chain: bytes.u64(), dbseq: bytes.u64() };
  const placeTerm = bytes.u64();
  const [fileBytes, areaStart, areaCapacity] = [bytes.u32(), bytes.u32(), bytes.u32()];
  const shape = { fileBytes, areaStart, areaCapacity, intentPages: bytes.u32() };
  const tableBytes = bytes.u32();
  return { kind: "sync_opened", id, lineage, ...place, placeTerm, ...shape, tableBytes };
}

function ranges(bytes: In): { ranges: { from: number; count: number }[] } {
  const many = bytes.u16();
  if (many < 1 || many > SYNC_RANGES_MAX) {
    throw new BodyFault(`a list of ${many} where 1 to ${SYNC_RANGES_MAX} are`);
  }
  const ranges: { from: number; count: number }[] = [];
  for (let left = many; left > 0; left--) {
    const [from, count] = [bytes.u32(), bytes.u32()];
    if (count < 1 || count > SYNC_PART_BYTES) throw new BodyFault(`a range of ${count}`);
    ranges.push({ from, count });
  }
  return { ranges };
}
