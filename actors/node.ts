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
import type { Ask } from "../transport/wire/messages/ask.ts";
import type { Generation, Incarnation } from "../transport/wire/terms.ts";
import { PNN_UNKNOWN } from "../transport/wire/terms.ts";
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
import { Post } from "./post.ts";
import { type ShardHandle, Shards } from "./shards.ts";
import { shardViewKey, shardViewOf } from "./shard_view.ts";
import { MetaFile } from "./storage/meta_file.ts";
import { makeIdentity, readIdentity } from "./storage/node_identity.ts";
import { StatePage } from "./storage/state_page.ts";
import { answerAsk, nodeVerbs } from "./verbs.ts";
import { happeningWords } from "./views.ts";

/** Bits below the seconds in the first incarnation of a node without a state. */
const LIVES_BITS = 20n;
/** Between two looks at who leads, ms. */
const LOOK_MS = 200;
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
  /** The node has ended by itself. Called once. */
  readonly onEnd: (why: string, isFault: boolean) => void;
}

/** Something that happened, as monitors and watchers get it. */
export interface NodeEvent {
  readonly node: string;
  readonly wallMs: number;
  readonly what: string;
  readonly text: string;
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
  readonly #options: NodeOptions;
  readonly #control: Control;
  readonly #codec: Codec;
  readonly #durable: Durable;
  readonly #watchers = new Set<(event: NodeEvent) => void>();
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
    const { nodeId } = identity;
    const { bus, clock, dice, log } = world;
    const firstId = (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
    this.#codec = new Codec({ cluster: config.cluster, own: nodeId, firstId });
    this.#codec.clusterId = durable.accepted?.clusterId;
    this.post = new Post({
      bus,
      clock,
      log,
      codec: this.#codec,
      cluster: config.cluster,
      own: nodeId,
      stamps: () => this.#stamps(),
      onMessage: (received, _class, reply) => this.#onMessage(received, reply),
    });
    this.cluster = new Cluster({
      config: {
        nodeId,
        timing: options.timing ?? defaultTiming(),
        rules: RULES,
        seeds: [],
        seed: dice.u32(),
      },
      clock,
      log,
      send: (to, message) => this.post.send(to, message),
      persist: (state, done) => meta.save(state, done),
      fence: (incarnation) => this.#fence(incarnation),
      page: (page) => this.#showPage(page),
      lock: (wish) => askLock(options.lock, wish),
      onHappening: (happening) => this.#onHappening(happening),
      onEnd: (why, isFault) => this.#onEnd(why, isFault),
    });
    this.#control = control;
    if (options.shard === undefined) return;
    const start = {
      cluster: config.cluster,
      clusterId: durable.accepted?.clusterId,
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
      node = new Node(options, control, await loadOwn(options));
    } catch (error) {
      await control.stop();
      throw error;
    }
    control.open(new Map([...nodeVerbs(node), ...options.verbs ?? []]));
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
    return node;
  }

  /** What the cluster machine knows; to be looked at, never changed. */
  get state(): ClusterState {
    return this.cluster.machine.state;
  }

  get nowMs(): number {
    return this.world.clock.nowMs();
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

  /** Calls `onEvent` with everything that happens here; answers how to end it. */
  watch(onEvent: (event: NodeEvent) => void): () => void {
    this.#watchers.add(onEvent);
    return () => this.#watchers.delete(onEvent);
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
    await this.shards?.stop();
    this.post.stop();
    await this.#options.lock.close();
    this.#page?.endLease();
    this.#page?.close();
    this.#page = undefined;
    await this.#control.stop();
  }

  #onMessage(received: Received, reply: string | undefined): void {
    const { from, message } = received;
    if (message.kind === "ask") {
      if (reply !== undefined) void this.#answer(message, reply);
      return;
    }
    if (message.kind === "answer" || message.kind.startsWith("md_")) return;
    this.cluster.tell({ kind: "message", from, message: message as ClusterMessage });
  }

  async #answer(ask: Ask, reply: string): Promise<void> {
    const answer = await answerAsk(this, ask);
    try {
      this.post.answer(reply, answer);
    } catch (error) {
      // Who asks names the subject, and may name anything.
      this.world.log.write("warning", "A question cannot be answered", { error, reply });
    }
  }

  #onHappening(happening: Happening): void {
    if (happening.what === "adopted") this.#codec.clusterId = happening.doc.clusterId;
    const event: NodeEvent = {
      node: this.config.name,
      wallMs: this.world.clock.wallMs(),
      what: happening.what,
      text: happeningWords(this.state, happening),
    };
    for (const onEvent of this.#watchers) onEvent(event);
    this.post.event("cluster", event);
  }

  #onEnd(why: string, isFault: boolean): void {
    // Nothing may be served any more, whatever happens next.
    this.#page?.endLease();
    if (this.#stopped !== undefined) return this.#stopped(why);
    void this.#close().finally(() => this.#options.onEnd(why, isFault));
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

/** What a node finds in its state folder. */
interface Own {
  readonly identity: Identity;
  readonly meta: MetaFile;
  readonly durable: Durable;
}

/** Reads the state folder, and makes what is not there yet. Throws what files throw. */
async function loadOwn(options: NodeOptions): Promise<Own> {
  const { world, stateFolder } = options;
  world.disk.makeFolder(stateFolder);
  const meta = new MetaFile(world.disk, stateFolder);
  const kept = meta.load();
  const identity = await identityFor(options, kept !== undefined);
  const durable = kept ?? newDurable(identity, world.clock.wallMs());
  if (durable.diskId === identity.diskId) return { identity, meta, durable };
  const text = `Cannot use ${stateFolder}: node.id and meta.a/.b are of different disks`;
  throw new CtdbxError("state", `${text}; was a part of it copied?`);
}

/**
 * Who the node is. Without meta.a and meta.b what it promised is forgotten: then it gets another diskId, and its vote,
 * which belongs to the former one, counts no more.
 */
async function identityFor(options: NodeOptions, hasMeta: boolean): Promise<Identity> {
  const { world, config, stateFolder } = options;
  const identity = readIdentity(world.disk, stateFolder);
  if (identity !== undefined && hasMeta) return identity;
  const nodeId = identity === undefined ? {} : { nodeId: identity.nodeId };
  return await makeIdentity(world, stateFolder, { name: config.name, ...nodeId });
}

/** One operation on the register. */
function askLock(lock: LeaderLock, { op, revision, record }: LockWish): Promise<LockResult> {
  return new Promise((resolve) => {
    if (op === "look" || record === undefined) lock.look(resolve);
    else lock.write(op, revision, record, resolve);
  });
}

/**
 * A node without a state of its own: never started before, or its disk is new. Its lives begin above all that it can
 * have had, or its peers would take it for a former one: by the wall clock, which decides nothing else.
 */
function newDurable({ diskId }: Identity, wallMs: number): Durable {
  return {
    diskId,
    promised: 0n as Durable["promised"],
    accepted: undefined,
    incarnation: (BigInt(Math.max(0, Math.floor(wallMs / 1000))) << LIVES_BITS) as Incarnation,
  };
}
