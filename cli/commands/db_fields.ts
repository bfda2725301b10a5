/**
 * Databases as nodes tell of them: what commands get from the verbs `db ls`, `db status` and `db stats`, and the fields
 * in which they show it.
 *
 * Does NOT promise: what a node does not know; it is null then.
 */

import { spanText, versionText } from "../answers.ts";
import { escapeBytes } from "../bytes_text.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { meant } from "../nearest.ts";
import type { TableColumn } from "../result.ts";
import { flag, int, list, maybe, ms, record, type Shape, text, u64, word } from "../schema.ts";

/** How a database is kept. */
export const KINDS = ["volatile", "replicated", "persistent"] as const;
/** A setting that may be left to the daemons. */
export const SETTINGS = ["auto", "on", "off"] as const;
/** How far a node is with a database. */
export const DB_STATES = [
  "ready",
  "recovering",
  "frozen",
  "attaching",
  "idle",
  "down",
] as const;

/** What is decided about a database, and how far the asked node is with it. */
export const DB_FIELDS = {
  name: text("Database", "its name"),
  id: int("Id", "its number: a hash of its name"),
  kind: word("Kind", "how it is kept", KINDS),
  state: word(
    "State",
    "how far the asked node is; frozen: it may not serve just now; idle: not kept there",
    DB_STATES,
  ),
  why: maybe(text("Why", "what it waits for, or what is wrong")),
  readonly: maybe(word("Read copies", "may several nodes have copies to read?", SETTINGS)),
  sticky: maybe(word("Sticky", "do records in demand stay a while?", SETTINGS)),
  hashSize: maybe(int("Hash chains", "of its file; null: the usual number")),
  replicas: maybe(int("Copies", "that are wanted; null: it is volatile")),
  minInSync: maybe(
    int("Least in sync", "copies that a commit is to need; null: more than half of the copies"),
  ),
  since: maybe(u64("Since", "the document's version that attached it, or wiped it last")),
  path: maybe(text("File", "on the asked node")),
};
/** A database, as `db ls` shows it. */
export type DbRow = Shape<typeof DB_FIELDS>;

/** Columns of `db ls`. */
export const DB_TABLE: readonly (string | TableColumn<DbRow>)[] = [
  "name",
  { name: "id", text: ({ id }) => hexId(id) },
  "kind",
  "state",
  { name: "readonly", whenSet: true },
  { name: "sticky", whenSet: true },
  { name: "why", whenSet: true },
];

/** A node's part in a persistent or replicated database. */
const ROLES = ["primary", "in_sync", "copy", "follower"] as const;
/** How a persistent or replicated database is, at the asked node. */
const COMMIT_FIELDS = {
  own: word("Role", "of the asked node; closed: its copy cannot be used", [...ROLES, "closed"]),
  serving: maybe(
    word("Serving", "of a primary; readonly: too few in-sync copies answer", [
      "starting",
      "serving",
      "readonly",
    ]),
  ),
  k: int("Copies", "that are wanted"),
  m: int("Needed", "in-sync copies that a commit needs"),
  nodes: maybe(int("Nodes", "that may keep a copy")),
  primary: maybe(int("Primary", "number of the node that orders the transactions")),
  copies: list(
    "Copies",
    "which nodes have it",
    record("Copy", "one", {
      pnn: int("Pnn", "number of the node"),
      node: maybe(text("Node", "its name")),
      zone: maybe(text("Zone", "what fails together with it; null: nothing is known")),
      role: word("Role", "its part", ROLES),
    }),
  ),
  seqnum: u64("Sequence number", "transactions in the file here"),
  lastSeq: u64("Last entry", "of the log here"),
  commitKnown: u64("Committed", "entries that are known as committed here"),
  appliedSeq: u64("Applied", "entries that the file here has"),
  logBytes: int("Log bytes", "of the log here", "bytes"),
  waiting: int("Waiting", "transactions of this node's programs"),
  sync: maybe(
    record("Taken over", "a whole file, from another node; null: none is", {
      done: int("Pages", "that are here"),
      total: int("Of", "pages that have to travel"),
      leftMs: maybe(ms("Left, ms", "at the rate so far")),
    }),
  ),
  files: record("Files", "how they are here, and what was done about them", {
    state: word("State", "lost: pages are bad that no other node has", [
      "well",
      "mending",
      "slow",
      "lost",
    ]),
    bad: int("Bad", "pages that were found damaged since the daemon began"),
    mended: int("Mended", "pages that were mended from another node"),
    files: int("Anew", "files that were taken anew, as pages could not be mended one by one"),
    scrubbed: int("Scrubbed", "pages that the background scrub has looked at"),
    passes: int("Passes", "how often it came through"),
    at: int("At", "the page where it goes on"),
    pages: int("Pages", "of the file"),
  }),
  trouble: maybe(text("Trouble", "what is wrong with the copy here")),
  cause: maybe(
    word("Cause", "the same in a word; stopped: the copy is not used in this life", [
      "stopped",
      "not_begun",
      "full",
      "damaged",
      "catching_up",
      "too_few",
    ]),
  ),
  waits: maybe(text("Waits", "asked of the leader: for what, before somebody can lead it")),
  isUnsure: maybe(flag("Unsure", "was the cluster led on by force, and nobody has decided since?")),
};

