/**
 * A cluster of message machines in virtual time, with programs on its nodes and a network with faults.
 *
 *   program ─ send ─▶ machine ─ bytes ─▶ network (loss, repetition, delay, cuts) ─▶ machine ─ deliver ─▶ program
 *
 * What the cluster would say (which nodes there are, in which life, who is in the view) is said by the test, and heard
 * by each node a little later, each at its own time.
 *
 * Does NOT promise: the order of a real bus: here one message may overtake another one of its sender.
 */
import type {
  MessageAnswer,
  MessageEffect,
  MessageEvent,
  PeerNode,
  ProgramItem,
  SendTo,
} from "../../messages/events.ts";
import { itemBytes } from "../../messages/events.ts";
import { MessageMachine } from "../../messages/machine.ts";
import type { MessageTiming } from "../../messages/tunables.ts";
import { SimTime } from "../../../../transport/sim/clock.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import { isRefusal } from "../../../../transport/wire/envelope.ts";
import { ProgramReader, ProgramWriter } from "../../../../transport/wire/program_layout.ts";
import type { ClusterId, Incarnation, NodeId, Pnn } from "../../../../transport/wire/terms.ts";
import { tagOf } from "../../../../transport/wire/terms.ts";

/** How bad the network is. Chances are in 1000. */
export interface MessageFaults {
  readonly loss: number;
  readonly twice: number;
  /** One-way delay, ms, at most; in one of 50 cases twenty times that. */
  readonly delayMs: number;
  /** Does a later message overtake an earlier one of its sender? */
  readonly overtakes: boolean;
}

/** A network in a good mood. */
export const NO_MESSAGE_FAULTS: MessageFaults = {
  loss: 0,
  twice: 0,
  delayMs: 1,
  overtakes: false,
};

/** What a test may watch. */
export interface MessageWatcher {
  onItem?(program: RigProgram, item: ProgramItem): void;
  onEffect?(node: MessageNode, effect: MessageEffect): void;
  /** A node begins a life of the same process. */
  onLife?(node: MessageNode): void;
}

/** A program on a node; it ends with the node's process. */
export interface RigProgram {
  readonly node: MessageNode;
  readonly program: number;
  /** Does it take what it gets? */
  isReading: boolean;
  isOver: boolean;
  unread: number;
  unreadBytes: number;
}

/** One node. */
export interface MessageNode {
  readonly index: number;
  readonly nodeId: NodeId;
  machine: MessageMachine | undefined;
  incarnation: Incarnation;
  isMember: boolean;
  /** Is it in the list of nodes? */
  isNode: boolean;
  /** The last decree that it heard. */
  decree: number;
  programs: RigProgram[];
  readonly answers: Map<number, MessageAnswer[]>;
  reader: ProgramReader;
  writer: ProgramWriter;
}

const CLUSTER = "c".repeat(32) as ClusterId;

/** The cluster. */
export class MessageRig {
  readonly dice: SeededDice;
  readonly nodes: MessageNode[];
  faults: MessageFaults = NO_MESSAGE_FAULTS;
  readonly #timing: MessageTiming;
  readonly #bodyMax: number;
  readonly #watcher: MessageWatcher;
  readonly #time = new SimTime();
  readonly #cuts = new Set<string>();
  readonly #lastMs = new Map<string, number>();
  readonly #byId: ReadonlyMap<NodeId, MessageNode>;
  #nextAsk = 1;
  #nextProgram = 1;
  #nextIncarnation = 1n;
  #decrees = 0;

