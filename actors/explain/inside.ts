/**
 * What a node says of itself and of others for explain.ts: facts, made from the machine's state, bounded.
 *
 * Does NOT promise: judgement; the rules have that.
 */
import type { Document, DocumentNode } from "../../transport/wire/messages/document.ts";
import { FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import { documentHash } from "../verbs/document_view.ts";
import type { DataFact, HappeningFact, InsideFacts, LeadFact, PeerFact } from "./facts.ts";
import type { Addresses } from "../addresses/addresses.ts";
import type { Resources } from "../resources/resources.ts";
import { addressFacts } from "./inside_addresses.ts";
import { resourceFacts } from "./inside_resources.ts";
import { commitFact, hasCommitFact } from "./inside_commits.ts";
import { serviceFacts, unwellFacts } from "./inside_services.ts";
import type { NodeHealth } from "../services/health.ts";
import type { ServiceRow } from "../services/rows.ts";
import { leaveStepOf } from "../machines/cluster/departure.ts";
import { allVotersOf, isMember, nodeById, voterOf } from "../machines/cluster/document.ts";
import type { Lead } from "../machines/cluster/lead.ts";
import { runstateOf } from "../machines/cluster/runstate.ts";
import type { ClusterState } from "../machines/cluster/state.ts";
import { rankOf } from "../machines/cluster/stand.ts";
import { TOKEN_NONE, tokenText } from "../machines/cluster/token.ts";
import type { NodeConfig } from "../node_config.ts";
import type { Post } from "../post.ts";
import type { DataLink } from "../data_link.ts";
import type { DataStatus } from "../data/types.ts";
import type { Shards } from "../shards.ts";
import { happeningWords, isServing, leaderOf, nodeRows } from "../views.ts";

/** Version of the facts. */
export const FACTS_VERSION = 1;
/** Other nodes that are described; of more, those that are well are only counted. */
export const PEERS_MAX = 64;
/** Databases that are told. */
const DATABASES_TOLD = 16;
/** Entries of the history that are told. */
const HISTORY_TOLD = 24;

/** What the facts are made from: a node (node.ts). */
export interface Speaker {
  readonly state: ClusterState;
  readonly nowMs: number;
  readonly config: NodeConfig;
  readonly post: Post;
  readonly shards: Shards | undefined;
  readonly data?: Pick<DataLink, "isUp" | "failures" | "lastFailure" | "glance"> | undefined;
  readonly world: {
    readonly clock: { wallMs(): number };
    readonly bus: { readonly trouble?: string | undefined };
  };
  readonly services?: { readonly rows: readonly ServiceRow[]; readonly health: NodeHealth };
  readonly addresses?: Addresses | undefined;
  readonly resources?: Resources | undefined;
  /** Why the lock's last operation had no result. */
  readonly lockTrouble: string | undefined;
}

/** The facts of one node by its own word. */
export function insideFacts(node: Speaker): InsideFacts {
  const { state, config, nowMs, world, post } = node;
  const doc = state.adopted ?? state.accepted;
  const leader = leaderOf(state);
  const { rows, leftOut } = peerFacts(state, doc, nowMs);
  return {
    v: FACTS_VERSION,
    name: config.name,
    cluster: config.cluster,
    ...some("clusterId", doc?.clusterId),
    ...some("pnn", state.pnn),
    wallMs: world.clock.wallMs(),
    runstate: runstateOf(state),
    condition: nodeRows(state, nowMs).find(({ isThis }) => isThis)?.condition ?? "unknown",
    isMember: doc !== undefined && state.pnn !== undefined &&
      isMember(doc.view, state.pnn, state.incarnation),
    isServing: isServing(state, nowMs),
    ...state.leaseEndMs === 0 ? {} : { leaseLeftMs: Math.round(state.leaseEndMs - nowMs) },
    isFrozen: state.adopted !== undefined && state.accepted !== undefined &&
      state.adopted.generation !== state.accepted.generation,
    ...doc === undefined ? {} : { document: documentFact(doc) },
    ...leader === undefined ? {} : { leader: nameOf(doc, leader) },
    isLeader: leader === state.me,
    signMsAgo: Math.round(nowMs - state.sign.atMs),
    ...state.lead === undefined ? {} : { lead: leadFact(state, state.lead, nowMs) },
    ...standFact(state, nowMs),
    isVoteElsewhere: isVoteElsewhere(state, doc),
    bus: { isUp: state.isBusUp, ...some("trouble", fit(world.bus.trouble)) },
    disk: {
      ...some("fault", fit(state.diskFault)),
      ...state.persisting === 0 ? {} : { hungMs: Math.round(nowMs - state.persistMs) },
    },
    lock: lockFact(node, doc),
    counters: {
      sent: post.counters.sent,
      received: post.counters.received,
      refused: Object.fromEntries(post.counters.refused),
    },
    ...node.shards === undefined ? {} : { shard: threadFact(node.shards, nowMs) },
    ...node.data === undefined ? {} : {
      data: { ...threadFact(node.data, nowMs), databases: dataFacts(node.data.glance, doc) },
    },
    ...some("healthWhy", fit(state.ownHealth.why)),
    ...some("unwell", unwellFacts(node.services?.health.verdict.sources ?? [])),
    ...some("services", serviceFacts(node.services?.rows ?? [])),
    ...some(
      "addresses",
      addressFacts(node.addresses, doc, config.addresses !== undefined, nowMs),
    ),
    ...some("resources", resourceFacts(node.resources, doc)),
    peers: rows,
    peersLeftOut: leftOut,
    history: historyFacts(state, nowMs),
  };
}

/** A property that is left out when there is no value. */
function some<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : { [name]: value } as { [Key in Name]: Value };
}

