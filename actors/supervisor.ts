/**
 * The supervisor of a node: a small process of its own that starts the daemon, sees it end, and may certify that.
 *
 *   start ──▶ running ──ends──▶ its page's lease := 0, clients out ──within 500 ms──▶ DEAD to the voters, 20 times
 *     ▲                                                                                       │
 *     └──────────────── back-off ◀─────────────────────────────────────────────────────────────┘
 *
 * Only a child that this supervisor has reaped is certified: nothing else proves that a process writes no more. A
 * daemon that does not answer its socket for HUNG_MS is killed, and then it is certain, too.
 *
 * Does NOT promise: to be quick when the machine is not; then no certificate is sent, and the others wait the node out.
 */
import { Codec } from "../transport/wire/codec.ts";
import type { Identity } from "../transport/wire/durable.ts";
import type { AddressClear } from "../transport/wire/messages/address.ts";
import type { Dead } from "../transport/wire/messages/cluster.ts";
import type { ResourceClearMessage } from "../transport/wire/messages/resource.ts";
import type { Document } from "../transport/wire/messages/document.ts";
import type { Generation, Incarnation, NodeId, Pnn } from "../transport/wire/terms.ts";
import { buildSubject } from "../transport/wire/subjects.ts";
import { PNN_UNKNOWN, tagOf } from "../transport/wire/terms.ts";
import type { Child, ChildOptions, World } from "../transport/world.ts";
import { allVotersOf, FORMAT_FIRST, formatOf } from "./machines/cluster/document.ts";
import { MetaFile } from "./storage/meta_file.ts";
import { readIdentity } from "./storage/node_identity.ts";
import { StatePage } from "./storage/state_page.ts";
import { BACK_OFF } from "./supervision.ts";
import { watchDaemon } from "./watchdog.ts";

/** Longest time between the end of a daemon and the end of its lease and clients for a certificate, ms. */
export const FENCE_LIMIT_MS = 500;
/** How often a certificate is sent, and how far apart, ms. */
export const DEAD_TIMES = 20;
const DEAD_EVERY_MS = 250;
/** Certificates that are out before the supervisor ends, and how often it waits for one. */
const TOLD = 3;
const TOLD_TRIES = 8;
/** A daemon gets so long to end in order, ms. */
const STOP_MS = 5000;
/** One that still serves then hands its records over; it gets so long more, and is looked at so often, ms. */
const HAND_OVER_MS = 60_000;
const HAND_OVER_LOOK_MS = 500;

/** What the supervisor needs. */
export interface SupervisorOptions {
  readonly world: World;
  /** The cluster's name, as in subjects. */
  readonly cluster: string;
  readonly stateFolder: string;
  readonly runFolder: string;
  /** Path of the daemon's socket. */
  readonly socketPath: string;
  /** Starts the daemon. */
  readonly command: readonly string[];
  readonly child?: ChildOptions;
  /** Called with each daemon that was started. */
  readonly onStart?: (child: Child) => void;
  /** The daemon's clock may be ahead of this one's by so much, ms: 0 unless faults are made on demand. */
  readonly aheadMaxMs?: number;
  /**
   * Ends all that a daemon which was reaped has started and that could set a public address, then removes these; true:
   * none is left, and nobody sets one. Waited for before the next daemon is started. Absent: that is not known.
   */
  readonly clearAddresses?: () => boolean | Promise<boolean>;
  /**
   * Is all over by the clock that a daemon which was reaped let programs own? Asked with each certificate until it is;
   * nothing waits for it. Absent: that is not known.
   */
  readonly clearResources?: () => boolean;
}

/** A death of which the voters are told. */
interface Told {
  readonly nodeId: NodeId;
  readonly pnn: Pnn;
  readonly incarnation: Incarnation;
  /** Do they know what addresses are? */
  readonly hasAddresses: boolean;
}

