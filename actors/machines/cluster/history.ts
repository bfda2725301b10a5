/**
 * The last things that happened at a node, for `leader history` and `leader show --why`.
 *
 * Does NOT promise: anything beyond the last HISTORY_MAX.
 */
import type { Happening } from "./events.ts";
import { tokenText } from "./token.ts";

/** Entries that are kept. */
export const HISTORY_MAX = 256;

/** One entry. */
export interface Entry {
  /** The node's clock. */
  readonly atMs: number;
  readonly happening: Happening;
}

/** A ring of entries. */
export class History {
  readonly #entries: Entry[] = [];
  #next = 0;

  /** Adds one; the oldest goes when there are HISTORY_MAX. */
  add(atMs: number, happening: Happening): void {
    this.#entries[this.#next % HISTORY_MAX] = { atMs, happening };
    this.#next += 1;
  }

  /** Oldest first. */
  list(): Entry[] {
    if (this.#next <= HISTORY_MAX) return [...this.#entries];
    const start = this.#next % HISTORY_MAX;
    return [...this.#entries.slice(start), ...this.#entries.slice(0, start)];
  }
}

/** A happening in words. */
export function happeningText(happening: Happening): string {
  switch (happening.what) {
    case "chosen":
    case "stepped down":
      return `${happening.what} ${tokenText(happening.token)}: ${happening.why}`;
    case "proposed":
      return `proposed ${tokenText(happening.doc.version)}: ${happening.why}`;
    case "effective":
    case "adopted":
      return `${happening.what} ${documentText(happening.doc)}`;
    case "frozen":
      return `frozen until ${tokenText(happening.generation as bigint as never)}`;
    case "new life":
      return `new life ${happening.incarnation}: ${happening.why}`;
    case "fenced":
      return `fenced for life ${happening.incarnation}`;
    case "certain death":
      return `certain death of ${shortId(happening.nodeId)} up to life ${happening.incarnation}`;
    case "called dead":
    case "blamed":
    case "breach":
      return `${happening.what} ${shortId(happening.nodeId)}: ${happening.why}`;
    default:
      return `${happening.what}: ${happening.why}`;
  }
}

function shortId(nodeId: string): string {
  return nodeId.slice(0, 8);
}

function documentText(doc: Extract<Happening, { what: "effective" }>["doc"]): string {
  const members = doc.view.members.map(({ pnn, incarnation }) => `${pnn}.${incarnation}`).join(" ");
  const generation = tokenText(doc.generation as bigint as typeof doc.version);
  return `${tokenText(doc.version)} view ${generation} [${members}]`;
}
