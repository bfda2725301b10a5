/**
 * A run: a cluster of real nodes, programs at all of them, faults, and the judge over what the programs saw.
 *
 *   await withRun({ nodes: 3 }, async (run) => { await run.kill(1); await run.well(); });      judged at the end
 *
 * At the end all nodes are well and the programs stopped; each key is read at each node, and all must see the same.
 *
 * Does NOT promise: that faults hit operations; `least` says how many must have been done.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import { connect } from "../../../actors/mod.ts";
import { isAlive } from "../../../cli/processes.ts";
import { RealClock } from "../../../transport/real_clock.ts";
import { type Change, DevCluster, eventually, kill } from "../dev_rig.ts";
import { Peer, type Runtime, runtimeCommand, thisRuntime } from "../peer.ts";
import { CHECKOUT } from "../guide.ts";
import { freePorts } from "../nats.ts";
import { gone } from "../process.ts";
import { Proxy } from "../proxy.ts";
import type { ChildAnswer, ChildWish } from "./child.ts";
import type { Mix } from "./client.ts";
import { type History, type LifeEnd, type Op, readLogs, type Token, tokensOf } from "./history.ts";
import { judge } from "./judge.ts";
import { Lives } from "./lives.ts";

const SCRIPT = "test/live/history/child.ts";
const DATABASE = "history";
/** Until all nodes are well again, s: other tests run beside this one. */
const WELL_S = 60;
/** A run leaves the machine to the tests beside it most of the time; on few records its operations still meet. */
const PAUSE_MS = 100;
const MIX: Mix = { read: 35, append: 15, delete: 3, lock: 7 };

/** What a run is made of. */
export interface RunOptions {
  readonly nodes?: number;
  /** Programs at each node. */
  readonly perNode?: number;
  readonly keys?: number;
  readonly mix?: Mix;
  /** Pause of a program between two operations of a hand, ms. */
  readonly pauseMs?: number;
  /** Operations that must have been ok in all, at the least. */
  readonly least?: number;
}

/** What a run has a cluster of its own for. */
export interface OwnRunOptions extends RunOptions {
  /** The links of the nodes to the server go through proxies that can cut them. */
  readonly proxies?: boolean;
  /** The configuration of nodes is another one. */
  readonly configure?: Change;
}

/** What came of it. */
export interface RunResult {
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  readonly open: number;
  /** Lives that ended, planned ends apart. */
  readonly ends: number;
  /** Operations that were not ok, at nodes that were not being restarted. */
  readonly failedElsewhere: readonly string[];
}

interface Program {
  readonly peer: Peer;
  readonly node: number;
  readonly runtime: Runtime;
}

/** A run that goes on. */
export class Run {
  readonly dev: DevCluster;
  /** Between a node and the server, where it was asked for. */
  readonly proxies: readonly Proxy[];
  readonly keys: readonly string[];
  readonly lives: Lives;
  readonly #options: RunOptions;
  readonly #clock = new RealClock();
  readonly #programs: Program[] = [];
  readonly #logs: string;
  note: (text: string) => void = () => {};
  /** Restarts. */
  readonly #planned: LifeEnd[] = [];
  #numbers = 0;

  constructor(dev: DevCluster, options: RunOptions, proxies: readonly Proxy[] = []) {
    this.dev = dev;
    this.proxies = proxies;
    this.#options = options;
    this.keys = Array.from({ length: options.keys ?? 5 }, (_, index) => `key ${index}`);
    this.#logs = mkdtempSync(join(dev.home, "logs-"));
    this.lives = new Lives(dev);
  }

