/**
 * The cluster actor: runs the cluster machine of a node in its world.
 *
 *   send    -> post                      persist -> meta.a / meta.b -> "persisted"
 *   page    -> state page                fence   -> former pages ended, clients out -> "fenced"
 *   adopted -> data thread
 *   lock    -> register -> "lock"        happened -> history, log, monitors      answer -> who asked
 *
 * Does NOT promise: anything that the machine does not; this is its hands.
 */
import type { LeaderLock } from "../transport/leader_lock.ts";
import type { Clock, Log } from "../transport/world.ts";
import type { CtdbxError } from "../transport/wire/errors.ts";
import { fitText, TEXT_MAX } from "../transport/wire/limits.ts";
import type { Document } from "../transport/wire/messages/document.ts";
import type { LeaderCommand, Outcome } from "../transport/wire/messages/leader.ts";
import type { Incarnation, NodeId, Version } from "../transport/wire/terms.ts";
import { Actor } from "./actor.ts";
import { ClusterMachine } from "./machines/cluster/cluster.ts";
import type {
  ClusterEffect,
  ClusterEvent,
  ClusterMessage,
  Durable,
  Happening,
  LockResult,
  Page,
} from "./machines/cluster/events.ts";
import { happeningText } from "./machines/cluster/history.ts";
import type { ClusterConfig } from "./machines/cluster/state.ts";

/** An operation on the register of the lock. */
export type LockWish = Extract<ClusterEffect, { kind: "lock" }>;

/** What the actor needs. */
export interface ClusterParts {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends a message to nodes. */
  readonly send: (to: readonly NodeId[], message: ClusterMessage) => void;
  /** Makes it durable. */
  readonly persist: (durable: Durable, done: (error?: CtdbxError) => void) => void;
  /** Ends the pages of all lives before this one and makes sure that no client works by them. */
  readonly fence: (incarnation: Incarnation) => Promise<void>;
  /** A document is in force here: databases and records go by it. Comes before the page of its generation. */
  readonly adopted: (doc: Document) => void;
  /** Shows clients what they may do. */
  readonly page: (page: Page) => void;
  /** Works on the register; it answers by itself and never fails. */
  readonly lock: (wish: LockWish) => Promise<LockResult>;
  /** Something happened that monitors may want to know. */
  readonly onHappening: (happening: Happening, text: string) => void;
  /** The machine has ended: an assert failed, or it was told to; `left`: for good, by this document. Called once. */
  readonly onEnd: (why: string, isFault: boolean, left?: Version) => void;
}

/** How a command to the leader ended. */
export interface CommandResult {
  readonly outcome: Outcome;
  readonly text: string;
}

