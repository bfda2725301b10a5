/**
 * Some record machines on a table: messages lie there until a test hands them over, loses them, or does so twice.
 *
 *   const rig = new Rig(3);  rig.view([0, 1, 2]);
 *   rig.lock(1, key);  rig.flow();              // all messages, in order, until none is left
 *   const grant = rig.take("grant");            // one message is held back
 *
 * A life is named by its pnn, or by [pnn, incarnation] when it is not the first.
 *
 * Does NOT promise: a network, a clock or clients; a test says what each of them does.
 */
import { genesis, withView } from "../../../../actors/machines/cluster/document.ts";
import { tokenOf, versionOf } from "../../../../actors/machines/cluster/token.ts";
import { textHash } from "../../../../actors/machines/mix.ts";
import type { Key, Stored } from "../../../../actors/machines/record/copy.ts";
import { isOwner } from "../../../../actors/machines/record/copy.ts";
import type {
  OpWish,
  RecordEffect,
  RecordEvent,
} from "../../../../actors/machines/record/events.ts";
import type { HeldBook } from "../../../../actors/machines/record/held.ts";
import { PROCEDURES } from "../../../../actors/machines/record/procedures.ts";
import type { ProcedureBook } from "../../../../actors/machines/record/procedures.ts";
import { RecordMachine } from "../../../../actors/machines/record/record.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { RecordRules } from "../../../../actors/machines/record/rules.ts";
import { defaultRecordTiming } from "../../../../actors/machines/record/tunables.ts";
import type { RecordTiming } from "../../../../actors/machines/record/tunables.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Document, Member } from "../../../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../../../transport/wire/messages/record.ts";
import type {
  ClusterId,
  DbId,
  Generation,
  Incarnation,
  Pnn,
  VoterId,
} from "../../../../transport/wire/terms.ts";
import { Shelf, Told } from "./shelf.ts";

/** A message on the table. */
export interface Lying {
  readonly from: Member;
  readonly to: Member;
  readonly generation: Generation;
  readonly message: RecordMessage;
}

/** A kind of message. */
export type Kind = RecordMessage["kind"];
/** A message of a kind. */
export type OfKind<K extends Kind> = Extract<RecordMessage, { readonly kind: K }>;
/** A node in a view. */
export type Life = number | readonly [pnn: number, incarnation: number];

/** Far away. */
const LATER_MS = 1e9;
const STEPS_MAX = 100_000;

/** What came back of an operation. */
export type Answer = Extract<RecordEffect, { readonly kind: "answer" }>;

/** What a program is to run. */
export type Run = Extract<RecordEffect, { readonly kind: "run" }>;
/** A write that was told to those who watch. */
export type Wrote = Extract<RecordEffect, { readonly kind: "wrote" }>;

/** The table. */
export class Rig {
  readonly machines: RecordMachine[] = [];
  readonly shelves: Shelf[] = [];
  readonly policies: Told[] = [];
  /** Messages that are under way, the oldest first. */
  readonly lying: Lying[] = [];
  readonly answers = new Map<number, Answer>();
  readonly ready: number[] = [];
  readonly locked = new Map<number, Uint8Array>();
  readonly told: { readonly key: Key; readonly data: Uint8Array | undefined }[] = [];
  readonly ended: Extract<RecordEffect, { readonly kind: "traversed" }>[] = [];
  readonly breaches: string[] = [];
  /** What programs are to run, and what nobody waits for any more. */
  readonly runs: Run[] = [];
  readonly over: number[] = [];
  readonly wrote: Wrote[] = [];
  /** Keys that somebody watches. */
  readonly watched = new Set<Key>();
  /** Nodes that have not heard of it. */
  readonly deaf = new Set<number>();
  doc: Document;
  nowMs = 1000;
  #version = 0n;
  #op = 0;

  constructor(
    nodes: number,
    rules: RecordRules = RECORD_RULES,
    timing: Partial<RecordTiming> = {},
    procedures: ProcedureBook | ((node: number) => ProcedureBook) = PROCEDURES,
    heldBook?: (node: number) => HeldBook,
  ) {
    this.doc = genesis({
      clusterId: "c".repeat(32) as ClusterId,
      nodes: Array.from({ length: nodes }, (_, index) => ({
        nodeId: nodeIdOf(index),
        name: `n${index}`,
        addr: `n${index}:1`,
        isVoter: true,
      })),
    });
    for (let index = 0; index < nodes; index++) {
      const shelf = new Shelf();
      const policy = new Told();
      this.shelves.push(shelf);
      this.policies.push(policy);
      this.machines.push(
        new RecordMachine({
          nodeId: nodeIdOf(index),
          dbId: 1 as DbId,
          hashOf: (key) => textHash(key, 0),
          store: shelf,
          procedures: typeof procedures === "function" ? procedures(index) : procedures,
          policy,
          timing: { ...defaultRecordTiming(), minHoldMs: 0, ...timing },
          rules,
          isWatched: (key) => this.watched.has(key) && !this.deaf.has(index),
          held: heldBook?.(index),
        }),
      );
      this.step(index, { kind: "life", incarnation: 1n as Incarnation });
    }
  }

