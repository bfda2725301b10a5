/**
 * A development cluster of real processes for live tests, and commands that are run against it in this process.
 *
 *   const dev = await DevCluster.up(3);   await dev.ok("leader yield");   await dev.wait("leader");   await dev.down();
 *
 * Does NOT promise: order between what a command says and what another node knows; wait for what is wanted.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { StatePage } from "../../actors/storage/state_page.ts";
import type { ClusterAnswer, HistoryAnswer, NodeAnswer } from "../../cli/answers.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import type { NodePaths } from "../../cli/config.ts";
import {
  devNode,
  type DevPlan,
  KeptCluster,
  makeCluster,
  readPlan,
} from "../../cli/dev_cluster.ts";
import { waitUp } from "../../cli/dev_up.ts";
import { isAlive, until } from "../../cli/processes.ts";
import { run } from "../../cli/run.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { capture } from "../cli/capture.ts";
import { runningLedger } from "../ledger.ts";
import { tool } from "../tools.ts";

/** What a command did. */
export interface Outcome {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Longest wait of a test for a cluster, seconds: on a busy machine a disk alone can take ten. */
export const WAIT_S = 40;

/** What a mapped state page allows at a moment. */
export interface Moment {
  readonly node: number;
  readonly incarnation: bigint;
  readonly generation: bigint;
  /** Lease end minus now, ms; 0 when the page grants nothing. */
  readonly leftMs: number;
}

const IMAGES = new RealImageStore();

/** Runs a command in this process; words that hold blanks go as an array. */
export async function command(words: string | readonly string[]): Promise<Outcome> {
  const terminal = capture();
  const list = typeof words === "string" ? words.split(" ") : words;
  const exit = await run(list, { terminal, store: IMAGES });
  return { exit, out: terminal.outText(), err: terminal.errText() };
}

/** The `data` in the envelope that `-o json` prints. */
export function dataOf<T>(out: string): T {
  return JSON.parse(out).data as T;
}

/** Changes the configuration of a node. */
export type Change = (text: string, node: number) => string;

/** A cluster of `dev up` that this process keeps, and whose nodes have another configuration. */
class ChangedCluster extends KeptCluster {
  readonly #home: string;
  readonly #change: Change;
  readonly #changed = new Set<number>();

  constructor(home: string, plan: DevPlan, change: Change) {
    super(home, plan);
    this.#home = home;
    this.#change = change;
  }

