/**
 * The databases of a document: how they come, go, and are emptied.
 *
 *   db_attach  in the list, epoch = this version                 no change of the view: nobody waits for anybody
 *   db_wipe    another epoch    db_detach  off the list          a new generation with the same members: nobody serves
 *   rehome     every slot gets a new slotGen, from nobody          the old epoch when the new one is in force
 *
 * Commands name the epoch, or the view, that they are about: one that is repeated later does nothing more.
 *
 * Does NOT promise: anything about records; the machines of a database whose epoch changed are made anew, empty.
 */
import {
  DATABASES_MAX,
  VOLATILE_CHAINS_MAX,
  VOLATILE_HASH_SIZE,
} from "../../../transport/wire/limits.ts";
import { COPIES_WANTED } from "../../../transport/wire/messages/document.ts";
import type { DbCfg, Document } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import { DATABASE_VERBS } from "../../../transport/wire/messages/leader.ts";
import type { DbId, Version } from "../../../transport/wire/terms.ts";
import { VERSION_NONE } from "./token.ts";

/** The commands about databases. */
export type DatabaseCommand = Extract<
  LeaderCommand,
  { verb: "db_attach" | "db_detach" | "db_wipe" | "db_set" | "db_commit" | "rehome" }
>;
type Command<Verb extends DatabaseCommand["verb"]> = Extract<DatabaseCommand, { verb: Verb }>;
/** What may be set; `minInSync` 0: nothing is said of it any more. */
type Settings = Pick<DbCfg, "readonly" | "sticky" | "hashSize" | "copies" | "minInSync">;

/** Is it one of those? */
export function isAboutDatabases(command: LeaderCommand): command is DatabaseCommand {
  return DATABASE_VERBS.includes(command.verb);
}

/** The database with this id. */
export function databaseOf({ dbs }: Document, dbId: DbId): DbCfg | undefined {
  return dbs.find((db) => db.dbId === dbId);
}

/** The epoch of a database; 0: it comes from a version that had none. */
export function epochOf({ since = VERSION_NONE }: DbCfg): Version {
  return since;
}

/** Has a document volatile databases? Then nodes that stop hand their records over. */
export function hasVolatile({ dbs }: Document): boolean {
  return dbs.some(({ kind }) => kind === "volatile");
}

/** Why a command is not possible with this document; undefined: it is, or it is done already. */
export function databaseRefusal(doc: Document, command: DatabaseCommand): string | undefined {
  switch (command.verb) {
    case "db_attach":
      return attachRefusal(doc, command);
    case "db_set":
      return setRefusal(doc, command);
    case "rehome":
      return doc.view.members.length === 0
        ? "nobody is in the view: start a majority of the voters"
        : undefined;
    default:
      return undefined;
  }
}

function attachRefusal(
  { dbs }: Document,
  { dbId, name, databaseKind, hashSize, copies, minInSync }: Command<"db_attach">,
): string | undefined {
  const known = dbs.find((db) => db.name === name);
  if (known !== undefined) {
    return known.kind === databaseKind
      ? undefined
      : `it is ${known.kind}: attach it as that, or detach it first, with all that is in it`;
  }
  const other = dbs.find((db) => db.dbId === dbId);
  if (other !== undefined) return `its id is that of ${other.name}: choose another name`;
  const lack = copiesRefusal(databaseKind, { copies, minInSync });
  if (lack !== undefined) return lack;
  return dbs.length >= DATABASES_MAX
    ? `${DATABASES_MAX} databases are the most: detach one that is not used`
    : roomRefusal(dbs, hashSize);
}

/** Why a database cannot have so many copies, or need so many; undefined: it can. */
function copiesRefusal(
  kind: DbCfg["kind"],
  { copies, minInSync = 0 }: { copies?: number | undefined; minInSync?: number | undefined },
): string | undefined {
  if (kind === "volatile") {
    return copies === undefined && minInSync === 0
      ? undefined
      : "a volatile database has no copies: its records are where they are used";
  }
  if (minInSync <= (copies ?? COPIES_WANTED)) return undefined;
  return `${minInSync} in-sync copies cannot be had of ${copies ?? COPIES_WANTED}: ` +
    "say more copies, or fewer in sync";
}

function setRefusal(doc: Document, wanted: Command<"db_set">): string | undefined {
  const { dbId, hashSize } = wanted;
  const known = databaseOf(doc, dbId);
  if (known === undefined) return "there is no such database any more: attach it";
  const { copies = known.copies, minInSync = known.minInSync } = wanted;
  const lack = copiesRefusal(known.kind, { copies, minInSync });
  if (lack !== undefined) return lack;
  if (hashSize === undefined) return undefined;
  return roomRefusal(doc.dbs.filter((db) => db.dbId !== dbId), hashSize);
}

