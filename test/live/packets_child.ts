/**
 * The machine of packets_netns.test.ts that has the addresses: root of a network namespace of its own, with a peer in
 * another one at the end of a pair of interfaces. Prints what it has seen, as JSON.
 *
 *   here: v0, 10.9.0.1 and fd09::1, a server ══ v1, 10.9.0.2 and fd09::2: packets_peer.ts, clients
 *
 * Does NOT promise: to run twice in one namespace.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RealPackets } from "../../transport/real_packets.ts";
import { RealTcpTable } from "../../transport/real_tcp_table.ts";
import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import {
  type Connection,
  connectionKey,
  parseConnection,
} from "../../transport/wire/raw/endpoint.ts";
import { announcements } from "../../transport/wire/raw/neighbour.ts";
import { tickle } from "../../transport/wire/raw/segment.ts";

const V4 = parseAddress("10.9.0.1");
const V6 = parseAddress("fd09::1");
const PORT = 4455;
const OTHER_MAC = new Uint8Array([2, 0, 0, 0, 0, 0x99]);
const PEER = fileURLToPath(new URL("./packets_peer.ts", import.meta.url));
/** Between two looks at something that comes soon, and how often it is looked at. */
const LOOK_MS = 20;
const LOOKS = 1500;

function ip(...words: string[]): void {
  const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
}

/** The clients: a process in a namespace of its own, which is told what to do, and tells what happens. */
class Peer {
  readonly said: string[] = [];
  readonly child: ChildProcessWithoutNullStreams;

  constructor() {
    const isDeno = process.execPath.includes("deno");
    const runtime = [process.execPath, ...isDeno ? ["run", "-A"] : [], PEER];
    this.child = spawn("unshare", ["-n", ...runtime]);
    this.child.stderr.pipe(process.stderr);
    createInterface({ input: this.child.stdout }).on("line", (line) => void this.said.push(line));
  }

  tell(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** The next thing that it says which begins so; `again` is done meanwhile. */
  async hear(begin: string, again = (): void => {}): Promise<string> {
    for (let looks = 0; looks < LOOKS; looks++) {
      const index = this.said.findIndex((line) => line.startsWith(begin));
      if (index >= 0) return this.said.splice(index, 1)[0]?.slice(begin.length) ?? "";
      if (looks % 10 === 0) again();
      await sleep(LOOK_MS);
    }
    throw new Error(`the peer does not say ${begin}, but ${this.said.join(" | ")}`);
  }

  async connect(to: IpAddress): Promise<Connection> {
    this.tell(`connect ${to} ${PORT}`);
    const server = to.includes(":") ? `[${to}]:${PORT}` : `${to}:${PORT}`;
    return parseConnection(await this.hear(`connected ${to} `), server);
  }
}

const codeOf = (work: () => void): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "none";
};

/** Both ends of the pair, the addresses, a server on all of them. */
async function network(peer: Peer): Promise<Socket[]> {
  ip("link", "set", "lo", "up");
  ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
  await peer.hear("ready");
  ip("link", "set", "v1", "netns", `${peer.child.pid}`);
  peer.tell("up");
  await peer.hear("up");
  ip("link", "set", "v0", "up");
  ip("addr", "add", `${V4}/24`, "dev", "v0");
  ip("addr", "add", `${V6}/64`, "dev", "v0", "nodad");
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
  });
  server.listen(PORT, "::");
  await once(server, "listening");
  return sockets;
}

/** Which of these the kernel has. */
async function listed(tcp: RealTcpTable, most = 100): Promise<string[]> {
  return (await tcp.established(new Set([V4, V6]), most)).map(connectionKey).sort();
}

/** Has a client find out that its connection is gone: nobody here has it any more, as nobody would at a new owner. */
async function tickled(
  peer: Peer,
  tcp: RealTcpTable,
  packets: RealPackets,
): Promise<{ readonly ended: number[]; readonly closed: string[] }> {
  const connections = [await peer.connect(V4), await peer.connect(V6)];
  // The kernel's resets do not leave.
  ip("link", "set", "v0", "down");
  const ended = [(await tcp.reset(V4, 1000)).ended, (await tcp.reset(V6, 1000)).ended];
  ip("link", "set", "v0", "up");
  ip("addr", "replace", `${V6}/64`, "dev", "v0", "nodad");
  const closed: string[] = [];
  for (const { client, server } of connections) {
    closed.push(
      await peer.hear(`closed ${client.port} `, () => {
        // A way may not be there yet, just after the link is.
        const code = codeOf(() => packets.sendPacket(client.address, tickle(server, client)));
        if (code !== "none" && code !== "not_found") throw new Error(code);
      }),
    );
  }
  return { ended, closed };
}

/** Has the peer believe that the addresses are elsewhere. */
async function announced(peer: Peer, packets: RealPackets): Promise<string[]> {
  const link = packets.linkOf("v0");
  if (link === undefined) throw new Error("no v0");
  const found: string[] = [];
  for (const address of [V4, V6]) {
    const send = (): void => {
      for (const frame of announcements(address, OTHER_MAC)) packets.sendFrame(link, frame);
      peer.tell(`neighbour ${address}`);
    };
    found.push(await peer.hear(`neighbour ${address} 02:00:00:00:00:99`, send));
  }
  return found;
}

async function main(): Promise<void> {
  const peer = new Peer();
  const sockets = await network(peer);
  const [packets, tcp] = [new RealPackets(), new RealTcpTable()];
  packets.requireRights();
  const made = [await peer.connect(V4), await peer.connect(V6)];
  const before = await listed(tcp);
  const most = (await listed(tcp, 1)).length;
  const failed = new Promise<void>((resolve) => {
    for (const socket of sockets) {
      if (socket.remoteAddress?.includes("10.9.0.2") === true) {
        socket.once("close", () => resolve());
      }
    }
  });
  const reset = await tcp.reset(V4, 1000);
  const closed = await peer.hear(`closed ${made[0]?.client.port} `);
  await failed;
  const result = {
    made: made.map(connectionKey).sort(),
    before,
    most,
    reset,
    closed,
    after: await listed(tcp),
    tickled: await tickled(peer, tcp, packets),
    lo: packets.linkOf("lo") === undefined,
    none: packets.linkOf("v7") === undefined,
    noLink: codeOf(() => packets.sendFrame({ index: 9999, mac: OTHER_MAC }, new Uint8Array(60))),
    noWay: codeOf(() => packets.sendPacket(parseAddress("192.0.2.1"), new Uint8Array(40))),
    announced: (await announced(peer, packets)).length,
  };
  packets.close();
  console.log(JSON.stringify(result));
  peer.child.kill("SIGKILL");
  process.exit(0);
}

// With the test that made it ends all of this.
process.stdin.on("end", () => process.exit(1)).resume();
await main();
