/**
 * Event scripts of one real node: their order and their surroundings, what they do to its health, and what hostile ones
 * do not do to it.
 */

import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import type { EventEnd } from "../../transport/wire/event_daemon.ts";
import { isAlive, until } from "../../cli/processes.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { EventNode } from "./events_rig.ts";
import { gone } from "./process.ts";

const test = sharedSuite<{ node: EventNode }>("live events");

/** Tells each event; and what surrounds it, once. */
const TELLS = `echo "$*" >> "$CTDB_BASE/told"
[ "$1" = init ] && env | grep '^CTDB' | sort > "$CTDB_BASE/env"
[ "$1" = init ] && command -v ctdb > "$CTDB_BASE/which"
exit 0`;
/** Does what a file says. */
const HOSTILE = `mode=$(cat "$CTDB_BASE/mode")
[ "$1" = "\${mode%% *}" ] || exit 0
echo "$$" > "$CTDB_BASE/pid"
eval "\${mode#* }"`;
/** Seconds of an event. */
const TIMEOUT_S = 3;

test.before(async (context) => {
  const scripts = { "10.tells": TELLS, "50.hostile": HOSTILE, "90.last": "exit 0" };
  const section = `timeout = ${TIMEOUT_S}\nmonitor_interval = 1\nmonitor_timeouts = 1`;
  context.node = await EventNode.make(scripts, `${section}\ndebug = "debug.sh"`);
  context.node.put("mode", "none :");
  context.node.put("debug.sh", `#!/bin/sh\necho "$*" > "$CTDB_BASE/debugged"\n`);
  chmodSync(join(context.node.base, "debug.sh"), 0o755);
});
test.after(async ({ node }) => await node.end());

/** Has an event run in which the hostile script does that; answers its end, and the script's process id. */
async function hostile(node: EventNode, text: string): Promise<{ end: EventEnd; pid: number }> {
  node.put("mode", `startipreallocate ${text}`);
  const end = await node.ask<EventEnd>("event run", { event: "startipreallocate" });
  return { end, pid: Number(node.told("pid")) };
}

test(
  "a node runs its events in their order, each with what scripts expect",
  limit(200_000, async ({ node }) => {
    node.start();
    const { phase } = await node.events("healthy", ({ healthy }) => healthy);
    assert.is(phase, "running");
    const told = node.told("told").trim().split("\n");
    const start = told.filter((event) => !["monitor", "ipreallocated"].includes(event));
    assert.equal([...new Set(start)].slice(0, 2), ["init", "setup"]);
    assert.ok(told.indexOf("startrecovery") > told.indexOf("setup"));
    assert.ok(told.lastIndexOf("recovered") > told.indexOf("startrecovery"));
    assert.ok(told.indexOf("startup") > told.indexOf("recovered"));
    assert.ok(told.indexOf("ipreallocated") > told.indexOf("startup"));
    assert.ok(told.indexOf("monitor") > told.indexOf("startup"));
    const { home, base } = node;
    const tools = join(home.paths.state, "tools");
    assert.equal(node.told("env").trim().split("\n"), [
      `CTDB=${tools}/ctdb`,
      `CTDB_BASE=${base}`,
      "CTDB_DEBUGLEVEL=NOTICE",
      `CTDB_HELPER_BINDIR=${tools}`,
      `CTDB_LOGGING=file:${home.paths.run}/scripts.log`,
      `CTDB_SCRIPT_VARDIR=${home.paths.run}/scripts`,
      `CTDB_SOCKET=${home.paths.socket}`,
    ]);
    assert.is(node.told("which").trim(), `${tools}/ctdb`);
  }),
);

test(
  "the node is as healthy as its monitor event",
  limit(200_000, async ({ node }) => {
    node.put("mode", "monitor echo it is broken; exit 3");
    const ill = await node.events("unhealthy", ({ healthy }) => !healthy);
    assert.is(ill.why, "monitor: 50.hostile: exit code 3");
    const own = await node.ask<{ healthy: boolean; why: string; condition: string }>("node status");
    assert.is(own.healthy, false);
    assert.is(own.condition, "unhealthy");
    assert.match(own.why, "event scripts: monitor: 50.hostile: exit code 3");
    const shown = await node.home.run("event status monitor");
    assert.match(
      shown.out,
      /50\.hostile\s+failed\s+[\d.]+ s\s+\S+Z\s+exit code 3\n {4}it is broken\n$/,
    );
    node.put("mode", "none :");
    await node.events("healthy again", ({ healthy }) => healthy);
  }),
);