  /** Starts the programs of a node; resolves when they work. */
  async programs(node: number, count = this.#options.perNode ?? 1): Promise<void> {
    const started = Array.from({ length: count }, () => this.#program(node));
    await Promise.all(started.map(async ({ peer }) => {
      const answer = await peer.ask("ready");
      assert.is(answer, "ready", peer.errors);
    }));
  }

  #program(node: number): Program {
    const number = ++this.#numbers;
    const wish: ChildWish = {
      connect: { home: join(this.dev.home, `n${node}`) },
      database: DATABASE,
      seed: 1000 * number + 7,
      logPath: join(this.#logs, `${number}`),
      number,
      node,
      keys: this.keys,
      mix: this.#options.mix ?? MIX,
      hands: 3,
      pauseMs: this.#options.pauseMs ?? PAUSE_MS,
    };
    const runtime = thisRuntime();
    const command = [...runtimeCommand(runtime, SCRIPT), JSON.stringify(wish)];
    const program = { peer: new Peer(`program ${number}`, command), node, runtime };
    this.#programs.push(program);
    return program;
  }

  /** Kills a program of a node with SIGKILL, and starts another. */
  async killProgram(node: number): Promise<void> {
    const at = this.#programs.findIndex((program) => program.node === node);
    const [program] = this.#programs.splice(at, 1);
    assert.ok(program !== undefined && at >= 0);
    await program.peer.kill();
    await this.programs(node, 1);
  }

  /** The daemon of a node, which may just be starting. */
  async #pid(node: number): Promise<number> {
    let pid = 0;
    await eventually(`the daemon of ${node} answers`, async () => {
      pid = await this.dev.pid(node).catch(() => 0);
      return pid !== 0;
    });
    return pid;
  }

  /** Kills a daemon with SIGKILL; its supervisor starts it again. */
  async kill(node: number): Promise<void> {
    const pid = await this.#pid(node);
    kill(pid, "SIGKILL");
    await gone(pid, isAlive);
  }

  /** Stops a daemon for a time. */
  async stop(node: number, ms: number): Promise<void> {
    const pid = await this.#pid(node);
    kill(pid, "SIGSTOP");
    await this.#pause(ms);
    kill(pid, "SIGCONT");
  }

  /** Stops a node in order, and starts it again. No life counts as lost. */
  async restart(node: number): Promise<void> {
    // What ended before does count.
    await this.well();
    this.lives.isPlanned(node, true);
    const fromMs = this.#clock.nowMs();
    this.note(`${fromMs.toFixed(0)} stop of ${node}`);
    await this.dev.ok("daemon stop", node);
    this.note(`${this.#clock.nowMs().toFixed(0)} start of ${node}`);
    await this.dev.ok("daemon start", node);
    this.note(`${this.#clock.nowMs().toFixed(0)} started`);
    await this.well();
    this.note(`${this.#clock.nowMs().toFixed(0)} well`);
    this.lives.isPlanned(node, false);
    this.#planned.push({ node, fromMs, toMs: this.#clock.nowMs() });
  }

  /** Kills the nats-server; the cluster's keeper starts it again. */
  async restartServer(): Promise<void> {
    const pid = Number(readFileSync(join(this.dev.home, "nats", "nats.pid"), "utf8"));
    kill(pid, "SIGKILL");
    await gone(pid, isAlive);
    await this.well();
  }

  /** Resolves when so many lives have ended in all. */
  async untilEnds(count: number): Promise<void> {
    await eventually("a life ends", () => this.lives.ends.length >= count);
  }

