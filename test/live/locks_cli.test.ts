/**
 * `ctdbx glock` and `ctdbx lease` at three real nodes: one at a time, whoever dies, and no command that goes on without
 * its lock. Judge: every command also takes a lock of the kernel on a file, without waiting; two at once would be seen.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { connect } from "../../actors/mod.ts";
import type { Cluster } from "../../actors/client/types.ts";
import { isAlive } from "../../cli/processes.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, dataOf, DevCluster, eventually, kill, type Outcome } from "./dev_rig.ts";
import { ctdbx, type Process, script } from "./process.ts";
import { judge, spansOf } from "./resource_judge.ts";

interface Context {
  dev: DevCluster;
  folder: string;
  running: Process[];
}

interface Ran {
  readonly how: string;
  readonly code: number;
  readonly token: string | null;
}

const test = sharedSuite<Context>("live locks_cli");
const STEP_MS = 60_000;
const RESOURCES = Array.from({ length: 6 }, (_, n) => `worker-${n}`);
/** Takes the judge's lock, or says that another has it; writes its token, and goes on for so long. */
const JUDGED = 'exec 9>>"$0.judge"; flock -n 9 || echo two >>"$0"; ' +
  'echo "$CTDBX_LOCK_TOKEN $$" >>"$0"; exec sleep "$1"';

test.before(limit(STEP_MS, async (context) => {
  context.dev = await DevCluster.borrow(3);
}));
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-locks-"));
  context.running = [];
});
test.after.each(async ({ running, folder }) => {
  // All at once: the end of one is the turn of the next.
  for (const one of running) one.signal("SIGKILL");
  for (const one of running) await one.end();
  rmSync(folder, { recursive: true, force: true });
});
test.after(limit(STEP_MS, async ({ dev }) => {
  await dev?.giveBack();
}));

/** A command at a node as a process of its own, that runs a judged sleep. */
function judged(
  { dev, running, folder }: Context,
  words: string,
  index: number,
  forS: number,
): Process {
  const home = join(dev.home, `n${index}`);
  const cmd = ["sh", "-c", JUDGED, join(folder, "log"), `${forS}`];
  const one = ctdbx([...words.split(" "), "--home", home, "--", ...cmd]);
  running.push(one);
  return one;
}

/** `ctdbx WORDS` at a node, in this process; of a command under a lock, the words before it. */
async function at(
  { home }: DevCluster,
  index: number,
  words: string,
  ...cmd: readonly string[]
): Promise<Outcome> {
  return await command([...words.split(" "), "--home", join(home, `n${index}`), "--", ...cmd]);
}

/** Tokens and processes that were inside, in order. */
function log({ folder }: Context): { readonly token: string; readonly pid: number }[] {
  const path = join(folder, "log");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => {
    assert.not.equal(line, "two", "two were inside at once");
    const [token = "", pid = ""] = line.split(" ");
    return { token, pid: Number(pid) };
  });
}

function isRising(entries: readonly { readonly token: string }[]): boolean {
  return entries.every(({ token }, at) => at === 0 || (entries[at - 1]?.token ?? "") < token);
}

async function inside(context: Context, count: number): Promise<void> {
  await eventually(`${count} were inside`, () => log(context).length >= count);
}

test("run: exit codes as of flock and timeout, tokens, and what -o json says", async ({ dev }) => {
  const sh = (text: string): string[] => ["sh", "-c", text];
  assert.is((await at(dev, 0, "glock run a", "true")).exit, 0);
  assert.is((await at(dev, 1, "glock run a", ...sh("exit 42"))).exit, 42);
  assert.is((await at(dev, 0, "glock run a", "/nowhere/cmd")).exit, 127);
  assert.is((await at(dev, 0, "glock run a", "/tmp")).exit, 126);
  assert.is((await at(dev, 0, "glock run a", ...sh("kill -9 $$"))).exit, 137);
  assert.is((await at(dev, 0, "glock run a --timeout 0.3", "sleep", "30")).exit, 124);
  const one = dataOf<Ran>((await at(dev, 0, "glock run a -o json", "true")).out);
  const two = dataOf<Ran>((await at(dev, 2, "glock run a -o json", "true")).out);
  assert.is(one.how, "ended");
  assert.ok((two.token ?? "") > (one.token ?? ""));
});

