/**
 * The real files and daemon of a node that is being made: what create_plan.ts and join_plan.ts work on.
 *
 * Does NOT promise: that the daemon lives on after it has answered.
 */

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { makeIdentity } from "../../actors/storage/node_identity.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { keyFileText } from "../../transport/real_nkeys.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import type { ClusterAnswer } from "../answers.ts";
import { look, type Relayed } from "../commands/asking.ts";
import type { DocumentAnswer } from "./document_answer.ts";
import { Failure } from "../failure.ts";
import { supervisorOf } from "../processes.ts";
import { type ConfigPlan, configText } from "./config_text.ts";
import type { Digest, NodePort, Standing } from "./join_plan.ts";
import { type NodeFiles, writeDurably } from "./node_files.ts";

/** Between two looks at what nobody tells of, ms. */
const LOOK_MS = 50;
/** A daemon of this machine answers a question within this, ms; it asks others for 2 s. */
const ASK_MS = 4000;
/** The format of the files of a new node. */
const FORMAT = 2;

/** What a node is made of. */
export interface NodePlan {
  readonly files: NodeFiles;
  /** The words that name it to other commands: --home DIR, or --node-name NAME. */
  readonly words: readonly string[];
  readonly cluster: string;
  readonly clusterId: ClusterId;
  readonly name: string;
  readonly nodeId: NodeId;
  readonly diskId: string;
  /** Whom it asks for the document; for who joins. */
  readonly seeds?: readonly NodeId[] | undefined;
  /** Its key for NATS, SU...; undefined: it has none of ours. */
  readonly seed?: string | undefined;
  /** Certificates of who vouches for the servers, PEM. */
  readonly ca?: string | undefined;
  /** The document before all others; for who founds a cluster. */
  readonly genesis?: (() => Document) | undefined;
  readonly config: ConfigPlan;
  /** The command that makes it, for the head of the configuration. */
  readonly command: string;
}

/** The port of a node. */
export function nodePort(plan: NodePlan): NodePort {
  const { files, words, name, cluster, seed, ca } = plan;
  const { paths } = files;
  return {
    isKeyless: seed === undefined && ca === undefined,
    hasKey: () =>
      (seed === undefined || existsSync(files.key)) && (ca === undefined || existsSync(files.ca)),
    writeKey: () => {
      if (ca !== undefined) writeDurably(files.ca, ca);
      if (seed === undefined) return;
      writeDurably(files.key, keyFileText({ role: "node", name, cluster, seed }));
    },
    hasIdentity: () => files.identity() !== undefined,
    writeIdentity: () => writeIdentity(plan),
    hasState: () => files.hasMeta(),
    writeState: () => files.writeMeta(plan.diskId, plan.genesis?.()),
    hasConfig: () => existsSync(paths.config),
    writeConfig: () => writeDurably(paths.config, configText(plan.config, plan.command)),
    isRunning: async () =>
      supervisorOf(paths.run) !== undefined &&
      await look(paths, "node ping", {}, ASK_MS).then(() => true, () => false),
    start: async () => {
      // Loaded here: it brings the whole daemon with it, which no other command of the group needs.
      const { startNode } = await import("../commands/daemon.ts");
      await startNode(paths, words);
    },
    standing: () => standingOf(plan),
    wayOut: (pnn) => wayOutOf(plan, pnn),
    digests: () => digestsOf(plan),
    pause: () => sleep(LOOK_MS),
    nowMs: () => performance.now(),
  };
}

async function writeIdentity(plan: NodePlan): Promise<void> {
  const { files, name, nodeId, diskId, clusterId, seeds } = plan;
  const world = { disk: new RealDisk(), dice: new RealDice() };
  const given = { name, nodeId, diskId, clusterId, format: FORMAT };
  await makeIdentity(world, files.paths.state, seeds === undefined ? given : { ...given, seeds });
}

async function standingOf({ files, nodeId }: NodePlan): Promise<Standing | undefined> {
  let cluster: ClusterAnswer;
  try {
    cluster = await look(files.paths, "cluster status", {}, ASK_MS) as ClusterAnswer;
  } catch {
    return undefined;
  }
  const own = cluster.nodes.find((each) => each.nodeId === nodeId);
  const why = cluster.troubles[0];
  return {
    isMember: own?.isMember ?? false,
    isVoter: own?.isVoter ?? false,
    serving: cluster.serving,
    ...why === undefined ? {} : { why },
  };
}

async function wayOutOf({ files }: NodePlan, pnn: number): Promise<string | undefined> {
  try {
    const view = await look(files.paths, "cluster view", {}, ASK_MS) as DocumentAnswer;
    const node = view.nodes.find((each) => each.pnn === pnn);
    if (node === undefined) return undefined;
    const isIn = view.members.some((member) => member.pnn === pnn);
    if (node.leaving === undefined) return `${node.name} keeps its place until the vote is moved`;
    return `${node.name} is on its way out${isIn ? ", still in the view" : ""}`;
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
}

/** What the nodes that a daemon knows have of the document. */
export async function digestsOf({ files }: Pick<NodePlan, "files">): Promise<Digest[]> {
  const args = { verb: "cluster digest", nodes: "all" };
  const answers = await look(files.paths, "relay", args, ASK_MS) as Relayed<Digest>[];
  return answers.map(({ pnn, name, ok, error }) => ({ ...ok, pnn, name, error }));
}
