/**
 * Room in the Memory when it gets tight, and disks that refuse.
 *
 * Does NOT promise: real full disks; see traps.test.ts.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { ERRNO, type Libc, openLibc } from "../../transport/ffi.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { throwsCode } from "../contracts/image_fixture.ts";

const test = suite("real mapping");
const folder = mkdtempSync(join(tmpdir(), "ctdbx-mapping-"));
const libc = openLibc();
const store = new RealImageStore({ libc });
const { bytes, regions } = threadMemory();
const GIB = 2 ** 30;
test.after(() => rmSync(folder, { recursive: true }));

/** A sparse file with a mark in its last byte. */
function sparse(name: string, size: number) {
  const image = store.open(join(folder, name), { create: true });
  image.truncate(size);
  bytes[image.address + size - 1] = 55;
  return image;
}

test("A file takes the slack that others reserved when nothing else is left", () => {
  const before = regions.free();
  const images = [sparse("slack-1", GIB), sparse("slack-2", GIB)];
  assert.ok(regions.free().longest < 1.25 * GIB, "or this test shows nothing");
  images.push(sparse("slack-3", 1.25 * GIB));
  for (const image of images) assert.is(bytes[image.address + image.mapped - 1], 55);
  for (const image of images) image.close();
  assert.equal(regions.free(), before);
});

test("A file that fills most of the Memory moves over its own old place", () => {
  const first = sparse("overlap-1", GIB);
  const second = sparse("overlap-2", 1.25 * GIB);
  const wall = sparse("overlap-wall", 4096);
  first.close();
  const old = second.address;
  second.truncate(2.5 * GIB);
  assert.ok(second.address < old && second.address + second.mapped > old);
  assert.is(bytes[second.address + 1.25 * GIB - 1], 55);
  assert.is(bytes[wall.address + 4095], 55);
  throwsCode(() => second.truncate(3.4375 * GIB), "limit", /longest free run/);
  assert.is(second.mapped, 2.5 * GIB);
  assert.is(bytes[second.address + 1.25 * GIB - 1], 55, "mapped as before");
  second.close();
  wall.close();
});

test("A file that grew before the disk was full is cut back", () => {
  for (const [errno, code] of [[ERRNO.ENOSPC, "no_space"], [ERRNO.EDQUOT, "no_space"]] as const) {
    const failing: Libc = {
      ...libc,
      posixFallocate: (fd, offset, length) => {
        libc.ftruncate(fd, offset + length / 2);
        return errno;
      },
    };
    const image = new RealImageStore({ libc: failing }).open(join(folder, code), { create: true });
    throwsCode(() => image.extend(100_000), code);
    assert.is(image.size(), 0);
    assert.is(image.mapped, 0);
    image.close();
  }
});

test("Where blocks cannot be reserved, zeros are written, also after short writes", () => {
  let writes = 0;
  const plain: Libc = {
    ...libc,
    posixFallocate: () => ERRNO.EOPNOTSUPP,
    pwrite: (fd, from, length, offset) => {
      writes++;
      return libc.pwrite(fd, from, Math.min(length, 50_000), offset);
    },
  };
  const path = join(folder, "zeros");
  const image = new RealImageStore({ libc: plain }).open(path, { create: true });
  image.extend(200_000);
  assert.is(image.mapped, 200_000);
  assert.is(writes, 4);
  assert.equal(readFileSync(path).length, 200_000);
  image.close();
});

test("A new file's name is made durable by the first sync, once", () => {
  let folders = 0;
  const counting: Libc = { ...libc, fsync: (fd) => (folders++, libc.fsync(fd)) };
  const counted = new RealImageStore({ libc: counting });
  const image = counted.open(join(folder, "named"), { create: true });
  image.sync(0, 0);
  image.sync(0, 0);
  assert.is(folders, 1);
  image.close();
  counted.rename(join(folder, "named"), join(folder, "renamed"));
  assert.is(folders, 2);
});

test.run();
