/**
 * The leader: from the token to effective documents (section 3).
 *
 *   chosen ─ own promise on disk ─▶ PREPARE ─ majority ─▶ first document (KEEP, or another view) ─▶ ACCEPT
 *   ACCEPTED by a majority [and, for another view, everybody before it accepted, is dead or waited out] ─▶ effective
 *
 * Does NOT promise: to stay. A higher promise anywhere, or 1.5 s without the grant rule, end it; its token never
 * returns.
 */
import type { Accepted, Nack, Promise_ } from "../../../transport/wire/messages/cluster.ts";
import type { Document, Member } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Token, Version } from "../../../transport/wire/terms.ts";
import { assert } from "./asserts.ts";
import { dropAsks } from "./command.ts";
import { allVotersOf, nodeIdsOf, voterOf } from "./document.ts";
import { isKnown, sendDigests } from "./grant.ts";
import { newLead } from "./lead.ts";
import type { Lead, Proposal } from "./lead.ts";
import { adopt } from "./member.ts";
import { plan } from "./plan.ts";
import type { ClusterState } from "./state.ts";
import { NEVER, noteDead, ownVoterId, sendAll, tell } from "./state.ts";
import { release } from "./register.ts";
import { whenDurable } from "./store.ts";
import { COUNT_MAX, tokenOfVersion, tokenText, versionOf } from "./token.ts";
import { raisePromise } from "./voter.ts";

/** ACCEPT is repeated at the full pace so often, then with each heartbeat's length. */
const FAST_ROUNDS = 10;
/** While a proposal waits for silent members, it is looked at so often. */
const POLL_MS = 20;

/** This node leads from now on, when its own promise is on the disk and nobody promises more. */
export function onChosen(state: ClusterState, token: Token, why: string): void {
  if (token <= state.promised) {
    tell(state, { what: "stepped down", token, why: `${tokenText(state.promised)} is promised` });
    return;
  }
  state.stand = undefined;
  state.lead = newLead(token, why, state.nowMs, state.timing);
  tell(state, { what: "chosen", token, why });
  raisePromise(state, token);
  whenDurable(state, { kind: "chosen", token });
  onOwnPromise(state, token);
}

/** The own promise may be durable: then it is told. */
export function onOwnPromise(state: ClusterState, token: Token): void {
  const { lead } = state;
  if (lead === undefined || lead.token !== token || lead.phase !== "persisting") return;
  if (!state.rules.mayPrepare(state, lead)) return;
  lead.phase = "promising";
  lead.digestAtMs = state.nowMs;
  lead.prepareAtMs = state.nowMs;
  lead.renewAtMs = state.nowMs + state.timing.renewMs;
}

/** Ends the role. The token is dead. */
export function stepDown(state: ClusterState, why: string): void {
  const { lead } = state;
  if (lead === undefined) return;
  state.lead = undefined;
  dropAsks(state);
  tell(state, { what: "stepped down", token: lead.token, why });
}

/** Whom PREPARE and ACCEPT go to: voters and members of these documents. */
function listeners(docs: readonly (Document | undefined)[]): NodeId[] {
  const to = new Set<NodeId>();
  for (const doc of docs) {
    if (doc === undefined) continue;
    for (const { nodeId } of allVotersOf(doc)) to.add(nodeId);
    const nodeIds = nodeIdsOf(doc);
    for (const members of [doc.view.members, doc.view.prevMembers]) {
      for (const { pnn } of members) {
        const nodeId = nodeIds.get(pnn);
        if (nodeId !== undefined) to.add(nodeId);
      }
    }
  }
  return [...to];
}

/** Did this life of a node not answer yet? A former one may have, but its disk is known by the present one only. */
export function isNewLife(
  { peers }: ClusterState,
  nodeId: NodeId,
  answered: Member["incarnation"] | undefined,
): boolean {
  return answered === undefined || (peers.get(nodeId)?.incarnation ?? answered) > answered;
}

function prepare(state: ClusterState, lead: Lead): void {
  const holds = state.durable.promised === lead.token;
  if (!assert(state, holds, "V4", () => "PREPARE without the own promise on disk")) return;
  lead.prepareAtMs = state.nowMs + state.timing.prepareMs;
  const docs = [state.accepted, lead.base];
  const to = listeners(docs).filter((nodeId) =>
    isNewLife(state, nodeId, lead.promises.get(nodeId)?.incarnation)
  );
  sendAll(state, to, { kind: "prepare", token: lead.token });
}

