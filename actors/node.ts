/**
 * A node: its actors put together, in a world that it is given.
 *
 *   bus ── Post ── Cluster ── MetaFile (meta.a, meta.b)          socket ── Control ── verbs (verbs.ts)
 *                     └── StatePage (run/state)                  monitors ◀── events
 *
 * Does NOT promise: databases; they come with their own actors.
 */
import { Codec } from "../transport/wire/codec.ts";
import type { Received } from "../transport/wire/codec.ts";
import type { Identity } from "../transport/wire/durable.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { LEVEL } from "../transport/wire/level.ts";
import type { Ask } from "../transport/wire/messages/ask.ts";
import type { Generation, Incarnation, Tag, Version } from "../transport/wire/terms.ts";
import { PNN_UNKNOWN, tagOf } from "../transport/wire/terms.ts";
import type { LeaderLock } from "../transport/leader_lock.ts";
import type { World } from "../transport/world.ts";
import { Cluster, type LockWish } from "./cluster.ts";
import { Control, type Verb } from "./control.ts";
import type {
  ClusterMessage,
  Durable,
  Happening,
  LockResult,
  Page,
} from "./machines/cluster/events.ts";
import { RULES } from "./machines/cluster/rules.ts";
import type { ClusterState } from "./machines/cluster/state.ts";
import { defaultTiming, type Timing } from "./machines/cluster/tunables.ts";
import type { NodeConfig } from "./node_config.ts";
import { Monitoring, type MonitoringOptions } from "./monitoring/monitoring.ts";
import { Post } from "./post.ts";
import { type ShardHandle, Shards } from "./shards.ts";
import { shardViewKey, shardViewOf } from "./shard_view.ts";
import { STRANGER_VERBS } from "./verbs/joining.ts";
import { loadOwn, noteLeft, type Own } from "./node_state.ts";
import { StatePage } from "./storage/state_page.ts";
import { answerAsk, nodeVerbs } from "./verbs/verbs.ts";

/** Between two looks at who leads, ms. */
const LOOK_MS = 200;
/** A node that is told to stop over the bus or its socket answers first, ms. */
const ANSWER_FIRST_MS = 50;
/** A node that has this many milliseconds to end in order has ended. */
export const STOP_MS = 3000;

/** What a node is made of. */
export interface NodeOptions {
  readonly world: World;
  readonly config: NodeConfig;
  /** Folder of its durable state; absolute. */
  readonly stateFolder: string;
  /** Folder of this boot's files; absolute. */
  readonly runFolder: string;
  /** Path of its socket. */
  readonly socketPath: string;
  /** Chooses who tries to lead; the node closes it. */
  readonly lock: LeaderLock;
  /** More verbs, of who runs the node. */
  readonly verbs?: ReadonlyMap<string, Verb>;
  /** Starts the thread of the node's metadata; without it the node has none. */
  readonly shard?: () => Promise<ShardHandle>;
  /** How far the clock of `world` is ahead of the machine's, ms; for faults made on demand. */
  readonly aheadMs?: () => number;
  readonly timing?: Timing;
  /** What only the process knows, for monitors. */
  readonly monitoring?: MonitoringOptions;
  /** The node has ended by itself. Called once. */
  readonly onEnd: (why: string, isFault: boolean) => void;
}

/** A running node. */
export class Node {
  readonly identity: Identity;
  readonly cluster: Cluster;
  readonly post: Post;
  readonly world: World;
  readonly config: NodeConfig;
  /** Undefined: the node has no metadata. */
  readonly shards: Shards | undefined;
  /** What monitors are told. */
  readonly monitoring: Monitoring;
  readonly #options: NodeOptions;
  readonly #control: Control;
  readonly #codec: Codec;
  readonly #durable: Durable;
  readonly #ends: (() => void)[] = [];
  #page: StatePage | undefined;
  #toldView = "";
  #endLook: () => void = () => {};
  #stopped: ((why: string) => void) | undefined;

