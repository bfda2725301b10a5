/**
 * The one error that leaves an edge of ctdbx, with a code from a closed union.
 *
 * Machines answer with a code; edges throw it. Arguments of a wrong type or range are the runtime's own
 * TypeError and RangeError: those are mistakes of the program, these are states of the world.
 *
 * Does NOT promise: a stable text. Match on `code` (and `kind` for corruption), never on `message`.
 */

/** What is wrong, once for all of ctdbx; cli/exit_codes.ts maps each code to an exit code. */
export type ErrorCode =
  | "not_found" // no such record, file or database
  | "exists" // insert-only store of a key that is there
  | "busy" // a lock is held by another process; nothing was changed, try again
  | "timeout" // gave up waiting
  | "corrupt" // the file breaks its format; see CorruptError
  | "no_space" // disk or quota full; nothing was changed
  | "limit" // larger than a limit; the text names it
  | "read_only" // write to a database opened read-only
  | "state" // not possible now: nested transaction, lock held, handle closed
  | "version" // a format or feature this build does not know
  | "denied" // permissions
  | "truncated" // the file was shortened or replaced underneath
  | "config" // a configuration file cannot be used; the text names the key
  | "no_quorum" // no majority of voters, or no leader, can be reached
  | "unknown" // no answer in time: it may have been done, or may be yet
  | "io" // any other failure of the operating system
  | "unsupported"; // this platform or runtime cannot do it

/** An error with a code; `cause` holds what the runtime or the operating system said. */
export class CtdbxError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "CtdbxError";
    this.code = code;
  }
}

/** Which rule of the file format is broken (the names of test/vectors/tdb/vectors.json). */
export type CorruptKind =
  | "loop" // a chain or the free list meets itself
  | "offset" // a pointer below the data, misaligned or beyond the file
  | "magic" // not a record where one must be
  | "tailer" // trailing length differs from the header
  | "length" // a length runs past its record or the file
  | "hash" // stored hash differs from the hash of the key
  | "chain" // a record in a chain it does not belong to, or in none
  | "freelist" // a record on the free list that is not free, or a free one not on it
  | "header" // the file header cannot be used
  | "truncated" // shorter than its own header says
  | "recovery" // the recovery area, or what points to it, is unusable
  | "duplicate"; // two live records with one key

/** A file that breaks its format. `offset` is logical (bytes from the header that governs the records). */
export class CorruptError extends CtdbxError {
  readonly kind: CorruptKind;
  readonly offset: number;

  constructor(kind: CorruptKind, offset: number, message: string) {
    super("corrupt", message);
    this.name = "CorruptError";
    this.kind = kind;
    this.offset = offset;
  }
}