  constructor(
    seed: number,
    count: number,
    timing: MessageTiming,
    bodyMax: number,
    watcher: MessageWatcher = {},
  ) {
    this.dice = new SeededDice(seed);
    this.#timing = timing;
    this.#bodyMax = bodyMax;
    this.#watcher = watcher;
    this.nodes = Array.from({ length: count }, (_, index) => {
      const nodeId = `${(index + 1).toString(16).padStart(2, "0")}${"0".repeat(30)}` as NodeId;
      const life = { machine: undefined, incarnation: 0n as Incarnation, isMember: false };
      const bytes = {
        reader: new ProgramReader(CLUSTER),
        writer: new ProgramWriter(CLUSTER, nodeId),
      };
      const rest = { decree: 0, programs: [], answers: new Map(), isNode: true };
      return { index, nodeId, ...life, ...rest, ...bytes };
    });
    this.#byId = new Map(this.nodes.map((node) => [node.nodeId, node]));
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  node(index: number): MessageNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** Lets time pass. */
  run(ms: number): void {
    this.#time.runTo(this.#time.nowMs + ms);
  }

  /** Starts the process of a node: a life without programs. */
  start(index: number): void {
    const node = this.node(index);
    if (node.machine !== undefined) return;
    node.machine = new MessageMachine({
      self: node.nodeId,
      timing: this.#timing,
      bodyMax: this.#bodyMax,
      firstAsk: 1 + this.dice.below(2 ** 31),
    });
    node.isMember = true;
    this.renew(index);
  }

  /** A node begins another life: the view had lost it. */
  renew(index: number): void {
    const node = this.node(index);
    if (node.machine === undefined) return;
    node.incarnation = this.#nextIncarnation++ as Incarnation;
    this.#watcher.onLife?.(node);
    this.tell(node, { type: "life", pnn: index as Pnn, incarnation: node.incarnation });
    this.decree();
  }

  /** A node's process ends, and its programs with it. */
  crash(index: number): void {
    const node = this.node(index);
    node.machine = undefined;
    for (const program of node.programs) program.isOver = true;
    node.programs = [];
    this.decree();
  }

  /** Says who is in; each node hears it by and by. */
  decree(): void {
    const number = ++this.#decrees;
    const peers = this.nodes.filter(({ isNode, incarnation }) => isNode && incarnation > 0n).map(
      ({ nodeId, index, incarnation, isMember }): PeerNode => (
        { nodeId, pnn: index as Pnn, incarnation, isMember }
      ),
    );
    for (const node of this.nodes) {
      this.#time.after(this.dice.below(1 + 8 * this.faults.delayMs), () => {
        if (node.machine === undefined || node.decree > number) return;
        node.decree = number;
        this.tell(node, { type: "peers", peers });
      });
    }
  }

  /** Messages from one node to another one do not arrive any more. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** The network is whole again. */
  heal(): void {
    this.#cuts.clear();
  }

  /** A program comes to a node that runs. */
  come(index: number, pid: number, uniqueId: bigint): RigProgram {
    const node = this.node(index);
    const program = this.#nextProgram++;
    const life = { isReading: true, isOver: false, unread: 0, unreadBytes: 0 };
    const made: RigProgram = { node, program, ...life };
    node.programs.push(made);
    this.tell(node, { type: "program", program, pid, uniqueId });
    return made;
  }

  /** A program goes. */
  leave(program: RigProgram): void {
    const { node } = program;
    program.isOver = true;
    node.programs = node.programs.filter((one) => one !== program);
    this.tell(node, { type: "leave", program: program.program });
  }

  /** A program registers a srvid, or ends that; answers the askId, under which node.answers gets the outcome. */
  register({ node, program }: RigProgram, srvid: bigint, isEnd = false): number {
    const askId = this.#nextAsk++;
    this.tell(node, { type: isEnd ? "unregister" : "register", askId, program, srvid });
    return askId;
  }

  /** A program sends; answers the outcome. */
  send({ node, program }: RigProgram, to: SendTo, srvid: bigint, data: Uint8Array): MessageAnswer {
    const askId = this.#nextAsk++;
    this.tell(node, { type: "send", askId, program, to, srvid, data });
    const [outcome] = node.answers.get(askId) ?? [];
    node.answers.delete(askId);
    if (outcome === undefined) throw new Error("a send was not answered at once");
    return outcome;
  }

  /** Asks on a node who has a srvid. */
  where(index: number, srvid: bigint, limitMs: number): number {
    const askId = this.#nextAsk++;
    const look = { srvid };
    this.tell(this.node(index), { type: "count", askId, at: "all", look, limitMs });
    return askId;
  }

  /** A program takes everything that it has. */
  read(program: RigProgram): void {
    const { node, unread: count, unreadBytes: bytes } = program;
    if (count === 0 || program.isOver) return;
    program.unread = 0;
    program.unreadBytes = 0;
    this.tell(node, { type: "took", program: program.program, count, bytes });
  }

  /** Hands an event to a node that runs, and does what its machine wants. */
  tell(node: MessageNode, event: MessageEvent): void {
    const { machine } = node;
    if (machine === undefined) return;
    const before = machine.wakeMs;
    const effects = machine.step(event, this.nowMs);
    if (machine.wakeMs !== before) this.#wakeLater(node, machine);
    for (const effect of effects) {
      this.#watcher.onEffect?.(node, effect);
      this.#perform(node, machine, effect);
    }
  }

  #wakeLater(node: MessageNode, machine: MessageMachine): void {
    if (machine.wakeMs === Infinity) return;
    this.#time.after(Math.max(0, machine.wakeMs - this.nowMs), () => {
      const isDue = node.machine === machine && machine.wakeMs <= this.nowMs;
      if (isDue) this.tell(node, { type: "wake" });
    });
  }

  #perform(node: MessageNode, machine: MessageMachine, effect: MessageEffect): void {
    switch (effect.type) {
      case "turn":
        return void this.#time.after(0, () => {
          if (node.machine === machine) this.tell(node, { type: "turn" });
        });
      case "answer": {
        const known = node.answers.get(effect.askId) ?? [];
        known.push(effect.answer);
        return void node.answers.set(effect.askId, known);
      }
      case "deliver":
        return this.#deliver(node, effect.program, effect.items);
      case "publish": {
        const { incarnation, receivers, entries } = effect;
        const bytes = node.writer.write(incarnation, receivers, entries).slice();
        return this.#carry(node, effect.to ?? "all", (to) => this.#take(node, to, bytes));
      }
      case "tell":
        return this.#carry(node, effect.to, (to) => {
          this.tell(to, { type: "message", from: node.nodeId, message: effect.message });
        });
    }
  }

  #deliver(node: MessageNode, number: number, items: readonly ProgramItem[]): void {
    const program = node.programs.find((one) => one.program === number);
    if (program === undefined) return;
    for (const item of items) {
      program.unread++;
      program.unreadBytes += itemBytes(item);
      this.#watcher.onItem?.(program, item);
    }
    if (!program.isReading) return;
    this.#time.after(this.dice.below(3), () => {
      if (program.isReading) this.read(program);
    });
  }

  #take(from: MessageNode, to: MessageNode, bytes: Uint8Array): void {
    const publication = to.reader.read(bytes, tagOf(from.nodeId), to.index as Pnn);
    if (publication === undefined) return;
    if (isRefusal(publication)) throw new Error(`refused: ${publication.text}`);
    this.tell(to, { type: "data", publication });
  }

  #carry(from: MessageNode, to: NodeId | "all", work: (to: MessageNode) => void): void {
    const one = to === "all" ? undefined : this.#byId.get(to);
    for (const node of one === undefined ? this.nodes : [one]) {
      if (node === from) continue;
      const copies = this.dice.chance(this.faults.twice, 1000) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.dice.chance(this.faults.loss, 1000)) continue;
        this.#time.after(this.#delayMs(from, node), () => {
          if (!this.#cuts.has(`${from.index}>${node.index}`)) work(node);
        });
      }
    }
  }

  #delayMs(from: MessageNode, to: MessageNode): number {
    const base = this.dice.below(1 + this.faults.delayMs * 16) / 16;
    const ms = this.dice.chance(1, 50) ? 20 * base : base;
    if (this.faults.overtakes) return ms;
    const name = `${from.index}>${to.index}`;
    const atMs = Math.max(this.nowMs + ms, this.#lastMs.get(name) ?? 0);
    this.#lastMs.set(name, atMs);
    return atMs - this.nowMs;
  }
}
