/**
 * A cluster of metadata machines in virtual time: a network and disks with faults, and a leader by decree.
 *
 *   machine ──effects──▶ network (loss, repetition, delay, cuts) ──▶ machines        disk: saves that a crash loses
 *
 * Everything follows from the seed. What the document would say (who is a node, who is in the view, who leads, who has
 * which database) is said by the test, and heard by each node a little later, each at its own time.
 *
 * Does NOT promise: the cluster machine's rules; this one leader may be two for a moment, as there.
 */
import type {
  Interested,
  MetadataAnswer,
  MetadataEffect,
  MetadataEvent,
  SaveEffect,
  StoredScope,
} from "../../metadata/event.ts";
import { attachEpoch, type Interest, interestsOf } from "../../metadata/interest.ts";
import { MetadataMachine } from "../../metadata/machine.ts";
import type { MetadataMessage } from "../../metadata/message.ts";
import { CLUSTER_SCOPE, nodeScope, type Scope } from "../../metadata/record.ts";
import { defaultMetadataTiming, type MetadataTiming } from "../../metadata/tunables.ts";
import { SimTime } from "../../../../transport/sim/clock.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import type { NodeId, Pnn } from "../../../../transport/wire/terms.ts";

/** How bad the network and the disks are. Chances are in 1000. */
export interface Faults {
  readonly loss: number;
  readonly twice: number;
  /** One-way delay, milliseconds, at most; in one of 50 cases twenty times that. */
  readonly delayMs: number;
  readonly badSave: number;
}

/** A network in a good mood. */
export const NO_FAULTS: Faults = { loss: 0, twice: 0, delayMs: 2, badSave: 0 };

/** What a test may watch. */
export interface Watcher {
  onEffect?(node: RigNode, effect: MetadataEffect): void;
  /** A message has left; `count`: to how many it was delivered by the bus, whatever becomes of it. */
  onSent?(node: RigNode, message: MetadataMessage, to: readonly RigNode[]): void;
  /** A node has lost what it had in memory, or of one scope. */
  onLoss?(node: RigNode, scope?: Scope): void;
}

/** What a node's disk holds. */
interface RigDisk {
  reserved: bigint;
  readonly scopes: Map<
    Scope,
    Omit<StoredScope, "records"> & { readonly records: ReadonlyMap<string, MetaRecord> }
  >;
}

/** One node. */
export interface RigNode {
  readonly index: number;
  readonly nodeId: NodeId;
  machine: MetadataMachine | undefined;
  /** The last decree that it heard. */
  decree: number;
  /** Counts starts and crashes. */
  life: number;
  disk: RigDisk;
  /** A new one each time that it comes to the list of nodes. */
  pnn: number;
  readonly interests: Map<Scope, Interest>;
  readonly answers: Map<number, MetadataAnswer>;
}

/** The cluster. */
export class Rig {
  readonly dice: SeededDice;
  readonly timing: MetadataTiming;
  readonly nodes: RigNode[];
  /** Who has which database. */
  readonly attached = new Map<string, readonly Interested[]>();
  readonly watcher: Watcher;
  readonly #time = new SimTime();
  readonly #cuts = new Set<string>();
  readonly #gone = new Set<number>();
  readonly #byId: ReadonlyMap<NodeId, RigNode>;
  faults: Faults = NO_FAULTS;
  nextAsk = 1;
  #leader: number | undefined;
  #term = 0;
  #decrees = 0;
  #nextEpoch = 1n;

  constructor(seed: number, count: number, watcher: Watcher = {}, timing?: MetadataTiming) {
    this.dice = new SeededDice(seed);
    this.timing = timing ?? defaultMetadataTiming();
    this.watcher = watcher;
    this.nodes = Array.from({ length: count }, (_, index) => ({
      index,
      nodeId: (index + 1).toString(16).padStart(32, "0") as NodeId,
      machine: undefined,
      decree: 0,
      life: 0,
      disk: { reserved: 0n, scopes: new Map() },
      pnn: index,
      interests: new Map(),
      answers: new Map(),
    }));
    this.#byId = new Map(this.nodes.map((node) => [node.nodeId, node]));
  }

  get leader(): number | undefined {
    return this.#leader;
  }

