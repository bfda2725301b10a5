/**
 * Fetches numbered things of another node in ranges, a few at a time: sums or pages of a file, bytes of a table.
 *
 *   ranges ─▶ asked (WINDOW at once) ─▶ part comes ─▶ taken ─▶ the next range ─▶ none left: done
 *
 * Does NOT promise: that it ends; whoever drives it gives up.
 */
import {
  SYNC_PAGE,
  SYNC_PART_BYTES,
  SYNC_SUM,
  type SyncAsk,
  type SyncPart,
} from "../../transport/wire/messages/commit_sync.ts";

/** Ranges under way. */
const WINDOW = 16;

/** What is fetched, for which copy, and how it is asked. */
export interface FetchParts {
  readonly id: number;
  readonly what: SyncAsk["what"];
  readonly send: (message: SyncAsk) => void;
}

interface Range {
  readonly from: number;
  readonly count: number;
}

/** Bytes of one of each. */
export const SYNC_UNIT: Readonly<Record<SyncAsk["what"], number>> = {
  sums: SYNC_SUM,
  table: 1,
  pages: SYNC_PAGE,
};

/** One after the other. */
export class SyncFetch {
  readonly #parts: FetchParts;
  readonly #unit: number;
  readonly #todo: Range[];
  readonly #asked = new Map<number, Range>();
  readonly #onPart: (at: number, data: Uint8Array) => void;
  readonly #onDone: () => void;
  #isDone = false;

  /** `wanted`: their numbers, ascending, or how many from 0 on. `onPart`: of pages one by one, else a whole range. */
  constructor(
    parts: FetchParts,
    wanted: number | readonly number[],
    onPart: (at: number, data: Uint8Array) => void,
    onDone: () => void,
  ) {
    this.#parts = parts;
    this.#unit = SYNC_UNIT[parts.what];
    const most = Math.floor(SYNC_PART_BYTES / this.#unit);
    this.#todo = typeof wanted === "number" ? rangesTo(wanted, most) : rangesOf(wanted, most);
    this.#onPart = onPart;
    this.#onDone = onDone;
  }

  /** Asks for more, or is done. */
  pump(): void {
    if (this.#isDone) return;
    const ranges = this.#todo.splice(0, WINDOW - this.#asked.size);
    for (const range of ranges) this.#asked.set(range.from, range);
    if (ranges.length > 0) return this.#ask(ranges);
    if (this.#asked.size > 0) return;
    this.#isDone = true;
    this.#onDone();
  }

  /** Asks once more for what has not come. */
  again(): void {
    if (this.#asked.size > 0) this.#ask([...this.#asked.values()]);
  }

  #ask(ranges: readonly Range[]): void {
    const { id, what, send } = this.#parts;
    send({ kind: "sync_ask", id, what, ranges: [...ranges] });
  }

  /** False: it was not asked for, or not all of it is there. Throws what the taker throws. */
  take({ what, from, data }: SyncPart): boolean {
    const range = this.#asked.get(from);
    if (what !== this.#parts.what || range === undefined) return false;
    if (data.length !== range.count * this.#unit) return false;
    this.#asked.delete(from);
    if (what !== "pages") this.#onPart(from, data);
    else {
      for (let i = 0; i < range.count; i++) {
        this.#onPart(from + i, data.subarray(i * SYNC_PAGE, (i + 1) * SYNC_PAGE));
      }
    }
    return true;
  }
}

function rangesTo(count: number, most: number): Range[] {
  const ranges: Range[] = [];
  for (let from = 0; from < count; from += most) {
    ranges.push({ from, count: Math.min(most, count - from) });
  }
  return ranges;
}

/** Runs of numbers that follow one another. */
function rangesOf(wanted: readonly number[], most: number): Range[] {
  const ranges: Range[] = [];
  let last: { from: number; count: number } | undefined;
  for (const one of wanted) {
    if (last !== undefined && last.from + last.count === one && last.count < most) last.count += 1;
    else {
      last = { from: one, count: 1 };
      ranges.push(last);
    }
  }
  return ranges;
}
