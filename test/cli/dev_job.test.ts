/** The main job tells what was affected and what was not, and notices what is not as promised. */

import { sharedSuite } from "../suite.ts";
import * as assert from "uvu/assert";
import { mainJob } from "../../cli/dev_job.ts";
import { ms } from "../../cli/dev_job_words.ts";
import { JobCluster, type JobFaults } from "./dev_job_world.ts";

const test = sharedSuite("the main job");
const RECORDS = new Map(Array.from({ length: 50 }, (_, at) => [`key ${at}`, `value ${at}`]));

async function play(faults: JobFaults, nodes = 3): Promise<string> {
  const cluster = new JobCluster(nodes, faults);
  await mainJob(cluster.world(RECORDS));
  return cluster.shown.join("\n");
}

async function failsWith(faults: JobFaults, why: RegExp): Promise<void> {
  let message = "nothing was noticed";
  try {
    await play(faults);
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
  }
  assert.match(message, why);
}

test("shows each step: what a death has affected, and what it has not", async () => {
  const text = await play({});
  assert.match(text, /^import\n50 records put into the clustered database "registry" at n0/m);
  assert.match(text, /^at n2: 50 of 50 records are the same, byte for byte$/m);
  assert.match(text, /^of n2's daemon \(process 4711\)/m);
  const [, held = "", others = ""] =
    /(\d+) of the 50 records of registry; asked[^]*not affected: (\d+) rec/.exec(text) ?? [];
  assert.is(Number(held) + Number(others), 50);
  assert.ok(Number(held) > 0, text);
  assert.match(text, /"own n2": it was counted to \d+, somebody else had seen \d+, and it is \d+/);
  assert.match(text, /its longest pause: [\d.]+ ms/);
  assert.match(text, /^recovery\nn2 has left: 12 ms$/m);
  assert.match(text, /^addresses\nthose of n2 were seen at others [\d.]+ [mu]?s after its death/m);
  const [rows = ""] = /^ +before +n2 dead +n2 back\n(?: {2}192.*\n?){6}/m.exec(text) ?? [];
  assert.match(rows, /^ {2}192\.0\.2\.3 +n2 +n0 +n2$/m);
  assert.match(
    text,
    /^check\nthe file that a check of n1 looks for is removed: n1 has no address/m,
  );
  assert.match(text, /^ {2}192\.0\.2\.2 +n1 +n2 +n1$/m);
  assert.match(text, /^meanwhile `ctdbx node explain n1` says:\n {2}Check service of n1 fails$/m);
});

test("a node that is back before anybody has looked: who took its addresses remembers it", async () => {
  assert.match(await play({ missesMoves: true }), /^ {2}192\.0\.2\.3 +n2 +n0 +n2$/m);
});

test("with fewer than three nodes no single one is killed, and all of them all the same", async () => {
  const text = await play({}, 2);
  assert.match(text, /left out: with 2 nodes none may be missing/);
  assert.not.match(text, /affected/);
  assert.match(
    text,
    /^kill -9 of all\nof the daemons of n0 and n1 at once \(processes 5000, 5001\)/m,
  );
});

test("transactions that were told are there after the death of all, and of the last one nobody knew", async () => {
  const text = await play({});
  assert.match(text, /"ledger"; copies are on the disks of n0, n1 and n2$/m);
  assert.match(
    text,
    /transaction on three records, on 2 disks before it is told: [1-9]\d* of them/,
  );
  const [, there, told, ann, bob] =
    /at n2: (\d+) transfers; (\d+) were told as committed, .* ann has (\d+), bob (\d+)$/m.exec(
      text,
    ) ?? [];
  assert.is(there, told);
  assert.is(Number(ann) + Number(bob), 1000);
  assert.match(text, /^1 under way had no answer any more: not executed$/m);
  assert.match(
    text,
    /^"registry" and "visits" are volatile: 0 of 50 records of registry were left; all/m,
  );
  assert.match(
    await play({ ledger: "executes" }),
    /^1 under way had no answer .*: 1 executed, once$/m,
  );
});

const NOTICED: readonly [string, JobFaults, RegExp][] = [
  ["a store that was told as done and is not", { drops: "key 7" }, /key 7 is not there/],
  ["a record with another byte", { garbles: "key 9" }, /1 of 50 records .* key 9 has 1 bytes/],
  ["a traverse that leaves a record out", { skips: "key 3" }, /gave 49 of 50 records/],
  ["a record gone that others had seen", { losesSeen: true }, /records are gone that others/],
  ["a fall-back further than what others had seen", { goesBack: true }, /"own n2" is 0 after/],
  ["a counter that nobody has counted to", { invents: true }, /"own n2" is 999999 after/],
  ["a program at a living node that fails", { failsOthers: true }, /at n0 .* its time is over/],
  ["a death that undoes what others have seen", { undoesShared: true }, /"shared" was undone/],
  ["addresses that stay at a dead node", { addresses: "stay" }, /others than n2; .*\.3 at n2/],
  ["addresses that nobody takes", { addresses: "lost" }, /others than n2; .*\.3 at nobody/],
  ["a check that moves no address", { addresses: "checkless" }, /others than n1; .*\.2 at n1/],
  ["an explanation without the check", { explainsNothing: true }, /explain n1` does not name/],
  [
    "a transaction that was told, and is gone",
    { ledger: "loses" },
    /told as committed, and \d+ are/,
  ],
  [
    "half of a transaction",
    { ledger: "halves" },
    /is there in part: ann has \d+, bob \d+, together/,
  ],
  [
    "a transaction that is there twice",
    { ledger: "repeats" },
    /of 1 nobody knew, and \d+ are there/,
  ],
  ["counts that are undone without a death", { undoes: true }, /"shared" was counted to \d+/],
];

for (const [name, faults, why] of NOTICED) {
  test(`notices ${name}`, () => failsWith(faults, why));
}

test("times have three digits", () => {
  assert.equal([0.0123, 0.5, 3.14159, 99.94, 512.4, 2345].map(ms), [
    "12 us",
    "500 us",
    "3.1 ms",
    "99.9 ms",
    "512 ms",
    "2.35 s",
  ]);
});

test.run();