/** One node's. */
export class Cluster {
  readonly machine: ClusterMachine;
  readonly #parts: ClusterParts;
  readonly #actor: Actor<ClusterEvent, ClusterEffect>;
  readonly #asks = new Map<string, (result: CommandResult) => void>();
  #ended = false;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    this.machine = new ClusterMachine(parts.config);
    this.#actor = new Actor({
      name: "cluster",
      machine: this.machine,
      clock: parts.clock,
      log: parts.log,
      wake: { kind: "wake" },
      perform: (effect) => this.#perform(effect),
      onFailure: (error) => this.#end(error instanceof Error ? error.message : String(error), true),
    });
  }

  /** Events that found the mailbox full. */
  get dropped(): number {
    return this.#actor.dropped;
  }

  /** Events that the machine has taken. */
  get steps(): number {
    return this.#actor.handled;
  }

  tell(event: ClusterEvent): void {
    this.#actor.tell(event);
  }

  /** Has a command done by the leader; it is asked again under the same id until `timeoutMs` is over. */
  async command(verbId: string, command: LeaderCommand, timeoutMs: number): Promise<CommandResult> {
    const { clock } = this.#parts;
    const endMs = clock.nowMs() + timeoutMs;
    const { sign } = this.machine.state;
    const before = sign.token;
    for (;;) {
      // A yield whose answer was lost must not make the next leader yield, too.
      if (command.verb === "yield" && sign.token > before) {
        return { outcome: "done", text: "another leads" };
      }
      const result = await this.#try(
        verbId,
        command,
        Math.min(ASK_AGAIN_MS, endMs - clock.nowMs()),
      );
      const isOver = result !== undefined && result.outcome !== "not_leader" &&
        result.outcome !== "going_on";
      if (isOver) return result;
      if (clock.nowMs() + PAUSE_MS >= endMs) {
        return result ?? { outcome: "going_on", text: "no answer" };
      }
      await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve));
    }
  }

  /** Has this node lead the cluster on by force; see machines/cluster/force.ts. */
  force(verbId: string, from: Version, atWallMs: bigint): Promise<CommandResult> {
    return new Promise((resolve) => {
      this.#asks.set(verbId, (result) => {
        this.#asks.delete(verbId);
        resolve(result);
      });
      this.tell({ kind: "force", verbId, from, atWallMs });
    });
  }

  /** Asks once; undefined: no answer in time. */
  #try(verbId: string, command: LeaderCommand, waitMs: number): Promise<CommandResult | undefined> {
    return new Promise((resolve) => {
      const end = (result: CommandResult | undefined): void => {
        this.#asks.delete(verbId);
        cancel();
        resolve(result);
      };
      const cancel = this.#parts.clock.after(Math.max(0, waitMs), () => end(undefined));
      this.#asks.set(verbId, end);
      this.tell({ kind: "command", verbId, command });
    });
  }

  /** A planned end: the lead is handed over first. `onEnd` follows. */
  stop(): void {
    this.tell({ kind: "stop" });
  }

  #perform(effect: ClusterEffect): void {
    const parts = this.#parts;
    switch (effect.kind) {
      case "send":
        return parts.send(effect.to, effect.message);
      case "persist":
        return this.#persist(effect.id, effect.durable);
      case "fence":
        return void this.#fence(effect.incarnation);
      case "lock":
        return void this.#lock(effect);
      case "adopted":
        return parts.adopted(effect.doc);
      case "page":
        return parts.page(effect.page);
      case "happened":
        return this.#happened(effect.happening);
      case "answer":
        return this.#asks.get(effect.verbId)?.({ outcome: effect.outcome, text: effect.text });
      case "stop":
        return this.#end(effect.why, effect.isFault, effect.left);
    }
  }

  #persist(id: number, durable: Durable): void {
    this.#parts.persist(durable, (error) => {
      // It goes out with heartbeats, whose texts are bounded.
      const why = error === undefined ? {} : { why: fitText(error.message, TEXT_MAX) };
      this.tell({ kind: "persisted", id, isOk: error === undefined, ...why });
    });
  }

  async #fence(incarnation: Incarnation): Promise<void> {
    try {
      await this.#parts.fence(incarnation);
      this.tell({ kind: "fenced", incarnation });
    } catch (error) {
      this.#end(
        `the former life cannot be fenced: ${error instanceof Error ? error.message : error}`,
        true,
      );
    }
  }

  async #lock(wish: LockWish): Promise<void> {
    const result = await this.#parts.lock(wish);
    this.tell({ kind: "lock", id: wish.id, result });
  }

  #happened(happening: Happening): void {
    const text = happeningText(happening);
    this.#parts.log.write(LEVELS[happening.what] ?? "info", text);
    this.#parts.onHappening(happening, text);
  }

  #end(why: string, isFault: boolean, left?: Version): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#actor.stop();
    for (const end of [...this.#asks.values()]) {
      end({ outcome: "going_on", text: `the node ends: ${why}` });
    }
    this.#parts.onEnd(why, isFault, left);
  }
}

/** A question is repeated after so long without an answer, and after so long a pause, ms. */
const ASK_AGAIN_MS = 1000;
const PAUSE_MS = 100;

/** What is more, or less, than news. */
const LEVELS: Partial<Record<Happening["what"], "debug" | "warning" | "error">> = {
  "proposed": "debug",
  "breach": "error",
  "disk": "error",
  "damaged": "error",
  "forced": "warning",
  "mended": "warning",
  "called dead": "warning",
  "blamed": "warning",
  "suspect": "warning",
};

/** One operation on the register of a lock: its result, which comes in any case. */
export function askLock(lock: LeaderLock, { op, revision, record }: LockWish): Promise<LockResult> {
  return new Promise((resolve) => {
    if (op === "look" || record === undefined) lock.look(resolve);
    else lock.write(op, revision, record, resolve);
  });
}
