/** The stand-in of CTDB's tool: its answers in the forms that ctdb 4.17 was seen to print, and its exit codes. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EventStatus } from "../../actors/verbs/events.ts";
import type { NodeAnswer } from "../../cli/answers.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";
import type { StandinPorts } from "../../cli/standin/form.ts";
import { answerCtdb } from "../../cli/standin/standin.ts";

const test = suite("stand-in of ctdb");

const HEAD =
  "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|\n";

function node(pnn: number, condition: string, more: Partial<NodeAnswer> = {}): NodeAnswer {
  return {
    pnn,
    name: `n${pnn}`,
    nodeId: "",
    tag: "",
    addr: `127.0.0.${pnn + 1}`,
    condition,
    isMember: true,
    isLeader: pnn === 1,
    isVoter: true,
    isThis: pnn === 0,
    ...more,
  };
}

const STATUS: EventStatus = {
  phase: "running",
  doing: "waiting",
  healthy: true,
  failures: 0,
  events: [{
    event: "monitor",
    args: [],
    outcome: "failed",
    startWallMs: 1_795_714_569_000,
    tookMs: 5,
    okCount: 0,
    failedCount: 1,
    timeoutCount: 0,
    scripts: [
      { name: "00.noop", outcome: "ok", exit: 0, ...ran(2) },
      { name: "10.off", outcome: "disabled", ...ran(0) },
      { name: "20.bad", outcome: "failed", exit: 1, ...ran(37), output: "no\nway\n" },
    ],
  }],
};

function ran(tookMs: number) {
  return { startWallMs: 1_795_714_569_000, tookMs, output: "", cutBytes: 0 };
}

/** A node whose answers are these; what it is asked to do is noted. */
function rig(answers: Readonly<Record<string, unknown>>, input = "") {
  const asked: string[] = [];
  const ports: StandinPorts = {
    ask: (verb, args) => {
      asked.push(args === undefined ? verb : `${verb} ${JSON.stringify(args)}`);
      if (verb in answers) return Promise.resolve(answers[verb]);
      return Promise.reject(new Failure(EXIT.notFound, "Cannot reach the daemon: nobody listens"));
    },
    input: () => Promise.resolve(input),
    cluster: () => Promise.reject(new Failure(EXIT.other, "no cluster")),
    bind: (port) => Promise.resolve(port === 139 ? 98 : 0),
  };
  return {
    asked,
    async ctdb(words: string): Promise<[string, number]> {
      const { out = "", err = "", code } = await answerCtdb(words.split(" "), ports);
      assert.ok(out === "" || err === "", "both");
      return [out + err, code];
    },
  };
}

const NODES = {
  "node list": [node(0, "ok"), node(1, "disconnected"), node(2, "unhealthy"), node(3, "stopped")],
  "node status": { pnn: 0, runstate: "running", generation: "680581768" },
  "event status": STATUS,
  "node process": { pid: 715 },
};

test("this node", async () => {
  const { ctdb } = rig(NODES);
  assert.equal(await ctdb("pnn"), ["0\n", 0]);
  assert.equal(await ctdb("getpid"), ["715\n", 0]);
  assert.equal(await ctdb("runstate"), ["RUNNING\n", 0]);
  assert.equal(await ctdb("runstate startup running"), ["RUNNING\n", 0]);
  assert.equal(await ctdb("runstate startup"), ["RUNNING\n", 1]);
  const early = rig({ ...NODES, "event status": { ...STATUS, phase: "startup" } });
  assert.equal(await early.ctdb("runstate"), ["STARTUP\n", 0]);
  const fresh = rig({ ...NODES, "node status": { runstate: "init" } });
  assert.equal(await fresh.ctdb("pnn"), ["This node has no number yet\n", 1]);
});

