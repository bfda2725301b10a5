/**
 * The file of a persistent database on a real disk, and what libtdb's tools make of it: at rest they find it sound;
 * after a crash at any point they undo what was under way, and we go on from what they left.
 *
 *   simulated crash at step n ─▶ its files into a folder ─▶ tdbdump (libtdb recovers) ─▶ the same content as ours says
 *
 * Does NOT promise: that libtdb's check likes the end of a file right after its own recovery; its content is right.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { threadMemory } from "../../assembly/host/memory.ts";
import { CommitFile } from "../../actors/storage/commit_file.ts";
import { CommitStore } from "../../actors/storage/commit_store.ts";
import { sumPath } from "../../actors/storage/commit_sums.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { SimCrash, type SimImageStore } from "../../transport/sim/image.ts";
import { limit, shareOf } from "../limit.ts";
import { tool } from "../tools.ts";
import { applyAll, contentOf, HISTORY, LAST, sorted } from "../torture/commit_history.ts";
import { FRESH, PATH, simDisk } from "../torture/commit_rig.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";

const OPTIONS = { hashSize: 11, undoBytes: 16 * 1024, intentPages: 24, locking: "fcntl" } as const;
/** One crash in so many steps. */
const STRIDE = 9;

const test = suite("commit file and libtdb's tools");

/** Number of records that tdbdump shows; libtdb takes back what was under way. Throws what it says. */
function dumped(path: string): number {
  const options = { encoding: "latin1", maxBuffer: 64 * 1024 * 1024 } as const;
  // tdbtool opens for writing, so libtdb's recovery runs.
  spawnSync(tool("tdbtool"), [path, "info"], options);
  const result = spawnSync(tool("tdbdump"), [path], options);
  if (result.status !== 0) throw new Error(`tdbdump: ${result.status} ${result.stderr}`);
  return result.stdout.split("}\n").length - 1;
}

/** Lives until step n; undefined: it got through before. */
async function crashed(n: number): Promise<SimImageStore | undefined> {
  const store = simDisk(n);
  store.failAt(n, "crash");
  try {
    const file = await CommitFile.open(store, PATH, { ...OPTIONS, locking: "none" });
    applyAll(file, () => {});
    file.close();
    return undefined;
  } catch (error) {
    assert.instance(error, SimCrash, String(error));
    store.reboot("power");
    return store;
  }
}

function copyOut(store: SimImageStore, from: string, to: string): void {
  const image = store.open(from);
  writeFileSync(to, threadMemory().bytes.slice(image.address, image.address + image.mapped));
  image.close();
}

test(
  "libtdb takes back an apply that died, and we go on from there",
  limit(120_000, async () => {
    const images = new RealImageStore();
    let seen = 0;
    for (const part of shareOf(1, 200)) {
      const store = await crashed(part * STRIDE);
      if (store === undefined) break;
      if (!store.exists(PATH)) continue;
      seen++;
      await inFolder(async (folder) => {
        const path = join(folder, "some.tdb");
        copyOut(store, PATH, path);
        copyOut(store, sumPath(PATH), sumPath(path));
        const records = dumped(path);
        const file = await CommitFile.open(images, path, OPTIONS);
        const content = sorted(HISTORY.contents[Number(file.dbseq)]);
        assert.equal(sorted(contentOf(file)), content);
        assert.is(records, content.length + 1, "and the number of the last transaction");
        assert.equal(file.scrub(0, file.pages).bad, []);
        applyAll(file, () => {});
        assert.equal(sorted(contentOf(file)), sorted(HISTORY.contents[Number(LAST)]));
        file.close();
        tdbtoolCheck(path);
      });
    }
    assert.ok(seen > 5, `${seen} crashes`);
  }),
);

test("a whole replica on a real disk", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "real.tdb");
    const images = new RealImageStore();
    const options = { ...OPTIONS, fresh: FRESH, segmentBytes: 64 * 1024 };
    const store = await CommitStore.open(images, path, options);
    store.write({ entries: HISTORY.entries, highTerm: 2n });
    store.apply(HISTORY.entries.slice(0, 3));
    const snapshot = store.file.snapshot();
    store.apply(HISTORY.entries);
    assert.is(snapshot.fetch("end"), undefined);
    const { last } = store.log;
    store.checkpoint({ ...last, table: new Uint8Array(10) });
    store.trim();
    store.close();
    tdbtoolCheck(path);
    const again = await CommitStore.open(images, path, options);
    assert.equal(again.log.last, last);
    assert.is(again.opened.appliedSeq, last.seq);
    assert.equal(sorted(contentOf(again.file)), sorted(HISTORY.contents[Number(LAST)]));
    again.close();
  });
});

test.run();
