/**
 * Making the file of an invitation: its secrets first, so that whoever is killed can go on with the same ones.
 *
 *   FILE.part (ids, key) ─▶ the leader reserves number, name and id ─▶ FILE ─▶ FILE.part is removed
 *
 * Does NOT promise: that a part that somebody else has copied stays a secret.
 */

import { existsSync, lstatSync, rmSync } from "node:fs";
import process from "node:process";
import type { NodeConfig } from "../../actors/node_config.ts";
import { id128 } from "../../actors/storage/node_identity.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { newNkey, publicKeyOf, readPublicText, readSecret } from "../../transport/real_nkeys.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { VERSION } from "../run.ts";
import type { InvitedAnswer } from "./document_answer.ts";
import type { Invitation } from "./invitation.ts";
import { textOf, writeDurably } from "./node_files.ts";

/** The group's and everybody's right to write. */
const OTHERS_WRITE = 0o022;

/** What must be the same when it is asked for again. */
export interface Draft {
  readonly name: string;
  readonly inviteId: string;
  readonly nodeId: string;
  /** The key of the node to be, SU...; null: the server asks for none of ours. */
  readonly seed: string | null;
}

/** Who is wanted. */
export interface InviteWish {
  readonly name: string;
  readonly voter: boolean;
  readonly ttlMs: number;
  readonly addr: string | null;
  /** The node that goes, name or number. */
  readonly replaces?: string | undefined;
}

/** The draft of an invitation: the one that was begun in a file, or a new one. `path` undefined: it is kept nowhere. */
export function draftOf(name: string, config: NodeConfig, path: string | undefined): Draft {
  const kept = path === undefined ? undefined : keptDraft(`${path}.part`);
  if (kept?.name === name) return kept;
  const dice = new RealDice();
  const draft: Draft = {
    name,
    inviteId: id128(dice),
    nodeId: id128(dice),
    seed: hasKeys(config) ? newNkey().seed : null,
  };
  if (path !== undefined) writeDurably(`${path}.part`, `${JSON.stringify(draft)}\n`);
  return draft;
}

/** Ends a draft that has become an invitation, or that nobody can use. */
export function dropDraft(path: string): void {
  rmSync(`${path}.part`, { force: true });
}

function keptDraft(path: string): Draft | undefined {
  const text = existsSync(path) && isOwn(path) ? textOf(path) : undefined;
  try {
    const draft = JSON.parse(text ?? "null") as Draft | null;
    return typeof draft?.inviteId === "string" && typeof draft.nodeId === "string"
      ? draft
      : undefined;
  } catch {
    // Whoever was killed while it was written has asked for nothing yet.
    return undefined;
  }
}

/** Is a file ours alone to write? Ids and keys that somebody else has put there would be his. */
function isOwn(path: string): boolean {
  const { uid, mode } = lstatSync(path);
  return uid === process.getuid?.() && (mode & OTHERS_WRITE) === 0;
}

/** Do nodes of this cluster log in with keys of their own? */
function hasKeys({ nats: { keyFile } }: NodeConfig): boolean {
  return keyFile !== undefined && readSecret(keyFile).kind === "nkey";
}

/** The arguments of the verb. */
export function inviteArgs(wish: InviteWish, draft: Draft): Record<string, unknown> {
  const { name, voter, ttlMs, replaces } = wish;
  const { inviteId, nodeId, seed } = draft;
  return {
    name,
    voter,
    ttlMs,
    inviteId,
    nodeId,
    ...seed === null ? {} : { natsKey: publicKeyOf(seed) },
    ...replaces === undefined ? {} : { replaces },
  };
}

/** What stands in the file. Throws Failure (usage) on a configuration that another machine cannot use. */
export function invitationOf(
  { addr }: Pick<InviteWish, "addr">,
  draft: Draft,
  answer: InvitedAnswer,
  config: NodeConfig,
): Invitation {
  const { servers, server, tls } = config.nats;
  const own = server === undefined ? [] : [server.advertise ?? server.listen];
  return {
    cluster: answer.cluster,
    clusterId: answer.clusterId as ClusterId,
    inviteId: draft.inviteId,
    name: answer.name,
    pnn: answer.pnn,
    nodeId: answer.nodeId as NodeId,
    format: answer.format,
    expiresWallMs: Number(answer.expiresWallMs),
    voter: answer.voter,
    replaces: answer.replaces ?? null,
    addr,
    servers: [...new Set([...own, ...servers])],
    ca: tls?.ca === undefined ? null : readPublicText(tls.ca),
    seed: draft.seed,
    seeds: answer.seeds.map(({ nodeId, name }) => ({ nodeId: nodeId as NodeId, name })),
    lock: config.lock,
    madeBy: VERSION,
  };
}

/** Refuses to invite where a second node cannot work. Throws Failure (conflict). */
export function refuseLonely({ lock, cluster }: NodeConfig): void {
  if (lock.kind !== "single") return;
  throw new Failure(
    EXIT.conflict,
    `Cannot invite anybody to ${cluster}: its lock is of the kind "single", for one node alone`,
    'set kind = "jetstream" below [lock] in its configuration, then restart its daemon',
  );
}
