/**
 * What the tests of faults share: a cluster that one file leaves to the next, and who looks at it while it has a fault.
 *
 *   fault ──▶ `cluster explain`, asked at any node     the cause is its first finding
 *         ──▶ events on the bus                        the leader tells of it, unasked
 *         ──▶ state pages                              who serves, as client programs read it
 *
 * What /proc shows `now` looks at once; what nodes have to notice `first` looks for again until they have.
 *
 * Does NOT promise: a cluster that is whole after a test has failed; the next file then gets another one.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import type { Finding } from "../../../actors/explain/explain.ts";
import { keeperOf } from "../../../cli/dev_cluster.ts";
import { supervisorOf, until } from "../../../cli/processes.ts";
import { limit } from "../../limit.ts";
import { sharedSuite, type Test } from "../../suite.ts";
import { undisturbed } from "../../undisturbed.ts";
import { dataOf, DevCluster, kill, type Moment } from "../dev_rig.ts";
import { ForeignClient } from "../nats_client.ts";

/** Nodes have noticed a fault within this, ms. */
export const NOTICE_MS = 20_000;
/** Between two looks of `explain`, each of which costs as much as a node does in a second, ms. */
const LOOK_EVERY_MS = 500;
/** The nodes. */
export const ALL: readonly number[] = [0, 1, 2];

/** What the tests of a file have. */
export interface Context {
  dev: DevCluster;
  /** Hears all events on the bus; has a monitor's key. */
  client: ForeignClient;
}

/** A suite with a cluster in which nothing is wrong, by the word of `explain`, too. */
export function faultSuite<More>(title: string): Test<Context & More> {
  const test = sharedSuite<Context & More>(title);
  test.before(limit(120_000, async (context) => {
    const dev = context.dev = await healthy();
    context.client = await ForeignClient.of(
      dev.port,
      "dev",
      join(dev.home, "keys", "monitor.nkey"),
    );
  }));
  return test;
}

/** What a file before this one has left may be well and have died too often lately. */
async function healthy(): Promise<DevCluster> {
  const dev = await DevCluster.borrow(ALL.length);
  if ((await explained(dev, 0)).healthy) return dev;
  await dev.down();
  return await DevCluster.up(ALL.length);
}

/** Another node than these. */
export function other(...taken: readonly number[]): number {
  return ALL.find((index) => !taken.includes(index)) as number;
}

/** Runs `work`; when the machine stood still and it has failed for that, again with a cluster that is well. */
export async function unspoiled(dev: DevCluster, work: () => Promise<void>): Promise<void> {
  let isFirst = true;
  await undisturbed(async () => {
    if (!isFirst) await mend(dev);
    isFirst = false;
    await work();
  });
}

async function mend(dev: DevCluster): Promise<void> {
  for (const index of ALL) {
    if (supervisorOf(dev.paths(index).run) === undefined) await dev.ok("daemon start", index);
    await dev.dev(`chaos heal n${index}`);
  }
  await dev.well();
}

/** What the command prints as JSON. */
interface Explained {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

/** What a node explains now. */
async function explained(dev: DevCluster, at: number): Promise<Explained> {
  const { exit, out, err } = await dev.run("cluster explain -o json", at);
  const data = dataOf<Explained>(out);
  const isSplit = data.findings.some(({ id }) => id === "split_brain");
  assert.is(exit, data.healthy ? 0 : isSplit ? 10 : 8, err);
  return data;
}

/** "cause@node" of the first finding. */
function firstOf({ findings }: Explained): string {
  const [first] = findings;
  if (first === undefined) return "nothing";
  return typeof first.node === "string" ? `${first.id}@${first.node}` : first.id;
}

/** What a node explains as soon as it is as wanted; the last of it when that is not within NOTICE_MS. */
async function explainedAs(
  dev: DevCluster,
  at: number,
  isWanted: (seen: Explained) => boolean,
): Promise<Explained> {
  const endMs = performance.now() + NOTICE_MS;
  for (;;) {
    const seen = await explained(dev, at);
    if (isWanted(seen) || performance.now() > endMs) return seen;
    await sleep(LOOK_EVERY_MS);
  }
}

/** Waits until the first finding at a node is this one; answers it. */
export async function first(dev: DevCluster, at: number, wanted: string): Promise<Finding> {
  const seen = await explainedAs(dev, at, (one) => firstOf(one) === wanted);
  assert.is(firstOf(seen), wanted, JSON.stringify(seen, undefined, 1));
  return seen.findings[0] as Finding;
}

/** The first finding at once; again when the machine stood still, for then whoever is well is silent, too. */
export async function now(dev: DevCluster, at: number, wanted: string): Promise<Finding> {
  let found: Finding | undefined;
  await undisturbed(async () => {
    const seen = await explained(dev, at);
    assert.is(firstOf(seen), wanted, JSON.stringify(seen, undefined, 1));
    found = seen.findings[0];
  });
  return found as Finding;
}

/** Each node explains at once that the daemon of one is stopped, and how it is woken. */
export async function allSayStopped(dev: DevCluster, node: number, pid: number): Promise<void> {
  for (const at of ALL) {
    const { commands, evidence } = await now(dev, at, `daemon_stopped@n${node}`);
    assert.equal(commands, [`kill -CONT ${pid}`]);
    assert.match(evidence.join("\n"), new RegExp(`process ${pid} is in state T`));
  }
}

/** Waits until nothing is wrong: by the nodes' word, then by explain's. */
export async function well(dev: DevCluster): Promise<void> {
  await dev.well();
  const seen = await explainedAs(dev, 0, ({ healthy }) => healthy);
  assert.ok(seen.healthy, JSON.stringify(seen, undefined, 1));
}

/** Has the client heard that a node has come into this condition? */
export function tells(client: ForeignClient, about: number, to: string): boolean {
  return client.changesOf(`n${about}`).some((change) => change.endsWith(`>${to}`));
}

/** Moments at which a life up to this one may serve. */
export function servedBy(
  seen: readonly Moment[],
  node: number,
  incarnation: bigint,
): readonly Moment[] {
  return seen.filter((moment) =>
    moment.node === node && moment.incarnation <= incarnation && moment.leftMs > 0
  );
}

/** From when on the others serve by another view: the former life of `out` must not serve any more. */
export function afterNewView(
  seen: readonly Moment[],
  out: number,
  generation: bigint,
): readonly Moment[] {
  const at = seen.findIndex((moment) =>
    moment.node !== out && moment.generation > generation && moment.leftMs > 0
  );
  return at < 0 ? [] : seen.slice(at);
}

/** The life of a node, as another one knows it. */
export async function lifeOf(dev: DevCluster, node: number, at: number): Promise<bigint> {
  return BigInt((await dev.node(node, at)).incarnation ?? 0);
}

/** The nats-server of the cluster; 0: there is none. */
export function serverPid(dev: DevCluster): number {
  return dev.processes().find((pid) =>
    /nats-server\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"))
  ) ?? 0;
}

/** Stops a process, and waits until it is: the signal takes effect when it next leaves the kernel. */
export async function stopped(pid: number): Promise<void> {
  kill(pid, "SIGSTOP");
  await until(() => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")), NOTICE_MS);
}

/** Stops the keeper while `work` makes faults that it would mend. */
export async function alone(dev: DevCluster, work: () => Promise<void>): Promise<void> {
  const keeper = keeperOf(dev.home) ?? 0;
  await stopped(keeper);
  try {
    await work();
  } finally {
    kill(keeper, "SIGCONT");
  }
}