test(
  "one that hangs is ended with its group, debugged, and makes the node unhealthy",
  limit(200_000, async ({ node }) => {
    node.put(
      "mode",
      `monitor sleep 1000 & echo $! > "$CTDB_BASE/child"; trap "" TERM; wait; sleep 1000`,
    );
    const { events } = await node.events("unhealthy", ({ healthy }) => !healthy);
    const monitor = events.find(({ event }) => event === "monitor");
    assert.is(monitor?.outcome, "timeout");
    assert.is(monitor?.scripts.at(-1)?.name, "50.hostile");
    node.put("mode", "none :");
    await gone(Number(node.told("pid")), isAlive);
    await gone(Number(node.told("child")), isAlive);
    assert.match(node.told("debugged"), /^\d+ monitor\n$/);
    await node.events("healthy again", ({ healthy }) => healthy);
  }),
);

test(
  "a flood is cut, and the end of it is kept",
  limit(200_000, async ({ node }) => {
    const { end } = await hostile(node, "seq 1 300000; exit 1");
    const last = end.scripts.at(-1);
    assert.is(end.outcome, "failed");
    assert.match(last?.output ?? "", /299999\n300000\n$/);
    assert.ok((last?.cutBytes ?? 0) > 1_900_000);
    const endless = await hostile(node, "yes");
    assert.is(endless.end.outcome, "timeout");
    await gone(endless.pid, isAlive);
  }),
);

test(
  "who holds the pipe, or has closed it, is not waited for",
  limit(200_000, async ({ node }) => {
    const held = await hostile(node, `(sleep 1000 & echo $! > "$CTDB_BASE/child"); exit 0`);
    assert.is(held.end.outcome, "ok");
    const child = Number(node.told("child"));
    assert.is(isAlive(child), true);
    process.kill(child, "SIGKILL");
    const closed = await hostile(node, "exec >&- 2>&- <&-; sleep 1000");
    assert.is(closed.end.outcome, "timeout");
    await gone(closed.pid, isAlive);
  }),
);

test(
  "one that kills what runs it takes down the event daemon alone",
  limit(200_000, async ({ node }) => {
    const { pid } = node;
    const group = await hostile(node, "kill -KILL 0; sleep 1000");
    assert.is(group.end.outcome, "failed");
    assert.is(group.end.scripts.at(-1)?.outcome, "killed");
    const parent = await hostile(node, "kill -KILL $PPID; sleep 1000");
    assert.is(parent.end.outcome, "lost");
    await gone(parent.pid, isAlive);
    node.put("mode", "none :");
    const again = await node.ask<EventEnd>("event run", { event: "startipreallocate" });
    assert.is(again.outcome, "ok");
    await node.events("healthy", ({ healthy, failures }) => healthy && failures === 1);
    assert.is(node.pid, pid);
    assert.is(isAlive(pid), true);
  }),
);

test(
  "events are run by hand, and what is wrong is said",
  limit(200_000, async ({ node }) => {
    node.put("mode", "takeip exit 7");
    const failed = await node.home.run("event run takeip eth0 192.0.2.1 24");
    assert.is(failed.exit, 8, failed.out);
    assert.match(failed.err, "50.hostile: exit code 7");
    await node.holds("told", /^takeip eth0 192\.0\.2\.1 24$/m);
    node.put("mode", "none :");
    assert.is((await node.home.run("event run ipreallocated")).exit, 0);
    const few = await node.home.run("event run takeip eth0");
    assert.is(few.exit, 4);
    assert.match(few.err, "it has 3 arguments, not 1");
    const wrong = await node.home.run("event run monitr");
    assert.is(wrong.exit, 2);
    assert.match(wrong.err, "is monitor meant?");
  }),
);

