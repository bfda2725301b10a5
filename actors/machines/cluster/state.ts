/**
 * What a cluster machine knows, and the small steps that all its parts take: send, tell, stop.
 *
 *   durable  promised, accepted, incarnation       what is on disk: `durable`; what will be: the fields themselves
 *   member   adopted, lease, page, signs of leaders
 *   lead     the leader's role, or undefined       stand   the candidate's
 *   register what is known of the lock             peers   what each node's heartbeats say
 *
 * The state belongs to one machine and is changed in place; documents and messages never are.
 *
 * Does NOT promise: to be looked at from outside while a step runs.
 */
import { LEVEL } from "../../../transport/wire/level.ts";
import type { Health, Left } from "../../../transport/wire/messages/cluster.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import type {
  Incarnation,
  NodeId,
  Pnn,
  Token,
  Version,
  VoterId,
} from "../../../transport/wire/terms.ts";
import type { Credit } from "./ban.ts";
import type { OpenAsk } from "./command.ts";
import { formatOf, nodeById, voterOf } from "./document.ts";
import type { ClusterEffect, ClusterMessage, Durable, Happening, Page } from "./events.ts";
import { History } from "./history.ts";
import type { Lead } from "./lead.ts";
import type { Register } from "./register.ts";
import { newRegister } from "./register.ts";
import type { Rules } from "./rules.ts";
import type { Stand } from "./stand.ts";
import { TOKEN_NONE } from "./token.ts";
import type { Timing } from "./tunables.ts";

/** Never: later than any time. */
export const NEVER = Infinity;

/** What a node's heartbeats say. */
export interface Peer {
  readonly nodeId: NodeId;
  incarnation: Incarnation;
  /** Its clock in its newest heartbeat. */
  tMs: number;
  /** When that came, by the own clock. */
  recvMs: number;
  promised: Token;
  /** The digest it reports; dsMs by the leader's clock. */
  dsToken: Token;
  dsMs: number;
  health: Health;
  diskId: string;
  /** The newest protocol that it knows. */
  protocol: number;
  /** What its homes know to be at nodes that go. */
  left?: Left | undefined;
  /** When the newest of its heartbeats that was echoed to it came; -Infinity: none was. */
  echoedMs: number;
}

/** A reply that waits for the disk. */
export type Waiting =
  | { readonly id: number; readonly kind: "promise"; readonly to: NodeId; readonly token: Token }
  | {
    readonly id: number;
    readonly kind: "accepted";
    readonly to: NodeId;
    readonly version: Document["version"];
  }
  | { readonly id: number; readonly kind: "chosen"; readonly token: Token }
  | { readonly id: number; readonly kind: "life"; readonly incarnation: Incarnation };

/** Signs of a leader: the last PREPARE, ACCEPT or DIGEST of a token that was not below the promised one. */
export interface Sign {
  atMs: number;
  token: Token;
  /** Who it came from; undefined: nobody since the start. */
  from: NodeId | undefined;
  /** The newest protocol that the sender knows. */
  protocol: number;
}

/** The digest whose time is reported. */
export interface DigestSeen {
  token: Token;
  /** The leader's clock. */
  dsMs: number;
  /** When it came, by the own clock. */
  recvMs: number;
}

/** What a machine is made with. */
export interface ClusterConfig {
  readonly nodeId: NodeId;
  readonly timing: Timing;
  readonly rules: Rules;
  /** Whom to tell of this node while it has no document. */
  readonly seeds: readonly NodeId[];
  /** Starts the numbers that tell questions apart, u32. */
  readonly seed: number;
  /** What it knows: no more than this level. The newest when absent. */
  readonly level?: number;
  /** How many slots there are, for simulations: all nodes must have the same. All when absent. */
  readonly slotCount?: number;
}

/** All of it. */
export interface ClusterState {
  readonly config: ClusterConfig;
  readonly timing: Timing;
  readonly rules: Rules;
  readonly me: NodeId;
  nowMs: number;
  effects: ClusterEffect[];
  /** Messages to this node itself, handled in the same step. */
  readonly inbox: ClusterMessage[];
  stopped: string | undefined;
  /** It was told to stop; at the latest then. */
  leaving: boolean;
  stopAtMs: number;
  /** Until then it waits although nobody leads. */
  handOverAtMs: number;
  readonly level: number;
  /** The protocol of the message that is being handled. */
  protocol: number;
  /** When a node that does not belong to the cluster may be told so again. */
  strangerAtMs: number;
  /** How many of the nodes that it knows were asked for the document, and when the next may be. */
  askedCount: number;
  aroundAtMs: number;

