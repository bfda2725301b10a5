/**
 * A database on three real nodes whose only in-sync copy is gone: another copy leads by force. What was in the one that
 * is gone is taken from its files; when it is back it keeps what it had to cut off, for people, who have it done again.
 *
 * Does NOT promise: rare orders of events.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { dataOf, DevCluster, eventually } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
  /** The node whose copy was the only one in sync. */
  last: number;
}

interface Commit {
  readonly own: string;
  readonly primary: number | null;
  readonly k: number;
  readonly m: number;
  readonly copies: readonly { readonly pnn: number; readonly role: string }[];
}

type Row = Readonly<Record<string, unknown>>;

const test = sharedSuite<Context>("a primary by force");
const STEP_MS = 240_000;
/** After `explain`, which asks all nodes for all that they know, ms. */
const EXPLAIN_MS = 300;

test.before(limit(STEP_MS, async (context) => {
  context.dev = await DevCluster.borrow(3);
}));
test.after(limit(STEP_MS, async ({ dev }) => {
  await dev?.giveBack();
}));

async function commitOf({ dev }: Context, at: number): Promise<Commit | null> {
  const [row] = await dev.json<readonly { readonly commit: Commit | null }[]>("db status bank", at);
  return row?.commit ?? null;
}

function inSync({ copies }: Commit): number {
  return copies.filter(({ role }) => role === "primary" || role === "in_sync").length;
}

test(
  "db set: more copies come while it is used, and fewer are kept when fewer are wanted",
  limit<Context>(STEP_MS, async (context) => {
    const { dev } = context;
    await dev.ok("db attach bank --type persistent --replicas 2 --wait");
    await dev.ok("tx run bank --put ann=100 --put bob=0");
    await dev.ok("db set bank --replicas 3 --min-in-sync 3 --wait", 1);
    await isSet(context, 0, [3, 3, 3]);
    const refused = await dev.run("db set bank --replicas 2", 1);
    assert.is(refused.exit, 4, refused.err);
    assert.match(refused.err, /3 in-sync copies cannot be had of 2/);
    await dev.ok("db set bank --replicas 1 --min-in-sync 0 --wait", 2);
    for (const node of [0, 1, 2]) await isSet(context, node, [1, 1, 1]);
    await dev.prints("rec get bank ann", "100", 0);
  }),
);

/** The asked node has waited; another one hears of it when it does. `wanted`: copies, m, copies in sync. */
async function isSet(context: Context, at: number, wanted: readonly number[]): Promise<void> {
  let seen: unknown;
  await eventually(`n${at}: ${wanted} copies, needed, in sync`, async () => {
    const now = await commitOf(context, at);
    seen = now === null ? undefined : [now.k, now.m, inSync(now)];
    return String(seen) === String(wanted);
  });
}

/** The primary goes on alone, and what it commits nobody else has; then it is gone, and the others are back. */
async function leaveAlone(
  { dev }: Context,
  last: number,
  others: readonly number[],
): Promise<void> {
  for (const node of others) await dev.prints("rec get bank bob", "0", node);
  for (const node of others) await dev.ok("daemon stop", node);
  await dev.ok("tx run bank --put ann=90 --put bob=10", last);
  await dev.ok("tx run bank --put carl=5", last);
  await dev.ok("tx run bank --put dora=1", last);
  await dev.ok("daemon stop", last);
  await Promise.all(others.map((node) => dev.ok("daemon start", node)));
  await dev.wait("leader", others[0]);
  await eventually("it is said why nobody leads it", async () => {
    const { out } = await dev.run("cluster explain", others[0]);
    return out.includes("Database bank has no primary");
  }, EXPLAIN_MS);
}

