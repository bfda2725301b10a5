/**
 * What the leader wants the document to be: who is in, and what was asked for.
 *
 *   members  those that answer, in the life that answers; minus the silent, the dead, the banned, stopped and deleted
 *   view     proposed when rule F allows: a silent member costs time before the others are frozen, not after
 *
 * A node answers when its heartbeats come and report a digest of this token: both ways are open.
 *
 * Does NOT promise: that a member is well; only that it answered a moment ago.
 */
import type {
  Document,
  DocumentNode,
  Member,
  Voter,
} from "../../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn, Version } from "../../../transport/wire/terms.ts";
import { blame, withBans } from "./ban.ts";
import { answerDone, withAsks, withEpochs } from "./command.ts";
import { epochChange, hasVolatile } from "./databases.ts";
import { withDepartures } from "./departure.ts";
import { formatOf, isActive, isSameDocument, isSameMembers, livesOf } from "./document.ts";
import { votersAfter, withView } from "./document.ts";
import { isStopping, mayGo, shunned } from "./farewell.ts";
import { hasCommits } from "./held.ts";
import type { Lead } from "./lead.ts";
import { memberText } from "./lead.ts";
import { nextVersion, propose } from "./leader.ts";
import { movesBetween, reassign } from "./slots.ts";
import type { ClusterState, Peer } from "./state.ts";
import { NEVER, tell } from "./state.ts";
import { hasSuccessor, mayLead, preferenceOf, PREFERRED, yieldLead } from "./yield.ts";

/** A deferred change is looked at so often. */
const POLL_MS = 20;

/** Looks at everything and proposes the next document, if another is wanted. */
export function plan(state: ClusterState, lead: Lead): void {
  const standing = lead.effective ?? lead.base;
  if (standing === undefined || lead.open !== undefined) return;
  lead.isDirty = false;
  lead.lookAtMs = NEVER;
  if (lead.effective !== undefined) answerDone(state, lead, lead.effective);
  if (state.lead !== lead) return;
  const version = nextVersion(lead);
  const isFirst = lead.effective === undefined;
  const draft = isFirst ? standing : withDecisions(state, lead, standing, version);
  const members = wantedMembers(state, lead, draft);
  // What nodes serve by changes with the view, or not at all.
  const epochs = isFirst ? { doc: draft, isRehomed: false } : withEpochs(state, draft, version);
  const stopping = stoppingOf(state, draft, members);
  const isView = isFirst || !isSameMembers(members, draft.view.members) || epochs.isRehomed ||
    epochs.doc !== draft || !isSameList(stopping, draft.view.stopping ?? []) ||
    (lead.areSlotsDirty && areSlotsWrong(state, draft));
  if (isView) {
    const prevMembers = state.rules.prevMembers(standing, !isFirst);
    if (mayDisturb(state, lead, prevMembers)) {
      lead.areSlotsDirty = false;
      const { doc: base, isRehomed } = epochs;
      const more = { stopping, isRehomed, slotCount: state.config.slotCount };
      const doc = withView(base, members, prevMembers, version, shunned(state, draft), more);
      return propose(state, lead, doc, whyView(standing, base, members, isRehomed));
    }
  } else {
    lead.deferredMs = undefined;
    lead.areSlotsDirty = false;
  }
  if (!isSameDocument(draft, standing)) {
    propose(state, lead, withVersion(draft, standing, version), "decided");
  } else if (!isView && !mayLead(state, standing)) {
    yieldLead(state, lead, "is no voter, or inactive");
  } else if (!isView && isAnotherWanted(state, lead, standing)) {
    yieldLead(state, lead, "is on its way out, or should not lead");
  }
}

/** A document with the same view: what is not about databases is its core. */
function withVersion(draft: Document, standing: Document, version: Version): Document {
  const isCore = !isSameDocument({ ...draft, dbs: standing.dbs }, standing);
  return { ...draft, version, ...(isCore ? { coreVersion: version } : {}) };
}

