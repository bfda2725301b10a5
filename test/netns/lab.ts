/**
 * Three nodes in network namespaces of their own, real addresses, a client beside them.
 *
 *   this namespace: nats-server 10.77.0.1 ── bridge "priv" ── eth0 of n0 n1 n2
 *                   ARP watch   10.88.0.1 ── bridge "pub"  ── eth1 of n0 n1 n2, client      10.88.0.101.. : public
 *
 * The process that makes it must be root of a network and mount namespace made for it; with it goes all of this.
 *
 * Does NOT promise: to be made twice in one process.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { askOnce } from "../../cli/commands/asking.ts";
import type { NodePaths } from "../../cli/config.ts";
import { devNode, makeCluster } from "../../cli/dev_cluster.ts";
import { isAlive, until } from "../../cli/processes.ts";
import { program, runtime } from "../live/cli_world.ts";
import { ArpWatch } from "./arp_watch.ts";
import { ClientView } from "./view.ts";

/** How many nodes, and how many public addresses. */
export const NODES = 3;
export const ADDRESSES = ["10.88.0.101", "10.88.0.102", "10.88.0.103"] as const;
/** Who watches the public network; the server; the port of NATS. */
const WATCH = "10.88.0.1";
const SERVER = "10.77.0.1";
const NATS_PORT = 4222;
/** On a busy machine a client that got no reset sends again after up to a minute. */
const LIMIT_MS = 120_000;
/** A question that was not answered is asked again after, ms. */
const AGAIN_MS = 50;
const ECHO = fileURLToPath(new URL("./echo.ts", import.meta.url));
const CLIENT = fileURLToPath(new URL("./client.ts", import.meta.url));

