/**
 * Commits of persistent and replicated databases: how transactions reach the primary, and entries the copies.
 *
 *   work      open ──▶ primary ── opened;    submit ── result;    txn_ask ── txn_state;    close ── closed
 *   copies    append ──▶ copy ── appended    too_old: what you need is in my log no more
 *   followers shipped ──▶ primary or copy ── ship
 *   reads     read_index ──▶ primary ── read_at
 *   set       want_isr, hello ──▶ leader     the answer is the next document
 *
 * Each names the term that it is for: of another one it is refused or dropped. They travel in a layout of their own,
 * commit_layout.ts, together with those of commit_sync.ts.
 *
 * Does NOT promise: order or delivery; each is right when it comes late, twice or never. The rules are in
 * actors/machines/commit.
 */
import type { Entry } from "../commit/entry.ts";
import {
  as,
  bytes,
  choice,
  field,
  flag,
  list,
  oneOf,
  optional,
  record,
  text,
  u32,
  u64,
  word,
} from "../fields.ts";
import type { Field, Shaped } from "../fields.ts";
import { TEXT_MAX, WHOLE_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { DbId, Incarnation, Token, Version } from "../terms.ts";
import { SYNC_MESSAGES } from "./commit_sync.ts";
import type { SyncMessage } from "./commit_sync.ts";
import { MEMBER } from "./document.ts";
import { pnn } from "./membership.ts";
import { key } from "./record_parts.ts";

/** Reads or writes of one transaction. */
export const TXN_ITEMS_MAX = 262_144;
/** Entries in one message. */
export const ENTRIES_MAX = 65_536;
/** Characters of a copy's id. */
export const COPY_ID_MAX = 32;
/** The form of a copy's id: printable ASCII without a blank. */
export const COPY_ID: string = `^[!-~]{1,${COPY_ID_MAX}}$`;
/** Texts have a byte for each character. */
const BYTES = "^[\\u0000-\\u00ff]*$";

/** Why a transaction was not executed, and never will be under this number. */
export const ABORTS = ["conflict", "read_only", "space", "limit", "finalized", "timeout"] as const;
/** What became of a submitted transaction. */
export const OUTCOMES = ["committed", "aborted", "wrong_primary", "session_expired"] as const;
/** How a transaction stands. */
export const STATES = [
  "committed",
  "aborted",
  "in_progress",
  "not_executed",
  "forgotten",
  "session_expired",
] as const;
/** What a copy says to entries. */
export const ACKS = ["ok", "hint", "reject"] as const;
/** Why a transaction was not executed. */
export type AbortCode = (typeof ABORTS)[number];

const term = u64<Version>("The document's version that made the primary.");
const sid = u64("The session.");
const n = u32("Number of the transaction in its session, from 1.", 0xffff_ffff, 1);
const seq = u64("Number of an entry.");
const dbseq = u64("Number of a transaction in the history.");
const chain = u64("Chain of an entry: all before it is in it.");
const lineage = u64("The history.");
const asker = u64<Incarnation>("Life of the node that asked: another one counts anew.");
const copyId = text("Disk id; of a replicated database the incarnation.", COPY_ID_MAX, COPY_ID);
const entries: Field<Entry[]> = list(
  "Entries, one after the other.",
  field<Entry>({ type: "any", title: "entry", description: "commit/entry.ts" }),
  ENTRIES_MAX,
);

const READ = record("TxnRead", "What a transaction read.", {
  key,
  version: u64("The rsn of the record; 0: it was not there."),
});
const WRITE = record("TxnWrite", "What a transaction writes.", {
  key,
  value: optional(bytes("The value; missing: the record is deleted.")),
});

/** Node to primary: a session for a client. */
export const OPEN = record("open", "Node to primary: a session, please.", {
  kind: word("open"),
  term,
  number: u32("The node's number of it; its life never uses it again."),
});
/** Primary to node. */
export const OPENED = record("opened", "Primary to node: the log has it.", {
  kind: word("opened"),
  term,
  asker,
  number: u32("The node's number of it."),
  sid,
});
/** Node to primary. */
export const CLOSE = record("close", "Node to primary: that session is over.", {
  kind: word("close"),
  term,
  sid,
});
/** Primary to node. */
export const CLOSED = record("closed", "Primary to node: the log has it.", {
  kind: word("closed"),
  term,
  sid,
});
/** Node to primary: execute this. */
export const SUBMIT = record("submit", "Node to primary: execute this, once.", {
  kind: word("submit"),
  term,
  sid,
  n,
  doneUpTo: u32("The node knows the fate of all up to here."),
  reads: list("What it read.", READ, TXN_ITEMS_MAX),
  writes: list("What it writes.", WRITE, TXN_ITEMS_MAX),
});
/** Primary to node: what became of it. */
export const RESULT = record("result", "Primary to node: what became of a transaction.", {
  kind: word("result"),
  term,
  sid,
  n,
  outcome: oneOf("What.", OUTCOMES),
  lineage: optional(lineage),
  seq: optional(seq),
  dbseq: optional(dbseq),
  code: optional(oneOf("Why it was aborted.", ABORTS)),
  why: optional(text("The same in words.", TEXT_MAX, BYTES)),
  key: optional(key),
});
/** Node to primary: what became of it? */
export const TXN_ASK = record("txn_ask", "Node to primary: what became of a transaction?", {
  kind: word("txn_ask"),
  term,
  sid,
  n,
  finalize: flag("What was not executed never is."),
});
/** Primary to node. */
export const TXN_STATE = record("txn_state", "Primary to node: how a transaction stands.", {
  kind: word("txn_state"),
  term,
  sid,
  n,
  state: oneOf("How.", STATES),
  seq: optional(seq),
  dbseq: optional(dbseq),
});
/** Primary to copy: these come next. */
export const APPEND = record("append", "Primary to copy: these come next.", {
  kind: word("append"),
  term,
  lineage,
  prevSeq: u64("The entry before the first; without entries: one that the primary has."),
  prevChain: chain,
  entries,
  commit: u64("All up to here are committed."),
  readNo: u32("Reads up to this number ask whether the primary still is one."),
});
/** Copy to primary. */
export const APPENDED = record("appended", "Copy to primary: how far it is.", {
  kind: word("appended"),
  term,
  id: copyId,
  outcome: oneOf(
    "ok: durable and compared up to seq; hint: go on after seq; reject: see `highTerm`.",
    ACKS,
  ),
  seq,
  readNo: u32("Of the APPEND that this answers."),
  highTerm: u64<Version>("The highest term that the copy has seen."),
});
/** To a copy or follower: what you need is in my log no more. */
export const TOO_OLD = record("too_old", "To a copy or follower: my log begins later.", {
  kind: word("too_old"),
  term,
  lineage,
  first: u64("The first entry of the log."),
});
/** Follower to primary or copy, again and again: where it is. */
export const SHIPPED = record("shipped", "Follower to primary or copy: where it is.", {
  kind: word("shipped"),
  lineage,
  seq: u64("The last entry that it has, durably."),
  chain,
  applied: u64("The last entry that its file has."),
});
/** To a follower: these are committed. */
export const SHIP = record("ship", "Primary or copy to follower: these are committed.", {
  kind: word("ship"),
  lineage,
  prevSeq: seq,
  prevChain: chain,
  entries,
});
/** Node to primary: up to where must I have applied, to read what is committed now? */
export const READ_INDEX = record("read_index", "Node to primary: up to where must I read?", {
  kind: word("read_index"),
  term,
  id: u32("Tells answers from each other."),
});
/** Primary to node. */
export const READ_AT = record("read_at", "Primary to node: up to there.", {
  kind: word("read_at"),
  term,
  asker,
  id: u32("Of the question."),
  lineage,
  commit: u64("All that was committed when it was asked is up to here."),
});
/** Primary to leader: change the in-sync set. */
export const WANT_ISR = record("want_isr", "Primary to leader: change the in-sync set.", {
  kind: word("want_isr"),
  term,
  token: u64<Token>("Of the leader; another one drops it."),
  reqNo: u32("Counts in the term, from 1; what was overtaken is void.", 0xffff_ffff, 1),
  pnn: pnn("Who."),
  id: optional(copyId),
});

/** Node to leader, again and again. */
export const HELLO = record("hello", "Node to leader, again and again: what its copy has.", {
  kind: word("hello"),
  id: copyId,
  lineage,
  lastSeq: u64("The last entry of its log."),
  lastTerm: u64("Term of that; 0: not known."),
  lastChain: chain,
  isDamaged: flag("Was more on its disk once?"),
  isFull: flag("Has its log no room?"),
  applied: u64("The last entry that its file has."),
  commitKnown: u64("The last one that it knows as committed."),
});

/** What a batch may have: these, and those of commit_sync.ts. */
export const ANY_MESSAGE = choice("One message about commits.", [
  OPEN,
  OPENED,
  CLOSE,
  CLOSED,
  SUBMIT,
  RESULT,
  TXN_ASK,
  TXN_STATE,
  APPEND,
  APPENDED,
  TOO_OLD,
  SHIPPED,
  SHIP,
  READ_INDEX,
  READ_AT,
  WANT_ISR,
  HELLO,
  ...SYNC_MESSAGES,
]);

/** What a transaction read. */
export type TxnRead = Shaped<typeof READ>;
/** Node to primary. */
export type Open = Shaped<typeof OPEN>;
/** Primary to node. */
export type Opened = Shaped<typeof OPENED>;
/** Node to primary. */
export type Close = Shaped<typeof CLOSE>;
/** Primary to node. */
export type Closed = Shaped<typeof CLOSED>;
/** Node to primary. */
export type Submit = Shaped<typeof SUBMIT>;
/** Primary to node. */
export type Result = Shaped<typeof RESULT>;
/** Node to primary. */
export type TxnAsk = Shaped<typeof TXN_ASK>;
/** Primary to node. */
export type TxnState = Shaped<typeof TXN_STATE>;
/** Primary to copy. */
export type Append = Shaped<typeof APPEND> & { readonly entries: readonly Entry[] };
/** Copy to primary. */
export type Appended = Shaped<typeof APPENDED>;
/** To a copy or follower. */
export type TooOld = Shaped<typeof TOO_OLD>;
/** Follower to primary or copy. */
export type Shipped = Shaped<typeof SHIPPED>;
/** To a follower. */
export type Ship = Shaped<typeof SHIP> & { readonly entries: readonly Entry[] };
/** Node to primary. */
export type ReadIndex = Shaped<typeof READ_INDEX>;
/** Primary to node. */
export type ReadAt = Shaped<typeof READ_AT>;
/** Primary to leader. */
export type WantIsr = Shaped<typeof WANT_ISR>;
/** Node to leader. */
export type HelloMessage = Shaped<typeof HELLO>;
/** Any that the machine takes or sends. */
export type CommitMessage =
  | (Open | Opened | Close | Closed | Submit | Result | TxnAsk | TxnState)
  | (Append | Appended | TooOld | Shipped | Ship | ReadIndex | ReadAt | WantIsr);
/** Any message of a batch. */
export type AnyCommitMessage = CommitMessage | HelloMessage | SyncMessage;

/** Messages in one publication. */
export const COMMIT_BATCH_MAX = 256;

/** All that a turn has for one peer about one database. */
export const COMMITS = declare("commits", {
  class: "r",
  since: 2,
  doc: "Node to node: all that a turn has for it about one persistent or replicated database.",
  bytesMax: WHOLE_MAX,
  fields: {
    dbId: u32<DbId>("The database."),
    since: u64<Version>("The document that attached it, or last wiped it."),
    by: as("The sender's life.", MEMBER),
    messages: list("The messages.", ANY_MESSAGE, COMMIT_BATCH_MAX, 1),
  },
});
/** All that a turn has for one peer about one database. */
export type Commits = MessageOf<typeof COMMITS>;
