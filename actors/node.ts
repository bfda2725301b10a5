/**
 * A node: its actors put together, in a world that it is given.
 *
 *   bus ── Post ── Cluster ── MetaFile (meta.a, meta.b)          socket ── Control ── verbs (verbs.ts)
 *                     ├── NodePage (run/state)                   monitors ◀── events
 *                     └── DataLink ── data thread: databases     Shards ── thread of the metadata
 *
 * Does NOT promise: to see a record; programs, data threads and files have those among themselves.
 */
import type { Addresses } from "./addresses/addresses.ts";
import { addressesOf } from "./addresses/wiring.ts";
import { Codec } from "../transport/wire/codec.ts";
import type { Received } from "../transport/wire/codec.ts";
import type { Identity } from "../transport/wire/durable.ts";
import { LEVEL } from "../transport/wire/level.ts";
import type { Ask } from "../transport/wire/messages/ask.ts";
import type { Generation, Incarnation, Tag, Version } from "../transport/wire/terms.ts";
import { PNN_UNKNOWN, tagOf } from "../transport/wire/terms.ts";
import type { World } from "../transport/world.ts";
import { askLock, Cluster } from "./cluster.ts";
import { Control } from "./control.ts";
import type { DataLink } from "./data_link.ts";
import type { ClusterMessage, Durable, Happening } from "./machines/cluster/events.ts";
import { RULES } from "./machines/cluster/rules.ts";
import type { ClusterState } from "./machines/cluster/state.ts";
import { defaultTiming } from "./machines/cluster/tunables.ts";
import type { Scripts } from "./events/scripts.ts";
import type { NodeConfig } from "./node_config.ts";
import type { NodeOptions, NodeParts } from "./node_parts.ts";
import { Monitoring } from "./monitoring/monitoring.ts";
import { Post } from "./post.ts";
import { NodeServices } from "./services/wiring.ts";
import { Shards } from "./shards.ts";
import { shardViewKey, shardViewOf } from "./shard_view.ts";
import { STRANGER_VERBS } from "./verbs/joining.ts";
import { loadOwn, noteLeft, type Own } from "./node_state.ts";
import { dataLinkOf, watchLead, watchLeft } from "./node_data.ts";
import { NodePage } from "./node_page.ts";
import { scriptsOf } from "./node_scripts.ts";
import * as takeover from "./node_takeover.ts";
import type { Resources } from "./resources/resources.ts";
import { resourcesOf } from "./resources/wiring.ts";
import type { Tunables } from "./tunables/tunables.ts";
import { timedLock } from "./tunables/warnings.ts";
import { clusterTiming, startTunables, tunablesOf } from "./tunables/wiring.ts";
import { answerAsk, nodeVerbs } from "./verbs/verbs.ts";

/** Between two looks at who leads, ms. */
const LOOK_MS = 200;
/** A node that is told to stop over the bus or its socket answers first, ms. */
const ANSWER_FIRST_MS = 50;
/** The level that has databases. */
const DATA_LEVEL = 2;
/** A node that was told to stop, and has had its time to hand over, ends this much later at the latest, ms. */
const STOP_MS = 3000;

type Seeds = NonNullable<Identity["seeds"]>;

