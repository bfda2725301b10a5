/**
 * What is written to the disk before it is said: promise, accepted document, life.
 *
 *   change ─▶ dirty ─▶ persist{id, all} ─▶ persisted{id} ─▶ the replies that waited for it
 *                          one at a time; what changes meanwhile goes with the next
 *
 * A write that fails leaves everything unsaid, makes the node unhealthy, and is tried again.
 *
 * Does NOT promise: when; a disk may take its time, and the leader asks again.
 */
import type { Incarnation, NodeId, Token, Version } from "../../../transport/wire/terms.ts";
import { tokenOfVersion } from "./token.ts";
import { GENERATION_NONE } from "./document.ts";
import { onOwnPromise } from "./leader.ts";
import { onFenced } from "./member.ts";
import type { ClusterState, Waiting } from "./state.ts";
import { NEVER, sendTo, tell } from "./state.ts";
import { assert } from "./asserts.ts";
import { hasSuccessor, yieldLead } from "./yield.ts";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** Queues a reply until all that is known now is durable, and sees to it that it is written. */
export function whenDurable(state: ClusterState, reply: WithoutId<Waiting>): void {
  const isAsked = state.waiting.some((other) => isSame(other, reply));
  if (!isAsked) {
    // The write under way, if there is one, was made before this change.
    const id = state.persistId + 1;
    state.waiting.push({ ...reply, id });
    state.isDirty = true;
  }
  writeNext(state);
}

function isSame(one: WithoutId<Waiting>, other: WithoutId<Waiting>): boolean {
  if (one.kind === "promise" && other.kind === "promise") {
    return one.to === other.to && one.token === other.token;
  }
  if (one.kind === "accepted" && other.kind === "accepted") {
    return one.to === other.to && one.version === other.version;
  }
  return false;
}

/** Writes what is not written, when no write is under way. */
export function writeNext(state: ClusterState): void {
  if (!state.isDirty || state.persisting !== 0 || state.nowMs < state.diskRetryAtMs) return;
  state.isDirty = false;
  state.persistId += 1;
  state.persisting = state.persistId;
  state.persistMs = state.nowMs;
  state.writing = {
    diskId: state.durable.diskId,
    promised: state.promised,
    accepted: state.accepted,
    incarnation: state.incarnation,
  };
  state.effects.push({ kind: "persist", id: state.persisting, durable: state.writing });
}

/** A write is done, or failed. */
export function onPersisted(state: ClusterState, id: number, isOk: boolean, why: string): void {
  if (id !== state.persisting) return;
  state.persisting = 0;
  if (!isOk) {
    if (state.diskFault === undefined) tell(state, { what: "disk", why });
    state.diskFault = why;
    state.diskRetryAtMs = state.nowMs + state.timing.diskRetryMs;
    state.isDirty = true;
    const { lead } = state;
    if (lead !== undefined && hasSuccessor(state, lead)) yieldLead(state, lead, `its disk: ${why}`);
    return;
  }
  state.diskFault = undefined;
  state.diskRetryAtMs = -NEVER;
  const holds = assert(
    state,
    state.writing.promised >= state.durable.promised,
    "V3",
    () => "the promise went back",
  );
  if (!holds) return;
  state.durable = state.writing;
  const done = state.waiting.filter((reply) => reply.id <= id);
  const left = state.waiting.filter((reply) => reply.id > id);
  state.waiting.splice(0, state.waiting.length, ...left);
  for (const reply of done) answer(state, reply);
  writeNext(state);
}

function answer(state: ClusterState, reply: Waiting): void {
  switch (reply.kind) {
    case "promise":
      return sendPromise(state, reply.to, reply.token);
    case "accepted":
      return sendAccepted(state, reply.to, reply.version);
    case "chosen":
      return onOwnPromise(state, reply.token);
    case "life":
      return startFence(state, reply.incarnation);
  }
}

/** Asks for the fence of all lives before this one. Its number is on disk: no later life can have it. */
function startFence(state: ClusterState, incarnation: Incarnation): void {
  if (incarnation !== state.incarnation) return;
  if (state.rules.fencesFirst()) state.effects.push({ kind: "fence", incarnation });
  else onFenced(state, incarnation);
}

/** PROMISE, unless a higher one was made meanwhile. The age counts from now: whoever gets it subtracts it. */
export function sendPromise(state: ClusterState, to: NodeId, token: Token): void {
  if (state.promised !== token) return;
  const { accepted } = state.durable;
  const ageMs = Math.min(Math.max(state.nowMs - state.prevDsMs, 0), state.timing.ageCapMs);
  sendTo(state, to, {
    kind: "promise",
    token,
    ...(accepted === undefined ? {} : { accepted }),
    adoptedGeneration: state.adopted?.generation ?? GENERATION_NONE,
    ageMs,
    incarnation: state.incarnation,
  });
}

/** ACCEPTED; still true when a newer document was accepted meanwhile, and of use to its leader only. */
export function sendAccepted(state: ClusterState, to: NodeId, version: Version): void {
  if (tokenOfVersion(version) < state.promised) return;
  sendTo(state, to, { kind: "accepted", version, incarnation: state.incarnation });
}
