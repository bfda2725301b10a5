/**
 * What every adapter of the Log port must do.
 *
 * Does NOT promise: a form of the lines; the fixture reads them back.
 */

import * as assert from "uvu/assert";
import type { Log, LogLevel } from "../../transport/world.ts";
import { contract, type Promises } from "./port_fixture.ts";

/** An entry as it was read back. */
export interface Entry {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What the suite runs on. */
export interface LogFixture {
  /** A log that takes all levels. */
  readonly log: Log;
  /** All entries so far. */
  entries(): readonly Entry[];
}

/** Runs the contract. */
export function logContract(
  name: string,
  make: () => LogFixture,
  end?: (fixture: LogFixture) => void,
): void {
  contract(name, LOG, make, end);
}

const LOG: Promises<LogFixture> = {
  "Level, text and fields come back, in order": ({ log, entries }) => {
    const before = entries().length;
    for (const level of ["debug", "info", "warning", "error"] as const) {
      log.write(level, `at ${level}`, { level, count: 3, flag: true });
    }
    log.write("info", "no fields");
    const got = entries().slice(before);
    assert.equal(got.map(({ text }) => text), [
      "at debug",
      "at info",
      "at warning",
      "at error",
      "no fields",
    ]);
    assert.equal(got[2], {
      level: "warning",
      text: "at warning",
      fields: { level: "warning", count: 3, flag: true },
    });
    assert.equal(got[4]?.fields, {});
  },

  "u64, bytes, errors, circles and depths do no harm": ({ log, entries }) => {
    const circle: Record<string, unknown> = { name: "circle" };
    circle["self"] = circle;
    log.write("error", "odd fields", {
      token: (1n << 64n) - 1n,
      bytes: new Uint8Array([0, 255]),
      error: new RangeError("why"),
      circle,
      list: [1n, [new Map([["a", 1n]])]],
      nothing: undefined,
    });
    const fields = entries().at(-1)?.fields ?? {};
    assert.is(fields["token"], "18446744073709551615");
    assert.is(fields["bytes"], "00ff");
    assert.match(JSON.stringify(fields["error"]), /RangeError.*why/);
    assert.match(JSON.stringify(fields["circle"]), /circle/);
    assert.equal(fields["list"], ["1", [{ a: "1" }]]);
  },

  "One entry stays one entry, whatever is in it": ({ log, entries }) => {
    const before = entries().length;
    const nasty = 'a\nb\r\n"c" \u2028 \u0000 {braces} %s';
    log.write("info", nasty, { [nasty]: nasty });
    log.write("info", "long", { long: "x".repeat(1_000_000) });
    const got = entries().slice(before);
    assert.is(got.length, 2);
    assert.is(got[0]?.text, nasty);
    assert.equal(got[0]?.fields, { [nasty]: nasty });
    assert.ok(JSON.stringify(got[1]).length < 5000, "a long field is cut");
  },
};
