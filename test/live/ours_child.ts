/**
 * Our engine as a child process: the line protocol of peer.c, on whichever runtime runs this.
 *
 *   bun test/live/ours_child.ts      deno run -A test/live/ours_child.ts
 *
 * Commands run one after the other; `write` is the writer of writer.ts, which stops at the next
 * line of input. Answers are written with writeSync: what a killed process has announced must have
 * left it.
 *
 * Does NOT promise: a clean end; it is killed.
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { RealImageStore } from "../../transport/real_image.ts";
import { Ours } from "./ours.ts";
import { writeLoop } from "./writer.ts";

function main(): void {
  const ours = new Ours(new RealImageStore());
  const waiting: string[] = [];
  let busy = false;
  const work = async () => {
    if (busy) return;
    busy = true;
    for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
      const words = line.split(" ");
      if (words[0] === "write") {
        await writeLoop(ours.db, words, print, () => waiting.length > 0);
        waiting.shift();
      } else print(await ours.ask(...words));
    }
    busy = false;
  };
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    waiting.push(line);
    work().catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
  lines.on("close", () => process.exit(0));
}

/** The whole line, now. */
function print(line: string): void {
  const bytes = new TextEncoder().encode(line + "\n");
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      // A full pipe that the runtime has made non-blocking: the reader is at work.
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}

main();
