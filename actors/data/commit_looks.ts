/**
 * What people, and the leader, see of a persistent or replicated database at this node.
 *
 * Does NOT promise: that it is so a moment later.
 */
import type { Pnn } from "../../transport/wire/terms.ts";
import { PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import { type CommitConfig, copiesOf } from "../machines/commit/config.ts";
import type { Hello } from "../machines/commit/events.ts";
import { isDamaged } from "../machines/commit/replica.ts";
import { WAIT_BOUNDS_MS } from "../machines/record/moves.ts";
import type { Key } from "../machines/record/copy.ts";
import { configOf } from "./commit_config.ts";
import type { CommitDatabase } from "./commit_database.ts";
import type { CommitCause, CommitCopyLook, CommitLook } from "./commit_ops.ts";
import type { DatabaseStats, Where } from "./types.ts";

/** Of a lineage that no history has. */
const NO_LINEAGE = 0xffff_ffff_ffff_ffffn;

/** A copy that cannot be used tells so: it is none of those that the document names. */
export function brokenHello(): Hello {
  return {
    id: "broken",
    lineage: NO_LINEAGE,
    lastSeq: 0n,
    lastTerm: 0n,
    lastChain: 0n,
    isDamaged: true,
    applied: 0n,
    commitKnown: 0n,
    isFull: false,
  };
}

/** How it is here. */
export function lookOf(database: CommitDatabase): CommitLook {
  const { cfg, machine, disk, counts, waiting, health, sync } = database;
  const config = configOf(cfg);
  const { k, m, kind, primary, term, lineage } = config;
  const replica = machine?.state.replica;
  const pnn = machine?.state.me?.pnn;
  const serving = machine?.status;
  return {
    ...{ kind, k, term, lineage, serving, waiting, counts: { ...counts } },
    m: lineage === 0n ? 0 : m,
    primary: primary === PNN_UNKNOWN ? undefined : primary,
    copies: copyLooks(config),
    own: replica?.isOpen !== true || pnn === undefined ? "closed" : roleOf(config, pnn),
    dbseq: replica?.applied.dbseq ?? 0n,
    lastSeq: replica?.log.last ?? 0n,
    commitKnown: replica?.commitKnown ?? 0n,
    appliedSeq: replica?.applied.seq ?? 0n,
    logBytes: sizeOf(() => disk?.store.log.shelf.space.bytes),
    fileBytes: sizeOf(() => disk?.file.core.image.mapped),
    isUnsure: config.unsure === true,
    ...troubleOf(database, config),
    ...sync === undefined ? {} : { sync },
    files: health.look(),
  };
}

/** Files that are just exchanged have no size. */
function sizeOf(look: () => number | undefined): number {
  try {
    return look() ?? 0;
  } catch {
    return 0;
  }
}

function copyLooks(config: CommitConfig): CommitCopyLook[] {
  return copiesOf(config).map((pnn) => ({ pnn, role: roleOf(config, pnn) }));
}

function roleOf({ primary, isr, replicas }: CommitConfig, pnn: Pnn): CommitCopyLook["role"] {
  if (primary === pnn) return "primary";
  if (isr.some((one) => one.pnn === pnn)) return "in_sync";
  return replicas.includes(pnn) ? "copy" : "follower";
}

/** What is wrong: a sentence, and the same as a word. */
function troubleOf(
  { trouble, machine, sync }: CommitDatabase,
  { lineage }: CommitConfig,
): Pick<CommitLook, "trouble" | "cause"> {
  const said = (cause: CommitCause, trouble: string) => ({ cause, trouble });
  if (trouble !== undefined) return said("stopped", trouble);
  if (lineage === 0n) {
    return said("not_begun", "it has not begun: most of its copies must be there first");
  }
  const none = { cause: undefined, trouble: undefined };
  if (machine === undefined) return none;
  const { state } = machine;
  if (state.isFull) return said("full", "there is no room on the disk");
  const { replica } = state;
  if (isDamaged(replica)) return said("damaged", "the end of its log is damaged");
  if (replica.isFresh) return said("catching_up", `it catches up${syncText(sync)}`);
  return machine.status === "readonly" ? said("too_few", "too few in-sync copies answer") : none;
}

/** How far it is: `: 812 of 4096 pages, 3 s left`. */
function syncText(sync: CommitLook["sync"]): string {
  if (sync === undefined) return "";
  const { done, total, leftMs } = sync;
  const left = leftMs === undefined ? "" : `, ${Math.ceil(leftMs / 1000)} s left`;
  return `: ${done} of ${total} pages${left}`;
}

/** Numbers, as of any database. */
export function statsOf(database: CommitDatabase): DatabaseStats {
  const { cfg: { dbId, name }, since, work, waiting } = database;
  const commit = lookOf(database);
  const wait = { counts: [...WAIT_BOUNDS_MS, 0].map(() => 0), sumMs: 0, mostMs: 0 };
  const isReady = commit.own !== "closed" && database.machine?.mayRead === true;
  return {
    ...{ dbId, name, since, waiting, commit, path: undefined },
    // A node is unwell by what is wrong with its own copy, not because others are missing, or it catches up.
    ...database.trouble === undefined ? {} : { why: database.trouble },
    state: isReady ? "ready" : "recovering",
    ...{ records: 0, fileBytes: commit.fileBytes, sideBytes: commit.logBytes, empty: 0 },
    ...{ traverses: work.traverses, slotsHome: 0, slotsOpening: 0, keysHome: 0, keysQueried: 0 },
    counts: { ...database.disk?.counts, ...countsOf(database) },
    waits: { move: wait, read: wait, call: wait },
    heldUp: undefined,
    ops: { ...work.counts },
    hot: [],
  };
}

/** What was done about its files, by name. */
function countsOf({ health }: CommitDatabase): Record<string, number> {
  const { bad, mended, files, scrubbed, passes } = health.look();
  return {
    "pages damaged": bad,
    "pages mended": mended,
    "files taken anew": files,
    "pages scrubbed": scrubbed,
    "scrub passes": passes,
  };
}

/** Where a record is: in each copy of the database; what changes it goes to the primary. */
export function whereOf(database: CommitDatabase, key: Key): Where {
  const { primary, own } = lookOf(database);
  let found;
  try {
    found = database.disk?.view.fetch(key);
  } catch {
    // Who reads it is told what is wrong with it.
    found = undefined;
  }
  return {
    ...{ slot: undefined, home: undefined, isHome: false, isOpen: own !== "closed" },
    ...{ holder: primary, dmaster: undefined, tid: undefined, readers: [], waiting: 0 },
    role: found === undefined ? "none" : own,
    rsn: found?.rsn as Where["rsn"],
    size: found?.value.length,
    heldBy: undefined,
    ...{ read: "here", call: "ship", isSticky: false, history: [] },
  };
}
