/**
 * `ctdbx rec`, `msg`, `recovery`, `stats` and `bench` at three real nodes: one record from everywhere, who holds it up,
 * what a death means.
 */

import { join } from "node:path";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, dataOf, DevCluster, eventually } from "./dev_rig.ts";
import { ctdbx, type Process } from "./process.ts";

interface Context {
  dev: DevCluster;
  running: Process[];
}

interface Row {
  readonly node: string;
  readonly role: string | null;
  readonly rsn: string | null;
  readonly isSticky: boolean | null;
  readonly heldBy: { readonly pid: number | null; readonly ageMs: number | null } | null;
}

interface Where {
  readonly home: number;
  readonly holder: number | null;
  readonly nodes: readonly Row[];
}

const test = sharedSuite<Context>("live rec_cli");

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  await context.dev.ok("db attach d --wait");
}));
test.before.each((context) => {
  context.running = [];
});
test.after.each(async ({ running }) => {
  for (const one of running) await one.end();
});
test.after(limit(60_000, async ({ dev }) => {
  await dev?.giveBack();
}));

/** A command at a node as a process of its own. */
function started({ dev, running }: Context, words: string, index: number): Process {
  const one = ctdbx([...words.split(" "), "--home", join(dev.home, `n${index}`)]);
  running.push(one);
  return one;
}

async function where(dev: DevCluster, key: string, index = 0): Promise<Where> {
  return await dev.json<Where>(`rec where d ${key}`, index);
}

test("one record from every node: put, get, cas, call, del", async ({ dev }) => {
  await dev.ok("rec put d k one", 0);
  for (const index of [0, 1, 2]) assert.is(await dev.ok("rec get d k", index), "one");
  assert.is((await dev.run("rec put d k two --mode insert", 1)).exit, 4);
  assert.is((await dev.run("rec put d other two --mode modify", 1)).exit, 3);
  await dev.ok("rec cas d k one two", 2);
  const { exit, err } = await dev.run("rec cas d k one three", 1);
  assert.is(exit, 4, err);
  for (const index of [0, 1, 2]) {
    assert.is(await dev.ok("rec call d n incr 5", index), `${5 * (index + 1)}\n`);
  }
  assert.is(await dev.ok("rec call d k append !", 1), "4\n");
  assert.is(await dev.ok("rec get d k", 0), "two!");
  await dev.ok("rec del d k", 0);
  for (const index of [0, 1, 2]) assert.is((await dev.run("rec get d k", index)).exit, 3);
  assert.is((await dev.run("rec del d k", 1)).exit, 3);
  assert.is((await dev.run("rec get nowhere k", 1)).exit, 3);
});

test("where says who has it, and where it has been", async ({ dev }) => {
  await dev.ok("rec put d w one", 0);
  await dev.ok("rec put d w two", 2);
  const found = await where(dev, "w", 1);
  assert.is(found.holder, 2);
  assert.equal(found.nodes.map(({ node }) => node).sort(), ["n0", "n1", "n2"]);
  assert.is(found.nodes.find(({ node }) => node === "n2")?.role, "owner");
  const moves = await dev.json<{ node: string; what: string }[]>("rec where d w --history");
  assert.ok(moves.some(({ node, what }) => node === "n0" && what === "out"), JSON.stringify(moves));
  await dev.ok("rec pin d w", 1);
  const pinned = (await where(dev, "w")).nodes.find(({ node }) => node === "n1");
  assert.equal([pinned?.role, pinned?.isSticky], ["owner", true]);
  await dev.ok("rec pin d w --off", 1);
  const free = (await where(dev, "w")).nodes.find(({ node }) => node === "n1");
  assert.is(free?.isSticky, false);
  const hot = await dev.json<{ name: string; key: string }[]>("rec hot d", 2);
  assert.ok(hot.some(({ name, key }) => name === "d" && key === "w"));
});

