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
import { MetaFile } from "./storage/meta_file.ts";
import { makeIdentity, readIdentity } from "./storage/node_identity.ts";
import { StatePage } from "./storage/state_page.ts";
import { answerAsk, nodeVerbs } from "./verbs.ts";

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
  readonly #options: NodeOptions;
  readonly #control: Control;
  readonly #codec: Codec;
  readonly #watchers = new Set<(event: NodeEvent) => void>();
  readonly #ends: (() => void)[] = [];
  #page: StatePage | undefined;
  #stopped: ((why: string) => void) | undefined;

  private constructor(options: NodeOptions, identity: Identity, meta: MetaFile, durable: Durable) {
    const { world, config } = options;
    this.#options = options;
    this.world = world;
    this.config = config;
    this.identity = identity;
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
      onHappening: (happening, text) => this.#onHappening(happening, text),
      onEnd: (why, isFault) => this.#onEnd(why, isFault),
    });
    const verbs = new Map([...nodeVerbs(this), ...options.verbs ?? []]);
    this.#control = new Control(verbs, log);
  }

  /** Starts a node: it reads its files, listens, and takes part. Throws what files and socket throw. */
  static async start(options: NodeOptions): Promise<Node> {
    const { world, config, stateFolder, runFolder, socketPath } = options;
    world.disk.makeFolder(stateFolder);
    world.disk.makeFolder(runFolder);
    const identity = readIdentity(world.disk, stateFolder) ??
      await makeIdentity(world, stateFolder, { name: config.name });
    const meta = new MetaFile(world.disk, stateFolder);
    const durable = meta.load() ?? newDurable(identity);
    if (durable.diskId !== identity.diskId) {
      const text = `Cannot use ${stateFolder}: node.id and meta.a/.b are of different disks`;
      throw new CtdbxError("state", `${text}; was a part of it copied?`);
    }
    const node = new Node(options, identity, meta, durable);
    await node.#control.start(world.host, socketPath);
    node.post.start();
    node.#ends.push(
      world.bus.watch((status) => node.cluster.tell({ kind: "bus", isUp: status === "connected" })),
    );
    node.#ends.push(
      options.lock.watch((result) => node.cluster.tell({ kind: "lock", result })),
    );
    node.cluster.tell({ kind: "bus", isUp: world.bus.status === "connected" });
    node.cluster.tell({ kind: "start", durable });
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

  async #close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
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
    this.post.answer(reply, await answerAsk(this, ask));
  }

  #onHappening(happening: Happening, text: string): void {
    if (happening.what === "adopted") this.#codec.clusterId = happening.doc.clusterId;
    const event: NodeEvent = {
      node: this.config.name,
      wallMs: this.world.clock.wallMs(),
      what: happening.what,
      text,
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

  #showPage(page: Page): void {
    this.#page?.write({
      incarnation: page.incarnation,
      generation: page.generation,
      leaseEndNs: BigInt(Math.max(0, Math.floor(page.leaseEndMs * 1e6))),
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

/** A node that was never started before. */
function newDurable({ diskId }: Identity): Durable {
  return {
    diskId,
    promised: 0n as Durable["promised"],
    accepted: undefined,
    incarnation: 0n as Incarnation,
  };
}
