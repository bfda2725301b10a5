/**
 * `ctdbx cluster view | digest | upgrade`: the document that the leader decides, and whether all have the same one.
 *
 *   view     who may be a member, who is, who votes, who is invited, who went       digest   compared over all nodes
 *   upgrade  which format each node can read; with --finalize the newer one is written from now on
 *
 * Does NOT promise: the newest document; the asked node shows the one that it has.
 */

import type { Command } from "commander";
import { spanText, versionText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { DocumentAnswer, UpgradeAnswer } from "../membership/document_answer.ts";
import { differenceOf, type Digest } from "../membership/join_plan.ts";
import { DIGEST_FIELDS } from "../membership/telling.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, record, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { declareQuestion } from "./question.ts";

const words = (title: string, about: string) => list(title, about, text("Word", "a word"));

const NODE = {
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  addr: text("Address", "where its services are"),
  adminFlags: words("Flags", "what was decided about it"),
  caps: words("Can be", "what it may be"),
  isMember: flag("In view", "is it in the view?"),
  isVoter: flag("Vote", "has it a vote?"),
  leaving: maybe(text("Leaves", "left or replaced: it is on its way out; null: it is not")),
  replaces: maybe(int("Replaces", "number of the node whose place it takes")),
  wantsVote: flag("Gets a vote", "is a vote promised to it?"),
  natsKey: maybe(text("Key", "its public key at NATS")),
  nodeId: text("Id", "32 hex digits"),
  tag: text("Tag", "its name in subjects of NATS"),
};
const INVITATION = {
  pnn: int("Pnn", "number of the node to be"),
  name: text("Node", "its name"),
  voter: flag("Vote", "will it have one?"),
  replaces: maybe(text("Replaces", "the node whose place it takes")),
  leftMs: ms("Left", "until it is over"),
};
const GONE = {
  pnn: int("Pnn", "the number that it had"),
  name: text("Node", "its name"),
  why: text("Why", "left or replaced"),
  version: u64("Version", "the first document without it"),
  nodeId: text("Id", "32 hex digits"),
};
const USER = {
  name: text("User", "its name"),
  role: text("Role", "what it may do"),
  tag: text("Tag", "its name in subjects of NATS"),
  natsKey: text("Key", "its public key at NATS"),
};
const DATABASE = {
  name: text("Database", "its name"),
  dbId: int("Id", "its number"),
  kind: text("Kind", "how it is kept"),
};
const ADDRESS = {
  ip: text("Address", "an IP address"),
  maskBits: int("Mask", "bits of its network"),
};

const VIEW = object({
  clusterId: text("Cluster id", "32 hex digits"),
  format: int("Format", "of documents and files"),
  version: u64("Version", "of the document"),
  generation: u64("View", "version in which the view changed last"),
  coreVersion: u64("Core", "version of the last change outside of databases"),
  voters: words("Voters", "names of the nodes with a vote"),
  voterChange: flag("Voters change", "is a change of the voters under way?"),
  nodes: list("Nodes", "all nodes", record("Node", "one", NODE)),
  invitations: list("Invited", "who may join", record("Invitation", "one", INVITATION)),
  gone: list("Gone", "who went for good", record("Gone", "one", GONE)),
  users: list("Users", "who uses the bus and is no node", record("User", "one", USER)),
  dbs: list("Databases", "the databases", record("Database", "one", DATABASE)),
  publicIps: list("Addresses", "addresses that move", record("Address", "one", ADDRESS)),
}, { rowsOf: "nodes" });
type View = RowOf<typeof VIEW>;

const DIGESTS = rows(DIGEST_FIELDS, {
  table: [
    "pnn",
    "name",
    { name: "version", text: ({ version }) => versionText(version ?? undefined) },
    { name: "generation", text: ({ generation }) => versionText(generation ?? undefined) },
    "hash",
    "format",
    { name: "error", whenSet: true },
  ],
});

const UPGRADE = object({
  format: int("Format", "that is written now"),
  formatMax: int("Newest", "that the asked node can read"),
  ready: flag("Ready", "can all nodes read the newest?"),
  why: maybe(text("Why not", "what stands in the way")),
  nodes: list(
    "Nodes",
    "all nodes",
    record("Node", "one", {
      pnn: int("Pnn", "number of the node"),
      name: text("Node", "its name"),
      format: maybe(int("Reads up to", "the newest format that it reads; null: it was not heard")),
    }),
  ),
}, { rowsOf: "nodes" });
type Upgrade = RowOf<typeof UPGRADE>;

/** Adds `ctdbx cluster view`, `digest` and `upgrade`. */
export function addClusterDocumentCommands(cluster: Command, world: CommandWorld): void {
  declareQuestion<object, View>(
    cluster.command("view").description("the document: nodes, votes, invitations, who went"),
    world,
    { result: VIEW },
    {
      verbs: ["cluster view"],
      data: ([answer]) => viewOf(answer as DocumentAnswer),
      people: (task, data) => showView(task, data as View),
    },
  );
  declare<object, Digest>(
    cluster.command("digest").description("have all nodes the same document? exit code 8 when not"),
    world,
    { result: DIGESTS, asks: "nodes", hasOwnNodes: true },
    digest,
  );
  declare<{ readonly finalize?: boolean }, Upgrade>(
    cluster.command("upgrade")
      .description("which format all nodes can read; --finalize writes the newest from now on")
      .option("--finalize", "write the newest format from now on; there is no way back"),
    world,
    { result: UPGRADE, asks: "node", changes: true, destroys: "the older format is given up" },
    upgrade,
  );
}

function viewOf(answer: DocumentAnswer): View {
  const { voters, members, nodes, voterChange } = answer;
  return {
    ...answer,
    voters: voters.map(({ name, voterId }) => name ?? `vote ${voterId}`),
    voterChange: voterChange !== undefined,
    nodes: nodes.map((node) => ({
      ...node,
      wantsVote: node.wantsVote ?? false,
      isMember: members.some(({ pnn }) => pnn === node.pnn),
      isVoter: voters.some(({ nodeId }) => nodeId === node.nodeId),
    })),
  };
}

function showView({ out }: Task<object, View>, view: View): void {
  const { format, version, generation, nodes, invitations, gone, users, voterChange } = view;
  out.say(`document  ${versionText(version)}, format ${format}\n`);
  out.say(`view      ${versionText(generation)}\n`);
  out.say(`voters    ${view.voters.join(", ")}${voterChange ? ", changing" : ""}\n\n`);
  for (const node of nodes) {
    const marks = [
      ...node.isMember ? [] : ["out of the view"],
      ...node.isVoter ? ["voter"] : [],
      ...node.wantsVote ? ["gets a vote"] : [],
      ...node.adminFlags,
      ...node.leaving == null ? [] : ["on its way out"],
      ...node.replaces == null ? [] : [`takes the place of node ${node.replaces}`],
      ...node.caps.includes("leader") ? [] : ["never leads"],
      ...node.caps.includes("lmaster") ? [] : ["is home of no slot"],
    ];
    out.say(
      `${`${node.pnn}`.padStart(3)}  ${node.name.padEnd(12)}  ${node.addr.padEnd(22)}  ${
        marks.join(", ")
      }\n`,
    );
  }
  for (const { pnn, name, leftMs, replaces } of invitations) {
    const place = replaces == null ? "" : ` in the place of ${replaces}`;
    const left = leftMs === 0 ? "it is over" : `for ${spanText(leftMs)} more`;
    out.say(`${`${pnn}`.padStart(3)}  ${name.padEnd(12)}  invited${place}, ${left}\n`);
  }
  for (const { pnn, name, why } of gone) {
    out.say(`${`${pnn}`.padStart(3)}  ${name.padEnd(12)}  gone: ${why}\n`);
  }
  if (users.length > 0) {
    out.say(`users     ${users.map(({ name, role }) => `${name} (${role})`).join(", ")}\n`);
  }
}

async function digest({ flags, out }: Task<object, Digest>): Promise<void> {
  const asked = await Asked.of(flags);
  const answers: Relayed<Digest>[] = await asked.around<Digest>(
    flags.node ?? "all",
    "cluster digest",
  );
  const digests = answers.map(({ pnn, name, ok, error }) => ({ ...ok, pnn, name, error }));
  for (const each of digests) out.row(each);
  const difference = differenceOf(digests);
  const failure = silence(answers);
  if (failure !== undefined && failure.exit !== EXIT.partial) throw failure;
  if (difference !== undefined) {
    throw new Failure(
      EXIT.expectation,
      `Cannot see the same document everywhere: ${difference}`,
      "a change may be under way: try again; `ctdbx cluster explain` says more",
    );
  }
  if (failure !== undefined) throw failure;
}

async function upgrade(task: Task<{ readonly finalize?: boolean }, Upgrade>): Promise<void> {
  const { flags, out } = task;
  const asked = await Asked.of(flags);
  let answer = await asked.look("cluster upgrade") as UpgradeAnswer;
  const isNewest = answer.format >= answer.formatMax;
  if (flags.finalize === true && !isNewest) {
    await task.confirm(`From now on format ${answer.formatMax} is written; there is no way back`);
    await asked.ask("cluster finalize", { format: answer.formatMax });
    answer = await asked.look("cluster upgrade") as UpgradeAnswer;
  }
  out.object(answer);
  const { format, formatMax, ready, why } = answer;
  if (format >= formatMax) out.say(`\nFormat ${format} is written; it is the newest.\n`);
  else if (ready) {
    out.say(
      `\nFormat ${format} is written, all can read ${formatMax}: ctdbx cluster upgrade --finalize\n`,
    );
  } else out.say(`\nFormat ${format} is written; not ${formatMax} yet: ${why}\n`);
}
