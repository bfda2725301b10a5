/** What commands that need no cluster print as JSON, held against the schema that they print themselves. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { sharedSuite } from "../suite.ts";
import { checked, good } from "./schema_rig.ts";

interface Context {
  folder: string;
}

const test = sharedSuite<Context>("schemas without a cluster", { folder: "" });

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "ctdbx-schema-"));
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("tdb commands: each result as it is declared", async ({ folder }) => {
  const file = join(folder, "a.tdb");
  const other = (name: string) => join(folder, name);
  await good(["tdb", "create", file]);
  await good(["tdb", "put", file, "key", "value"]);
  await good(["tdb", "put", file, "--hex", "00ff", "8081"]);
  for (
    const words of ["get FILE key", "get FILE 6b6579 --hex", "get FILE 00ff --hex", "dump FILE"]
  ) {
    await good(`tdb ${words}`.replace("FILE", file));
  }
  for (const words of ["dump FILE -k key", "keys FILE", "info FILE", "check FILE", "repack FILE"]) {
    await good(`tdb ${words}`.replace("FILE", file));
  }
  await good(["tdb", "bench", file, "--ops", "100"]);
  await good(["tdb", "backup", file, other("b.tdb"), "--verify"]);
  await good(["tdb", "convert", file, other("c.tdb"), "--add-header"]);
  await good(["tdb", "convert", other("c.tdb"), other("d.tdb"), "--strip-header"]);
  await good(["tdb", "rescue", file, "--to", other("e.tdb")]);
  await good(["tdb", "rescue", file]);
  await good(["tdb", "del", file, "key"]);
  assert.is((await checked(["tdb", "get", file, "key"])).exit, 3);
  assert.is((await checked(["tdb", "create", file])).exit, 4);
  writeFileSync(other("text"), "this is no database");
  assert.is((await checked(["tdb", "check", other("text")])).exit, 12);
});

test("what needs no cluster: lock test, sim, bench, completion", async ({ folder }) => {
  await good(["lock", "test", join(folder, "lock"), "--seconds", "1"]);
  await good("sim run --seconds 5 --story");
  await good("bench meta --nodes-max 10 --seconds 10");
  await good("completion bash");
});

test.run();
