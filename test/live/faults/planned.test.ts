/**
 * A node of a real cluster ends as planned, and has reasons not to come back: a wrong configuration, wrong credentials,
 * a full disk. No lease of the others runs out; `explain`, `check`, the example of docs/MONITORING.md see what it is.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ROOT } from "../../../build/steps.ts";
import { supervisorOf } from "../../../cli/processes.ts";
import { newNkey } from "../../../transport/real_nkeys.ts";
import { limit } from "../../limit.ts";
import { program } from "../cli_world.ts";
import { command, type DevCluster, kill } from "../dev_rig.ts";
import { Process, script } from "../process.ts";
import { ALL, faultSuite, first, now, other, unspoiled, well } from "./rig.ts";

/** A row of what the example prints. */
interface Row {
  readonly node: string;
  readonly condition: string;
  readonly leader: string;
}

interface More {
  /** Who leads at first, and is ended. */
  victim: number;
  example: Process;
  folder: string;
}

const test = faultSuite<More>("planned ends");

test.after(limit(60_000, async ({ dev, client, example, folder }) => {
  await example?.end();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  await client?.close();
  await dev?.giveBack();
}));

/** The next rows that are as wanted. */
async function rowsWith(example: Process, isWanted: (rows: Row[]) => boolean): Promise<Row[]> {
  for (;;) {
    const rows = JSON.parse(await example.lines.take()) as Row[];
    if (isWanted(rows)) return rows;
  }
}

function conditionOf(rows: readonly Row[], node: number): string | undefined {
  return rows.find((row) => row.node === `n${node}`)?.condition;
}

test("the example of the documentation runs as it stands there", async (context) => {
  const { dev } = context;
  context.victim = await dev.leader();
  const page = readFileSync(join(ROOT, "docs/MONITORING.md"), "utf8");
  const [, text = ""] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  assert.match(text, "@nats-io/transport-node");
  context.folder = mkdtempSync(join(ROOT, "build/out/example-"));
  const path = join(context.folder, "monitor.js");
  // The package has a shorter name in this checkout; nothing else is changed.
  writeFileSync(path, text.replace("@nats-io/transport-node", "nats"));
  const key = join(dev.home, "keys", "monitor.nkey");
  const words = [`127.0.0.1:${dev.port}`, "dev", key];
  const example = context.example = script(new URL(`file://${path}`), words);
  const rows = await rowsWith(example, (rows) => rows.length === ALL.length);
  assert.equal(rows.map(({ condition }) => condition), ["ok", "ok", "ok"], example.err);
  assert.equal(new Set(rows.map((row) => row.leader)), new Set([`n${context.victim}`]));
});

test(
  "the leader's node: no lease of the others runs out; it is explained why it is not there",
  limit(180_000, ({ dev, victim }) =>
    unspoiled(dev, async () => {
      if (await dev.leader() !== victim) await dev.ok(`leader yield --to n${victim}`);
      const others = ALL.filter((index) => index !== victim);
      for (const index of others) await dev.wait(`leader=n${victim}`, index);
      const known = await Promise.all(
        others.map(async (index) => (await dev.history(index)).length),
      );
      const seen = await dev.moments(others, async () => {
        await dev.ok("daemon stop", victim);
        for (const index of others) {
          await dev.wait(`leader,not-leader=n${victim},members=2,serving`, index);
        }
      });
      // 0: frozen, while the view changes. Below 0: a lease that ran out.
      assert.equal(seen.filter(({ leftMs }) => leftMs < 0), []);
      for (const [at, index] of others.entries()) {
        const news = (await dev.history(index)).slice(known[at]).map(({ text }) => text);
        assert.not.ok(news.includes("suspect: no sign of a leader"), news.join("\n"));
      }
      assert.is(supervisorOf(dev.paths(victim).run), undefined);
      assert.is((await dev.run("daemon stop", victim)).exit, 3);
      await explainsEnd(dev, victim);
    })),
);

/** What `explain` says of a node that has ended in order, at it and at another one. */
async function explainsEnd(dev: DevCluster, victim: number): Promise<void> {
  const name = `n${victim}`;
  const down = await now(dev, victim, `daemon_not_running@${name}`);
  assert.match(down.evidence.join("\n"), "ended in order");
  assert.equal(down.commands, [`ctdbx daemon start --home ${join(dev.home, name)}`]);
  const witness = other(victim);
  await now(dev, witness, `daemon_not_running@${name}`);
  const table = await dev.run(`node explain ${name}`, witness);
  assert.is(table.exit, 8);
  assert.match(
    table.out,
    /^1\. The daemon of .* does not run\n {3}\(error, daemon_not_running\)\n {3}why /,
  );
  assert.match(table.err, "run: ctdbx daemon start");
}

