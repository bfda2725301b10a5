/**
 * `ctdbx cluster force-leader`: one node leads the cluster on, as most of its voters are gone for ever.
 *
 *   look: which voters answer ─▶ shown, with what it gives up ─▶ agreed ─▶ done, and waited for until it leads
 *
 * Does NOT promise: that the others are gone. Where they go on without this node there are two clusters until they
 * meet; then this one's decisions stand.
 */
import type { Command } from "commander";
import { versionText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, list, maybe, record, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";

const FORCED = object({
  node: text("Leads", "name of the node that leads on, the asked one"),
  done: flag("Done", "was it done? false: only looked at"),
  from: u64("From", "version of the document that is led on from; what came after it is given up"),
  version: maybe(u64("Version", "of the document in force; null: it was only looked at")),
  refusal: maybe(text("Why not", "why it cannot be; null: it can")),
  voters: list(
    "Voters",
    "by that document",
    record("Voter", "one", {
      pnn: maybe(int("Pnn", "number of the node")),
      name: text("Node", "its name"),
      isThis: flag("This", "is it the asked node?"),
      answers: flag("Answers", "did it answer over the bus?"),
    }),
  ),
  databases: list(
    "Databases",
    "whose copies are not taken for sure then",
    text("Name", "its name"),
  ),
}, {
  table: [
    "node",
    { name: "done", text: ({ done }) => done ? "yes" : "no" },
    { name: "from", text: ({ from }) => versionText(from) },
    { name: "version", text: ({ version }) => versionText(version ?? undefined), whenSet: true },
  ],
});
type Forced = RowOf<typeof FORCED>;

interface ForceFlags {
  readonly acceptLoss?: boolean;
  readonly dryRun?: boolean;
}

const HELP = `
For when so many voters are gone for ever that no majority is left: disks lost, machines destroyed. It is
done at one of the nodes that are left, the one with the newest document; it alone votes then, and gives
votes back to those that come. What the others had decided after its document is given up. A persistent or
replicated database serves again when all its in-sync copies are there; \`db force-primary\` decides
without them. Refused while most of the voters are there. If the others are only cut off, mend that instead.
`;

/** Adds it to `ctdbx cluster`. */
export function addClusterForceCommand(cluster: Command, world: CommandWorld): void {
  declare<ForceFlags, Forced>(
    cluster.command("force-leader")
      .description("lead the cluster on although most of its voters are gone for ever")
      .option("--accept-loss", "do not ask: what only the others know is given up")
      .option("--dry-run", "say which voters answer, and whether it could be")
      .addHelpText("after", HELP),
    world,
    {
      result: FORCED,
      asks: "node",
      changes: true,
      destroys: "what the other voters had decided is given up",
    },
    forceLeader,
  );
}

async function forceLeader(task: Task<ForceFlags, Forced>): Promise<void> {
  const { flags, out } = task;
  const asked = await Asked.of(flags);
  const look = { ...await asked.look("cluster force look") as Forced, done: false };
  for (const { name, isThis, answers } of look.voters) {
    const how = isThis
      ? "it is this node"
      : answers
      ? "it answers"
      : "no answer: it must be gone for ever";
    out.say(`voter ${name}: ${how}\n`);
  }
  if (look.refusal != null) {
    if (flags.dryRun === true) return out.object(look);
    throw new Failure(
      EXIT.conflict,
      `Cannot have ${look.node} lead the cluster on: ${look.refusal}`,
      "`ctdbx cluster explain` says what is wrong",
    );
  }
  if (look.databases.length > 0) {
    const names = look.databases.join(", ");
    out.say(
      `databases that wait for all their in-sync copies, or for db force-primary: ${names}\n`,
    );
  }
  if (flags.dryRun === true) return out.object(look);
  if (flags.acceptLoss !== true) {
    const gone = look.voters.filter(({ answers }) => !answers).map(({ name }) => name).join(", ");
    await task.confirm(`${look.node} leads the cluster on alone; ${gone} must never decide again`);
  }
  const { from } = look;
  const { version } = await asked.ask("cluster force", { from }) as Pick<Forced, "version">;
  out.object({ ...look, done: true, version });
}
