/**
 * Digests: one number that says what a node holds of a scope, sent to one peer by chance, now and then.
 *
 * Does NOT promise: that two nodes compare soon; on the average each node is asked once a period.
 */
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, isWarm, jittered, peersOf, type ScopeState, send } from "./core.ts";
import type { About } from "./message.ts";

/** Digests begun in one go; the others come with the next wake. */
export const DIGESTS_MAX = 256;

/** What each message about a scope says of the sender's. */
export function about({ scope, interest, table, phase }: ScopeState): About {
  return { scope, interest, floor: table.floor, phase: phase === "loading" ? "cold" : phase };
}

/** Sends a digest. */
export function sendDigest(core: Core, scope: ScopeState, to: NodeId): void {
  const { hash, count } = scope.table;
  send(core, to, { kind: "md_digest", ...about(scope), hash, count });
}

/** Sends the digests that are due: each to one peer, by chance. */
export function sendDueDigests(core: Core): void {
  let left = DIGESTS_MAX;
  for (const scope of core.scopes.values()) {
    if (!isWarm(scope) || scope.digestDueMs > core.nowMs) continue;
    if (left-- === 0) return;
    scope.digestDueMs = jittered(core, core.timing.digestMs);
    const peers = peersOf(core, scope);
    const to = peers[peers.length === 0 ? 0 : core.dice.below(peers.length)];
    if (to !== undefined) sendDigest(core, scope, to);
  }
}

/** Messages may have been lost: every scope is compared at once. */
export function compareAll(core: Core): void {
  for (const scope of core.scopes.values()) scope.digestDueMs = core.nowMs;
  sendDueDigests(core);
}
