/**
 * What every adapter of the Disk port must do.
 *
 * Does NOT promise: what a power cut leaves; the simulated disk has tests of its own for that.
 */

import * as assert from "uvu/assert";
import { FILE_READ_MAX, UNFINISHED } from "../../transport/disk_checks.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { Disk } from "../../transport/world.ts";
import { contract, type Promises, rejectsCode, text, throwsCode } from "./port_fixture.ts";
import { throwsRange, utf8, type Waits } from "./port_fixture.ts";
import { skip } from "../limit.ts";

/** What the suite runs on. */
export interface DiskFixture extends Waits {
  readonly disk: Disk;
  /** An empty folder of its own. */
  readonly folder: string;
  /** Makes a file unreadable; undefined when this user may read everything. */
  deny(path: string): (() => void) | undefined;
  /** A folder on a disk with so many bytes of room, and how to give it more; undefined when there can be none. */
  small(bytes: number): { folder: string; grow(): void } | undefined;
}

/** Runs the contract. */
export function diskContract(
  name: string,
  make: () => DiskFixture,
  end?: (fixture: DiskFixture) => void,
): void {
  contract(`${name}: files`, FILES, make, end);
  contract(`${name}: refusals`, REFUSALS, make, end);
}

type Kind = "write" | "replace";
const KINDS: readonly Kind[] = ["write", "replace"];

/** Resolves when it is durable, rejects with what `done` was called with. */
function stored(disk: Disk, kind: Kind, path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    let isInside = true;
    disk[kind](path, bytes, (error?: CtdbxError) => {
      if (isInside) reject(new Error("done was called inside of the call"));
      else if (error === undefined) resolve();
      else reject(error);
    });
    isInside = false;
  });
}

const FILES: Promises<DiskFixture> = {
  "What was written is read: made, longer, shorter, empty": async ({ disk, folder, wait }) => {
    for (const kind of KINDS) {
      const path = `${folder}/${kind}`;
      assert.is(disk.read(path), undefined);
      for (const size of [5, 100_000, 0, 70_000, 512]) {
        const bytes = new Uint8Array(size).fill(size % 251);
        await wait(stored(disk, kind, path, bytes));
        assert.equal(disk.read(path), bytes);
      }
    }
  },

  "The caller may use its buffer again at once, and keep what it has read": async (fixture) => {
    const { disk, folder, wait } = fixture;
    for (const kind of KINDS) {
      const path = `${folder}/buffer-${kind}`;
      const buffer = new Uint8Array(10_000).fill(1);
      const done = stored(disk, kind, path, buffer);
      buffer.fill(2);
      await wait(done);
      const first = disk.read(path);
      assert.equal(first, new Uint8Array(10_000).fill(1));
      await wait(stored(disk, kind, path, buffer));
      assert.equal(first, new Uint8Array(10_000).fill(1));
    }
  },

  "Calls for one path run in order, whatever their kinds and sizes": async (fixture) => {
    const { disk, folder, wait } = fixture;
    const path = `${folder}/order`;
    const order: number[] = [];
    const all = [...Array(20).keys()].map((n) => {
      const bytes = utf8(`${n} `.repeat((20 - n) * 500));
      return stored(disk, n % 3 === 0 ? "replace" : "write", path, bytes).then(() => order.push(n));
    });
    await wait(Promise.all(all));
    assert.equal(order, [...Array(20).keys()]);
    assert.is(text(disk.read(path)), "19 ".repeat(500));
  },

  "Names are listed in order, without what is unfinished; folders can be made deep": async (
    fixture,
  ) => {
    const { disk, folder, wait } = fixture;
    const deep = `${folder}/a/b/c`;
    assert.equal(disk.list(deep), []);
    disk.makeFolder(deep);
    disk.makeFolder(deep);
    for (const name of ["zeta", "Alpha", "beta", "\u00e4"]) {
      await wait(stored(disk, "replace", `${deep}/${name}`, utf8(name)));
    }
    assert.equal(disk.list(deep), ["Alpha", "beta", "zeta", "\u00e4"]);
    assert.equal(disk.list(`${folder}/a`), ["b"]);
  },

  "Removed is removed, also twice": async ({ disk, folder, wait }) => {
    const path = `${folder}/removed`;
    await wait(stored(disk, "write", path, utf8("x")));
    disk.remove(path);
    disk.remove(path);
    assert.is(disk.read(path), undefined);
    await wait(stored(disk, "write", path, utf8("y")));
    assert.is(text(disk.read(path)), "y");
  },
};