  /** Says who leads; each time is a term of its own. */
  lead(index: number | undefined): void {
    this.#leader = index;
    this.#term++;
    this.decree();
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  node(index: number): RigNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** The machine of a node that runs. */
  machine(index: number): MetadataMachine {
    const { machine } = this.node(index);
    if (machine === undefined) throw new RangeError(`node ${index} does not run`);
    return machine;
  }

  /** Does something later. */
  at(afterMs: number, work: () => void): void {
    this.#time.after(Math.max(0, afterMs), work);
  }

  /** Lets time pass. */
  run(ms: number): void {
    this.#time.runTo(this.#time.nowMs + ms);
  }

  /** Starts a node from its disk; `isDecreed`: and says so. */
  start(index: number, isDecreed = true): void {
    const node = this.node(index);
    if (node.machine !== undefined) return;
    const options = { self: node.nodeId, reserved: node.disk.reserved, timing: this.timing };
    node.machine = new MetadataMachine({ ...options, dice: new SeededDice(this.dice.u32()) });
    node.life++;
    node.interests.clear();
    this.tell(node, { type: "start" });
    if (isDecreed) this.decree();
  }

  /** Starts all, with this leader. */
  startAll(leader: number): void {
    for (const { index } of this.nodes) this.start(index, false);
    this.lead(leader);
  }

  /** A node loses its memory and what was not saved. */
  crash(index: number): void {
    const node = this.node(index);
    if (node.machine === undefined) return;
    node.machine = undefined;
    node.life++;
    this.watcher.onLoss?.(node);
    this.decree();
  }

  /** The file of a scope is lost on a node that does not run. */
  loseFile(index: number, scope: Scope): void {
    const node = this.node(index);
    if (node.machine !== undefined || !node.disk.scopes.delete(scope)) return;
    this.watcher.onLoss?.(node, scope);
  }

  /** Says who has a database, by index; who comes to it has nothing of it. */
  attach(name: string, who: readonly number[]): void {
    const before = this.attached.get(name) ?? [];
    const after = who.map((index) => {
      const { nodeId } = this.node(index);
      return before.find((one) => one.nodeId === nodeId) ?? { nodeId, epoch: this.#nextEpoch++ };
    });
    this.attached.set(name, after);
    this.decree();
  }

  /** Takes a node off the list of nodes, or puts it on again. */
  setNode(index: number, isNode: boolean): void {
    const node = this.node(index);
    if (isNode) {
      if (this.#gone.delete(index)) node.pnn += 1000;
    } else this.#gone.add(index);
    this.decree();
  }

  /** Is the node off the list? */
  isGone(index: number): boolean {
    return this.#gone.has(index);
  }

  /** Messages from one node to another one do not arrive any more. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** The network is whole again. */
  heal(): void {
    this.#cuts.clear();
  }

  /** Says who is in and who leads; each node hears it by and by. */
  decree(): void {
    const number = ++this.#decrees;
    const nodes = this.nodes.filter(({ index }) => !this.#gone.has(index))
      .map(({ nodeId, pnn }) => ({ nodeId, pnn: pnn as Pnn, adminFlags: [] }));
    const present = this.nodes.filter(({ machine }) => machine !== undefined)
      .map(({ nodeId }) => nodeId);
    const leader = this.#leader === undefined ? undefined : this.node(this.#leader).nodeId;
    const leadership = leader === undefined
      ? undefined
      : { nodeId: leader, token: BigInt(this.#term) };
    const attached = new Map(this.attached);
    for (const node of this.nodes) {
      const { life } = node;
      this.at(this.dice.below(1 + 4 * this.faults.delayMs), () => {
        if (node.life !== life || node.machine === undefined || node.decree > number) return;
        node.decree = number;
        this.tell(node, { type: "members", present, leader });
        this.#setInterests(node, interestsOf({ nodes }, attached, leadership, node.nodeId));
      });
    }
  }

  #setInterests(node: RigNode, interests: Map<Scope, Interest>): void {
    const before = new Map(node.interests);
    for (const [scope, { isKept }] of before) {
      if (interests.has(scope)) continue;
      node.interests.delete(scope);
      this.tell(node, { type: "interest", scope, interested: [], isKept });
      this.watcher.onLoss?.(node, scope);
    }
    for (const [scope, interest] of interests) {
      node.interests.set(scope, interest);
      this.tell(node, { type: "interest", scope, ...interest });
      const was = before.get(scope);
      const isSame = was?.isKept === interest.isKept &&
        epochIn(was, node.nodeId) === epochIn(interest, node.nodeId);
      if (!isSame) this.watcher.onLoss?.(node, scope);
    }
  }

  /** Under which epoch a node would have the file of a scope; undefined: it is not interested. */
  epochOf(node: RigNode, scope: Scope): bigint | undefined {
    if (this.#gone.has(node.index)) return undefined;
    if (scope === CLUSTER_SCOPE || scope === nodeScope(node.nodeId)) return BigInt(node.pnn);
    const who = scope.startsWith("d/") ? this.attached.get(scope.slice(2)) : undefined;
    const attached = who?.find(({ nodeId }) => nodeId === node.nodeId);
    return attached === undefined ? undefined : attachEpoch(BigInt(node.pnn), attached.epoch);
  }

  /** Writes on a node; answers the askId, under which node.answers gets the outcome. */
  write(index: number, scope: Scope, key: string, value: string | null, isSlow = false): number {
    const askId = this.nextAsk++;
    const by = "test";
    const wallMs = this.nowMs;
    this.tell(this.node(index), { type: "write", askId, scope, key, value, by, wallMs, isSlow });
    return askId;
  }

  /** Hands an event to a node that runs, and does what its machine wants. */
  tell(node: RigNode, event: MetadataEvent): void {
    const { machine } = node;
    if (machine === undefined) return;
    const before = machine.wakeMs;
    const effects = machine.step(event, this.nowMs);
    if (machine.wakeMs !== before) this.#wakeLater(node, machine);
    for (const effect of effects) {
      this.watcher.onEffect?.(node, effect);
      this.#perform(node, effect);
    }
  }

  #wakeLater(node: RigNode, machine: MetadataMachine): void {
    this.at(machine.wakeMs - this.nowMs, () => {
      if (node.machine === machine) this.tell(node, { type: "wake" });
    });
  }

  #perform(node: RigNode, effect: MetadataEffect): void {
    switch (effect.type) {
      case "publish": {
        const to = this.nodes.filter((other) =>
          other !== node && other.interests.has(effect.scope) && other.machine !== undefined
        );
        return this.#send(node, to, effect.message);
      }
      case "send": {
        const to = this.#byId.get(effect.to);
        return this.#send(node, to === undefined ? [] : [to], effect.message);
      }
      case "reserve":
        return this.#later(node, 4, () => {
          node.disk.reserved = effect.upTo;
          this.tell(node, { type: "reserved", upTo: effect.upTo, ok: true });
        });
      case "load":
        return this.#later(node, 4, () => this.#load(node, effect.scope, effect.epoch));
      case "save":
        return this.#later(node, 20, () => this.#save(node, effect));
      case "forget":
        node.disk.scopes.delete(effect.scope);
        return;
      case "answer":
        node.answers.set(effect.askId, effect.answer);
    }
  }

  /** Something that the disk of a node does, unless the node dies before. */
  #later(node: RigNode, maxMs: number, work: () => void): void {
    const { life } = node;
    this.at(this.dice.below(maxMs * 16) / 16, () => {
      if (node.life === life) work();
    });
  }

  #load(node: RigNode, scope: Scope, epoch: bigint): void {
    const held = node.disk.scopes.get(scope);
    const stored: StoredScope | undefined = held === undefined
      ? undefined
      : { ...held, records: [...held.records.values()] };
    this.tell(node, { type: "loaded", scope, epoch, stored });
  }

