/**
 * The clients of packets_child.ts, in a network namespace of their own: does what lines of its input say.
 *
 *   up ─▶ "up"    connect ADDRESS PORT ─▶ "connected ADDRESS OWN-END" ... "closed OWN-PORT CODE"
 *   neighbour ADDRESS ─▶ "neighbour ADDRESS MAC"
 *
 * Does NOT promise: answers in the order of the questions.
 */
import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function ip(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
  return stdout;
}

function up(): void {
  ip("link", "set", "lo", "up");
  ip("link", "set", "v1", "up");
  ip("addr", "add", "10.9.0.2/24", "dev", "v1");
  ip("addr", "add", "fd09::2/64", "dev", "v1", "nodad");
  say("up");
}

function dial(host: string, port: number): void {
  const socket = connect({ host, port });
  let [own, code] = [0, "none"];
  socket.on("connect", () => {
    own = socket.localPort ?? 0;
    const end = host.includes(":") ? `[${socket.localAddress}]` : socket.localAddress;
    say(`connected ${host} ${end}:${own}`);
  });
  socket.on("error", (error: { readonly code?: string }) => code = error.code ?? "unknown");
  socket.on("close", () => {
    // Its way was not there yet: again.
    if (own === 0) setTimeout(() => dial(host, port), 20);
    else say(`closed ${own} ${code}`);
  });
}

function take(line: string): void {
  const [word, address = "", port] = line.split(" ");
  if (word === "up") up();
  else if (word === "connect") dial(address, Number(port));
  else if (word === "neighbour") {
    const mac = /lladdr (\S+)/.exec(ip("neigh", "show", "to", address))?.[1] ?? "none";
    say(`neighbour ${address} ${mac}`);
  }
}

createInterface({ input: process.stdin }).on("line", take).on("close", () => process.exit(0));
say("ready");
