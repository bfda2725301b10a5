/**
 * A program that offers resources and writes down when it owned them, for a judge.
 *
 *   resource_child.ts HOME LOG NAME...      each line: boottime-ms name pid.ownership, when it was owned
 *
 * A line is written with a time that was read before `isOwned` was: what it says was so then.
 *
 * Does NOT promise: an end of its own; it is killed, or gets TERM.
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import { connect, type Ownership } from "../../actors/mod.ts";
import { RealClock } from "../../transport/real_clock.ts";

const [home = "", log = "", ...names] = process.argv.slice(2);
const clock = new RealClock();
const cluster = await connect({ home });

/** Writes down that it is owned, as long as it is. */
async function work(owned: Ownership, who: string): Promise<void> {
  for (let isLast = false; !isLast;) {
    isLast = owned.signal.aborted;
    const atMs = clock.nowMs();
    if (owned.isOwned) appendFileSync(log, `${atMs} ${owned.name} ${who}\n`);
    if (!isLast) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

await Promise.all(names.map((name) =>
  cluster.resource(name, {
    // No two begin in the same microsecond.
    onTake: (owned) => work(owned, `${process.pid}.${clock.nowMs()}`),
  })
));
console.log("offered");
process.on("SIGTERM", () => void cluster.close().then(() => process.exit(0)));
