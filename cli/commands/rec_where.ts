/**
 * `ctdbx rec where | hot`: where a record is, who reads it, who waits for it and for whom; and which records are in
 * demand.
 *
 *   every node is asked: the home of its slot knows the holder, the holder its readers, each node who waits there
 *
 * Does NOT promise: one moment; a record may move between two answers. Over NATS alone only the node that serves us is
 * asked.
 */

import type { Command } from "commander";
import { spanText } from "../answers.ts";
import { escapeBytes, shown, toBase64 } from "../bytes_text.ts";
import { withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type Result, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, record, type Shape, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { countsOf, type DbRow, type HotAnswer, named, type StatsAnswer } from "./db_fields.ts";
import { declareQuestion } from "./question.ts";
import {
  NAMED_FIELDS,
  namedRecord,
  ONE_RECORD,
  type RecordFlags,
  recordKey,
  recordOptions,
} from "./rec.ts";

interface WhereFlags extends RecordFlags {
  readonly history?: boolean;
}

const MOVES = ["in", "out", "read in", "read out", "released", "purged", "recovered"] as const;
const MOVE = {
  pnn: int("Pnn", "number of the node that tells it"),
  node: text("At", "its name"),
  msAgo: ms("Ago", "since it happened"),
  what: word("What", "in, out: it moved; read in, out: a copy to read", MOVES),
  peer: maybe(int("Peer", "number of the other node")),
  rsn: maybe(u64("Rsn", "number of the record's state")),
};
const HISTORY = rows(MOVE, {
  table: [
    { name: "msAgo", text: ({ msAgo }) => `${spanText(msAgo)} ago` },
    "node",
    "what",
    "peer",
    "rsn",
  ],
});
type Move = Shape<typeof MOVE>;

const HELD = {
  what: word(
    "What",
    "chain: a program locks it in the file; lock: through the daemon; program: runs " +
      "a procedure on it",
    ["chain", "lock", "program"],
  ),
  pid: maybe(int("Pid", "process id of who holds it up")),
  client: maybe(int("Program", "number of the program at the node")),
  ageMs: maybe(ms("Age, ms", "since the node has noticed it")),
};
const ROLES = [
  ...["owner", "reader", "released", "stale", "none"],
  ...["primary", "in_sync", "copy", "follower", "closed"],
] as const;
const AT_NODE = {
  pnn: int("Pnn", "number of the node"),
  node: text("Node", "its name"),
  role: maybe(word("Role", "what its copy is", ROLES)),
  isHome: maybe(flag("Home", "is it home of the record's slot?")),
  isOpen: maybe(flag("Open", "does it, as home, know all records of the slot?")),
  holder: maybe(int("Holder", "who has it, as the home knows")),
  dmaster: maybe(int("Master", "whom the copy names as its data master")),
  rsn: maybe(u64("Rsn", "number of the copy's state; a higher one is newer")),
  size: maybe(int("Bytes", "of the copy", "bytes")),
  readers: maybe(list("Readers", "who may read it by this node's leave", int("Pnn", "a node"))),
  waiting: maybe(int("Waiting", "operations that wait here")),
  heldBy: maybe(record("Held by", "who holds it up here", HELD)),
  read: maybe(word("A read", "what would be done about one", ["here", "delegate", "move"])),
  call: maybe(word("A call", "what would be done about one", ["here", "ship", "move"])),
  isSticky: maybe(flag("Sticky", "does it stay here for a while?")),
  error: maybe(text("Error", "why the node did not answer")),
};
type AtNode = Shape<typeof AT_NODE>;

const WHERE = object({
  ...NAMED_FIELDS,
  slot: maybe(int("Slot", "of its key")),
  home: maybe(int("Home", "number of the node that is home of the slot")),
  holder: maybe(int("Holder", "number of the node that has it; null: nobody, or not known")),
  nodes: list("Nodes", "what each node knows", record("Node", "one", AT_NODE)),
}, {
  rowsOf: "nodes",
  rowsTable: [
    "node",
    {
      name: "isHome",
      text: (row) => (row as AtNode).isHome ? "home" : undefined,
      whenSet: true,
    },
    "role",
    "rsn",
    "size",
    {
      name: "readers",
      text: (row) => (row as AtNode).readers?.join(" ") || undefined,
      whenSet: true,
    },
    "waiting",
    { name: "read", whenSet: true },
    { name: "call", whenSet: true },
    { name: "isSticky", text: (row) => (row as AtNode).isSticky || undefined, whenSet: true },
    { name: "heldBy", text: (row) => heldText(row as AtNode), whenSet: true },
    { name: "error", whenSet: true },
  ],
});
type Where = RowOf<typeof WHERE>;

/** What a node answers; u64 as digits, or as the library has them. */
export interface WhereAnswer {
  readonly slot?: number;
  readonly home?: number;
  readonly isHome?: boolean;
  readonly isOpen?: boolean;
  readonly holder?: number;
  readonly dmaster?: number;
  readonly role?: AtNode["role"];
  readonly rsn?: string | bigint;
  readonly size?: number;
  readonly readers?: readonly number[];
  readonly waiting?: number;
  readonly heldBy?: AtNode["heldBy"];
  readonly read?: AtNode["read"];
  readonly call?: AtNode["call"];
  readonly isSticky?: boolean;
  readonly history?: readonly {
    readonly msAgo: number;
    readonly what: Move["what"];
    readonly peer?: number;
    readonly rsn?: string | bigint;
  }[];
}

const HOT = rows({
  name: text("Database", "its name"),
  key: text("Key", "its bytes, as `encoding` says"),
  encoding: word("Encoding", "how the bytes are written", ["text", "hex", "base64", "escaped"]),
  uses: maybe(int("Used", "operations of this node since it came here last")),
  visits: maybe(int("Visited", "calls of other nodes that were done here")),
  movesIn: maybe(int("Came", "how often it came here")),
  movesOut: maybe(int("Went", "how often it went to another node")),
  delegated: maybe(int("Read here", "copies to read that came here")),
  waiting: maybe(int("Waiting", "operations that wait for it here")),
  isSticky: maybe(flag("Sticky", "does it stay here for a while?")),
  choice: maybe(text("A call", "what is done about one: move the record, or ship the call")),
}, {
  table: [
    "name",
    { name: "key", text: ({ key }) => key },
    "uses",
    "visits",
    "movesIn",
    "movesOut",
    "delegated",
    "waiting",
    { name: "isSticky", text: ({ isSticky }) => isSticky || undefined, whenSet: true },
    "choice",
  ],
});
type Hot = RowOf<typeof HOT>;

/** Adds `where` and `hot` to `ctdbx rec`. */
export function addRecWhereCommands(rec: Command, world: CommandWorld): void {
  const where = rec.command("where <database> <key>")
    .description("where a record is, who reads it, who waits, and who holds it up");
  declare<WhereFlags, Where>(
    recordOptions(where, "key")
      .option("--history", "its last moves, as the nodes remember them, oldest first"),
    world,
    {
      result: ({ history }) => (history ? HISTORY : WHERE) as unknown as Result<Where>,
      ...ONE_RECORD,
    },
    runWhere,
  );
  declareQuestion<object, Hot>(
    rec.command("hot").description("the records that are in demand at a node, the hottest first")
      .argument("[database]", "only this one"),
    world,
    { result: HOT },
    {
      verbs: ["db stats", "db ls"],
      data: ([stats, all], { output }, _at, [name]) =>
        countsOf(stats as StatsAnswer[], all as DbRow[], name).flatMap(({ name, hot = [] }) =>
          hot.map((each) => hotRow(name, each, output !== "json" && output !== "jsonl"))
        ),
    },
  );
}

/** A record in demand as a row. */
export function hotRow(name: string, { key, ...rest }: HotAnswer, forPeople: boolean): Hot {
  const bytes = Uint8Array.from(atob(key), (letter) => letter.charCodeAt(0));
  if (forPeople) return { name, key: escapeBytes(bytes), encoding: "escaped", ...rest };
  const { strings: [text = ""], encoding } = shown([bytes], undefined);
  return { name, key: text, encoding, ...rest };
}

async function runWhere(
  task: Task<WhereFlags, Where>,
  database = "",
  text = "",
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  const answers = await wherever(task, database, key);
  const known = answers.filter(({ ok }) => ok !== undefined);
  if (flags.history) {
    for (const move of movesOf(known)) out.row(move as unknown as Where);
  } else {
    const found = whereOf(answers);
    out.object({ ...namedRecord(database, key, flags), ...found });
    if (out.isTable) { for (const line of whereLines(found)) out.say(`${line}\n`); }
  }
  const silent = silence(answers);
  if (silent !== undefined) throw silent;
}

/** What each node knows; over NATS, what the one that serves us knows. */
async function wherever(
  task: Task<WhereFlags, Where>,
  database: string,
  key: Uint8Array,
): Promise<readonly Relayed<WhereAnswer>[]> {
  const { flags } = task;
  if (flags.nats !== undefined) {
    return await withDatabaseOf(task, database, async (db, { pnn, name }) => {
      return [{ pnn, name, ok: await db.where(key) as WhereAnswer }];
    });
  }
  const asked = await Asked.of(flags);
  named(await asked.look("db ls") as { readonly name: string }[], database);
  const args = { db: database, key: toBase64(key) };
  const request = { verb: "rec where", nodes: "all", args };
  return await asked.look("relay", request) as Relayed<WhereAnswer>[];
}

/** The answers of all nodes as one. Throws Failure when no node has answered. */
export function whereOf(
  answers: readonly Relayed<WhereAnswer>[],
): Pick<Where, "slot" | "home" | "holder" | "nodes"> {
  const known = answers.flatMap(({ ok, pnn }) => ok === undefined ? [] : [{ ...ok, pnn }]);
  if (known.length === 0) {
    throw silence(answers) ?? new Failure(EXIT.notFound, "Cannot ask: there is no node");
  }
  const home = known.find((each) => each.isHome);
  const owner = known.find(({ role }) => role === "owner" || role === "primary");
  const nodes = answers.map(({ pnn, name, ok, error }): AtNode => {
    const { rsn, history: _history, slot: _slot, home: _home, ...rest } = ok ?? {};
    const state = rsn === undefined || rsn === null ? undefined : String(rsn);
    return { ...rest, pnn, node: name, rsn: state, error };
  });
  const [first] = known;
  return {
    slot: first?.slot,
    home: home?.pnn ?? first?.home,
    holder: owner?.pnn ?? home?.holder ?? (first?.slot == null ? first?.holder : undefined),
    nodes,
  };
}

/** Moves of all nodes, oldest first. */
export function movesOf(answers: readonly Relayed<WhereAnswer>[]): Move[] {
  const all = answers.flatMap(({ pnn, name, ok }) =>
    (ok?.history ?? []).map(({ rsn, ...rest }): Move => ({
      pnn,
      node: name,
      ...rest,
      rsn: rsn === undefined || rsn === null ? undefined : String(rsn),
    }))
  );
  return all.sort((one, other) => other.msAgo - one.msAgo);
}

/** What people want to know first, in sentences. */
export function whereLines(
  { slot, home, holder, nodes }: Pick<Where, "slot" | "home" | "holder" | "nodes">,
): string[] {
  const nameOf = (pnn: number | null | undefined): string =>
    nodes.find((each) => each.pnn === pnn)?.node ?? `node ${pnn}`;
  const lines = [""];
  if (slot == null && holder != null) {
    const has = nodes.some(({ role }) => role === "none") ? "no copy has it" : "each copy has it";
    return [...lines, `${has}; ${nameOf(holder)}, the primary, executes what changes it`];
  }
  const nobody = nodes.some(({ isHome }) => isHome)
    ? "nobody has it"
    : "who has it is not known here";
  const at = holder == null ? nobody : `${nameOf(holder)} has it`;
  lines.push(home == null ? at : `${at}; home of slot ${slot} is ${nameOf(home)}`);
  for (const row of nodes) {
    const held = heldText(row);
    if (held !== undefined) lines.push(`held up at ${row.node} by ${held}`);
  }
  return lines;
}

function heldText({ heldBy }: AtNode): string | undefined {
  if (heldBy == null) return undefined;
  const { what, pid, client, ageMs } = heldBy;
  const who = pid != null ? `process ${pid}` : client != null ? `program ${client}` : "a program";
  const by = { chain: "in the file", lock: "through the daemon", program: "in a procedure" }[what];
  return `${who}, ${by}${ageMs == null ? "" : `, for ${spanText(ageMs)}`}`;
}