  /** A view of these lives, adopted by all of them but `late`, with a lease. */
  view(
    lives: readonly Life[],
    options: { late?: number[]; draining?: number[]; stopping?: number[] } = {},
  ): void {
    const { late = [], draining = [], stopping = [] } = options;
    const members = lives.map((life) => {
      const [pnn, incarnation] = typeof life === "number" ? [life, 1] : life;
      return { pnn: pnn as Pnn, incarnation: BigInt(incarnation) as Incarnation };
    });
    this.#version += 1n;
    const version = versionOf(tokenOf(1n, 1 as VoterId), this.#version);
    const base: Document = {
      ...this.doc,
      nodes: this.doc.nodes.map((node) => ({
        ...node,
        adminFlags: draining.includes(node.pnn) ? ["draining" as const] : [],
      })),
    };
    const stops = stopping as Pnn[];
    const homeless = new Set([...draining as Pnn[], ...stops]);
    const made = withView(base, members, [], version, homeless, { stopping: stops });
    this.doc = { ...made, parent: base.version };
    for (const { pnn, incarnation } of members) {
      const state = this.machines[pnn]?.state;
      if (state !== undefined && state.incarnation < incarnation) {
        this.step(pnn, { kind: "life", incarnation });
      }
      if (!late.includes(pnn)) this.adopt(pnn);
    }
  }

  /** A first view, with all slots open. */
  start(lives: readonly Life[]): void {
    this.view(lives);
    this.flow();
  }

  /** A node adopts the newest view. */
  adopt(node: number): void {
    this.step(node, { kind: "adopted", doc: this.doc });
    this.step(node, { kind: "page", leaseEndMs: LATER_MS });
  }

  /** An event for a machine; what it sends lies on the table. */
  step(node: number, event: RecordEvent): void {
    const machine = this.machines[node];
    if (machine === undefined) throw new RangeError(`no node ${node}`);
    for (const effect of machine.step(event, this.nowMs)) this.#perform(machine, effect);
  }

  #perform({ state }: RecordMachine, effect: RecordEffect): void {
    switch (effect.kind) {
      case "send": {
        const { to, generation, messages } = effect;
        if (state.me === undefined) throw new Error("a node that is no member speaks");
        for (const message of messages) {
          this.lying.push({ from: state.me, to, generation, message });
        }
        return;
      }
      case "answer":
        if (this.answers.has(effect.id)) throw new Error(`${effect.id} is answered twice`);
        this.answers.set(effect.id, effect);
        return;
      case "ready":
        this.ready.push(effect.id);
        return;
      case "locked":
        this.locked.set(effect.id, effect.data);
        return;
      case "record":
        this.told.push(effect);
        return;
      case "traversed":
        this.ended.push(effect);
        return;
      case "breach":
        this.breaches.push(effect.number);
        return;
      case "run":
        this.runs.push(effect);
        return;
      case "run_over":
        this.over.push(effect.id);
        return;
      case "wrote":
        this.wrote.push(effect);
        return;
    }
  }

  /** Hands one message over. */
  hand({ from, to, generation, message }: Lying): void {
    this.step(to.pnn, { kind: "messages", from, to, generation, messages: [message] });
  }

