/**
 * What a node finds in its state folder when it starts, and what it makes when there is nothing.
 *
 *   node.id  who it is    meta.a, meta.b  what it promised; without them the disk is a new one
 *
 * Does NOT promise: a vote to a node that lost its files: it gets another diskId, and the vote belongs to the former.
 */
import { type Identity, type Left, STATE_FORMAT } from "../transport/wire/durable.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Incarnation, Version } from "../transport/wire/terms.ts";
import type { World } from "../transport/world.ts";
import type { Durable } from "./machines/cluster/events.ts";
import { tokenText } from "./machines/cluster/token.ts";
import { MetaFile } from "./storage/meta_file.ts";
import { makeIdentity, readIdentity, writeLeft } from "./storage/node_identity.ts";

/** Bits below the seconds in the first incarnation of a node without a state. */
const LIVES_BITS = 20n;

/** What a node finds in its state folder. */
export interface Own {
  readonly identity: Identity;
  readonly meta: MetaFile;
  readonly durable: Durable;
}

/** Where a node's state is, and what it knows of formats. */
export interface StatePlace {
  readonly world: Pick<World, "disk" | "dice" | "clock">;
  readonly stateFolder: string;
  /** What people call it, when it is made. */
  readonly name: string;
  /** The newest format that it knows. */
  readonly level?: number;
}

/**
 * Reads the state folder, and makes what is not there yet. Throws what files throw, and CtdbxError "state" when the
 * node has left its cluster for good.
 */
export async function loadOwn(place: StatePlace): Promise<Own> {
  const { world, stateFolder, level = STATE_FORMAT } = place;
  world.disk.makeFolder(stateFolder);
  const meta = new MetaFile(world.disk, stateFolder, level);
  const kept = meta.load();
  const identity = await identityFor(place, kept !== undefined);
  refuseLeft(identity);
  const durable = kept ?? newDurable(identity, world.clock.wallMs());
  if (durable.diskId === identity.diskId) return { identity, meta, durable };
  const text = `Cannot use ${stateFolder}: node.id and meta.a/.b are of different disks`;
  throw new CtdbxError("state", `${text}; was a part of it copied?`);
}

/** Throws CtdbxError "state" when this node does not belong to its cluster any more. */
export function refuseLeft({ name, left }: Identity): void {
  if (left === undefined) return;
  const when = `document ${tokenText(left.version)}`;
  const text = `Cannot start ${name}: ${left.why} (${when}), and a node that has gone stays gone`;
  throw new CtdbxError("state", `${text}; invite it anew, and let it join with a new home`);
}

/**
 * Who the node is. Without meta.a and meta.b what it promised is forgotten: then it gets another diskId, and its vote,
 * which belongs to the former one, counts no more.
 */
async function identityFor(place: StatePlace, hasMeta: boolean): Promise<Identity> {
  const { world, stateFolder, name, level = STATE_FORMAT } = place;
  const identity = readIdentity(world.disk, stateFolder, level);
  if (identity === undefined) return await makeIdentity(world, stateFolder, { name });
  // One that has left is refused as it is.
  if (hasMeta || identity.left !== undefined) return identity;
  const { nodeId, clusterId, seeds, format } = identity;
  return await makeIdentity(world, stateFolder, {
    name,
    nodeId,
    format,
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(seeds === undefined ? {} : { seeds }),
  });
}

/**
 * A node without a state of its own: never started before, or its disk is new. Its lives begin above all that it can
 * have had, or its peers would take it for a former one: by the wall clock, which decides nothing else.
 */
function newDurable({ diskId }: Pick<Identity, "diskId">, wallMs: number): Durable {
  return {
    diskId,
    promised: 0n as Durable["promised"],
    accepted: undefined,
    incarnation: (BigInt(Math.max(0, Math.floor(wallMs / 1000))) << LIVES_BITS) as Incarnation,
  };
}

/** Notes for ever that a node has left its cluster. `version`: the document without it. */
export async function noteLeft(
  { world, stateFolder }: Pick<StatePlace, "world" | "stateFolder">,
  identity: Identity,
  why: string,
  version: Version,
): Promise<void> {
  const atWallMs = BigInt(Math.max(0, Math.floor(world.clock.wallMs())));
  const left: Left = { why, version, atWallMs };
  await writeLeft(world.disk, stateFolder, identity, left);
}