/** What is in it, at the asked node. */
export const STATUS_FIELDS = {
  ...DB_FIELDS,
  records: maybe(int("Records", "copies in its file here, of whatever role")),
  empty: maybe(int("Deleted", "of them, records that wait to be cleaned up")),
  fileBytes: maybe(int("File bytes", "of the file", "bytes")),
  sideBytes: maybe(
    int("Side bytes", "what the daemon knows of the copies beside the file", "bytes"),
  ),
  waiting: maybe(int("Waiting", "operations that wait for a record here")),
  traverses: maybe(int("Traverses", "that are under way from here")),
  slotsHome: maybe(int("Home of", "slots of which the asked node is home")),
  slotsOpening: maybe(int("Opening", "slots whose records it is finding again")),
  keysQueried: maybe(int("Queried", "records that it is finding again one by one")),
  heldUp: maybe(
    record("Held up", "the record at which a program holds up others longest", {
      key: text("Key", "escaped, as `rec get --escaped` takes it"),
      pid: maybe(int("Pid", "process id of the program; null: not known")),
      ageMs: ms("Age, ms", "since the node has noticed it"),
    }),
  ),
  commit: maybe(
    record("Commits", "of a persistent or replicated one; null: it is volatile", COMMIT_FIELDS),
  ),
};
/** A database, as `db status` shows it. */
export type StatusRow = Shape<typeof STATUS_FIELDS>;

/** What "db status" answers, as it is shown: a key there has a character for each byte, the number another name. */
export function statusRow(answer: StatusRow): StatusRow {
  const { commit } = answer;
  if (commit != null) {
    const { dbseq } = commit as unknown as { readonly dbseq: string };
    return { ...answer, commit: { ...commit, seqnum: dbseq } };
  }
  const { heldUp } = answer;
  if (heldUp == null) return answer;
  const bytes = Uint8Array.from(heldUp.key, (letter) => letter.charCodeAt(0));
  return { ...answer, heldUp: { ...heldUp, key: escapeBytes(bytes) } };
}

/** A record that is held up, in words; undefined: none is. */
export function heldUpText({ heldUp }: Pick<StatusRow, "heldUp">): string | undefined {
  if (heldUp == null) return undefined;
  const { key, pid, ageMs } = heldUp;
  const who = pid == null ? "a program" : `process ${pid}`;
  return `${who} holds "${key.slice(0, 40)}" for ${spanText(ageMs)}`;
}

/** Of a persistent or replicated one: what this node is of it; undefined: it is volatile. */
function roleText({ commit }: StatusRow): string | undefined {
  if (commit == null) return undefined;
  const { own, serving } = commit;
  return serving == null ? own.replace("_", "-") : `${own}, ${serving}`;
}

