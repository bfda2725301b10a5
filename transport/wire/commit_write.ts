/**
 * Messages about commits, written in their layout (commit_layout.ts has its head, docs/WIRE.md all of it).
 *
 *   u8 kind, then the fields in the order in which they are declared, as in record_write.ts; lists that may have more
 *   than 65535 items have a u32 count; entries lie one after the other as commit/entry.ts makes them
 *
 * Does NOT promise: to check what types and the machine promise; only what would not fit its field throws RangeError.
 */
import type { Out } from "./byte_cursor.ts";
import type { Entry } from "./commit/entry.ts";
import { VALUE_MAX } from "./limits.ts";
import { ABORTS, ACKS, ENTRIES_MAX, OUTCOMES, STATES, TXN_ITEMS_MAX } from "./messages/commit.ts";
import type { AnyCommitMessage, Append, HelloMessage, Result, Submit } from "./messages/commit.ts";
import { SYNC_RANGES_MAX } from "./messages/commit_sync.ts";
import type { SyncAsk, SyncMessage, SyncOpened } from "./messages/commit_sync.ts";

/** The numbers of the kinds on the wire. */
export const COMMIT_KIND = {
  open: 1,
  opened: 2,
  close: 3,
  closed: 4,
  submit: 5,
  result: 6,
  txn_ask: 7,
  txn_state: 8,
  append: 9,
  appended: 10,
  too_old: 11,
  shipped: 12,
  ship: 13,
  read_index: 14,
  read_at: 15,
  want_isr: 16,
  hello: 17,
  sync_open: 18,
  sync_opened: 19,
  sync_no: 20,
  sync_ask: 21,
  sync_part: 22,
  sync_close: 23,
  page_ask: 24,
  page_is: 25,
} as const satisfies Record<AnyCommitMessage["kind"], number>;

/** Why a source gives no copy, by number. */
export const SYNC_WHYS = ["lineage", "behind", "busy", "lost", "gone"] as const;
/** What is asked of a source, by number. */
export const SYNC_WHATS = ["sums", "table", "pages"] as const;

/** Writes a message. Throws RangeError on one that does not fit its fields. */
export function writeCommit(out: Out, message: AnyCommitMessage): void {
  out.room(0);
  out.u8(COMMIT_KIND[message.kind]);
  switch (message.kind) {
    case "open":
      out.u64(message.term);
      return out.u32(message.number);
    case "opened":
      out.u64(message.term);
      out.u64(message.asker);
      out.u32(message.number);
      return out.u64(message.sid);
    case "close":
    case "closed":
      out.u64(message.term);
      return out.u64(message.sid);
    case "submit":
      return putSubmit(out, message);
    case "result":
      return putResult(out, message);
    case "txn_ask":
      putTxid(out, message);
      return out.u8(message.finalize ? 1 : 0);
    case "txn_state": {
      const { seq, dbseq, state } = message;
      putTxid(out, message);
      out.u8(numberOf(STATES, state));
      return putOptionals(out, [seq, dbseq]);
    }
    case "append":
      return putAppend(out, message);
    case "appended":
      out.u64(message.term);
      out.text(message.id);
      out.u8(numberOf(ACKS, message.outcome));
      out.u64(message.seq);
      out.u32(message.readNo);
      return out.u64(message.highTerm);
    default:
      return putRare(out, message);
  }
}

/** What the cases of `writeCommit` leave over. */
type Rare =
  | Extract<
    AnyCommitMessage,
    { kind: "too_old" | "shipped" | "ship" | "read_index" | "read_at" | "want_isr" | "hello" }
  >
  | SyncMessage;

function putRare(out: Out, message: Rare): void {
  switch (message.kind) {
    case "too_old":
      out.u64(message.term);
      out.u64(message.lineage);
      return out.u64(message.first);
    case "shipped":
      out.u64(message.lineage);
      out.u64(message.seq);
      out.u64(message.chain);
      return out.u64(message.applied);
    case "ship":
      out.u64(message.lineage);
      out.u64(message.prevSeq);
      out.u64(message.prevChain);
      return putEntries(out, message.entries);
    case "read_index":
      out.u64(message.term);
      return out.u32(message.id);
    case "read_at":
      out.u64(message.term);
      out.u64(message.asker);
      out.u32(message.id);
      out.u64(message.lineage);
      return out.u64(message.commit);
    case "want_isr": {
      const { term, token, reqNo, pnn, id } = message;
      out.u64(term);
      out.u64(token);
      out.u32(reqNo);
      out.u32(pnn);
      out.u8(id === undefined ? 0 : 1);
      return id === undefined ? undefined : out.text(id);
    }
    case "hello":
      return putHello(out, message);
    default:
      return putSync(out, message);
  }
}

function putHello(out: Out, message: HelloMessage): void {
  out.text(message.id);
  out.u64(message.lineage);
  out.u64(message.lastSeq);
  out.u64(message.lastTerm);
  out.u64(message.lastChain);
  out.u8((message.isDamaged ? 1 : 0) | (message.isFull ? 2 : 0));
  out.u64(message.applied);
  out.u64(message.commitKnown);
}

