/**
 * The other process of the floor: answers what it is asked, and counts what it is sent.
 *
 *   floor_child.ts SERVER     <- ready   -> ready
 *
 * Does NOT promise: an end; whoever started it kills it.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { RealBus } from "../../../transport/real_bus.ts";
import { RealClock } from "../../../transport/real_clock.ts";
import { RealDice } from "../../../transport/real_dice.ts";
import { KeptLog, until } from "../../live/nats.ts";
import { ACKNOWLEDGED_EACH } from "./floor.ts";

const FLUSH_MS = 10_000;

async function main([server = ""]: string[]): Promise<void> {
  const parts = { clock: new RealClock(), dice: new RealDice(), log: new KeptLog() };
  const bus = new RealBus({ servers: [server], name: "floor", ...parts });
  await until(bus, "connected");
  bus.subscribe("floor.ask", ({ payload, reply }) => {
    if (reply !== undefined) bus.publish(reply, payload);
  });
  let count = 0;
  const nothing = new Uint8Array(0);
  bus.subscribe("floor.one", () => {
    if (++count % ACKNOWLEDGED_EACH === 0) bus.publish("floor.acknowledge", nothing);
  });
  await bus.flush(FLUSH_MS);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "ready") console.log("ready");
  }
}

if (import.meta.main) await main(process.argv.slice(2));
