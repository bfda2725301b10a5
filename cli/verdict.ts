/**
 * How a command ends that has done its work and tells its finding by its exit code alone: nothing goes to stderr.
 *
 * Does NOT promise: a code of the table of exit codes in its usual sense; who throws it documents what it means.
 */

import type { ExitCode } from "./exit_codes.ts";

/** Thrown after the result is written. */
export class Verdict extends Error {
  readonly exit: ExitCode;

  constructor(exit: ExitCode) {
    super(`the finding is ${exit}`);
    this.name = "Verdict";
    this.exit = exit;
  }
}
