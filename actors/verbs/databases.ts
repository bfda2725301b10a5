/**
 * Verbs about the databases of the cluster: what the document says, and what this node's data thread says of them.
 *
 *   shown     db ls | status | stats     data status: of the thread itself
 *   changing  db attach | detach | wipe | set | vacuum
 *
 * Does NOT promise: records; programs and the data commands have the library for them.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { COPIES_MAX } from "../../transport/wire/messages/document.ts";
import { VOLATILE_HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import type { DbCfg, Document } from "../../transport/wire/messages/document.ts";
import { DATABASE_KINDS, DATABASE_NAME, SWITCHES } from "../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { DbId } from "../../transport/wire/terms.ts";
import type { Args, Verb } from "../control.ts";
import { COPIES } from "../data/commit_config.ts";
import type { CommitLook } from "../data/commit_ops.ts";
import type { AttachOptions, DatabaseStats } from "../data/types.ts";
import { nodeByPnn } from "../machines/cluster/document.ts";
import { databaseOf, epochOf } from "../machines/cluster/databases.ts";
import type { NodeParts } from "../node_parts.ts";
import { FileRecordStore } from "../storage/record_store.ts";
import { commanded, documentAt, formed, seen, text, verbIdOf, whole, wrong } from "./args.ts";
import { refuseByTunable } from "./tunables.ts";

const NAME = new RegExp(DATABASE_NAME);
const NAME_SAID = "1 to 127 of A-Z a-z 0-9 . _ -, not beginning with a dot";
/** How long a database that was attached may take to be there at this node, ms. */
const HOSTED_MS = 10_000;
/** A database that was emptied is served again within a round of messages: longest wait, and between looks, ms. */
const SERVED_MS = 2000;
const SERVED_LOOK_MS = 10;

/** Looks of this file; anybody may ask them. */
export function databaseLooks(node: NodeParts): [string, Verb][] {
  return [
    ["db ls", async () => await rowsOf(node)],
    ["db status", async () => await statusOf(node)],
    ["db stats", async () => (await databasesAt(node)).map(countsOf)],
    ["data status", () => threadOf(node)],
  ];
}

/** What changes something: for the owner on the socket, and an admin on the bus. */
export function databaseChanges(node: NodeParts): [string, Verb][] {
  return [
    ["db attach", (args) => attach(node, args)],
    ["db detach", (args) => detach(node, args)],
    ["db wipe", (args) => wipe(node, args)],
    ["db set", (args) => set(node, args)],
    ["db vacuum", (args) => vacuum(node, args)],
  ];
}

/** The id of a database: the Jenkins hash of its name with the NUL. Upstream: ctdb. */
export function dbIdOf(name: string): DbId {
  return FileRecordStore.hashOf(`${name}\0`) as DbId;
}

/** The database of a name. Throws CtdbxError "not_found". */
export function databaseNamed(doc: Document, name: string): DbCfg {
  const found = doc.dbs.find((db) => db.name === name);
  if (found !== undefined) return found;
  const known = doc.dbs.map((db) => db.name).sort().join(", ") || "none";
  throw new CtdbxError("not_found", `Cannot find database ${name}: known are ${known}`);
}

/** What the data thread says; none while it is not there. */
async function databasesAt(node: NodeParts): Promise<readonly DatabaseStats[]> {
  if (node.data === undefined || !node.data.isUp) return [];
  return (await node.data.thread.status()).databases;
}

/** The data thread itself: is it up, how often has it died, what goes through it. */
async function threadOf({ data }: NodeParts): Promise<unknown> {
  if (data === undefined) throw new CtdbxError("unsupported", "Cannot say: no databases are here");
  const { isUp, failures, lastFailure } = data;
  const about = { isUp, failures, ...lastFailure === undefined ? {} : { why: lastFailure.why } };
  if (!isUp) return about;
  const { databases, recoveries: _told, ...rest } = await data.thread.status();
  return { ...about, databases: databases.length, ...rest };
}

/** One database as people see it: what the document says, and how it is here. */
function rowOf(
  node: NodeParts,
  db: DbCfg,
  here: DatabaseStats | undefined,
): Record<string, unknown> {
  const { dbId, name, kind, since, readonly = "auto", sticky = "auto", hashSize } = db;
  const copies = kind === "volatile"
    ? {}
    : { replicas: db.copies ?? COPIES, minInSync: db.minInSync };
  const about = { name, id: dbId, kind, since, readonly, sticky, hashSize, ...copies };
  if (node.data === undefined) return { ...about, state: "idle" };
  if (!node.data.isUp) {
    const why = node.data.lastFailure?.why ?? "it is being started";
    return { ...about, state: "down", why: `the data thread does not run: ${why}` };
  }
  if (here === undefined || here.since !== epochOf(db)) return { ...about, state: "attaching" };
  const { state, path, why } = here;
  const trouble = why === undefined ? {} : { why };
  return { ...about, state, ...(path === undefined ? {} : { path }), ...trouble };
}