/** A promise: the documents and times of a majority decide how to begin. */
export function onPromise(state: ClusterState, from: NodeId, message: Promise_): void {
  const { lead } = state;
  if (!isKnown(state, from)) return;
  noteLife(state, from, message.incarnation);
  if (lead === undefined || message.token !== lead.token || lead.phase !== "promising") return;
  lead.promises.set(from, {
    accepted: message.accepted,
    adoptedGeneration: message.adoptedGeneration,
    endMs: state.nowMs - message.ageMs,
    incarnation: message.incarnation,
  });
  lookAtPromises(state, lead);
}

/** Has a majority promised? A vote counts once it is known to be on the disk that has it. */
function lookAtPromises(state: ClusterState, lead: Lead): void {
  let base = state.accepted;
  for (const { accepted } of lead.promises.values()) {
    if (accepted !== undefined && (base === undefined || accepted.version > base.version)) {
      base = accepted;
    }
  }
  if (base === undefined) return;
  lead.base = base;
  if (ownVoterId(state, base) === undefined) {
    // It was away while its vote was taken, or given to another disk: the voters of that document will lead.
    release(state, lead);
    state.holdOffMs = state.nowMs + state.timing.holdOffMs;
    return stepDown(state, "has no vote by the newest document");
  }
  const own = state.accepted ?? base;
  const isMajority = state.rules.hasMajority(own, base, (nodeId) => {
    const promise = lead.promises.get(nodeId);
    return promise !== undefined && isOnItsDisk(state, base, nodeId, promise.incarnation);
  });
  if (isMajority) begin(state, lead, base);
}

/** Is a vote of this life on the disk that has the vote? A voter whose disk was replaced forgot what it promised. */
function isOnItsDisk(
  state: ClusterState,
  doc: Document,
  nodeId: NodeId,
  incarnation: Member["incarnation"],
): boolean {
  const diskId = voterOf(doc, nodeId)?.diskId;
  if (diskId === undefined) return true;
  if (nodeId === state.me) return diskId === state.durable.diskId;
  const peer = state.peers.get(nodeId);
  return peer !== undefined && peer.incarnation === incarnation && peer.diskId === diskId;
}

function begin(state: ClusterState, lead: Lead, base: Document): void {
  const promises = [...lead.promises.values()];
  lead.phase = "leading";
  lead.isDirty = true;
  lead.earlierEndMs = state.rules.earlierEnd(promises, state.timing.glMs);
  if (state.rules.keepsView(base, promises)) {
    const isProven = promises.some(({ adoptedGeneration }) =>
      adoptedGeneration === base.generation
    );
    if (!assert(state, isProven, "V13", () => "the view is kept, and nobody has adopted it")) {
      return;
    }
    propose(state, lead, { ...base, version: nextVersion(lead) }, "the view is kept");
  } else plan(state, lead);
}

/** The version of the next proposal. */
export function nextVersion(lead: Lead): Version {
  return versionOf(lead.token, lead.count + 1n);
}

/** Proposes a document whose version is nextVersion. One is open at a time. */
export function propose(state: ClusterState, lead: Lead, draft: Document, why: string): void {
  const parent = lead.effective ?? lead.base;
  if (parent === undefined || lead.open !== undefined) return;
  if (lead.count >= COUNT_MAX) return stepDown(state, "the token has no numbers left");
  lead.count += 1n;
  const doc = { ...draft, parent: parent.version };
  lead.open = {
    doc,
    acks: new Map(),
    to: listeners([parent, doc]),
    nodeIds: new Map([...nodeIdsOf(parent), ...nodeIdsOf(doc)]),
    missing: undefined,
    sinceMs: state.nowMs,
    acceptAtMs: state.nowMs,
    rounds: 0,
  };
  if (doc.generation === doc.version as bigint) lead.deferredMs = undefined;
  tell(state, { what: "proposed", doc, why });
  accept(state, lead, lead.open);
}

function accept(state: ClusterState, lead: Lead, open: Proposal): void {
  const holds = state.durable.promised >= lead.token &&
    tokenOfVersion(open.doc.version) === lead.token;
  if (!assert(state, holds, "V4", () => "ACCEPT without the own promise on disk")) return;
  const { acceptMs, beatMs } = state.timing;
  open.acceptAtMs = state.nowMs + (open.rounds < FAST_ROUNDS ? acceptMs : beatMs);
  open.rounds += 1;
  const to = open.to.filter((nodeId) => isNewLife(state, nodeId, open.acks.get(nodeId)));
  sendAll(state, to, { kind: "accept", doc: open.doc });
}

