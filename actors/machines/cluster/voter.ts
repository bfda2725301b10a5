/**
 * The voter: what a node answers to candidates and leaders. It promises tokens and accepts documents, and both are on
 * its disk before it says so.
 *
 *   PROBE    changes nothing                     PREPARE  token > promised: promise it
 *   ACCEPT   token >= promised, version >= accepted: accept it; another generation: stop serving at once
 *
 * Members that are no voters do the same; only their votes are not counted.
 *
 * Does NOT promise: that what it accepted is, or ever becomes, effective.
 */
import type { Accept, Prepare, Probe } from "../../../transport/wire/messages/cluster.ts";
import type { NodeId, Token } from "../../../transport/wire/terms.ts";
import { assertOne, isOurs } from "./asserts.ts";
import { stepDown } from "./leader.ts";
import { beat, publishPage } from "./member.ts";
import type { ClusterState } from "./state.ts";
import { findPnn, sendTo, tell } from "./state.ts";
import { sendAccepted, sendPromise, whenDurable } from "./store.ts";
import { tokenOfVersion, tokenText } from "./token.ts";

/** A candidate asks whether there is a leader. An acting one says that it is. */
export function onProbe(state: ClusterState, from: NodeId, { nonce }: Probe): void {
  const { lead, sign, promised } = state;
  sendTo(state, from, {
    kind: "probe_ack",
    nonce,
    ageMs: lead === undefined ? Math.max(state.nowMs - sign.atMs, 0) : 0,
    token: lead === undefined ? sign.token : lead.token,
    promised,
  });
}

/** A leader wants a promise. */
export function onPrepare(state: ClusterState, from: NodeId, { token }: Prepare): void {
  if (token < state.promised) return refuse(state, from);
  noteSign(state, from, token);
  if (token === state.promised && state.durable.promised >= token) {
    return sendPromise(state, from, token);
  }
  raisePromise(state, token);
  whenDurable(state, { kind: "promise", to: from, token });
}

/** A leader proposes a document. */
export function onAccept(state: ClusterState, from: NodeId, { doc }: Accept): void {
  if (!isOurs(state, from, doc)) return;
  const token = tokenOfVersion(doc.version);
  if (token < state.promised) return refuse(state, from);
  const { accepted } = state;
  if (accepted !== undefined && doc.version < accepted.version) return;
  if (!assertOne(state, doc)) return;
  noteSign(state, from, token);
  if (accepted?.version === doc.version && state.durable.accepted?.version === doc.version) {
    return sendAccepted(state, from, doc.version);
  }
  raisePromise(state, token);
  if (accepted?.version !== doc.version) {
    state.accepted = doc;
    if (state.adopted === undefined) findPnn(state);
    // Before anything is said: whoever hears ACCEPTED may count on it.
    if (publishPage(state)) tell(state, { what: "frozen", generation: doc.generation });
  }
  whenDurable(state, { kind: "accepted", to: from, version: doc.version });
}

/** Tells a leader of a lower token what was promised. */
export function refuse(state: ClusterState, to: NodeId): void {
  sendTo(state, to, { kind: "nack", promised: state.promised });
}

/**
 * From now on no lower token gets anything. The time of the last digest of a lower token stays known: its leader may
 * have counted on the report of it.
 */
export function raisePromise(state: ClusterState, token: Token): void {
  if (token <= state.promised) return;
  const { ds, ahead, lead } = state;
  state.prevDsMs = Math.max(state.prevDsMs, ds.recvMs, state.otherDsMs);
  state.promised = token;
  if (token > state.highToken) state.highToken = token;
  if (lead !== undefined && lead.token < token) {
    stepDown(state, `promised ${tokenText(token)}`);
  }
  if (ahead.token < token) state.prevDsMs = Math.max(state.prevDsMs, ahead.recvMs);
  if (ahead.token !== token) return;
  // The digest came before the promise: now it may be reported.
  ds.token = token;
  ds.dsMs = ahead.dsMs;
  ds.recvMs = ahead.recvMs;
  if (state.sign.from !== undefined) beat(state, [state.sign.from]);
}

/** A sign of a leader whose token is not below the promised one. */
export function noteSign(state: ClusterState, from: NodeId, token: Token): void {
  state.sign.atMs = state.nowMs;
  state.sign.token = token;
  state.sign.from = from;
  state.sign.protocol = from === state.me ? state.level : state.protocol;
}
