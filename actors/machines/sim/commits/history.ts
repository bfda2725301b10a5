/**
 * The history: what any node ever knew as committed, entry after entry; one line of entries for each lineage.
 *
 *   look(node)   each entry that a node knows as committed has the chain that it has in its line, or is the next
 *   fork         the new line begins with what the forced node has of the old one; the rest of that is given up
 *
 *   old   e1 e2 e3 e4 e5 | e6 e7        given up: e6, e7, and what the old primary may still make
 *   new   e1 e2 e3 e4 e5 | f6 f7 f8
 *
 * Does NOT promise: to know what was acknowledged; the ledger of the clients does.
 */
import type { Entry } from "../../../../transport/wire/commit/entry.ts";
import type { CommitConfig, Fork } from "../../commit/config.ts";
import { isDamaged, type Replica } from "../../commit/replica.ts";
import { textOf } from "./disk.ts";

/** A transaction of the history. */
export interface Executed {
  readonly seq: bigint;
  readonly dbseq: bigint;
  readonly lineage: bigint;
  readonly writes: readonly { readonly key: string; readonly value: string | undefined }[];
}

/** The entries of a lineage. */
interface Line {
  readonly lineage: bigint;
  readonly entries: Entry[];
  /** It goes on from there; what it has of it is known when the forced node has begun. */
  readonly fork: Fork | undefined;
  /** The forced copy: its node, and its id. */
  readonly by: number;
  readonly id: string;
  hasBegun: boolean;
  /** Entries of it that the next line has; undefined: there is none. */
  kept: number | undefined;
}

/** The history. */
export class History {
  readonly #report: (rule: string, text: string) => void;
  readonly #lines = new Map<bigint, Line>();
  #line: Line = lineOf(0n, undefined, -1, "");
  readonly #seen = new Map<number, { epoch: number; lineage: bigint; seq: bigint }>();

  constructor(report: (rule: string, text: string) => void) {
    this.#report = report;
  }

  /** The last entry of the present line. */
  get last(): bigint {
    return BigInt(this.#line.entries.length);
  }

  get lineage(): bigint {
    return this.#line.lineage;
  }

  /** A document has another lineage. */
  begin({ lineage, parent, primary, isr }: CommitConfig): void {
    const standing = parent === undefined ? this.#begun(this.#line) : undefined;
    if (standing !== undefined) standing.kept = 0;
    if (standing !== undefined) this.#passOver(this.#line.lineage);
    this.#line = lineOf(lineage, parent, primary, isr[0]?.id ?? "");
    this.#lines.set(lineage, this.#line);
  }

  /** A node's life is over. */
  forget(node: number): void {
    this.#seen.delete(node);
  }

  /** Looks at what a node knows as committed. */
  look(node: number, replica: Replica): void {
    const { lineage, commitKnown, epoch, log } = replica;
    const line = this.#lines.get(lineage);
    if (line === undefined || !replica.isOpen) return;
    if (!line.hasBegun && !this.#fork(line, node, replica)) return;
    // From before the fork, and not compared yet.
    if (node !== line.by && commitKnown <= (line.fork?.seq ?? 0n)) return;
    const seen = this.#seen.get(node);
    const isSame = seen?.epoch === epoch && seen.lineage === lineage;
    if (isSame && seen.seq === commitKnown) return;
    if (isSame && seen.seq > commitKnown) {
      this.#report("back", `n${node} knew ${seen.seq} as committed, now ${commitKnown}`);
    }
    this.#seen.set(node, { epoch, lineage, seq: commitKnown });
    const from = isSame ? seen.seq + 1n : log.base.seq;
    for (let seq = from; seq <= commitKnown; seq++) {
      const chain = log.place(seq)?.chain;
      if (chain === undefined || seq === 0n) continue;
      const known = line.entries[Number(seq) - 1];
      if (known !== undefined) {
        if (known.chain !== chain) this.#report("fork", `n${node} has another entry ${seq}`);
        continue;
      }
      const entry = log.entry(seq);
      const last = BigInt(line.entries.length);
      if (entry === undefined || seq !== last + 1n) {
        this.#report("gap", `n${node} knows ${seq} as committed, the history has ${last}`);
        return;
      }
      line.entries.push(entry);
    }
  }

  /** The forced node goes on: its line begins with what it has of the one before. */
  #fork(line: Line, node: number, replica: Replica): boolean {
    const { log, lineage, id: own } = replica;
    const { fork, by, id } = line;
    const before = fork === undefined ? undefined : this.#begun(this.#lines.get(fork.lineage));
    if (fork !== undefined && (node !== by || own !== id)) return false;
    line.hasBegun = true;
    if (fork === undefined || before === undefined) return true;
    // A disk that was damaged since it was chosen says so, and leads only when people decide again.
    if (log.last < fork.seq && !isDamaged(replica)) {
      this.#report("told", `n${node} was to go on from ${fork.seq} in ${lineage}, has ${log.last}`);
    }
    let kept = before.entries.length;
    while (kept > 0 && !isAlike(before.entries[kept - 1], log)) kept -= 1;
    before.kept = kept;
    this.#passOver(fork.lineage);
    line.entries.push(...before.entries.slice(0, kept));
    return true;
  }

  /** The line that one goes on from: those whose forced node never went on are none. */
  #begun(line: Line | undefined): Line | undefined {
    if (line === undefined || line.hasBegun) return line;
    return line.fork === undefined ? undefined : this.#begun(this.#lines.get(line.fork.lineage));
  }

  /** Lines whose forced node had not gone on when others did: what it may still make of them is given up. */
  #passOver(lineage: bigint): void {
    for (let line = this.#lines.get(lineage); line !== undefined && !line.hasBegun;) {
      line.kept = 0;
      line = line.fork === undefined ? undefined : this.#lines.get(line.fork.lineage);
    }
  }

  /** Tags of transactions that were given up with a fork, or with a line. */
  given(): Set<string> {
    const found = new Set<string>();
    for (const { kept, entries } of this.#lines.values()) {
      for (const { txns } of entries.slice(kept ?? entries.length)) {
        for (const { writes } of txns) for (const tag of tagsOf(writes)) found.add(tag);
      }
    }
    return found;
  }

  /** Is a transaction in what was committed of a lineage? */
  has(lineage: bigint, tag: string): boolean {
    const { entries = [] } = this.#lines.get(lineage) ?? {};
    return entries.some(({ txns }) => txns.some(({ writes }) => tagsOf(writes).includes(tag)));
  }

  /** All transactions of the present line, in order. */
  executed(): Executed[] {
    return this.#line.entries.flatMap(({ seq, dbseqFirst, txns, lineage }) =>
      txns.map(({ writes }, at) => ({
        seq,
        dbseq: dbseqFirst + BigInt(at),
        lineage,
        writes: writes.map(({ key, value }) => ({
          key,
          value: value === undefined ? undefined : textOf(value),
        })),
      }))
    );
  }
}

function lineOf(lineage: bigint, fork: Fork | undefined, by: number, id: string): Line {
  return { lineage, entries: [], fork, by, id, hasBegun: false, kept: undefined };
}

/** Has a log an entry? What it has no more in memory it has as it was, if what follows is. */
function isAlike(entry: Entry | undefined, log: Replica["log"]): boolean {
  if (entry === undefined || entry.seq > log.last) return false;
  return entry.seq < log.base.seq || log.place(entry.seq)?.chain === entry.chain;
}

/** Which transactions wrote values: each value is its transaction's tag. */
function tagsOf(writes: Entry["txns"][number]["writes"]): string[] {
  return writes.flatMap(({ value }) => value === undefined ? [] : [textOf(value)]);
}
