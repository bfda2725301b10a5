/**
 * The durable state of a node: written in turn, found again, and never mistaken when a file is broken.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DurableState, MetaFile } from "../../../actors/storage/meta_file.ts";
import { STATE_FORMAT } from "../../../transport/wire/durable.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Incarnation, Token } from "../../../transport/wire/terms.ts";
import type { Disk } from "../../../transport/world.ts";

const A = "/state/meta.a";
const B = "/state/meta.b";

/** A disk of two files; a write ends when the test lets it. */
class HandDisk {
  readonly files = new Map<string, Uint8Array>();
  fails: CtdbxError | undefined;
  readonly #ends: (() => void)[] = [];

  read(path: string): Uint8Array | undefined {
    return this.files.get(path);
  }

  write(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void {
    this.#ends.push(() => {
      if (this.fails === undefined) this.files.set(path, bytes);
      done(this.fails);
    });
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

function state(n: number): DurableState {
  return {
    diskId: "00112233445566778899aabbccddeeff",
    promised: BigInt(n) << 32n as Token,
    accepted: undefined,
    incarnation: BigInt(n) as Incarnation,
  };
}

/** A disk with states 1 .. n saved. */
function saved(n: number): HandDisk {
  const disk = new HandDisk();
  const file = new MetaFile(disk as unknown as Disk, "/state");
  assert.is(file.load(), undefined);
  for (let i = 1; i <= n; i++) {
    file.save(state(i), (error) => assert.is(error, undefined));
    disk.end();
  }
  return disk;
}

function loaded(disk: HandDisk): Partial<DurableState> | undefined {
  return new MetaFile(disk as unknown as Disk, "/state").load();
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, CtdbxError);
    return (error as CtdbxError).code;
  }
  return "no error";
}

const test = suite("durable state of a node");

test("the last one that was saved is found, whichever file it is in", () => {
  for (const n of [1, 2, 3, 4]) assert.is(loaded(saved(n))?.incarnation, BigInt(n));
});

test("after a load it goes on in turn: the older file is written", () => {
  const disk = saved(3);
  const before = new Map(disk.files);
  const file = new MetaFile(disk as unknown as Disk, "/state");
  file.load();
  file.save(state(4), () => {});
  disk.end();
  assert.is(loaded(disk)?.incarnation, 4n);
  assert.is([A, B].filter((path) => disk.files.get(path) === before.get(path)).length, 1);
});

test("every byte of the newer file cut or changed: the older one counts", () => {
  const disk = saved(2);
  const [newer] = [A, B].filter((path) => {
    const one = new HandDisk();
    one.files.set(path, disk.files.get(path) as Uint8Array);
    return loaded(one)?.incarnation === 2n;
  });
  const path = newer as string;
  const whole = disk.files.get(path) as Uint8Array;
  for (let at = 0; at < whole.length; at++) {
    disk.files.set(path, whole.slice(0, at));
    assert.is(loaded(disk)?.incarnation, 1n, `cut at ${at}`);
    const changed = whole.slice();
    changed[at] = (changed[at] as number) ^ 0x10;
    // The format has a meaning of its own: a higher one is a newer ctdbx's.
    if (at < 8 || at >= 12) {
      disk.files.set(path, changed);
      assert.is(loaded(disk)?.incarnation, 1n, `changed at ${at}`);
    }
  }
});

test("both broken is an error and no fresh start; the first write cut is a fresh start", () => {
  const disk = saved(2);
  for (const path of [A, B]) {
    disk.files.set(path, (disk.files.get(path) as Uint8Array).slice(0, 30));
  }
  assert.is(codeOf(() => loaded(disk)), "corrupt");
  const first = saved(1);
  for (const path of [A, B]) {
    const bytes = first.files.get(path);
    if (bytes !== undefined) first.files.set(path, bytes.slice(0, 10));
  }
  assert.is(loaded(first), undefined);
});

test("the files of a newer ctdbx are refused by version", () => {
  const disk = saved(1);
  for (const [path, bytes] of disk.files) {
    const newer = bytes.slice();
    new DataView(newer.buffer).setUint32(8, STATE_FORMAT + 1, true);
    disk.files.set(path, newer);
  }
  assert.is(codeOf(() => loaded(disk)), "version");
});

test("a write that fails says so, and what was there stays; the next one works", () => {
  const disk = saved(2);
  const file = new MetaFile(disk as unknown as Disk, "/state");
  file.load();
  disk.fails = new CtdbxError("no_space", "Cannot write: no space left");
  const errors: (string | undefined)[] = [];
  file.save(state(3), (error) => errors.push(error?.code));
  disk.end();
  assert.is(loaded(disk)?.incarnation, 2n);
  disk.fails = undefined;
  file.save(state(4), (error) => errors.push(error?.code));
  disk.end();
  assert.equal(errors, ["no_space", undefined]);
  assert.is(loaded(disk)?.incarnation, 4n);
});

test.run();
