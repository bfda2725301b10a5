/**
 * What every adapter of the Image port must do: run on the real and on the simulated one.
 *
 * Two images of one file stand for two processes: to locks and mutexes they are strangers.
 *
 * Does NOT promise: what only one adapter has (signals, power cuts); see test/transport/.
 */

import { IMAGE_BYTES } from "./image_bytes.ts";
import { IMAGE_FILES } from "./image_files.ts";
import { type ImageFixture, suiteOf } from "./image_fixture.ts";
import { IMAGE_LOCKS } from "./image_locks.ts";
import { IMAGE_MUTEXES } from "./image_mutexes.ts";

/** Runs the contract in four suites; `make` is called once for each, `end` after its last test. */
export function imageContract(name: string, make: () => ImageFixture, end: () => void): void {
  suiteOf(`${name}: files`, IMAGE_FILES, make, end);
  suiteOf(`${name}: bytes`, IMAGE_BYTES, make, end);
  suiteOf(`${name}: record locks`, IMAGE_LOCKS, make, end);
  suiteOf(`${name}: mutexes`, IMAGE_MUTEXES, make, end);
}
