/**
 * How a run must end when all faults are over: one leader, everybody in the view, everybody serving.
 *
 * Who is banned, stopped or deleted by the document is not expected in the view, nor who is in no document.
 *
 * Does NOT promise: anything about the time before `sinceMs`.
 */
import { isActive, isMember, nodeById } from "../cluster/document.ts";
import type { ClusterSim } from "./cluster_sim.ts";

/** Judges the end. From `sinceMs` on no leader may have changed. */
export function judgeEnd(sim: ClusterSim, sinceMs: number): void {
  const report = (text: string) => sim.checkers.report(sim.nowMs, "end", text);
  const leaders = sim.hosts.filter((host) => host.machine?.state.lead?.effective !== undefined);
  if (leaders.length !== 1) return report(`${leaders.length} effective leaders`);
  const doc = leaders[0]?.machine?.state.lead?.effective;
  if (doc === undefined) return;
  const late = sim.chosen.filter(({ atMs }) => atMs > sinceMs);
  if (late.length > 0) report(`${late.length} leaders were chosen although it was quiet`);
  for (const host of sim.hosts) {
    const { machine, index } = host;
    // One that left has no document that would tell it more; a new installation was not asked in yet.
    if (host.isGone || nodeById(doc, host.nodeId) === undefined) continue;
    if (machine === undefined) {
      report(`node ${index} is not up`);
      continue;
    }
    const { state } = machine;
    const node = nodeById(doc, host.nodeId);
    if (node === undefined || !isActive(node)) continue;
    if (state.adopted?.version !== doc.version) report(`node ${index} has another document`);
    if (!isMember(doc.view, node.pnn, state.incarnation)) {
      report(`node ${index} is not in the view`);
    }
    const isServing = sim.checkers.pagesOf(index).some((page) =>
      page.incarnation === state.incarnation && page.endMs > sim.nowMs
    );
    if (!isServing) report(`node ${index} does not serve`);
  }
}
