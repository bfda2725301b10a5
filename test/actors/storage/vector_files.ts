/**
 * The TDB files that libtdb made, good and broken, with what is known of each; and files made of bytes.
 *
 * Does NOT promise: fresh copies of the listing; do not change what vectors() returns.
 */

import { readFileSync } from "node:fs";
import { threadMemory } from "../../../assembly/host/memory.ts";
import type { ImageStore } from "../../../transport/image.ts";
import type { CorruptKind } from "../../../transport/wire/errors.ts";

/** A good file. Keys and values are hex; a pending one lists its records after recovery. */
export interface GoodVector {
  readonly file: string;
  readonly size: number;
  readonly byteOrder: "little" | "big";
  readonly hash: "old" | "jenkins";
  readonly hashSize: number;
  readonly mutexSize: number;
  readonly recoveryStart: number;
  readonly recoveryPending: boolean;
  readonly records: readonly (readonly [string, string])[];
  /** Records as found in the file by libtdb's own words. */
  readonly recordKinds: { readonly live: number; readonly dead: number; readonly free: number };
}

/** A broken file and the kind that must be named. */
export interface CorruptVector {
  readonly file: string;
  readonly note: string;
  readonly code: CorruptKind;
  readonly referenceCheckerSays: { readonly open: "opens" | "refused" };
}

/** Everything that vectors.json says. */
export interface Vectors {
  readonly good: readonly GoodVector[];
  readonly corrupt: readonly CorruptVector[];
}

const FOLDER = new URL("../../vectors/tdb/", import.meta.url);

/** The listing of all vectors. */
export function vectors(): Vectors {
  return JSON.parse(readFileSync(new URL("vectors.json", FOLDER), "utf8"));
}

/** The bytes of one of them, a fresh copy. */
export function vectorBytes(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, FOLDER)));
}

/** Makes (or makes anew) a file of these bytes. */
export function putFile(store: ImageStore, path: string, bytes: Uint8Array): void {
  if (store.exists(path)) store.remove(path);
  const image = store.open(path, { create: true });
  if (bytes.length > 0) {
    image.extend(bytes.length);
    threadMemory().bytes.set(bytes, image.address);
  }
  image.close();
}

/** Bytes as hex digits. */
export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
