/**
 * Files of a persistent database at three real nodes: a byte that flips is found and mended without a command, of a
 * running and of a stopped node; backups while writers go on, restored over and beside what is there; the trash.
 *
 * Does NOT promise: every byte and every fault; test/actors/data/commit_mending.test.ts has those.
 */

import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { connect } from "../../actors/mod.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { dataOf, DevCluster, eventually } from "./dev_rig.ts";

interface Context {
  dev: DevCluster;
  folder: string;
}

interface Row {
  readonly [name: string]: unknown;
}

const test = sharedSuite<Context>("live db_files");
const STEP_MS = 120_000;
const NODES = [0, 1, 2];
const RECORDS = 60;

test.before(limit(STEP_MS, async (context) => {
  context.dev = await DevCluster.borrow(3);
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-files-"));
  const { dev, folder } = context;
  await dev.ok("db attach bank --type persistent --wait");
  const lines = Array.from(
    { length: RECORDS },
    (_, at) =>
      JSON.stringify({ op: "put", key: `key ${at}`, value: `value ${at} ${"x".repeat(400)}` }),
  );
  writeFileSync(join(folder, "lines"), lines.join("\n"));
  await dev.ok(["tx", "apply", "bank", join(folder, "lines")]);
}));
test.after(limit(STEP_MS, async ({ dev, folder }) => {
  await dev?.giveBack();
  rmSync(folder, { recursive: true, force: true });
}));

/** The file of the database at a node. */
function fileAt({ dev }: Context, node: number): string {
  const base = join(dev.paths(node).state, "persistent");
  const name = readdirSync(base).find((each) => readdirSync(join(base, each)).includes("bank.tdb"));
  return join(base, name ?? "none", "bank.tdb");
}

/** Changes the first byte of a value in the file of a node; answers where. */
function spoil(context: Context, node: number, value: string): number {
  const path = fileAt(context, node);
  const offset = readFileSync(path).indexOf(value);
  assert.ok(offset > 0, `${value} is not in ${path}`);
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of(0x56), 0, 1, offset);
  closeSync(file);
  return offset;
}

async function isMended({ dev }: Context, node: number, page: number): Promise<boolean> {
  const told = await dev.history(node);
  return told.some(({ text }) =>
    // From whom, and whether alone or with all of the file, is a matter of who answers first.
    new RegExp(`^mended: database bank: page ${page} was damaged, .* from n`).test(text)
  );
}

test(
  "a byte flips in the file of a running node, then of a stopped one: mended without a command",
  limit<Context>(STEP_MS, async (context) => {
    const { dev } = context;
    const { commit } =
      (await dev.json<readonly { commit: { primary: number } }[]>("db status bank"))[0]!;
    for (const node of [commit.primary, (commit.primary + 1) % 3]) {
      await eventually(
        "its file has it",
        () => readFileSync(fileAt(context, node)).includes("value 33 "),
      );
      const page = Math.floor(spoil(context, node, "value 33 ") / 4096);
      await eventually(`n${node} mends page ${page}`, () => isMended(context, node, page));
      assert.ok(readFileSync(fileAt(context, node)).includes("value 33 "));
      assert.match(await dev.ok(["rec", "get", "bank", "key 33"], node), /^value 33 x/);
    }
    const stopped = (commit.primary + 2) % 3;
    await dev.ok("daemon stop", stopped);
    const page = Math.floor(spoil(context, stopped, "value 33 ") / 4096);
    await dev.ok("daemon start", stopped);
    await eventually(`n${stopped} mends page ${page}`, () => isMended(context, stopped, page));
    assert.match(await dev.ok(["rec", "get", "bank", "key 33"], stopped), /^value 33 x/);
    await dev.well();
    const checked = await dev.json<readonly Row[]>("db check bank");
    assert.equal(checked.map(({ verdict }) => verdict), ["ok", "ok", "ok"]);
    assert.is(new Set(checked.map(({ versions }) => versions)).size, 1, "all copies are the same");
    const scrubbed = await dev.json<readonly Row[]>("db scrub bank --rate 0");
    assert.equal(scrubbed.map(({ verdict }) => verdict), ["ok", "ok", "ok"]);
  }),
);

