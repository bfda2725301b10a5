/**
 * `ctdbx db force-primary`: a copy leads although it may lack committed transactions, as all that have them are gone.
 *
 *   look: each copy with its last word ─▶ shown ─▶ agreed (--accept-loss, --yes, or a question) ─▶ done, if it is
 *   still so ─▶ another history, which begins where that copy ends
 *
 * Does NOT promise: to say all that is lost: what a copy that is not heard has got since its last word nobody knows.
 */
import type { Command } from "commander";
import { spanText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, list, maybe, ms, record, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";

const ROLES = ["primary", "in_sync", "copy", "follower"] as const;

const FORCED = object({
  database: text("Database", "its name"),
  node: text("Leads", "name of the node that is to lead"),
  done: flag("Done", "was it done? false: only looked at"),
  keptSeq: maybe(u64("Stays", "the last entry that stays; null: the node has no copy")),
  committedSeq: u64("Committed", "the last entry that a copy is known to know as committed"),
  lostEntries: u64("Lost", "entries known as committed that go, at least"),
  best: maybe(text("Best", "the node that is here and has most")),
  refusal: maybe(text("Why not", "why it cannot be; null: it can")),
  copies: list(
    "Copies",
    "what each told last",
    record("Copy", "one", {
      pnn: int("Pnn", "number of the node"),
      node: text("Node", "its name"),
      role: word("Role", "its part, by the document", ROLES),
      isHere: flag("Here", "is it heard?"),
      silentMs: maybe(ms("Silent", "since its last word; null: none since this leader began")),
      isSame: flag("Same", "is it the disk, or the life, that was in sync?"),
      isDamaged: flag("Damaged", "is the end of its log lost?"),
      isOfHistory: flag("Of this history", "has it the history that is in force?"),
      lastSeq: maybe(u64("Last entry", "of its log")),
      commitKnown: maybe(u64("Committed", "entries that it knows as committed")),
    }),
  ),
}, {
  table: [
    "database",
    "node",
    { name: "done", text: ({ done }) => done ? "yes, in another history" : "no" },
    "keptSeq",
    "committedSeq",
    "lostEntries",
  ],
});
type Forced = RowOf<typeof FORCED>;
type Copy = Forced["copies"][number];

/** What the verb answers. */
interface LookAnswer {
  readonly node: string;
  readonly pnn: number;
  readonly from: string;
  readonly refusal?: string;
  readonly copies: readonly Copy[];
  readonly keptSeq?: string;
  readonly highestSeq: string;
  readonly committedSeq: string;
  readonly best?: number;
}

interface ForceFlags {
  readonly acceptLoss?: boolean;
  readonly dryRun?: boolean;
}

const HELP = `
For when no in-sync copy can come back: the copy of <node>, a name or a number, becomes the database,
and what only the others had is given up. Where an in-sync copy is there it is refused. A copy that
returns keeps what it has to cut off: \`ctdbx db lost list\` on its machine shows that, and
\`db lost replay\` does it again.
`;

/** Adds it to `ctdbx db`. */
export function addDbForceCommand(db: Command, world: CommandWorld): void {
  declare<ForceFlags, Forced>(
    db.command("force-primary <database> <node>")
      .description("have a copy lead although committed transactions may be lost")
      .option("--accept-loss", "do not ask: what only copies have that are gone may be lost")
      .option("--dry-run", "say what is known of each copy, and whether it could be")
      .addHelpText("after", HELP),
    world,
    {
      result: FORCED,
      asks: "node",
      changes: true,
      destroys: "what only copies have that are gone is given up",
    },
    forcePrimary,
  );
}

async function forcePrimary(
  task: Task<ForceFlags, Forced>,
  name = "",
  node = "",
): Promise<void> {
  const { flags, out } = task;
  const { acceptLoss, dryRun } = flags;
  const asked = await Asked.of(flags);
  const look = await asked.look("db force look", { name, node }) as LookAnswer;
  const row = rowOf(name, look);
  for (const copy of row.copies) out.say(`${copyText(copy)}\n`);
  if (look.refusal !== undefined) {
    if (dryRun === true) return out.object(row);
    throw new Failure(
      EXIT.conflict,
      `Cannot have ${look.node} lead ${name} by force: ${look.refusal}`,
      `\`ctdbx db status ${name}\` shows its copies`,
    );
  }
  out.say(`${lossText(row)}\n`);
  if (dryRun === true) return out.object(row);
  if (acceptLoss !== true) await task.confirm(`${name} goes on without what is lost, for good`);
  await asked.ask("db force primary", { name, node, from: look.from });
  out.object({ ...row, done: true });
}

function rowOf(database: string, look: LookAnswer): Forced {
  const { node, keptSeq, committedSeq, copies, refusal } = look;
  const lost = BigInt(committedSeq) - BigInt(keptSeq ?? 0);
  const best = copies.find(({ pnn }) => pnn === look.best)?.node;
  return {
    ...{ database, node, done: false, keptSeq, committedSeq, best, refusal, copies: [...copies] },
    lostEntries: `${lost > 0n ? lost : 0n}`,
  };
}

/** What is known of a copy, in a sentence. */
export function copyText(copy: Copy): string {
  const { node, role, isHere, silentMs, isDamaged, isOfHistory, lastSeq, commitKnown } = copy;
  const who = `${node} (${role.replace("_", "-")})`;
  if (lastSeq == null) return `${who}: nothing was heard of its copy since the leader began`;
  const here = isHere ? "here" : `not here, silent for ${spanText(silentMs ?? 0)}`;
  if (!isOfHistory) return `${who}: ${here}; its copy is of another history`;
  const end = isDamaged ? "; the end of its log is damaged" : "";
  const seen = isHere ? "has" : "had";
  return `${who}: ${here}; ${seen} entries to ${lastSeq}, knows ${commitKnown} as committed${end}`;
}

/** What would be lost, as far as is known, in a sentence. */
export function lossText({ node, keptSeq, committedSeq, lostEntries, best }: Forced): string {
  const lost = lostEntries === "0"
    ? `no entry above it is known as committed; whoever is not here may have had some`
    : `entries to ${committedSeq} are known as committed: at least ${lostEntries} are lost`;
  const other = best == null || best === node ? "" : `; ${best} has more, or as much`;
  return `${node} would lead with entries to ${keptSeq ?? 0}; ${lost}${other}`;
}
