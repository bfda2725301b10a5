/** What becomes of a CTDB configuration: commands, sections that a node takes, and a word on every option. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NodeConfig } from "../../../actors/node_config.ts";
import { readConfigFile } from "../../../cli/config.ts";
import { configText } from "../../../cli/membership/config_text.ts";
import { shellWord } from "../../../cli/ctdb_config/plan.ts";
import { commandsOf, outcomes, planned, rowOf } from "./rig.ts";

const NODES = "10.0.0.1\n10.0.0.2\n";
const ENABLED = { file: "10.interface.script", why: undefined };

const test = suite("cli/ctdb_config: translate");

/** A node's configuration with these sections at its end, as the daemon reads it. */
function readBack(sections: string): NodeConfig {
  const nats = { servers: ["a:1"] };
  const base = configText(
    { cluster: "c", name: "n", ...nats, lock: { kind: "jetstream" } },
    "test",
  );
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-sections-"));
  try {
    writeFileSync(join(folder, "n0.toml"), `${base}\n${sections}`);
    return readConfigFile(join(folder, "n0.toml"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("nodes alone: the first is created, the others are invited and join", () => {
  assert.equal(commandsOf(planned({ nodes: NODES })), [
    "10.0.0.1: ctdbx cluster create lab --node-name n0 --addr 10.0.0.1:4379 --listen 10.0.0.1:4222",
    "10.0.0.1: ctdbx cluster invite n1 --node-name n0 --addr 10.0.0.2:4379",
    "10.0.0.2: ctdbx cluster join n1.ctdbx-invite --node-name n1 --addr 10.0.0.2:4379",
  ]);
});

test("a number that no node has is refused, with those that there are", () => {
  assert.throws(() => planned({ nodes: NODES }, 7), /Cannot be node 7: .* has 0, 1/);
});

test("IPv6, and nodes that are gone: names keep the old numbers, and it is said when numbers change", () => {
  const plan = planned({ nodes: "#10.0.0.9\n2001:db8::1\n2001:db8::2\n" });
  assert.match(
    commandsOf(plan)[0] ?? "",
    "--node-name n1 --addr [2001:db8::1]:4379 --listen [2001:db8::1]:4222",
  );
  assert.match(commandsOf(plan)[2] ?? "", "2001:db8::2: ctdbx cluster join n2.ctdbx-invite");
  assert.equal(outcomes(plan), ["node 0: not taken", "node 1: changed", "node 2: changed"]);
  assert.match(rowOf(plan, "node 2").text, "called n2, and gets the number 1");
});

test("whose files they are: by number, by an address of this machine, or by node address", () => {
  assert.is(planned({ nodes: NODES }).self, undefined);
  assert.is(planned({ nodes: NODES }, 1).self, "n1");
  assert.is(planned({ nodes: NODES }, undefined, ["127.0.0.1", "10.0.0.2"]).self, "n1");
  const conf = "[cluster]\nleader capability = no\nnode address = 10.0.0.1\n";
  const plan = planned({ nodes: NODES, conf }, 1);
  assert.is(plan.self, "n0", "what the file says goes before");
  assert.ok(commandsOf(plan).includes("ctdbx node role n0 --leader no"));
  const nobody = planned({ nodes: NODES, conf: "[legacy]\nstart as disabled = yes\n" });
  assert.ok(commandsOf(nobody).includes("ctdbx node disable NODE"));
  assert.match(
    rowOf(nobody, "legacy: start as disabled").text,
    "NODE is the one whose file this is",
  );
});

test("the cluster lock: a file beside ctdb's, or a helper, which is put in by hand before the daemon starts", () => {
  const file = planned({ nodes: NODES, conf: "[cluster]\ncluster lock = /shared/the lock\n" });
  assert.match(
    commandsOf(file)[0] ?? "",
    "--listen 10.0.0.1:4222 --lock 'file:/shared/the lock.ctdbx'",
  );
  assert.is(rowOf(file, "cluster: cluster lock").outcome, "changed");
  const helper = planned({ nodes: NODES, conf: "[cluster]\nrecovery lock = !/usr/bin/lock a b\n" });
  assert.match(
    rowOf(helper, "cluster: recovery lock").text,
    'command = ["/usr/bin/lock", "a", "b"]',
  );
  const commands = commandsOf(helper);
  assert.match(commands[0] ?? "", /--no-start$/);
  assert.is(commands[1], "10.0.0.1: ctdbx daemon start --node-name n0");
  assert.not.match(commands.join(), "sections.toml");
});

test("scripts, notify.sh and the log level: sections that a node takes, in its file before it starts", () => {
  const plan = planned({
    nodes: "10.0.0.1",
    conf: "[logging]\nlog level = debug\n[event]\ndebug script = /etc/ctdb/hung.sh\n",
    scripts: [ENABLED, { file: "50.samba.script", why: "it is not executable" }],
    scriptOptions: "CTDB_X=1",
    notify: "/etc/ctdb/notify.sh",
    notifications: [{ file: "10.mail.script", why: undefined }, { file: "README", why: "no" }],
  });
  const config = readBack(plan.sections);
  assert.is(config.log.level, "debug");
  assert.equal([config.scripts?.dir, config.scripts?.debug], ["/etc/ctdb", "hung.sh"]);
  assert.is(config.notify?.length, 1);
  assert.equal(outcomes(plan), [
    "node 0: taken",
    "logging: log level: taken",
    "event: debug script: taken",
    "script 10.interface.script: taken",
    "script 50.samba.script: not taken",
    "CTDB_X: taken",
    "notify.sh: taken",
    "10.mail.script: taken",
  ]);
  assert.equal(commandsOf(plan).slice(1), [
    "10.0.0.1: cat sections.toml >> /etc/ctdbx/n0.toml",
    "10.0.0.1: ctdbx daemon start --node-name n0",
  ]);
});

test("public addresses: a section that names ctdb's own files, unless failover is disabled", () => {
  const texts = { publicAddresses: "10.1.1.1/24 eth0,eth1\n", homeNodes: "10.1.1.1 1\n" };
  const plan = planned(texts);
  assert.is(
    plan.sections,
    '[addresses]\nfile = "/etc/ctdb/public_addresses"\nhome_nodes = "/etc/ctdb/home_nodes"\n',
  );
  assert.equal(outcomes(plan), ["address: taken", "home: taken"]);
  assert.equal(readBack(plan.sections).addresses, {
    file: "/etc/ctdb/public_addresses",
    homeNodes: "/etc/ctdb/home_nodes",
    backend: "dry",
    tickles: "established",
  });
  const off = planned({ ...texts, conf: "[failover]\ndisabled = yes\n" });
  assert.is(off.sections, "");
  assert.equal(outcomes(off), [
    "failover: disabled: taken",
    "address: not taken",
    "home: not taken",
  ]);
  assert.is(planned({ homeNodes: "10.1.1.1 1\n" }).sections, "", "homes without addresses");
});

test("without an enabled script none is run, and nobody reads script.options", () => {
  const plan = planned({
    conf: "[event]\ndebug script = hung.sh\n",
    scripts: [{ file: "10.interface.script", why: "it leads to nothing" }],
    scriptOptions: "CTDB_X=1",
    notifications: [{ file: "10.mail.script", why: undefined }],
  });
  assert.is(plan.sections, "");
  assert.is(rowOf(plan, "CTDB_X").outcome, "not taken");
  assert.match(rowOf(plan, "script 10.interface.script").text, "leads to nothing");
  assert.match(rowOf(plan, "10.mail.script").text, "notify.sh, which would call it");
});

test("tunables: those that differ from the default are set, with a word on what they do here", () => {
  const plan = planned({
    tunables: "RecoveryBanPeriod=60\nRecoveryBanPeriod=70\nKeepaliveLimit=3\nVacuumInterval=0\n" +
      "VacuumLimit=7\nEnableBans=1\n",
  });
  assert.equal(outcomes(plan), [
    "RecoveryBanPeriod: not taken",
    "RecoveryBanPeriod: taken",
    "KeepaliveLimit: changed",
    "VacuumInterval: not taken",
    "VacuumLimit: not taken",
    "EnableBans: taken",
  ]);
  assert.equal(commandsOf(plan), [
    "ctdbx tunable set RecoveryBanPeriod 70",
    "ctdbx tunable set KeepaliveLimit 3",
  ]);
  assert.match(plan.options[0]?.text ?? "", "set again on line 2");
  assert.match(rowOf(plan, "VacuumInterval").text, "here it must be 1 to 600 s");
  assert.match(rowOf(plan, "VacuumLimit").text, "obsolete");
});

/** Every option of ctdb.conf(5), with values that are not ctdb's defaults. */
const ALL_CONF = `
[logging]
location = syslog:udp
log level = WARNING
[cluster]
cluster lock = /shared/lock
leader capability = false
leader timeout = 10
node address = 10.0.0.1
transport = ib
[database]
volatile database directory = /v
persistent database directory = /p
state database directory = /s
tdb mutexes = false
lock debug script = debug_locks.sh
[event]
debug script = hung.sh
[failover]
disabled = true
[legacy]
ctdb start as stopped = true
start as disabled = true
realtime scheduling = false
lmaster capability = false
script log level = INFO
`;

test("each option of ctdb.conf is known, and each has a word", () => {
  const plan = planned({ nodes: NODES, conf: ALL_CONF });
  const rows = plan.options.filter(({ file }) => file === "ctdb.conf");
  assert.is(rows.length, ALL_CONF.split("\n").filter((line) => line.includes("=")).length);
  for (const { text, line } of rows) assert.ok(text.length > 10 && line !== undefined, text);
  assert.equal(commandsOf(plan).slice(-4), [
    "ctdbx node role n0 --leader no",
    "ctdbx node stop n0",
    "ctdbx node disable n0",
    "ctdbx node role n0 --lmaster no",
  ]);
});

test("what is as ctdb has it anyway needs no command", () => {
  const conf = "[cluster]\nleader capability = true\n[legacy]\nstart as disabled = 0\n";
  const plan = planned({ conf });
  assert.equal(commandsOf(plan), []);
  assert.equal(outcomes(plan), [
    "cluster: leader capability: taken",
    "legacy: start as disabled: taken",
  ]);
});

const FAULTS: readonly (readonly [texts: Parameters<typeof planned>[0], said: string])[] = [
  [
    { conf: "[cluster]\nrecoverylock = /x" },
    'ctdb.conf: line 2: there is no option "recoverylock" in [cluster]',
  ],
  [{ conf: "[cluster]\nlog level = INFO" }, 'there is no option "log level" in [cluster]'],
  [
    { conf: "[logging]\nlog level = LOUD" },
    'log level must be ERROR, WARNING, NOTICE, INFO or DEBUG, is "LOUD"',
  ],
  [{ conf: "[logging]\nlog level = constructor" }, "log level must be ERROR"],
  [{ conf: "[cluster]\nleader capability = maybe" }, 'must be true or false, is "maybe"'],
  [{ conf: "[cluster]\nleader timeout = soon" }, "must be a number of seconds"],
  [{ conf: "[cluster]\ntransport = udp" }, "must be tcp or ib"],
  [{ conf: "[cluster]\ncluster lock = lock" }, "must be an absolute path, or ! and a command"],
  [{ conf: "[cluster]\ncluster lock =" }, "must be a file"],
  [{ conf: "[cluster]\ncluster lock = !helper" }, "must name its program by an absolute path"],
  [
    { nodes: NODES, conf: "[cluster]\nnode address = 10.0.0.3" },
    'line 2: node address must be one of the addresses in the file nodes, is "10.0.0.3"',
  ],
  [
    { publicAddresses: "10.1.1.1/24 eth0\n10.1.1.1/24 eth1\n" },
    "/etc/ctdb/public_addresses: line 2:",
  ],
  [{ publicAddresses: "10.1.1.1 eth0" }, "public_addresses: line 1:"],
  [{ homeNodes: "10.1.1.1 x" }, "home_nodes: line 1:"],
  [{ nodes: "10.0.0.1\nten" }, "/etc/ctdb/nodes: line 2:"],
  [{ tunables: "A=1" }, "/etc/ctdb/ctdb.tunables: line 1:"],
];

for (const [texts, said] of FAULTS) {
  test(`refused, with file and line: ${said}`, () => {
    try {
      planned(texts);
    } catch (error) {
      return assert.match((error as Error).message, said);
    }
    assert.unreachable("it was taken");
  });
}

test("words go to a shell as they are", () => {
  assert.is(shellWord("/a-b.c:1"), "/a-b.c:1");
  assert.is(shellWord("it's $HOME"), `'it'\\''s $HOME'`);
  assert.is(shellWord(""), "''");
});

test.run();
