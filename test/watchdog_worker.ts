/**
 * Ends the test process when a test never yields: an endless loop in a kernel cannot be stopped
 * from its own thread, and must be named all the same.
 *
 *   main thread: {name, limitMs} when a test starts, null when it ends -> here: timer -> SIGKILL
 *
 * Does NOT promise: results of the tests before; the gate counts a killed process as a failure.
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { type MessagePort, parentPort } from "node:worker_threads";

/**
 * Beyond the test's own limit, which fires first whenever the event loop still turns: on a busy machine it turns late,
 * and a process that is killed leaves what it has started.
 */
const GRACE_MS = 3000;
const GRACE_PART = 0.2;

/** Listens for tests that begin and end. */
function watch(port: MessagePort): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  port.on("message", (test: { name: string; limitMs: number } | null) => {
    clearTimeout(timer);
    if (test === null) return;
    timer = setTimeout(() => {
      writeSync(2, `KILLED: "${test.name}" held the event loop for over ${test.limitMs} ms\n`);
      process.kill(process.pid, "SIGKILL");
    }, test.limitMs * (1 + GRACE_PART) + GRACE_MS);
  });
}

if (parentPort !== null) watch(parentPort);
