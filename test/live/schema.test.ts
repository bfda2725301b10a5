/**
 * What commands print as JSON, held against the schema that they print themselves: every command that asks nodes, found
 * in the tree, and one call of most others. Those that need no cluster are in schema_alone.test.ts.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { supervisorOf } from "../../cli/processes.ts";
import { wholeTree } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { command, DevCluster } from "./dev_rig.ts";
import { checked, good } from "./schema_rig.ts";

interface Context {
  dev: DevCluster;
  folder: string;
}

const test = sharedSuite<Context>("live schemas");
const PARTS = await wholeTree();
/** Commands that ask one node or several, and need no arguments; not those that do something to the nodes of -n. */
const LOOKS = PARTS.filter(({ options, usage }) =>
  options.some(({ names, about }) => names.includes("--node") && about.startsWith("ask these")) &&
  !usage.includes("<")
).map(({ words }) => words).filter((words) => words !== "cluster wait");

test.before(limit(60_000, async (context) => {
  context.dev = await DevCluster.borrow(3);
  await context.dev.ok("db attach records --wait");
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-schema-"));
}));
test.after(limit(60_000, async ({ dev, folder }) => {
  await dev?.down();
  rmSync(folder, { recursive: true, force: true });
}));

type Row = { readonly asked?: string; readonly node?: string; readonly name?: string };

/** Rows of nodes; not what is empty, nor what makes one verdict of all. */
function isList(data: unknown): data is Row[] {
  return Array.isArray(data) && data.length > 0;
}

test("the tree has the commands that ask nodes", () => {
  const some = ["cluster status", "node list", "slot map", "lock show", "leader show", "db ls"];
  for (const words of [...some, "db status", "recovery status", "stats show", "rec hot"]) {
    assert.ok(LOOKS.includes(words), words);
  }
});

for (const words of LOOKS) {
  test(`at one node and at all: ${words}`, async ({ dev }) => {
    const at = ["--home", join(dev.home, "n0")];
    await good([...words.split(" "), ...at]);
    const data = await good([...words.split(" "), ...at, "-n", "all"]);
    const one = await good([...words.split(" "), ...at, "-n", "n2"]);
    if (isList(data) && isList(one)) {
      const names = (
        rows: Row[],
      ) => [...new Set(rows.map(({ asked, node, name }) => asked ?? node ?? name))].sort();
      assert.equal(names(data), ["n0", "n1", "n2"]);
      assert.equal(names(one), ["n2"]);
    }
    const none = await checked([...words.split(" "), ...at, "-n", "n4"]);
    assert.is(none.exit, 3);
    assert.match(none.envelope.error?.message ?? "", "known are n0, n1, n2");
    assert.match(none.envelope.error?.hint ?? "", "did you mean n2?");
  });
}

test("options that change the result change the schema with it", async ({ dev }) => {
  const at = `--home ${join(dev.home, "n0")}`;
  for (const words of ["slot map --slots", "slot map --diff", "leader show --why"]) {
    await good(`${words} ${at}`);
  }
  const waited = await good(`cluster wait --for all-ok,members=3 -n all ${at}`);
  assert.equal((waited as { conditions: string[] }).conditions, ["all-ok", "members=3"]);
  await good(`cluster wait --for leader ${at}`);
  await good(`watch --count 1 ${at}`);
  await good(`dev status --home ${dev.home}`);
});

test("an expectation that is not met ends with 8, and says so in the envelope", async ({ dev }) => {
  const at = ["--home", join(dev.home, "n0")];
  const late = await checked([
    "cluster",
    "wait",
    "--for",
    "members=9",
    "--timeout",
    "0",
    "-n",
    "all",
    ...at,
  ]);
  assert.is(late.exit, 8);
  assert.match(late.envelope.error?.message ?? "", "n0 says: the view has 3 members");
  const state = await checked(["node", "runstate", "all", "--for", "shutdown", ...at]);
  assert.is(state.exit, 8);
  assert.is((state.envelope.data as object[]).length, 3, "what was found is shown all the same");
});

test("both ways to name nodes at once are a wrong call", async ({ dev }) => {
  const at = ["--home", join(dev.home, "n0")];
  assert.is((await checked(["node", "status", "n1", "-n", "n2", ...at])).exit, 2);
  assert.is((await command(["leader", "show", "--why", "-n", "n2", ...at])).exit, 2);
  assert.is((await checked(["node", "ban", "n1", "-n", "n2", ...at])).exit, 2);
  assert.is((await checked(["node", "ban", ...at])).exit, 2, "nobody is named");
});

