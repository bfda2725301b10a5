/**
 * The contract of the Image port: opening, closing, renaming, refusing.
 *
 * Does NOT promise: to run by itself; image.ts does that, for an adapter.
 */

import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { MAPPED_MAX } from "../../transport/image.ts";
import { ALL, type Promises, rejectsCode, throwsCode } from "./image_fixture.ts";
import { skip } from "../limit.ts";

/** Run by image.ts. */
export const IMAGE_FILES: Promises = {
  "A missing file is not_found, unless it is to be created": (fixture) => {
    const path = fixture.path("missing");
    throwsCode(() => fixture.store.open(path), "not_found");
    assert.is(fixture.store.exists(path), false);
    const image = fixture.store.open(path, { create: true });
    assert.is(image.size(), 0);
    assert.is(image.mapped, 0);
    assert.is(image.address % 4096, 0);
    assert.is(fixture.store.exists(path), true);
    image.close();
  },

  "Creating exclusively fails with exists when the file is there": (fixture) => {
    const path = fixture.path("exclusive");
    fixture.store.open(path, { create: true, exclusive: true }).close();
    throwsCode(() => fixture.store.open(path, { create: true, exclusive: true }), "exists");
    fixture.store.open(path, { create: true }).close();
  },

  "A file without permission is denied": (fixture) => {
    const path = fixture.path("denied");
    fixture.store.open(path, { create: true }).close();
    const allow = fixture.deny(path);
    if (allow === undefined) skip("cannot forbid a file to this user");
    try {
      throwsCode(() => fixture.store.open(path), "denied");
    } finally {
      allow();
    }
  },

  "A read-only image refuses to write and to lock for writing": (fixture) => {
    const path = fixture.path("readonly");
    const writer = fixture.store.open(path, { create: true });
    writer.extend(4096);
    threadMemory().bytes[writer.address + 7] = 9;
    const reader = fixture.store.open(path, { readOnly: true });
    assert.is(threadMemory().bytes[reader.address + 7], 9);
    assert.is(reader.readOnly, true);
    for (
      const write of [
        () => reader.extend(8192),
        () => reader.truncate(0),
        () => reader.write(0, 0, 1),
        () => reader.initMutex(0),
        () => reader.tryLock(ALL, "write"),
      ]
    ) throwsCode(write, "read_only");
    assert.is(reader.tryLock(ALL, "read"), true);
    assert.is(writer.tryLock(ALL, "write"), false);
    reader.close();
    writer.close();
  },

  "A closed image throws state, except for being closed again": async (fixture) => {
    const image = fixture.store.open(fixture.path("closed"), { create: true });
    image.extend(4096);
    image.close();
    image.close();
    const uses: (() => unknown)[] = [
      () => image.size(),
      () => image.refresh(),
      () => image.extend(8192),
      () => image.truncate(0),
      () => image.write(0, 0, 0),
      () => image.sync(0, 0),
      () => image.touch(),
      () => image.tryLock(ALL, "read"),
      () => image.unlock(ALL),
      () => image.initMutex(0),
      () => image.tryMutex(0),
      () => image.unlockMutex(0),
    ];
    for (const use of uses) throwsCode(use, "state");
    await rejectsCode(image.lock(ALL, "read", 1), "state");
    await rejectsCode(image.mutex(0, 1), "state");
  },

  "Renaming replaces, removing twice is no error": (fixture) => {
    const [from, to] = [fixture.path("rename-from"), fixture.path("rename-to")];
    const image = fixture.store.open(from, { create: true });
    image.extend(5000);
    image.close();
    fixture.store.open(to, { create: true }).close();
    fixture.store.rename(from, to);
    assert.is(fixture.store.exists(from), false);
    const renamed = fixture.store.open(to);
    assert.is(renamed.size(), 5000);
    renamed.close();
    throwsCode(() => fixture.store.rename(from, to), "not_found");
    fixture.store.remove(to);
    fixture.store.remove(to);
    assert.is(fixture.store.exists(to), false);
  },

  "More than 3.5 GiB mapped per thread is a limit that says so": (fixture) => {
    const image = fixture.store.open(fixture.path("limit"), { create: true });
    image.extend(4096);
    const named = /3\.5 GiB/;
    throwsCode(() => image.truncate(MAPPED_MAX + 1), "limit", named);
    throwsCode(() => image.extend(MAPPED_MAX + 1), "limit", named);
    assert.is(image.size(), 4096);
    const other = fixture.store.open(fixture.path("limit-other"), { create: true });
    throwsCode(() => other.truncate(MAPPED_MAX), "limit", named);
    assert.is(other.size(), 0);
    other.close();
    image.close();
  },
};
