/**
 * A node of the bare rings: hands on what comes, to the next one over NATS, or to its program and back.
 *
 *   floor_ring_child.ts SERVER INDEX SOCKET     <- ready   -> ready
 *   whoever connects is told HELLO: from then on what comes for its program goes to it
 *
 *   floor.bare.STEP.INDEX     ─▶ floor.bare.STEP.NEXT
 *   floor.program.STEP.INDEX  ─▶ stream ─▶ program ─▶ stream ─▶ floor.program.STEP.NEXT
 *
 * Does NOT promise: an end; whoever started it kills it.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { RealBus } from "../../../transport/real_bus.ts";
import { RealClock } from "../../../transport/real_clock.ts";
import { RealDice } from "../../../transport/real_dice.ts";
import { RealHost } from "../../../transport/real_host.ts";
import type { Stream } from "../../../transport/world.ts";
import { KeptLog, until } from "../../live/nats.ts";
import { HELLO, nextOf, RING_BYTES } from "./floor_ring.ts";

const FLUSH_MS = 10_000;

async function main([server = "", place = "0", path = ""]: string[]): Promise<void> {
  const index = Number(place);
  const parts = { clock: new RealClock(), dice: new RealDice(), log: new KeptLog() };
  const bus = new RealBus({ servers: [server], name: "ring", ...parts });
  await until(bus, "connected");
  let program: Stream | undefined;
  for (const step of [1, 2]) {
    const next = nextOf(index, step);
    // The first node of the bare ring is the process that measures.
    if (index !== 0) {
      bus.subscribe(`floor.bare.${step}.${index}`, ({ payload }) => {
        bus.publish(`floor.bare.${step}.${next}`, payload);
      });
    }
    bus.subscribe(`floor.program.${step}.${index}`, ({ payload }) => program?.write(payload));
  }
  await new RealHost().listen(path, (stream) => {
    program = stream;
    stream.write(HELLO);
    return {
      onBytes: (bytes) => {
        for (let at = 0; at < bytes.length; at += RING_BYTES) {
          const step = bytes[at] as number;
          const payload = bytes.subarray(at, at + RING_BYTES);
          bus.publish(`floor.program.${step}.${nextOf(index, step)}`, payload);
        }
      },
      onClose: () => program = undefined,
    };
  });
  await bus.flush(FLUSH_MS);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "ready") console.log("ready");
  }
}

if (import.meta.main) await main(process.argv.slice(2));