/** May one lead that is wanted more? Looks again while it is not there. */
function isAnotherWanted(state: ClusterState, lead: Lead, doc: Document): boolean {
  const own = preferenceOf(doc, state.me);
  if (own === PREFERRED) return false;
  lead.lookAtMs = Math.min(lead.lookAtMs, state.nowMs + state.timing.beatMs);
  return hasSuccessor(state, lead, own + 1);
}

/** Rule F; after 4 s the change is made all the same, and whoever did not answer is to blame. */
function mayDisturb(state: ClusterState, lead: Lead, prevMembers: readonly Member[]): boolean {
  if (state.rules.mayDisturb(state, lead, prevMembers)) return true;
  lead.deferredMs ??= state.nowMs;
  if (state.nowMs - lead.deferredMs >= state.timing.deferMs) return true;
  lead.lookAtMs = Math.min(lead.lookAtMs, state.nowMs + POLL_MS);
  return false;
}

/** What operators asked for, bans, the end of a change of voters, and the disks of voters that were not known. */
function withDecisions(
  state: ClusterState,
  lead: Lead,
  standing: Document,
  version: Version,
): Document {
  let draft = standing;
  if (draft.voterChange !== undefined) {
    const { voterChange: _done, ...rest } = draft;
    return { ...rest, voters: votersAfter(draft) };
  }
  draft = withAsks(state, lead, draft, version);
  draft = withDepartures(state, lead, draft, version);
  draft = withDisks(state, draft);
  return withBans(state, lead, draft, version);
}

/** A voter's disk is the one that it had when it was first heard: from then on only that one votes. */
function withDisks(state: ClusterState, doc: Document): Document {
  const { voters, voterChange } = doc;
  const isToDo = (voter: Voter | undefined) =>
    voter !== undefined && voter.diskId === undefined && state.peers.has(voter.nodeId);
  const withDisk = (voter: Voter): Voter => {
    const diskId = state.peers.get(voter.nodeId)?.diskId;
    return voter.diskId !== undefined || diskId === undefined ? voter : { ...voter, diskId };
  };
  if (voters.some(isToDo)) return withDisks(state, { ...doc, voters: voters.map(withDisk) });
  const add = voterChange?.add;
  if (add === undefined || !isToDo(add)) return doc;
  return { ...doc, voterChange: { ...voterChange, add: withDisk(add) } };
}

/** Who shall be in the view, ascending pnn. Sets when to look again. */
function wantedMembers(state: ClusterState, lead: Lead, doc: Document): Member[] {
  lead.outside.clear();
  const members: Member[] = [];
  const present = livesOf(doc.view.members);
  const maxInc = livesOf(doc.view.maxInc);
  for (const node of doc.nodes) {
    const { pnn } = node;
    if (mayGo(state, doc, node)) continue;
    const peer = state.peers.get(node.nodeId);
    // An older version could not read the document; one that stops need not come in.
    const mayCome = peer !== undefined && peer.protocol >= formatOf(doc) &&
      !isStopping(state, peer);
    const newest = mayCome ? peer : undefined;
    const incarnation = wantedLife(state, lead, node, present.get(pnn), newest, maxInc.get(pnn));
    if (incarnation !== undefined) members.push({ pnn: node.pnn, incarnation });
  }
  return members.sort((one, other) => one.pnn - other.pnn);
}

function wantedLife(
  state: ClusterState,
  lead: Lead,
  node: DocumentNode,
  present: Incarnation | undefined,
  newest: Peer | undefined,
  maxInc: Incarnation = 0n as Incarnation,
): Incarnation | undefined {
  if (!isActive(node)) return undefined;
  const peer = state.peers.get(node.nodeId);
  if (present !== undefined && stays(state, lead, node, present, peer)) return present;
  if (newest === undefined) return undefined;
  if (!state.rules.mayJoin(newest.incarnation, maxInc)) return undefined;
  if (state.rules.isDead(state.deadInc.get(node.nodeId), newest.incarnation)) return undefined;
  if (isFresh(state, lead, newest)) return newest.incarnation;
  lead.outside.add(node.nodeId);
  return undefined;
}