test(
  "commands that change something: yield, stop, start, faults",
  limit(90_000, async ({ dev }) => {
    const leader = await dev.leader();
    const other = (leader + 1) % 3;
    const at = (index: number) => ["--home", join(dev.home, `n${index}`)];
    for (const words of ["node drain --wait", "node drain --off --wait", "node show"]) {
      const changed = await good([...words.split(" "), "-n", `n${other}`, ...at(0)]);
      const { name } = (Array.isArray(changed) ? changed[0] : changed) as Row;
      assert.is(name, `n${other}`, words);
    }
    const yielded = await good(["leader", "yield", "--to", `n${other}`, "--wait", ...at(0)]);
    const { former, leader: next } = yielded as { former: string; leader: string };
    assert.equal([former, next], [`n${leader}`, `n${other}`]);
    const again = await good(["leader", "yield", "--to", `n${other}`, ...at(0)]);
    assert.is((again as { rounds: number }).rounds, 0);
    const victim = [0, 1, 2].find((index) => index !== other && index !== 0) ?? 1;
    const { supervisorPid } = await good(["daemon", "stop", ...at(victim)]) as {
      supervisorPid: number;
    };
    assert.ok(supervisorPid > 1);
    await partly(at(0), `n${victim}`);
    await good(["daemon", "start", "--wait", ...at(victim)]);
    assert.type(supervisorOf(dev.paths(victim).run), "number");
    await dev.well();
    const home = ["--home", dev.home];
    const fault = await good(["dev", "chaos", "kill", `n${victim}`, "--wait", ...home]);
    const { pid, node } = fault as { pid: number; node: string };
    assert.is(node, `n${victim}`);
    assert.is.not(await dev.pid(victim), pid);
    await good(["dev", "chaos", "partition", `n${victim}`, "1ms", ...home]);
    await good(["dev", "chaos", "heal", `n${victim}`, ...home]);
    await dev.well();
  }),
);

/** With one node down every look at all ends with 9, and shows the others. */
async function partly(at: readonly string[], victim: string): Promise<void> {
  for (const words of ["node status", "node ping", "daemon status", "leader show", "slot map"]) {
    const { exit, envelope } = await checked([...words.split(" "), "-n", "all", ...at]);
    assert.is(exit, 9, words);
    const rows = envelope.data as { name?: string; asked?: string; error: string | null }[];
    const silent = rows.filter(({ error }) => error !== null);
    assert.equal(silent.map(({ name, asked }) => asked ?? name), [victim], words);
    const only = await checked([...words.split(" "), "-n", victim, ...at]);
    assert.is(only.exit, 1, words);
  }
}

test(
  "commands of records: each result as it is declared",
  limit(90_000, async ({ dev, folder }) => {
    const at = (index: number) => ["--home", join(dev.home, `n${index}`)];
    const words = (text: string, index = 0) => [...text.split(" "), ...at(index)];
    await good(words("db attach records"));
    await good(words("rec put records key value"));
    await good([...words("rec put records 00ff --hex"), "8081"]);
    for (const text of ["key", "key --escaped", "6b6579 --hex", "00ff --hex"]) {
      await good(words(`rec get records ${text}`, 1));
    }
    await good(words("rec cas records key value other", 2));
    assert.is((await checked(words("rec cas records key value other", 2))).exit, 4);
    await good(words("rec call records n incr"));
    await good(words("rec call records 6b6579 append 00 --hex"));
    await good(words("rec lock records key --hold 0"));
    await good(words("rec watch records key --count 1"));
    for (const more of ["", " --history", " --base64 "]) {
      await good(words(`rec where records a2V5${more}`.trim()));
    }
    await good(words("rec pin records key --for 1"));
    await good(words("rec hot records", 1));
    for (const more of ["", " --keys-only", " --count", " --prefix k --limit 1"]) {
      await good(words(`db traverse records${more}`, 2));
    }
    await good(words("db dump records"));
    const file = join(folder, "records.jsonl");
    await good([...words("db export records --format jsonl"), file]);
    await good([...words("db import copies"), file]);
    await good(words("db set records --sticky on"));
    await good(words("db vacuum records"));
    for (
      const text of ["db stats records", "stats db", "stats show", "recovery history --limit 1"]
    ) {
      await good(words(text));
    }
    await good(words("recovery run --wait"));
    // On a machine that is busy a node may have lost its lease for a moment.
    assert.ok([0, 8].includes((await checked(words("recovery explain"))).exit));
    await good(words("msg send all 5 text"));
    assert.is((await checked(words("msg exists --srvid 5"))).exit, 3);
    await good(words("msg listen 5 --timeout 0.1"));
    await good(words("bench fetch --seconds 0.2 --records 10"));
    await good(words("bench transactions --seconds 0.2 --clients 1"));
    await good(words("rec del records key"));
    assert.is((await checked(words("rec get records key"))).exit, 3);
    assert.is((await checked(words("rec get none key"))).exit, 3);
    await good(words("db wipe records --yes --wait"));
    assert.is((await checked(words("db detach copies"))).exit, 14);
    await good(words("db detach copies --yes --wait"));
  }),
);

test(
  "the end: files are removed only when somebody said yes",
  limit(60_000, async ({ dev }) => {
    const at = ["--home", dev.home];
    const unasked = await checked(["dev", "down", "--remove", ...at]);
    assert.is(unasked.exit, 14);
    assert.ok(dev.processes().length > 0, "nothing was stopped");
    const { wasUp, removed } = await good(["dev", "down", "--remove", "--yes", ...at]) as {
      wasUp: boolean;
      removed: boolean;
    };
    assert.equal([wasUp, removed, dev.processes()], [true, true, []]);
  }),
);

test.run();
