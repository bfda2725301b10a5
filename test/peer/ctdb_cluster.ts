/**
 * Stock ctdbd as a cluster of this machine: its processes, started by ctdb-cluster.sh in a folder of their own and on
 * loopback addresses of their own, so that several may run at once.
 *
 * Processes are known by their environment (CTDB_BASE is in the folder): only those are ever sent a signal.
 *
 * Does NOT promise: that nothing is left when this process is killed; end() leaves nothing.
 */

import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findTool } from "../../build/tools.ts";

const SCRIPT = fileURLToPath(new URL("./ctdb-cluster.sh", import.meta.url));
/** Port of ctdbd. */
const PORT = 4379;
/** What is waited for looks like this again and again, ms. */
const LOOK_EVERY_MS = 20;
const END_MS = 20_000;
/** Ticks of the kernel's accounting, ms. */
const TICK_MS = 10;

/** Why stock ctdbd cannot be run here; undefined: it can. */
export function missingCtdbd(): string | undefined {
  const isHere = ["ctdbd", "ctdb"].every((name) =>
    findTool({ name, debian: "ctdb" }) !== undefined
  );
  if (!isHere) return "no ctdbd (Debian: apt-get install ctdb)";
  return process.getuid?.() === 0 ? undefined : "ctdbd runs as root only";
}

/** A cluster of ctdbd. */
export class CtdbCluster {
  readonly folder: string;
  readonly nodes: number;
  readonly #net: string;
  #isEnded = false;

  private constructor(folder: string, nodes: number, net: string) {
    this.folder = folder;
    this.nodes = nodes;
    this.#net = net;
  }

  /** Starts one; resolves when every node is well (about ten seconds). */
  static async start(nodes: number): Promise<CtdbCluster> {
    const folder = mkdtempSync(join(tmpdir(), "ctdb-peer-"));
    const cluster = new CtdbCluster(folder, nodes, await freeNet());
    try {
      await cluster.startAll();
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** Path of a node's socket. */
  socket(pnn: number): string {
    return join(this.folder, `node.${pnn}`, "run", "ctdbd.socket");
  }

  /** Starts what does not run; resolves when every node is well. */
  async startAll(): Promise<void> {
    const { code, text } = await this.#run("start", String(this.nodes));
    if (code !== 0) throw new Error(`Cannot start ctdbd: ${text}`);
  }

  /** The stock tool at a node; what it wrote. Throws when it fails. */
  async ctdb(pnn: number, ...words: string[]): Promise<string> {
    const { code, text } = await this.#run("ctdb", String(pnn), ...words);
    if (code !== 0) throw new Error(`Cannot do ctdb ${words.join(" ")}: ${text}`);
    return text;
  }

  /** SIGKILL for all processes of a node, its daemon first; when that was, ms of performance.now(). */
  kill(pnn: number): number {
    const path = join(this.folder, `node.${pnn}`, "run", "ctdbd.pid");
    const daemon = Number(readFileSync(path, "utf8"));
    const pids = this.#processes().filter((pid) => this.#nodeOf(pid) === pnn);
    if (!pids.includes(daemon)) throw new Error(`Cannot kill node ${pnn}: it does not run`);
    const killedMs = performance.now();
    for (const pid of [daemon, ...pids]) signal(pid);
    return killedMs;
  }

  /** Resolves when nothing of a killed node is left, and it can be started again. */
  async untilGone(pnn: number): Promise<void> {
    const endMs = performance.now() + END_MS;
    while (this.#processes().some((pid) => this.#nodeOf(pid) === pnn)) {
      if (performance.now() > endMs) {
        throw new Error(`Cannot go on: node ${pnn} has processes left`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** The daemons' processes, and those that they have started. */
  pids(): number[] {
    return this.#processes();
  }

  /** CPU time of all processes of the cluster, and of those that they have waited for, ms. */
  cpuMs(): number {
    let ticks = 0;
    for (const pid of this.#processes()) {
      try {
        const text = readFileSync(`/proc/${pid}/stat`, "latin1");
        // After the name, which may hold anything: field 3 is the first.
        const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
        for (const field of [14, 15, 16, 17]) ticks += Number(fields[field - 3]);
      } catch {
        // It has ended meanwhile.
      }
    }
    return ticks * TICK_MS;
  }

  /** Kills all that was started, and removes the folder: nothing in it is needed any more. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const pid of this.#processes()) signal(pid);
    const endMs = performance.now() + END_MS;
    while (this.#processes().length > 0 && performance.now() < endMs) await sleep(LOOK_EVERY_MS);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(verb: string, ...words: string[]): Promise<{ code: number | null; text: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn("bash", [SCRIPT, verb, this.folder, ...words], {
        env: { ...process.env, NET: this.#net },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      child.stdout?.on("data", (bytes) => text += String(bytes));
      child.stderr?.on("data", (bytes) => text += String(bytes));
      child.on("error", reject);
      // Not "close": daemons may have kept the pipe.
      child.on("exit", (code) => resolve({ code, text: text.trim() }));
    });
  }

  #processes(): number[] {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
      .filter((pid) => this.#nodeOf(pid) !== undefined);
  }

  #nodeOf(pid: number): number | undefined {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      const base = environment.find((word) => word.startsWith(`CTDB_BASE=${this.folder}/node.`));
      const name = readFileSync(`/proc/${pid}/comm`, "latin1");
      if (base === undefined || !name.startsWith("ctdb")) return undefined;
      return Number(base.slice(base.lastIndexOf(".") + 1));
    } catch {
      return undefined;
    }
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Three bytes of loopback addresses on which nobody listens to ctdbd's port. */
async function freeNet(): Promise<string> {
  for (;;) {
    const net = `127.${1 + randomInt(254)}.${1 + randomInt(254)}`;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(PORT, `${net}.1`, () => server.close(() => resolve(true)));
    });
    if (isFree) return net;
  }
}

/** The program of fetch_loop.c, compiled into a folder; undefined: no compiler or no libtdb here. */
export function compileFetchLoop(folder: string): string | undefined {
  const source = fileURLToPath(new URL("./fetch_loop.c", import.meta.url));
  const program = join(folder, "fetch_loop");
  const { status } = spawnSync("gcc", ["-O2", "-Wall", "-o", program, source, "-ltdb"]);
  return status === 0 ? program : undefined;
}
