/**
 * `ctdbx cluster invite | invitations | uninvite | replace`: who may join, and in whose place.
 *
 *   invite NAME ─▶ secrets into FILE.part ─▶ asked of the leader ─▶ FILE, to be carried to the machine by hand
 *
 * FILE.part makes it harmless to be killed: run again, the same invitation is asked for, and answered once.
 *
 * Does NOT promise: that only who was meant joins; whoever has the file may, once.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { NodeConfig } from "../../actors/node_config.ts";
import { type ClusterAnswer, spanText } from "../answers.ts";
import { readConfigFile } from "../config.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { DocumentAnswer, InvitationAnswer } from "../membership/document_answer.ts";
import type { InvitedAnswer } from "../membership/document_answer.ts";
import { type Invitation, INVITATION_ENDING } from "../membership/invitation.ts";
import { invitationText } from "../membership/invitation.ts";
import type { InviteWish } from "../membership/invite_world.ts";
import { draftOf, dropDraft, invitationOf } from "../membership/invite_world.ts";
import { inviteArgs, refuseLonely } from "../membership/invite_world.ts";
import { writeDurably } from "../membership/node_files.ts";
import type { LeaveAnswer } from "../membership/leave_follow.ts";
import { followReplace } from "../membership/replace_follow.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";
import { address } from "./cluster_create.ts";
import { declareQuestion } from "./question.ts";

const DAY_MS = 24 * 3600 * 1000;
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS };

const INVITED = object({
  cluster: text("Cluster", "its name"),
  name: text("Node", "name of the node to be"),
  pnn: int("Pnn", "the number that it will have"),
  nodeId: text("Id", "32 hex digits"),
  tag: text("Tag", "its name in subjects of NATS"),
  voter: flag("Voter", "will it have a vote?"),
  replaces: maybe(text("Replaces", "the node that goes when it is there; null: none")),
  expires: maybe(text("Expires", "when the invitation is over, ISO 8601; null: none was needed")),
  servers: list("NATS", "servers that it names", text("Server", "host:port")),
  file: maybe(text("File", "where the invitation is")),
});
type Invited = RowOf<typeof INVITED>;

const WAITING = rows({
  name: text("Node", "name of the node to be"),
  pnn: int("Pnn", "the number that it will have"),
  voter: flag("Voter", "will it have a vote?"),
  replaces: maybe(text("Replaces", "the node that goes when it is there; null: none")),
  leftMs: ms("Left", "until it is over"),
  expires: text("Expires", "when it is over, ISO 8601"),
  nodeId: text("Id", "32 hex digits"),
  tag: text("Tag", "its name in subjects of NATS"),
}, {
  table: [
    "pnn",
    "name",
    "voter",
    { name: "replaces", whenSet: true },
    { name: "leftMs", text: ({ leftMs }) => leftMs === 0 ? "over" : spanText(leftMs) },
    "expires",
  ],
});
type Waiting = RowOf<typeof WAITING>;

const UNINVITED = object({
  name: text("Node", "name of the node that may not come any more"),
  pnn: int("Pnn", "the number that it would have had; it is not given again"),
});

interface InviteFlags {
  readonly addr?: string;
  readonly ttl: number;
  readonly vote: boolean;
  readonly out?: string;
}

/** Adds `ctdbx cluster invite`, `invitations`, `uninvite` and `replace`. */
export function addClusterInviteCommands(cluster: Command, world: CommandWorld): void {
  const spec = {
    result: INVITED,
    asks: "node",
    changes: true,
    raw: "with --out - the invitation itself",
    isRaw: ({ out }: InviteFlags) => out === "-",
  } as const;
  declare<InviteFlags, Invited>(
    inviting(cluster.command("invite <name>").description("a file by which one machine can join")),
    world,
    spec,
    async (task, name = "") => void await invite(task, { name }),
  );
  declareQuestion<object, Waiting>(
    cluster.command("invitations").description("who is invited and has not come yet"),
    world,
    { result: WAITING },
    {
      verbs: ["cluster invitations"],
      data: ([answer]) => (answer as InvitationAnswer[]).map(waitingOf),
    },
  );
  declare<object, RowOf<typeof UNINVITED>>(
    cluster.command("uninvite <name>").description("take an invitation back"),
    world,
    { result: UNINVITED, asks: "node", changes: true },
    async ({ flags, out }, name = "") => {
      const asked = await Asked.of(flags);
      const gone = await asked.ask("cluster uninvite", { name }) as RowOf<typeof UNINVITED>;
      if (out.isTable) out.say(`${gone.name} may not join any more\n`);
      else out.object(gone);
    },
  );
  declare<InviteFlags, Invited>(
    inviting(
      cluster.command("replace <old> <new>")
        .description("a file by which a machine joins and takes a node's place, dead or alive"),
    ),
    world,
    { ...spec, waits: "until the old node is gone; --timeout says how long" },
    (task, old = "", name = "") => replace(task, old, name),
  );
}

function inviting(command: Command): Command {
  return command
    .option("--addr <address>", "where the node's services will be", address)
    .addOption(
      new Option("--ttl <span>", "how long it is good: 30m, 24h, 7d")
        .argParser(span).default(DAY_MS, "24h"),
    )
    .option("--no-vote", "it gets no vote")
    .option("--out <file>", `where it is written (NAME${INVITATION_ENDING}; - for stdout)`);
}