async function rowsOf(node: NodeParts): Promise<Record<string, unknown>[]> {
  const here = await databasesAt(node);
  return documentAt(node).dbs.map((db) =>
    rowOf(node, db, here.find(({ dbId }) => dbId === db.dbId))
  );
}

/** Each database with what is known of it here. */
export async function statusOf(node: NodeParts): Promise<Record<string, unknown>[]> {
  const here = await databasesAt(node);
  const doc = documentAt(node);
  return doc.dbs.map((db) => {
    const stats = here.find(({ dbId }) => dbId === db.dbId);
    const row = rowOf(node, db, stats);
    if (stats === undefined) return row;
    const { counts: _counts, hot: _hot, dbId: _dbId, name: _name, since: _since, ...rest } = stats;
    if (rest.commit === undefined) return { ...rest, ...row };
    // Nobody counts the records of a file that others may have made.
    const { records: _records, commit, ...kept } = rest;
    return { ...kept, commit: commitOf(doc, commit), ...row };
  });
}

/** The same with what the document says of the nodes. */
function commitOf(doc: Document, { copies, ...rest }: CommitLook): Record<string, unknown> {
  const named = copies.map((copy) => {
    const { name: node, zone } = nodeByPnn(doc, copy.pnn) ?? {};
    return { ...copy, node, zone };
  });
  return { ...rest, copies: named, nodes: keepersOf(doc).length };
}

/** Nodes that may keep copies. */
function keepersOf({ nodes }: Document): Document["nodes"] {
  return nodes.filter(({ adminFlags, leaving }) =>
    !adminFlags.includes("deleted") && leaving === undefined
  );
}

function countsOf({ name, counts, ops, hot }: DatabaseStats): Record<string, unknown> {
  const keys = hot.map(({ key, ...rest }) => ({ key: btoa(key), ...rest }));
  return { name, counts, ops, hot: keys };
}

/** What may be set of a database, among the arguments. */
function settings(args: Args): Pick<DbCfg, "readonly" | "sticky" | "hashSize"> {
  const one = (name: "readonly" | "sticky") => {
    if (args[name] === undefined) return {};
    const value = SWITCHES.find((each) => each === args[name]);
    if (value === undefined) throw wrong(`${name} must be one of ${SWITCHES.join(", ")}`);
    return { [name]: value };
  };
  const hashSize = args["hashSize"] === undefined
    ? {}
    : { hashSize: whole(args, "hashSize", 1, VOLATILE_HASH_SIZE_MAX) };
  return { ...one("readonly"), ...one("sticky"), ...hashSize };
}

/** How many copies are wanted, and how many in sync, among the arguments; `least`: the lowest minInSync. */
function copiesOf(args: Args, least: 0 | 1): Pick<DbCfg, "copies" | "minInSync"> {
  const { replicas, minInSync } = args;
  return {
    ...replicas === undefined ? {} : { copies: whole(args, "replicas", 1, COPIES_MAX) },
    ...minInSync === undefined ? {} : { minInSync: whole(args, "minInSync", least, COPIES_MAX) },
  };
}

function kindOf(args: Args): DbCfg["kind"] {
  const given = text(args, "kind", "volatile");
  const kind = DATABASE_KINDS.find((each) => each === given);
  if (kind === undefined) throw wrong(`kind must be one of ${DATABASE_KINDS.join(", ")}`);
  return kind;
}

/** Hash chains of a new database of which nothing is said; undefined: as the leader has it. */
function hashSizeFor({ tunables }: NodeParts, kind: DbCfg["kind"]): number | undefined {
  return kind === "volatile" ? tunables.setValue("DatabaseHashSize") : undefined;
}

/** Takes a database into the document, if it is not there. Throws CtdbxError. */
async function attached(
  node: NodeParts,
  name: string,
  verbId: string,
  more: Pick<DbCfg, "readonly" | "sticky" | "hashSize" | "copies" | "minInSync" | "kind">,
  timeoutMs?: number,
): Promise<{ readonly db: DbCfg; readonly isNew: boolean }> {
  const isKind = (db: DbCfg) => db.name === name && db.kind === more.kind;
  const known = documentAt(node).dbs.find(isKind);
  if (known !== undefined) return { db: known, isNew: false };
  const { kind: databaseKind, ...given } = more;
  const hashSize = given.hashSize ?? hashSizeFor(node, databaseKind);
  const rest = { ...given, ...hashSize === undefined ? {} : { hashSize } };
  const dbId = dbIdOf(name);
  const command: LeaderCommand = { verb: "db_attach", dbId, name, databaseKind, ...rest };
  await commanded(node, `Cannot attach ${name}`, verbId, command, timeoutMs);
  const db = await seen(node, (doc) => doc.dbs.find(isKind));
  return { db, isNew: true };
}

async function attach(node: NodeParts, args: Args): Promise<unknown> {
  const name = formed(args, "name", NAME, NAME_SAID);
  const more = { kind: kindOf(args), ...settings(args), ...copiesOf(args, 1) };
  const { db, isNew } = await attached(node, name, verbIdOf(node, args), more);
  await hosted(node, db);
  const here = (await databasesAt(node)).find(({ dbId }) => dbId === db.dbId);
  return { isNew, db: rowOf(node, db, here) };
}

