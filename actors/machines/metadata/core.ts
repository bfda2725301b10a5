/**
 * What the parts of the metadata machine share: the Lamport clock, the scopes, and what is to be done.
 *
 *   scope:  loading ──(no file)──▶ cold ──(a peer holds the same)──▶ whole, or alone as that peer is
 *              │                     └────(leader: nobody has it)────▶ alone ──(a whole peer holds the same)──▶ whole
 *              └──(file of this epoch)──▶ whole or alone
 *
 * Cold: this node has not heard of all that was, nor of how far stamps have come; so local writes wait, nothing is
 * saved, and it is silent in rounds for tombstones.
 * Whole: whenever a round for tombstones succeeded, this node held all that the others held, and has it on disk.
 * Alone: nobody who had the scope could be asked, and the leader began it anew. It is in use; but it says nothing about
 * what was deleted, until it has met a whole peer, or all who are interested have turned out to hold the same.
 *
 * Does NOT promise: to be a value. The machine changes it in place and hands it to nobody.
 */
import type { Dice } from "../../../transport/world.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MetadataEffect, MetadataReport, WriteEvent } from "./event.ts";
import type { About, MdWriteAnswer, MetadataMessage, SharedPhase } from "./message.ts";
import type { Scope } from "./record.ts";
import type { Table } from "./table.ts";
import type { MetadataTiming } from "./tunables.ts";

/** A write to be done here; with `asker`, for another node, whose askId it has. */
export type Writing = WriteEvent & { readonly asker?: NodeId };

/** The leader's open question to all who are interested in a scope. */
export interface Round {
  readonly round: number;
  readonly endMs: number;
  readonly waiting: Set<NodeId>;
  /** What the leader held when the first answer came. */
  held?: { readonly hash: bigint; readonly count: number };
}

/** A scope that this node is interested in. */
export interface ScopeState {
  readonly scope: Scope;
  readonly epoch: bigint;
  /** Is there a file for it? */
  readonly isKept: boolean;
  readonly table: Table;
  phase: "loading" | SharedPhase;
  /** All who are interested, sorted; this node too. */
  interested: readonly NodeId[];
  /** Hash of them and their epochs: two nodes with the same list have the same. */
  interest: number;
  digestDueMs: number;

  // While it is cold.
  coldSinceMs: number;
  /** Peers that do not have it either. */
  readonly coldPeers: Set<NodeId>;
  /** Writes that wait until it is warm. */
  waiting: { readonly writing: Writing; readonly endMs: number }[];

  /** While it is alone: keys that this node wrote, with stamps that may turn out to be too low. */
  readonly aloneKeys: Set<string>;

  // What is to be sent: slow changes by key.
  readonly unsent: Map<string, MetaRecord>;
  sentMs: number;

  // What is to be saved: keys; phase and floor.
  readonly dirty: Set<string>;
  isHeadDirty: boolean;
  /** False: the file may hold what is not of this life of the scope. */
  isFileFresh: boolean;
  /** Keys of the save under way. */
  saving: { readonly save: number; readonly keys: readonly string[] } | undefined;
  saveDueMs: number;

  // Tombstones.
  round: Round | undefined;
  roundDueMs: number;
  absent: readonly NodeId[];
  /** The round that is answered when everything is saved. */
  asked: { readonly from: NodeId; readonly round: number } | undefined;
  /** The last round that was answered. */
  answered: number | undefined;
}

/** A question of this node to another one. */
export interface Ask {
  readonly type: "read" | "write";
  readonly askId: number;
  readonly endMs: number;
  /** Parts of the answer so far. */
  readonly parts: Map<number, readonly MetaRecord[]>;
}

/** A message that waits until the Lamport clock may go as far as its stamps. */
export interface Parked {
  readonly from: NodeId;
  readonly stamp: bigint;
  readonly message: MetadataMessage;
}

/** What the machine counts, for status and tests. */
export interface Counters {
  /** Records of others taken, and refused because they were deleted. */
  taken: number;
  refused: number;
  /** Stamps too far ahead. */
  skewed: number;
  /** Messages dropped: of nodes not interested, or too many at once. */
  dropped: number;
  rounds: number;
  roundsDone: number;
}

/** All of it. */
export interface Core {
  readonly self: NodeId;
  readonly dice: Dice;
  readonly timing: MetadataTiming;
  nowMs: number;
  /** The highest stamp given or seen. */
  lamport: bigint;
  /** Stamps up to this are covered on disk. */
  reserved: bigint;
  /** The reserve that is being made; 0: none is. */
  reserving: bigint;
  leader: NodeId | undefined;
  present: ReadonlySet<NodeId>;
  readonly scopes: Map<Scope, ScopeState>;
  readonly asks: Map<number, Ask>;
  nextAsk: number;
  nextSave: number;
  parked: Parked[];
  /** The highest stamp of what was ever parked. */
  needed: bigint;
  /** Writes that wait for a reserve. */
  held: Writing[];
  /** Writes done for others, so that a repeated question does not write again. */
  readonly done: Map<string, MdWriteAnswer>;
  readonly counters: Counters;
  out: MetadataEffect[];
}

/** Wants a message sent. */
export function send(core: Core, to: NodeId, message: MetadataMessage): void {
  core.out.push({ type: "send", to, message });
}

/** Wants something reported. */
export function report(core: Core, what: MetadataReport): void {
  core.out.push({ type: "report", report: what });
}

/** Does this node lead? */
export function isLeader(core: Core): boolean {
  return core.leader === core.self;
}

/** The peers of a scope that are in the view. */
export function peersOf(core: Core, scope: ScopeState): NodeId[] {
  return scope.interested.filter((node) => node !== core.self && core.present.has(node));
}

/** A scope that is in use. */
export type WarmScope = ScopeState & { phase: "alone" | "whole" };

/** Has this node the scope, so that it reads, writes and saves it? */
export function isWarm(scope: ScopeState | undefined): scope is WarmScope {
  return scope?.phase === "alone" || scope?.phase === "whole";
}

/** The scope that a peer's message is about, if both have the same idea of who is interested. */
export function sharedScope(core: Core, from: NodeId, about: About): ScopeState | undefined {
  const scope = core.scopes.get(about.scope);
  const isShared = scope !== undefined && scope.phase !== "loading" &&
    scope.interest === about.interest && scope.interested.includes(from);
  if (isShared) return scope;
  core.counters.dropped++;
  return undefined;
}

/** A time between 0.8 and 1.2 times `ms` from now, so that nodes do not fall into step. */
export function jittered(core: Core, ms: number): number {
  return core.nowMs + ms * (0.8 + 0.4 * core.dice.below(1024) / 1024);
}

/** Says that a key of a scope is to be saved. */
export function touch(core: Core, scope: ScopeState, key: string): void {
  if (isClean(scope)) scope.saveDueMs = core.nowMs + core.timing.saveMs;
  scope.dirty.add(key);
}

/** Is everything of the scope on the disk? */
export function isClean(scope: ScopeState): boolean {
  return scope.saving === undefined && scope.dirty.size === 0 && !scope.isHeadDirty;
}