test(
  "who holds a record up is named by pid and age; others end with 4, and go on after kill -9",
  limit(60_000, async (context) => {
    const { dev } = context;
    await dev.ok("rec put d held one", 0);
    const holder = started(context, "rec lock d held", 0);
    assert.match(await holder.lines.take(), /^locked at n0, the value has 3 bytes/);
    const { exit, err } = await dev.run("rec put d held two --timeout 1", 1);
    assert.is(exit, 4, err);
    const waiting = started(context, "rec put d held three --timeout 20", 1);
    await eventually("it is told who holds it up", async () => {
      const { nodes } = await where(dev, "held", 2);
      const heldBy = nodes.find(({ node }) => node === "n0")?.heldBy;
      return heldBy?.pid === holder.pid && (heldBy.ageMs ?? 0) > 0;
    });
    assert.is(await dev.ok("rec call d free incr", 1), "1\n", "other records are free");
    holder.signal("SIGKILL");
    assert.is(await waiting.ended, 0, waiting.err);
    assert.is(await dev.ok("rec get d held", 2), "three");
  }),
);

test(
  "a lock is given back at a signal, and after its time",
  limit(60_000, async (context) => {
    const { dev } = context;
    const holder = started(context, "rec lock d l", 1);
    await holder.lines.take();
    holder.signal("SIGTERM");
    assert.is(await holder.ended, 0);
    assert.match(await holder.lines.take(), /^given back after/);
    const timed = await dev.json<{ key: string }>("rec lock d l --hold 0.1", 2);
    assert.is(timed.key, "l");
    await dev.ok("rec put d l x", 0);
  }),
);

test(
  "watch hears changes of all nodes, deletions too, and ends in order",
  limit(60_000, async (context) => {
    const { dev } = context;
    await dev.ok("rec put d seen/a 1", 0);
    const watcher = started(context, "rec watch d --prefix seen/ -o jsonl", 1);
    const next = async () => {
      for (;;) {
        const { what, key, value } = JSON.parse(await watcher.lines.take());
        if (what !== "again") return [what, key, value];
      }
    };
    assert.equal(await next(), ["value", "seen/a", "1"]);
    await dev.ok("rec put d seen/a 2", 2);
    assert.equal(await next(), ["value", "seen/a", "2"]);
    await dev.ok("rec put d seen/b 3", 0);
    assert.equal(await next(), ["value", "seen/b", "3"]);
    await dev.ok("rec del d seen/a", 0);
    assert.equal(await next(), ["none", "seen/a", null]);
    watcher.signal("SIGINT");
    assert.is(await watcher.ended, 0, watcher.err);
  }),
);

test(
  "messages to a name, a number, all; programs are found while they listen",
  limit(60_000, async (context) => {
    const { dev } = context;
    const listener = started(context, "msg listen 0x77 --count 3", 2);
    assert.match(await listener.lines.take(), /^listening at n2 on 119/);
    assert.is((await dev.json<{ programs: number }[]>("msg exists n2 --srvid 0x77")).length, 1);
    assert.is((await dev.run("msg exists n1 --srvid 0x77")).exit, 3);
    await dev.ok("msg exists 2 --srvid 119", 1);
    await dev.ok(["msg", "send", "n2", "119", "one"], 0);
    assert.match(await listener.lines.take(), / 0:\d+ +one$/);
    await dev.ok("msg send 2 0x77 two", 1);
    assert.match(await listener.lines.take(), / 1:\d+ +two$/);
    await dev.ok("msg send all 0x77 ff --hex", 0);
    assert.match(await listener.lines.take(), / 0:\d+ +\\FF$/);
    assert.is(await listener.ended, 0);
    const { exit, err } = await dev.run("msg send n7 5 x");
    assert.is(exit, 3);
    assert.match(err, /known are n0, n1, n2/);
  }),
);

test("over NATS alone, with the key of a client", async ({ dev }) => {
  const nats = ["--nats", `127.0.0.1:${dev.port}`, "--cluster", "dev"];
  const client = [...nats, "--creds", join(dev.home, "keys", "client.nkey")];
  const over = async (words: string, more: readonly string[] = client) =>
    await command([...words.split(" "), ...more]);
  assert.is((await over("rec put d far one")).exit, 0);
  assert.is((await over("rec get d far")).out, "one");
  assert.is(await dev.ok("rec get d far", 1), "one");
  assert.is((await over("rec call d far2 incr 3")).out, "3\n");
  const keys = await over("db traverse d --prefix far --keys-only -o jsonl");
  assert.equal(keys.out.trim().split("\n").map((line) => JSON.parse(line).key).sort(), [
    "far",
    "far2",
  ]);
  assert.is(dataOf<Where>((await over("rec where d far -o json")).out).nodes.length, 1);
  const stranger = await over("rec get d far --timeout 2", [
    ...nats,
    "--creds",
    join(dev.home, "keys", "monitor.nkey"),
  ]);
  assert.ok([1, 4, 7].includes(stranger.exit), `${stranger.exit}: ${stranger.err}`);
});

