/** Files of CTDB, line by line: what they say, and what is wrong with them, by file and line. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  readConf,
  readNodes,
  readScriptOptions,
  readTunables,
} from "../../../cli/ctdb_config/lines.ts";

const test = suite("cli/ctdb_config: lines");

test("ctdb.conf: sections, comments, blanks within keys, lines that go on", () => {
  const text = "# one\n\n[Cluster]\n\t cluster  LOCK =  /a = b \n; two\n[ event ]\n" +
    "debug script = \\\n   hung.sh\n[cluster]\nleader timeout=5\n";
  assert.equal(readConf(text, "f"), [
    { section: "cluster", key: "cluster lock", value: "/a = b", line: 4 },
    { section: "event", key: "debug script", value: "hung.sh", line: 7 },
    { section: "cluster", key: "leader timeout", value: "5", line: 10 },
  ]);
  assert.equal(readConf("", "f"), []);
});

test("ctdb.tunables: names in any case, blanks, comments", () => {
  assert.equal(readTunables("# c\n\n  monitorinterval = 20\t\nLCP2PublicIPs=0", "f"), [
    { name: "MonitorInterval", value: 20, line: 3 },
    { name: "LCP2PublicIPs", value: 0, line: 4 },
  ]);
});

test("script.options: variables, whatever else a shell may read there", () => {
  const text =
    '# X=1\nCTDB_A=yes\nexport CTDB_B="a b"\nif true; then\n  CTDB_C=3\nfi\nCTDB_D=a \\\n b\n';
  assert.equal(readScriptOptions(text), [
    { name: "CTDB_A", line: 2 },
    { name: "CTDB_B", line: 3 },
    { name: "CTDB_C", line: 5 },
    { name: "CTDB_D", line: 7 },
  ]);
});

test("nodes: the place is the number, and # keeps it", () => {
  assert.equal(readNodes("10.0.0.1\n\n# 10.0.0.2\n2001:DB8:0::5\n", "f"), [
    { pnn: 0, address: "10.0.0.1", line: 1 },
    { pnn: 1, address: undefined, line: 3 },
    { pnn: 2, address: "2001:db8::5", line: 4 },
  ]);
});

const FAULTS: readonly (readonly [read: () => unknown, said: string])[] = [
  [() => readConf("a = b", "f"), 'f: line 1: "a = b" is in no section'],
  [() => readConf("[x]\n\nhello", "f"), 'f: line 3: "hello" is neither [section] nor key = value'],
  [() => readConf("[x]\n= 5", "f"), 'f: line 2: "= 5" is neither'],
  [() => readTunables("VacuumInterval 5", "f"), 'f: line 1: "VacuumInterval 5" is no NAME=VALUE'],
  [() => readTunables("\nMutexEnabled=0", "f"), 'f: line 2: there is no tunable "MutexEnabled"'],
  [() => readTunables("BanCredits=3", "f"), 'line 1: there is no tunable "BanCredits"'],
  [() => readTunables("VacuumInterval=-1", "f"), 'VacuumInterval must be 0 to 4294967295, is "-1"'],
  [() => readTunables("VacuumInterval=5 # x", "f"), 'is "5 # x"'],
  [() => readTunables("VacuumInterval=", "f"), 'VacuumInterval must be 0 to 4294967295, is ""'],
  [() => readTunables("VacuumInterval=4294967296", "f"), 'is "4294967296"'],
  [() => readNodes("10.0.0.1\n10.0.0.300", "f"), 'f: line 2: "10.0.0.300" is no address of a node'],
  [() => readNodes("n0.example", "f"), 'f: line 1: "n0.example" is no address of a node'],
  [
    () => readNodes("10.0.0.1\n10.0.0.2\n10.0.0.1", "f"),
    "f: line 3: 10.0.0.1 stands on line 1 already",
  ],
  [() => readNodes("10.0.0.1:4379", "f"), "f: line 1:"],
];

for (const [read, said] of FAULTS) {
  test(`refused: ${said}`, () => {
    assert.throws(
      read,
      (error: Error) => error.message.includes(said) || assert.match(error.message, said),
    );
  });
}

test.run();
