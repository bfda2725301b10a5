/**
 * Answers in parts: a table or report counts when all its parts are there, and all of one answer.
 *
 *   id, part, parts ──▶ kept by sender, kind and id ──▶ the last one: all, in order
 *
 * Does NOT promise: to keep many; beyond a limit the oldest unfinished answer is dropped, and comes again when asked.
 */
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Life, RecordState } from "./state.ts";

/** Unfinished answers that are kept. */
const UNFINISHED_MAX = 1024;

/** What a part looks like. */
interface PartOf {
  readonly kind: "table" | "report";
  readonly id: number;
  readonly part: number;
  readonly parts: number;
}

/** Takes a part. All of them, in order, when it was the last that was missing. */
export function collect<Part extends RecordMessage & PartOf>(
  state: RecordState,
  from: Life,
  message: Part,
): Part[] | undefined {
  const { kind, id, part, parts } = message;
  if (parts === 1 || !state.rules.waitsForAllParts()) return [message];
  if (part >= parts) return undefined;
  const name = `${kind}.${from.pnn}.${id}`;
  let known = state.parted.get(name);
  if (known === undefined) {
    known = { id, parts: new Array(parts), left: parts };
    state.parted.set(name, known);
    if (state.parted.size > UNFINISHED_MAX) {
      const oldest = state.parted.keys().next().value;
      if (oldest !== undefined) state.parted.delete(oldest);
    }
  }
  if (known.parts.length !== parts || known.parts[part] !== undefined) return undefined;
  known.parts[part] = message;
  known.left -= 1;
  if (known.left > 0) return undefined;
  state.parted.delete(name);
  return known.parts as Part[];
}

/** A list in parts of at most `max`, at least one. */
export function inParts<Item>(items: readonly Item[], max: number): Item[][] {
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += max) parts.push(items.slice(at, at + max));
  return parts.length === 0 ? [[]] : parts;
}
