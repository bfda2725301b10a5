/**
 * The floor of the message ring: what is left when nothing is done but handing on.
 *
 *   bare      three processes with a connection to NATS; two tokens of 8 bytes, opposite ways
 *   programs  the same with a unix socket to a program at each: the processes that a message of ours passes
 *
 * Nothing is numbered, acknowledged, or kept for who has not heard it.
 *
 * Does NOT promise: the least that NATS can do; our own connection (RealBus) is what everything here goes through.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RealHost } from "../../../transport/real_host.ts";
import type { Bus, Stream } from "../../../transport/world.ts";
import { NatsRig } from "../../live/nats.ts";
import { Peer, runtimeCommand, thisRuntime } from "../../live/peer.ts";
import { type Scale, within } from "./measure.ts";

/** Of floor_ring_child.ts, too. */
export const RING_NODES = 3;
/** A token; its first byte is its step. */
export const RING_BYTES = 8;
/** What a process tells a program first: it has seen it. */
export const HELLO = new Uint8Array(RING_BYTES);
const STEPS = [1, 2] as const;
const LAPS: Readonly<Record<Scale, number>> = { full: 10_000, small: 40 };
const WARM_PART = 0.1;
const LIMIT_MS = 60_000;
const SCRIPT = "test/bench/workloads/floor_ring_child.ts";

/** Messages that each node gets in a second. */
export interface RingFloor {
  readonly ringPerSecond: number;
  readonly programRingPerSecond: number;
}

/** Where a token goes from a node. */
export function nextOf(index: number, step: number): number {
  return (index + step) % RING_NODES;
}

/** Measures both; starts a nats-server and three processes, and stops them. Throws when there is no nats-server. */
export async function measureRings(scale: Scale): Promise<RingFloor> {
  const rig = new NatsRig();
  try {
    const { address } = await rig.server();
    return await ringsAt(await rig.bus(address), address, scale);
  } finally {
    await rig.end();
  }
}

async function ringsAt(bus: Bus, server: string, scale: Scale): Promise<RingFloor> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-ring-"));
  const peers: Peer[] = [];
  const streams: Stream[] = [];
  const pathOf = (index: number) => join(folder, `${index}.sock`);
  try {
    for (let index = 0; index < RING_NODES; index++) {
      const words = [server, String(index), pathOf(index)];
      peers.push(new Peer(`ring ${index}`, [...runtimeCommand(thisRuntime(), SCRIPT), ...words]));
    }
    const ready = Promise.all(peers.map((peer) => peer.ask("ready")));
    await within(LIMIT_MS, "the start of the ring's processes", ready);
    const ringPerSecond = await within(LIMIT_MS, "the bare ring", bareRing(bus, LAPS[scale]));
    const programs = programRing(bus, pathOf, LAPS[scale], streams);
    const programRingPerSecond = await within(LIMIT_MS, "the ring with programs", programs);
    return { ringPerSecond, programRingPerSecond };
  } finally {
    for (const stream of streams) stream.close();
    for (const peer of peers) await peer.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts laps of all tokens; the rate of those after the warm-up. */
class Laps {
  readonly done: Promise<number>;
  readonly #left = new Map<number, number>();
  readonly #warm: number;
  readonly #all: number;
  #count = 0;
  #fromMs = 0;
  #finish: (rate: number) => void = () => {};

  constructor(laps: number) {
    for (const step of STEPS) this.#left.set(step, laps);
    this.#all = laps * STEPS.length;
    this.#warm = Math.ceil(this.#all * WARM_PART);
    this.done = new Promise((resolve) => this.#finish = resolve);
  }

  /** A token is at the first node; false: it has gone round often enough. */
  lap(step: number): boolean {
    const left = (this.#left.get(step) ?? 0) - 1;
    this.#left.set(step, left);
    this.#count += 1;
    if (this.#count === this.#warm) this.#fromMs = performance.now();
    if (this.#count === this.#all) {
      this.#finish(1000 * (this.#all - this.#warm) / (performance.now() - this.#fromMs));
    }
    return left > 0;
  }
}

function tokenOf(step: number): Uint8Array {
  const token = new Uint8Array(RING_BYTES);
  token[0] = step;
  return token;
}

/** This process is the first node. */
async function bareRing(bus: Bus, count: number): Promise<number> {
  const laps = new Laps(count);
  const ends = STEPS.map((step) =>
    bus.subscribe(`floor.bare.${step}.0`, ({ payload }) => {
      if (laps.lap(step)) bus.publish(`floor.bare.${step}.${nextOf(0, step)}`, payload);
    })
  );
  await bus.flush(LIMIT_MS);
  for (const step of STEPS) bus.publish(`floor.bare.${step}.0`, tokenOf(step));
  const rate = await laps.done;
  for (const end of ends) end();
  return rate;
}

async function programRing(
  bus: Bus,
  pathOf: (index: number) => string,
  count: number,
  streams: Stream[],
): Promise<number> {
  const host = new RealHost();
  const laps = new Laps(count);
  for (let index = 0; index < RING_NODES; index++) {
    const made: { stream?: Stream } = {};
    const seen = Promise.withResolvers<void>();
    made.stream = await host.dial(pathOf(index), {
      onBytes: (bytes) => {
        for (let at = 0; at < bytes.length; at += RING_BYTES) {
          if (bytes[at] === HELLO[0]) {
            seen.resolve();
            continue;
          }
          const isOn = index !== 0 || laps.lap(bytes[at] as number);
          if (isOn) made.stream?.write(bytes.subarray(at, at + RING_BYTES));
        }
      },
      onClose: () => {},
    });
    streams.push(made.stream);
    await seen.promise;
  }
  for (const step of STEPS) bus.publish(`floor.program.${step}.0`, tokenOf(step));
  return await laps.done;
}
