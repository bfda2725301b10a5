/**
 * What a node can say of the cluster and of itself, for commands: `cluster status`, `leader show --why`, `lock show`.
 *
 * Does NOT promise: the truth of another node; it is what this one has adopted and heard.
 */
import type { Health, Runstate } from "../../../transport/wire/messages/cluster.ts";
import type { AdminFlag, Ban } from "../../../transport/wire/messages/document.ts";
import type {
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Token,
  Version,
} from "../../../transport/wire/terms.ts";
import { isMember, lifeOf, nodeById, voterOf } from "./document.ts";
import type { LockRecord } from "./events.ts";
import { happeningText } from "./history.ts";
import { isReadable } from "./register.ts";
import { runstateOf } from "./runstate.ts";
import { rankOf, suspectAtMs } from "./stand.ts";
import type { ClusterState } from "./state.ts";
import { tokenText } from "./token.ts";

/** One node, as this one knows it. */
export interface NodeStatus {
  readonly pnn: Pnn;
  readonly nodeId: NodeId;
  readonly name: string;
  readonly addr: string;
  readonly isVoter: boolean;
  readonly isMember: boolean;
  /** The life in the view, or the one that was heard last. */
  readonly incarnation: Incarnation | undefined;
  readonly adminFlags: readonly AdminFlag[];
  readonly ban: Ban | undefined;
  /** Since its last heartbeat came; undefined: none did. */
  readonly silentMs: number | undefined;
  readonly health: Health | undefined;
}

/** What a node knows. */
export interface ClusterStatus {
  readonly runstate: Runstate;
  readonly pnn: Pnn | undefined;
  readonly incarnation: Incarnation;
  /** Undefined: none is known, or its last sign is older than 1.2 s. */
  readonly leader: NodeId | undefined;
  readonly token: Token;
  readonly version: Version | undefined;
  readonly generation: Generation | undefined;
  /** What is left of the lease; 0: nothing is served. */
  readonly leaseLeftMs: number;
  readonly isLeading: boolean;
  /** Why nothing is served, or why this node is not healthy; "" when all is well. */
  readonly trouble: string;
  readonly lock: {
    readonly isReadable: boolean;
    readonly record: LockRecord | undefined;
    readonly readAgoMs: number;
  };
  readonly nodes: readonly NodeStatus[];
}

/** All that a node knows, at `nowMs` of its clock. */
export function statusOf(state: ClusterState, nowMs: number): ClusterStatus {
  const doc = state.adopted ?? state.accepted;
  const { page, register, lead, sign } = state;
  const isLed = lead !== undefined || (sign.from !== undefined && nowMs < suspectAtMs(state));
  return {
    runstate: runstateOf(state),
    pnn: state.pnn,
    incarnation: state.incarnation,
    leader: isLed ? (lead === undefined ? sign.from : state.me) : undefined,
    token: lead?.token ?? sign.token,
    version: state.adopted?.version,
    generation: state.adopted?.generation,
    leaseLeftMs: Math.max((page?.leaseEndMs ?? 0) - nowMs, 0),
    isLeading: lead?.effective !== undefined,
    trouble: troubleOf(state, nowMs),
    lock: {
      isReadable: isReadable(state),
      record: register.record,
      readAgoMs: nowMs - register.readMs,
    },
    nodes: doc === undefined ? [] : doc.nodes.map((node) => {
      const peer = state.peers.get(node.nodeId);
      const life = lifeOf(doc.view.members, node.pnn);
      return {
        pnn: node.pnn,
        nodeId: node.nodeId,
        name: node.name,
        addr: node.addr,
        isVoter: voterOf(doc, node.nodeId) !== undefined,
        isMember: life !== undefined,
        incarnation: life ?? peer?.incarnation,
        adminFlags: node.adminFlags,
        ban: node.ban,
        silentMs: peer === undefined ? undefined : nowMs - peer.recvMs,
        health: peer?.health,
      };
    }),
  };
}

/** What keeps this node from serving, in words an operator understands. */
function troubleOf(state: ClusterState, nowMs: number): string {
  const { adopted, accepted, pnn } = state;
  if (state.stopped !== undefined) return `stopped: ${state.stopped}`;
  if (state.diskFault !== undefined) return `its disk cannot be written: ${state.diskFault}`;
  if (state.fencedFor !== state.incarnation) return "its former life is being fenced";
  if (adopted === undefined) return "no leader has told it the view";
  if (pnn === undefined) return "the cluster does not know it";
  if (!isMember(adopted.view, pnn, state.incarnation)) {
    const flags = nodeById(adopted, state.me)?.adminFlags ?? [];
    return flags.length > 0 ? `not in the view: ${flags.join(", ")}` : "not in the view yet";
  }
  if (accepted?.generation !== adopted.generation) return "another view is about to begin";
  if (state.leaseEndMs <= nowMs) return "its lease is over: no majority of voters is heard";
  return state.ownHealth.healthy ? "" : state.ownHealth.why ?? "not healthy";
}

/** Why who leads leads, or nobody does: one sentence a line. */
export function explainLeader(state: ClusterState, nowMs: number): string[] {
  const { lead, sign, stand, register, timing, accepted } = state;
  const lines: string[] = [];
  if (lead !== undefined) {
    lines.push(`This node leads with token ${tokenText(lead.token)}: ${lead.why}.`);
    if (lead.effective === undefined) {
      lines.push(`It has no effective document yet: ${lead.phase}.`);
    }
    if (!lead.isGranting) lines.push("It grants no leases: no majority reports its digests.");
    if (lead.deferredMs !== undefined) {
      lines.push("A change of the view waits until every member answers or is waited out.");
    }
  } else if (sign.from === undefined) lines.push("No leader was heard since the start.");
  else {
    const agoMs = Math.round(nowMs - sign.atMs);
    lines.push(`Node ${sign.from} led with token ${tokenText(sign.token)} ${agoMs} ms ago.`);
  }
  if (stand !== undefined && accepted !== undefined) {
    lines.push(
      `This node stands: ${stand.why}; ${rankOf(state, accepted)} rank before it, ` +
        `${stand.acks.size} voters have answered.`,
    );
  }
  const agoMs = Math.round(nowMs - register.readMs);
  if (agoMs >= timing.unreadableMs) lines.push(`The register was not readable for ${agoMs} ms.`);
  const last = state.history.list().filter(({ happening }) =>
    happening.what === "chosen" || happening.what === "stepped down"
  );
  for (const { atMs, happening } of last.slice(-3)) {
    lines.push(`${Math.round(nowMs - atMs)} ms ago: ${happeningText(happening)}.`);
  }
  return lines;
}
