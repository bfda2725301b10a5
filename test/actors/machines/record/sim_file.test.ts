/** The file of a simulated life: whoever comes after a dead writer is told, whatever record of the chain it wrote. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Incarnation } from "../../../../transport/wire/terms.ts";
import type { Stored } from "../../../../actors/machines/record/copy.ts";
import { SimFile } from "../../../../actors/machines/sim/records/file.ts";

const test = suite("file of a simulated life");
const [WRITER, NEXT, LAST] = [1, 2, 3];
const STORED = { data: new Uint8Array(4) } as unknown as Stored;

/** One chain for all keys; "x" is half written by a client that is dead. */
function afterDeath(): SimFile {
  const file = new SimFile(0, 1n as Incarnation, 1, { onPut: () => {} });
  file.lock("x", WRITER, () => {});
  file.putHalf("x", STORED);
  file.die(WRITER);
  return file;
}

/** Waits for a mutex; was it told of a death? Undefined: not had yet. */
function wait(file: SimFile, key: string, client: number): { died: boolean | undefined } {
  const told: { died: boolean | undefined } = { died: undefined };
  file.lock(key, client, (died) => told.died = died);
  return told;
}

test("who has the mutex for another record next does not take the news away from the record", () => {
  const file = afterDeath();
  assert.is(file.tryLock("y"), "died");
  assert.is(file.tryLock("y"), "had");
  assert.is(file.tryLock("x"), "died", "it was half written");
  assert.is(file.tryLock("x"), "had", "once");
});

test("a client that is told and dies before it mends leaves it to the next", () => {
  const file = afterDeath();
  assert.is(wait(file, "x", NEXT).died, true);
  const last = wait(file, "x", LAST);
  assert.is(last.died, undefined);
  file.die(NEXT);
  assert.is(last.died, true);
  file.unlock("x", LAST);
  assert.is(wait(file, "x", WRITER).died, false, "it was mended");
});

test.run();
