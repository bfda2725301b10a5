/**
 * Entries of commit logs, by chance: any that can be sealed, each for itself.
 *
 * Does NOT promise: that two of them follow each other.
 */
import fc from "fast-check";
import { sealEntry } from "../../../../transport/wire/commit/entry.ts";
import type { Entry, EntryBody } from "../../../../transport/wire/commit/entry.ts";

const U64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const COUNTED = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const U32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const KEY = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 20,
});
/** Objects as programs make them. */
function plain<T>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const WRITE = plain({
  key: KEY,
  value: fc.option(fc.uint8Array({ maxLength: 30 }), { nil: undefined }),
});
const TXN = plain({
  sid: U64,
  n: U32,
  doneUpTo: U32,
  writes: fc.array(WRITE, { maxLength: 3 }),
});
const HEAD = { lineage: COUNTED, term: U64, seq: COUNTED, dbseqFirst: COUNTED, prevChain: U64 };
const NO_TXNS = fc.constant([]);

function anyOf(kind: EntryBody["kind"], more: object): fc.Arbitrary<EntryBody> {
  const fields = { ...HEAD, kind: fc.constant(kind), txns: NO_TXNS, ...more };
  return fc.record(fields, { noNullPrototype: true }) as unknown as fc.Arbitrary<EntryBody>;
}

const NODE_ID = fc.stringMatching(/^[0-9a-f]{32}$/);

/** Any entry. */
export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  anyOf("start", {}),
  anyOf("group", { txns: fc.array(TXN, { minLength: 1, maxLength: 3 }) }),
  anyOf("open", { open: plain({ nodeId: NODE_ID, incarnation: U64, number: U32 }) }),
  anyOf("close", { close: plain({ sid: U64, why: fc.constantFrom("closed", "expired") }) }),
  anyOf("abort", { abort: plain({ sid: U64, n: U32 }) }),
).map((body) => sealEntry(body));