test("nodes for machines and for people; the exit code has their flags", async () => {
  const { ctdb } = rig(NODES);
  assert.equal(await ctdb("-X nodestatus"), [`${HEAD}|0|127.0.0.1|0|0|0|0|0|0|0|0|Y|\n`, 0]);
  assert.equal(await ctdb("nodestatus"), ["pnn:0 127.0.0.1        OK (THIS NODE)\n", 0]);
  assert.equal(await ctdb("-X nodestatus all"), [
    `${HEAD}|0|127.0.0.1|0|0|0|0|0|0|0|0|Y|
|1|127.0.0.2|1|0|0|0|1|0|1|0|N|
|2|127.0.0.3|0|0|0|0|1|0|0|0|N|
|3|127.0.0.4|0|0|0|0|0|1|1|0|N|\n`,
    1 + 2 + 32,
  ]);
  const [people] = await ctdb("nodestatus all");
  assert.match(people, "Number of nodes:4\npnn:0 127.0.0.1        OK (THIS NODE)\n");
  assert.match(people, "pnn:1 127.0.0.2        DISCONNECTED|UNHEALTHY\n");
  assert.equal(await ctdb("nodestatus 2,3 -Y"), [
    `${
      HEAD.replaceAll("|", ":")
    }:2:127.0.0.3:0:0:0:0:1:0:0:0:N:\n:3:127.0.0.4:0:0:0:0:0:1:1:0:N:\n`,
    34,
  ]);
  assert.equal(await ctdb("nodestatus 7"), ["Node 7 does not exist\n", 255]);
  assert.is((await rig({}).ctdb("nodestatus all"))[1], 255);
});

test("every condition has flags, and ports are no part of an address", async () => {
  const flags = { banned: 8, disabled: 4, draining: 4, joining: 2, unknown: 2 };
  for (const [condition, code] of Object.entries(flags)) {
    const { ctdb } = rig({ "node list": [node(0, condition, { addr: "[fd00::1]:4379" })] });
    const [out, exit] = await ctdb("-X nodestatus");
    assert.is(exit, code, condition);
    assert.match(out, "|0|fd00::1|");
  }
});

test("the cluster", async () => {
  const { ctdb } = rig(NODES);
  assert.equal(await ctdb("leader"), ["1\n", 0]);
  assert.equal(await ctdb("listnodes"), ["127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4\n", 0]);
  assert.match((await ctdb("-X listnodes"))[0], "|0|127.0.0.1|\n|1|127.0.0.2|\n");
  assert.equal(await ctdb("getcapabilities"), ["LEADER: YES\nLMASTER: YES\n", 0]);
  assert.equal(await ctdb("-X getcapabilities"), ["|LEADER|LMASTER|\n|1|1|\n", 0]);
  const [status] = await ctdb("status");
  assert.match(status, "Generation:680581768\nSize:4\nhash:0 lmaster:0\n");
  assert.match(status, "Recovery mode:NORMAL (0)\nLeader:1\n");
});

test("scripts as the last event left them", async () => {
  const { ctdb, asked } = rig({
    ...NODES,
    "event list": {
      scripts: [
        { name: "00.noop", state: "enabled", place: "folder" },
        { name: "README", state: "ignored", place: "folder" },
        { name: "11.natgw", state: "disabled", place: "stock" },
      ],
    },
    "event enable": {},
  });
  const expected = `00.noop              OK         0.002 Thu Nov 26 17:36:09 2026
10.off               DISABLED
20.bad               ERROR      0.037 Thu Nov 26 17:36:09 2026
  OUTPUT: no
  way\n`;
  assert.equal(await ctdb("scriptstatus"), [expected, 1]);
  assert.equal(await ctdb("event status legacy monitor"), [expected, 1]);
  assert.equal(await ctdb("event status legacy takeip"), [
    "Event takeip has never run in legacy\n",
    22,
  ]);
  assert.equal(await ctdb("event script list legacy"), ["* 00.noop\n  11.natgw\n", 0]);
  assert.equal(await ctdb("event script enable legacy 11.natgw"), ["", 0]);
  assert.is(asked.at(-1), `event enable {"name":"11.natgw"}`);
  assert.is((await ctdb("event script disable legacy 77.x"))[1], 2);
});

