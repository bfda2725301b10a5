/**
 * What each newer view meant for this node: slots that came, and by what; keys that were asked for; and when the last
 * of it was done.
 *
 *   adopted ─▶ slots open, one after another: by table, or rebuilt ─┐
 *          └─▶ keys whose holder or taker left are queried ─────────┴─▶ nothing left: done
 *
 * What is still under way when the next view comes goes on there.
 *
 * Does NOT promise: what it cost the others.
 */
import type { Generation } from "../../../transport/wire/terms.ts";
import type { Entry, Life, Opening, RecordState } from "./state.ts";

/** Views that are remembered. */
const VIEWS_MAX = 32;

/** The work of one view. Times by the node's clock, milliseconds; undefined: nothing of that kind is done yet. */
export interface ViewWork {
  readonly generation: Generation;
  readonly adoptedMs: number;
  /** Lives that are in since, and lives that left. */
  readonly came: readonly Life[];
  readonly left: readonly Life[];
  /** Slots of which this node stays home. */
  slotsKept: number;
  slotsByTable: number;
  slotsRebuilt: number;
  /** Slots that are closed still. */
  slotsClosed: number;
  /** Keys that were found in rebuilds. */
  keysRebuilt: number;
  keysQueried: number;
  /** Of them: no member has a copy; they do not exist any more. */
  keysGone: number;
  /** Of them: still being asked for. */
  keysOpen: number;
  lastTableMs: number | undefined;
  lastRebuildMs: number | undefined;
  lastQueryMs: number | undefined;
  /** When nothing was left to do. */
  doneMs: number | undefined;
}

/** A newer view is adopted; what it means is counted from now on. */
export function beginViewWork(
  state: RecordState,
  came: readonly Life[],
  left: readonly Life[],
): void {
  state.recovering.clear();
  state.views.push({
    generation: state.generation,
    adoptedMs: state.nowMs,
    came,
    left,
    slotsKept: 0,
    slotsByTable: 0,
    slotsRebuilt: 0,
    slotsClosed: 0,
    keysRebuilt: 0,
    keysQueried: 0,
    keysGone: 0,
    keysOpen: 0,
    lastTableMs: undefined,
    lastRebuildMs: undefined,
    lastQueryMs: undefined,
    doneMs: undefined,
  });
  if (state.views.length > VIEWS_MAX) state.views.shift();
}

/** Everything that the view asks for has begun. */
export function onViewWorkBegun(state: RecordState, slotsKept: number): void {
  const work = state.views.at(-1);
  if (work === undefined) return;
  work.slotsKept = slotsKept;
  review(state);
}

/** A slot is open. */
export function noteOpened(state: RecordState, { way, best }: Opening): void {
  const work = state.views.at(-1);
  if (work === undefined) return;
  if (way === "table") {
    work.slotsByTable += 1;
    work.lastTableMs = state.nowMs;
  } else {
    work.slotsRebuilt += 1;
    work.keysRebuilt += best.size;
    work.lastRebuildMs = state.nowMs;
  }
}

/** A key is asked for because of the view. */
export function noteRecovering(state: RecordState, entry: Entry): void {
  const work = state.views.at(-1);
  if (work !== undefined && !state.recovering.has(entry)) work.keysQueried += 1;
  state.recovering.add(entry);
}

/** A key that was asked for is settled. */
export function noteRecovered(state: RecordState, entry: Entry, isFound: boolean): void {
  const work = state.views.at(-1);
  if (!state.recovering.delete(entry) || work === undefined) return;
  if (!isFound) work.keysGone += 1;
  work.lastQueryMs = state.nowMs;
  review(state);
}

/** Is anything left? */
export function review(state: RecordState): void {
  const work = state.views.at(-1);
  if (work === undefined) return;
  work.slotsClosed = state.closed.size;
  work.keysOpen = state.recovering.size;
  if (work.slotsClosed === 0 && work.keysOpen === 0) work.doneMs ??= state.nowMs;
}
