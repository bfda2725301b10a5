/**
 * Pages of another copy, where the log does not reach to where the other's begins.
 *
 *   too_old ──▶ catch_up ──▶ (pages, beside the own file) ──▶ caught_up ──▶ install ──▶ installed       or discard
 *
 * Pages are a committed state, and take the place of file and log: never of a copy that is in sync, which has all that
 * is committed, or a damaged end. Such a one that no entries can mend is put aside.
 *
 * Does NOT promise: that the pages which were asked for are taken; the log may have come as far meanwhile.
 */
import { isBehind, NO_REACH } from "../../../transport/wire/commit/reach.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { isInSync } from "./config.ts";
import type { CommitEvent } from "./events.ts";
import { beginLog, isDamaged, raiseTerm } from "./replica.ts";
import { Sessions } from "./sessions.ts";
import type { CommitState } from "./state.ts";

/** The log does not reach to where the other's begins: its pages are fetched. */
export function catchUp(state: CommitState, from: Pnn, lineage: bigint, first: bigint): void {
  const { replica, config, me } = state;
  const { writes, epoch, applied } = replica;
  if (config === undefined || me === undefined || lineage !== replica.lineage) return;
  if (replica.catching !== undefined || writes.length > 0 || replica.applying !== undefined) return;
  // What the log has behind the applied state may be another branch; up to there it is the common one.
  if (applied.seq + 1n >= first) return;
  if (isInSync(config, me.pnn, replica.id)) return putAside(state, config.primary === from, first);
  replica.catching = "under way";
  state.effects.push({ kind: "catch_up", epoch, from, lineage, above: applied.seq });
}

/**
 * An in-sync copy with a damaged end, whose log ends before the primary's begins, takes neither entries nor pages: with
 * the log the proof would go that it lacks what it has acknowledged. As a disk that was replaced it counts for nothing,
 * and can come in sync anew. Nothing is lost: it could not lead.
 */
function putAside(state: CommitState, isPrimary: boolean, first: bigint): void {
  const { log, proven } = state.replica;
  if (!isPrimary || !isBehind(log.lastPlace, proven) || log.last + 1n >= first) return;
  const lacks = `its log was on the disk up to entry ${proven.seq} and ends at ${log.last}`;
  const why = `${lacks}, the primary's begins at ${first}`;
  state.effects.push({ kind: "put_aside", why });
}

/** Pages are there: do they bring more than the own log? */
export function onCaughtUp(
  state: CommitState,
  { copy }: Extract<CommitEvent, { kind: "caught_up" }>,
): void {
  const { replica, config, me } = state;
  const { epoch } = replica;
  if (replica.catching !== "under way" || config === undefined || me === undefined) return;
  replica.catching = undefined;
  if (copy === undefined) return;
  const isMember = isInSync(config, me.pnn, replica.id);
  const isHere = replica.log.place(copy.place.seq)?.chain === copy.place.chain;
  const isOld = copy.lineage !== replica.lineage || copy.place.seq <= replica.applied.seq;
  if (isMember || isOld || (isHere && state.rules.keepsLongLog())) {
    return void state.effects.push({ kind: "discard", epoch });
  }
  const sessions = new Sessions(copy.sessions);
  replica.catching = { copy: copy.place, lineage: copy.lineage, sessions };
  state.effects.push({ kind: "install", epoch });
}

/** They have taken the place of file and log. */
export function onInstalled(state: CommitState): void {
  const { replica } = state;
  const { catching } = replica;
  if (catching === undefined || catching === "under way") return;
  beginLog(replica, catching.copy, catching.lineage, catching.sessions);
  raiseTerm(replica, catching.copy.term);
  // Pages that do not come as far as the log once did leave it damaged: the document may name it in sync by now.
  if (!isDamaged(replica)) replica.proven = NO_REACH;
}
