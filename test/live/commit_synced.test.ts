/**
 * A transaction is on the disks of as many copies as it must be before its program is told. Seen with strace, which
 * also holds up each sync of the copies that are not primary: who tells too early tells so long before the disk has it.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { until } from "../../cli/processes.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit, skip } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { tool } from "../tools.ts";
import { withData } from "./data_rig.ts";
import { type DevCluster, eventually, WAIT_S } from "./dev_rig.ts";
import { Process } from "./process.ts";

const test = sharedSuite("transactions and their syncs");

const NAME = "ledger";
const NODES = [0, 1, 2];
/** At the other copies each fdatasync begins so much later, ms. */
const HELD_MS = 500;
const TRIES = 3;
const BEGIN = { timeoutMs: 30_000, tries: 100 } as const;

/** A sync of a log that has ended well: whose, and when by the wall clock, ms. */
interface Sync {
  readonly node: number;
  readonly beganMs: number;
  readonly endedMs: number;
}

/** The syncs of logs in what strace has written. A call that others came between has two lines. */
function syncsOf(text: string, home: string): Sync[] {
  const begun = new Map<string, { beganMs: number; call: string }>();
  return text.split("\n").flatMap((line) => {
    const [, thread = "", seconds = "", rest = ""] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    const atMs = Number(seconds) * 1000;
    const isBegun = rest.endsWith("<unfinished ...>");
    if (isBegun) begun.set(thread, { beganMs: atMs, call: rest });
    if (isBegun || thread === "") return [];
    const isEnd = rest.startsWith("<... fdatasync resumed>");
    const { beganMs, call } = (isEnd ? begun.get(thread) : undefined) ??
      { beganMs: atMs, call: rest };
    // The time a call took is behind it: with two lines the second one's own time is the end.
    const took = Number(/<(\d+\.\d+)>$/.exec(rest)?.[1] ?? 0) * 1000;
    const [, path = ""] = /^fdatasync\(\d+<([^>]*)>/.exec(call) ?? [];
    const [, node = "", name = ""] = path.startsWith(home)
      ? /^\/n(\d)\/.*\/(?:persistent)\/([^/]+)\.\d+\/.*\.log\.\d+$/.exec(path.slice(home.length)) ??
        []
      : [];
    if (name !== NAME || !/= 0 .*<[\d.]+>$/.test(rest)) return [];
    return [{ node: Number(node), beganMs, endedMs: isEnd ? atMs : beganMs + took }];
  });
}

/** Attaches strace to a process, and holds up its syncs; skips the test where the machine does not let it. */
async function trace(pid: number, heldMs: number, log: string): Promise<Process> {
  const held = heldMs === 0 ? [] : ["-e", `inject=fdatasync:delay_enter=${heldMs * 1000}`];
  const words = ["-f", "-y", "-ttt", "-T", "-e", "trace=fdatasync", ...held, "-o", log];
  const strace = new Process([tool("strace"), ...words, "-p", String(pid)]);
  const isOn = () => strace.err.includes(`Process ${pid} attached`);
  let hasEnded = false;
  void strace.ended.then(() => hasEnded = true);
  await until(() => hasEnded || isOn(), WAIT_S * 1000);
  if (isOn()) return strace;
  await strace.end();
  return skip(`strace cannot look at the daemons: ${strace.err.trim()}`);
}

/** What strace has seen. */
interface Seen {
  /** When the program asked, and when it was told, by the wall clock, ms. */
  readonly askedMs: number;
  readonly toldMs: number;
  readonly text: string;
}

/** Does `work` under strace; again where a node that was held up on a busy machine has begun a new life for it. */
async function untilTold(
  dev: DevCluster,
  primary: number,
  work: () => Promise<unknown>,
): Promise<Seen> {
  for (let tries = 1;; tries += 1) {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-synced-"));
    try {
      return await traced(dev, folder, primary, work);
    } catch (error) {
      if (!(error instanceof CtdbxError) || tries === TRIES) throw error;
      await dev.well();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

async function traced(
  dev: DevCluster,
  folder: string,
  primary: number,
  work: () => Promise<unknown>,
): Promise<Seen> {
  const straces: Process[] = [];
  const logs = NODES.map((node) => join(folder, `strace.${node}`));
  let [askedMs, toldMs] = [0, 0];
  try {
    for (const node of NODES) {
      const heldMs = node === primary ? 0 : HELD_MS;
      straces.push(await trace(await dev.pid(node), heldMs, logs[node] as string));
    }
    askedMs = Date.now();
    await work();
    toldMs = Date.now();
  } finally {
    for (const strace of straces) strace.signal("SIGINT");
    await Promise.all(straces.map(({ ended }) => ended));
  }
  return { askedMs, toldMs, text: logs.map((path) => readFileSync(path, "utf8")).join("\n") };
}

test(
  "fdatasync of the log has ended on m copies before the program is told",
  limit(180_000, () =>
    withData(3, async (rig) => {
      const { dev } = rig;
      const cluster = await rig.cluster(0);
      const db = await cluster.attach(NAME, { type: "persistent", timeoutMs: 30_000 });
      await db.transaction((tx) => tx.put("key", "before"), BEGIN);
      await eventually(
        "all copies are in sync",
        async () => (await db.commits()).copies.every(({ role }) => /primary|in_sync/.test(role)),
      );
      const { m, copies, primary = 0 } = await db.commits();
      assert.ok(m >= 2, `m is ${m}, of ${copies.length} copies`);
      // At the primary: its program is told as soon as m copies have it, and not after a held-up apply.
      const near = await (await rig.cluster(primary)).attach(NAME, { type: "persistent" });
      const seen = await untilTold(dev, primary, () =>
        near.transaction((tx) =>
          tx.put("key", "after"), BEGIN));
      const { askedMs, toldMs, text } = seen;
      const syncs = syncsOf(text, dev.home);
      // Date.now() cuts the part of a millisecond off.
      const inTime = syncs.filter(({ beganMs, endedMs }) =>
        beganMs >= askedMs - 1 && endedMs <= toldMs + 1
      );
      const said = `asked ${askedMs}, told ${toldMs}: ${JSON.stringify(syncs)}`;
      assert.ok(
        new Set(inTime.map(({ node }) =>
          node
        )).size >= m,
        said,
      );
    })),
);

test.run();
