/**
 * The message actor: runs the message machine of a node in its world, for the programs on this node.
 *
 *   program ─ post, send, register ─▶ Messages ─ bytes ─▶ bus        bus ─ bytes ─▶ take ─▶ items ─▶ deliver ─▶ program
 *                                        └── at the end of each turn of the event loop: one publication per node
 *
 * Does NOT promise: anything that the machine does not; this is its hands. Whoever hands items on to a process says so
 * with took() when they have left, or the program counts as one that does not read.
 */
import type { Clock, Log } from "../transport/world.ts";
import { isRefusal } from "../transport/wire/envelope.ts";
import type { Refusal } from "../transport/wire/envelope.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { ErrorCode } from "../transport/wire/errors.ts";
import { PROGRAM_PUBLICATION_MAX } from "../transport/wire/messages/program.ts";
import type { ProgramMessage } from "../transport/wire/messages/registry.ts";
import { bodyMax, ProgramReader, ProgramWriter } from "../transport/wire/program_layout.ts";
import type { ClusterId, Incarnation, NodeId, Pnn, Tag } from "../transport/wire/terms.ts";
import { Actor } from "./actor.ts";
import type {
  MessageAnswer,
  MessageEffect,
  MessageEvent,
  PeerNode,
  ProgramItem,
  ProgramLook,
  SendTo,
} from "./machines/messages/events.ts";
import type { LinkStatus } from "./machines/messages/machine.ts";
import { MessageMachine } from "./machines/messages/machine.ts";
import type { MessageCounters } from "./machines/messages/state.ts";
import { TurnClock } from "./turn_clock.ts";
import type { MessageTiming } from "./machines/messages/tunables.ts";

/** What the actor needs. */
export interface MessagesParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  /** Bytes that the bus takes in one message; PROGRAM_PUBLICATION_MAX or less. */
  readonly publicationMax: number;
  /** Number of the first question, drawn by chance: u32, not 0. */
  readonly firstAsk: number;
  readonly timing?: MessageTiming;
  /** Publishes bytes as they are, on the mail of a node or to all. They are good until it returns. */
  readonly publish: (to: NodeId | "all", payload: Uint8Array) => void;
  /** Sends a declared message. */
  readonly tell: (to: NodeId | "all", message: ProgramMessage) => void;
  /** Hands items to a program, in order. Their data may lie in a larger buffer, and may not be changed. */
  readonly deliver: (program: number, items: readonly ProgramItem[]) => void;
  /** Something that a program has posted was not accepted. */
  readonly onRefused: (program: number, code: ErrorCode, text: string) => void;
  /** A publication was refused: to be counted and told. */
  readonly onBadPublication: (refusal: Refusal) => void;
  /** The actor has stopped: an error of this program. */
  readonly onFailure: (error: unknown) => void;
}

/** How the messages of a node stand. */
export interface MessagesStatus {
  readonly counters: Readonly<MessageCounters>;
  readonly programs: number;
  readonly links: readonly LinkStatus[];
}

/** What came of a question for programs. */
export type ProgramCounts = Extract<MessageAnswer, { type: "counted" }>;
/** What came of a message. */
export type SendResult = Extract<MessageAnswer, { type: "sent" }>;

/** One node's. */
export class Messages {
  readonly #parts: MessagesParts;
  readonly #machine: MessageMachine;
  readonly #actor: Actor<MessageEvent, MessageEffect>;
  readonly #asks = new Map<number, (answer: MessageAnswer) => void>();
  #life: { readonly pnn: Pnn; readonly reader: ProgramReader } | undefined;
  #writer: ProgramWriter | undefined;
  #nextAsk = 1;
  #nextProgram = 1;