  /** Lets the programs work for a time. */
  work(ms: number): Promise<void> {
    return this.#pause(ms);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }

  /** Until all nodes are well. */
  async well(): Promise<void> {
    for (let node = 0; node < this.dev.nodes; node++) {
      const words = ["cluster", "wait", "--for", "all-ok", "--timeout", String(WELL_S)];
      await this.dev.ok(words, node);
    }
  }

  /** Stops the programs, reads all at all nodes, judges. */
  async judge(): Promise<RunResult> {
    const answers = await Promise.all(
      this.#programs.map(async ({ peer }) => JSON.parse(await peer.ask("stop")) as ChildAnswer),
    );
    await Promise.all(this.#programs.map(({ peer }) => peer.ended));
    this.note("stopped");
    const finals = await this.#finals();
    this.note("read");
    this.lives.stop();
    const logs = readdirSync(this.#logs).map((name) =>
      readFileSync(join(this.#logs, name), "utf8")
    );
    const history: History = { ops: readLogs(logs), ends: this.lives.ends, finals };
    const objections = judge(history);
    this.note("judged");
    const whys = JSON.stringify(answers.flatMap(({ whys }) => whys).slice(0, 20));
    if (objections.length > 0) console.log(`The history is kept in ${keep(history)}`);
    const told = objections.slice(0, 10).map(({ rule, text }) => `${rule}: ${text}`);
    assert.equal(told, [], `${JSON.stringify(this.lives.ends)} ${whys}`);
    const count = (outcome: string) => history.ops.filter((op) => op.outcome === outcome).length;
    const result = {
      ok: count("ok"),
      failed: count("failed"),
      unknown: count("unknown"),
      open: count("open"),
      ends: this.lives.ends.length,
      failedElsewhere: history.ops.filter((op) => op.outcome !== "ok" && !this.#wasPlanned(op))
        .map(({ kind, id, key, node, why, startMs, endMs }) =>
          `${kind} ${id} of ${key} at ${startMs.toFixed(0)} of node ${node} after ${
            (endMs - startMs).toFixed(0)
          } ms: ${why}`
        ),
    };
    const { least = 1 } = this.#options;
    assert.ok(result.ok >= least, `${JSON.stringify(result)}, wanted ${least} ok: ${whys}`);
    return result;
  }

  #wasPlanned({ node, startMs, endMs }: Op): boolean {
    return this.#planned.some((each) =>
      each.node === node && each.fromMs <= endMs && each.toMs >= startMs
    );
  }

  async #finals(): Promise<Map<string, readonly Token[]>> {
    const finals = new Map<string, readonly Token[]>();
    for (let node = 0; node < this.dev.nodes; node++) {
      const cluster = await connect({ home: join(this.dev.home, `n${node}`) });
      const db = await cluster.attach(DATABASE);
      for (const key of this.keys) {
        const tokens = tokensOf(await db.read(key));
        const first = finals.get(key);
        if (first === undefined) finals.set(key, tokens);
        else assert.equal(tokens, first, `${key} at node ${node}`);
      }
      await cluster.close();
    }
    return finals;
  }

  /** Ends the programs; the cluster stays. */
  async end(): Promise<void> {
    this.lives.stop();
    for (const { peer } of this.#programs) await peer.kill();
  }
}

/** A node that does not lead. */
export async function follower(run: Run): Promise<number> {
  return ((await run.dev.leader()) + 1) % run.dev.nodes;
}

/** Writes a history that was objected to, to be looked at; the path. */
function keep({ ops, ends, finals }: History): string {
  const folder = join(CHECKOUT, "build/out");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `history-${process.pid}.json`);
  writeFileSync(path, JSON.stringify({ ops, ends, finals: [...finals] }));
  return path;
}

/** Has programs work at a cluster that others have, too, does `work`, judges; ends all that was started. */
export async function withRun(
  options: RunOptions,
  work: (run: Run) => Promise<void>,
): Promise<RunResult> {
  const dev = await DevCluster.borrow(options.nodes ?? 3);
  try {
    return await judged(new Run(dev, options), work);
  } finally {
    await dev.giveBack();
  }
}

/** The same at a cluster of its own, which is of no use to others. */
export async function withOwnRun(
  options: OwnRunOptions,
  work: (run: Run) => Promise<void>,
): Promise<RunResult> {
  const { nodes = 3, configure = (text) => text } = options;
  const [port = 0] = await freePorts(1);
  const server = `127.0.0.1:${port}`;
  const proxies: Proxy[] = [];
  const linked: Change = (text, node) => text.replace(server, proxies[node]?.address ?? server);
  let dev: DevCluster | undefined;
  try {
    while (options.proxies === true && proxies.length < nodes) proxies.push(await Proxy.to(port));
    dev = await DevCluster.changed(
      nodes,
      port,
      (text, node) => configure(linked(text, node), node),
    );
    return await judged(new Run(dev, options, proxies), work);
  } finally {
    await dev?.down();
    for (const proxy of proxies) await proxy.close();
  }
}

async function judged(run: Run, work: (run: Run) => Promise<void>): Promise<RunResult> {
  try {
    for (let node = 0; node < run.dev.nodes; node++) await run.programs(node);
    await work(run);
    await run.well();
    return await run.judge();
  } finally {
    await run.end();
  }
}
