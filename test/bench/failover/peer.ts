/**
 * The same faults as cli/failover_trial.ts, with stock ctdbd: three daemons on loopback, started by test/peer.
 *
 * What a survivor's `ctdb status` shows is asked again and again; a question takes some milliseconds, which is small
 * against what is measured. A stopped leader is given LEADER_LIMIT_MS: by all that is known it is never replaced.
 *
 * Does NOT promise: to leave nothing behind when it is killed; it stops what it started when it ends by itself.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { FailoverTime } from "../../../cli/failover_trial.ts";

const SCRIPT = fileURLToPath(new URL("../../peer/ctdb-cluster.sh", import.meta.url));
const NODES = 3;
const LIMIT_MS = 60_000;
/** A stopped leader of the peer is watched for so long. */
export const LEADER_LIMIT_MS = 75_000;
const ASK_EVERY_MS = 10;

/** Is the peer here? */
export function hasPeer(): boolean {
  return spawnSync("ctdb", ["version"]).status === 0;
}

/** Runs the peer's trials once; a time of Infinity: it did not happen within the limit. */
export async function peerTrial(onTime: (time: FailoverTime) => void): Promise<void> {
  await withPeer(onTime, "view", async (peer) => {
    await peer.start("start of all nodes until all is well");
    await peer.killAll();
    await peer.start("start after kill -9 of all until all is well");
    await peer.faults();
  });
}

/**
 * How long public addresses of a node that stands still or dies have no living owner, by what a survivor knows; once
 * each. Its event scripts do nothing, so their time is not in it. Names as those of test/bench/addresses.ts.
 */
export async function peerAddressTrial(onTime: (time: FailoverTime) => void): Promise<void> {
  await withPeer(onTime, "addresses", async (peer) => {
    await peer.start("start");
    await peer.faults();
  });
}

