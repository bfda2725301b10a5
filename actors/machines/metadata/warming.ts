/**
 * How a node comes to have a scope: from its file, from a peer that has it, or, where nobody has it, from the leader.
 *
 *   cold ── md_digest to a few peers, every coldMs ──▶ one that has it answers: equal? As warm as that one. Else they
 *                                                      compare, and then it asks again
 *   cold leader: all others are cold, too ──▶ whole: there is nothing.   Nobody answers for aloneMs ──▶ alone
 *
 * Does NOT promise: a time. Without a leader and without a warm peer a scope stays cold.
 */
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, isLeader, jittered, peersOf, type ScopeState } from "./core.ts";
import type { MdDigest } from "./message.ts";
import { sendDigest } from "./digest.ts";
import { takeFloor } from "./taking.ts";
import { onWrite } from "./writing.ts";

/** Peers that a cold scope asks at a time. */
export const COLD_PEERS = 3;

/** The scope is begun, or begun anew: nothing is known of it. */
export function chill(core: Core, scope: ScopeState): void {
  scope.phase = "cold";
  scope.coldSinceMs = core.nowMs;
  scope.coldPeers.clear();
  scope.digestDueMs = core.nowMs;
  tryAlone(core, scope);
  askAround(core, scope);
}

/** This node has the scope from now on. */
function warm(core: Core, scope: ScopeState, phase: "alone" | "whole"): void {
  scope.phase = phase;
  scope.coldPeers.clear();
  scope.digestDueMs = jittered(core, core.timing.digestMs);
  scope.saveDueMs = core.nowMs + core.timing.saveMs;
  scope.isHeadDirty = true;
  for (const { key } of scope.table.records()) scope.dirty.add(key);
  const { waiting } = scope;
  scope.waiting = [];
  for (const { writing } of waiting) onWrite(core, scope, writing);
}

/** A cold scope asks some peers, if it is time to. */
export function askAround(core: Core, scope: ScopeState): void {
  if (scope.phase !== "cold" || scope.digestDueMs > core.nowMs) return;
  scope.digestDueMs = jittered(core, core.timing.coldMs);
  const peers = peersOf(core, scope);
  for (let count = 0; count < COLD_PEERS && peers.length > 0; count++) {
    const [peer] = peers.splice(core.dice.below(peers.length), 1);
    if (peer !== undefined) sendDigest(core, scope, peer);
  }
}

/** Warms the scope of a leader when nobody else has it: nobody at all, or nobody who is there. */
export function tryAlone(core: Core, scope: ScopeState): void {
  if (scope.phase !== "cold" || !isLeader(core)) return;
  const others = scope.interested.filter((node) => node !== core.self);
  const isNew = others.every((node) => scope.coldPeers.has(node));
  if (!isNew && core.nowMs < scope.coldSinceMs + core.timing.aloneMs) return;
  const waiting = [...scope.coldPeers];
  warm(core, scope, isNew ? "whole" : "alone");
  for (const node of waiting) sendDigest(core, scope, node);
}

/** A digest comes to a cold scope. */
export function hearCold(
  core: Core,
  scope: ScopeState,
  from: NodeId,
  { phase, floor }: MdDigest,
  isEqual: boolean,
): void {
  if (phase === "cold") {
    scope.coldPeers.add(from);
    tryAlone(core, scope);
  } else if (isEqual) {
    takeFloor(core, scope, floor);
    warm(core, scope, phase);
  }
}
