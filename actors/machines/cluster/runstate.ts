/**
 * How far a node is, in the words of the field. Upstream: ctdb runstates; differs from upstream: nothing is frozen in
 * first_recovery but the node's own serving.
 *
 *   init ─fenced─▶ setup ─document─▶ first_recovery ─in the view─▶ startup ─lease─▶ running        shutdown
 *
 * Does NOT promise: that a running node's lease is valid now; the page says that.
 */
import type { Runstate } from "../../../transport/wire/messages/cluster.ts";
import { isMember } from "./document.ts";
import type { ClusterState } from "./state.ts";
import { maySpeak } from "./state.ts";

/** How far this node is. */
export function runstateOf(state: ClusterState): Runstate {
  const { adopted, accepted, pnn } = state;
  if (state.leaving || state.stopped !== undefined) return "shutdown";
  if (!maySpeak(state)) return "init";
  if (adopted === undefined || pnn === undefined) {
    return accepted === undefined ? "setup" : "first_recovery";
  }
  if (!isMember(adopted.view, pnn, state.incarnation)) return "first_recovery";
  return state.leaseEndMs > state.nowMs ? "running" : "startup";
}