  durable: Durable;
  promised: Token;
  accepted: Document | undefined;
  incarnation: Incarnation;
  /** The life that all former ones are fenced for; nothing is said before it is the present one. */
  fencedFor: Incarnation | undefined;
  persistId: number;
  /** The write under way; 0: none. */
  persisting: number;
  /** What that write will have made durable. */
  writing: Durable;
  isDirty: boolean;
  diskRetryAtMs: number;
  diskFault: string | undefined;
  /** When the write under way began. */
  persistMs: number;
  readonly waiting: Waiting[];

  adopted: Document | undefined;
  /** This node in the adopted document, or else the accepted one. */
  pnn: Pnn | undefined;
  leaseEndMs: number;
  page: Page | undefined;
  readonly sign: Sign;
  /** The last digest of the promised token, or of one that was promised before; and of a higher one. */
  readonly ds: DigestSeen;
  readonly ahead: DigestSeen;
  /** When the last digest of a token below `promised` came; `otherDsMs`: of one between that and `ahead`. */
  prevDsMs: number;
  otherDsMs: number;
  beatAtMs: number;
  viewAskAtMs: number;
  /** Silence before this proves nothing: this node was stopped itself. */
  wokeMs: number;
  ownHealth: Pick<Health, "healthy" | "why">;
  /** What the own homes know to be at nodes that go. */
  left: Left | undefined;
  isBusUp: boolean;

  readonly peers: Map<NodeId, Peer>;
  /** Lives up to this one are over, certainly. */
  readonly deadInc: Map<NodeId, Incarnation>;
  /** Certificates as they came, for assert V16: the last time of that life. */
  readonly certificates: Map<NodeId, { readonly incarnation: Incarnation; readonly tMs: number }>;
  highToken: Token;

  readonly register: Register;
  stand: Stand | undefined;
  holdOffMs: number;
  lead: Lead | undefined;
  readonly credits: Map<NodeId, Credit>;
  readonly asks: OpenAsk[];
  nonce: number;
  readonly history: History;
}

const NOTHING: Durable = {
  diskId: "",
  promised: TOKEN_NONE,
  accepted: undefined,
  incarnation: 0n as Incarnation,
};

/** A machine that has not started. */
export function newState(config: ClusterConfig): ClusterState {
  return {
    config,
    timing: config.timing,
    rules: config.rules,
    me: config.nodeId,
    nowMs: 0,
    effects: [],
    inbox: [],
    stopped: undefined,
    leaving: false,
    stopAtMs: NEVER,
    handOverAtMs: NEVER,
    level: config.level ?? LEVEL,
    protocol: config.level ?? LEVEL,
    strangerAtMs: 0,
    askedCount: 0,
    aroundAtMs: 0,
    durable: NOTHING,
    promised: TOKEN_NONE,
    accepted: undefined,
    incarnation: 0n as Incarnation,
    fencedFor: undefined,
    persistId: 0,
    persisting: 0,
    writing: NOTHING,
    isDirty: false,
    diskRetryAtMs: NEVER,
    diskFault: undefined,
    persistMs: 0,
    waiting: [],
    adopted: undefined,
    pnn: undefined,
    leaseEndMs: 0,
    page: undefined,
    sign: { atMs: 0, token: TOKEN_NONE, from: undefined, protocol: LEVEL },
    ds: { token: TOKEN_NONE, dsMs: 0, recvMs: -Infinity },
    ahead: { token: TOKEN_NONE, dsMs: 0, recvMs: -Infinity },
    prevDsMs: 0,
    otherDsMs: -Infinity,
    beatAtMs: NEVER,
    viewAskAtMs: 0,
    wokeMs: 0,
    ownHealth: { healthy: true },
    left: undefined,
    isBusUp: true,
    peers: new Map(),
    deadInc: new Map(),
    certificates: new Map(),
    highToken: TOKEN_NONE,
    register: newRegister(),
    stand: undefined,
    holdOffMs: 0,
    lead: undefined,
    credits: new Map(),
    asks: [],
    nonce: config.seed >>> 0,
    history: new History(),
  };
}