  private constructor(
    options: NodeOptions,
    control: Control,
    { identity, meta, durable }: Own,
  ) {
    const { world, config } = options;
    this.#options = options;
    this.world = world;
    this.config = config;
    this.identity = identity;
    this.#durable = durable;
    const { nodeId, clusterId, seeds = [] } = identity;
    const level = config.level ?? LEVEL;
    const { bus, clock, dice, log } = world;
    const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
    this.#codec = new Codec({ cluster: config.cluster, own: nodeId, firstId, level });
    this.#codec.clusterId = durable.accepted?.clusterId ?? clusterId;
    this.post = new Post({
      bus,
      clock,
      log,
      codec: this.#codec,
      cluster: config.cluster,
      own: nodeId,
      stamps: () => this.#stamps(),
      takesFromStranger: (message) => message.kind === "ask" && STRANGER_VERBS.has(message.verb),
      onMessage: (received, _class, reply) => this.#onMessage(received, reply),
    });
    this.monitoring = new Monitoring(this, options.monitoring ?? {});
    this.cluster = new Cluster({
      config: {
        nodeId,
        timing: options.timing ?? defaultTiming(),
        rules: RULES,
        seeds,
        seed: dice.u32(),
        level,
      },
      clock,
      log,
      send: (to, message) => this.post.send(to, message),
      persist: (state, done) => this.monitoring.save(meta, state, done),
      fence: (incarnation) => this.#fence(incarnation),
      page: (page) => this.#showPage(page),
      lock: (wish) => askLock(options.lock, wish),
      onHappening: (happening) => this.#onHappening(happening),
      onEnd: (why, isFault, left) => this.#onEnd(why, isFault, left),
    });
    this.#control = control;
    if (options.shard === undefined) return;
    const start = {
      cluster: config.cluster,
      clusterId: this.#codec.clusterId,
      nodeId,
      stateFolder: options.stateFolder,
    };
    this.shards = new Shards(world, start, options.shard);
  }

