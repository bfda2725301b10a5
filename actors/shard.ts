/**
 * A shard: databases hosted in a thread of its own, with its own Memory and its own connection to the bus. At present
 * it hosts the node's free metadata.
 *
 *   supervisor thread ── start, view, stop, status (rare) ──▶ shard thread
 *                                                        its own Post ◀── bus ──▶ MetadataMachine ──▶ ScopeStore
 *
 * Records never pass between the threads; what people read or write by hand does, one call each.
 *
 * Does NOT promise: to be there; its thread may die. Then it is started again and reads its files.
 */
import { Codec } from "../transport/wire/codec.ts";
import type { Received } from "../transport/wire/codec.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import type { MetaRecord } from "../transport/wire/messages/metadata.ts";
import type { DocumentNode } from "../transport/wire/messages/document.ts";
import type { ClusterId, Generation, NodeId, Token } from "../transport/wire/terms.ts";
import type { LogLevel, World } from "../transport/world.ts";
import { Actor } from "./actor.ts";
import type { MetadataAnswer, MetadataEffect, MetadataEvent } from "./machines/metadata/event.ts";
import { type Interest, interestsOf } from "./machines/metadata/interest.ts";
import { MetadataMachine, type ScopeStatus } from "./machines/metadata/machine.ts";
import type { MetadataMessage } from "./machines/metadata/message.ts";
import type { Scope } from "./machines/metadata/record.ts";
import { Post } from "./post.ts";
import { crc32c } from "./storage/meta_file.ts";
import { ScopeStore } from "./storage/scope_store.ts";

/** What a shard begins with. Plain data: it comes from another thread. */
export interface ShardStart {
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  readonly clusterId: ClusterId | undefined;
  readonly nodeId: NodeId;
  /** Folder of the node's durable state; absolute. */
  readonly stateFolder: string;
}

/** Who is in the view, and who leads. */
export interface ShardView {
  readonly clusterId: ClusterId;
  readonly generation: Generation;
  readonly nodes: readonly Pick<DocumentNode, "pnn" | "nodeId" | "adminFlags">[];
  readonly present: readonly NodeId[];
  readonly leader: { readonly nodeId: NodeId; readonly token: Token } | undefined;
}

/** How a shard is. */
export interface ShardStatus {
  readonly scopes: readonly ScopeStatus[];
  readonly lamport: bigint;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refusedFor: readonly { readonly code: string; readonly count: number }[];
  readonly dropped: number;
}

/** The same complaint is logged again after so long, ms. */
const SAY_MS = 60_000;
/** Longest wait for an answer of the machine, ms. */
const ANSWER_MS = 5000;

/** One shard, in whatever thread. */
export class Shard {
  readonly #world: World;
  readonly #start: ShardStart;
  readonly #codec: Codec;
  readonly #post: Post;
  readonly #store: ScopeStore;
  readonly #machine: MetadataMachine;
  readonly #actor: Actor<MetadataEvent, MetadataEffect>;
  readonly #said = new Map<string, number>();
  readonly #asks = new Map<number, (answer: MetadataAnswer) => void>();
  readonly #end: () => void;
  readonly #watches = new Set<(scope: Scope, key: string) => void>();
  #generation = 0n as Generation;
  #interests = new Map<Scope, Interest>();
  #nextAsk = 1;