  #save(node: RigNode, effect: SaveEffect): void {
    const { scope, save, epoch, isWhole, floor, wipe, put, drop } = effect;
    const ok = !this.dice.chance(this.faults.badSave, 1000);
    // Dropped meanwhile: the file is gone, and stays so.
    if (ok && node.interests.has(scope)) {
      const records = new Map(wipe ? [] : node.disk.scopes.get(scope)?.records ?? []);
      for (const record of put) records.set(record.key, record);
      for (const key of drop) records.delete(key);
      node.disk.scopes.set(scope, { epoch, isWhole, floor, records });
    }
    this.tell(node, { type: "saved", scope, save, ok });
  }

  #send(node: RigNode, to: readonly RigNode[], message: MetadataMessage): void {
    const { machine } = node;
    if (machine === undefined) return;
    this.watcher.onSent?.(node, message, to);
    const stamp = machine.lamport;
    for (const other of to) {
      const copies = this.dice.chance(this.faults.twice, 1000) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.dice.chance(this.faults.loss, 1000)) continue;
        this.at(this.#delayMs(), () => {
          if (this.#cuts.has(`${node.index}>${other.index}`)) return;
          this.tell(other, { type: "message", from: node.nodeId, stamp, message });
        });
      }
    }
  }

  #delayMs(): number {
    const ms = this.dice.below(1 + this.faults.delayMs * 16) / 16;
    return this.dice.chance(1, 50) ? 20 * ms : ms;
  }
}

/** A node's epoch among the interested. */
function epochIn(interest: Interest | undefined, nodeId: NodeId): bigint | undefined {
  return interest?.interested.find((one) => one.nodeId === nodeId)?.epoch;
}