test("the example sees that it is gone, and so does check", async ({ dev, example, victim }) => {
  const rows = await rowsWith(example, (rows) => conditionOf(rows, victim) !== "ok");
  assert.ok(["disconnected", "silent"].includes(conditionOf(rows, victim) ?? ""));
  const key = join(dev.home, "keys", "monitor.nkey");
  const atNats = ["--nats", `127.0.0.1:${dev.port}`, "--creds", key, "--cluster", "dev"];
  const lax = ["--warn", "lag=60000,skew=60000", ...atNats];
  const warning = await command(["check", ...lax]);
  assert.is(warning.exit, 1, warning.out);
  assert.match(warning.out, /^WARNING - (1 not heard|n\d is (disconnected|down)), 2 of 3 nodes ok/);
  const strict = await command(["check", ...lax, "--crit", "missing=1", "-o", "json"]);
  assert.is(strict.exit, 2);
  const { data, ok } = JSON.parse(strict.out);
  assert.equal([data.status, ok, strict.err], ["CRITICAL", true, ""]);
  const dead = await command(["check", "--home", join(dev.home, `n${victim}`)]);
  assert.is(dead.exit, 2, dead.out);
  assert.match(dead.out, /^CRITICAL - Cannot reach the daemon/);
});

test(
  "a wrong configuration, wrong credentials, a full disk are explained; without them it is back",
  limit(90_000, async ({ dev, example, victim }) => {
    const name = `n${victim}`;
    const witness = other(victim);
    const { config, state } = dev.paths(victim);
    const before = readFileSync(config, "utf8");
    writeFileSync(config, before.replace("chaos = true", "chaos = 7"));
    const wrong = await now(dev, victim, `config_error@${name}`);
    assert.match(wrong.evidence.join("\n"), "chaos must be true or false, is 7");

    const key = join(dev.home, "wrong.nkey");
    writeFileSync(key, `${newNkey().seed}\n`, { mode: 0o600 });
    writeFileSync(config, before.replace(/^nkey = .*$/m, `nkey = ${JSON.stringify(key)}`));
    await dev.ok("daemon start", victim);
    const denied = await first(dev, victim, `nats_denied@${name}`);
    assert.match(denied.evidence.join("\n"), "Authorization Violation");
    await first(dev, witness, `nats_denied@${name}`);
    await dev.ok("daemon stop", victim);
    writeFileSync(config, before);
    if (spawnSync("unshare", ["-m", "true"]).status === 0) {
      await fullDisk(dev, victim, state, async () => {
        const full = await first(dev, victim, `disk_full@${name}`);
        assert.match(full.evidence.join("\n"), /has 0 KiB of 512 KiB free/);
        await first(dev, witness, `disk_full@${name}`);
      });
    }
    await dev.ok("daemon start", victim);
    await well(dev);
    await rowsWith(example, (rows) => conditionOf(rows, victim) === "ok");
  }),
);

/**
 * Runs a daemon whose state folder is a disk of its own without room. What it has promised there is taken back to the
 * real folder: a disk that forgets is another fault.
 */
async function fullDisk(
  dev: DevCluster,
  index: number,
  state: string,
  work: () => Promise<void>,
): Promise<void> {
  const home = join(dev.home, `n${index}`);
  const kept = join(home, "kept");
  const [runtime, options] = program();
  const line = [runtime, ...options, "daemon", "run", "--home", home].map((word) => `'${word}'`)
    .join(" ");
  const script = `cp -a '${state}' '${kept}' &&
    mount -t tmpfs -o size=512k,mode=700 none '${state}' && cp -a '${kept}/.' '${state}/' &&
    { dd if=/dev/zero of='${state}/filler' bs=4k 2>/dev/null; ${line};
      rm '${state}/filler'; cp -a '${state}/.' '${kept}/'; }`;
  const daemon = new Process(["unshare", "-m", "sh", "-c", script]);
  try {
    await work();
    kill(await dev.pid(index), "SIGTERM");
    await daemon.ended;
    cpSync(kept, state, { recursive: true });
  } finally {
    await daemon.end();
    rmSync(kept, { recursive: true, force: true });
  }
}

test.run();