test(
  "a backup while writers go on is one state; restored, it is at all nodes; the former files are in the trash",
  limit<Context>(STEP_MS, async (context) => {
    const { dev, folder } = context;
    const backup = join(folder, "bank.tdb");
    const cluster = await connect({ run: dev.paths(1).run });
    let told: Row = {};
    try {
      const bank = await cluster.attach("bank", { create: false });
      let isOn = true;
      const writing = (async () => {
        // Both counters rise together: a backup with two values is none of one moment.
        for (let at = 1; isOn; at++) {
          await bank.transaction((tx) => {
            tx.put("left", `${at}`);
            tx.put("right", `${at}`);
          }, { timeoutMs: 40_000 });
        }
      })();
      try {
        await eventually("it writes", async () => await bank.read("left") !== undefined);
        told = await dev.json<Row>(`db backup bank ${backup}`, 2);
      } finally {
        isOn = false;
        await writing;
      }
    } finally {
      await cluster.close();
    }
    assert.is(told["records"], RECORDS + 2);
    const note = JSON.parse(readFileSync(`${backup}.json`, "utf8")) as Row;
    assert.equal([note["seqnum"], note["content"]], [told["seqnum"], told["content"]]);
    const [left, right] = [
      (await dev.run(["tdb", "get", backup, "left"])).out,
      (await dev.run(["tdb", "get", backup, "right"])).out,
    ];
    assert.is(left, right, "of one moment");

    await dev.ok(["tx", "run", "bank", "--put", "left=99999999", "--del", "key 1"]);
    const refused = await dev.run(`db restore bank ${backup}`);
    assert.is(refused.exit, 14, refused.err);
    const restored = await dev.json<Row>(`db restore bank ${backup} --yes`, 1);
    assert.equal([restored["records"], restored["content"]], [RECORDS + 2, told["content"]]);
    for (const node of NODES) {
      await eventually(`n${node} has it`, async () => {
        // One that is just being emptied refuses.
        const { exit, out } = await dev.run("db snapshot bank --local -o json", node);
        return exit === 0 && dataOf<Row>(out)["content"] === told["content"];
      });
    }
    // Nothing is lost: what was there before lies at each node, and comes back.
    const trash = await dev.json<readonly Row[]>("db trash ls", 0);
    assert.equal(trash.map(({ database, why }) => [database, why]), [["bank", "over"]]);
    const [{ folder: name } = {}] = trash;
    await dev.ok(`db trash restore ${name} --yes`);
    await dev.prints("rec get bank left", "99999999", 2);
    assert.is((await dev.run(["rec", "get", "bank", "key 1"])).exit, 3);
    const emptied = await dev.json<Row>("db trash empty --yes", 0);
    assert.is(emptied["folders"], 2);
  }),
);

test(
  "a backup that is not what it was is refused before anything is done",
  limit<Context>(STEP_MS, async (context) => {
    const { dev, folder } = context;
    const file = join(folder, "spoilt.tdb");
    await dev.ok(`db backup bank ${file}`);
    const before = (await dev.json<Row>("db snapshot bank"))["content"];
    const bytes = readFileSync(file);
    const at = bytes.indexOf("value 20 ");
    bytes[at] = 0x56;
    writeFileSync(file, bytes);
    const refused = await dev.run(`db restore bank ${file} --yes`);
    assert.is(refused.exit, 12, refused.err);
    assert.match(refused.err, /not what .*spoilt\.tdb\.json says: its bytes have changed/);
    assert.is((await dev.json<Row>("db snapshot bank"))["content"], before, "nothing was changed");
    rmSync(`${file}.json`);
    writeFileSync(file, bytes.subarray(0, 5000));
    const cut = await dev.run(`db restore bank ${file} --yes`);
    assert.is(cut.exit, 12, cut.err);
    assert.is((await dev.json<Row>("db snapshot bank"))["content"], before, "nothing was changed");
    const volatile = await dev.run(`db backup nothing ${join(folder, "no.tdb")}`);
    assert.is(volatile.exit, 3, volatile.err);
  }),
);

test.run();