/** How many copies are in sync, of those that are wanted, and how many a commit needs. */
function inSyncText({ commit }: StatusRow): string | undefined {
  if (commit == null) return undefined;
  const { copies, k, m } = commit;
  const inSync = copies.filter(({ role }) => role === "primary" || role === "in_sync").length;
  return `${inSync} of ${k} (${m} needed)`;
}

/** Entries that are committed, and not in the file here. */
function behindText({ commit }: StatusRow): number | undefined {
  if (commit == null) return undefined;
  return Math.max(0, Number(BigInt(commit.commitKnown) - BigInt(commit.appliedSeq)));
}

function whyText({ why, commit }: StatusRow): string | undefined {
  const waits = commit?.waits == null ? undefined : `it waits ${commit.waits}`;
  return why ?? commit?.trouble ?? waits;
}

/** Columns of `db status`. */
export const STATUS_TABLE: readonly (string | TableColumn<StatusRow>)[] = [
  "name",
  "state",
  "records",
  "empty",
  "fileBytes",
  "waiting",
  { name: "traverses", whenSet: true, text: ({ traverses }) => traverses || undefined },
  "slotsHome",
  "slotsOpening",
  "keysQueried",
  { name: "role", title: "Role", whenSet: true, text: roleText },
  {
    name: "primary",
    title: "Primary",
    whenSet: true,
    text: ({ commit }) => commit?.primary ?? undefined,
  },
  { name: "inSync", title: "In sync", whenSet: true, text: inSyncText },
  {
    name: "seqnum",
    title: "Seqnum",
    whenSet: true,
    text: ({ commit }) => commit?.seqnum,
  },
  { name: "behind", title: "Behind", whenSet: true, text: behindText },
  { name: "heldUp", whenSet: true, text: heldUpText },
  { name: "why", whenSet: true, text: whyText },
];

/** A record in demand, as `db stats` tells of it; the key as base64. */
export interface HotAnswer {
  readonly key: string;
  readonly uses?: number;
  readonly visits?: number;
  readonly movesIn?: number;
  readonly movesOut?: number;
  readonly delegated?: number;
  readonly waiting?: number;
  readonly isSticky?: boolean;
  readonly choice?: string;
}

/** One element of the answer to `db stats`. */
export interface StatsAnswer {
  readonly name: string;
  readonly counts?: Readonly<Record<string, number>>;
  /** Operations by outcome. */
  readonly ops?: Readonly<Record<string, number>>;
  readonly hot?: readonly HotAnswer[];
}

/** Counts of the databases of that name, without a name of all; `all`: those of "db ls". Throws Failure. */
export function countsOf(
  stats: readonly StatsAnswer[],
  all: readonly DbRow[],
  name: string | undefined,
): readonly StatsAnswer[] {
  const down = named(all, name).find(({ state }) => state === "down");
  if (down !== undefined) {
    throw new Failure(
      EXIT.other,
      `Cannot count at this node: ${down.why ?? "its data thread does not run"}`,
      "it is started again by itself; try again",
    );
  }
  return name === undefined ? stats : stats.filter((each) => each.name === name);
}

/** The number of a database as people write it. */
export function hexId(id: number): string {
  return `0x${id.toString(16).padStart(8, "0")}`;
}

/** Its epoch for people. */
export function sinceText({ since }: { readonly since?: string | null | undefined }): string {
  return versionText(since ?? undefined) ?? "-";
}

/** The databases of that name; without a name all. Throws Failure (not found). */
export function named<T extends { readonly name: string }>(
  all: readonly T[],
  name: string | undefined,
): readonly T[] {
  if (name === undefined) return all;
  const found = all.filter((each) => each.name === name);
  if (found.length > 0) return found;
  throw noDatabase(name, all.map((each) => each.name));
}

/** "There is no such database", with the name that may have been meant. */
export function noDatabase(name: string, known: readonly string[]): Failure {
  const names = known.length === 0 ? "there is none" : `known are ${known.join(", ")}`;
  return new Failure(
    EXIT.notFound,
    `Cannot find database ${name}: ${names}`,
    meant(name, known) ?? "`ctdbx db ls` shows all; `ctdbx db attach NAME` makes one",
  );
}