  override async restart(index: number): Promise<void> {
    const { config } = devNode(this.#home, index);
    if (!this.#changed.has(index)) {
      writeFileSync(config, this.#change(readFileSync(config, "utf8"), index));
      this.#changed.add(index);
    }
    await super.restart(index);
  }
}

/** What files of this process have given back, by their nodes. */
const SPARE = new Map<number, DevCluster>();

/** One cluster in a folder of its own. */
export class DevCluster {
  readonly home: string;
  readonly nodes: number;
  readonly #clock = new RealClock();
  readonly #kept: KeptCluster | undefined;

  private constructor(home: string, nodes: number, kept?: KeptCluster) {
    this.home = home;
    this.nodes = nodes;
    this.#kept = kept;
  }

  /** Makes and starts one; skips the test when there is no nats-server. */
  static async up(nodes: number, ...more: readonly string[]): Promise<DevCluster> {
    tool("nats-server");
    const home = mkdtempSync(join(tmpdir(), "ctdbx-dev-"));
    const dev = new DevCluster(home, nodes);
    const outcome = await command(["dev", "up", "--nodes", String(nodes), "--home", home, ...more]);
    if (outcome.exit !== 0) {
      await dev.down();
      throw new Error(`dev up: ${outcome.err}`);
    }
    return dev;
  }

  /** One whose nodes begin with a changed configuration, and whose server has this port; this process is its keeper. */
  static async changed(nodes: number, port: number, change: Change): Promise<DevCluster> {
    tool("nats-server");
    const home = mkdtempSync(join(tmpdir(), "ctdbx-dev-"));
    const plan = await makeCluster(home, nodes);
    const kept = new ChangedCluster(home, { ...plan, port }, change);
    const dev = new DevCluster(home, nodes, kept);
    try {
      await kept.start();
      void kept.keep(() => {});
      await waitUp(home, nodes, () => true, WAIT_S * 1000);
    } catch (error) {
      await dev.down();
      throw error;
    }
    return dev;
  }

  /** One that a file before this one has given back, or a new one. Nothing of the former is in it but its history. */
  static async borrow(nodes: number): Promise<DevCluster> {
    const dev = SPARE.get(nodes);
    SPARE.delete(nodes);
    if (dev === undefined) return await DevCluster.up(nodes);
    if (await dev.#isTidy()) return dev;
    await dev.down();
    return await DevCluster.up(nodes);
  }

  /** For the next file that borrows; ends it where nobody would, or when it is not as it was made. */
  async giveBack(): Promise<void> {
    const ledger = runningLedger();
    if (ledger === undefined || SPARE.has(this.nodes) || !(await this.#isTidy())) {
      return await this.down();
    }
    SPARE.set(this.nodes, this);
    ledger.atEnd(async () => {
      if (SPARE.get(this.nodes) !== this) return;
      SPARE.delete(this.nodes);
      await this.down();
    });
  }

  /** Are all nodes well, without databases, and as they were set? Databases are removed first. */
  async #isTidy(): Promise<boolean> {
    try {
      await this.well();
      const names = (await this.json<{ name: string }[]>("db ls")).map(({ name }) => name);
      await Promise.all(names.map((name) => this.ok(["db", "detach", name, "--yes", "--wait"])));
      const all = Array.from({ length: this.nodes }, (_, index) => index);
      await Promise.all(all.map((index) => this.ok("db trash empty --yes", index)));
      return (await this.json<object[]>("tunable diff")).length === 0;
    } catch {
      return false;
    }
  }

  paths(index: number): NodePaths {
    return devNode(this.home, index);
  }

  get port(): number {
    return readPlan(this.home)?.port ?? 0;
  }

  /** Runs `ctdbx WORDS` at a node. */
  async run(words: string | readonly string[], index = 0): Promise<Outcome> {
    const list = typeof words === "string" ? words.split(" ") : words;
    return await command([...list, "--home", join(this.home, `n${index}`)]);
  }

  /** The same, demanded to succeed; its stdout. */
  async ok(words: string | readonly string[], index = 0): Promise<string> {
    const { exit, out, err } = await this.run(words, index);
    assert.is(exit, 0, `${words}: ${err}`);
    return out;
  }

  /** Waits until a command prints this; before, a node may refuse, or not have the record yet. */
  async prints(words: string | readonly string[], wanted: string, index = 0): Promise<void> {
    let seen: Outcome | undefined;
    const isPrinted = async () => {
      seen = await this.run(words, index);
      return seen.exit === 0 && seen.out === wanted;
    };
    const isSo = await until(isPrinted, WAIT_S * 1000);
    assert.ok(isSo, `${words} at n${index}: ${seen?.exit} ${seen?.out}${seen?.err}, not ${wanted}`);
  }

  /** Runs `ctdbx dev WORDS`, demanded to succeed. */
  async dev(words: string): Promise<string> {
    const { exit, out, err } = await command(["dev", ...words.split(" "), "--home", this.home]);
    assert.is(exit, 0, `dev ${words}: ${err}`);
    return out;
  }

  /** The `data` of what a command prints as JSON. */
  async json<T>(words: string, index = 0): Promise<T> {
    return dataOf<T>(await this.ok(`${words} -o json`, index));
  }

  /** Waits for conditions, all at the same time, as a node sees them. */
  async wait(conditions: string, index = 0): Promise<void> {
    await this.ok(["cluster", "wait", "--for", conditions, "--timeout", String(WAIT_S)], index);
  }

  /** Waits until each of these nodes says that all is well; all nodes when none is named. */
  async well(...indices: number[]): Promise<void> {
    const all = indices.length > 0 ? indices : Array.from({ length: this.nodes }, (_, at) => at);
    for (const index of all) await this.wait("all-ok", index);
  }

  async status(index = 0): Promise<ClusterAnswer> {
    return await this.json<ClusterAnswer>("cluster status", index);
  }

  async history(index: number): Promise<readonly HistoryAnswer[]> {
    return await askOnce(this.paths(index), "leader history") as HistoryAnswer[];
  }

  /** The number of the node that leads, as node `index` sees it. */
  async leader(index = 0): Promise<number> {
    const { leaderPnn } = await this.status(index);
    assert.type(leaderPnn, "number");
    return leaderPnn as number;
  }

  async node(of: number, index = 0): Promise<NodeAnswer> {
    const { nodes } = await this.status(index);
    return nodes.find(({ pnn }) => pnn === of) as NodeAnswer;
  }

  /** The process of a node's daemon. */
  async pid(index: number): Promise<number> {
    const { pid } = await askOnce(this.paths(index), "node process") as { pid: number };
    return pid;
  }

  /** What the state page of a node allows now; undefined: there is none, or it is being made. */
  moment(index: number): Moment | undefined {
    let page: StatePage;
    try {
      page = StatePage.open(IMAGES, join(this.paths(index).run, "state"));
    } catch {
      return undefined;
    }
    const state = page.read();
    const nowNs = BigInt(Math.round(this.#clock.nowMs() * 1e6));
    page.close();
    if (state === undefined) return undefined;
    const { incarnation, generation, leaseEndNs } = state;
    const leftMs = leaseEndNs === 0n ? 0 : Number(leaseEndNs - nowNs) / 1e6;
    return { node: index, incarnation, generation, leftMs };
  }

  /** Looks at the pages of nodes all the time until `work` is done; answers what was seen. */
  async moments(indices: readonly number[], work: () => Promise<unknown>): Promise<Moment[]> {
    const seen: Moment[] = [];
    let isOn = true;
    const done = work().finally(() => isOn = false);
    while (isOn) {
      for (const index of indices) {
        const moment = this.moment(index);
        if (moment !== undefined) seen.push(moment);
      }
      await sleep(3);
    }
    await done;
    return seen;
  }

  /** Ids of all processes with the folder of this cluster in their command line. */
  processes(): number[] {
    return processesOf(this.home);
  }

  /** Ends all of it, by force in the end, and removes it. */
  async down(): Promise<void> {
    if (this.#kept === undefined) await command(["dev", "down", "--home", this.home]);
    else await this.#kept.stop();
    const left = this.processes();
    for (const pid of left) kill(pid, "SIGKILL");
    await until(() => left.every((pid) => !isAlive(pid)), 5000);
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Ids of living processes whose command line names a folder, this one apart. */
export function processesOf(folder: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return pid !== process.pid && line.includes(folder) && isAlive(pid);
    } catch {
      return false;
    }
  });
}

/** Signals a process; nothing happens when it has gone. */
export function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** Looks until something is so; fails with `what` after WAIT_S. `restMs`: between looks, where one costs much. */
export async function eventually(
  what: string,
  done: () => boolean | Promise<boolean>,
  restMs = 0,
): Promise<void> {
  const look = async () => {
    const isDone = await done();
    if (!isDone && restMs > 0) await sleep(restMs);
    return isDone;
  };
  assert.ok(await until(look, WAIT_S * 1000), `not within ${WAIT_S} s: ${what}`);
}
