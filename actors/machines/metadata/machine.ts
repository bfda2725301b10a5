/**
 * Free metadata of a node: what has a natural owner and may come late. Last writer wins, by Lamport stamp.
 *
 *   change   one publication, to those who are interested     (writing)
 *   loss     digests to a peer by chance, then comparison     (digest, repair)
 *   deletion a tombstone, until all have it on disk           (tombstones)
 *   restart  the file, then peers                             (interest, warming, saving)
 *
 * Pure: time is in the call, chance is in the dice, everything else comes as an event and goes as an effect.
 *
 * Does NOT promise: anything that must not be lost or late. Such things are in the document.
 * Upstream: MARS metadata; differs from upstream: a node hears only what it is interested in.
 */
import type { Dice } from "../../../transport/world.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import {
  askWrite,
  endLate,
  onMdRead,
  onMdReadAnswer,
  onMdWrite,
  onMdWriteAnswer,
  onRead,
  visible,
} from "./asking.ts";
import { type Core, type Counters, isWarm, type Parked, type ScopeState } from "./core.ts";
import { compareAll, sendDueDigests } from "./digest.ts";
import type { MetadataEffect, MetadataEvent, WriteEvent } from "./event.ts";
import { onInterest, onLoaded } from "./interest.ts";
import { isParked, isSkewed, onReserved, reserveAhead, sawStamp } from "./lamport.ts";
import type { MdPublish, MetadataMessage } from "./message.ts";
import type { Scope } from "./record.ts";
import { onBuckets, onDigest, onRecords, onStamps } from "./repair.ts";
import { onSaved, saveAtOnce, saveDue } from "./saving.ts";
import { take } from "./taking.ts";
import {
  answerRound,
  onFloor,
  onRound,
  onRoundAnswer,
  runRounds,
  tryFinish,
} from "./tombstones.ts";
import { defaultMetadataTiming, type MetadataTiming } from "./tunables.ts";
import { askAround, tryAlone } from "./warming.ts";
import { finish, onWrite, refusalOf, sendSlow } from "./writing.ts";

/** What the machine of a node begins with. */
export interface MetadataOptions {
  readonly self: NodeId;
  /** The end of what was reserved on disk; 0n on a new node. */
  readonly reserved: bigint;
  readonly dice: Dice;
  readonly timing?: MetadataTiming;
}

/** How a scope stands, for status. */
export interface ScopeStatus {
  readonly scope: Scope;
  readonly phase: ScopeState["phase"];
  /** Records without tombstones, and tombstones. */
  readonly records: number;
  readonly tombstones: number;
  readonly hash: bigint;
  readonly floor: bigint;
  readonly interested: readonly NodeId[];
  /** Who did not answer the leader's last round. */
  readonly absent: readonly NodeId[];
}

/** The metadata machine of one life of a node. */
export class MetadataMachine {
  readonly #core: Core;
  #wakeMs = Infinity;

  constructor({ self, reserved, dice, timing = defaultMetadataTiming() }: MetadataOptions) {
    this.#core = {
      self,
      dice,
      timing,
      nowMs: 0,
      // Everything up to the reserve may have been given, or seen.
      lamport: reserved,
      reserved,
      reserving: 0n,
      leader: undefined,
      present: new Set([self]),
      scopes: new Map(),
      asks: new Map(),
      nextAsk: dice.u32(),
      nextSave: 1,
      parked: [],
      needed: 0n,
      held: [],
      done: new Map(),
      counters: { taken: 0, refused: 0, skewed: 0, dropped: 0, rounds: 0, roundsDone: 0 },
      out: [],
    };
  }

  /** When it wants a wake event. */
  get wakeMs(): number {
    return this.#wakeMs;
  }

  /** For the envelope of every message of the node. */
  get lamport(): bigint {
    return this.#core.lamport;
  }

  get counters(): Readonly<Counters> {
    return this.#core.counters;
  }

  /** What is held of a key; undefined: nothing, or the scope is not held here. A tombstone has the value null. */
  get(scope: Scope, key: string): MetaRecord | undefined {
    return this.#core.scopes.get(scope)?.table.get(key);
  }

  /** The records of a scope that is held here, in the order of their keys; undefined: it is not. */
  list(scope: Scope, prefix = ""): readonly MetaRecord[] | undefined {
    const held = this.#core.scopes.get(scope);
    return isWarm(held) ? visible(held.table.records(), prefix) : undefined;
  }

  /** How the scopes stand. */
  status(): ScopeStatus[] {
    return [...this.#core.scopes.values()].map(({ scope, phase, table, interested, absent }) => ({
      scope,
      phase,
      records: table.count - table.tombstones,
      tombstones: table.tombstones,
      hash: table.hash,
      floor: table.floor,
      interested,
      absent,
    }));
  }

  /** Handles one event; answers what is to be done, in this order. */
  step(event: MetadataEvent, nowMs: number): readonly MetadataEffect[] {
    const core = this.#core;
    core.nowMs = nowMs;
    core.out = [];
    this.#handle(event);
    return core.out;
  }

  #handle(event: MetadataEvent): void {
    const core = this.#core;
    switch (event.type) {
      case "start":
        this.#wakeMs = core.nowMs + core.timing.tickMs;
        return reserveAhead(core);
      case "wake":
        this.#wakeMs = core.nowMs + core.timing.tickMs;
        return wake(core);
      case "members":
        core.present = new Set(event.present);
        core.leader = event.leader;
        for (const scope of [...core.scopes.values()]) tryAlone(core, scope);
        return;
      case "interest":
        return onInterest(core, event);
      case "loaded":
        return withScope(
          core,
          event.scope,
          event.epoch,
          (scope) => onLoaded(core, scope, event.stored),
        );
      case "saved":
        return withScope(core, event.scope, undefined, (scope) => saved(core, scope, event));
      case "reserved":
        onReserved(core, event.upTo, event.ok);
        return event.ok ? goOn(core) : undefined;
      case "write":
        return write(core, event);
      case "read":
        return onRead(core, event);
      case "message":
        return hear(core, event);
      case "gap":
        return compareAll(core);
      case "stop":
        return stop(core);
    }
  }
}

