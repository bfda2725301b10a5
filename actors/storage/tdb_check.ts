/**
 * check(): is every byte of a database that has a meaning what it should be?
 *
 * Header, records, chains, free list, recovery area and unused space are looked at with exact sets, not sums;
 * every problem is named by kind and place. One pass along the file, one along the lists.
 *
 * Does NOT promise: to notice a change inside a value, of a value's length within its record, or in bytes that
 * mean nothing (padding, bodies of free records). Block sums of persistent databases find those.
 * Upstream: tdb check; differs from upstream: exact, names all problems, finds duplicates, never hangs.
 */
import { CHECK_FLAG, FREE_LIST, type Reason } from "../../assembly/host/check_kernels.ts";
import { CorruptError, type CorruptKind } from "../../transport/wire/errors.ts";
import { type Findings, PROBLEMS_MAX, type RawProblem, runCheck } from "./check_run.ts";
import type { RunOptions } from "./check_run.ts";
import type { Tdb } from "./tdb.ts";
import type { TdbCore } from "./tdb_core.ts";
import { agree, readHeader } from "./tdb_header.ts";

/** How strict, and how to report progress. */
export interface CheckOptions extends RunOptions {
  /**
   * Unused space must hold only zeros or padding to its end. Default false: as upstream, whose own recovery
   * leaves such tails with content.
   */
  readonly strict?: boolean;
}

/** Something wrong with a database. */
export interface Problem {
  readonly kind: CorruptKind;
  /** Logical: counts from the header that governs the records. */
  readonly offset: number;
  readonly text: string;
}

/** What check() found. Sizes are bytes. */
export interface CheckReport {
  readonly ok: boolean;
  /** The first 1000. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Numbers of records. Those whose lengths are wrong are not counted. */
  readonly live: number;
  readonly dead: number;
  readonly free: number;
  /** Bytes of free records with their headers. */
  readonly freeBytes: number;
  readonly recoveryBytes: number;
  /** Bytes at the end that belong to no record. */
  readonly unusedBytes: number;
  readonly size: number;
  readonly hashSize: number;
  /** Live and dead records of the longest chain. */
  readonly longestChain: number;
  /** Chains that were not searched for duplicates for want of memory. Only beyond millions of records in one. */
  readonly unsortedChains: number;
}

const KINDS: Record<Reason, CorruptKind> = {
  badMagic: "magic",
  badTailer: "tailer",
  pastEnd: "length",
  oddLength: "length",
  tooLong: "length",
  badHash: "hash",
  badPointer: "offset",
  noRecord: "offset",
  loop: "loop",
  wrongChain: "chain",
  freeInChain: "chain",
  usedInFreeList: "freelist",
  inNoChain: "chain",
  notOnFreeList: "freelist",
  areaPointer: "recovery",
  areaLost: "recovery",
  areaMagic: "recovery",
  areaLength: "recovery",
  areaStray: "recovery",
  unusedContent: "magic",
  rest: "truncated",
  twin: "duplicate",
  overlaps: "length",
};

function hex(word: number): string {
  return `0x${word.toString(16).padStart(8, "0")}`;
}