/** May this node say anything? Not before the lives before this one are fenced (V15). */
export function maySpeak(state: ClusterState): boolean {
  return state.fencedFor === state.incarnation && state.stopped === undefined;
}

/** Can a node read a message? One of an older version would take a newer document for less than it is. */
function canRead({ peers }: ClusterState, to: NodeId, message: ClusterMessage): boolean {
  const doc = "doc" in message
    ? message.doc
    : message.kind === "promise"
    ? message.accepted
    : undefined;
  if (doc === undefined) return true;
  return formatOf(doc) <= (peers.get(to)?.protocol ?? LEVEL);
}

/** Sends to one node; to itself within this step. */
export function sendTo(state: ClusterState, to: NodeId, message: ClusterMessage): void {
  if (!maySpeak(state) || !canRead(state, to, message)) return;
  if (to === state.me) state.inbox.push(message);
  else state.effects.push({ kind: "send", to: [to], message });
}

/** Sends to several; those that are this node get it within this step. */
export function sendAll(state: ClusterState, to: readonly NodeId[], message: ClusterMessage): void {
  if (!maySpeak(state)) return;
  const others = to.filter((nodeId) => nodeId !== state.me && canRead(state, nodeId, message));
  if (others.length > 0) state.effects.push({ kind: "send", to: others, message });
  if (to.includes(state.me)) state.inbox.push(message);
}

/** Tells what happened: to the history, and outside. */
export function tell(state: ClusterState, happening: Happening): void {
  state.history.add(state.nowMs, happening);
  state.effects.push({ kind: "happened", happening });
}

/**
 * Ends the machine: no event changes anything any more. Its page is ended first. `left`: for good, by this document.
 */
export function stop(state: ClusterState, why: string, isFault: boolean, left?: Version): void {
  if (state.stopped !== undefined) return;
  state.stopped = why;
  state.inbox.length = 0;
  if (state.page !== undefined) {
    state.page = { ...state.page, leaseEndMs: 0 };
    state.effects.push({ kind: "page", page: state.page });
  }
  state.effects.push({ kind: "stop", why, isFault, ...(left === undefined ? {} : { left }) });
}

/** The next number that tells a question from others; never 0. */
export function nextNonce(state: ClusterState): number {
  state.nonce = (state.nonce + 1) >>> 0 || 1;
  return state.nonce;
}

/** The register showed a token: the next one must be above it (L5). */
export function noteRegisterToken(state: ClusterState, token: Token): void {
  if (token > state.highToken) state.highToken = token;
}

/** The voter id of this node in a document, by default the one that it accepted, unless its vote is on another disk. */
export function ownVoterId(
  state: ClusterState,
  doc: Document | undefined = state.accepted,
): VoterId | undefined {
  const voter = voterOf(doc, state.me);
  if (voter === undefined) return undefined;
  if (voter.diskId !== undefined && voter.diskId !== state.durable.diskId) return undefined;
  return voter.voterId;
}

/** The certain end of lives: those up to `incarnation` of a node are over. True when that is news. */
export function noteDead(state: ClusterState, nodeId: NodeId, incarnation: Incarnation): boolean {
  const known = state.deadInc.get(nodeId);
  if (known !== undefined && known >= incarnation) return false;
  state.deadInc.set(nodeId, incarnation);
  return true;
}

/** What is wrong with the disk: the last write failed, or the one under way takes longer than a leader may. */
export function diskTrouble(state: ClusterState): string | undefined {
  if (state.diskFault !== undefined) return state.diskFault;
  const isHung = state.persisting !== 0 &&
    state.nowMs - state.persistMs >= state.timing.grantLossMs;
  return isHung ? "a write does not end" : undefined;
}

/** Finds this node's number anew, after a document came. */
export function findPnn(state: ClusterState): void {
  const doc = state.adopted ?? state.accepted;
  state.pnn = doc === undefined ? undefined : nodeById(doc, state.me)?.pnn;
}
