/**
 * What the contracts of all ports share: suites that run on a fixture made once, and errors by their code.
 *
 * A fixture has `wait`: on a real adapter it is the promise itself, on a simulated one virtual time runs until the
 * promise has settled.
 *
 * Does NOT promise: a test; those are in the files beside it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { limit } from "../limit.ts";

/** How a fixture lets things happen. */
export interface Waits {
  /** Lets the world go on until the promise has settled. */
  wait<T>(promise: Promise<T>): Promise<T>;
}

/** Tests by what they promise. */
export type Promises<Fixture> = Readonly<
  Record<string, (fixture: Fixture) => Promise<void> | void>
>;

/** Makes a suite of promises; `make` before the first, `end` after the last. */
export function contract<Fixture>(
  name: string,
  promises: Promises<Fixture>,
  make: () => Promise<Fixture> | Fixture,
  end: (fixture: Fixture) => Promise<void> | void = () => {},
): void {
  const test = suite(name);
  const made: Fixture[] = [];
  const fixture = (): Fixture => {
    const [one] = made;
    if (one === undefined) throw new Error("the fixture was not made");
    return one;
  };
  test.before(async () => void made.push(await make()));
  for (const [title, run] of Object.entries(promises)) {
    test(title, limit(60_000, () => run(fixture())));
  }
  test.after(async () => {
    for (const one of made.splice(0)) await end(one);
  });
  test.run();
}

/** Does it throw a CtdbxError with this code and a text that says what? */
export function throwsCode(run: () => unknown, code: ErrorCode, text = /^Cannot /): void {
  assert.throws(
    run,
    (error: unknown) =>
      error instanceof CtdbxError && error.code === code && text.test(error.message),
  );
}

/** The same for a promise; the error, for a closer look. */
export async function rejectsCode(
  fixture: Waits,
  promise: Promise<unknown>,
  code: ErrorCode,
): Promise<CtdbxError> {
  const outcome = await fixture.wait(promise.then(() => undefined, (error: unknown) => error));
  assert.instance(outcome, CtdbxError, `no CtdbxError: ${String(outcome)}`);
  assert.is((outcome as CtdbxError).code, code, (outcome as CtdbxError).message);
  assert.match((outcome as CtdbxError).message, /^Cannot /);
  return outcome as CtdbxError;
}

/** Does it throw a RangeError? */
export function throwsRange(run: () => unknown): void {
  assert.throws(run, (error: unknown) => error instanceof RangeError);
}

/** Something that will be there: `put` it, `take` it, in order. */
export class Inbox<T> {
  readonly #things: T[] = [];
  readonly #takers: ((thing: T) => void)[] = [];

  get size(): number {
    return this.#things.length;
  }

  readonly put = (thing: T): void => {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#things.push(thing);
    else taker(thing);
  };

  take(): Promise<T> {
    const [thing] = this.#things;
    if (this.#things.length === 0) return new Promise((resolve) => this.#takers.push(resolve));
    this.#things.shift();
    return Promise.resolve(thing as T);
  }

  /** The next `count` of them. */
  async takeAll(count: number): Promise<T[]> {
    const things: T[] = [];
    while (things.length < count) things.push(await this.take());
    return things;
  }
}

/** Text as bytes, and back. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
