/**
 * A service of a node, for test/netns: whoever sends a line gets the node's name and the line back.
 *
 * Does NOT promise: to end by itself.
 */
import { createServer } from "node:net";
import process from "node:process";
import { ECHO_PORT } from "./ports.ts";

const [name = ""] = process.argv.slice(2);

createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => socket.write(`${name} ${String(bytes)}`));
}).listen(ECHO_PORT, "0.0.0.0");
