/**
 * Sums of the 4 KiB pages of a TDB file: MD5 of a page's bytes and its number, four pages at a time.
 *
 *   page 0 is summed as if the pointer to the recovery area were 0: while a large transaction is applied it points to
 *   another one, and other tools may clear it; the `.sum` file knows where the area lies.
 *
 * Does NOT promise: that a page lies in the file; callers know its size.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { PAGE, threadMemory } from "../../assembly/host/memory.ts";
import { OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { AT } from "./tdb_header.ts";

export { PAGE } from "../../assembly/host/memory.ts";
/** Bytes of a sum. */
export const SUM_BYTES = 16;
/** Pages summed at once. */
const BATCH = 64;
/** Where the numbers stand, behind the sums. */
const NUMBERS_AT = OUT_AT + BATCH * SUM_BYTES;

/**
 * Sums `count` pages, of the numbers that `pageOf(i)` says; `copy` puts page i to an address, PAGE bytes. Calls `use`
 * with each sum, which is good during the call.
 */
export function sumPages(
  count: number,
  pageOf: (i: number) => number,
  copy: (i: number, to: number) => void,
  use: (i: number, sum: Uint8Array) => void,
): void {
  const { regions, bytes, words } = threadMemory();
  const at = regions.take(BATCH * PAGE);
  if (at === undefined) throw new CtdbxError("limit", "Cannot sum pages: no memory");
  try {
    for (let done = 0; done < count; done += BATCH) {
      const some = Math.min(BATCH, count - done);
      for (let i = 0; i < some; i++) {
        const to = at + i * PAGE;
        copy(done + i, to);
        const page = pageOf(done + i);
        if (page === 0) words[(to + AT.recoveryStart) >>> 2] = 0;
        words[(NUMBERS_AT >>> 2) + i] = page;
      }
      kernels().md5Pages(at, NUMBERS_AT, some, OUT_AT);
      const sums = bytes.slice(OUT_AT, OUT_AT + some * SUM_BYTES);
      for (let i = 0; i < some; i++) {
        use(done + i, sums.subarray(i * SUM_BYTES, (i + 1) * SUM_BYTES));
      }
    }
  } finally {
    regions.give(at, BATCH * PAGE);
  }
}

/** The sum of one page in a buffer of JavaScript. */
export function sumOfPage(page: number, content: Uint8Array): Uint8Array {
  if (content.length !== PAGE) throw new RangeError(`Cannot sum a page of ${content.length} bytes`);
  let made = new Uint8Array(SUM_BYTES);
  sumPages(1, () => page, (_, to) => threadMemory().bytes.set(content, to), (_, sum) => {
    made = sum.slice();
  });
  return made;
}

/** Are two sums equal? */
export function isSameSum(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < SUM_BYTES; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Are all bytes of a page zero? `address`: a multiple of 4. */
export function isZeroPage(address: number): boolean {
  const { words } = threadMemory();
  for (let word = address >>> 2; word < (address + PAGE) >>> 2; word++) {
    if (words[word] !== 0) return false;
  }
  return true;
}