function fit(text: string | undefined): string | undefined {
  return text === undefined ? undefined : fitText(text, FAULT_TEXT_MAX);
}

function nameOf(doc: Document | undefined, nodeId: DocumentNode["nodeId"]): string {
  return (doc === undefined ? undefined : nodeById(doc, nodeId)?.name) ?? nodeId.slice(0, 8);
}

function documentFact(doc: Document): NonNullable<InsideFacts["document"]> {
  return {
    version: tokenText(doc.version),
    generation: tokenText(doc.generation as bigint as typeof doc.version),
    hash: documentHash(doc),
    nodes: doc.nodes.length,
    voters: allVotersOf(doc).length,
  };
}

function leadFact(state: ClusterState, lead: Lead, nowMs: number): LeadFact {
  const { open, deferredMs } = lead;
  const missing = open?.missing;
  const doc = open?.doc;
  const waitsFor = missing === undefined || doc === undefined
    ? undefined
    : doc.nodes.find(({ pnn }) => pnn === missing.pnn)?.name ?? `node ${missing.pnn}`;
  return {
    token: tokenText(lead.token),
    phase: lead.phase,
    sinceMs: Math.round(nowMs - lead.chosenMs),
    isGranting: lead.isGranting,
    grantedMsAgo: Math.round(nowMs - lead.grantMs),
    isEffective: lead.effective !== undefined && state.lead === lead,
    ...open === undefined ? {} : {
      open: {
        sinceMs: Math.round(nowMs - open.sinceMs),
        isView: open.doc.generation === open.doc.version as bigint,
        ...some("waitsFor", waitsFor),
      },
    },
    ...deferredMs === undefined ? {} : { deferredMs: Math.round(nowMs - deferredMs) },
  };
}

function standFact(
  state: ClusterState,
  nowMs: number,
): Pick<InsideFacts, "stand" | "holdOffLeftMs"> {
  const { stand, accepted, holdOffMs } = state;
  return {
    ...stand === undefined ? {} : {
      stand: {
        sinceMs: Math.round(nowMs - stand.sinceMs),
        why: stand.why,
        rounds: stand.rounds,
        acks: stand.acks.size,
        ...some("rank", accepted === undefined ? undefined : rankOf(state, accepted)),
      },
    },
    ...holdOffMs <= nowMs ? {} : { holdOffLeftMs: Math.round(holdOffMs - nowMs) },
  };
}

function isVoteElsewhere(state: ClusterState, doc: Document | undefined): boolean {
  const diskId = voterOf(doc, state.me)?.diskId;
  return diskId !== undefined && diskId !== state.durable.diskId;
}

function lockFact(
  { state, config, nowMs, lockTrouble }: Speaker,
  doc: Document | undefined,
): InsideFacts["lock"] {
  const { record, readMs } = state.register;
  const holder = record?.holder;
  const { lead } = state;
  return {
    kind: config.lock.kind,
    readMsAgo: Math.round(nowMs - readMs),
    ...holder === undefined ? {} : { holder: nameOf(doc, holder) },
    ...lead === undefined ? {} : { isOwn: (record?.token ?? TOKEN_NONE) === lead.token },
    ...some("trouble", fit(lockTrouble)),
  };
}

function threadFact(
  thread: Pick<Shards, "isUp" | "failures" | "lastFailure">,
  nowMs: number,
): NonNullable<InsideFacts["shard"]> {
  const { lastFailure } = thread;
  return {
    isUp: thread.isUp,
    failures: thread.failures,
    ...lastFailure === undefined ? {} : {
      failedMsAgo: Math.round(nowMs - lastFailure.atMs),
      why: fitText(reasonIn(lastFailure.why), FAULT_TEXT_MAX),
    },
  };
}

/**
 * Databases at which something waits, is held up, lacks or is not open; the first DATABASES_TOLD of them. What others
 * have to say is in `db status`.
 */
