/**
 * The TDB files of test/vectors/tdb with what their vectors.json says about them.
 *
 * Does NOT promise: the files themselves; work on a copy, opening may write.
 */

import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../build/steps.ts";
import type { CorruptKind } from "../../transport/wire/errors.ts";
import type { Records } from "./session.ts";

/** A sound file, or one with a pending recovery. */
export interface GoodVector {
  readonly file: string;
  readonly byteOrder: "little" | "big";
  readonly hash: "old" | "jenkins";
  readonly hashSize: number;
  readonly mutexSize: number;
  readonly sequenceNumber: number;
  readonly recoveryStart: number;
  readonly recoveryPending: boolean;
  readonly records: readonly (readonly [string, string])[];
}

/** A damaged file and what must be said about it. */
export interface CorruptVector {
  readonly file: string;
  readonly required: string;
  readonly code: CorruptKind;
}

/** All of vectors.json. */
export function vectors(): { good: readonly GoodVector[]; corrupt: readonly CorruptVector[] } {
  return JSON.parse(readFileSync(join(ROOT, "test/vectors/tdb/vectors.json"), "utf8"));
}

/** Copies a vector's file into a folder; returns the copy's path. */
export function copyVector(file: string, folder: string): string {
  const path = join(folder, file);
  copyFileSync(join(ROOT, "test/vectors/tdb", file), path);
  return path;
}

/** A vector's records as sessions show them. */
export function recordsOfVector(vector: GoodVector): Records {
  const word = (text: string) => text === "" ? "-" : text;
  return new Map(vector.records.map(([key, value]) => [word(key), word(value)]));
}