/** One node's supervisor. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #child: Child | undefined;
  #stopping = false;
  #delayMs: number = BACK_OFF.firstMs;
  #endPause: () => void = () => {};
  #dead: Dead | undefined;
  /** Goes with it where the addresses of that life are gone, too. */
  #clear: AddressClear | undefined;
  /** The same of resources, where that is so. */
  #resourcesClear: { readonly message: ResourceClearMessage; isSo: boolean } | undefined;
  #deadTo: readonly NodeId[] = [];
  #deadLeft = 0;
  #codec: Codec | undefined;
  #endSend: () => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Runs the daemon until `stop`, or until it has ended in order (exit code 0); resolves then. */
  async run(): Promise<void> {
    const { world, socketPath, onStart } = this.#options;
    const { clock, log } = world;
    while (!this.#stopping) {
      const startMs = clock.nowMs();
      const child = await this.#startDaemon();
      if (child === undefined) continue;
      this.#child = child;
      // An end that was asked for while it was being started has found no child.
      if (this.#stopping) this.#end(child);
      onStart?.(child);
      const endWatch = watchDaemon(world, socketPath, (silentMs) => {
        log.write("error", "The daemon hangs; it is killed", { silentMs });
        child.signal("SIGKILL");
      });
      const { code, signal } = await child.ended;
      endWatch();
      this.#child = undefined;
      const dead = this.#certify(child.pid, clock.nowMs());
      await this.#clearUp(dead);
      const how = signal === undefined ? `exit code ${code}` : signal;
      if (this.#stopping || code === 0) return log.write("info", `The daemon has ended: ${how}`);
      if (clock.nowMs() - startMs >= BACK_OFF.healthyMs) this.#delayMs = BACK_OFF.firstMs;
      log.write("error", `The daemon has died: ${how}; it is started again`, {
        delayMs: this.#delayMs,
      });
      await this.#pause(this.#delayMs);
      this.#delayMs = Math.min(2 * this.#delayMs, BACK_OFF.mostMs);
    }
  }

  /** Ends the daemon in order, by force when it has its time and serves no more. `run` resolves when it is gone. */
  stop(): void {
    this.#stopping = true;
    this.#endPause();
    if (this.#child !== undefined) this.#end(this.#child);
  }

  #end(child: Child): void {
    child.signal("SIGTERM");
    // A stopped process hears nothing else.
    child.signal("SIGCONT");
    this.#endBy(child, STOP_MS, HAND_OVER_MS);
  }

  /** Looks after `lookMs` whether it still hands its records over, as one that serves does; `leftMs`: at most. */
  #endBy(child: Child, lookMs: number, leftMs: number): void {
    this.#options.world.clock.after(lookMs, () => {
      if (this.#child !== child) return;
      if (leftMs <= 0 || !this.#serves(child.pid)) return child.signal("SIGKILL");
      this.#endBy(child, HAND_OVER_LOOK_MS, leftMs - HAND_OVER_LOOK_MS);
    });
  }

  /** Does the page of that child have a lease? One that is stopped, or hangs, is given none. */
  #serves(pid: number): boolean {
    const { images, clock, log } = this.#options.world;
    const path = `${this.#options.runFolder}/state`;
    if (!images.exists(path)) return false;
    let page: StatePage;
    try {
      page = StatePage.open(images, path);
    } catch (error) {
      log.write("warning", "The state page cannot be opened", { error });
      return false;
    }
    const state = page.read();
    page.close();
    return state?.pid === pid && state.leaseEndNs > BigInt(Math.floor(clock.nowMs() * 1e6));
  }

  /** Starts the daemon; undefined: the machine could not, and it is to be tried again after a pause. */
  async #startDaemon(): Promise<Child | undefined> {
    const { world, command, child: childOptions } = this.#options;
    try {
      return await world.host.start(command, childOptions);
    } catch (error) {
      world.log.write("error", "The daemon cannot be started; it is tried again", {
        error,
        delayMs: this.#delayMs,
      });
      await this.#pause(this.#delayMs);
      this.#delayMs = Math.min(2 * this.#delayMs, BACK_OFF.mostMs);
      return undefined;
    }
  }

  /** Resolves when the certificates of the last death have had time to go out. */
  async told(): Promise<void> {
    for (let tries = 0; this.#deadLeft > DEAD_TIMES - TOLD && tries < TOLD_TRIES; tries++) {
      await this.#pause(DEAD_EVERY_MS);
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.world.clock.after(delayMs, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  /** The addresses of a daemon go; who knows that it is dead hears that they have gone. */
  async #clearUp(dead: Told | undefined): Promise<void> {
    const { clearAddresses, world } = this.#options;
    let isClear = false;
    try {
      isClear = await clearAddresses?.() === true;
    } catch (error) {
      world.log.write("error", "The addresses of the daemon are left to their lives", { error });
    }
    if (!isClear || dead === undefined || !dead.hasAddresses) return;
    this.#clear = { kind: "address_clear", pnn: dead.pnn, incarnation: dead.incarnation };
    this.#deadLeft = DEAD_TIMES;
    this.#sendNow(dead.nodeId);
  }

  /**
   * The daemon `pid` has been reaped at `endMs`: ends what its clients may do, then says so. Answers what was said;
   * undefined: nothing.
   */
  #certify(pid: number, endMs: number): Told | undefined {
    const { world, stateFolder } = this.#options;
    const { clock, log } = world;
    try {
      const life = this.#endLease(pid);
      if (life === undefined) return undefined;
      const identity = readIdentity(world.disk, stateFolder);
      const doc = new MetaFile(world.disk, stateFolder).load()?.accepted;
      if (identity === undefined || doc === undefined) return undefined;
      const tookMs = clock.nowMs() - endMs;
      if (tookMs > FENCE_LIMIT_MS) {
        log.write("warning", "The end of the daemon is not certified: too late", { tookMs });
        return undefined;
      }
      return this.#tell(identity, doc, life, endMs);
    } catch (error) {
      log.write("error", "The end of the daemon cannot be certified", { error });
      return undefined;
    }
  }

  /** Ends the lease of that child's page; undefined: it has made none. */
  #endLease(pid: number): { incarnation: Incarnation; pnn: Pnn } | undefined {
    const { images } = this.#options.world;
    const path = `${this.#options.runFolder}/state`;
    if (!images.exists(path)) return undefined;
    const page = StatePage.open(images, path);
    try {
      const before = page.read();
      // A page of another process is a former life's: the daemon died before it fenced that, and said nothing.
      if (before !== undefined && before.pid !== pid) return undefined;
      page.endLease();
      // It may have died while it wrote; now the page can be read.
      const state = page.read();
      return state?.pid === pid ? state : undefined;
    } finally {
      page.close();
    }
  }

  /** Sends the certificate to the voters, DEAD_TIMES times. A newer one takes its place. */
  #tell(
    { nodeId }: Identity,
    doc: Document,
    { incarnation, pnn }: { incarnation: Incarnation; pnn: Pnn },
    tMs: number,
  ): Told | undefined {
    // A node that belonged to no cluster served nothing.
    if (pnn === PNN_UNKNOWN) return undefined;
    this.#dead = { kind: "dead", pnn, incarnation, tMs: tMs + (this.#options.aheadMaxMs ?? 0) };
    this.#clear = undefined;
    const hasAddresses = formatOf(doc) > FORMAT_FIRST;
    this.#resourcesClear = hasAddresses
      ? { message: { kind: "resource_clear", pnn, incarnation }, isSo: false }
      : undefined;
    this.#deadTo = allVotersOf(doc).map((voter) => voter.nodeId).filter((voter) =>
      voter !== nodeId
    );
    this.#deadLeft = DEAD_TIMES;
    this.#options.world.log.write(
      "info",
      `Certain death of life ${incarnation} is told to the voters`,
    );
    this.#codec ??= this.#newCodec(nodeId, doc);
    this.#sendNow(nodeId);
    // Before format 2 there may be nodes that do not know what a word about addresses is.
    return { nodeId, pnn, incarnation, hasAddresses };
  }

  /** Once it is so it stays so: the next daemon lets its own programs own things. */
  #clearOfResources(): ResourceClearMessage[] {
    const clear = this.#resourcesClear;
    if (clear === undefined) return [];
    try {
      clear.isSo ||= this.#options.clearResources?.() === true;
    } catch (error) {
      this.#options.world.log.write("warning", "What programs own is left to the clock", { error });
      this.#resourcesClear = undefined;
    }
    return clear.isSo ? [clear.message] : [];
  }

  #newCodec(own: NodeId, doc: Document): Codec {
    const { dice } = this.#options.world;
    const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
    const codec = new Codec({ cluster: this.#options.cluster, own, firstId });
    codec.clusterId = doc.clusterId;
    return codec;
  }

  #sendNow(own: NodeId): void {
    this.#endSend();
    if (this.#codec !== undefined) this.#send(own, this.#codec);
  }

  #send(own: NodeId, codec: Codec): void {
    if (this.#dead === undefined || this.#deadLeft <= 0) return;
    const { world, cluster } = this.#options;
    if (world.bus.status === "connected") {
      this.#deadLeft--;
      const messages = [
        this.#dead,
        ...this.#clear === undefined ? [] : [this.#clear],
        ...this.#clearOfResources(),
      ];
      const payloads = messages.flatMap((message) =>
        codec.encode(message, { gen: 0n as Generation, stamp: 0n })
      );
      for (const to of this.#deadTo) {
        const subject = buildSubject({ cluster, class: "n", to: tagOf(to), from: tagOf(own) });
        for (const payload of payloads) world.bus.publish(subject, payload);
      }
    }
    this.#endSend = world.clock.after(DEAD_EVERY_MS, () => this.#send(own, codec));
  }
}
