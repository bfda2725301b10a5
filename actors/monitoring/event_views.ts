/**
 * What a node tells monitors of itself and of others, made from the machine's state and nothing else.
 *
 *   state ──▶ heartbeatOf ──▶ heartbeat        rows now, rows as they were told ──▶ ConditionWatch ──▶ state events
 *
 * The leader tells of every node, a node of itself; the others follow silently, so that whoever leads next tells what
 * has changed, and not everything.
 *
 * Does NOT promise: that a change is told once. The leader and the node itself may both tell it.
 */
import { CONDITIONS, EVENT_EVERY_MS } from "../../transport/wire/messages/event.ts";
import type { HeartbeatFields, StateFields } from "../../transport/wire/messages/event.ts";
import { fitText } from "../../transport/wire/limits.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import type { ClusterState } from "../machines/cluster/state.ts";
import { isServing, leaderOf, type NodeRow, nodeRows, nodeView } from "../views.ts";

/** What a heartbeat says besides the machine's state. */
export interface Life {
  /** When the daemon started, by the node's clock. */
  readonly startMs: number;
  readonly software: string;
}

/** A heartbeat. */
export function heartbeatOf(state: ClusterState, life: Life, nowMs: number): HeartbeatFields {
  const own = nodeView(state, nowMs);
  const { adopted, accepted, incarnation } = state;
  const doc = adopted ?? accepted;
  const leader = own["leader"];
  const condition = String(own["condition"]);
  const why = condition === "ok" ? undefined : whyOf(state);
  return {
    condition,
    ...why === undefined ? {} : { why: fitText(why) },
    runstate: String(own["runstate"]),
    incarnation: `${incarnation}`,
    ...adopted === undefined
      ? {}
      : { generation: `${adopted.generation}`, version: `${adopted.version}` },
    ...leader === undefined ? {} : { leader: String(leader) },
    isLeader: leaderOf(state) === state.me,
    serving: isServing(state, nowMs),
    leaseMs: Number(own["leaseMsLeft"]),
    members: doc?.view.members.length ?? 0,
    nodes: doc?.nodes.length ?? 0,
    uptimeMs: Math.max(0, Math.round(nowMs - life.startMs)),
    software: life.software,
    everyMs: EVENT_EVERY_MS,
  };
}

function whyOf(state: ClusterState): string | undefined {
  const doc = state.adopted ?? state.accepted;
  const ban = doc?.nodes.find(({ nodeId }) => nodeId === state.me)?.ban;
  return ban?.why ?? state.ownHealth.why ?? state.diskFault;
}

/** What was told of a node, or is known to have been told by the leader. */
interface Told {
  readonly condition: string;
  readonly name: string;
  readonly pnn: NodeRow["pnn"];
}

/** Finds what has changed since it was told. */
export class ConditionWatch {
  readonly #told = new Map<NodeId, Told>();

  /** The changes that this node is to tell now. */
  changes(state: ClusterState, nowMs: number): StateFields[] {
    const leader = leaderOf(state);
    const rows = nodeRows(state, nowMs);
    const changes = rows.flatMap((row) => {
      const change = this.#changeOf(state, row, leader, nowMs);
      return change === undefined ? [] : [change];
    });
    return [...changes, ...this.#gone(rows, leader === state.me)];
  }

  #changeOf(
    state: ClusterState,
    row: NodeRow,
    leader: NodeId | undefined,
    nowMs: number,
  ): StateFields | undefined {
    const { nodeId, condition, name, pnn, why } = row;
    const before = this.#told.get(nodeId)?.condition;
    if (before === condition) return undefined;
    const isOurs = row.isThis || leader === state.me;
    if (isOurs && !isSure(state, row, nowMs)) return undefined;
    // Without a leader nobody tells it: whoever leads next finds it. And of itself a lost leader tells nothing.
    const isTheirs = leader !== undefined && (leader !== nodeId || condition === "ok");
    if (!isOurs && !isTheirs) return undefined;
    this.#told.set(nodeId, { condition, name, pnn });
    if (!isOurs) return undefined;
    return {
      about: name,
      aboutPnn: pnn,
      from: before ?? "unknown",
      to: condition,
      ...why === undefined || condition === "ok" ? {} : { why: fitText(why) },
    };
  }

  /** Nodes that the document has no more. */
  #gone(rows: readonly NodeRow[], isLeader: boolean): StateFields[] {
    const known = new Set(rows.map(({ nodeId }) => nodeId));
    // A node without a document knows of nobody; that is no news of the others.
    if (known.size === 0) return [];
    const gone: StateFields[] = [];
    for (const [nodeId, { condition, name, pnn }] of this.#told) {
      if (known.has(nodeId)) continue;
      this.#told.delete(nodeId);
      if (isLeader) gone.push({ about: name, aboutPnn: pnn, from: condition, to: GONE });
    }
    return gone;
  }
}

/** The last condition of a node that has left. */
const GONE: (typeof CONDITIONS)[number] = "gone";

/** Has the machine not stepped for so long that this process must have been stopped? What it knows is old then. */
export function isStale({ nowMs, timing }: ClusterState, atMs: number): boolean {
  return nowMs > 0 && atMs - nowMs >= timing.stallMs;
}

/**
 * A leader that is new, or was stopped itself, concludes nothing from the silence of a member; and who ends is on its
 * way out, whatever it is called meanwhile.
 */
function isSure(state: ClusterState, row: NodeRow, nowMs: number): boolean {
  if (row.isThis && (state.leaving || state.stopped !== undefined)) return false;
  if (row.condition !== "disconnected" || !row.isMember) return true;
  const { lead, wokeMs, timing } = state;
  return nowMs - Math.max(lead?.chosenMs ?? nowMs, wokeMs) >= timing.graceMs;
}
