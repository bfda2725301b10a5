/**
 * Who a node is: the file node.id in its state folder, made once.
 *
 * Does NOT promise: that a copied folder is noticed. Two nodes of one identity are refused by the cluster: the one
 * with the lower incarnation is taken for a former life.
 */
import { BodyCodec } from "../../transport/wire/codec.ts";
import { IDENTITY, type Identity, STATE_FORMAT } from "../../transport/wire/durable.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import type { Dice, Disk } from "../../transport/world.ts";

/** 128 bits by chance, as 32 hex digits. */
export function id128(dice: Dice): string {
  return [0, 1, 2, 3].map(() => dice.u32().toString(16).padStart(8, "0")).join("");
}

/** The identity in a state folder. Throws CorruptError, CtdbxError "version" and what Disk.read throws. */
export function readIdentity(disk: Disk, folder: string): Identity | undefined {
  const path = `${folder}/node.id`;
  const bytes = disk.read(path);
  if (bytes === undefined) return undefined;
  const identity = new BodyCodec().decode(IDENTITY, bytes);
  if (isRefusal(identity)) {
    throw new CorruptError("header", 0, `Cannot use ${path}: ${identity.text}`);
  }
  if (identity.format <= STATE_FORMAT) return identity;
  const text =
    `Cannot use ${folder}: its format is ${identity.format}, this ctdbx knows up to ${STATE_FORMAT}`;
  throw new CtdbxError("version", text);
}

/** Makes an identity and writes it; resolves when it is durable. */
export async function makeIdentity(
  { disk, dice }: { readonly disk: Disk; readonly dice: Dice },
  folder: string,
  given: { readonly name: string; readonly nodeId?: NodeId },
): Promise<Identity> {
  const identity: Identity = {
    kind: "identity",
    format: STATE_FORMAT,
    nodeId: given.nodeId ?? id128(dice) as NodeId,
    diskId: id128(dice),
    name: given.name,
  };
  const { kind: _kind, ...fields } = identity;
  const bytes = new BodyCodec().encode(IDENTITY, fields);
  disk.makeFolder(folder);
  await new Promise<void>((resolve, reject) =>
    disk.replace(
      `${folder}/node.id`,
      bytes,
      (error) => error === undefined ? resolve() : reject(error),
    )
  );
  return identity;
}
