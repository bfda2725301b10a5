/**
 * What metadata costs a node, by the size of the cluster: a whole cluster in virtual time, every message counted.
 *
 *   8 databases per node, each with 3 nodes, dealt out by chance; the leader is interested in all
 *   each node writes its own scope every 10 s, one of each database's nodes its scope every 5 s, somebody scope c every
 *   10 s: so the work per node is the same in every size
 *
 * Does NOT promise: figures for other work. What is written to scope c all nodes hear: that is for few, slow things.
 */
import { SeededDice } from "../../../../transport/sim/dice.ts";
import { NO_FAULTS, Rig, type RigNode } from "./rig.ts";
import { busBytesOf } from "./bytes.ts";

/** Databases of a node, and nodes of a database. */
export const DATABASES_PER_NODE = 8;
const COPIES = 3;
/** Until all have all scopes, and until the measurement begins. */
const SETTLE_MS = 30_000;
const OWN_EVERY_MS = 10_000;
const DATABASE_EVERY_MS = 5000;
const CLUSTER_EVERY_MS = 10_000;

/** What was found for one size. Bytes and messages are per second, sent and received together. */
export interface Traffic {
  readonly nodes: number;
  readonly changes: number;
  /** Deliveries of changes, per change. */
  readonly perChange: number;
  /** The most deliveries of one change beyond those interested in it: the paper allows 1, for the leader. */
  readonly mostBeyond: number;
  readonly medianBytes: number;
  readonly medianMessages: number;
  /** The busiest node but the leader. */
  readonly mostBytes: number;
  readonly leaderBytes: number;
  readonly leaderMessages: number;
  /** Everybody, by kind of message: bytes per second and node. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Of all that was counted: the same on every runtime. */
  readonly hash: string;
}

/** Measures a cluster of `count` nodes for `measureMs`; of 1000 messages, `loss` are lost. */
export function measure(count: number, measureMs: number, loss: number, seed: number): Traffic {
  const counting = new Counting(count);
  const rig: Rig = new Rig(seed, count, {
    onSent: (node, message, to) => counting.onSent(rig, node, message, to),
  });
  rig.faults = { ...NO_FAULTS, loss };
  dealDatabases(rig, new SeededDice(seed));
  rig.startAll(0);
  rig.run(SETTLE_MS);
  startWriting(rig, new SeededDice(seed + 1));
  rig.run(SETTLE_MS);
  counting.isOn = true;
  rig.run(measureMs);
  return counting.result(measureMs / 1000);
}

/** Each node in as many databases, each database on as many different nodes, as far as it comes out. */
function dealDatabases(rig: Rig, dice: SeededDice): void {
  const places: number[] = [];
  for (const { index } of rig.nodes) {
    for (let i = 0; i < DATABASES_PER_NODE; i++) places.push(index);
  }
  for (let left = places.length; left > 1; left--) {
    const other = dice.below(left);
    [places[left - 1], places[other]] = [places[other] as number, places[left - 1] as number];
  }
  for (let number = 0; places.length > 0; number++) {
    const who: number[] = [];
    // The next different nodes; one that is in already comes later.
    for (let at = places.length - 1; at >= 0 && who.length < COPIES; at--) {
      const index = places[at] as number;
      if (who.includes(index)) continue;
      who.push(index);
      places.splice(at, 1);
    }
    rig.attach(`db${number}.tdb`, who);
  }
}

/** Each writer at a time of its own, then again and again. */
function startWriting(rig: Rig, dice: SeededDice): void {
  const every = (periodMs: number, work: () => void): void => {
    const again = (): void => {
      work();
      rig.at(periodMs, again);
    };
    rig.at(dice.below(periodMs), again);
  };
  const health = () => `{"healthy":true,"load":${dice.below(1000)},"monitors":"ok"}`;
  for (const { index, nodeId } of rig.nodes) {
    every(OWN_EVERY_MS, () => rig.write(index, `n/${nodeId}`, "health", health()));
  }
  const byId = new Map(rig.nodes.map(({ index, nodeId }) => [nodeId, index]));
  for (const [name, who] of rig.attached) {
    every(DATABASE_EVERY_MS, () => {
      const index = byId.get(who[dice.below(who.length)]?.nodeId ?? ("" as never)) ?? 0;
      rig.write(index, `d/${name}`, `stats/${index}`, health());
    });
  }
  every(CLUSTER_EVERY_MS, () => {
    const index = dice.below(rig.nodes.length);
    rig.write(index, "c", "note", `maintenance ${dice.below(1000)}`);
  });
}

/** The counters. */
class Counting {
  isOn = false;
  readonly #bytes: number[];
  readonly #messages: number[];
  readonly #kinds = new Map<string, number>();
  #changes = 0;
  #deliveries = 0;
  #mostBeyond = -Infinity;

  constructor(count: number) {
    this.#bytes = new Array<number>(count).fill(0);
    this.#messages = new Array<number>(count).fill(0);
  }

  onSent(
    rig: Rig,
    node: RigNode,
    message: { readonly kind: string },
    to: readonly RigNode[],
  ): void {
    if (!this.isOn) return;
    const bytes = busBytesOf(message);
    const add = ({ index }: RigNode): void => {
      this.#bytes[index] = (this.#bytes[index] ?? 0) + bytes;
      this.#messages[index] = (this.#messages[index] ?? 0) + 1;
    };
    add(node);
    to.forEach(add);
    this.#kinds.set(message.kind, (this.#kinds.get(message.kind) ?? 0) + bytes * (1 + to.length));
    if (message.kind !== "md_publish") return;
    const { records } = message as { records?: readonly { readonly scope: string }[] };
    const scope = records?.[0]?.scope ?? "";
    const interest = node.interests.get(scope);
    const leader = rig.leader === undefined ? undefined : rig.node(rig.leader).nodeId;
    // Those who are interested by themselves: not the writer, and not who is there as leader only.
    const others =
      interest?.interested.filter(({ nodeId }) => nodeId !== node.nodeId && nodeId !== leader)
        .length ?? 0;
    this.#changes++;
    this.#deliveries += to.length;
    this.#mostBeyond = Math.max(this.#mostBeyond, to.length - others);
  }

  result(seconds: number): Traffic {
    const count = this.#bytes.length;
    const [leaderBytes = 0, ...bytes] = this.#bytes.map((one) => one / seconds);
    const [leaderMessages = 0, ...messages] = this.#messages.map((one) => one / seconds);
    const kinds = [...this.#kinds].sort().map(([kind, sum]) =>
      [kind, sum / seconds / count] as const
    );
    return {
      nodes: count,
      changes: this.#changes,
      perChange: this.#deliveries / this.#changes,
      mostBeyond: this.#mostBeyond,
      medianBytes: median(bytes),
      medianMessages: median(messages),
      mostBytes: Math.max(...bytes),
      leaderBytes,
      leaderMessages,
      kinds: new Map(kinds),
      hash: hashOf([...this.#bytes, ...this.#messages]),
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** FNV-1a over whole numbers, as hex. */
function hashOf(values: readonly number[]): string {
  let hash = 0x811c9dc5;
  for (const value of values) {
    hash = Math.imul(hash ^ (value & 0xffff), 0x01000193);
    hash = Math.imul(hash ^ (value >>> 16), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
