/**
 * A node that does nothing but messages: the actor on a bus, simulated or real, and what its programs got.
 *
 *   const host = new MessageHost(world, 0);   host.messages.open(pid, 0n)   host.texts(program)
 *
 * Does NOT promise: a cluster; who its peers are, the test says.
 */
import type { PeerNode, ProgramItem } from "../../actors/machines/messages/events.ts";
import { itemBytes } from "../../actors/machines/messages/events.ts";
import { Messages } from "../../actors/messages.ts";
import { Post } from "../../actors/post.ts";
import { Codec } from "../../transport/wire/codec.ts";
import type { ProgramMessage } from "../../transport/wire/messages/registry.ts";
import type {
  ClusterId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
} from "../../transport/wire/terms.ts";
import type { World } from "../../transport/world.ts";

const CLUSTER = "c".repeat(32) as ClusterId;
/** The cluster's name in subjects. */
export const NAME = "edge";

/** What a host needs of a world. */
export type HostWorld = Pick<World, "bus" | "clock" | "log">;

/** The nodes of these hosts, as peers of each other. */
export function peersOf(hosts: readonly MessageHost[]): PeerNode[] {
  return hosts.map(({ self }, index): PeerNode => (
    { nodeId: self, pnn: index as Pnn, incarnation: 1n as Incarnation, isMember: true }
  ));
}

/** One node: its world, its post, its messages, and what its programs got. */
export class MessageHost {
  readonly world: HostWorld;
  readonly self: NodeId;
  readonly messages: Messages;
  readonly got = new Map<number, ProgramItem[]>();
  readonly refused: string[] = [];
  readonly bad: string[] = [];
  readonly kinds: string[] = [];
  publications = 0;
  /** What a program does with what it gets. */
  onItem: (program: number, item: ProgramItem) => void = () => {};

  constructor(world: HostWorld, index: number) {
    this.world = world;
    this.self = `${index}`.repeat(32) as NodeId;
    const { bus, clock, log } = world;
    const codec = new Codec({ cluster: NAME, own: this.self, firstId: 1n });
    codec.clusterId = CLUSTER;
    const stamps = () => ({ gen: 0n as Generation, stamp: 0n });
    const post = new Post({
      bus,
      clock,
      log,
      codec,
      cluster: NAME,
      own: this.self,
      stamps,
      mail: "r",
      onRaw: ({ payload, from }) => this.messages.take(payload, from),
      onMessage: ({ from, message }) => {
        this.kinds.push(message.kind);
        this.messages.hear(from, message as ProgramMessage);
      },
    });
    post.start();
    this.messages = new Messages({
      self: this.self,
      clock,
      log,
      publicationMax: 65536,
      firstAsk: 1 + index,
      publish: (to, payload) => {
        this.publications++;
        post.sendRaw(to, payload);
      },
      tell: (to, message) => to === "all" ? post.publish("all", message) : post.send([to], message),
      deliver: (program, items) => this.#deliver(program, items),
      onRefused: (program, code) => void this.refused.push(`${program} ${code}`),
      onBadPublication: ({ refused }) => void this.bad.push(refused),
      onFailure: (error) => {
        throw error;
      },
    });
    this.messages.begin(CLUSTER, index as Pnn, 1n as Incarnation);
  }

  #deliver(program: number, items: readonly ProgramItem[]): void {
    const got = this.got.get(program) ?? [];
    this.got.set(program, got);
    for (const item of items) {
      got.push(item);
      this.onItem(program, item);
    }
    this.messages.took(program, items.length, items.reduce((sum, one) => sum + itemBytes(one), 0));
  }

  /** The texts of the messages that a program got. */
  texts(program: number): string[] {
    return (this.got.get(program) ?? []).flatMap((item) =>
      item.type === "message" ? [new TextDecoder().decode(item.data)] : []
    );
  }
}
