/**
 * The machine's network, for a daemon that hosts real addresses, and for the supervisor that removes them after it.
 *
 *   the daemon is dead ──▶ its event daemon and the scripts that might set an address are killed, until none is seen
 *                      ──▶ what the daemon had written down (run/addresses) is removed ──▶ true: CLEAR may be said
 *
 * Does NOT promise: to find what a script has started without its environment (`env -i`), or, where this process is not
 * root, as another user (`sudo`).
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { requireSettable } from "../actors/addresses/settable.ts";
import { clearAddresses, Former } from "../actors/addresses/former.ts";
import type { NetworkPorts } from "../actors/addresses/network_ports.ts";
import { homesOf, listOf } from "../actors/addresses/wiring.ts";
import { SETS_ADDRESSES } from "../actors/events/runner.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import { RealDisk } from "../transport/real_disk.ts";
import { RealInterfaces } from "../transport/real_interfaces.ts";
import { RealPackets } from "../transport/real_packets.ts";
import { RealTcpTable } from "../transport/real_tcp_table.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { Disk } from "../transport/world.ts";
import type { NodePaths } from "./config.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { eventLog } from "./event_daemon.ts";

/** They are looked for so often, ms, until so many looks in a row have found none, for so long at most, ms. */
const LOOK_MS = 5;
const LOOKS = 2;
const LIMIT_MS = 10_000;

/** Does a node set real addresses? */
function isReal({ addresses }: NodeConfig): boolean {
  return addresses !== undefined && addresses.backend !== "dry";
}

/** The ports of a node; undefined: it sets no real addresses. Throws CtdbxError. */
export function networkOf(config: NodeConfig): NetworkPorts | undefined {
  if (!isReal(config)) return undefined;
  return {
    interfaces: new RealInterfaces(),
    packets: new RealPackets(),
    tcp: new RealTcpTable(),
  };
}

/** Ends what `networkOf` has made. */
export function closeNetwork(network: NetworkPorts | undefined): void {
  network?.interfaces.close();
  network?.packets.close();
}

/** Whoever is to start a node is told at once what its addresses lack. Throws Failure (denied), CtdbxError. */
export function refuseUnsettable(config: NodeConfig): void {
  const files = { world: { disk: new RealDisk() }, config };
  const list = listOf(files);
  homesOf(files);
  const network = networkOf(config);
  if (network === undefined) return;
  try {
    requireSettable(network.interfaces, list);
    network.packets.requireRights();
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code !== "denied") throw error;
    const hint = 'start it as root or with these capabilities; `backend = "dry"` needs none';
    throw new Failure(EXIT.denied, error.message, hint);
  } finally {
    closeNetwork(network);
  }
}

/**
 * How the supervisor of a node removes the addresses of a daemon that has died; see Supervisor. What the daemon has
 * written down counts, not the configuration: that may have changed between the starts of the two.
 */
export function clearingOf(paths: NodePaths, disk: Disk): () => Promise<boolean> {
  return async () => {
    const addresses = new Former(disk, paths.run).read();
    // Those of the dry backend have ended with the daemon.
    if (addresses.length === 0) return true;
    if (!await endSetters(paths)) return false;
    const interfaces = new RealInterfaces();
    try {
      return clearAddresses(interfaces, addresses);
    } finally {
      interfaces.close();
    }
  };
}

/** Ends all that might set an address for a daemon that is dead. True: there is none any more. */
async function endSetters(paths: NodePaths): Promise<boolean> {
  const endMs = performance.now() + LIMIT_MS;
  for (let looks = 0; looks < LOOKS;) {
    const found = settersOf(paths);
    for (const pid of found) kill(pid);
    looks = found.length === 0 ? looks + 1 : 0;
    if (performance.now() > endMs) return false;
    if (looks < LOOKS) await sleep(LOOK_MS);
  }
  return true;
}

/** The event daemon of a node, and what scripts run that are to set an address. */
function settersOf(paths: NodePaths): number[] {
  const mark = `${SETS_ADDRESSES}=${paths.socket}`;
  const log = eventLog(paths);
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    const words = wordsOf(pid, "cmdline");
    const isDaemon = words.includes(log) && words.includes("event") && words.includes("daemon");
    return isDaemon || wordsOf(pid, "environ").includes(mark);
  });
}

/** What the kernel tells of a process, in words; none of one that has ended, or is another user's. */
function wordsOf(pid: number, file: "cmdline" | "environ"): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
