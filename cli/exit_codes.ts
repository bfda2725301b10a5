/**
 * The exit codes of ctdbx: one table, for scripts that decide what to do next.
 *
 *   0 go on    2 fix the call    3 4 it is as it is    5 look before you repeat    11 12 call somebody
 *
 * Does NOT promise: that 1 stays the code of what it is today; a cause that deserves a code may get one.
 */

import type { ErrorCode } from "../transport/wire/errors.ts";

/** Every code that a command can end with. */
export const EXIT = {
  ok: 0,
  other: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unknownOutcome: 5,
  noQuorum: 6,
  denied: 7,
  expectation: 8,
  partial: 9,
  splitBrain: 10,
  noSpace: 11,
  corrupt: 12,
  version: 13,
  needsYes: 14,
} as const;

/** One of the numbers of EXIT. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What each code means, in the words of the help and of docs/COMMANDS.md. */
export const EXIT_MEANING: Readonly<Record<ExitCode, string>> = {
  0: "done",
  1: "failed for a reason that has no code of its own",
  2: "wrong command, option, argument or configuration; nothing was done",
  3: "there is no such record, file, database, node or daemon",
  4: "conflict or precondition: it exists already, is locked, or is not in that state; nothing was changed",
  5: "no answer in time, and the change may have happened: look before you repeat it",
  6: "no quorum: no leader is known, or none that a majority of the voters follows",
  7: "not permitted, or opened read-only",
  8: "an expectation given on the command line was not met",
  9: "done in part: the text says what was left out",
  10: "split brain",
  11: "no space left; what was there is unchanged",
  12: "the file is damaged",
  13: "the file is of a format or has a feature that this version does not know",
  14: "refused without --yes",
};

/** The exit code of each error code. The type makes it total; test/cli/exit_codes.test.ts looks, too. */
export const EXIT_OF: Readonly<Record<ErrorCode, ExitCode>> = {
  not_found: EXIT.notFound,
  exists: EXIT.conflict,
  busy: EXIT.conflict,
  // A time-out of a `tdb` command is a wait for a lock, and the library says "timeout" only of what was certainly not
  // done: nothing was changed, so it is not code 5.
  timeout: EXIT.conflict,
  corrupt: EXIT.corrupt,
  no_space: EXIT.noSpace,
  // Not code 2: what is typed is measured before the engine sees it, so it is the file that has more than
  // ctdbx stores (libtdb knows no such limits), or the memory of this process is used up.
  limit: EXIT.other,
  read_only: EXIT.denied,
  state: EXIT.conflict,
  version: EXIT.version,
  denied: EXIT.denied,
  truncated: EXIT.corrupt,
  config: EXIT.usage,
  no_quorum: EXIT.noQuorum,
  unknown: EXIT.unknownOutcome,
  io: EXIT.other,
  unsupported: EXIT.other,
};
