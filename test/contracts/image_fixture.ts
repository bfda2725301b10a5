/**
 * What the contract tests of the Image port run on, and what they share.
 *
 * Does NOT promise: a test; those are in the files beside it, put together by image.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Image, ImageStore, LockRange } from "../../transport/image.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";

/** What a suite runs on. */
export interface ImageFixture {
  readonly store: ImageStore;
  /** A path nobody has used. */
  path(name: string): string;
  /** Makes opening fail with "denied"; undefined when this machine cannot. */
  deny(path: string): (() => void) | undefined;
}

/** Does it throw a CtdbxError with this code, and with a text that says what? */
export function throwsCode(run: () => unknown, code: ErrorCode, text = /^Cannot /): void {
  assert.throws(
    run,
    (error: unknown) =>
      error instanceof CtdbxError && error.code === code && text.test(error.message),
  );
}

/** The same for a promise. */
export async function rejectsCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const outcome = await promise.then(() => undefined, (error: unknown) => error);
  assert.instance(outcome, CtdbxError);
  assert.is((outcome as CtdbxError).code, code);
}

/** Every byte there can be. */
export const ALL: LockRange = { start: 0, length: 0 };

/** A range. */
export function at(start: number, length = 1): LockRange {
  return { start, length };
}

/** Two images of one fresh file of 64 KiB. */
export function pair(fixture: ImageFixture, name: string): [Image, Image] {
  const path = fixture.path(name);
  const one = fixture.store.open(path, { create: true });
  one.extend(65536);
  return [one, fixture.store.open(path)];
}

/** Tests by what they promise. */
export type Promises = Readonly<Record<string, (fixture: ImageFixture) => Promise<void> | void>>;

/** Makes a suite of promises. */
export function suiteOf(
  name: string,
  promises: Promises,
  make: () => ImageFixture,
  end: () => void,
): void {
  const test = suite(name);
  const fixture = make();
  for (const [title, run] of Object.entries(promises)) test(title, () => run(fixture));
  test.after(end);
  test.run();
}
