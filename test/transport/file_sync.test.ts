/** The syncs of files by the runtime's own threads: each file for itself, and what cannot be synced is said. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RealFileSync } from "../../transport/real_file_sync.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("file syncs");

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-sync-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("Files are synced, several at once, also when they are forgotten meanwhile", async () => {
  await inFolder(async (folder) => {
    const syncs = new RealFileSync();
    const paths = Array.from({ length: 20 }, (_, at) => join(folder, `${at}`));
    for (const path of paths) writeFileSync(path, path);
    const done = paths.flatMap((path) => [syncs.sync(path), syncs.sync(path)]);
    for (const path of paths) syncs.forget(path);
    await Promise.all(done);
    await syncs.sync(paths[0] as string);
    syncs.forget(paths[0] as string);
    syncs.forget(join(folder, "never"));
  });
});

test("A file that is not there is refused, and synced once it is there", async () => {
  await inFolder(async (folder) => {
    const syncs = new RealFileSync();
    const path = join(folder, "later");
    let code: string | undefined;
    await syncs.sync(path).catch((error) => code = error instanceof CtdbxError ? error.code : "");
    assert.is(code, "not_found");
    writeFileSync(path, "here");
    await syncs.sync(path);
    syncs.forget(path);
  });
});

test.run();
