/**
 * Sessions whose node left: after a long time the primary ends them, by an entry, so every copy does the same.
 *
 * The time is counted by this primary, from when it missed the life in the view first; a new primary counts anew.
 *
 * Does NOT promise: an early end; a session that nobody uses costs little.
 */
import { onRequest } from "./intake.ts";
import { statusOf } from "./primary.ts";
import { pnnOf } from "./session_requests.ts";
import { type CommitState, NEVER } from "./state.ts";

/** Looks in one time of keeping. */
const LOOKS = 8;

/** When sessions are looked at. */
export function expiryDueMs({ primary }: CommitState): number {
  return primary === undefined ? NEVER : primary.expiryMs;
}

/** Ends sessions of lives that are gone for long. */
export function expireSessions(state: CommitState): void {
  const { primary, members, nowMs, timing } = state;
  if (primary === undefined) return;
  primary.expiryMs = nowMs + timing.sessionKeepMs / LOOKS;
  const living = new Set(members.map(({ pnn, incarnation }) => `${pnn} ${incarnation}`));
  const isServing = statusOf(state, primary) === "serving";
  for (const { sid, nodeId, incarnation } of [...primary.sessions.all()]) {
    const owner = `${pnnOf(nodeId)} ${incarnation}`;
    if (living.has(owner)) {
      primary.missedMs.delete(owner);
      continue;
    }
    const missedMs = primary.missedMs.get(owner) ?? nowMs;
    primary.missedMs.set(owner, missedMs);
    if (!isServing || nowMs < missedMs + timing.sessionKeepMs) continue;
    onRequest(state, undefined, { kind: "close", from: undefined, sid });
  }
}
