/**
 * `ctdbx db attach | detach | set | wipe | vacuum`: what is decided about databases, by the leader, for all nodes.
 *
 *   attach   takes it into the document; every member has it from then on          set   how it is kept
 *   detach   out of the document, its records are gone        wipe   empty, at once, everywhere
 *   vacuum   the asked node gives up records that were deleted, now and not when it has time
 *
 * With --wait it has come about at all members, not only been decided.
 *
 * Does NOT promise: to save records before they are destroyed; `db export` does.
 */

import { type Command, Option } from "commander";
import { DATABASE_NAME_MAX, VOLATILE_HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { COPIES_MAX, DATABASE_NAME } from "../../transport/wire/messages/document.ts";
import { RealHost } from "../../transport/real_host.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, text } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { Asked, type Relayed } from "./asking.ts";
import {
  DB_FIELDS,
  type DbRow,
  hexId,
  KINDS,
  named,
  noDatabase,
  SETTINGS,
  sinceText,
  type StatusRow,
} from "./db_fields.ts";
import { copiesLack } from "./db_copies.ts";

/** With --wait: what was decided has come about within this, ms, or it is said what is missing. */
const WAIT_MS = 60_000;
/** Reasons are kept in the history of the cluster, characters. */
const WHY_MAX = 200;

interface SettingFlags {
  readonly hashSize?: number;
  readonly readonly?: (typeof SETTINGS)[number];
  readonly sticky?: (typeof SETTINGS)[number];
  readonly replicas?: number;
  readonly minInSync?: number;
}

interface AttachFlags extends SettingFlags {
  readonly type: (typeof KINDS)[number];
}

interface WhyFlags {
  readonly why: string;
}

const LINES = {
  table: [
    "name",
    "kind",
    "state",
    "readonly",
    "sticky",
    "hashSize",
    { name: "replicas", whenSet: true },
    { name: "minInSync", whenSet: true },
    { name: "since", text: sinceText },
    "path",
  ],
} as const;
const ATTACHED = object({
  ...DB_FIELDS,
  isNew: flag("New", "was it made by this? false: it was there"),
}, { table: ["isNew", ...LINES.table] });
const CHANGED = object(DB_FIELDS, LINES);
const GONE = object({
  name: text("Detached", "name of the database"),
  id: int("Id", "its number"),
}, { table: ["name", { name: "id", text: ({ id }) => hexId(id) }] });
const VACUUMED = object({
  name: text("Database", "its name"),
  empty: int("Deleted", "records of which the asked node begins to give up what it may"),
});

const ATTACH_HELP = `
Programs attach databases by themselves when they first use them. What --read-copies, --sticky and
--hash-size say holds for a database that is made by this; \`db set\` changes one that is there.
`;

const MIN_TEXT = "in-sync copies that a commit needs (more than half of the copies)";

const SET_HELP = `
--replicas and --min-in-sync are of persistent and replicated databases. They may be changed while it
is used: with more copies, other nodes fetch theirs, and a commit needs more of them when they are in
sync; with fewer, a commit needs fewer at once, and the copies that are one too many go.
`;

/** Adds them to `ctdbx db`. */
export function addDbChangeCommands(db: Command, world: CommandWorld): void {
  const common = { asks: "node", changes: true } as const;
  declare<AttachFlags, RowOf<typeof ATTACHED>>(
    settings(db.command("attach <name>"))
      .description("make a database, or see that it is there")
      .addOption(new Option("--type <type>", "how it is kept").choices(KINDS).default("volatile"))
      .option("--replicas <k>", "copies of one that is not volatile (3)", whole(1, COPIES_MAX))
      .option("--min-in-sync <m>", MIN_TEXT, whole(1, COPIES_MAX))
      .addHelpText("after", ATTACH_HELP),
    world,
    { result: ATTACHED, ...common, waits: "until every member has it" },
    attach,
  );
  declare<WhyFlags, RowOf<typeof GONE>>(
    why(db.command("detach <database>")).description("end a database and drop all its records"),
    world,
    {
      result: GONE,
      ...common,
      destroys: "all records of the database are dropped",
      waits: "until no member has it",
    },
    detach,
  );
  declare<SettingFlags, RowOf<typeof CHANGED>>(
    settings(db.command("set <database>")).description("change how a database is kept")
      .option("--replicas <k>", "copies of one that is not volatile", whole(1, COPIES_MAX))
      .option("--min-in-sync <m>", `${MIN_TEXT}; 0: that again`, whole(0, COPIES_MAX))
      .addHelpText("after", SET_HELP),
    world,
    { result: CHANGED, ...common, waits: "until so many copies are in sync" },
    set,
  );
  declare<WhyFlags, RowOf<typeof CHANGED>>(
    why(db.command("wipe <database>")).description("make a database empty, on all nodes at once"),
    world,
    {
      result: CHANGED,
      ...common,
      destroys: "all records of the database are dropped",
      waits: "until every member has it again",
    },
    wipe,
  );
  declare<object, RowOf<typeof VACUUMED>>(
    db.command("vacuum <database>")
      .description("give up records that were deleted, at the asked node, now"),
    world,
    { result: VACUUMED, asks: "node" },
    vacuum,
  );
}

function settings(command: Command): Command {
  const choices = (name: string, about: string): Option =>
    new Option(`--${name} <setting>`, about).choices(SETTINGS);
  return command
    .addOption(choices("readonly", "may several nodes have copies to read? auto: as it pays"))
    .addOption(choices("sticky", "do records in demand stay a while where they are?"))
    .option("--hash-size <chains>", "hash chains of its files", whole(1, VOLATILE_HASH_SIZE_MAX));
}

function why(command: Command): Command {
  return command.option(
    "--why <text>",
    "the reason, kept in the history",
    "an operator asked for it",
  );
}

function wanted(flags: SettingFlags): Record<string, unknown> {
  const { hashSize, readonly, sticky, replicas, minInSync } = flags;
  const all = { hashSize, readonly, sticky, replicas, minInSync };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A name that a database can have. Throws Failure (usage). */
export function databaseName(name: string): string {
  if (name.length > DATABASE_NAME_MAX) {
    throw usage(
      `Cannot use ${name.slice(0, 40)}... as a name: DATABASE_NAME_MAX is ${DATABASE_NAME_MAX}`,
    );
  }
  if (new RegExp(DATABASE_NAME).test(name)) return name;
  throw usage(
    `Cannot use ${JSON.stringify(name)} as a name`,
    `a database is called by 1 to ${DATABASE_NAME_MAX} of A-Z a-z 0-9 . _ -`,
  );
}

async function attach(
  { flags, out }: Task<AttachFlags, RowOf<typeof ATTACHED>>,
  given = "",
): Promise<void> {
  const name = databaseName(given);
  const { type: kind } = flags;
  refuseCopies(kind, flags);
  const asked = await Asked.of(flags);
  const { isNew, db } = await asked.ask("db attach", {
    name,
    kind,
    ...wanted(flags),
  }) as {
    readonly isNew: boolean;
    readonly db: DbRow;
  };
  let row = db;
  if (flags.wait === true) row = await untilReady(asked, db);
  out.object({ ...row, isNew });
}

function refuseCopies(kind: string, { replicas, minInSync }: SettingFlags): void {
  if (kind !== "volatile") return;
  const hint = "--type persistent, or replicated";
  const said = replicas !== undefined ? "--replicas" : "--min-in-sync";
  if (replicas === undefined && minInSync === undefined) return;
  throw usage(`Cannot use ${said}: records of a volatile database have no copies`, hint);
}

async function detach(
  { flags, out, confirm }: Task<WhyFlags, RowOf<typeof GONE>>,
  name = "",
): Promise<void> {
  const asked = await Asked.of(flags);
  const { id } = await known(asked, name);
  await confirm(`Drops the database ${name} and all its records, on all nodes`);
  await asked.ask("db detach", { name, why: reason(flags) });
  if (flags.wait === true) await untilGone(asked, name);
  out.object({ name, id });
}

async function set(
  { flags, out }: Task<SettingFlags, RowOf<typeof CHANGED>>,
  name = "",
): Promise<void> {
  const change = wanted(flags);
  if (Object.keys(change).length === 0) {
    const hint = "--replicas, --min-in-sync, --readonly, --sticky or --hash-size";
    throw usage("Cannot set nothing: no setting is named", hint);
  }
  const asked = await Asked.of(flags);
  await known(asked, name);
  const { db } = await asked.ask("db set", { name, ...change }) as { readonly db: DbRow };
  if (flags.wait === true && db.kind !== "volatile") await untilInSync(asked, db);
  out.object(db);
}

async function wipe(
  { flags, out, confirm }: Task<WhyFlags, RowOf<typeof CHANGED>>,
  name = "",
): Promise<void> {
  const asked = await Asked.of(flags);
  await known(asked, name);
  await confirm(`Drops all records of the database ${name}, on all nodes`);
  const { db } = await asked.ask("db wipe", { name, why: reason(flags) }) as { readonly db: DbRow };
  out.object(flags.wait === true ? await untilReady(asked, db) : db);
}

async function vacuum(
  { flags, out }: Task<object, RowOf<typeof VACUUMED>>,
  name = "",
): Promise<void> {
  const asked = await Asked.of(flags);
  await known(asked, name);
  const done = await asked.ask("db vacuum", { name }) as Omit<RowOf<typeof VACUUMED>, "name">;
  out.object({ ...done, name });
}

function reason({ why }: WhyFlags): string {
  if (why.length <= WHY_MAX) return why;
  throw usage(`Cannot keep the reason: --why has over ${WHY_MAX} characters`, "shorten it");
}

/** The database as the asked node knows it. Throws Failure (not found). */
async function known(asked: Asked, name: string): Promise<DbRow> {
  const all = await asked.look("db ls") as readonly DbRow[];
  const [found] = named(all, name);
  if (found === undefined) throw noDatabase(name, []);
  return found;
}

type Around = readonly Relayed<readonly DbRow[]>[];

/** Waits until every node that answers has it ready, of this epoch or a later one; the asked node's row. */
async function untilReady(asked: Asked, { name, since }: DbRow): Promise<DbRow> {
  let row: DbRow | undefined;
  const lack = await around(asked, (answers) => {
    for (const { name: node, ok } of answers) {
      const found = ok?.find((each) => each.name === name);
      if (ok === undefined || found?.state === "idle") continue;
      if (found === undefined) return `${node} does not know it yet`;
      if (BigInt(found.since ?? 0) < BigInt(since ?? 0)) return `${node} has it of before`;
      if (found.state !== "ready") return `it is ${found.state} at ${node}`;
      row ??= found;
    }
    return row === undefined ? "no node has it" : undefined;
  });
  if (lack === undefined && row !== undefined) return row;
  throw late(`Cannot see ${name} ready everywhere: ${lack}`);
}

/** Waits until as many copies are in sync as are wanted, or as there are nodes. */
async function untilInSync({ paths }: Asked, { name }: DbRow): Promise<void> {
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "db status",
    args: {},
    lack: (answer) => copiesLack((answer as readonly StatusRow[]).find((db) => db.name === name)),
    timeoutMs: WAIT_MS,
  });
  if (lack !== undefined) throw late(`Cannot see all copies of ${name} in sync: ${lack}`);
}

async function untilGone(asked: Asked, name: string): Promise<void> {
  const lack = await around(asked, (answers) => {
    const other = answers.find(({ ok }) => ok?.some((each) => each.name === name));
    return other === undefined ? undefined : `${other.name} has it yet`;
  });
  if (lack !== undefined) throw late(`Cannot see ${name} gone everywhere: ${lack}`);
}

function around(
  { paths }: Asked,
  lack: (answers: Around) => string | undefined,
): Promise<string | undefined> {
  return waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "relay",
    args: { verb: "db ls", nodes: "all" },
    lack: (answer) => lack(answer as Around),
    timeoutMs: WAIT_MS,
  });
}

function late(message: string): Failure {
  return new Failure(
    EXIT.expectation,
    message,
    "it is decided all the same; `ctdbx cluster explain` says what is wrong",
  );
}
