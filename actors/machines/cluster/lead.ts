/**
 * The leader's role: what it knows while it has a token.
 *
 *   persisting ──own promise on disk──▶ promising ──majority──▶ leading (open proposal?, effective document?)
 *        └───────────────────────────────┴── stepped down: the token is dead for ever
 *
 * Does NOT promise: that there is only one; there is one effective leader at most, and the voters see to that.
 */
import type { Document, Member } from "../../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, NodeId, Pnn, Token } from "../../../transport/wire/terms.ts";
import type { ClusterState, Peer } from "./state.ts";
import type { Timing } from "./tunables.ts";

/** What a promiser said. */
export interface PromiseSeen {
  readonly accepted: Document | undefined;
  readonly adoptedGeneration: Generation;
  /** Receive time less the age: not before the last digest of an earlier leader came there, by the own clock. */
  readonly endMs: number;
  readonly incarnation: Incarnation;
}

/** A proposal that is not effective yet. */
export interface Proposal {
  readonly doc: Document;
  readonly acks: Map<NodeId, Incarnation>;
  readonly to: readonly NodeId[];
  readonly nodeIds: ReadonlyMap<Pnn, NodeId>;
  /** Who of the views before was not over at the last look. */
  missing: Member | undefined;
  readonly sinceMs: number;
  acceptAtMs: number;
  rounds: number;
}

/** All of it. */
export interface Lead {
  readonly token: Token;
  readonly why: string;
  readonly chosenMs: number;
  phase: "persisting" | "promising" | "leading";
  readonly promises: Map<NodeId, PromiseSeen>;
  prepareAtMs: number;
  /** No earlier leader can have granted anything after this, by the own clock. */
  earlierEndMs: number;
  /** What the first document is made from, once a majority has promised. */
  base: Document | undefined;
  /** How many documents this token has numbered. */
  count: bigint;
  open: Proposal | undefined;
  effective: Document | undefined;
  /** When that was proposed. */
  effectiveSinceMs: number;
  /** Who has accepted the effective document, in which life. */
  acks: Map<NodeId, Incarnation>;
  /** When the next digest is due; while persisting: when that has taken too long. */
  digestAtMs: number;
  /** When the grant rule last held. */
  grantMs: number;
  isGranting: boolean;
  /** When the next look at the members is due; NEVER: when something happens. */
  lookAtMs: number;
  /** Something happened that may call for another document. */
  isDirty: boolean;
  /** A change of the view is wanted since then, and deferred. */
  deferredMs: number | undefined;
  /** No conclusion from silence before this. */
  quietMs: number;
  /** Flags changed: the slots may have to be dealt anew. */
  areSlotsDirty: boolean;
  renewAtMs: number;
  /** Members that are called dead, to tell it once. */
  readonly calledDead: Map<NodeId, Incarnation>;
  /** Nodes that would come in if they answered: their heartbeats call for a look. */
  readonly outside: Set<NodeId>;
  readonly banSeen: Map<NodeId, { readonly version: Document["version"]; readonly atMs: number }>;
}

/** The role of one who has just been chosen. */
export function newLead(token: Token, why: string, nowMs: number, timing: Timing): Lead {
  return {
    token,
    why,
    chosenMs: nowMs,
    phase: "persisting",
    promises: new Map(),
    prepareAtMs: Infinity,
    earlierEndMs: -Infinity,
    base: undefined,
    count: 0n,
    open: undefined,
    effective: undefined,
    effectiveSinceMs: -Infinity,
    acks: new Map(),
    digestAtMs: nowMs + timing.grantLossMs,
    grantMs: nowMs,
    isGranting: false,
    lookAtMs: Infinity,
    isDirty: false,
    deferredMs: undefined,
    quietMs: nowMs + timing.graceMs,
    areSlotsDirty: true,
    renewAtMs: Infinity,
    calledDead: new Map(),
    outside: new Set(),
    banSeen: new Map(),
  };
}

/** The newest document of this leader that all know of, or what it will be made from. */
export function standingDocument(lead: Lead): Document | undefined {
  return lead.effective ?? lead.base;
}

/**
 * Was a node asked for a while to accept what is effective, or the view that is open? Then it cannot, as with a full
 * disk. It is frozen, or serves by what is over soon; a grant would only put off the time at which it is waited out,
 * and the others may be frozen until then.
 */
export function isHoldingUp({ nowMs, timing }: ClusterState, lead: Lead, peer: Peer): boolean {
  const { open, effective } = lead;
  const { nodeId, incarnation } = peer;
  const askedMs = nowMs - timing.answeringMs;
  const isView = open !== undefined && open.doc.generation === open.doc.version as bigint;
  if (isView && open.sinceMs < askedMs && !open.acks.has(nodeId)) return true;
  return effective !== undefined && lead.effectiveSinceMs < askedMs &&
    lead.acks.get(nodeId) !== incarnation;
}

/** A member as a word, for people. */
export function memberText({ pnn, incarnation }: Member): string {
  return `${pnn}.${incarnation}`;
}
