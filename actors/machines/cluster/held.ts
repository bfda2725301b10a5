/**
 * What nodes that go still have of persistent and replicated databases: others lead, and are in sync, first.
 *
 *   the view says who stops ─▶ the planner moves primaries, drops copies ─▶ documents ─▶ nothing is held ─▶ it goes
 *
 * A node that stops has a limit, one that leaves for good waits until all that it has is elsewhere.
 *
 * Does NOT promise: that there is somebody who can take it; what nobody can take does not hold up a stop.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { holdsForLeave, holdsForStop } from "../commit/handover.ts";
import { isStaying, lifeOf } from "./document.ts";

/** Has a document persistent or replicated databases? Then the view says who stops. */
export function hasCommits({ dbs }: Document): boolean {
  return dbs.some(({ kind }) => kind !== "volatile");
}

/** Has a node that stops something of them that another one can take? `stops`: does that one stop, too? */
export function heldForStop(doc: Document, pnn: Pnn, stops: (pnn: Pnn) => boolean): boolean {
  const stays = (other: Pnn) => {
    const node = doc.nodes.find((one) => one.pnn === other);
    return node !== undefined && isStaying(node) && !stops(other) &&
      lifeOf(doc.view.members, other) !== undefined;
  };
  return doc.dbs.some(({ commit }) => commit !== undefined && holdsForStop(commit, pnn, stays));
}

/** Names of databases of which a node that leaves has something, as long as another node stays. */
export function heldForLeave({ dbs, nodes }: Document, pnn: Pnn): string[] {
  if (!nodes.some((node) => node.pnn !== pnn && isStaying(node))) return [];
  return dbs.filter(({ commit }) => commit !== undefined && holdsForLeave(commit, pnn))
    .map(({ name }) => name);
}
