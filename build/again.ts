/**
 * A test file that failed among all the others is run once more, alone: two cores with a dozen clusters on them stand
 * still now and then, and a test of real processes may then see what a busy machine did, not what we did.
 *
 *   failed ──▶ more than FILES_MAX files?  yes ──▶ all have failed: that is no accident
 *                 no ──▶ its file again, alone ──▶ fails ──▶ FAILED
 *                                              └─▶ passes ──▶ FLAKY, said with its error at the end
 *
 * What depends on a seed alone fails again. A process that ended before it could count is run again as a whole.
 *
 * Does NOT promise: that what is FLAKY is innocent. It is a finding; docs/TESTING.md says what is done about it.
 */

import type { Outcome, Step } from "./steps.ts";
import { runStep } from "./steps.ts";

/** Files that may be run again; when more have failed, none is. */
export const FILES_MAX = 6;

/** Outcomes, with those of test files that failed replaced by what came of them alone. */
export async function runAgain(outcomes: readonly Outcome[]): Promise<Outcome[]> {
  const failed = outcomes.filter(({ step, totals }) =>
    totals.failed > 0 && step.only !== undefined
  );
  const files = failed.reduce((count, outcome) => count + filesOf(outcome).length, 0);
  if (files > FILES_MAX) return [...outcomes];
  const results: Outcome[] = [];
  for (const outcome of outcomes) {
    results.push(failed.includes(outcome) ? await judged(outcome) : outcome);
  }
  return results;
}

/** What is run again: the files of what failed; one nameless "file" when the process itself did. */
function filesOf({ failures }: Outcome): (string | undefined)[] {
  const files = [...new Set(failures.map(({ file }) => file))];
  return files.includes(undefined) ? [undefined] : files;
}

async function judged(outcome: Outcome): Promise<Outcome> {
  const { step, totals, failures } = outcome;
  const files = filesOf(outcome).filter((file) => file !== undefined);
  const command = files.length === 0 ? step.command : step.only?.(files) ?? step.command;
  const again: Step = { ...step, name: `again: ${step.name}`, command };
  const second = await runStep(again);
  if (second.totals.failed > 0) return outcome;
  // A process that did not count now has; otherwise what had failed has passed.
  const passed = files.length === 0
    ? second.totals
    : { ...totals, passed: totals.passed + totals.failed, failed: 0 };
  const skipped = files.length === 0 ? second.skipped : outcome.skipped;
  return { step, totals: passed, skipped, failures: [], passing: failures };
}