test(
  "scripts are listed, switched, and refused with the reason",
  limit(200_000, async ({ node }) => {
    writeFileSync(join(node.folder, "README"), "");
    const off = await node.home.run("event disable 90.last");
    assert.is(off.exit, 0, off.err);
    chmodSync(join(node.folder, "10.tells.script"), 0o777);
    const list = await node.home.run("event list -o json");
    const { data } = JSON.parse(list.out) as {
      data: { name: string; state: string; why: string }[];
    };
    const states = data.filter(({ state }) => state !== "disabled")
      .map(({ name, state, why }) => `${name} ${state} ${why}`);
    assert.equal(states, [
      "10.tells refused everybody may write to it",
      "50.hostile enabled null",
      "README ignored its name is not NN.NAME.script",
    ]);
    assert.is(data.find(({ name }) => name === "90.last")?.state, "disabled");
    const refused = await node.ask<EventEnd>("event run", { event: "startipreallocate" });
    assert.is(refused.outcome, "refused");
    assert.is(refused.why, "10.tells: everybody may write to it");
    chmodSync(join(node.folder, "10.tells.script"), 0o755);
    assert.is((await node.home.run("event enable 90.last")).exit, 0);
    const none = await node.home.run("event enable 77.nothing");
    assert.is(none.exit, 3, none.err);
    await node.events("healthy", ({ healthy }) => healthy);
  }),
);

test(
  "the stand-in answers as CTDB's tool does",
  limit(200_000, async ({ node }) => {
    const tool = join(node.home.paths.state, "tools", "ctdb");
    const calls = [
      "pnn",
      "-X nodestatus all",
      "runstate",
      "setifacelink lo up",
      "-X ifaces",
      "gratarp 192.0.2.1 lo",
      "foo",
    ];
    const text = calls.map((call) => `${tool} ${call}; echo "= $?"`).join("; ");
    const { end } = await hostile(
      node,
      `trap "" TERM; ( ${text} ) > "$CTDB_BASE/answers" 2>&1 & exit 0`,
    );
    assert.is(end.outcome, "ok");
    const found = await until(
      () => node.told("answers").split("= ").length > calls.length,
      100_000,
    );
    assert.ok(found, node.told("answers"));
    assert.equal(node.told("answers").trim().split("\n"), [
      "0",
      "= 0",
      "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|",
      "|0|127.0.0.1|0|0|0|0|0|0|0|0|Y|",
      "= 0",
      "RUNNING",
      "= 0",
      "= 0",
      "|Name|LinkStatus|References|",
      "= 0",
      "Cannot send packets: this node sets no real addresses (backend dry, or no section [addresses])",
      "= 1",
      "Unknown command 'foo'",
      "= 1",
    ]);
  }),
);

test(
  "what the commands print as JSON is what their schema says",
  limit(200_000, async ({ node }) => {
    for (
      const words of [
        "event status",
        "event status monitor",
        "event status updateip",
        "event run ipreallocated",
        "event run takeip x",
        "event list",
        "event disable 90.last",
        "event enable 90.last",
        // The clients of addresses, which a node without real ones only keeps in mind.
        "iface ls",
        "iface set lo up",
        "iface set lo sideways",
        "ip tickle ls",
        "ip tickle add 192.0.2.9:700 192.0.2.1:445",
        "ip tickle add 192.0.2.9:700 [2001:db8::1]:445",
        "ip tickle ls",
        "ip tickle ls 192.0.2.1",
        "ip tickle del 192.0.2.9:700 192.0.2.1:445",
        "ip tickle send 192.0.2.9:700 192.0.2.1:445",
        "ip arp 192.0.2.1 lo",
      ]
    ) {
      const { out, exit } = await node.home.run(`${words} -o json`);
      const schema = JSON.parse((await node.home.run(`${words} --schema`)).out) as JsonSchema;
      const envelope = JSON.parse(out) as { ok: boolean };
      assert.equal(wrongs(schema, envelope), [], `${words}: ${out}`);
      assert.is(envelope.ok, exit === 0, words);
    }
  }),
);

test(
  "a planned end is told by shutdown; a sudden one ends scripts, too",
  limit(200_000, async ({ node }) => {
    node.put("mode", "none :");
    process.kill(node.pid, "SIGTERM");
    await gone(node.pid, isAlive);
    assert.is(node.told("told").trim().split("\n").at(-1), "shutdown");
    node.put("mode", "setup sleep 1000");
    rmSync(join(node.base, "pid"));
    const daemon = node.start();
    await node.holds("pid", /^\d+\n$/);
    const pid = Number(node.told("pid"));
    await daemon.end();
    await gone(pid, isAlive);
  }),
);

test.run();