/** A problem in words. */
function textOf({ reason, offset, list, extra }: RawProblem): string {
  const name = list === FREE_LIST ? "the free list" : `chain ${list}`;
  const texts: Record<Reason, () => string> = {
    badMagic: () => `the record at ${offset} has the unknown magic ${hex(extra)}`,
    badTailer: () => `the record at ${offset} ends with the length ${extra}, not with its own`,
    pastEnd: () =>
      `the record at ${offset} is ${extra} bytes long and runs past the end of the file`,
    oddLength: () => `the record at ${offset} is ${extra} bytes long, no multiple of 4 from 4 on`,
    tooLong: () => `the record at ${offset} is too short for its key (${extra} bytes) and value`,
    badHash: () => `the record at ${offset} stores ${hex(extra)}, not the hash of its key`,
    badPointer: () =>
      `the pointer at ${offset} (${name}) leads to ${extra}, where no record can be`,
    noRecord: () => `the pointer at ${offset} (${name}) leads to ${extra}, where no record begins`,
    loop: () => `${name} comes to the record at ${offset} again from ${extra}`,
    wrongChain: () => `${name} leads from ${extra} to the record at ${offset} of another chain`,
    freeInChain: () => `${name} leads from ${extra} to the free record at ${offset}`,
    usedInFreeList: () => `the free list leads from ${extra} to the record at ${offset}, not free`,
    inNoChain: () => `the record at ${offset} is in no chain`,
    notOnFreeList: () => `the free record at ${offset} is not on the free list`,
    areaPointer: () => `the header says that the recovery area is at ${extra}`,
    areaLost: () => `no recovery area begins at ${offset}, where the header says`,
    areaMagic: () => `the recovery area at ${offset} has the magic ${hex(extra)}`,
    areaLength: () => `the recovery area at ${offset} cannot be ${extra} bytes long`,
    areaStray: () => `the header does not know of the recovery area at ${offset}`,
    unusedContent: () => `the unused space has the byte ${hex(extra)} at ${offset}`,
    rest: () => `the last ${extra} bytes, from ${offset} on, are too few for a record`,
    twin: () => `the records at ${extra} and ${offset} (${name}) have the same key`,
    overlaps: () => `the record at ${offset} (${name}) and others before it overlap`,
  };
  return texts[reason]();
}

/** Was the file cut off: does a record run past its end, and a pointer lead there, too? */
function wasCut(problems: readonly RawProblem[], size: number): boolean {
  const isOutside = ({ reason, extra }: RawProblem): boolean =>
    (reason === "badPointer" || reason === "areaPointer") && extra >= size;
  return problems.some(({ reason }) => reason === "pastEnd") && problems.some(isOutside);
}

function problemsOf(core: TdbCore, findings: Findings): Problem[] {
  const cut = wasCut(findings.problems, core.size);
  return findings.problems.map((raw) => {
    const isCut = cut && raw.reason === "pastEnd";
    return { kind: isCut ? "truncated" : KINDS[raw.reason], offset: raw.offset, text: textOf(raw) };
  });
}

/** Is the header (both, where there are two) still what it was at open? */
function headerProblems(core: TdbCore): Problem[] {
  const { bytes } = core.memory;
  const { image, header } = core;
  const end = image.address + image.mapped;
  const starts = header.mutexSize === 0 ? [0] : [0, header.mutexSize];
  return starts.flatMap((start): Problem[] => {
    try {
      const found = readHeader(
        bytes.subarray(image.address + start, end),
        image.mapped,
        image.path,
      );
      if (agree(found, header)) return [];
      const which = start === 0 ? "first" : "second";
      return [{ kind: "header", offset: 0, text: `the ${which} header differs from what it was` }];
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      return [{ kind: error.kind, offset: error.offset, text: error.message }];
    }
  });
}

/**
 * Checks a database under a read lock on everything (none when it is read-only or without locks). In a
 * transaction its changes are what is checked. Throws "timeout" for the lock, "limit" without memory.
 */
export async function check(tdb: Tdb, options: CheckOptions = {}): Promise<CheckReport> {
  await tdb.lockAll("read");
  try {
    const { core } = tdb;
    const findings = await runCheck(core, options.strict === true ? CHECK_FLAG.strict : 0, options);
    const headers = headerProblems(core);
    const problemCount = headers.length + findings.problemCount;
    return {
      ok: problemCount === 0,
      problems: [...headers, ...problemsOf(core, findings)].slice(0, PROBLEMS_MAX),
      problemCount,
      live: findings.keys.count,
      dead: findings.dead.count,
      free: findings.free.count,
      freeBytes: findings.free.bytes + 24 * findings.free.count,
      recoveryBytes: findings.recoveryBytes,
      unusedBytes: findings.unusedBytes,
      size: core.size,
      hashSize: core.header.hashSize,
      longestChain: findings.longestChain,
      unsortedChains: findings.unsortedChains,
    };
  } finally {
    tdb.unlockAll();
  }
}