/** Did it answer a moment ago, both ways? */
function isFresh(state: ClusterState, lead: Lead, peer: Peer): boolean {
  const { answeringMs, beatMs } = state.timing;
  return state.nowMs - peer.recvMs <= answeringMs && peer.dsToken === lead.token &&
    state.nowMs - peer.dsMs <= answeringMs + beatMs;
}

/** Does a member stay? Tells once when it is called dead. */
function stays(
  state: ClusterState,
  lead: Lead,
  node: DocumentNode,
  incarnation: Incarnation,
  peer: Peer | undefined,
): boolean {
  if (state.rules.isDead(state.deadInc.get(node.nodeId), incarnation)) return false;
  const deadlineMs = Math.max(lead.quietMs, state.wokeMs, answersUntil(state, lead, peer));
  if (state.nowMs < deadlineMs) {
    lead.lookAtMs = Math.min(lead.lookAtMs, deadlineMs);
    return true;
  }
  if (lead.calledDead.get(node.nodeId) === incarnation) return false;
  lead.calledDead.set(node.nodeId, incarnation);
  const why = peer === undefined ? "never heard" : "silent, deaf, or cannot write";
  tell(state, { what: "called dead", nodeId: node.nodeId, why });
  blame(state, node.nodeId, 1, "called dead");
  return false;
}

/** Until when a node counts as answering if nothing more comes of it. */
function answersUntil(state: ClusterState, lead: Lead, peer: Peer | undefined): number {
  if (peer === undefined) return -Infinity;
  const { deadMs, beatMs } = state.timing;
  const reportedMs = peer.dsToken === lead.token ? peer.dsMs : lead.chosenMs;
  const untilMs = Math.min(peer.recvMs + deadMs, reportedMs + deadMs + beatMs);
  // It is asked again with each heartbeat: a node that cannot write serves nothing, and would hold up the next view.
  const isAccepted = lead.effective === undefined ||
    lead.acks.get(peer.nodeId) === peer.incarnation;
  return isAccepted ? untilMs : Math.min(untilMs, lead.effectiveSinceMs + deadMs);
}

function areSlotsWrong(state: ClusterState, doc: Document): boolean {
  const { members, slots } = doc.view;
  if (members.length === 0) return false;
  const { slotCount } = state.config;
  const wanted = reassign(slots, members, shunned(state, doc), 0n as Generation, slotCount);
  return movesBetween(slots, wanted).length > 0;
}

/** Members that stop and have records or databases to hand over, ascending. */
function stoppingOf(state: ClusterState, doc: Document, members: readonly Member[]): Pnn[] {
  if (!hasVolatile(doc) && !hasCommits(doc)) return [];
  const stopping = new Set(
    doc.nodes.filter(({ nodeId }) => isStopping(state, state.peers.get(nodeId)))
      .map(({ pnn }) => pnn),
  );
  return members.map(({ pnn }) => pnn).filter((pnn) => stopping.has(pnn));
}

function isSameList(one: readonly Pnn[], other: readonly Pnn[]): boolean {
  return one.length === other.length && one.every((pnn, at) => pnn === other[at]);
}

function whyView(
  standing: Document,
  base: Document,
  members: readonly Member[],
  isRehomed: boolean,
): string {
  const before = livesOf(standing.view.members);
  const after = livesOf(members);
  const words: string[] = [];
  const epochs = epochChange(standing, base);
  if (epochs !== undefined) words.push(epochs);
  if (isRehomed) words.push("all homes begin anew");
  for (const member of standing.view.members) {
    if (after.get(member.pnn) !== member.incarnation) words.push(`-${memberText(member)}`);
  }
  for (const member of members) {
    if (before.get(member.pnn) !== member.incarnation) words.push(`+${memberText(member)}`);
  }
  return words.length === 0 ? "another view of the same members" : `view ${words.join(" ")}`;
}