test("interfaces, ports and tunables", async () => {
  const { ctdb, asked } = rig({
    "ip list": [{ interfaces: ["eth0", "eth1"] }, { interfaces: ["eth1", "eth2"] }],
    "event links": [
      { iface: "eth0", isUp: true },
      { iface: "eth1", isUp: false },
      { iface: "gone0", isUp: false },
    ],
    "event link": {},
    "tunable get": { name: "EventScriptTimeout", value: 30 },
    "tunable set": {},
  });
  assert.equal(await ctdb("-X ifaces"), [
    "|Name|LinkStatus|References|\n|eth0|1|1|\n|eth1|0|2|\n|eth2|1|1|\n",
    0,
  ]);
  assert.match((await ctdb("ifaces"))[0], "name:eth1 link:down references:2\n");
  assert.equal(await ctdb("setifacelink eth1 down"), ["", 0]);
  assert.is(asked.at(-1), `event link {"iface":"eth1","up":false}`);
  assert.is((await ctdb("setifacelink eth1"))[1], 1);
  assert.equal(await ctdb("checktcpport 139"), ["", 98]);
  assert.equal(await ctdb("checktcpport 8080"), ["", 0]);
  assert.is((await ctdb("checktcpport 70000"))[1], 1);
  assert.equal(await ctdb("getvar EventScriptTimeout"), ["EventScriptTimeout         = 30\n", 0]);
  assert.equal(await ctdb("setvar MonitorInterval 5"), ["", 0]);
  assert.is(asked.at(-1), `tunable set {"name":"MonitorInterval","to":"5"}`);
});

test("what cannot be answered says so, and is no success", async () => {
  const { ctdb } = rig(NODES);
  assert.equal(await ctdb("foo"), ["Unknown command 'foo'\n", 1]);
  assert.equal(await ctdb("toString"), ["Unknown command 'toString'\n", 1]);
  assert.equal(await ctdb("moveip 192.0.2.1 0"), ["ctdbx does not answer `ctdb moveip`\n", 1]);
  assert.equal(await ctdb("--frobnicate pnn"), [
    "Unknown option '--frobnicate': ctdbx does not answer it\n",
    1,
  ]);
  assert.is((await ctdb("event run 10 legacy monitor"))[1], 1);
  assert.equal(await ctdb("ifaces"), ["Cannot reach the daemon: nobody listens\n", 1]);
  assert.equal(await ctdb("attach ctdb.tdb"), ["no cluster\n", 1]);
  assert.is((await ctdb("attach ctdb.tdb odd"))[1], 1);
});

test("options of CTDB's tool that scripts use are taken", async () => {
  const { ctdb } = rig(NODES);
  assert.equal(await ctdb("-t 5 pnn"), ["0\n", 0]);
  assert.equal(await ctdb("--timelimit=5 pnn"), ["0\n", 0]);
  assert.match((await ctdb("-x , nodestatus"))[0], ",0,127.0.0.1,");
});

test("addresses: of this node, of all, with their interfaces", async () => {
  const { ctdb } = rig({
    "ip ls": [
      { address: "192.0.2.3", state: "unhosted" },
      { address: "192.0.2.2", pnn: 1, state: "hosted" },
      { address: "192.0.2.1", pnn: 0, state: "hosted" },
    ],
    "ip list": [
      { address: "192.0.2.1", bits: 24, interfaces: ["eth0", "eth1"], isHeld: true },
      { address: "192.0.2.2", bits: 24, interfaces: ["eth1"], isHeld: false },
    ],
    "event links": [{ iface: "eth0", isUp: false }, { iface: "eth1", isUp: true }],
  });
  assert.equal(await ctdb("-X ip"), ["|Public IP|Node|\n|192.0.2.2|1|\n|192.0.2.1|0|\n", 0]);
  assert.equal(await ctdb("ip"), ["Public IPs on this node\n192.0.2.2 1\n192.0.2.1 0\n", 0]);
  assert.equal(await ctdb("ip all"), [
    "Public IPs on ALL nodes\n192.0.2.3 -1\n192.0.2.2 1\n192.0.2.1 0\n",
    0,
  ]);
  assert.equal(await ctdb("ip -v -X"), [
    `|Public IP|Node|ActiveInterfaces|AvailableInterfaces|ConfiguredInterfaces|
|192.0.2.2|1||eth1|eth1|
|192.0.2.1|0|eth1|eth1|eth0,eth1|\n`,
    0,
  ]);
  assert.match(
    (await ctdb("ip -v"))[0],
    "192.0.2.1 node[0] active[eth1] available[eth1] configured[eth0,eth1]\n",
  );
  const none = rig({ "ip list": [] });
  assert.equal(await none.ctdb("-X ip"), ["|Public IP|Node|\n", 0]);
  assert.is((await none.ctdb("ip all"))[1], 1);
});