/** A running node. */
export class Node implements NodeParts {
  // What they are stands with NodeParts.
  readonly identity: Identity;
  readonly cluster: Cluster;
  readonly post: Post;
  readonly world: World;
  readonly config: NodeConfig;
  readonly shards: Shards | undefined;
  readonly data: DataLink | undefined;
  readonly addresses: Addresses | undefined;
  readonly resources: Resources | undefined;
  readonly scripts: Scripts | undefined;
  readonly monitoring: Monitoring;
  readonly services: NodeServices;
  readonly tunables: Tunables;
  readonly #options: NodeOptions;
  readonly #control: Control;
  readonly #codec: Codec;
  readonly #durable: Durable;
  readonly #ends: (() => void)[] = [];
  readonly #page: NodePage;
  #toldView = "";
  #endLook: () => void = () => {};
  #stopped: ((why: string) => void) | undefined;
  #ending: Promise<void> | undefined;

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
    this.tunables = tunablesOf(this, options);
    this.cluster = this.#newCluster(meta, seeds, level);
    this.services = new NodeServices(this, options);
    this.scripts = scriptsOf(this, options.scripts);
    this.addresses = addressesOf(this, options);
    this.resources = resourcesOf(this, options);
    this.#control = control;
    this.#page = this.#newPage();
    const { stateFolder, runFolder } = options;
    const start = { cluster: config.cluster, clusterId: this.#codec.clusterId, nodeId };
    if (options.data !== undefined && level >= DATA_LEVEL) {
      const place = { ...start, stateFolder, runFolder, pagePath: this.#pagePath };
      const version = options.monitoring?.software ?? "";
      this.data = dataLinkOf(this, this.#page, { ...place, version }, options.data);
    }
    if (options.shard === undefined) return;
    this.shards = new Shards(world, { ...start, stateFolder }, options.shard);
  }

  #newCluster(meta: Own["meta"], seeds: Seeds, level: number): Cluster {
    const { world } = this;
    const { clock, dice, log } = world;
    const options = this.#options;
    return new Cluster({
      config: {
        nodeId: this.identity.nodeId,
        timing: clusterTiming(this.tunables, options.timing ?? defaultTiming()),
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
      adopted: (doc) => (this.data?.view(doc), takeover.adopted(this, doc)),
      page: (page) => (this.#page.show(page), takeover.page(this, page)),
      lock: (wish) => timedLock(world, this.tunables, askLock(options.lock, wish)),
      onHappening: (happening) => this.#onHappening(happening),
      onEnd: (why, isFault, left) => this.#onEnd(why, isFault, left),
    });
  }

  #newPage(): NodePage {
    return new NodePage({
      world: this.world,
      path: this.#pagePath,
      pnn: () => this.state.pnn ?? PNN_UNKNOWN,
      aheadMs: () => this.#options.aheadMs?.() ?? 0,
      mayShow: (incarnation, generation) => this.data?.mayShow(incarnation, generation) ?? true,
      onWrite: (news) => this.data?.page(news),
    });
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
    if (node.data !== undefined) {
      void node.data.start();
      node.#ends.push(watchLeft(node, node.data), watchLead(node, node.data));
    }
    node.#ends.push(startTunables(node), takeover.start(node));
    node.cluster.tell({ kind: "bus", isUp: world.bus.status === "connected" });
    node.cluster.tell({ kind: "start", durable: node.#durable });
    node.monitoring.monitor.start();
    node.scripts?.start();
    node.#ends.push(node.services.start());
    return node;
  }

  /** What the cluster machine knows; to be looked at, never changed. */
  get state(): ClusterState {
    return this.cluster.machine.state;
  }

  get nowMs(): number {
    return this.world.clock.nowMs();
  }

  /** What its parts say of how it is. */
  get health(): NodeServices["health"] {
    return this.services.health;
  }

  /** Are the databases of this life at the view in force? Without any they always are. */
  get hasRecords(): boolean {
    const { adopted, incarnation } = this.state;
    if (this.data === undefined || adopted === undefined) return true;
    return this.data.mayShow(incarnation, adopted.generation);
  }

  /** Why the lock's last operation had no result, a phrase; undefined when it had one. */
  get lockTrouble(): string | undefined {
    return this.#options.lock.trouble;
  }

  /** What every message says of this node. */
  #stamps(): { gen: Generation; stamp: bigint } {
    return { gen: this.state.adopted?.generation ?? 0n as Generation, stamp: 0n };
  }

  /** A planned end: scripts have heard of it, the lead is handed over, the lease given back, the socket closed. */
  stop(): Promise<void> {
    return this.#ending ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const { clock } = this.world;
    await takeover.leave(this);
    await this.scripts?.stop();
    await new Promise<void>((resolve) => {
      // The machine ends by itself, and hands records over before.
      const cancel = clock.after(STOP_MS + this.state.timing.drainMs, resolve);
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
      if (this.#ending !== undefined) return;
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
    this.#page.endLease();
    await Promise.all([this.shards?.stop(), this.data?.stop(), this.scripts?.end()]);
    this.post.stop();
    await this.#options.lock.close();
    this.#page.close();
    await this.#control.stop();
  }

  #onMessage(received: Received, reply: string | undefined): void {
    const { from, message, v: protocol } = received;
    if (message.kind === "ask") {
      if (reply !== undefined) void this.#answer(message, reply, tagOf(from));
      return;
    }
    if (message.kind === "answer" || message.kind.startsWith("md_")) return;
    if (takeover.hears(this, from, message)) return;
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
    takeover.happened(this, happening);
    this.monitoring.happened(happening);
  }

  #onEnd(why: string, isFault: boolean, left?: Version): void {
    // Nothing may be served any more, whatever happens next.
    this.#page.endLease();
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

  /** Ends all that former lives may do, and begins this one where records are. */
  async #fence(incarnation: Incarnation): Promise<void> {
    this.#page.renew(incarnation);
    await this.data?.life({ pnn: this.state.pnn ?? PNN_UNKNOWN, incarnation });
  }
}
