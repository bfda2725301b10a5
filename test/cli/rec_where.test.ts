/** Where a record is, by what all nodes say; records in demand; and counts. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  hotRow,
  movesOf,
  type WhereAnswer,
  whereLines,
  whereOf,
} from "../../cli/commands/rec_where.ts";
import { countsOf } from "../../cli/commands/db_fields.ts";
import { countRows } from "../../cli/commands/db.ts";
import { summed } from "../../cli/commands/stats.ts";
import { Failure } from "../../cli/failure.ts";
import { ClusterDouble } from "./cluster_double.ts";

const test = suite("cli/rec_where");

const NONE: WhereAnswer = {
  slot: 7,
  home: 0,
  isHome: false,
  role: "none",
  readers: [],
  waiting: 0,
};
const HOME = { pnn: 0, name: "n0", ok: { ...NONE, isHome: true, isOpen: true, holder: 2 } };
const READER = {
  pnn: 1,
  name: "n1",
  ok: { ...NONE, role: "reader" as const, rsn: 18n, waiting: 3 },
};
const OWNER = {
  pnn: 2,
  name: "n2",
  ok: {
    ...NONE,
    role: "owner" as const,
    rsn: "18",
    readers: [1],
    heldBy: { what: "chain" as const, pid: 4711, ageMs: 3200 },
    history: [{ msAgo: 50, what: "in" as const, peer: 0, rsn: "17" }],
  },
};
const SILENT = { pnn: 3, name: "n3", error: "no answer within 2 s" };

test("the owner's word counts before the home's; the silent node is named", () => {
  const { slot, home, holder, nodes } = whereOf([HOME, READER, OWNER, SILENT]);
  assert.equal([slot, home, holder], [7, 0, 2]);
  assert.equal(nodes.map(({ rsn }) => rsn), [undefined, "18", "18", undefined]);
  assert.is(nodes[3]?.error, "no answer within 2 s");
  const moved = whereOf([HOME, { ...READER, ok: { ...READER.ok, role: "owner" } }]);
  assert.is(moved.holder, 1);
  assert.is(whereOf([HOME, SILENT]).holder, 2, "without the owner the home knows");
});

test("when no node answers there is nothing to show", () => {
  assert.throws(
    () => whereOf([SILENT]),
    (error: unknown) => error instanceof Failure && error.exit === 1,
  );
});

test("people read first who has it, and who holds it up, with its process and for how long", () => {
  const lines = whereLines(whereOf([HOME, READER, OWNER]));
  assert.equal(lines, [
    "",
    "n2 has it; home of slot 7 is n0",
    "held up at n2 by process 4711, in the file, for 3.2 s",
  ]);
  const nobody = whereOf([{ ...HOME, ok: { ...NONE, isHome: true } }]);
  assert.equal(whereLines(nobody), ["", "nobody has it; home of slot 7 is n0"]);
  const reader = whereOf([READER]);
  assert.equal(whereLines(reader), ["", "who has it is not known here; home of slot 7 is node 0"]);
});

test("of a database with copies each has it, and one executes what changes it: no slot, no home", () => {
  const has = { isHome: false, isOpen: true, holder: 2, readers: [], waiting: 0, rsn: 4n } as const;
  const copy = { ...READER, ok: { ...has, role: "in_sync" as const } };
  const found = whereOf([copy, { ...OWNER, ok: { ...has, role: "primary" as const } }]);
  assert.equal([found.slot, found.home, found.holder], [undefined, undefined, 2]);
  assert.equal(whereLines(found), [
    "",
    "each copy has it; n2, the primary, executes what changes it",
  ]);
  assert.is(whereOf([copy]).holder, 2, "one that knows the primary is enough");
  const none = whereOf([{ ...copy, ok: { ...has, role: "none" as const } }]);
  assert.match(whereLines(none).join(), /^,no copy has it/);
});

test("moves of all nodes come in the order in which they happened", () => {
  const home = {
    ...HOME,
    ok: {
      ...HOME.ok,
      history: [{ msAgo: 90, what: "out" as const, peer: 2 }, {
        msAgo: 10,
        what: "in" as const,
        rsn: 19n,
      }],
    },
  };
  const moves = movesOf([home, OWNER, SILENT]);
  assert.equal(moves.map(({ node, what, msAgo, rsn }) => [node, what, msAgo, rsn]), [
    ["n0", "out", 90, undefined],
    ["n2", "in", 50, "17"],
    ["n0", "in", 10, "19"],
  ]);
});

test("over NATS alone the node that serves us is asked", async () => {
  const double = new ClusterDouble();
  double.records("d");
  const { exit, out } = await double.run(["rec", "where", "d", "k", "-o", "json"]);
  const { data } = JSON.parse(out);
  assert.equal([exit, data.slot, data.home, data.holder], [0, 5, 1, 1]);
  assert.equal(data.nodes[0].rsn, "7");
  const moves = await double.run(["rec", "where", "d", "k", "--history", "-o", "jsonl"]);
  assert.equal(JSON.parse(moves.out), {
    pnn: 1,
    node: "n1",
    msAgo: 5,
    what: "in",
    peer: 2,
    rsn: "6",
  });
});

test("pin has a record stay for a time, or no longer", async () => {
  const double = new ClusterDouble();
  double.records("d");
  const { out } = await double.run(["rec", "pin", "d", "k", "--for", "1.5", "-o", "json"]);
  const { node, pinned, seconds } = JSON.parse(out).data;
  assert.equal([node, pinned, seconds], ["n1", true, 1.5]);
  assert.is((await double.run(["rec", "pin", "d", "k", "--off"])).exit, 0);
  assert.equal(double.pins, [["k", 1500], ["k", 0]]);
  assert.is((await double.run(["rec", "pin", "d", "k", "--off", "--for", "3"])).exit, 2);
});

test("keys in demand are shown escaped to people, and whole in JSON", () => {
  const hot = { key: btoa("a\xff"), uses: 3, choice: "ship" };
  assert.equal(hotRow("d", hot, true), {
    name: "d",
    key: "a\\FF",
    encoding: "escaped",
    uses: 3,
    choice: "ship",
  });
  assert.is(hotRow("d", hot, false).key, "61ff");
});

test("a database that is there is not missed when its thread is down: that is said instead", () => {
  const row = { name: "d", id: 1, kind: "volatile" as const, state: "ready" as const };
  const stats = [{ name: "d", counts: { moved: 1 } }, { name: "e" }];
  assert.equal(countsOf(stats, [row], "d"), [stats[0]]);
  assert.equal(countsOf(stats, [row], undefined), stats);
  assert.throws(() => countsOf(stats, [row], "e"), /Cannot find database e: known are d/);
  const down = {
    ...row,
    state: "down" as const,
    why: "the data thread does not run: it was ended",
  };
  assert.throws(
    () => countsOf([], [down], "d"),
    /Cannot count at this node: the data thread does not/,
  );
  assert.throws(() => countsOf([], [down], undefined), /Cannot count/);
});

test("counts are a row each, sorted; sums go over all databases", () => {
  const all = [
    { name: "b", counts: { moved: 2 }, ops: { ok: 5 } },
    { name: "a", counts: { moved: 1, asked: 4 } },
    { name: "c" },
  ];
  assert.equal(countRows(all), [
    { name: "a", what: "asked", count: 4 },
    { name: "a", what: "moved", count: 1 },
    { name: "b", what: "moved", count: 2 },
    { name: "b", what: "ops ok", count: 5 },
  ]);
  assert.equal(summed(all, { messagesSent: 9 }), [
    { what: "databases", count: 3 },
    { what: "records asked", count: 4 },
    { what: "records moved", count: 3 },
    { what: "records ops ok", count: 5 },
    { what: "bus sent", count: 9 },
  ]);
});

test.run();