  constructor(parts: MessagesParts) {
    this.#parts = parts;
    const { self, firstAsk, publicationMax, timing, clock, log } = parts;
    this.#machine = new MessageMachine({
      self,
      firstAsk,
      bodyMax: bodyMax(Math.min(publicationMax, PROGRAM_PUBLICATION_MAX)),
      ...timing === undefined ? {} : { timing },
    });
    this.#actor = new Actor({
      name: "messages",
      machine: this.#machine,
      // Thousands of messages come in one turn.
      clock: new TurnClock(clock),
      log,
      wake: { type: "wake" },
      perform: (effect) => this.#perform(effect),
      onFailure: (error) => {
        this.#end();
        parts.onFailure(error);
      },
    });
  }

  get status(): MessagesStatus {
    const { counters } = this.#machine;
    return { counters, programs: this.#machine.programs().length, links: this.#machine.links() };
  }

  /** This node begins a life, its first or another one. The cluster is always the same. */
  begin(clusterId: ClusterId, pnn: Pnn, incarnation: Incarnation): void {
    this.#writer ??= new ProgramWriter(clusterId, this.#parts.self);
    this.#life = { pnn, reader: this.#life?.reader ?? new ProgramReader(clusterId) };
    this.#actor.tell({ type: "life", pnn, incarnation });
  }

  /** All nodes that know of messages, in their newest lives; one that is missing does not come back in that life. */
  setPeers(peers: readonly PeerNode[]): void {
    this.#actor.tell({ type: "peers", peers });
  }

  /** A payload of the bus that begins with PROGRAM_MAGIC, from the sender that the subject names. */
  take(payload: Uint8Array, tag: Tag): void {
    if (this.#life === undefined) return;
    const { reader, pnn } = this.#life;
    const publication = reader.read(payload, tag, pnn);
    if (publication === undefined) return;
    if (isRefusal(publication)) return this.#parts.onBadPublication(publication);
    // A full mailbox is a loss on the way: the sender sends it again.
    this.#actor.tell({ type: "data", publication });
  }

  /** A declared message of another node. */
  hear(from: NodeId, message: ProgramMessage): void {
    this.#actor.tell({ type: "message", from, message });
  }

  /** The bus is connected again: what was lost meanwhile is sent now, and not only when its time has come. */
  reconnected(): void {
    this.#actor.tell({ type: "again" });
  }

  /** A program has come, with its process id and a name that it has for itself; answers its number. */
  open(pid: number, uniqueId: bigint): number {
    const program = this.#nextProgram++;
    this.#actor.tell({ type: "program", program, pid, uniqueId });
    return program;
  }

  /** A program has gone; nothing is delivered to it any more. */
  close(program: number): void {
    this.#must({ type: "leave", program });
  }

  /**
   * A program wants the messages of a srvid; they may come before this resolves. Answers the nodes that had not heard
   * of it in time; a node counts from when it knows of this node's life. Throws "busy" (it has not read what it has),
   * "limit", "state" (ended meanwhile), "not_found".
   */
  async register(program: number, srvid: bigint): Promise<readonly NodeId[]> {
    const answer = await this.#ask((askId) => ({ type: "register", askId, program, srvid }));
    return answer.type === "registered" ? answer.unheard : [];
  }

  /** A program wants them no more. Throws "not_found". */
  async unregister(program: number, srvid: bigint): Promise<void> {
    await this.#ask((askId) => ({ type: "unregister", askId, program, srvid }));
  }

  /**
   * A program sends. Answers to how many nodes it went, and for how many of a group it is told as a gap. Throws
   * "not_found" (no such node), "busy" (too much waits for that node), "limit" (PROGRAM_DATA_MAX), "state".
   */
  async send(
    program: number,
    to: SendTo,
    srvid: bigint,
    data: Uint8Array,
  ): Promise<SendResult> {
    const answer = await this.#ask((askId) => ({ type: "send", askId, program, to, srvid, data }));
    return answer as SendResult;
  }

  /** The same without an answer, and cheaper: what is not accepted is told by onRefused. */
  post(program: number, to: SendTo, srvid: bigint, data: Uint8Array): void {
    const isTold = this.#actor.tell({ type: "send", askId: -program, program, to, srvid, data });
    if (!isTold) this.#parts.onRefused(program, "busy", FULL);
  }

  /** A program has taken so many items, of so many bytes together (itemBytes of events.ts). */
  took(program: number, count: number, bytes: number): void {
    this.#must({ type: "took", program, count, bytes });
  }

  /** How many programs are such, at a node or at which nodes; those that did not answer in `limitMs` are named. */
  async count(at: NodeId | "all", look: ProgramLook, limitMs: number): Promise<ProgramCounts> {
    const answer = await this.#ask((askId) => ({ type: "count", askId, at, look, limitMs }));
    return answer as ProgramCounts;
  }

  /** Ends it: nothing is sent or delivered any more; what waits for an answer fails with "state". */
  stop(): void {
    this.#actor.stop();
    this.#end();
  }

  #end(): void {
    const answer: MessageAnswer = { type: "refused", code: "state", text: "the node ends" };
    for (const tell of [...this.#asks.values()]) tell(answer);
    this.#asks.clear();
  }

  async #ask(event: (askId: number) => MessageEvent): Promise<MessageAnswer> {
    const askId = this.#nextAsk++;
    const answer = await new Promise<MessageAnswer>((resolve) => {
      this.#asks.set(askId, resolve);
      const made = event(askId);
      if (this.#actor.tell(made)) return;
      this.#asks.delete(askId);
      const code = this.#actor.stopped ? "state" : "busy";
      resolve({ type: "refused", code, text: code === "busy" ? FULL : "the node ends" });
    });
    if (answer.type !== "refused") return answer;
    throw new CtdbxError(answer.code, `Cannot use messages: ${answer.text}`);
  }

  /** An event that must not be lost: when the mailbox is full, it comes after what is there. */
  #must(event: MessageEvent): void {
    if (!this.#actor.tell(event) && !this.#actor.stopped) queueMicrotask(() => this.#must(event));
  }

  #perform(effect: MessageEffect): void {
    const parts = this.#parts;
    switch (effect.type) {
      case "publish": {
        const { incarnation, receivers, entries, to = "all" } = effect;
        const bytes = this.#writer?.write(incarnation, receivers, entries);
        return bytes === undefined ? undefined : parts.publish(to, bytes);
      }
      case "deliver":
        return parts.deliver(effect.program, effect.items);
      case "turn":
        return queueMicrotask(() => this.#must({ type: "turn" }));
      case "tell":
        return parts.tell(effect.to, effect.message);
      case "answer":
        return this.#answer(effect.askId, effect.answer);
    }
  }

  #answer(askId: number, answer: MessageAnswer): void {
    if (askId > 0) {
      this.#asks.get(askId)?.(answer);
      this.#asks.delete(askId);
    } else if (answer.type === "refused") {
      this.#parts.onRefused(-askId, answer.code, answer.text);
    }
  }
}

const FULL = "too much waits here: try again later";