function putSync(out: Out, message: SyncMessage): void {
  switch (message.kind) {
    case "sync_open":
      out.u32(message.id);
      out.u64(message.lineage);
      return out.u64(message.above);
    case "sync_opened":
      return putOpened(out, message);
    case "sync_no":
      out.u32(message.id);
      return out.u8(numberOf(SYNC_WHYS, message.why));
    case "sync_ask":
      return putAsk(out, message);
    case "sync_part":
      out.u32(message.id);
      out.u8(numberOf(SYNC_WHATS, message.what));
      out.u32(message.from);
      return out.blob(message.data);
    case "sync_close":
      return out.u32(message.id);
    case "page_ask":
      out.u32(message.page);
      return out.blob(message.sum);
    case "page_is":
      out.u32(message.page);
      out.blob(message.sum);
      return out.blob(message.data);
  }
}

/** The number of a word. */
function numberOf<Word extends string>(words: readonly Word[], word: Word): number {
  const found = words.indexOf(word);
  if (found < 0) throw new RangeError(`Cannot write ${word}: it is none of ${words.join(", ")}`);
  return found;
}

function putTxid(
  out: Out,
  txid: { readonly term: bigint; readonly sid: bigint; readonly n: number },
): void {
  out.u64(txid.term);
  out.u64(txid.sid);
  out.u32(txid.n);
}

/** A byte of flags, and the numbers that are there; `more`: flags of what follows them. */
function putOptionals(out: Out, values: readonly (bigint | undefined)[], more = 0): void {
  let flags = more << values.length;
  for (const [bit, value] of values.entries()) if (value !== undefined) flags |= 1 << bit;
  out.u8(flags);
  for (const value of values) if (value !== undefined) out.u64(value);
}

/** u32 count of a list, if it is one. */
function putCount(out: Out, count: number, max: number): void {
  if (count > max) throw new RangeError(`Cannot write a list of ${count}: it has 0 to ${max}`);
  out.room(4);
  out.u32(count);
}

function putSubmit(out: Out, message: Submit): void {
  const { doneUpTo, reads, writes } = message;
  putTxid(out, message);
  out.u32(doneUpTo);
  putCount(out, reads.length, TXN_ITEMS_MAX);
  for (const { key, version } of reads) {
    out.text(key);
    out.u64(version);
  }
  putCount(out, writes.length, TXN_ITEMS_MAX);
  for (const { key, value } of writes) {
    out.text(key);
    out.u8(value === undefined ? 0 : 1);
    if (value === undefined) continue;
    const { length } = value;
    if (length > VALUE_MAX) {
      throw new RangeError(`Cannot write a value of ${length} bytes, VALUE_MAX is ${VALUE_MAX}`);
    }
    out.blob(value);
  }
}

function putResult(out: Out, message: Result): void {
  const { outcome, lineage, seq, dbseq, code, why, key } = message;
  putTxid(out, message);
  out.u8(numberOf(OUTCOMES, outcome));
  const words = [code, why, key].reduce(
    (sum, one, at) => one === undefined ? sum : sum | 1 << at,
    0,
  );
  putOptionals(out, [lineage, seq, dbseq], words);
  if (code !== undefined) out.u8(numberOf(ABORTS, code));
  if (why !== undefined) out.text(why);
  if (key !== undefined) out.text(key);
}

function putAppend(out: Out, message: Append): void {
  out.u64(message.term);
  out.u64(message.lineage);
  out.u64(message.prevSeq);
  out.u64(message.prevChain);
  putEntries(out, message.entries);
  out.u64(message.commit);
  out.u32(message.readNo);
}

function putEntries(out: Out, entries: readonly Entry[]): void {
  putCount(out, entries.length, ENTRIES_MAX);
  for (const { bytes } of entries) {
    out.room(bytes.length);
    out.bytes.set(bytes, out.at);
    out.at += bytes.length;
  }
  out.room(0);
}

function putOpened(out: Out, message: SyncOpened): void {
  out.u32(message.id);
  out.u64(message.lineage);
  out.u64(message.seq);
  out.u64(message.chain);
  out.u64(message.dbseq);
  out.u64(message.placeTerm);
  out.u32(message.fileBytes);
  out.u32(message.areaStart);
  out.u32(message.areaCapacity);
  out.u32(message.intentPages);
  out.u32(message.tableBytes);
}

function putAsk(out: Out, { id, what, ranges }: SyncAsk): void {
  const { length } = ranges;
  if (length < 1 || length > SYNC_RANGES_MAX) {
    throw new RangeError(`Cannot write a list of ${length}: it has 1 to ${SYNC_RANGES_MAX}`);
  }
  out.u32(id);
  out.u8(numberOf(SYNC_WHATS, what));
  out.u16(length);
  out.room(8 * length);
  for (const { from, count } of ranges) {
    out.u32(from);
    out.u32(count);
  }
}
