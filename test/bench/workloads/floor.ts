/**
 * The floor of the same run: what bare NATS does between two processes, without anything of ours but the connection.
 *
 *   this process --request--> nats-server --> floor_child.ts --answer--> nats-server --> this process
 *
 * Does NOT promise: the least that NATS can do; our own connection (RealBus) is what everything here would go through.
 */

import { setImmediate } from "node:timers";
import { Peer, runtimeCommand, thisRuntime } from "../../live/peer.ts";
import { NatsRig } from "../../live/nats.ts";
import { type Floor, type Scale, Times, within } from "./measure.ts";
import type { Bus } from "../../../transport/world.ts";

const TRIPS: Readonly<Record<Scale, number>> = { full: 10_000, small: 200 };
const MESSAGES: Readonly<Record<Scale, number>> = { full: 500_000, small: 5000 };
const WARM_PART = 0.1;
const BYTES = 100;
/** Messages under way, and how many of them are acknowledged at once. */
const WINDOW = 8192;
const LIMIT_MS = 60_000;
/** Of floor_child.ts, too. */
export const ACKNOWLEDGED_EACH = 1024;

/** What was measured. */
export interface FloorFound extends Floor {
  readonly p99Us: number;
  readonly p999Us: number;
}

async function roundTrips(bus: Bus, count: number): Promise<Times> {
  const times = new Times();
  let onAnswer = (): void => {};
  const end = bus.subscribe("floor.answer", () => onAnswer());
  await bus.flush(LIMIT_MS);
  const payload = new Uint8Array(BYTES);
  const warm = Math.ceil(count * WARM_PART);
  for (let trip = 0; trip < count + warm; trip++) {
    const answered = new Promise<void>((resolve) => onAnswer = resolve);
    const startMs = performance.now();
    bus.publish("floor.ask", payload, "floor.answer");
    await answered;
    if (trip >= warm) times.add(performance.now() - startMs);
  }
  end();
  return times;
}

/** Messages per second. */
async function oneWay(bus: Bus, count: number): Promise<number> {
  let got = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = bus.subscribe("floor.acknowledge", () => {
    got += ACKNOWLEDGED_EACH;
    if (got >= count) resolve();
  });
  await bus.flush(LIMIT_MS);
  const payload = new Uint8Array(BYTES);
  const startMs = performance.now();
  for (let sent = 0; sent < count + ACKNOWLEDGED_EACH;) {
    for (const most = got + WINDOW, stop = sent + 256; sent < Math.min(most, stop); sent++) {
      bus.publish("floor.one", payload);
    }
    await new Promise<void>((go) => setImmediate(go));
  }
  await promise;
  const seconds = (performance.now() - startMs) / 1000;
  end();
  return got / seconds;
}

/** Measures the floor; starts a nats-server and a process, and stops both. Throws when there is no nats-server. */
export async function measureFloor(scale: Scale): Promise<FloorFound> {
  const rig = new NatsRig();
  let peer: Peer | undefined;
  try {
    const server = await rig.server();
    const script = "test/bench/workloads/floor_child.ts";
    peer = new Peer("floor", [...runtimeCommand(thisRuntime(), script), server.address]);
    await within(LIMIT_MS, "the start of the floor's other process", peer.ask("ready"));
    const bus = await rig.bus(server.address);
    const times = await within(LIMIT_MS, "the floor", roundTrips(bus, TRIPS[scale]));
    const oneWayPerSecond = await within(LIMIT_MS, "the floor", oneWay(bus, MESSAGES[scale]));
    const [roundTripUs, p99Us, p999Us] = [times.us(0.5), times.us(0.99), times.us(0.999)];
    return { roundTripUs, p99Us, p999Us, oneWayPerSecond };
  } finally {
    await peer?.kill();
    await rig.end();
  }
}
