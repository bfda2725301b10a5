/**
 * A client of public addresses, for test/netns: asks at each all the time, and holds a connection to each.
 *
 *   {"what":"served","address":A,"node":"n1","gapMs":4200}    answered, by another node or after a gap
 *   {"what":"held","address":A,"node":"n1"}                   the lasting connection is there: it has been answered
 *   {"what":"ended","address":A,"node":"n1","why":"ECONNRESET","silentMs":4300}     it has ended; another one is made
 *
 * Does NOT promise: to end by itself; it does when its input ends.
 */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { ECHO_PORT } from "./ports.ts";

/** Between two questions, and how long one may take, ms. */
const ASK_EVERY_MS = 50;
const ASK_LIMIT_MS = 1000;
/** Between two lines of a lasting connection, ms. */
const LINE_EVERY_MS = 20;
/** Answers that are farther apart than that are told, ms. */
const GAP_MS = 200;

function tell(event: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Asks an address again and again, each time by a new connection. */
function ask(address: string): void {
  let node = "";
  let atMs = performance.now();
  setInterval(() => {
    const socket = connect({ host: address, port: ECHO_PORT });
    socket.setTimeout(ASK_LIMIT_MS, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("connect", () => socket.write("?\n"));
    socket.on("data", (bytes) => {
      const name = String(bytes).split(" ")[0] ?? "";
      const nowMs = performance.now();
      const gapMs = Math.round(nowMs - atMs);
      if (name !== node || gapMs > GAP_MS) tell({ what: "served", address, node: name, gapMs });
      node = name;
      atMs = nowMs;
      socket.destroy();
    });
  }, ASK_EVERY_MS);
}

/** Holds a connection, and says something on it all the time. */
function hold(address: string): void {
  let node = "";
  let heardMs = performance.now();
  let why = "";
  const socket: Socket = connect({ host: address, port: ECHO_PORT });
  const timer = setInterval(() => socket.write("!\n"), LINE_EVERY_MS);
  // One that never got through is given up, as a client would.
  const limit = setTimeout(() => node === "" && socket.destroy(), ASK_LIMIT_MS);
  socket.on("error", (error) => why = (error as { code?: string }).code ?? error.message);
  socket.on("data", (bytes) => {
    heardMs = performance.now();
    if (node !== "") return;
    node = String(bytes).split(" ")[0] ?? "";
    tell({ what: "held", address, node });
  });
  socket.on("close", () => {
    clearInterval(timer);
    clearTimeout(limit);
    const silentMs = Math.round(performance.now() - heardMs);
    if (node !== "") tell({ what: "ended", address, node, why: why || "closed", silentMs });
    setTimeout(() => hold(address), ASK_EVERY_MS);
  });
}

for (const address of process.argv.slice(2)) {
  ask(address);
  hold(address);
}
process.stdin.on("end", () => process.exit(0)).resume();
