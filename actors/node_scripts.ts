/**
 * What a node and its event scripts have to do with each other.
 *
 *   cluster machine ── glance: in the view? serving? generation, members ──▶ Scripts ── health ──▶ node.health
 *   tunables EventScriptTimeout, MonitorInterval, MonitorTimeoutCount; [scripts] of this node goes before them
 *
 * Does NOT promise: scripts to a node without a section [scripts].
 */
import type { EventHandle } from "./events/link.ts";
import { scriptFields } from "./events/script_fields.ts";
import { Scripts } from "./events/scripts.ts";
import type { EventTiming, NodeGlance } from "./machines/events/state.ts";
import type { NodeParts } from "./node_parts.ts";
import { isServing, nodeRows } from "./views.ts";

/** The name of the scripts among the sources of a node's health. */
export const SCRIPTS_SOURCE = "event scripts";

/** The scripts of a node; they are not started yet. Undefined: it has none. */
export function scriptsOf(
  node: NodeParts,
  make: (() => Promise<EventHandle>) | undefined,
): Scripts | undefined {
  const { scripts } = node.config;
  if (scripts === undefined || make === undefined) return undefined;
  return new Scripts({
    clock: node.world.clock,
    log: node.world.log,
    make,
    glance: () => glanceOf(node),
    timing: () => timingOf(node, scripts.timing),
    onHealth: (word) => node.health.set(SCRIPTS_SOURCE, word),
    onEnd: (end) => node.monitoring.events.tell("script", scriptFields(end)),
    // Whoever moves addresses says when they are where they belong.
    isTold: node.config.addresses !== undefined,
  });
}

/** What holds now: the node's own word, else the tunables of the cluster. */
function timingOf({ tunables }: NodeParts, own: Partial<EventTiming>): EventTiming {
  return {
    timeoutMs: 1000 * tunables.get("EventScriptTimeout"),
    monitorMostMs: 1000 * tunables.get("MonitorInterval"),
    timeoutsMost: tunables.get("MonitorTimeoutCount"),
    ...own,
  };
}

function glanceOf(node: NodeParts): NodeGlance {
  const { state, nowMs } = node;
  const rows = nodeRows(state, nowMs);
  const own = rows.find(({ isThis }) => isThis);
  const isActive = own?.isMember === true && own.condition !== "banned" &&
    own.condition !== "stopped";
  return {
    isActive,
    isServing: isActive && node.hasRecords && isServing(state, nowMs),
    generation: state.adopted?.generation ?? 0n,
    members: rows.filter(({ isMember }) => isMember)
      .map(({ pnn, condition }) => `${pnn} ${condition}`).join(", "),
  };
}
