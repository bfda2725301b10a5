/**
 * Rules A1 and A2: two nodes that have different views tell each other.
 *
 * The view itself is the cluster machine's business; here is only noticed that it should be asked for, or told.
 *
 * Does NOT promise: more than one question to a node in a while.
 */
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { Generation } from "../../../transport/wire/terms.ts";
import type { RecordState } from "./state.ts";
import { effect } from "./keys.ts";

/** A message was dropped that came by another view: the sender's is newer, or this node's is. */
export function exchangeViews(state: RecordState, from: Member, generation: Generation): void {
  const name = `${from.pnn}.${from.incarnation}`;
  const saidMs = state.viewSaidMs.get(name) ?? -Infinity;
  if (state.nowMs < saidMs + state.timing.viewAskMs) return;
  state.viewSaidMs.set(name, state.nowMs);
  if (generation > state.generation) effect(state, { kind: "view_ask", to: from });
  else if (generation < state.generation) effect(state, { kind: "view_tell", to: from });
}