  /** Starts a node: it reads its files, listens, and takes part. Throws what files and socket throw. */
  static async start(options: NodeOptions): Promise<Node> {
    const { world, runFolder, socketPath } = options;
    world.disk.makeFolder(runFolder);
    // First of all: whoever has the socket has the state folder, too, and nobody else touches it.
    const control = new Control(world.log);
    await control.start(world.host, socketPath);
    let node: Node;
    try {
      const { config, stateFolder } = options;
      const level = config.level ?? LEVEL;
      node = new Node(
        options,
        control,
        await loadOwn({ world, stateFolder, name: config.name, level }),
      );
    } catch (error) {
      await control.stop();
      throw error;
    }
    control.open(node.monitoring.audit([...nodeVerbs(node), ...options.verbs ?? []]));
    node.post.start();
    node.#ends.push(
      world.bus.watch((status) => node.cluster.tell({ kind: "bus", isUp: status === "connected" })),
    );
    node.#ends.push(
      options.lock.watch((result) => node.cluster.tell({ kind: "lock", result })),
    );
    if (node.shards !== undefined) {
      void node.shards.start();
      node.#tellShards();
    }
    node.cluster.tell({ kind: "bus", isUp: world.bus.status === "connected" });
    node.cluster.tell({ kind: "start", durable: node.#durable });
    node.monitoring.monitor.start();
    return node;
  }

  /** What the cluster machine knows; to be looked at, never changed. */
  get state(): ClusterState {
    return this.cluster.machine.state;
  }

  get nowMs(): number {
    return this.world.clock.nowMs();
  }

  /** Why the lock's last operation had no result, a phrase; undefined when it had one. */
  get lockTrouble(): string | undefined {
    return this.#options.lock.trouble;
  }

  /** What every message says of this node. */
  #stamps(): { gen: Generation; stamp: bigint } {
    return { gen: this.state.adopted?.generation ?? 0n as Generation, stamp: 0n };
  }

  /** A planned end: the lead is handed over, the lease given back, the socket closed. */
  async stop(): Promise<void> {
    const { clock } = this.world;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(STOP_MS, resolve);
      this.#stopped = () => {
        cancel();
        resolve();
      };
      this.cluster.stop();
    });
    await this.#close();
  }

  /** As after `stop`, and who runs the node is told; who asked for it is answered first. */
  stopSoon(): void {
    this.world.clock.after(ANSWER_FIRST_MS, () => {
      if (this.#stopped !== undefined) return;
      void this.stop().finally(() => this.#options.onEnd("told to stop", false));
    });
  }

  /** Tells the shards who is there and who leads, when that has changed; it is looked at now and then. */
  #tellShards(): void {
    const view = shardViewOf(this.state);
    const seen = view === undefined ? "" : shardViewKey(view);
    if (view !== undefined && seen !== this.#toldView) this.shards?.view(view);
    this.#toldView = seen;
    this.#endLook = this.world.clock.after(LOOK_MS, () => this.#tellShards());
  }

  async #close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    this.#endLook();
    this.monitoring.monitor.stop();
    await this.shards?.stop();
    this.post.stop();
    await this.#options.lock.close();
    this.#page?.endLease();
    this.#page?.close();
    this.#page = undefined;
    await this.#control.stop();
  }

  #onMessage(received: Received, reply: string | undefined): void {
    const { from, message, v: protocol } = received;
    if (message.kind === "ask") {
      if (reply !== undefined) void this.#answer(message, reply, tagOf(from));
      return;
    }
    if (message.kind === "answer" || message.kind.startsWith("md_")) return;
    this.cluster.tell({ kind: "message", from, message: message as ClusterMessage, protocol });
  }

  async #answer(ask: Ask, reply: string, tag: Tag): Promise<void> {
    const answer = await answerAsk(this, ask, { way: "bus", tag });
    try {
      this.post.answer(reply, answer);
    } catch (error) {
      // Who asks names the subject, and may name anything.
      this.world.log.write("warning", "A question cannot be answered", { error, reply });
    }
  }

  #onHappening(happening: Happening): void {
    if (happening.what === "adopted") this.#codec.clusterId = happening.doc.clusterId;
    this.monitoring.happened(happening);
  }

  #onEnd(why: string, isFault: boolean, left?: Version): void {
    // Nothing may be served any more, whatever happens next.
    this.#page?.endLease();
    void this.#noteLeft(why, left).finally(() => {
      if (this.#stopped !== undefined) return this.#stopped(why);
      void this.#close().finally(() => this.#options.onEnd(why, isFault));
    });
  }

  /** One that has left the cluster must not come back. */
  async #noteLeft(why: string, left: Version | undefined): Promise<void> {
    if (left === undefined) return;
    try {
      await noteLeft(this.#options, this.identity, why, left);
    } catch (error) {
      // The others know it all the same, and tell it so.
      this.world.log.write("error", "That this node has left cannot be written down", { error });
    }
  }

  get #pagePath(): string {
    return `${this.#options.runFolder}/state`;
  }

  /** Ends the page of the life before, whoever made it, and makes a new one. */
  #fence(incarnation: Incarnation): Promise<void> {
    const { images, host } = this.world;
    const former = this.#page ?? this.#formerPage();
    former?.endLease();
    former?.close();
    this.#page = StatePage.make(images, this.#pagePath, {
      incarnation,
      generation: 0n as Generation,
      leaseEndNs: 0n,
      pnn: this.state.pnn ?? PNN_UNKNOWN,
      frozen: false,
      pid: host.pid,
    });
    return Promise.resolve();
  }

  #formerPage(): StatePage | undefined {
    const { images, log } = this.world;
    if (!images.exists(this.#pagePath)) return undefined;
    try {
      return StatePage.open(images, this.#pagePath);
    } catch (error) {
      // A page that was never finished granted nothing.
      if (error instanceof CtdbxError && error.code === "corrupt") return undefined;
      log.write("error", "The state page of the former life cannot be opened", { error });
      throw error;
    }
  }

  get #aheadMs(): number {
    return this.#options.aheadMs?.() ?? 0;
  }

  #showPage(page: Page): void {
    this.#page?.write({
      incarnation: page.incarnation,
      generation: page.generation,
      // The page is in the machine's CLOCK_BOOTTIME, whatever this node's clock is made to show.
      leaseEndNs: BigInt(Math.max(0, Math.floor((page.leaseEndMs - this.#aheadMs) * 1e6))),
      pnn: this.state.pnn ?? PNN_UNKNOWN,
      frozen: false,
      pid: this.world.host.pid,
    });
  }
}

/** One operation on the register. */
function askLock(lock: LeaderLock, { op, revision, record }: LockWish): Promise<LockResult> {
  return new Promise((resolve) => {
    if (op === "look" || record === undefined) lock.look(resolve);
    else lock.write(op, revision, record, resolve);
  });
}