  /** Hands over all messages, in order, until none is left; those of some kinds stay, as do those to some nodes. */
  flow(options: { keep?: readonly Kind[]; notTo?: readonly number[] } = {}): void {
    const { keep = [], notTo = [] } = options;
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const at = this.lying.findIndex(({ to, message }) =>
        !keep.includes(message.kind) && !notTo.includes(to.pnn)
      );
      const [next] = at < 0 ? [] : this.lying.splice(at, 1);
      if (next === undefined) return;
      this.hand(next);
    }
    throw new Error("messages flow without end");
  }

  /** Takes the first message of a kind, to a node, off the table. */
  take(kind: Kind, to?: number): Lying {
    const at = this.lying.findIndex((one) =>
      one.message.kind === kind && (to === undefined || one.to.pnn === to)
    );
    const [found] = at < 0 ? [] : this.lying.splice(at, 1);
    if (found === undefined) throw new Error(`no ${kind} lies on the table`);
    return found;
  }

  /** Loses what lies on the table: all, or of some kinds. */
  lose(...kinds: readonly Kind[]): void {
    const left = this.lying.filter(({ message }) =>
      kinds.length > 0 && !kinds.includes(message.kind)
    );
    this.lying.splice(0, this.lying.length, ...left);
  }

  /** Time passes: each machine that wants to be woken is. */
  pass(ms: number, options: { keep?: readonly Kind[]; notTo?: readonly number[] } = {}): void {
    const endMs = this.nowMs + ms;
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      this.flow(options);
      const wakeMs = Math.min(...this.machines.map((machine) => machine.wakeMs));
      if (wakeMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, wakeMs);
      this.machines.forEach((machine, node) => {
        if (machine.wakeMs <= this.nowMs) this.step(node, { kind: "wake" });
      });
    }
    this.nowMs = endMs;
    this.flow(options);
  }

  /** An operation; its number. */
  op(node: number, key: Key, wish: OpWish, forMs = LATER_MS): number {
    this.#op += 1;
    const id = this.#op;
    const deadlineMs = this.nowMs + forMs;
    this.step(node, { kind: "op", op: { id, client: node, key, deadlineMs, wish } });
    return id;
  }

  /** A node locks a record. */
  lock(node: number, key: Key, forMs?: number): number {
    return this.op(node, key, { what: "lock" }, forMs);
  }

  /** A node gives a lock back, with a new value. */
  unlock(node: number, id: number, value?: number): void {
    const data = value === undefined ? {} : { data: new Uint8Array([value]) };
    this.step(node, { kind: "unlock", id, ...data });
  }

  /** A node locks, writes and unlocks, and all messages flow. */
  write(node: number, key: Key, value: number): void {
    const id = this.lock(node, key);
    this.flow();
    if (!this.locked.has(id)) throw new Error(`node ${node} cannot lock ${key}`);
    this.unlock(node, id, value);
    this.flow();
  }

  /** A node calls a procedure; 'append' with a byte, by default. */
  call(node: number, key: Key, byte: number, procedure = "append"): number {
    return this.op(node, key, { what: "call", procedure, args: new Uint8Array([byte]) });
  }

  /** The value as a node stored it; undefined: it has none. */
  value(node: number, key: Key): number[] | undefined {
    const data = this.shelves[node]?.get(key)?.data;
    return data === undefined ? undefined : [...data];
  }

  /** The copy that a node stored. */
  stored(node: number, key: Key): Stored {
    const stored = this.shelves[node]?.get(key);
    if (stored === undefined) throw new Error(`node ${node} has no ${key}`);
    return stored;
  }

  /** Which nodes own a key, as their files say. */
  owners(key: Key): number[] {
    return this.shelves.flatMap((shelf, node) =>
      isOwner(shelf.get(key), node as Pnn) ? [node] : []
    );
  }

  /** How often a node counted something. */
  count(node: number, what: string): number {
    return this.machines[node]?.state.counts.get(what) ?? 0;
  }

  /** The outcome of an operation. */
  outcome(id: number): string | undefined {
    return this.answers.get(id)?.outcome;
  }

  /** The slot of a key. */
  slotOf(key: Key): number {
    return textHash(key, 0) % 1024;
  }

  /** The home of a key in the newest view. */
  homeOf(key: Key): number {
    return this.doc.view.slots[this.slotOf(key)]?.home.pnn ?? -1;
  }

  /** A key with a home in each of these views: of the lives with these numbers, the home is the one named. */
  keyFor(...homes: readonly (readonly [home: number, lives: readonly number[]])[]): Key {
    return this.keysFor(1, ...homes)[0] as Key;
  }

  /** Several such keys. */
  keysFor(
    count: number,
    ...homes: readonly (readonly [home: number, lives: readonly number[]])[]
  ): Key[] {
    const keys: Key[] = [];
    const slots = homes.map(([home, lives]) => [home, this.#slots(lives)] as const);
    for (let n = 0; n < STEPS_MAX && keys.length < count; n++) {
      const slot = this.slotOf(`k${n}`);
      if (slots.every(([home, winners]) => winners[slot] === home)) keys.push(`k${n}`);
    }
    if (keys.length < count) throw new Error("no key has these homes");
    return keys;
  }

  /** The home of each slot where these are the members. */
  #slots(lives: readonly number[]): number[] {
    const members = lives.map((pnn) => ({ pnn: pnn as Pnn, incarnation: 1n as Incarnation }));
    const doc = withView(this.doc, members, [], 0n as Document["version"]);
    return doc.view.slots.map(({ home }) => home.pnn);
  }
}
