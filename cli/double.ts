/**
 * Does another daemon run as this node? Asked over the bus before the first message of a daemon.
 *
 *   ask.<own tag> from <own tag>   nobody listens: the place is free   an answer: a copy of this node's folder runs
 *                                  silence: what a former life has left at the server; it goes on
 *
 * Does NOT promise: to find a double that is cut off, or that starts in the same moment.
 */

import { readIdentity } from "../actors/storage/node_identity.ts";
import { Codec } from "../transport/wire/codec.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { buildSubject } from "../transport/wire/subjects.ts";
import { type Generation, tagOf } from "../transport/wire/terms.ts";
import type { Bus, World } from "../transport/world.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** So long NATS is waited for, ms; without it nobody can be asked. */
const CONNECT_MS = 500;
/** So long an answer is waited for, ms. */
const ANSWER_MS = 300;

/**
 * Throws Failure (conflict) when another daemon answers as the node whose state is in `stateFolder`. A node that has
 * no identity yet has no double.
 */
export async function refuseDouble(
  { bus, clock, disk, dice }: World,
  cluster: string,
  stateFolder: string,
): Promise<void> {
  const identity = readIdentity(disk, stateFolder);
  if (identity === undefined || !await isConnected(bus, clock)) return;
  const { nodeId, name } = identity;
  const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
  const codec = new Codec({ cluster, own: nodeId, firstId });
  codec.clusterId = identity.clusterId;
  const tag = tagOf(nodeId);
  const subject = buildSubject({ cluster, class: "ask", to: tag, from: tag });
  const message = { kind: "ask", verb: "node ping", args: "{}" } as const;
  const [payload] = codec.encode(message, { gen: 0n as Generation, stamp: 0n });
  if (payload === undefined) return;
  try {
    await bus.request(subject, payload, ANSWER_MS);
  } catch (error) {
    if (error instanceof CtdbxError) return;
    throw error;
  }
  throw new Failure(
    EXIT.conflict,
    `Cannot start ${name}: another daemon answers NATS as this very node: it runs already, or its folder was copied`,
    "a node runs once: end the other one, or remove this folder and invite the machine as a new node",
  );
}

/** Resolves when the bus is up, or with false when it is not in time. */
function isConnected(bus: Bus, clock: World["clock"]): Promise<boolean> {
  if (bus.status === "connected") return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (isUp: boolean): void => {
      cancel();
      unwatch();
      resolve(isUp);
    };
    const cancel = clock.after(CONNECT_MS, () => end(false));
    const unwatch = bus.watch((status) => status === "connected" && end(true));
  });
}