function withScope(
  core: Core,
  name: Scope,
  epoch: bigint | undefined,
  work: (scope: ScopeState) => void,
): void {
  const scope = core.scopes.get(name);
  if (scope !== undefined && (epoch === undefined || scope.epoch === epoch)) work(scope);
}

/** Does what is due. */
function wake(core: Core): void {
  reserveAhead(core);
  endLate(core);
  for (const scope of [...core.scopes.values()]) {
    tryAlone(core, scope);
    askAround(core, scope);
    sendSlow(core, scope);
  }
  saveDue(core);
  sendDueDigests(core);
  runRounds(core);
}

function saved(
  core: Core,
  scope: ScopeState,
  { save, ok }: Extract<MetadataEvent, { type: "saved" }>,
): void {
  onSaved(core, scope, save, ok);
  answerRound(core, scope);
  tryFinish(core, scope);
}

/** More stamps are on disk: what waited for them goes on. */
function goOn(core: Core): void {
  const { held, parked } = core;
  core.held = [];
  core.parked = [];
  for (const writing of held) {
    const scope = core.scopes.get(writing.scope);
    if (scope !== undefined) onWrite(core, scope, writing);
    else finish(core, writing, { type: "refused", code: "state", text: "no longer interested" });
  }
  for (const one of parked) hear(core, one);
  reserveAhead(core);
}

function write(core: Core, event: WriteEvent): void {
  const refusal = refusalOf(event);
  if (refusal !== undefined) return finish(core, event, refusal);
  const scope = core.scopes.get(event.scope);
  if (scope === undefined) askWrite(core, event);
  else onWrite(core, scope, event);
}

/** A message has come. */
function hear(core: Core, parked: Parked): void {
  const { from, stamp, message } = parked;
  if (isSkewed(core, from, stamp) || isParked(core, parked)) return;
  sawStamp(core, stamp);
  reserveAhead(core);
  understand(core, from, message);
}

function understand(core: Core, from: NodeId, message: MetadataMessage): void {
  switch (message.kind) {
    case "md_publish":
      return onPublish(core, from, message);
    case "md_digest":
      return onDigest(core, from, message);
    case "md_buckets":
      return onBuckets(core, from, message);
    case "md_stamps":
      return onStamps(core, from, message);
    case "md_records":
      return onRecords(core, from, message);
    case "md_round":
      return onRound(core, from, message);
    case "md_round_answer":
      return onRoundAnswer(core, from, message);
    case "md_floor":
      return onFloor(core, from, message);
    case "md_read":
      return onMdRead(core, from, message);
    case "md_read_answer":
      return onMdReadAnswer(core, message);
    case "md_write":
      return onMdWrite(core, from, message);
    case "md_write_answer":
      return onMdWriteAnswer(core, message);
  }
}

/** News. */
function onPublish(core: Core, from: NodeId, { records }: MdPublish): void {
  for (const record of records) {
    const scope = core.scopes.get(record.scope);
    if (scope !== undefined && scope.phase !== "loading") take(core, scope, from, record);
  }
}

/** The node ends: what waits is sent and saved. */
function stop(core: Core): void {
  for (const scope of core.scopes.values()) {
    sendSlow(core, scope, true);
    saveAtOnce(core, scope);
  }
}