test(
  "a lock that is held is seen, and others wait, or do not",
  limit(STEP_MS, async (context) => {
    const { dev } = context;
    const holder = judged(context, "glock run held", 0, 30);
    await inside(context, 1);
    assert.is((await at(dev, 1, "glock run held --nonblock", "true")).exit, 1);
    assert.is((await at(dev, 1, "glock run held -E 9 --wait 0.2", "true")).exit, 9);
    const [row] = dataOf<{ name: string; holders: { pid: number }[] }[]>(
      await dev.ok("glock ls -o json", 2),
    );
    assert.is(row?.name, "held");
    assert.is(row?.holders[0]?.pid, holder.pid);
    assert.match(await dev.ok("glock show held", 1), `0:${holder.pid}`);
    assert.is((await dev.run("glock show none")).exit, 3);
    // kill -9 of the holder: its command ends with it, and the next one has its turn.
    const [first] = log(context);
    holder.signal("SIGKILL");
    const next = judged(context, "glock run held", 1, 0.1);
    assert.is(await next.ended, 0);
    assert.not(isAlive(first?.pid ?? 0), "its command has ended");
    assert.ok(isRising(log(context)));
  }),
);

test("a shared lock is had by many, an exclusive one by none of them", async ({ dev }) => {
  const many = await Promise.all(
    [0, 1, 2].map((index) => at(dev, index, "glock run shared --shared", "sleep", "0.5")),
  );
  assert.equal(many.map(({ exit }) => exit), [0, 0, 0]);
  const first = at(dev, 0, "glock run shared --shared", "sleep", "2");
  await eventually("it is had", async () => (await dev.run("glock show shared")).exit === 0);
  assert.is((await at(dev, 1, "glock run shared --shared --nonblock", "true")).exit, 0);
  assert.is((await at(dev, 1, "glock run shared --nonblock", "true")).exit, 1);
  assert.is((await first).exit, 0);
});

test(
  "three nodes contend: one at a time, all have their turns",
  limit(STEP_MS, async (context) => {
    const { dev } = context;
    const clusters: Cluster[] = [];
    for (const index of [0, 1, 2]) {
      clusters.push(await connect({ home: join(dev.home, `n${index}`), timeoutMs: 20_000 }));
    }
    let [inner, last, count] = [0, "", 0];
    const endMs = performance.now() + 1000;
    const turns = [0, 0, 0];
    try {
      await Promise.all(clusters.map(async (cluster, index) => {
        while (performance.now() < endMs) {
          await using lock = await cluster.lock("contended");
          assert.is(++inner, 1, "one at a time");
          assert.ok(lock.token.text > last, "tokens rise");
          last = lock.token.text;
          count += 1;
          turns[index] = (turns[index] ?? 0) + 1;
          inner -= 1;
        }
      }));
    } finally {
      for (const cluster of clusters) await cluster.close();
    }
    assert.ok(turns.every((turn) => turn > 0), `${turns}`);
    assert.ok(count >= 10);
  }),
);

test(
  "a lease moves on when its daemon is killed, its node, or its command",
  limit(
    2 * STEP_MS,
    async (context) => {
      const { dev } = context;
      const copies = [0, 1, 2].map((index) => judged(context, "lease run job --ttl 4", index, 300));
      await inside(context, 1);
      const where = async () => {
        const { holders } = dataOf<{ holders: { pnn: number; pid: number }[] }>(
          await dev.ok("glock show job -o json", 2),
        );
        return holders[0];
      };
      const first = await where();
      assert.ok(copies.some(({ pid }) => pid === first?.pid));
      // The process that runs it.
      kill(first?.pid ?? 0, "SIGKILL");
      await inside(context, 2);
      // The daemon of the next one: its command gets TERM, and KILL, before another has it.
      const second = await where();
      kill(await dev.pid(second?.pnn ?? 0), "SIGKILL");
      await inside(context, 3);
      await dev.well();
      const entries = log(context);
      assert.ok(isRising(entries), JSON.stringify(entries));
      assert.not(isAlive(entries[0]?.pid ?? 0));
      assert.not(isAlive(entries[1]?.pid ?? 0));
    },
  ),
);