function dataFacts(status: DataStatus | undefined, doc: Document | undefined): DataFact[] {
  const told = (status?.databases ?? []).filter((one) => {
    const { waiting, slotsOpening, keysQueried, heldUp, why, commit } = one;
    if (commit !== undefined) return hasCommitFact(commit);
    return waiting > 0 || slotsOpening > 0 || keysQueried > 0 || heldUp !== undefined ||
      why !== undefined;
  });
  return told.slice(0, DATABASES_TOLD).map((one) => {
    const { name, waiting, slotsOpening, keysQueried, heldUp, why, commit } = one;
    if (commit !== undefined) {
      const none = { waiting, slotsOpening: 0, keysQueried: 0 };
      return { name, ...none, commit: commitFact(commit, doc) };
    }
    const held = heldUp === undefined ? {} : {
      heldUp: {
        ...keyFact(heldUp.key),
        ...some("pid", heldUp.pid),
        ageMs: Math.round(heldUp.ageMs),
      },
    };
    return { name, waiting, slotsOpening, keysQueried, ...held, ...some("noFile", fit(why)) };
  });
}

/** A key as commands take it: as it is when it is plain, in hex otherwise; a long one is cut. */
function keyFact(key: string): { readonly key: string; readonly isHex: boolean } {
  const isHex = !/^[\x21-\x7e]+$/.test(key);
  const hex = () => [...key].map((unit) => unit.charCodeAt(0).toString(16).padStart(2, "0"));
  return { key: fitText(isHex ? hex().join("") : key, FAULT_TEXT_MAX), isHex };
}

/** The sentence of an error: a runtime may show lines of the program around it. */
function reasonIn(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.find((line) => /^(?:Uncaught )?\w*[Ee]rror: /.test(line)) ?? lines[0] ?? text;
}

function peerFacts(
  state: ClusterState,
  doc: Document | undefined,
  nowMs: number,
): { readonly rows: PeerFact[]; readonly leftOut: number } {
  if (doc === undefined) return { rows: [], leftOut: 0 };
  const conditions = new Map(nodeRows(state, nowMs).map((row) => [row.nodeId, row]));
  const all = doc.nodes.map((node) =>
    peerFact(state, doc, node, conditions.get(node.nodeId), nowMs)
  );
  if (all.length <= PEERS_MAX) return { rows: all, leftOut: 0 };
  // Voters first, then whoever is not well.
  const weight = ({ isVoter, condition }: PeerFact) => isVoter ? 0 : condition === "ok" ? 2 : 1;
  const rows = all.sort((one, other) => weight(one) - weight(other)).slice(0, PEERS_MAX);
  return { rows, leftOut: all.length - rows.length };
}

function peerFact(
  state: ClusterState,
  doc: Document,
  node: DocumentNode,
  row: ReturnType<typeof nodeRows>[number] | undefined,
  nowMs: number,
): PeerFact {
  const peer = state.peers.get(node.nodeId);
  const { lead } = state;
  const token = lead?.token ?? state.sign.token;
  const reports = peer !== undefined && peer.dsToken === token && lead !== undefined
    ? Math.round(nowMs - peer.dsMs)
    : undefined;
  const echoed = peer?.echoedMs ?? -Infinity;
  const ban = node.ban;
  const seen = lead?.banSeen.get(node.nodeId);
  const leftMs = ban === undefined || seen?.version !== ban.version
    ? undefined
    : Math.max(0, Math.round(seen.atMs + ban.banMs - nowMs));
  return {
    pnn: node.pnn,
    name: node.name,
    condition: row?.condition ?? "unknown",
    flags: node.adminFlags,
    isMember: row?.isMember ?? false,
    isVoter: voterOf(doc, node.nodeId) !== undefined,
    ...some("heardMsAgo", row?.heardMsAgo),
    ...some("reportsMsAgo", reports),
    ...lead === undefined || echoed === -Infinity
      ? {}
      : { echoedMsAgo: Math.round(nowMs - echoed) },
    ...ban === undefined || !node.adminFlags.includes("banned") ? {} : {
      ban: {
        why: ban.why,
        banMs: ban.banMs,
        count: ban.count,
        ...some("leftMs", leftMs),
      },
    },
    ...node.leaving === undefined ? {} : {
      leaving: {
        why: node.leaving,
        step: leaveStepOf(doc, node.pnn, leaderOf(state) === node.nodeId),
      },
    },
    ...some("why", fit(row?.why)),
  };
}

function historyFacts(state: ClusterState, nowMs: number): HappeningFact[] {
  return state.history.list().slice(-HISTORY_TOLD).map(({ atMs, happening }) => ({
    msAgo: Math.round(nowMs - atMs),
    what: happening.what,
    text: fitText(happeningWords(state, happening)),
  }));
}
