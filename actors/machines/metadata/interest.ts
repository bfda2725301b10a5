/**
 * Who is interested in what, and the scopes that come and go with it.
 *
 *   c: all nodes     d/DATABASE: who has attached it     n/NODE: that node     and the leader in all of them
 *
 * By the document, not by the view: a node that is away for a while is interested, and what it misses is kept for it.
 * What a leader is interested in as leader only has no file: its next leader has it from the others.
 *
 * Does NOT promise: that two nodes see the same list at the same time; `interest` tells them when they do not.
 */
import type { DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { textHash } from "../mix.ts";
import { endWaiting } from "./asking.ts";
import { type Core, jittered, type ScopeState } from "./core.ts";
import type { Interested, MetadataEvent, StoredScope } from "./event.ts";
import { sawStamp } from "./lamport.ts";
import { CLUSTER_SCOPE, databaseScope, nodeScope, type Scope } from "./record.ts";
import { Table } from "./table.ts";
import { chill, tryAlone } from "./warming.ts";

/** Who is interested in a scope, and whether this node has a file for it. */
export interface Interest {
  readonly interested: readonly Interested[];
  readonly isKept: boolean;
}

/** Who leads, and its token. */
export interface Leadership {
  readonly nodeId: NodeId;
  readonly token: bigint;
}

type InterestEvent = Extract<MetadataEvent, { type: "interest" }>;

/** Hash of who is interested, in the order of their ids. */
export function interestHash(interested: readonly Interested[]): number {
  return textHash(interested.map(({ nodeId, epoch }) => `${nodeId} ${epoch}`).join(), 5);
}

/**
 * The scopes that a node is interested in by a document, each with all who are. `attached`: who has attached which
 * database, by name, since which version. `leader`: as far as it is known.
 */
export function interestsOf(
  doc: { readonly nodes: readonly Pick<DocumentNode, "pnn" | "nodeId" | "adminFlags">[] },
  attached: ReadonlyMap<string, readonly Interested[]>,
  leader: Leadership | undefined,
  self: NodeId,
): Map<Scope, Interest> {
  const nodes = doc.nodes.filter(({ adminFlags }) => !adminFlags.includes("deleted"))
    .map(({ nodeId, pnn }) => ({ nodeId, epoch: BigInt(pnn) }));
  const pnns = new Map(nodes.map(({ nodeId, epoch }) => [nodeId, epoch]));
  const interests = new Map<Scope, Interest>();
  const add = (scope: Scope, who: readonly Interested[]): void => {
    const all = [...who];
    const isKept = all.some(({ nodeId }) => nodeId === self);
    if (leader !== undefined && pnns.has(leader.nodeId)) {
      const isThere = all.some(({ nodeId }) => nodeId === leader.nodeId);
      if (!isThere) all.push({ nodeId: leader.nodeId, epoch: leader.token });
    }
    if (all.some(({ nodeId }) => nodeId === self)) {
      interests.set(scope, { interested: all, isKept });
    }
  };
  add(CLUSTER_SCOPE, nodes);
  for (const node of nodes) add(nodeScope(node.nodeId), [node]);
  for (const [name, who] of attached) {
    const here = who.flatMap(({ nodeId, epoch }) => {
      const pnn = pnns.get(nodeId);
      return pnn === undefined ? [] : [{ nodeId, epoch: attachEpoch(pnn, epoch) }];
    });
    add(databaseScope(name), here);
  }
  return interests;
}

/** The epoch of a node with a database: another one when the node was taken off the list meanwhile. */
export function attachEpoch(pnn: bigint, since: bigint): bigint {
  return pnn << 64n | since;
}

/** The interested of a scope have changed. */
export function onInterest(core: Core, event: InterestEvent): void {
  const known = core.scopes.get(event.scope);
  const interested = [...event.interested].sort((one, other) => one.nodeId < other.nodeId ? -1 : 1);
  const own = interested.find(({ nodeId }) => nodeId === core.self);
  if (known !== undefined) {
    if (own !== undefined && known.epoch === own.epoch && known.isKept === event.isKept) {
      return changeInterested(core, known, interested);
    }
    dropScope(core, known);
  }
  if (own === undefined) return;
  const scope = newScope(core, { ...event, interested }, own.epoch);
  core.scopes.set(event.scope, scope);
  if (scope.isKept) core.out.push({ type: "load", scope: event.scope, epoch: own.epoch });
  else chill(core, scope);
}

function changeInterested(
  core: Core,
  scope: ScopeState,
  interested: readonly Interested[],
): void {
  const interest = interestHash(interested);
  if (interest === scope.interest) return;
  scope.interested = interested.map(({ nodeId }) => nodeId);
  scope.interest = interest;
  // Who has come may write with stamps that an open round knows nothing of.
  scope.round = undefined;
  scope.asked = undefined;
  tryAlone(core, scope);
}

function dropScope(core: Core, scope: ScopeState): void {
  core.scopes.delete(scope.scope);
  endWaiting(core, scope, scope.scope);
  if (scope.isKept) core.out.push({ type: "forget", scope: scope.scope });
}

function newScope(core: Core, event: InterestEvent, epoch: bigint): ScopeState {
  const { scope, interested, isKept } = event;
  return {
    scope,
    epoch,
    isKept,
    table: new Table(),
    phase: "loading",
    interested: interested.map(({ nodeId }) => nodeId),
    interest: interestHash(interested),
    digestDueMs: core.nowMs,
    coldSinceMs: core.nowMs,
    coldPeers: new Set(),
    waiting: [],
    aloneKeys: new Set(),
    unsent: new Map(),
    sentMs: -Infinity,
    dirty: new Set(),
    isHeadDirty: false,
    isFileFresh: false,
    saving: undefined,
    saveDueMs: Infinity,
    round: undefined,
    roundDueMs: jittered(core, core.timing.roundMs),
    absent: [],
    asked: undefined,
    answered: undefined,
  };
}

/** The file of a scope was read; or there is none, or it is of another epoch, and the scope is to be had from peers. */
export function onLoaded(core: Core, scope: ScopeState, stored: StoredScope | undefined): void {
  if (scope.phase !== "loading") return;
  if (stored === undefined || stored.epoch !== scope.epoch) return chill(core, scope);
  for (const record of stored.records) {
    scope.table.put(record);
    sawStamp(core, record.c);
  }
  sawStamp(core, stored.floor);
  scope.table.raiseFloor(stored.floor);
  scope.isFileFresh = true;
  scope.phase = stored.isWhole ? "whole" : "alone";
  // What was missed is asked for at once.
  scope.digestDueMs = core.nowMs;
}