test(
  "a node that stands still for longer than its lease: its command is stopped first",
  limit(
    2 * STEP_MS,
    async (context) => {
      const { dev } = context;
      judged(context, "lease run paused --ttl 10", 1, 300);
      await inside(context, 1);
      const waiting = judged(context, "lease run paused --ttl 10", 2, 300);
      const pid = await dev.pid(1);
      kill(pid, "SIGSTOP");
      try {
        await inside(context, 2);
      } finally {
        kill(pid, "SIGCONT");
      }
      assert.ok(isRising(log(context)));
      assert.not(isAlive(log(context)[0]?.pid ?? 0), "it was stopped before");
      waiting.signal("SIGTERM");
      assert.is(await waiting.ended, 143);
      await dev.well();
    },
  ),
);

/** How many of these each node's program owns, as the leader knows it. */
async function shares(dev: DevCluster): Promise<string> {
  const { exit, out, err } = await dev.run("resource ls -o json");
  // The leader may just have been killed.
  if (exit !== 0) return err;
  const rows = dataOf<{ pnn: number | null }[]>(out);
  return [0, 1, 2].map((node) => rows.filter(({ pnn }) => pnn === node).length).join();
}

test(
  "resources: shared by the programs of three nodes, whoever is killed or stands still; never two owners",
  limit(3 * STEP_MS, async (context) => {
    const { dev, folder, running } = context;
    const path = join(folder, "owned");
    const begin = (index: number): Process => {
      const words = [join(dev.home, `n${index}`), path, ...RESOURCES];
      const one = script(new URL("./resource_child.ts", import.meta.url), words);
      running.push(one);
      return one;
    };
    const are = (what: string, wanted: string) =>
      eventually(`${what}: ${wanted}`, async () => wanted === await shares(dev));
    const [first, , third] = [0, 1, 2].map(begin) as [Process, Process, Process];
    await are("each has its share", "2,2,2");
    assert.match(await dev.ok("resource show worker-0", 2), /owned/);
    assert.is((await dev.run("resource show none")).exit, 3);
    assert.match(await dev.ok("resource history", 1), /Resource worker-\d is owned here by/);
    // A daemon is killed, and its program lives on; at another node the program stands still. The daemon is soon there
    // again: that others own what both had is written down by them, however short that was.
    const had = dataOf<{ name: string; pnn: number | null }[]>(
      await dev.ok("resource ls -o json", 0),
    ).filter(({ pnn }) => pnn !== 0).map(({ name }) => name);
    assert.is(had.length, 4);
    const killedMs = new RealClock().nowMs();
    kill(await dev.pid(1), "SIGKILL");
    third.signal("SIGSTOP");
    await eventually("all that both had is owned anew", () => {
      const anew = spansOf(path).filter(({ beginMs }) => beginMs > killedMs);
      return had.every((name) => anew.some((span) => span.name === name));
    });
    await are("the next daemon gets a share, who stands still none", "3,3,0");
    third.signal("SIGCONT");
    await are("it goes on", "2,2,2");
    first.signal("SIGKILL");
    await are("a program is dead", "0,3,3");
    third.signal("SIGTERM");
    assert.is(await third.ended, 0, third.err);
    await are("one is left", "0,6,0");
    const here = await dev.json<{ role: string; pid: number }[]>("resource programs", 1);
    assert.equal(here.map(({ role }) => role), new Array(6).fill("owner"));
    const spans = spansOf(path);
    judge(spans);
    // At least: 6 at first, 4 of both, 2 when the third goes on, 2 of the first, 3 of the third.
    assert.ok(spans.length >= 17, `${spans.length} ownerships`);
  }),
);

test.run();