const REFUSALS: Promises<DiskFixture> = {
  "A full disk is no_space, and the file is as it was": async (fixture) => {
    const { disk, wait } = fixture;
    const small = fixture.small(256 * 1024) ?? skip("cannot make a small file system");
    for (const kind of KINDS) {
      const path = `${small.folder}/${kind}`;
      const old = new Uint8Array(40_000).fill(3);
      await wait(stored(disk, kind, path, old));
      const before = disk.list(small.folder);
      const big = new Uint8Array(400_000).fill(4);
      await rejectsCode(fixture, stored(disk, kind, path, big), "no_space");
      assert.equal(disk.read(path), old);
      await rejectsCode(fixture, stored(disk, kind, `${path}-new`, big), "no_space");
      assert.is(disk.read(`${path}-new`), undefined);
      assert.equal(disk.list(small.folder), before);
      // What was tried has left its space to others.
      const other = `${small.folder}/other`;
      await wait(stored(disk, "write", other, new Uint8Array(100_000)));
      disk.remove(other);
      await wait(stored(disk, kind, path, new Uint8Array(80_000).fill(5)));
      assert.is(disk.read(path)?.length, 80_000);
    }
    small.grow();
    const big = new Uint8Array(400_000).fill(6);
    await wait(stored(disk, "write", `${small.folder}/write`, big));
    assert.equal(disk.read(`${small.folder}/write`), big);
  },

  "A failed call does not stop the next one of that path": async (fixture) => {
    const { disk, folder, wait } = fixture;
    const path = `${folder}/absent/file`;
    const failed = stored(disk, "write", path, utf8("x"));
    await rejectsCode(fixture, failed, "not_found");
    disk.makeFolder(`${folder}/absent`);
    await wait(stored(disk, "write", path, utf8("y")));
    assert.is(text(disk.read(path)), "y");
  },

  "A file without permission is denied": async (fixture) => {
    const { disk, folder, wait } = fixture;
    const path = `${folder}/denied`;
    await wait(stored(disk, "write", path, utf8("x")));
    const allow = fixture.deny(path) ?? skip("cannot forbid a file to this user");
    try {
      await rejectsCode(fixture, stored(disk, "write", path, utf8("y")), "denied");
    } finally {
      allow();
    }
    assert.is(text(disk.read(path)), "x");
  },

  "A folder is no file, and a file no folder": async (fixture) => {
    const { disk, folder, wait } = fixture;
    disk.makeFolder(`${folder}/is-folder`);
    throwsCode(() => disk.read(`${folder}/is-folder`), "io");
    await rejectsCode(fixture, stored(disk, "write", `${folder}/is-folder`, utf8("x")), "io");
    await wait(stored(disk, "write", `${folder}/is-file`, utf8("x")));
    throwsCode(() => disk.list(`${folder}/is-file`), "not_found");
    throwsCode(() => disk.makeFolder(`${folder}/is-file`), "exists");
  },

  "What is too long to be read is not written": ({ disk, folder }) => {
    const bytes = new Uint8Array(FILE_READ_MAX + 1);
    for (const kind of KINDS) {
      throwsCode(() => disk[kind](`${folder}/long`, bytes, () => {}), "limit", /FILE_READ_MAX/);
    }
    assert.is(disk.read(`${folder}/long`), undefined);
  },

  "Odd paths are refused": ({ disk }) => {
    for (const path of ["", "relative", "./x", "/a\0b", `/a${UNFINISHED}`]) {
      throwsRange(() => disk.read(path));
      throwsRange(() => disk.remove(path));
      throwsRange(() => disk.makeFolder(path));
      throwsRange(() => disk.list(path));
      for (const kind of KINDS) throwsRange(() => disk[kind](path, utf8("x"), () => {}));
    }
  },
};