test(
  "db force-primary: refused while an in-sync copy is there; else what is lost is said, and kept",
  limit<Context>(STEP_MS, async (context) => {
    const { dev } = context;
    const { primary } = await commitOf(context, 0) as Commit;
    const last = primary as number;
    const [one, other] = [0, 1, 2].filter((node) => node !== last) as [number, number];
    context.last = last;
    const early = await dev.run(`db force-primary bank n${one} --accept-loss`, one);
    assert.is(early.exit, 4, early.err);
    assert.match(early.err, new RegExp(`node ${last} has an in-sync copy`));
    await leaveAlone(context, last, [one, other]);

    let look: Row = {};
    await eventually("it could be forced", async () => {
      look = await dev.json<Row>(`db force-primary bank n${one} --dry-run`, other);
      return look["refusal"] === null;
    });
    assert.is(look["done"], false);
    const unasked = await dev.run(`db force-primary bank n${one}`, other);
    assert.is(unasked.exit, 14, unasked.err);
    let forced: Row = {};
    // A leader that has just begun says that it must look first.
    await eventually("it is forced", async () => {
      const { exit, out } = await dev.run(
        `db force-primary bank n${one} --accept-loss -o json`,
        other,
      );
      if (exit === 0) forced = dataOf<Row>(out);
      return exit === 0;
    });
    assert.equal([forced["done"], forced["node"]], [true, `n${one}`]);
    await eventually("it serves", async () => {
      return (await dev.run("tx run bank --put carl=7", other)).exit === 0;
    });
    // As the copy had it.
    await dev.prints("rec get bank ann", "100", other);
    assert.equal(await dev.json("db lost list", last), [], "nothing yet");
  }),
);

test(
  "db adopt: what the files of a node that does not run have is stored into another database",
  limit<Context>(STEP_MS, async ({ dev, last }) => {
    const other = (last + 1) % 3;
    await dev.ok("db attach again --type persistent --wait", other);
    const folder = join(dev.paths(last).state, "persistent");
    // One that was detached has left an empty folder.
    const name = readdirSync(folder).find((each) =>
      readdirSync(join(folder, each)).includes("bank.tdb")
    ) ?? "none";
    const file = join(folder, name, "bank.tdb");
    const adopted = await dev.json<Row>(`db adopt again ${file}`, other);
    assert.equal([adopted["records"], adopted["missing"]], [4, null]);
    for (const [key, value] of [["ann", "90"], ["bob", "10"], ["carl", "5"], ["dora", "1"]]) {
      assert.is(await dev.ok(`rec get again ${key}`, other), value);
    }
    assert.is(
      (await dev.run(`db adopt again ${file}`, other)).exit,
      14,
      "not unasked over records",
    );
  }),
);

test(
  "db lost: the one that comes back keeps what it has to cut off; it is shown, and done again",
  limit<Context>(STEP_MS, async ({ dev, last }) => {
    await dev.ok("daemon start", last);
    // The new history.
    await dev.prints("rec get bank carl", "7", last);
    const [branch, ...more] = await dev.json<readonly Row[]>("db lost list bank", last);
    assert.equal([branch?.["transactions"], branch?.["node"], more.length], [3, `n${last}`, 0]);
    const lines = await dev.ok("db lost show bank --tx 1", last);
    assert.equal(lines.trim().split("\n").map((line) => JSON.parse(line)), [
      { op: "put", key: "ann", value: "90", encoding: "text" },
      { op: "put", key: "bob", value: "10", encoding: "text" },
    ]);
    const again = await dev.run("db lost replay bank -o json", last);
    assert.is(again.exit, 9, again.err);
    const done = JSON.parse(again.out).data as readonly Row[];
    assert.equal(done.map(({ outcome }) => outcome), ["committed", "conflict", "committed"]);
    assert.is(done[1]?.["key"], "carl");
    const other = (last + 1) % 3;
    for (const [key, value] of [["ann", "90"], ["bob", "10"], ["carl", "7"], ["dora", "1"]]) {
      await dev.prints(`rec get bank ${key}`, value as string, other);
    }
    const twice = await dev.run("db lost replay bank", last);
    assert.is(twice.exit, 4, "all are done, or in conflict");
    await dev.ok("db lost replay bank --tx 2 --overwrite", last);
    await dev.prints("rec get bank carl", "5", other);
  }),
);

test.run();