test(
  "short benches run, remove their database, and say what they measured",
  limit(90_000, async ({ dev }) => {
    const small = ["--seconds", "0.2", "--home", dev.home, "-o", "json"];
    for (const name of ["fetch", "ring", "hot", "messages", "traverse"]) {
      const records = ["fetch", "traverse"].includes(name) ? ["--records", "200"] : [];
      const { exit, out, err } = await command(["bench", name, ...records, ...small]);
      assert.is(exit, 0, `${name}: ${err}`);
      const { nodes, count, perSecond } = dataOf<Record<string, number>>(out);
      assert.is(nodes, 3, name);
      assert.ok((count ?? 0) > 0 && (perSecond ?? 0) > 0, out);
    }
    const left = await dev.json<{ name: string }[]>("db ls");
    assert.equal(left.map(({ name }) => name), ["d"]);
  }),
);

test(
  "a bench that is stopped removes its database, too",
  limit(60_000, async (context) => {
    const { dev } = context;
    const names = async (): Promise<string[]> =>
      (await dev.json<{ name: string }[]>("db ls")).map(({ name }) => name);
    for (const name of ["fetch", "ring", "hot"]) {
      const bench = started(context, `bench ${name} --seconds 50`, 0);
      const isThere = async () => (await names()).some((each) => each.startsWith("ctdbx-bench-"));
      await eventually(`the database of bench ${name}`, isThere);
      bench.signal("SIGINT");
      assert.is(await bench.ended, 9, bench.err);
      assert.match(bench.err, "Stopped before all was measured");
      assert.equal(await names(), ["d"]);
    }
  }),
);

test(
  "a node dies: its records are found again, the report says what was done, the rest is open",
  limit(90_000, async ({ dev }) => {
    await dev.ok("rec put d kept one", 0);
    for (let at = 0; at < 20; at += 1) await dev.ok(`rec put d k${at} one`, 2);
    const { generation } = await dev.json<{ generation: string }>("recovery status");
    const pid = await dev.pid(2);
    await dev.dev("chaos kill n2 --wait");
    assert.is.not(await dev.pid(2), pid);
    await dev.well();
    assert.is(await dev.ok("rec get d kept", 1), "one");
    const report = await dev.json<{ generation: string; phases: { name: string }[] }>(
      "recovery report",
    );
    assert.ok(BigInt(report.generation) > BigInt(generation));
    assert.ok(report.phases.length > 0);
    const history = await dev.json<object[]>("recovery history");
    assert.ok(history.length >= 2);
    await eventually("all records are open", async () => {
      return (await dev.run("recovery explain")).exit === 0;
    });
    const run = await dev.json<{ generation: string; tookMs: number }>("recovery run --wait");
    assert.ok(BigInt(run.generation) > BigInt(report.generation));
    assert.is(await dev.ok("rec get d kept", 2), "one");
  }),
);

test("counts rise with what is done", async ({ dev }) => {
  const ok = async () => {
    const rows = await dev.json<{ name: string; what: string; count: number }[]>("db stats d");
    return rows.find(({ what }) => what === "ops ok")?.count ?? 0;
  };
  const before = await ok();
  for (let at = 0; at < 5; at += 1) await dev.ok("rec call d counted incr");
  assert.ok(await ok() >= before + 5);
  const shown = await dev.json<{ what: string; count: number }[]>("stats show");
  assert.ok((shown.find(({ what }) => what === "records ops ok")?.count ?? 0) >= before + 5);
  const what = (rows: { what: string }[]) => rows.map((row) => row.what);
  assert.equal(what(await dev.json("stats db d")), what(await dev.json("db stats d")));
});

test.run();
