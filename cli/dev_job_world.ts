/**
 * The main job's world: real nodes of a development cluster, programs of the library, the dice of this process.
 *
 * Does NOT promise: that a node which was killed is the one of before; its supervisor starts a new life of it.
 */

import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { askOnce, look } from "./commands/asking.ts";
import { spanText, versionText } from "./answers.ts";
import type { NamedAddress, NamedNote } from "../actors/verbs/address_views.ts";
import type { RecoveryAnswer } from "./commands/recovery.ts";
import { devNode } from "./dev_cluster.ts";
import { markService } from "./dev_addresses.ts";
import type { JobWorld } from "./dev_job.ts";
import type { Hosted } from "./dev_job_addresses.ts";
import { ms } from "./dev_job_words.ts";
import { recordsOf } from "./dev_records.ts";
import { makeRegistry } from "./dev_samba.ts";
import { SILENT_MS, waitUp } from "./dev_up.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { isAlive, until } from "./processes.ts";
import type { CommandWorld } from "./world.ts";

/** A killed node is back after this, or something is wrong; a busy machine takes its time, ms. */
const BACK_MS = 45_000;
/** A killed process is gone after this, ms. */
const GONE_MS = 2000;

/** What the job is done on. */
export interface JobPlace {
  /** Folder of the development cluster. */
  readonly home: string;
  readonly nodes: number;
  /** An empty folder for Samba's file. */
  readonly folder: string;
  readonly tell: (step: string, lines: readonly string[]) => void;
}

/** The world of the main job on real nodes. */
export function jobWorld(world: CommandWorld, { home, nodes, folder, tell }: JobPlace): JobWorld {
  return {
    names: Array.from({ length: nodes }, (_, index) => `n${index}`),
    nowMs: () => performance.now(),
    sleep: async (timeMs) => void await sleep(timeMs),
    dice: (below) => Math.floor(Math.random() * below),
    connect: async (index) => {
      // Loaded when it is needed: all `dev` commands look at this file.
      const { connect } = await import("../actors/mod.ts");
      return await connect({ home: join(home, `n${index}`) });
    },
    samba: async () => {
      const file = await makeRegistry(world, folder);
      return { file, records: await recordsOf(world, file.path) };
    },
    kill: async (index) => await kill(index, await pidOf(home, index)),
    killAll: async () => {
      const indices = Array.from({ length: nodes }, (_, index) => index);
      const pids = await Promise.all(indices.map((index) => pidOf(home, index)));
      return await Promise.all(pids.map((pid, index) => kill(index, pid)));
    },
    well: () => back(home, nodes),
    addresses: () => addresses(home),
    taken: (timeMs) => taken(home, nodes, timeMs),
    service: (index, isUp) => markService(home, index, isUp),
    explainCheck: (index) => explainCheck(world, home, index),
    recoveries: (timeMs) => recoveries(home, timeMs),
    show: (step, ...lines) => tell(step, lines),
  };
}

/** Who has which address, by n0; undefined: nobody leads just now. */
async function addresses(home: string): Promise<readonly Hosted[] | undefined> {
  try {
    const rows = await look(devNode(home, 0), "ip ls", {}, SILENT_MS) as NamedAddress[];
    return rows.map(({ address, node, state }) => ({
      address,
      node: state === "hosted" ? node : undefined,
    }));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** What nodes have taken in the last `timeMs`. */
async function taken(home: string, nodes: number, timeMs: number): Promise<readonly Hosted[]> {
  const all = await Promise.all(Array.from({ length: nodes }, async (_, index) => {
    try {
      const notes = await look(devNode(home, index), "ip history", {}, SILENT_MS) as NamedNote[];
      return notes.filter(({ msAgo }) => msAgo <= timeMs).flatMap(({ text }) => {
        const [, address] = /^Address (\S+) is set here$/.exec(text) ?? [];
        return address === undefined ? [] : [{ address, node: `n${index}` }];
      });
    } catch (error) {
      if (error instanceof Failure) return [];
      throw error;
    }
  }));
  return all.flat();
}

/** What explain says of a check of n`index` that fails; none: it does not name one. */
async function explainCheck(
  { store }: CommandWorld,
  home: string,
  index: number,
): Promise<readonly string[]> {
  const [{ explain }, { gather }] = await Promise.all([
    import("../actors/explain/explain.ts"),
    import("./explain/gather.ts"),
  ]);
  const findings = explain(await gather({ home: join(home, `n${index}`) }, store));
  const all = findings.flatMap((finding) => [finding, ...finding.also]);
  const failed = all.find(({ id, node }) => id === "check_failed" && node === `n${index}`);
  return failed === undefined ? [] : [failed.title, ...failed.evidence];
}

async function pidOf(home: string, index: number): Promise<number> {
  const { pid } = await askOnce(devNode(home, index), "node process") as { pid: number };
  return pid;
}

/** Kills the daemon of n`index`, and waits until it has gone. Throws Failure. */
async function kill(index: number, pid: number): Promise<number> {
  process.kill(pid, "SIGKILL");
  if (await until(() => !isAlive(pid), GONE_MS)) return pid;
  throw new Failure(EXIT.other, `Cannot kill the daemon of n${index}: process ${pid} is there`);
}

/** Waits until all nodes are well after the kill. Throws Failure with what is not. */
async function back(home: string, nodes: number): Promise<void> {
  try {
    await waitUp(home, nodes, () => true, BACK_MS);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const what = error.message.replace(/^.*?: /, "");
    const seconds = BACK_MS / 1000;
    const text = `The main job has failed: not all is well ${seconds} s after the kill: ${what}`;
    throw new Failure(error.exit, text, error.hint);
  }
}

/** What the recoveries of the last `timeMs` were at n0, a line each. */
async function recoveries(home: string, timeMs: number): Promise<string[]> {
  const all = await look(devNode(home, 0), "recovery history", {}, SILENT_MS) as RecoveryAnswer[];
  const lines = all.filter(({ msAgo }) => msAgo <= timeMs).map(recoveryLine);
  return lines.length > 0 ? lines : ["none: no record was touched"];
}

function recoveryLine(report: RecoveryAnswer): string {
  const { generation, cause, msAgo, totalMs, phases } = report;
  const work = phases.filter(({ name, count }) => name !== "adopt" && count > 0)
    .map(({ name, count }) => `${name}: ${count} ${name === "queries" ? "records" : "slots"}`);
  const what = work.length > 0 ? ` (${work.join(", ")})` : "";
  return `view ${versionText(generation)}, ${spanText(msAgo)} ago, ${cause ?? "a new view"}: all ` +
    `was open again at n0 after ${ms(totalMs)}${what}`;
}