/** Waits until the data thread of this node has a database. Throws CtdbxError "unknown". */
async function hosted(node: NodeParts, { dbId }: DbCfg): Promise<void> {
  if (node.data === undefined) return;
  const { data } = node;
  await seen(node, (doc) => {
    const db = databaseOf(doc, dbId);
    // Gone, or emptied meanwhile: what is to be waited for is another's business.
    if (db === undefined) return true;
    return (data.confirmedVersion ?? -1n) >= epochOf(db) ? true : undefined;
  }, HOSTED_MS);
}

/** For programs: as the verb. `create` false: it must be there. Throws CtdbxError. */
export async function attachFor(
  node: NodeParts,
  name: string,
  { create, hashSize, readonly, sticky, kind = "volatile", replicas }: AttachOptions,
  timeoutMs: number,
): Promise<void> {
  if (!NAME.test(name)) throw wrong(`the name of a database must be ${NAME_SAID}`);
  const doc = documentAt(node);
  // One that is there is used as it is.
  if (!create || doc.dbs.some((db) => db.name === name)) return void databaseNamed(doc, name);
  refuseByTunable(node, name);
  const more = {
    kind,
    ...(replicas === undefined ? {} : { copies: replicas }),
    ...(hashSize === undefined ? {} : { hashSize }),
    ...(readonly === undefined ? {} : { readonly }),
    ...(sticky === undefined ? {} : { sticky }),
  };
  await attached(node, name, verbIdOf(node, {}), more, timeoutMs);
}

async function detach(node: NodeParts, args: Args): Promise<unknown> {
  const { name, dbId, ...db } = databaseNamed(documentAt(node), text(args, "name"));
  const why = text(args, "why", "an operator asked for it");
  const since = epochOf({ name, dbId, ...db });
  const command = { verb: "db_detach", dbId, since, why } as const;
  await commanded(node, `Cannot detach ${name}`, verbIdOf(node, args), command);
  await seen(node, (doc) => {
    const now = databaseOf(doc, dbId);
    return now === undefined || epochOf(now) > since ? true : undefined;
  });
  return { name, id: dbId };
}

async function wipe(node: NodeParts, args: Args): Promise<unknown> {
  const db = databaseNamed(documentAt(node), text(args, "name"));
  const { dbId, name } = db;
  const why = text(args, "why", "an operator asked for it");
  const since = epochOf(db);
  const command = { verb: "db_wipe", dbId, since, why } as const;
  await commanded(node, `Cannot wipe ${name}`, verbIdOf(node, args), command);
  await seen(node, (doc) => {
    const now = databaseOf(doc, dbId);
    return now === undefined || epochOf(now) > since ? true : undefined;
  });
  return { db: await rowServed(node, name) };
}

/** The row of a database when the view that emptied it is in force here; as it is after SERVED_MS. */
async function rowServed(node: NodeParts, name: string): Promise<Record<string, unknown>> {
  const { clock } = node.world;
  const endMs = clock.nowMs() + SERVED_MS;
  for (;;) {
    const row = await rowAfter(node, name);
    const isServed = row["state"] !== "frozen" && row["state"] !== "attaching";
    if (isServed || clock.nowMs() >= endMs) return row;
    await new Promise<void>((resolve) => clock.after(SERVED_LOOK_MS, resolve));
  }
}

async function set(node: NodeParts, args: Args): Promise<unknown> {
  const { dbId, name } = databaseNamed(documentAt(node), text(args, "name"));
  const wanted = { ...settings(args), ...copiesOf(args, 0) };
  if (Object.keys(wanted).length === 0) {
    throw wrong("nothing is to be set: say readonly, sticky, hashSize, replicas or minInSync");
  }
  const command = { verb: "db_set", dbId, ...wanted } as const;
  await commanded(node, `Cannot set ${name}`, verbIdOf(node, args), command);
  const isSet = (db: DbCfg) =>
    (Object.keys(wanted) as (keyof typeof wanted)[]).every((each) =>
      (db[each] ?? (each === "minInSync" ? 0 : undefined)) === wanted[each]
    );
  await seen(node, (doc) => {
    const db = databaseOf(doc, dbId);
    return db === undefined || isSet(db) ? true : undefined;
  });
  return { db: await rowAfter(node, name) };
}

async function rowAfter(node: NodeParts, name: string): Promise<Record<string, unknown>> {
  const db = databaseNamed(documentAt(node), name);
  const here = (await databasesAt(node)).find(({ dbId }) => dbId === db.dbId);
  return rowOf(node, db, here);
}

/** Of this node alone. */
async function vacuum(node: NodeParts, args: Args): Promise<unknown> {
  const { name } = databaseNamed(documentAt(node), text(args, "name"));
  if (node.data === undefined) throw new CtdbxError("unsupported", "Cannot vacuum: no databases");
  return { name, ...await node.data.thread.vacuum(name) };
}
