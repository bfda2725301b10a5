/**
 * `ctdbx cluster join FILE | preflight FILE`: this machine becomes a node, by an invitation.
 *
 *   preflight: invitation, home, space, version, NATS, majority, clock ─▶ plan ─▶ steps with a journal ─▶ digest
 *
 * Killed anywhere and run again, it finishes. A join needs a majority of the voters, not everybody.
 *
 * Does NOT promise: to take back what it has done when it fails; `cluster leave NAME` does that.
 */

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { findNode, pathsInHome } from "../config.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, systemFailure, usage } from "../failure.ts";
import { type Check, demand, type JoinFacts, judgeJoin } from "../membership/checks.ts";
import { INVITATION_BYTES_MAX } from "../membership/invitation.ts";
import { type Invitation, parseInvitation } from "../membership/invitation.ts";
import { type Digest, joinSteps } from "../membership/join_plan.ts";
import { Join } from "../membership/join_world.ts";
import { NodeFiles } from "../membership/node_files.ts";
import { carryOut, type Step, survey } from "../membership/steps.ts";
import { DIGESTS, Teller, TOLD } from "../membership/telling.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, maybe, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { address, addresses, ownAddress } from "./cluster_create.ts";

/** A node is in the view with its vote within this, ms, or something is wrong. */
const MEMBER_MS = 60_000;

const JOINED = object({
  cluster: text("Cluster", "its name"),
  clusterId: text("Cluster id", "32 hex digits"),
  node: text("Node", "name of the new node"),
  pnn: int("Pnn", "its number"),
  addr: text("Address", "where its services are"),
  config: text("Configuration", "its file"),
  state: text("State", "folder of what it keeps"),
  replaces: maybe(text("Replaces", "the node whose place it takes; null: none")),
  started: flag("Started", "does its daemon run?"),
  ...TOLD,
  digests: DIGESTS,
});
type Joined = RowOf<typeof JOINED>;

const CHECKED = rows({
  name: text("Check", "what was looked at, in one word"),
  ok: flag("Ok", "is it as it must be?"),
  text: text("Found", "what was found"),
  hint: maybe(text("Hint", "what to do about it")),
}, { table: ["name", "ok", "text", { name: "hint", whenSet: true }] });
type Checked = RowOf<typeof CHECKED>;

interface PreflightFlags {
  readonly addr?: string;
  readonly server?: readonly string[];
  readonly creds?: string;
}

interface JoinFlags extends PreflightFlags {
  readonly start: boolean;
  readonly dryRun?: boolean;
}

/** Adds `ctdbx cluster join` and `preflight`. */
export function addClusterJoinCommands(cluster: Command, world: CommandWorld): void {
  declare<JoinFlags, Joined>(
    placed(cluster.command("join <file>").description("make this machine a node, by an invitation"))
      .option("--no-start", "join, but do not start the daemon")
      .option("--dry-run", "look at everything, show the plan, and change nothing"),
    world,
    { result: JOINED, asks: "home", changes: true },
    join,
  );
  declare<PreflightFlags, Checked>(
    placed(cluster.command("preflight <file>").description("could this machine join by it?")),
    world,
    { result: CHECKED, asks: "home" },
    preflight,
  );
}

function placed(command: Command): Command {
  return command
    .option("--addr <address>", "where the node's services are", address)
    .option("--server <addresses>", "reach NATS there instead", addresses)
    .option("--creds <file>", "credentials for NATS, of an operator's own system");
}

async function join(task: Task<JoinFlags, Joined>, path = ""): Promise<void> {
  const { flags, out, signal } = task;
  const invitation = readInvitation(path);
  const cannot = `Cannot join ${invitation.cluster} as ${invitation.name}`;
  const { work, files } = joinOf(flags, invitation);
  const teller = new Teller(out);
  let digests: readonly Digest[] = [];
  let checks: Check[] = [];
  let steps: Step[] = [];
  const shown = (started: boolean): Joined => ({
    cluster: invitation.cluster,
    clusterId: invitation.clusterId,
    node: invitation.name,
    pnn: invitation.pnn,
    addr: work.addr,
    config: files.paths.config,
    state: files.paths.state,
    replaces: invitation.replaces?.name,
    started,
    dryRun: flags.dryRun === true,
    checks,
    steps: teller.steps(steps),
    digests,
  });
  try {
    checks = judgeJoin(await factsOf(work));
    teller.checks(checks);
    const isWrong = checks.some(({ ok }) => !ok);
    const { name, cluster, voter, replaces } = invitation;
    const wish = { name, cluster, voter, replaces, start: flags.start, memberMs: MEMBER_MS };
    steps = joinSteps(
      work.port(),
      { ...wish, folder: files.paths.state },
      (found) => digests = found,
    );
    if (isWrong || flags.dryRun === true) {
      if (!isWrong) teller.plan(await survey(steps));
      if (!out.isTable) out.object(shown(false));
      return demand(checks, cannot);
    }
    await carryOut(steps, work.journal(), teller, signal);
  } finally {
    await work.close();
  }
  if (!out.isTable) return out.object(shown(flags.start));
  teller.digests(digests);
  out.say(`\n${invitation.name} is node ${invitation.pnn} of ${invitation.cluster}.\n`);
}

async function preflight(task: Task<PreflightFlags, Checked>, path = ""): Promise<void> {
  const invitation = readInvitation(path);
  const { work } = joinOf(task.flags, invitation);
  try {
    const checks = judgeJoin(await factsOf(work));
    for (const check of checks) task.out.row(check);
    demand(checks, `Cannot join ${invitation.cluster} as ${invitation.name}`);
  } finally {
    await work.close();
  }
}

/** The facts. A cluster that has just changed its leader is asked again once. */
async function factsOf(work: Join): Promise<JoinFacts> {
  const facts = await work.facts();
  const isPassing = facts.natsTrouble === undefined && facts.answer?.leader === undefined &&
    facts.answer?.invitation !== "unknown";
  return isPassing ? await work.facts() : facts;
}

function joinOf(
  flags: PreflightFlags & { readonly home?: string },
  invitation: Invitation,
): { work: Join; files: NodeFiles } {
  const { home, addr, server = [], creds } = flags;
  const { name, pnn } = invitation;
  const paths = home === undefined ? findNode(undefined, name) : pathsInHome(home);
  const files = new NodeFiles(paths);
  const work = new Join({
    files,
    words: home === undefined ? ["--node-name", name] : ["--home", resolve(home)],
    invitation,
    addr: addr ?? invitation.addr ?? ownAddress(pnn),
    servers: server,
    creds: creds === undefined ? undefined : resolve(creds),
  });
  return { work, files };
}

/** Reads an invitation. Throws Failure. */
export function readInvitation(path: string): Invitation {
  let text: string;
  try {
    if (statSync(path).size > INVITATION_BYTES_MAX) {
      throw usage(`Cannot use the invitation ${path}: more than ${INVITATION_BYTES_MAX} bytes`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, `Cannot read the invitation ${path}`);
  }
  if (text.trim() !== "") return parseInvitation(text, path);
  throw new Failure(
    EXIT.conflict,
    `Cannot use the invitation ${path}: it is empty`,
    "copy the whole file again",
  );
}