async function invite(
  task: Task<InviteFlags, Invited>,
  { name, replaces }: Pick<InviteWish, "name" | "replaces">,
): Promise<InvitedAnswer> {
  const { flags, out } = task;
  const { addr = null, ttl: ttlMs, vote: voter } = flags;
  const asked = await Asked.of(flags);
  const config = readConfigFile(asked.paths.config);
  refuseLonely(config);
  if (flags.out === "-" && out.format !== "raw") {
    throw usage("Cannot print the invitation in another form", "leave out -o, or --out");
  }
  const path = flags.out === "-" ? undefined : resolve(flags.out ?? `${name}${INVITATION_ENDING}`);
  if (path !== undefined && existsSync(path)) throw taken(path, name);
  const draft = draftOf(name, config, path);
  const wish: InviteWish = { name, voter, ttlMs, addr, replaces };
  let answer: InvitedAnswer;
  try {
    answer = await asked.ask("cluster invite", inviteArgs(wish, draft)) as InvitedAnswer;
  } catch (error) {
    // Without an answer it may have been made: then the draft is what it can be had with.
    const isOpen = error instanceof Failure && error.exit === EXIT.unknownOutcome;
    if (path !== undefined && !isOpen) dropDraft(path);
    throw isOpen ? new Failure(error.exit, error.message, "run it again; it goes on") : error;
  }
  const invitation = invitationOf(wish, draft, answer, config);
  const body = invitationText(invitation);
  if (path === undefined) {
    out.raw(body);
    return answer;
  }
  writeDurably(path, body);
  dropDraft(path);
  if (!out.isTable) {
    out.object({
      ...answer,
      replaces: answer.replaces?.name,
      expires: isoOf(answer.expiresWallMs),
      servers: invitation.servers,
      file: path,
    });
  } else out.say(inviteWords(answer, path, invitation) + serverWords(invitation, config));
  return answer;
}

function inviteWords(
  answer: InvitedAnswer,
  path: string,
  { servers, seed }: Invitation,
): string {
  const { name, pnn, cluster, replaces, expiresWallMs } = answer;
  const place = replaces === undefined ? "" : `, in the place of ${replaces.name}`;
  const key = seed === null ? "" : "; it holds the node's key";
  const isLocal = servers.every((each) => /^(?:127\.|localhost:|\[::1\])/.test(each));
  const local = isLocal
    ? `It names NATS at ${
      servers.join(" and ")
    }: from other machines, join with --server HOST:PORT.\n`
    : "";
  return `${name} may join ${cluster} as node ${pnn}${place}, until ${isoOf(expiresWallMs)}.\n` +
    `The invitation is in ${path}${key}: carry it over safely.\n${local}` +
    `Next, where ${name} shall be: ctdbx cluster join ${path.split("/").at(-1)}\n`;
}

/** What an operator's own server must be told, when no node tells it. */
function serverWords({ seed }: Invitation, { nats: { server, users } }: NodeConfig): string {
  if (seed === null || server !== undefined || users !== undefined) return "";
  return "Before that, the server of NATS must know its key: `ctdbx nats conf` prints everybody's.\n";
}

async function replace(
  task: Task<InviteFlags, Invited>,
  old: string,
  name: string,
): Promise<void> {
  const asked = await Asked.of(task.flags);
  const view = await asked.look("cluster view") as DocumentAnswer;
  const there = view.nodes.find((each) => each.name === name);
  const say = (text: string): void => {
    task.out.say(`${text}\n`);
    task.out.flush();
  };
  if (there !== undefined) {
    const { pnn, nodeId, tag } = there;
    const gone = await asked.ask("cluster replace", { old, by: name }) as LeaveAnswer;
    await followReplace(asked, gone, say, task.signal);
    if (task.out.isTable) return;
    const voter = view.voters.some((each) => each.nodeId === nodeId || each.nodeId === gone.nodeId);
    const { cluster } = await asked.look("cluster status") as ClusterAnswer;
    const shown = { cluster, name, pnn, nodeId, tag, voter, replaces: gone.name, servers: [] };
    return task.out.object(shown);
  }
  const answer = await invite(task, { name, replaces: old });
  if (task.flags.wait === true && answer.replaces !== undefined) {
    await followReplace(asked, answer.replaces, say, task.signal);
  }
}

function waitingOf(answer: InvitationAnswer): Waiting {
  return { ...answer, expires: isoOf(answer.expiresWallMs) };
}

function isoOf(wallMs: string | number): string {
  return new Date(Number(wallMs)).toISOString();
}

function taken(path: string, name: string): Failure {
  return new Failure(
    EXIT.conflict,
    `Cannot write ${path}: it exists`,
    `join with it, or take it back with \`ctdbx cluster uninvite ${name}\` and remove it; ` +
      "--out FILE chooses another name",
  );
}

/** A parser of spans for commander: 90s, 30m, 24h, 7d; ms. */
export function span(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const spanMs = Number(count) * (UNITS[unit] ?? NaN);
  if (spanMs >= 1000 && spanMs <= 366 * DAY_MS) return spanMs;
  throw new InvalidArgumentError("Must be a span from 1s to 366d, as 90s, 30m, 24h or 7d.");
}
