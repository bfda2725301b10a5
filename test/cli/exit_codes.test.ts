/** The table of exit codes covers every error code of the source, and says what each exit code means. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT, EXIT_MEANING, EXIT_OF } from "../../cli/exit_codes.ts";
import { Failure, reportOf, reportText, systemFailure } from "../../cli/failure.ts";
import { failedEnvelope } from "../../cli/result.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("cli/exit_codes");

/** The union as it stands in the source: a type cannot be listed at run time. */
function codesInSource(): string[] {
  const source = readFileSync(
    new URL("../../transport/wire/errors.ts", import.meta.url),
    "utf8",
  );
  const union = /export type ErrorCode =([\s\S]*?\| "\w+");/.exec(source)?.[1] ?? "";
  return [...union.matchAll(/\| "(\w+)"/g)].map((match) => match[1] ?? "");
}

test("every error code has an exit code, and there are no others", () => {
  const codes = codesInSource();
  assert.ok(codes.length >= 14, `only ${codes.length} codes found`);
  assert.equal(Object.keys(EXIT_OF).sort(), codes.sort());
  for (const exit of Object.values(EXIT_OF)) assert.ok(exit >= 1 && exit <= 14);
});

test("exit codes are 0 to 14 without a gap, and each has a meaning", () => {
  assert.equal(Object.values(EXIT).sort((one, other) => one - other), [...Array(15).keys()]);
  for (const exit of Object.values(EXIT)) assert.ok(EXIT_MEANING[exit].length > 3);
});

test("a time-out of a lock is a conflict, because nothing was changed", () => {
  assert.is(EXIT_OF.timeout, 4);
  assert.is(EXIT_OF.busy, 4);
});

test("a limit is not the caller's fault: libtdb's files may have more than ctdbx stores", () => {
  assert.is(EXIT_OF.limit, 1);
});

test("an error of the system has the exit code of its cause, and says so without its number", () => {
  for (
    const [code, exit, text] of [
      ["ENOENT", 3, "there is no such file or folder"],
      ["ENOTDIR", 3, "a part of the path is not a folder"],
      ["EACCES", 7, "permission denied"],
      ["EROFS", 7, "the file system takes no writes"],
      ["EDQUOT", 11, "no space left"],
      ["EIO", 1, "EIO: said the disk"],
    ] as const
  ) {
    const failure = systemFailure(
      Object.assign(new Error(`${code}: said the disk`), { code }),
      "No",
    );
    assert.equal([failure.exit, failure.message], [exit, `No: ${text}`]);
  }
});

test("an error of the engine is shown with its hint and without a stack", () => {
  const report = reportOf(new CorruptError("tailer", 700, "Cannot read a.tdb: the tailer differs"));
  assert.is(report.exit, 12);
  const text = reportText(report);
  assert.match(text, /^ctdbx: Cannot read a.tdb: the tailer differs\nhint: /);
  assert.not.match(text, /\n\s+at /);
  const shown = JSON.parse(failedEnvelope("tdb info", report));
  assert.is(shown.error.code, "corrupt");
  assert.is(shown.error.kind, "tailer");
  assert.is(shown.error.offset, 700);
});

test("an error nobody expected keeps its stack and exits with 1", () => {
  const report = reportOf(new TypeError("x is not a function"));
  assert.is(report.exit, 1);
  assert.is(report.code, "internal");
  assert.match(reportText(report), /\n\s*at |@/);
});

test("a failure of the command line has its own exit code and hint", () => {
  const report = reportOf(new Failure(EXIT.partial, "Cannot do all", "look"));
  assert.equal(report, { exit: 9, code: "partial", message: "Cannot do all", hint: "look" });
  const bare = reportOf(new CtdbxError("exists", "Cannot insert"));
  assert.is(reportText(bare), "ctdbx: Cannot insert\n");
});

test.run();
