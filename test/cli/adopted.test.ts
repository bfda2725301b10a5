/**
 * The files of a copy of a node that is no more: one file of all that they have, also of what only the log had; the
 * files themselves stay as they are.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommitStore } from "../../actors/storage/commit_store.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { withAdopted } from "../../cli/adopted.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { Failure } from "../../cli/failure.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { type Entry, sealEntry } from "../../transport/wire/commit/entry.ts";

const test = suite("adopted copies");

const IMAGES = new RealImageStore();
const LINEAGE = 1n;
const FRESH = { lineage: LINEAGE, diskId: "d".repeat(32), logId: 7n };
const bytes = (text: string) => new TextEncoder().encode(text);

/** Entries, each with one transaction that writes `key N` and `last`. */
function entries(count: number): Entry[] {
  const made: Entry[] = [];
  let prevChain = 0n;
  for (let n = 1; n <= count; n++) {
    const entry = sealEntry({
      ...{ kind: "group", lineage: LINEAGE, term: 1n, seq: BigInt(n), dbseqFirst: BigInt(n) },
      prevChain,
      txns: [{
        ...{ sid: 1n, n, doneUpTo: 0 },
        writes: [{ key: `key ${n}`, value: bytes(`${n}`) }, { key: "last", value: bytes(`${n}`) }],
      }],
    });
    made.push(entry);
    prevChain = entry.chain;
  }
  return made;
}

interface Home {
  readonly file: string;
  readonly folder: string;
  readonly scratch: string;
}

/** A copy with ten entries in its log, of which its file has four. */
async function withCopy(work: (home: Home) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "ctdbx-adopt-"));
  const [folder, scratch] = [join(root, "bank.5"), join(root, "scratch")];
  for (const each of [folder, scratch]) mkdirSync(each);
  const file = join(folder, "bank.tdb");
  try {
    const store = await CommitStore.open(IMAGES, file, {
      fresh: FRESH,
      hashSize: 11,
      locking: "none",
    });
    const all = entries(10);
    store.write({ entries: all, highTerm: 1n });
    store.apply(all.slice(0, 4));
    store.close();
    await work({ file, folder, scratch });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function contentOf(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString("base64")]),
  );
}

test("All that the log has is in the one file; what is adopted stays as it is", async () => {
  await withCopy(async ({ file, folder, scratch }) => {
    const before = contentOf(folder);
    const seen = await withAdopted(IMAGES, file, scratch, async (adopted) => {
      const tdb = await openTdb(IMAGES, adopted.path, { locking: "none" });
      const values = ["key 4", "key 10", "last"].map((key) => tdb.fetch(bytes(key))?.slice(24));
      tdb.close();
      return { ...adopted, values: values.map((value) => new TextDecoder().decode(value)) };
    });
    assert.equal([seen.seqnum, seen.applied, seen.damagedFrom], [10n, 6, undefined]);
    assert.equal(seen.values, ["4", "10", "10"]);
    assert.equal(contentOf(folder), before);
    assert.equal(readdirSync(scratch), [], "nothing is left");
  });
});

test("What fails while it is used leaves nothing behind, and is told", async () => {
  await withCopy(async ({ file, scratch }) => {
    const work = withAdopted(IMAGES, file, scratch, () => Promise.reject(new Error("no room")));
    assert.match(await work.then(() => "done", ({ message }) => message), /no room/);
    assert.equal(readdirSync(scratch), []);
  });
});

test("A file that is no copy is refused, and so is none", async () => {
  await withCopy(async ({ file, folder, scratch }) => {
    rmSync(`${file}.id`);
    const failed = async (path: string) => {
      const work = withAdopted(IMAGES, path, scratch, () => Promise.resolve());
      const error = await work.then(() => undefined, (thrown: unknown) => thrown);
      return error instanceof Failure ? error.exit : undefined;
    };
    assert.is(await failed(file), EXIT.conflict);
    assert.is(await failed(join(folder, "none.tdb")), EXIT.notFound);
  });
});

test.run();