/** Why a database of so many hash chains has no room beside others: every member maps all of them. */
function roomRefusal(
  others: readonly DbCfg[],
  hashSize: number = VOLATILE_HASH_SIZE,
): string | undefined {
  const chains = others.filter(({ kind }) => kind === "volatile")
    .reduce((sum, db) => sum + (db.hashSize ?? VOLATILE_HASH_SIZE), 0);
  if (chains + hashSize <= VOLATILE_CHAINS_MAX) return undefined;
  const left = Math.max(0, VOLATILE_CHAINS_MAX - chains);
  return `the databases would have ${chains + hashSize} hash chains, and ${VOLATILE_CHAINS_MAX} ` +
    `are the most that nodes map: ${left} are left; detach another, or choose a smaller hash size`;
}

/** Does an effective document have what the command wants? */
export function isDatabaseDone(doc: Document, command: DatabaseCommand): boolean {
  if (command.verb === "rehome") return doc.generation > command.generation;
  return databaseResult(doc, command, doc.version) === doc;
}

/**
 * The document with the command done; the same one when there is nothing to do. `rehome` changes the view alone:
 * `withView` does that.
 */
export function databaseResult(
  doc: Document,
  command: DatabaseCommand,
  version: Version,
): Document {
  switch (command.verb) {
    case "db_attach":
      return withAttached(doc, command, version);
    case "db_detach": {
      const known = meant(doc, command);
      return known === undefined ? doc : { ...doc, dbs: doc.dbs.filter((db) => db !== known) };
    }
    case "db_wipe": {
      const known = meant(doc, command);
      if (known === undefined) return doc;
      const attached = known.attached ?? epochOf(known);
      // Another epoch is another history, and begins with nothing.
      const { commit: _gone, ...rest } = known;
      return withDatabase(doc, { ...rest, since: version, attached });
    }
    case "db_set": {
      const known = databaseOf(doc, command.dbId);
      return known === undefined ? doc : withSettings(doc, known, command);
    }
    case "db_commit":
      return withCommit(doc, command, version);
    case "rehome":
      return doc;
  }
}

/** Another one was quicker when what it was made from is there no more: then nothing is done, and all is done. */
function withCommit(
  doc: Document,
  { dbId, since, from, isNewTerm, commit }: Command<"db_commit">,
  version: Version,
): Document {
  const known = databaseOf(doc, dbId);
  if (known === undefined || known.kind === "volatile" || epochOf(known) !== since) return doc;
  if ((known.commit?.changed ?? VERSION_NONE) !== from) return doc;
  const term = isNewTerm ? version : commit.term;
  return withDatabase(doc, { ...known, commit: { ...commit, term, changed: version } });
}

/** The database that a command means, if it still has that epoch. */
function meant(
  doc: Document,
  { dbId, since }: { readonly dbId: DbId; readonly since: Version },
): DbCfg | undefined {
  const known = databaseOf(doc, dbId);
  return known !== undefined && epochOf(known) <= since ? known : undefined;
}

function withAttached(
  doc: Document,
  command: Command<"db_attach">,
  version: Version,
): Document {
  const { dbId, name, databaseKind: kind } = command;
  if (doc.dbs.some((db) => db.name === name)) return doc;
  return {
    ...doc,
    dbs: [
      ...doc.dbs,
      {
        ...{ dbId, name, kind, since: version },
        ...settingsOf(command),
      },
    ],
  };
}

function withDatabase(doc: Document, changed: DbCfg): Document {
  return { ...doc, dbs: doc.dbs.map((db) => db.dbId === changed.dbId ? changed : db) };
}

function withSettings(doc: Document, known: DbCfg, wanted: Settings): Document {
  const { minInSync: _said, ...settings } = settingsOf(wanted);
  const { minInSync: before = 0, ...rest } = known;
  const { minInSync = before } = wanted;
  const isSame = (Object.keys(settings) as (keyof typeof settings)[])
    .every((name) => settings[name] === known[name]);
  if (isSame && minInSync === before) return doc;
  // 0 takes it away: then it follows the number of copies.
  const least = minInSync === 0 ? {} : { minInSync };
  return withDatabase(doc, { ...rest, ...settings, ...least });
}

/** Those that are said. */
function settingsOf({ readonly, sticky, hashSize, copies, minInSync }: Settings): Settings {
  return {
    ...(copies === undefined ? {} : { copies }),
    ...(minInSync === undefined ? {} : { minInSync }),
    ...(readonly === undefined ? {} : { readonly }),
    ...(sticky === undefined ? {} : { sticky }),
    ...(hashSize === undefined ? {} : { hashSize }),
  };
}

/** What two documents have of databases that must not be served at one time, in words; undefined: nothing. */
export function epochChange(before: Document, after: Document): string | undefined {
  const words = before.dbs.flatMap((db) => {
    const now = databaseOf(after, db.dbId);
    if (now === undefined) return [`${db.name} detached`];
    return epochOf(now) === epochOf(db) ? [] : [`${db.name} wiped`];
  });
  return words.length === 0 ? undefined : words.join(", ");
}