/** Runs a program to its end. Throws with what it said. */
export function sh(command: string, ...words: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${command} ${words.join(" ")}: ${error?.message ?? stderr}`);
}

/** The whole. */
export class Lab {
  readonly folder: string = mkdtempSync(join(tmpdir(), "ctdbx-netns-"));
  readonly arp: ArpWatch;
  /** Hardware address of each node's public interface. */
  readonly macs: readonly string[];
  readonly client = new ClientView();
  readonly #supervisors: number[] = [];

  private constructor() {
    makeNetwork();
    const link = linkOf("pub");
    this.macs = Array.from({ length: NODES }, (_, n) => linkOf("eth1", n).mac);
    this.arp = new ArpWatch({ ...link, from: WATCH, addresses: ADDRESSES });
  }

  /** Makes network and cluster; resolves when every address answers. */
  static async up(): Promise<Lab> {
    const lab = new Lab();
    const store = join(lab.folder, "nats");
    run("nats-server", ["-a", SERVER, "-p", String(NATS_PORT), "-js", "-sd", store]);
    await makeCluster(lab.folder, NODES, { isOpen: true });
    for (let n = 0; n < NODES; n++) {
      lab.#configure(n);
      run("ip", ["netns", "exec", `n${n}`, ...runtime(), ECHO, `n${n}`]);
      lab.start(n);
    }
    lab.arp.start();
    await lab.hosted([0, 1, 2]);
    lab.#startClient();
    await lab.held();
    return lab;
  }

  paths(n: number): NodePaths {
    return devNode(this.folder, n);
  }

  #configure(n: number): void {
    const { config } = this.paths(n);
    mkdirSync(join(this.folder, `n${n}`), { recursive: true, mode: 0o700 });
    const list = join(this.folder, `n${n}`, "public_addresses");
    const lines = ADDRESSES.map((each) => `${each}/24 eth1`);
    writeFileSync(list, `${lines.join("\n")}\n`);
    writeFileSync(
      config,
      `cluster = "dev"
name = "n${n}"
[nats]
servers = ["${SERVER}:${NATS_PORT}"]
[lock]
kind = "jetstream"
[addresses]
file = "${list}"
backend = "iproute2"
`,
    );
  }

  #startClient(): void {
    const words = ["netns", "exec", "c", ...runtime(), CLIENT, ...ADDRESSES];
    const child = spawn("ip", words, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.client.take(text));
  }

  /** Waits until the client has a connection to each address, with the node that answers for it. */
  async held(): Promise<void> {
    await this.until(
      "a connection of the client to each address",
      () =>
        ADDRESSES.every((address) => {
          const owner = this.ownerOf(address);
          return owner >= 0 && this.client.holderOf(address) === `n${owner}`;
        }),
    );
  }

  /** Starts the supervisor of a node. */
  start(n: number): void {
    const [first, options] = program();
    const home = join(this.folder, `n${n}`);
    const words = [...options, "daemon", "supervise", "--home", home];
    this.#supervisors[n] = run("ip", ["netns", "exec", `n${n}`, first, ...words]);
  }

  /** Runs `ctdbx WORDS` at a node; what it prints. Throws when it fails. */
  ctdbx(n: number, words: string): string {
    const [first, options] = program();
    const home = join(this.folder, `n${n}`);
    return sh(first, ...options, ...words.split(" "), "--home", home);
  }

  supervisor(n: number): number {
    return this.#supervisors[n] as number;
  }

  daemon(n: number): number {
    const page = readFileSync(
      `/proc/${this.supervisor(n)}/task/${this.supervisor(n)}/children`,
      "utf8",
    );
    const pids = page.trim().split(" ").map(Number);
    const pid = pids.find((each) =>
      readFileSync(`/proc/${each}/cmdline`, "utf8").split("\0").includes("run")
    );
    if (pid === undefined) throw new Error(`n${n} has no daemon`);
    return pid;
  }

  /** The number of the node that answers for an address; -1: nobody does. */
  ownerOf(address: string): number {
    return this.macs.indexOf(this.arp.ownerOf(address) ?? "");
  }

  /** A node that leads, or one that does not; and an address that it answers for. All must be hosted. */
  async hostOf(
    who: "leader" | "follower",
  ): Promise<{ readonly node: number; readonly address: string }> {
    const endMs = performance.now() + LIMIT_MS;
    let leader: string | undefined;
    // A daemon that was killed may be on its way yet, and somebody is elected meanwhile.
    for (let at = 0; performance.now() < endMs; at = (at + 1) % NODES) {
      leader = await askOnce(this.paths(at), "leader show").then(
        (answer) => (answer as { readonly leader?: string }).leader,
        () => undefined,
      );
      for (const address of leader === undefined ? [] : ADDRESSES) {
        const node = this.ownerOf(address);
        if (node >= 0 && (`n${node}` === leader) === (who === "leader")) return { node, address };
      }
      await sleep(AGAIN_MS);
    }
    throw new Error(`no ${who} has an address; ${leader ?? "nobody"} leads`);
  }

  /** Waits until all addresses answer from these nodes, each of which has one at least. */
  async hosted(nodes: readonly number[]): Promise<void> {
    await this.until(`addresses at ${nodes.join(", ")}`, () => {
      const owners = ADDRESSES.map((address) => this.ownerOf(address));
      return owners.every((owner) => nodes.includes(owner)) &&
        nodes.every((node) => owners.includes(node));
    });
  }

  /** Waits until something is so. */
  async until(what: string, isSo: () => boolean, limitMs = LIMIT_MS): Promise<void> {
    const { doubles } = this.arp;
    const isOver = await until(() => doubles.length > 0 || isSo(), limitMs);
    if (doubles.length > 0) throw new Error(`two owners: ${doubles.join("; ")}\n${this.logs()}`);
    if (isOver) return;
    const owners = ADDRESSES.map((address) => `${address} ${this.ownerOf(address)}`);
    throw new Error(`not in ${limitMs} ms: ${what}; ${owners.join(", ")}\n${this.logs()}`);
  }

  /** All public addresses that a node's kernel has. */
  set(n: number): string[] {
    const links = JSON.parse(sh("ip", "-n", `n${n}`, "-j", "addr", "show", "dev", "eth1")) as {
      addr_info?: { local?: string }[];
    }[];
    const wanted: readonly string[] = ADDRESSES;
    return links.flatMap(({ addr_info = [] }) => addr_info.map(({ local = "" }) => local))
      .filter((local) => wanted.includes(local));
  }

  /** Pulls the plug of a node's public interface, or puts it in again. */
  plug(n: number, isIn: boolean): void {
    sh("ip", "link", "set", `pub${n}`, isIn ? "up" : "down");
  }

  /** The ends of the nodes' logs. */
  logs(): string {
    return Array.from({ length: NODES }, (_, n) => {
      try {
        const { run: place } = this.paths(n);
        const log = (name: string): string =>
          readFileSync(join(place, name), "utf8").split("\n").slice(-25).join("\n");
        return `--- n${n}\n${log("daemon.log")}\n${log("supervisor.log")}`;
      } catch {
        return `--- n${n}: no log`;
      }
    }).join("\n");
  }

  /** Ends all nodes in order. */
  async stop(): Promise<void> {
    for (const pid of this.#supervisors) process.kill(pid, "SIGTERM");
    await this.until("an end of all nodes", () => this.#supervisors.every((pid) => !isAlive(pid)));
  }

  remove(): void {
    this.arp.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a program that runs on; answers its process. What it says is dropped. */
function run(command: string, words: readonly string[]): number {
  const child = spawn(command, words, { stdio: "ignore", detached: true });
  child.on("error", () => {});
  return child.pid ?? 0;
}

function makeNetwork(): void {
  sh("mount", "-t", "tmpfs", "tmpfs", "/run");
  const lines = ["link set lo up"];
  for (const [name, address] of [["priv", SERVER], ["pub", WATCH]] as const) {
    lines.push(`link add ${name} type bridge forward_delay 0`, `link set ${name} up`);
    lines.push(`addr add ${address}/24 dev ${name}`);
  }
  for (let n = 0; n < NODES; n++) {
    sh("ip", "netns", "add", `n${n}`);
    for (const [name, inside] of [["priv", "eth0"], ["pub", "eth1"]] as const) {
      lines.push(`link add ${name}${n} type veth peer name ${inside} netns n${n}`);
      lines.push(`link set ${name}${n} master ${name}`, `link set ${name}${n} up`);
    }
  }
  sh("ip", "netns", "add", "c");
  lines.push("link add pubc type veth peer name eth1 netns c", "link set pubc master pub up");
  batch([], lines);
  batch(["-n", "c"], ["link set eth1 up", "addr add 10.88.0.2/24 dev eth1"]);
  for (let n = 0; n < NODES; n++) {
    const own = ["lo", "eth0", "eth1"].map((name) => `link set ${name} up`);
    batch(["-n", `n${n}`], [...own, `addr add 10.77.0.1${n}/24 dev eth0`]);
  }
}

function batch(words: readonly string[], lines: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", [...words, "-batch", "-"], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`ip: ${stderr}`);
}

function linkOf(name: string, n?: number): { index: number; mac: string } {
  const where = n === undefined ? [] : ["-n", `n${n}`];
  const [link] = JSON.parse(sh("ip", ...where, "-j", "link", "show", "dev", name)) as {
    ifindex: number;
    address: string;
  }[];
  return { index: link?.ifindex ?? 0, mac: link?.address ?? "" };
}
