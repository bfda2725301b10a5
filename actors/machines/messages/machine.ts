/**
 * Messages between programs, by srvid: the machine of one node.
 *
 *   program ─▶ sending ─▶ outbound ═▶ (bus) ═▶ inbound ─▶ programs ─▶ program
 *                             ◀── msg_ack ──      interest, lives, asking: who gets what, and from whom
 *
 * From one program to another: in order, each once, nothing missing without a word. The word is a gap (a queue was
 * full), a life that ended (what was under way is gone), or the end of the registration (it was not read).
 *
 * Pure: time is in the call, everything else comes as an event and goes as an effect.
 *
 * Does NOT promise: anything across lives of nodes, or that somebody listens.
 * Upstream: CTDB_REQ_MESSAGE. Differs from upstream: a full queue, a lost link and a slow reader are told, and a node
 * hears only what may be registered there.
 */
import type { ProgramMessage } from "../../../transport/wire/messages/registry.ts";
import { PROGRAM_BODY_MAX } from "../../../transport/wire/program_layout.ts";
import type { Incarnation, NodeId } from "../../../transport/wire/terms.ts";
import { onCount, onCountAnswer, onCountAsk, wakeAsks } from "./asking.ts";
import type { MessageEffect, MessageEvent } from "./events.ts";
import { onData, tellLife, wakeInbound } from "./inbound.ts";
import { noInterest, onInterest, onInterestAck, wakeInterest } from "./interest.ts";
import { beginLife, onLife, onPeers } from "./lives.ts";
import { onAck, publishTurn, tryAgain, wakeOutbound } from "./outbound.ts";
import { deliverReady, onLeave, onProgram, onRegister, onTook, onUnregister } from "./programs.ts";
import { onSend } from "./sending.ts";
import type { Core, MessageCounters } from "./state.ts";
import { defaultMessageTiming, type MessageTiming } from "./tunables.ts";

/** What the machine of a node begins with. */
export interface MessageOptions {
  readonly self: NodeId;
  readonly timing?: MessageTiming;
  /** Bytes of entries in one publication: see program_layout.ts, bodyMax. */
  readonly bodyMax?: number;
  /** Number of its first question: drawn by chance, so that no answers to an earlier process fit. u32, not 0. */
  readonly firstAsk?: number;
}

/** How a node stands with another one, for status. */
export interface LinkStatus {
  readonly nodeId: NodeId;
  /** Its life, as far as it is known here. */
  readonly incarnation: Incarnation;
  readonly isMember: boolean;
  /** Publications, entries and bytes that are not acknowledged. */
  readonly publications: number;
  readonly count: number;
  readonly bytes: number;
  /** Has it said which srvids it wants? */
  readonly isNarrow: boolean;
}

/** The message machine of one process of a node. */
export class MessageMachine {
  readonly #core: Core;

  constructor({ self, timing = defaultMessageTiming(), ...more }: MessageOptions) {
    const counters = { sent: 0, copies: 0, delivered: 0, publications: 0, again: 0, twice: 0 };
    this.#core = {
      self,
      timing,
      bodyMax: more.bodyMax ?? PROGRAM_BODY_MAX,
      nowMs: 0,
      own: undefined,
      peers: new Map(),
      ended: new Map(),
      programs: new Map(),
      srvids: new Map(),
      interest: noInterest(),
      registering: [],
      asks: new Map(),
      nextAsk: more.firstAsk ?? 1,
      senders: new Map(),
      unsent: [],
      ready: new Set(),
      isTurnWanted: false,
      wakeMs: Infinity,
      counters: { ...counters, early: 0, full: 0, slow: 0, dropped: 0 },
      out: [],
    };
  }

  /** When it wants a wake event. */
  get wakeMs(): number {
    return this.#core.wakeMs;
  }

  get counters(): Readonly<MessageCounters> {
    return this.#core.counters;
  }

  /** Programs here, each with its srvids. */
  programs(): { readonly program: number; readonly pid: number; readonly srvids: bigint[] }[] {
    return [...this.#core.programs.values()].map(({ program, pid, srvids }) => ({
      program,
      pid,
      srvids: [...srvids],
    }));
  }

  /** The queues to other nodes. */
  links(): LinkStatus[] {
    return [...this.#core.peers.values()].map(({ outbound, interest, ...peer }) => ({
      nodeId: peer.nodeId,
      incarnation: peer.incarnation,
      isMember: peer.isMember,
      publications: outbound?.queue.length ?? 0,
      count: outbound?.count ?? 0,
      bytes: outbound?.bytes ?? 0,
      isNarrow: interest !== undefined,
    }));
  }

  /** Is a life of a node over, as this node knows? */
  isOver(nodeId: NodeId, incarnation: Incarnation): boolean {
    const { peers, ended } = this.#core;
    const known = peers.get(nodeId)?.incarnation ?? 0n;
    return incarnation < known || incarnation <= (ended.get(nodeId) ?? 0n);
  }

  /** Handles one event; answers what is to be done, in this order. */
  step(event: MessageEvent, nowMs: number): readonly MessageEffect[] {
    const core = this.#core;
    core.nowMs = nowMs;
    core.out = [];
    handle(core, event);
    return core.out;
  }
}

function handle(core: Core, event: MessageEvent): void {
  switch (event.type) {
    case "send":
      return onSend(core, event);
    case "data":
      return onData(core, event.publication);
    case "turn":
      core.isTurnWanted = false;
      publishTurn(core);
      return deliverReady(core);
    case "took":
      return onTook(core, event);
    case "message":
      return hear(core, event.from, event.message);
    case "wake":
      return wake(core);
    case "again":
      return tryAgain(core);
    case "life":
      return onLife(core, event);
    case "peers":
      return onPeers(core, event);
    case "program":
      return onProgram(core, event);
    case "leave":
      return onLeave(core, event);
    case "register":
      return onRegister(core, event);
    case "unregister":
      return onUnregister(core, event);
    case "count":
      return onCount(core, event);
  }
}

/** Something that another node says of messages. */
function hear(core: Core, from: NodeId, message: ProgramMessage): void {
  const peer = beginLife(core, from, message.incarnation);
  if (peer === undefined || core.own === undefined) return void core.counters.dropped++;
  if (message.kind === "msg_count_ask") return onCountAsk(core, from, message);
  if (message.kind === "msg_count") return onCountAnswer(core, from, message);
  if (message.to !== core.own.incarnation) {
    core.counters.dropped++;
    // Otherwise it would go on to wait for an answer of that life.
    return message.kind === "msg_interest" ? tellLife(core, peer) : undefined;
  }
  switch (message.kind) {
    case "msg_ack":
      return message.next === 0n ? undefined : onAck(core, peer, message);
    case "msg_interest":
      return onInterest(core, peer, message);
    case "msg_interest_ack":
      return onInterestAck(core, peer, message);
  }
}

/** Does what is due. */
function wake(core: Core): void {
  core.wakeMs = Infinity;
  const next = [wakeOutbound(core), wakeInbound(core), wakeInterest(core), wakeAsks(core)];
  core.wakeMs = Math.min(core.wakeMs, ...next);
}
