/**
 * Transactions at three real nodes, by commands and by programs: at a node, beside it, over NATS alone. Judge: each
 * program knows what it has committed; what the database has at the end is the sum of it, once.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { connect, type Database, TransactionError } from "../../actors/mod.ts";
import type { Cluster, ConnectOptions } from "../../actors/mod.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DevCluster, eventually } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
  folder: string;
}

interface Status {
  readonly name: string;
  readonly commit: {
    readonly own: string;
    readonly primary: number;
    readonly k: number;
    readonly m: number;
    readonly copies: readonly { readonly pnn: number; readonly role: string }[];
    readonly seqnum: string;
  } | null;
}

const test = sharedSuite<Context>("live tx_cli");
const STEP_MS = 120_000;
/** Of one transaction: a new primary comes in between, on a machine that has other things to do. */
const TX_MS = 40_000;
const ROUNDS = 8;
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

test.before(limit(STEP_MS, async (context) => {
  context.dev = await DevCluster.borrow(3);
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-tx-"));
}));
test.after(limit(STEP_MS, async ({ dev, folder }) => {
  await dev?.giveBack();
  rmSync(folder, { recursive: true, force: true });
}));

async function status({ dev }: Context, name: string, index: number): Promise<Status["commit"]> {
  const [row] = await dev.json<readonly Status[]>(`db status ${name}`, index);
  return row?.commit ?? null;
}

test(
  "commands: attached with its copies, written at one node, read at the others",
  limit<Context>(STEP_MS, async (context) => {
    const { dev, folder } = context;
    const made = await dev.json<Record<string, unknown>>(
      "db attach bank --type persistent --replicas 3 --wait",
    );
    assert.equal([made["kind"], made["replicas"], made["isNew"]], ["persistent", 3, true]);
    const other = await dev.run("db attach bank");
    assert.is(other.exit, 4, "it is of another kind");
    const few = await dev.run("db attach other --replicas 2");
    assert.is(few.exit, 2, few.err);
    await dev.ok("tx run bank --if-absent ann --put ann=100 --put bob=0", 0);
    const again = await dev.run("tx run bank --if-absent ann --put ann=1", 1);
    assert.is(again.exit, 4, again.err);
    const file = join(folder, "lines");
    writeFileSync(file, '{"op":"put","key":"carl","value":"5"}\n"ann" "90"\n"bob" "10"\n');
    const applied = await dev.json<Record<string, unknown>>(`tx apply bank ${file}`, 2);
    assert.equal([applied["puts"], applied["dels"]], [3, 0]);
    const seqnum = await dev.ok("db seqnum bank --latest", 1);
    assert.is(seqnum.trim(), String(applied["seqnum"]));
    const fate = await dev.json<Record<string, unknown>>(`tx fate bank ${applied["txid"]}`, 0);
    assert.equal([fate["state"], fate["seqnum"]], ["committed", applied["seqnum"]]);
    for (const index of [0, 1, 2]) {
      await dev.prints("rec get bank bob", "10", index);
      const commit = await status(context, "bank", index);
      assert.equal([commit?.k, commit?.m, commit?.copies.length], [3, 2, 3]);
    }
    // A copy that stood still for a moment is out of sync, and comes back.
    await eventually(
      "all copies are in sync",
      async () => (await dev.ok("db status bank", 0)).includes("3 of 3 (2 needed)"),
    );
    const where = await dev.json<{ holder: number; slot: number | null }>("rec where bank bob", 2);
    assert.equal([where.holder, where.slot], [
      (await status(context, "bank", 0))?.primary,
      null,
    ]);
    await dev.ok("rec del bank carl", 1);
    assert.is((await dev.run("rec cas bank ann 1 2", 2)).exit, 4);
    const volatile = await dev.run("tx run none --put a=1");
    assert.is(volatile.exit, 3);
  }),
);

/** Counts by transactions; answers how many are committed, and how many may be. */
async function count(db: Database, own: string): Promise<{ sure: number; unsure: number }> {
  const told = { sure: 0, unsure: 0 };
  for (let n = 0; n < ROUNDS; n++) {
    try {
      await db.transaction(async (tx) => {
        const [all, mine] = await Promise.all([tx.get("all"), tx.get(own)]);
        tx.put("all", `${Number(text(all)) + 1}`);
        tx.put(own, `${Number(text(mine)) + 1}`);
      }, { timeoutMs: TX_MS, tries: 1000 });
      told.sure += 1;
    } catch (error) {
      if (!(error instanceof TransactionError)) throw error;
      if (error.outcome === "aborted") continue;
      if (error.txid === undefined) told.unsure += 1;
      else {
        const { state } = await db.fate(error.txid, { finalize: true, timeoutMs: TX_MS });
        if (state === "committed") told.sure += 1;
        else if (state !== "aborted") told.unsure += 1;
      }
    }
  }
  return told;
}

test(
  "programs of every way count on while the primary is killed; nothing is lost, nothing done twice",
  limit<Context>(STEP_MS, async (context) => {
    const { dev } = context;
    const home = (index: number): string => join(dev.home, `n${index}`);
    const ways: readonly ConnectOptions[] = [
      { home: home(0) },
      { home: home(1), mapped: false },
      {
        servers: [`127.0.0.1:${dev.port}`],
        cluster: "dev",
        keyFile: join(dev.home, "keys", "client.nkey"),
      },
    ];
    const clusters: Cluster[] = [];
    try {
      for (const way of ways) clusters.push(await connect(way));
      const wish = { type: "persistent", replicas: 3, timeoutMs: TX_MS } as const;
      const dbs = await Promise.all(clusters.map((one) => one.attach("counts", wish)));
      await dbs[0]!.transaction((tx) => tx.put("all", "0"), { timeoutMs: TX_MS });
      const { primary } = await dbs[0]!.commits();
      const counting = Promise.all(dbs.map((db, at) => count(db, `program ${at}`)));
      await dev.dev(`chaos kill n${primary} --wait`);
      const told = await counting;
      const latest = await dbs[0]!.snapshot({ latest: true, timeoutMs: TX_MS });
      const found = async (key: string) => Number(text(await latest.get(key)));
      let sum = 0;
      for (const [at, { sure, unsure }] of told.entries()) {
        const mine = await found(`program ${at}`);
        const range = `program ${at}: ${mine}, and ${sure} are sure, ${unsure} not`;
        assert.ok(mine >= sure && mine <= sure + unsure, range);
        sum += mine;
      }
      assert.is(await found("all"), sum);
      assert.ok(sum > ROUNDS, `${sum}: most of it was done`);
      await latest.close();
    } finally {
      for (const cluster of clusters) await cluster.close();
    }
  }),
);

test.run();
