/** Handles of a thread are limited; those whose process died in a simulation are given back. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closeEnded } from "../../../actors/storage/tdb_core.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { DATABASES_MAX } from "../../../assembly/host/tdb_kernels.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { b } from "./record_rig.ts";

const test = suite("handles of a thread");

test("processes that die again and again take no handle for ever, and no memory", async () => {
  const images = new SimImageStore({ seed: 1 });
  // What tests of other files left.
  closeEnded();
  const freeBytes = threadMemory().regions.free().bytes;
  for (let deaths = 0; deaths < DATABASES_MAX + 5; deaths++) {
    const tdb = await openTdb(images, "/x.tdb", { create: true });
    tdb.store(b("key"), b(`${deaths}`));
    images.reboot("process");
  }
  closeEnded();
  assert.is(threadMemory().regions.free().bytes, freeBytes);
});

test("handles that are in use are not given to others", async () => {
  const images = new SimImageStore({ seed: 2 });
  const first = await openTdb(images, "/y.tdb", { create: true });
  first.store(b("key"), b("value"));
  const all = [first];
  let code = "";
  while (code === "") {
    try {
      all.push(await openTdb(images, "/y.tdb", {}));
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      code = error.code;
    }
  }
  const found = all.map((tdb) => tdb.fetch(b("key")));
  for (const tdb of all) tdb.close();
  assert.is(code, "limit");
  // Tests of other files may have left some open.
  assert.ok(all.length > DATABASES_MAX / 2, `${all.length} handles`);
  for (const value of found) assert.equal(value, b("value"));
});

test.run();
