/**
 * What happens to addresses and their clients when a node dies, stands still or loses its cable: run by
 * test/live/addresses_netns.test.ts and test/long/addresses_netns.ts as root of namespaces of its own.
 *
 *   fault ──▶ another node answers ──▶ the client's connection has ended by a reset, or goes on ──▶ the node comes back
 *
 * Does NOT promise: to be quick on a machine that is not; it waits for what it wants to see.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { pathsInHome } from "../../cli/config.ts";
import { clearingOf } from "../../cli/network.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { RealInterfaces } from "../../transport/real_interfaces.ts";
import { parseAddress } from "../../transport/wire/address.ts";
import { checkInterfaces } from "../contracts/interfaces.ts";
import { Lab, NODES, sh } from "./lab.ts";

/** What a scene is told of. */
interface Scene {
  readonly name: string;
  /** Makes the fault at a node; answers how to undo it. */
  fault(lab: Lab, node: number): () => void;
}

const SCENES: readonly Scene[] = [
  {
    name: "kill -9 of the daemon",
    fault: (lab, node) => {
      process.kill(lab.daemon(node), "SIGKILL");
      return () => {};
    },
  },
  {
    name: "a cut link",
    fault: (lab, node) => {
      lab.plug(node, false);
      return () => lab.plug(node, true);
    },
  },
  {
    name: "SIGSTOP of daemon and supervisor",
    fault: (lab, node) => {
      const pids = [lab.supervisor(node), lab.daemon(node)];
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      return () => {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      };
    },
  },
];

/** One scene; answers what the client saw. Throws where something is not as it must be. */
async function play(lab: Lab, scene: Scene, who: "leader" | "follower"): Promise<string> {
  const { address, node } = await lab.hostOf(who);
  const name = `n${node}`;
  const from = lab.client.events.length;
  const undo = scene.fault(lab, node);
  await lab.until(`${scene.name}: another node answers`, () => {
    const owner = lab.ownerOf(address);
    return owner >= 0 && owner !== node;
  });
  const served = () =>
    lab.client.find(from, address, (event) => event.what === "served" && event.node !== name);
  const ended = () => lab.client.find(from, address, (event) => event.what === "ended");
  await lab.until(`${scene.name}: the client is served again`, () => served() !== undefined);
  await lab.until(`${scene.name}: its connection with ${name} ends`, () => ended() !== undefined);
  const [again, end] = [served(), ended()];
  undo();
  await lab.hosted(Array.from({ length: NODES }, (_, n) => n));
  await lab.held();
  const gap = `served again after ${again?.gapMs} ms`;
  return `${scene.name}: ${gap}; connection ended by ${end?.why} after ${end?.silentMs} ms`;
}

/** The kernel of this namespace, by the suite for every kernel. */
async function checkKernel(): Promise<void> {
  for (const name of ["test0", "test1"]) {
    sh("ip", "link", "add", name, "type", "veth", "peer", "name", `${name}p`);
    sh("ip", "link", "set", name, "up");
    sh("ip", "link", "set", `${name}p`, "up");
  }
  const interfaces = new RealInterfaces();
  await checkInterfaces({
    interfaces,
    names: ["test0", "test1"],
    setLink: (hasLink) => sh("ip", "link", "set", "test0p", hasLink ? "up" : "down"),
    pass: (forMs) => sleep(forMs),
  });
  await checkClearing(interfaces);
  interfaces.close();
}

/** What a daemon has written down is removed by its supervisor, wherever it stands. */
async function checkClearing(interfaces: RealInterfaces): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-clear-"));
  const paths = pathsInHome(folder);
  mkdirSync(paths.run, { recursive: true });
  writeFileSync(join(paths.run, "addresses"), "10.99.0.7\nfd99::7\n");
  const [first, second] = ["test0", "test1"].map((name) =>
    interfaces.links().find((link) => link.name === name)?.index ?? 0
  ) as [number, number];
  const [four, six] = [parseAddress("10.99.0.7"), parseAddress("fd99::7")];
  for (const index of [first, second]) interfaces.put({ address: four, bits: 24, index }, 600);
  interfaces.put({ address: six, bits: 64, index: second }, 600);
  assert.ok(await clearingOf(paths, new RealDisk())());
  const left = interfaces.addresses().filter(({ address }) => address === four || address === six);
  assert.equal(left, []);
  rmSync(folder, { recursive: true });
}

async function main(rounds: number): Promise<void> {
  // With whoever started this all of it ends.
  process.stdin.on("end", () => process.exit(3)).resume();
  const [lab] = await Promise.all([Lab.up(), checkKernel()]);
  try {
    for (let round = 0; round < rounds; round++) {
      // Who leads is spared at first: a change of leaders takes its own time.
      const who = round % 2 === 0 ? "follower" : "leader";
      for (const scene of SCENES) console.log(await play(lab, scene, who));
    }
    await lab.stop();
    const left = Array.from({ length: NODES }, (_, n) => lab.set(n)).flat();
    if (left.length > 0) throw new Error(`left in the kernel: ${left.join(", ")}`);
    const { questions, answers, doubles } = lab.arp;
    console.log(`ARP: ${questions} questions, ${answers} answers, ${doubles.length} by two`);
    if (doubles.length > 0) throw new Error(`two owners: ${doubles.join("; ")}`);
    if (answers === 0 || !lab.arp.hearsItself) throw new Error("ARP was not heard");
  } finally {
    lab.remove();
  }
}

await main(Number(process.argv[2] ?? 1)).then(
  () => process.exit(0),
  (error) => {
    console.log(error instanceof Error ? error.stack : error);
    process.exit(1);
  },
);
