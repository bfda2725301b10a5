/**
 * Who a node is: the file node.id in its state folder, made once.
 *
 * Does NOT promise: that a copied folder is noticed. Two nodes of one identity are refused by the cluster: the one
 * with the lower incarnation is taken for a former life.
 */
import { BodyCodec } from "../../transport/wire/codec.ts";
import { IDENTITY, type Identity, type Left, STATE_FORMAT } from "../../transport/wire/durable.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import type { Dice, Disk } from "../../transport/world.ts";

/** 128 bits by chance, as 32 hex digits. */
export function id128(dice: Dice): string {
  return [0, 1, 2, 3].map(() => dice.u32().toString(16).padStart(8, "0")).join("");
}

/**
 * The identity in a state folder. `level`: the newest format that is known. Throws CorruptError, CtdbxError "version"
 * and what Disk.read throws.
 */
export function readIdentity(
  disk: Disk,
  folder: string,
  level: number = STATE_FORMAT,
): Identity | undefined {
  const path = `${folder}/node.id`;
  const bytes = disk.read(path);
  if (bytes === undefined) return undefined;
  const identity = new BodyCodec().decode(IDENTITY.at(level), bytes);
  if (isRefusal(identity)) {
    throw new CorruptError("header", 0, `Cannot use ${path}: ${identity.text}`);
  }
  if (identity.format <= level) return identity;
  const text =
    `Cannot use ${folder}: its format is ${identity.format}, this ctdbx knows up to ${level}`;
  throw new CtdbxError("version", text);
}

/** What is known of an identity before it is made. */
export interface GivenIdentity {
  readonly name: string;
  /** Made by chance when absent. */
  readonly nodeId?: NodeId;
  /** Made by chance when absent. */
  readonly diskId?: string;
  /** The cluster that it is for. */
  readonly clusterId?: ClusterId;
  /** Whom it asks for the document; only with format 2. */
  readonly seeds?: readonly NodeId[];
  /** Format of the file; 1 when absent, which every version reads. */
  readonly format?: number;
}

/** Makes an identity and writes it; resolves when it is durable. */
export async function makeIdentity(
  { disk, dice }: { readonly disk: Disk; readonly dice: Dice },
  folder: string,
  { name, nodeId, diskId, clusterId, seeds, format = 1 }: GivenIdentity,
): Promise<Identity> {
  const identity: Identity = {
    kind: "identity",
    format,
    nodeId: nodeId ?? id128(dice) as NodeId,
    diskId: diskId ?? id128(dice),
    name,
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(seeds === undefined ? {} : { seeds }),
  };
  await writeIdentity(disk, folder, identity);
  return identity;
}

/** Notes that a node has left its cluster for good; resolves when it is durable. */
export async function writeLeft(
  disk: Disk,
  folder: string,
  identity: Identity,
  left: Left,
): Promise<void> {
  await writeIdentity(disk, folder, { ...identity, format: STATE_FORMAT, left });
}

async function writeIdentity(disk: Disk, folder: string, identity: Identity): Promise<void> {
  const { kind: _kind, ...fields } = identity;
  const bytes = new BodyCodec().encode(IDENTITY.at(identity.format), fields);
  disk.makeFolder(folder);
  await new Promise<void>((resolve, reject) =>
    disk.replace(
      `${folder}/node.id`,
      bytes,
      (error) => error === undefined ? resolve() : reject(error),
    )
  );
}