async function withPeer(
  onTime: (time: FailoverTime) => void,
  watched: Watched,
  work: (peer: Peer) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdb-failover-"));
  const peer = new Peer(folder, onTime, watched);
  try {
    await work(peer);
  } finally {
    peer.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is looked at after a fault. */
type Watched = "view" | "addresses";

class Peer {
  readonly #folder: string;
  readonly #onTime: (time: FailoverTime) => void;
  readonly #watched: Watched;

  constructor(
    folder: string,
    onTime: (time: FailoverTime) => void,
    watched: Watched,
  ) {
    this.#folder = folder;
    this.#onTime = onTime;
    this.#watched = watched;
  }

  #run(verb: string, ...words: string[]): { status: number | null; stdout: string } {
    return spawnSync("bash", [SCRIPT, verb, this.#folder, ...words], { encoding: "utf8" });
  }

  #ctdb(pnn: number, ...words: string[]): string {
    return this.#run("ctdb", String(pnn), ...words).stdout;
  }

  async start(what: string): Promise<void> {
    const startMs = performance.now();
    const { status } = this.#run("start", String(NODES));
    if (status !== 0) throw new Error("Cannot start the peer: see its logs");
    this.#onTime({ what, ms: performance.now() - startMs });
    await sleep(1000);
  }

  /** Each fault once. */
  async faults(): Promise<void> {
    await this.kill("follower");
    await this.kill("leader");
    await this.pause("follower", LIMIT_MS);
    await this.pause("leader", LEADER_LIMIT_MS);
  }

  async killAll(): Promise<void> {
    for (const pid of this.#processes()) kill(pid, "SIGKILL");
    // The event daemons of killed daemons are in the way of the next start until they have noticed.
    await this.#until(() => this.#processes().length === 0, LIMIT_MS);
  }

  /** Kills a daemon, and starts it again when the others have noticed. */
  async kill(who: "follower" | "leader"): Promise<void> {
    const pnn = this.#pnnOf(who);
    await this.#hosting(pnn);
    const pid = this.#pid(pnn);
    kill(pid, "SIGKILL");
    await this.#times(`kill -9 of the daemon, ${who}`, who, pnn, LIMIT_MS);
    await this.#until(
      () => !this.#processes().some((each) => this.#nodeOf(each) === pnn),
      LIMIT_MS,
    );
    this.#run("start", String(NODES));
    await this.#well();
  }

  /** Stops a node's processes until the others have noticed. */
  async pause(who: "follower" | "leader", limitMs: number): Promise<void> {
    const pnn = this.#pnnOf(who);
    await this.#hosting(pnn);
    const pids = this.#processes().filter((pid) => this.#nodeOf(pid) === pnn);
    for (const pid of pids) kill(pid, "SIGSTOP");
    try {
      await this.#times(`SIGSTOP of the ${who}`, who, pnn, limitMs);
    } finally {
      for (const pid of pids) kill(pid, "SIGCONT");
    }
    await this.#well();
  }

  /** Stops everything that this run has started. */
  end(): void {
    this.#run("stop");
    for (const pid of this.#processes()) kill(pid, "SIGKILL");
  }

  async #times(what: string, who: string, pnn: number, limitMs: number): Promise<void> {
    const startMs = performance.now();
    const witness = (pnn + 1) % NODES;
    const leftMs = (): number => limitMs - (performance.now() - startMs);
    if (this.#watched === "addresses") {
      const isServed = await this.#until(() => !this.#hosts(witness, pnn), leftMs());
      const short = `${what.startsWith("kill") ? "kill -9" : "SIGSTOP"}, ${who}`;
      return this.#onTime({ what: short, ms: isServed ? performance.now() - startMs : Infinity });
    }
    if (who === "leader") {
      const isNew = await this.#until(() => {
        const leader = this.#ctdb(witness, "leader").trim();
        return /^\d+$/.test(leader) && leader !== String(pnn);
      }, leftMs());
      this.#onTime({
        what: `${what} -> another leader`,
        ms: isNew ? performance.now() - startMs : Infinity,
      });
    }
    const isOut = await this.#until(() => this.#isOut(witness, pnn), leftMs());
    this.#onTime({
      what: `${what} -> out of the view`,
      ms: isOut ? performance.now() - startMs : Infinity,
    });
  }

  /** Disconnected, and the cluster has recovered without it: its number is not in the map. */
  #isOut(witness: number, pnn: number): boolean {
    const text = this.#ctdb(witness, "status");
    const isGone = new RegExp(`^pnn:${pnn} .*DISCONNECTED`, "m").test(text);
    return isGone && !new RegExp(`lmaster:${pnn}$`, "m").test(text) && text.includes("NORMAL");
  }

  /** A node that is back gets addresses some seconds later. */
  async #hosting(pnn: number): Promise<void> {
    if (this.#watched !== "addresses") return;
    const isSo = await this.#until(() => this.#hosts((pnn + 1) % NODES, pnn), LIMIT_MS);
    if (!isSo) throw new Error(`Cannot go on: node ${pnn} of the peer gets no address`);
    await sleep(1000);
  }

  /** Does a node have public addresses, as far as the other one knows? Lines are `|ADDRESS|PNN|`. */
  #hosts(witness: number, pnn: number): boolean {
    const owners = [...this.#ctdb(witness, "ip", "-X").matchAll(/^\|[\d.]+\|(-?\d+)\|/gm)];
    return owners.length === 0 || owners.some(([, owner]) => Number(owner) === pnn);
  }

  async #well(): Promise<void> {
    const isWell = await this.#until(
      () => (this.#ctdb(0, "status").match(/^pnn:\d .* OK/gm) ?? []).length === NODES,
      LIMIT_MS,
    );
    if (!isWell) throw new Error("Cannot go on: the peer has not come back to health");
    await sleep(3000);
  }

  async #until(isSo: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    while (!isSo()) {
      if (performance.now() >= endMs) return false;
      await sleep(ASK_EVERY_MS);
    }
    return true;
  }

  #pnnOf(who: "follower" | "leader"): number {
    const leader = Number(this.#ctdb(0, "leader").trim());
    return who === "leader" ? leader : (leader + 1) % NODES;
  }

  #pid(pnn: number): number {
    return Number(readFileSync(join(this.#folder, `node.${pnn}`, "run", "ctdbd.pid"), "utf8"));
  }

  /** All living processes whose environment says that they are of this run. */
  #processes(): number[] {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
      .filter((pid) => this.#nodeOf(pid) !== undefined);
  }

  #nodeOf(pid: number): number | undefined {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      const base = environment.find((word) => word.startsWith(`CTDB_BASE=${this.#folder}/node.`));
      const name = readFileSync(`/proc/${pid}/comm`, "utf8");
      if (base === undefined || !name.startsWith("ctdb")) return undefined;
      return Number(base.slice(base.lastIndexOf(".") + 1));
    } catch {
      return undefined;
    }
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself meanwhile.
  }
}
