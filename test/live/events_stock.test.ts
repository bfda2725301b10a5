/** The stock scripts of CTDB, as Debian's package has them, on a node of ctdbx: unchanged. */

import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { EventEnd } from "../../transport/wire/event_daemon.ts";
import { limit, skip } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { EventNode } from "./events_rig.ts";

const STOCK = "/usr/share/ctdb/events/legacy";
/** Those that look at nothing but the machine and the node. */
const SCRIPTS = ["00.ctdb", "01.reclock", "05.system", "10.interface", "11.natgw", "91.lvs"];

const test = sharedSuite<{ node: EventNode | undefined }>("stock scripts");

test.before(async (context) => {
  if (!existsSync(STOCK) || !existsSync("/etc/ctdb/functions")) return;
  const node = await EventNode.make({}, `timeout = 30\nmonitor_interval = 2`);
  symlinkSync("/etc/ctdb/functions", join(node.base, "functions"));
  // An address that nobody has, on an interface that every machine has.
  writeFileSync(join(node.base, "public_addresses"), "192.0.2.77/24 lo\n");
  writeFileSync(
    join(node.base, "script.options"),
    "CTDB_MONITOR_MEMORY_USAGE=100\nCTDB_MONITOR_FILESYSTEM_USAGE=/:100\n",
  );
  for (const name of SCRIPTS) {
    symlinkSync(join(STOCK, `${name}.script`), join(node.folder, `${name}.script`));
  }
  context.node = node;
});
test.after(async ({ node }) => await node?.end());

test(
  "their start and monitor events pass, and the node is healthy",
  limit(200_000, async ({ node }) => {
    if (node === undefined) return skip("Debian's ctdb package is not installed");
    node.start();
    const { events } = await node.events("healthy", ({ healthy }) => healthy);
    for (const event of ["init", "setup", "startup", "recovered", "monitor"]) {
      const end = events.find((each) => each.event === event);
      assert.is(end?.outcome, "ok", `${event}: ${JSON.stringify(end)}`);
      assert.equal(end?.scripts.map(({ name }) => name), SCRIPTS);
    }
    // 10.interface has told of the interface, 00.ctdb has made its database.
    assert.equal(await node.ask("event links"), [{ iface: "lo", isUp: true }]);
    const databases = await node.ask<{ name: string; kind: string }[]>("db ls");
    assert.ok(databases.some(({ name }) => name === "ctdb.tdb"), JSON.stringify(databases));
    // 05.system asks ctdb-config where databases are.
    const options = readFileSync(join(node.home.paths.run, "scripts", "db_options.cache"), "utf8");
    assert.match(options, `CTDB_DBDIR="${node.home.paths.state}"`);
  }),
);

test(
  "what fails in them is seen",
  limit(200_000, async ({ node }) => {
    if (node === undefined) return skip("Debian's ctdb package is not installed");
    writeFileSync(join(node.base, "public_addresses"), "192.0.2.77/24 nowhere0\n");
    const { why, events } = await node.events("unhealthy", ({ healthy }) => !healthy);
    assert.is(why, "monitor: 10.interface: exit code 1");
    const monitor = events.find(({ event }) => event === "monitor");
    assert.match(monitor?.scripts.at(-1)?.output ?? "", "nowhere0");
    writeFileSync(join(node.base, "public_addresses"), "192.0.2.77/24 lo\n");
    await node.events("healthy again", ({ healthy }) => healthy);
    const moved = await node.ask<EventEnd>("event run", { event: "ipreallocated" });
    assert.is(moved.outcome, "ok", moved.why);
  }),
);

test(
  "their database keeps what statd-callout would write",
  limit(200_000, ({ node }) => {
    if (node === undefined) return skip("Debian's ctdb package is not installed");
    const tool = join(node.home.paths.state, "tools", "ctdb");
    const run = (words: string, input = "") =>
      spawnSync("/bin/sh", ["-c", `"${tool}" ${words}`], { input, encoding: "utf8" });
    const key = "statd-state@192.0.2.77@192.0.2.9";
    assert.is(run("ptrans ctdb.tdb", `"${key}" "1 2"\n`).status, 0);
    const shown = run("catdb ctdb.tdb").stdout;
    assert.match(shown, `key(${key.length}) = "${key}"\ndata(3) = "1 2"\n`);
    assert.is(run("ptrans ctdb.tdb", `"${key}" ""\n`).status, 0);
    assert.match(run("catdb ctdb.tdb").stdout, "Dumped 0 records");
    const torn = run("ptrans ctdb.tdb", `"a" "b"\n"c"\n`);
    assert.is(torn.status, 1);
    assert.match(torn.stderr, "Cannot read line 2");
    assert.match(run("catdb ctdb.tdb").stdout, "Dumped 0 records");
  }),
);

test.run();