/** A document is on somebody's disk, and nothing is served there by another view. */
export function onAccepted(state: ClusterState, from: NodeId, message: Accepted): void {
  const { lead } = state;
  const { version, incarnation } = message;
  if (!isKnown(state, from)) return;
  noteLife(state, from, incarnation);
  if (lead === undefined) return;
  const { open, effective } = lead;
  const isOpen = open?.doc.version === version;
  const acks = isOpen ? open.acks : effective?.version === version ? lead.acks : undefined;
  if (acks === undefined) return;
  const known = acks.get(from);
  if (known === undefined || known < incarnation) acks.set(from, incarnation);
  if (isOpen) lookAtProposal(state, lead);
}

/** Is the open proposal effective? */
function lookAtProposal(state: ClusterState, lead: Lead): void {
  const { open } = lead;
  const parent = lead.effective ?? lead.base;
  if (open === undefined || parent === undefined) return;
  const { doc, acks } = open;
  const isMajority = state.rules.hasMajority(parent, doc, (nodeId) => {
    const incarnation = acks.get(nodeId);
    return incarnation !== undefined && isOnItsDisk(state, doc, nodeId, incarnation);
  });
  if (!isMajority) return;
  const isView = doc.version === doc.generation as bigint;
  if (isView && isSomebodyMissing(state, lead, open)) {
    lead.lookAtMs = Math.min(lead.lookAtMs, state.nowMs + POLL_MS);
    return;
  }
  onEffective(state, lead, open);
}

/** Who was missing last time is asked first; but all of them must be over at one moment. */
function isSomebodyMissing(state: ClusterState, lead: Lead, open: Proposal): boolean {
  const { missing } = open;
  if (missing !== undefined && !isOver(state, lead, open, missing)) return true;
  open.missing = open.doc.view.prevMembers.find((member) => !isOver(state, lead, open, member));
  return open.missing !== undefined;
}

/** Does a member of a view before not serve by it any more? */
function isOver(
  state: ClusterState,
  lead: Lead,
  { nodeIds, acks }: Proposal,
  { pnn, incarnation }: Member,
): boolean {
  const nodeId = nodeIds.get(pnn);
  const acked = nodeId === undefined ? undefined : acks.get(nodeId);
  if (acked !== undefined && acked >= incarnation) return true;
  const deadInc = nodeId === undefined ? undefined : state.deadInc.get(nodeId);
  return state.rules.isDead(deadInc, incarnation) ||
    state.nowMs >= state.rules.waitedOutMs(state, lead, nodeId);
}

function onEffective(state: ClusterState, lead: Lead, { doc, acks, sinceMs }: Proposal): void {
  lead.open = undefined;
  lead.effective = doc;
  lead.effectiveSinceMs = sinceMs;
  lead.acks = acks;
  lead.isDirty = true;
  tell(state, { what: "effective", doc });
  adopt(state, doc);
  if (state.lead !== lead) return;
  sendDigests(state, lead, true);
}

/** Somebody promised a higher token. */
export function onNack(state: ClusterState, { promised }: Nack): void {
  if (promised > state.highToken) state.highToken = promised;
  if (state.lead !== undefined && promised > state.lead.token) {
    stepDown(state, `somebody promised ${tokenText(promised)}`);
  }
}

/** A message of a life: all before it are over and fenced. */
export function noteLife(
  state: ClusterState,
  from: NodeId,
  incarnation: Member["incarnation"],
): void {
  if (!noteDead(state, from, incarnation - 1n as Member["incarnation"])) return;
  if (state.lead !== undefined) state.lead.isDirty = true;
}

/** What the leader does by the clock. */
export function onLeadDue(state: ClusterState, lead: Lead): void {
  const { nowMs } = state;
  if (lead.phase === "persisting" && nowMs >= lead.digestAtMs) {
    state.holdOffMs = nowMs + state.timing.holdOffMs;
    return stepDown(state, "the own promise does not get to the disk");
  }
  if (lead.phase === "promising" && nowMs >= lead.prepareAtMs) prepare(state, lead);
  if (lead.phase === "promising" && lead.isDirty) {
    lead.isDirty = false;
    lookAtPromises(state, lead);
  }
  if (state.lead !== lead || state.stopped !== undefined) return;
  const { open } = lead;
  if (open !== undefined) {
    if (nowMs >= open.acceptAtMs) accept(state, lead, open);
    if (nowMs >= lead.lookAtMs || lead.isDirty) {
      lead.lookAtMs = NEVER;
      lookAtProposal(state, lead);
    }
  }
  if (state.lead !== lead) return;
  if (
    lead.open === undefined && lead.phase === "leading" && (lead.isDirty || nowMs >= lead.lookAtMs)
  ) {
    plan(state, lead);
  }
  if (state.lead === lead && nowMs >= lead.digestAtMs) sendDigests(state, lead, false);
}
