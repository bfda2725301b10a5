/**
 * A node that cannot make the file of a database: it is home of its slots all the same, says what is wrong, and gets
 * the file when the reason has gone.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MEND_MS } from "../../../actors/data/databases.ts";
import type { ImageOptions, ImageStore } from "../../../transport/image.ts";
import type { SimWorld } from "../../../transport/sim/world.ts";
import { CtdbxError, type ErrorCode } from "../../../transport/wire/errors.ts";
import { b, DataRig, FOLDER, okOf, t } from "./data_rig.ts";

const test = suite("data without a file");

/** The files of a machine, of which those of databases cannot be made for a while. */
class Denying implements ImageStore {
  code: ErrorCode | undefined;
  readonly #images: ImageStore;

  constructor(images: ImageStore) {
    this.#images = images;
  }

  open(path: string, options: ImageOptions = {}) {
    if (options.create === true && this.code !== undefined && path.startsWith(FOLDER)) {
      throw new CtdbxError(this.code, `Cannot make ${path}: simulated`);
    }
    return this.#images.open(path, options);
  }

  exists(path: string): boolean {
    return this.#images.exists(path);
  }

  remove(path: string): void {
    this.#images.remove(path);
  }

  rename(from: string, to: string): void {
    this.#images.rename(from, to);
  }
}

/** Three nodes, of which node 0 can be denied its files. */
async function start(seed: number): Promise<{ rig: DataRig; files: Denying }> {
  const rig = await DataRig.start(seed, 3);
  rig.kill(0);
  const world = rig.node(0).machine.boot();
  const files = new Denying(world.images);
  rig.node(0).world = Object.create(world, { images: { value: files } }) as SimWorld;
  await rig.startThread(0);
  await rig.life(0);
  await rig.view([0, 1, 2]);
  return { rig, files };
}

const KEYS = Array.from({ length: 40 }, (_, n) => `key ${n}`);

for (const code of ["no_space", "denied", "read_only"] as const) {
  test(`a database whose file cannot be made (${code}) serves the others, and gets its file later`, async () => {
    const { rig, files } = await start(1);
    files.code = code;
    await rig.attach("visits");
    assert.equal(rig.node(0).failures, [], "the thread goes on");
    const bare = rig.database(0, "visits");
    assert.is(bare.path, undefined);
    assert.match(bare.stats().why ?? "", /^Cannot make \/state\/volatile\/visits\.0\..*simulated$/);
    assert.ok(bare.stats().slotsHome > 0, "it is home of slots, records of others are among them");
    for (const key of KEYS) await rig.put(1, "visits", key, `value of ${key}`);
    for (const key of KEYS) assert.is(await rig.read(2, "visits", key), `value of ${key}`);
    const refused = await rig.op(0, "visits", "key 1", { what: "lock" });
    assert.is(refused.what, "answer");
    if (refused.what === "answer") assert.is(refused.outcome, "failed");
    assert.is(await rig.read(2, "visits", "key 1"), "value of key 1", "it stayed where it was");
    await rig.run(3 * MEND_MS);
    assert.is(bare.path, undefined, "the reason has not gone");
    files.code = undefined;
    await rig.run(MEND_MS + 10);
    assert.match(bare.path ?? "", /visits\.0\./);
    assert.is(bare.stats().why, undefined);
    await rig.put(0, "visits", "key 1", "of node 0");
    assert.is(await rig.read(1, "visits", "key 1"), "of node 0");
    assert.equal(rig.node(0).failures, []);
  });
}

test("a new life without a file begins empty, and a call from it is done where the record is", async () => {
  const { rig, files } = await start(2);
  await rig.attach("visits");
  await rig.put(0, "visits", "mine", "lost with the life");
  files.code = "no_space";
  await rig.life(0);
  await rig.view([0, 1, 2]);
  assert.is(await rig.read(1, "visits", "mine"), "", "what it alone had is lost");
  await rig.put(1, "visits", "theirs", "abc");
  const wish = { what: "call", procedure: "append", args: b("d") } as const;
  const called = await rig.op(0, "visits", "theirs", wish);
  assert.ok(called.what === "answer");
  if (called.what === "answer" && called.outcome !== "ok") assert.is(called.outcome, "failed");
  files.code = undefined;
  await rig.run(MEND_MS + 10);
  assert.is(t(okOf(await rig.op(0, "visits", "theirs", { what: "read" })))?.slice(0, 3), "abc");
  assert.equal(rig.node(0).failures, []);
});

test("a folder that cannot be made or listed does not keep the thread from starting", async () => {
  const rig = await DataRig.start(3, 1);
  rig.kill(0);
  const world = rig.node(0).machine.boot();
  const denied = () => {
    throw new CtdbxError("denied", "Cannot use the folder: simulated");
  };
  const disk = Object.create(world.disk, {
    makeFolder: { value: denied },
    list: { value: denied },
  });
  rig.node(0).world = Object.create(world, { disk: { value: disk } }) as SimWorld;
  await rig.startThread(0);
  await rig.life(0);
  await rig.view([0]);
  await rig.attach("visits");
  assert.match(rig.database(0, "visits").stats().why ?? "", /Cannot use the folder/);
  assert.equal(rig.node(0).failures, []);
});

test.run();