  /** `onFailure` hears of an assert that failed; the shard does nothing any more then. */
  constructor(world: World, start: ShardStart, onFailure: (error: unknown) => void) {
    const { bus, clock, dice, disk, images, log } = world;
    this.#world = world;
    this.#start = start;
    const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
    const { cluster, nodeId } = start;
    this.#codec = new Codec({ cluster, own: nodeId, firstId });
    this.#codec.clusterId = start.clusterId;
    disk.makeFolder(this.#scopes);
    this.#store = new ScopeStore(images, this.#scopes, (scope, error) => {
      log.write("warning", `The file of scope ${scope} was lost; it is had again from others`, {
        error,
      });
    });
    this.#machine = new MetadataMachine({ self: nodeId, reserved: this.#readReserve(), dice });
    this.#post = new Post({
      bus,
      clock,
      log,
      codec: this.#codec,
      cluster,
      own: nodeId,
      stamps: () => ({ gen: this.#generation, stamp: this.#machine.lamport }),
      onMessage: (received) => this.#onMessage(received),
    });
    this.#actor = new Actor({
      name: "metadata",
      machine: this.#machine,
      clock,
      log,
      wake: { type: "wake" },
      perform: (effect) => this.#perform(effect),
      onFailure,
    });
    this.#post.start();
    this.#end = bus.watch((status) => {
      if (status === "connected") this.#actor.tell({ type: "gap" });
    });
    this.#actor.tell({ type: "start" });
  }

  /** The view has changed, or the leader. */
  view({ clusterId, generation, nodes, present, leader }: ShardView): void {
    this.#codec.clusterId = clusterId;
    this.#generation = generation;
    const interests = interestsOf({ nodes }, new Map(), leader, this.#start.nodeId);
    this.#actor.tell({ type: "members", present, leader: leader?.nodeId });
    for (const scope of this.#interests.keys()) {
      if (interests.has(scope)) continue;
      this.#actor.tell({ type: "interest", scope, interested: [], isKept: false });
    }
    for (const [scope, interest] of interests) {
      this.#actor.tell({ type: "interest", scope, ...interest });
    }
    this.#interests = interests;
  }

  /** Writes a record; null deletes. Resolves with its stamp. Throws CtdbxError. */
  async write(scope: Scope, key: string, value: string | null, by: string): Promise<bigint> {
    const wallMs = this.#world.clock.wallMs();
    const answer = await this.#ask((askId) => ({
      type: "write",
      askId,
      scope,
      key,
      value,
      by,
      wallMs,
    }));
    if (answer.type === "written") return answer.c;
    throw refused(answer);
  }

  /** The records of a scope whose keys begin with `prefix`. Throws CtdbxError. */
  async read(scope: Scope, prefix: string): Promise<readonly MetaRecord[]> {
    const answer = await this.#ask((askId) => ({ type: "read", askId, scope, prefix }));
    if (answer.type === "read") return answer.records;
    throw refused(answer);
  }

  /** Calls `onChange` when a record of a scope whose key begins with `prefix` has changed. Answers how to end it. */
  watch(scope: Scope, prefix: string, onChange: () => void): () => void {
    const watch = (changed: Scope, key: string): void => {
      if (changed === scope && key.startsWith(prefix)) onChange();
    };
    this.#watches.add(watch);
    return () => void this.#watches.delete(watch);
  }

  status(): ShardStatus {
    const { sent, received, sentBytes, receivedBytes, refused } = this.#post.counters;
    return {
      scopes: this.#machine.status(),
      lamport: this.#machine.lamport,
      messagesSent: sent,
      messagesReceived: received,
      sentBytes,
      receivedBytes,
      refusedFor: [...refused].map(([code, count]) => ({ code, count })),
      dropped: this.#actor.dropped,
    };
  }

  /** Ends it: what waits is sent and saved first. */
  async stop(): Promise<void> {
    this.#actor.tell({ type: "stop" });
    this.#end();
    this.#post.stop();
    await this.#store.close();
    this.#actor.stop();
  }

  get #scopes(): string {
    return `${this.#start.stateFolder}/scopes`;
  }

  get #reservePath(): string {
    return `${this.#start.stateFolder}/lamport`;
  }

  #ask(make: (askId: number) => MetadataEvent): Promise<MetadataAnswer> {
    return new Promise((resolve) => {
      const askId = this.#nextAsk++;
      const end = (answer: MetadataAnswer): void => {
        cancel();
        this.#asks.delete(askId);
        resolve(answer);
      };
      const late: MetadataAnswer = { type: "refused", code: "timeout", text: "no answer in time" };
      const cancel = this.#world.clock.after(ANSWER_MS, () => end(late));
      this.#asks.set(askId, end);
      this.#actor.tell(make(askId));
    });
  }

  #onMessage({ from, stamp, message }: Received): void {
    // The node's other mail is for its other thread.
    if (!message.kind.startsWith("md_")) return;
    this.#actor.tell({ type: "message", from, stamp, message: message as MetadataMessage });
  }

  #perform(effect: MetadataEffect): void {
    switch (effect.type) {
      case "publish":
        return this.#publish(effect.scope, effect.message);
      case "send":
        return this.#post.send([effect.to], effect.message);
      case "reserve":
        return this.#reserve(effect.upTo);
      case "load":
        return void this.#load(effect.scope, effect.epoch);
      case "save":
        return void this.#save(effect);
      case "forget":
        return void this.#store.forget(effect.scope).catch((error) =>
          this.#complain("forget", error)
        );
      case "answer":
        return this.#asks.get(effect.askId)?.(effect.answer);
      case "report":
        return this.#say("warning", `Metadata: ${effect.report.about}`, {
          ...effect.report,
        });
      case "changed":
        for (const watch of this.#watches) watch(effect.scope, effect.record.key);
        return;
      case "fault":
        throw new Error(`${effect.assert}: ${effect.text}`);
    }
  }

  /** One publication for all in scope c; to a few by name otherwise. */
  #publish(scope: Scope, message: MetadataMessage): void {
    if (scope === "c") return this.#post.publish("all", message);
    const { interested } = this.#interests.get(scope) ?? { interested: [] };
    const others = interested.map(({ nodeId }) => nodeId);
    this.#post.send(others.filter((nodeId) => nodeId !== this.#start.nodeId), message);
  }

  async #load(scope: Scope, epoch: bigint): Promise<void> {
    let stored: Awaited<ReturnType<ScopeStore["load"]>>;
    try {
      stored = await this.#store.load(scope);
    } catch (error) {
      this.#complain("read", error);
    }
    // A file of another epoch is from before this node was taken off the list.
    this.#actor.tell({ type: "loaded", scope, epoch, stored });
  }

  async #save(effect: Extract<MetadataEffect, { type: "save" }>): Promise<void> {
    const { type: _type, scope, save, ...change } = effect;
    let ok = true;
    try {
      await this.#store.save(scope, change);
    } catch (error) {
      ok = false;
      this.#complain("write", error);
    }
    this.#actor.tell({ type: "saved", scope, save, ok });
  }

  #complain(what: string, error: unknown): void {
    this.#say("error", `Cannot ${what} the file of a scope`, { error });
  }

  /** Writes to the log, the same text again only after SAY_MS: a full disk has the same to say each second. */
  #say(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>>): void {
    const { clock, log } = this.#world;
    const nowMs = clock.nowMs();
    if (nowMs - (this.#said.get(text) ?? -Infinity) < SAY_MS) return;
    this.#said.set(text, nowMs);
    log.write(level, text, fields);
  }

  /** The stamps up to which all may have been given: u64 and its CRC32C, little-endian. */
  #readReserve(): bigint {
    const bytes = this.#world.disk.read(this.#reservePath);
    if (bytes === undefined) return 0n;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length === 12 && view.getUint32(8, true) === crc32c(bytes.subarray(0, 8))) {
      return view.getBigUint64(0, true);
    }
    throw new CtdbxError("corrupt", `Cannot use ${this.#reservePath}: its sum is wrong`);
  }

  #reserve(upTo: bigint): void {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, upTo, true);
    view.setUint32(8, crc32c(bytes.subarray(0, 8)), true);
    this.#world.disk.replace(this.#reservePath, bytes, (error) => {
      if (error !== undefined) this.#complain("write the reserve beside", error);
      this.#actor.tell({ type: "reserved", upTo, ok: error === undefined });
    });
  }
}

function refused(answer: MetadataAnswer): CtdbxError {
  if (answer.type !== "refused") return new CtdbxError("io", "Cannot use metadata: a wrong answer");
  return new CtdbxError(answer.code, `Cannot use metadata: ${answer.text}`);
}
