/**
 * Clients in processes of their own: how one opens its world, and a crowd of them that starts at the same moment.
 *
 * Does NOT promise: worlds beyond those named here.
 */

import { Peer, runtimeCommand, thisRuntime } from "../../live/peer.ts";
import type { RecordClient, RecordWorld } from "./world.ts";

/** Connects to what RecordWorld.address named. */
export async function openWorld(address: string): Promise<RecordClient> {
  const colon = address.indexOf(":");
  const [kind, place] = [address.slice(0, colon), address.slice(colon + 1)];
  // Each only where it is wanted: a process shall not load what it does not use.
  if (kind === "ctdbx") return await (await import("./ours.ts")).OurProgram.connect(place);
  if (kind !== "ctdbd") {
    throw new RangeError(`Cannot connect to ${address}: ${kind} is none of ctdbd, ctdbx`);
  }
  const { CtdbFiles, CtdbProgram } = await import("../../peer/ctdb_world.ts");
  return await CtdbProgram.connect(place, new CtdbFiles());
}

/**
 * Starts a script once per client, `perNode` at each node, with the node's address and `words` as arguments. When all
 * have answered "ready", each is told to go; their answers, parsed.
 */
export async function crowd<T>(
  world: RecordWorld,
  script: string,
  perNode: number,
  wordsOf: (index: number) => readonly (string | number)[],
): Promise<T[]> {
  const peers: Peer[] = [];
  try {
    for (let index = 0; index < perNode * world.nodes; index++) {
      const address = world.address(index % world.nodes);
      const words = wordsOf(index).map(String);
      const command = [...runtimeCommand(thisRuntime(), script), address, ...words];
      peers.push(new Peer(`client ${index}`, command));
    }
    await Promise.all(peers.map((peer) => peer.ask("ready")));
    const answers = await Promise.all(peers.map((peer) => peer.ask("go")));
    return answers.map((answer): T => JSON.parse(answer));
  } finally {
    for (const peer of peers) void peer.kill();
    await Promise.all(peers.map((peer) => peer.ended));
  }
}