test("connections in words or on standard input; without any nothing is asked", async () => {
  for (const verb of ["addtickle", "deltickle", "tickle"]) {
    const none = rig(NODES);
    assert.equal(await none.ctdb(verb), ["", 0]);
    assert.equal(none.asked, []);
    assert.is((await none.ctdb(`${verb} 192.0.2.9:700`))[1], 1);
  }
  const input = "192.0.2.9:700 192.0.2.1:445\n\n2001:db8::9:7 2001:db8::1:445\n";
  const two = rig({ "ip tickle add": { connections: 2, changed: 2 } }, input);
  assert.equal(await two.ctdb("addtickle"), ["", 0]);
  assert.equal(two.asked, [
    'ip tickle add {"connections":[["192.0.2.9:700","192.0.2.1:445"],["2001:db8::9:7","2001:db8::1:445"]]}',
  ]);
  const one = rig({ "ip tickle send": { connections: 1 } });
  assert.equal(await one.ctdb("tickle 192.0.2.9:700 192.0.2.1:445"), ["", 0]);
  const many = rig({ "ip tickle del": {} }, "192.0.2.9:700 192.0.2.1:445\n".repeat(1030));
  assert.equal(await many.ctdb("deltickle"), ["", 0]);
  assert.is(many.asked.length, 3);
  // The node says why not.
  assert.is((await rig(NODES, "x y\n").ctdb("addtickle"))[1], 1);
});

test("connections that are known, in CTDB's form, also of a port, and page by page", async () => {
  const pages = [
    { client: "192.0.2.9:700", server: "192.0.2.1:445", isTold: true },
    { client: "192.0.2.9:701", server: "192.0.2.1:2049", isTold: false },
  ];
  let page = 0;
  const known = {
    get "ip tickle ls"() {
      const connections = pages.slice(page % 2, page % 2 + 1);
      page += 1;
      return { owner: 0, total: 2, connections };
    },
  };
  assert.equal(await rig(known).ctdb("-X gettickles 192.0.2.1"), [
    "|Source IP|Port|Destiation IP|Port|\n|192.0.2.9|700|192.0.2.1|445|\n|192.0.2.9|701|192.0.2.1|2049|\n",
    0,
  ]);
  assert.equal(await rig(known).ctdb("gettickles 192.0.2.1 2049"), [
    "Connections for IP: 192.0.2.1\nNum connections: 1\nSRC: 192.0.2.9:701   DST: 192.0.2.1:2049\n",
    0,
  ]);
  assert.is((await rig(known).ctdb("gettickles"))[1], 1);
});

test("gratuitous ARP, by both of its names", async () => {
  for (const verb of ["gratarp", "gratiousarp"]) {
    const { ctdb, asked } = rig({ "ip arp": { frames: 2 } });
    assert.equal(await ctdb(`${verb} 192.0.2.1 eth0`), ["", 0]);
    assert.equal(asked, ['ip arp {"address":"192.0.2.1","iface":"eth0"}']);
    assert.is((await ctdb(`${verb} 192.0.2.1`))[1], 1);
  }
});

test.run();
