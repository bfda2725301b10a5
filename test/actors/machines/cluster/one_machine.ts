/**
 * One cluster machine alone: events in, effects out, by hand. For what a whole cluster does not show.
 *
 * Does NOT promise: a world; nothing is delivered, nothing is written but what a test says.
 */
import { ClusterMachine } from "../../../../actors/machines/cluster/cluster.ts";
import { genesis, withView } from "../../../../actors/machines/cluster/document.ts";
import type {
  ClusterEffect,
  ClusterEvent,
  ClusterMessage,
} from "../../../../actors/machines/cluster/events.ts";
import { RULES } from "../../../../actors/machines/cluster/rules.ts";
import type { Rules } from "../../../../actors/machines/cluster/rules.ts";
import { tokenOf, versionOf } from "../../../../actors/machines/cluster/token.ts";
import { defaultTiming } from "../../../../actors/machines/cluster/tunables.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type {
  ClusterId,
  Generation,
  Incarnation,
  Pnn,
  Token,
  VoterId,
} from "../../../../transport/wire/terms.ts";

/** The disk of the node that is looked at. */
export const DISK = "d".repeat(32);
/** Three nodes, all voters; the one that is looked at is node 0. */
export const START: Document = genesis({
  clusterId: "c".repeat(32) as ClusterId,
  nodes: [0, 1, 2].map((index) => ({
    nodeId: nodeIdOf(index),
    name: `n${index}`,
    addr: `n${index}:1`,
    isVoter: true,
  })),
});

/** A token of one of the voters 1 to 3. */
export function token(counter: bigint, voterId: number): Token {
  return tokenOf(counter, voterId as VoterId);
}

/** A first view of these lives, by this token. */
export function viewOf(
  by: Token,
  lives: readonly [number, bigint][],
  n = 1n,
  base = START,
): Document {
  const members = lives.map(([pnn, life]) => ({
    pnn: pnn as Pnn,
    incarnation: life as Incarnation,
  }));
  return { ...withView(base, members, base.view.members, versionOf(by, n)), parent: base.version };
}

/** Node 0 on its own. */
export class Alone {
  readonly machine: ClusterMachine;
  nowMs = 1000;

  constructor(options: { rules?: Rules; promised?: Token; accepted?: Document } = {}) {
    const { rules = RULES, promised = 0n as Token, accepted = START } = options;
    const nodeId = nodeIdOf(0);
    this.machine = new ClusterMachine({
      nodeId,
      timing: defaultTiming(),
      rules,
      seeds: [],
      seed: 1,
    });
    const durable = { diskId: DISK, promised, accepted, incarnation: 0n as Incarnation };
    this.feed({ kind: "start", durable });
  }

  /** One event. */
  feed(event: ClusterEvent): ClusterEffect[] {
    return this.machine.step(event, this.nowMs);
  }

  /** Writes and fences what is asked for until nothing more is; answers all effects. */
  settle(effects: readonly ClusterEffect[]): ClusterEffect[] {
    const all = [...effects];
    for (let at = 0; at < all.length; at++) {
      const effect = all[at];
      if (effect?.kind === "persist") {
        all.push(...this.feed({ kind: "persisted", id: effect.id, isOk: true }));
      } else if (effect?.kind === "fence") {
        all.push(...this.feed({ kind: "fenced", incarnation: effect.incarnation }));
      }
    }
    return all;
  }

  /** A message from a node, with all that follows at once. */
  hear(from: number, message: ClusterMessage): ClusterEffect[] {
    return this.settle(this.feed({ kind: "message", from: nodeIdOf(from), message }));
  }

  /** Past start and fence. */
  begin(): this {
    this.machine.state.isDirty = true;
    this.settle([{ kind: "persist", id: 1, durable: this.machine.state.writing }]);
    return this;
  }

  /** A digest of a leader at node `from`. */
  digest(
    from: number,
    by: Token,
    doc: Document | undefined,
    more: { echoMs?: number; life?: bigint; isWhole?: boolean; generation?: Generation } = {},
  ): ClusterEffect[] {
    const { echoMs, life = 1n, isWhole = true, generation } = more;
    return this.hear(from, {
      kind: "digest",
      token: by,
      version: doc?.version ?? 0n as Document["version"],
      coreVersion: doc?.coreVersion ?? 0n as Document["version"],
      generation: generation ?? doc?.generation ?? 0n as Generation,
      ...(doc !== undefined && isWhole ? { doc } : {}),
      dsMs: 5000,
      ...(echoMs === undefined ? {} : { echo: { tMs: echoMs, incarnation: life as Incarnation } }),
    });
  }
}

/** The messages among effects. */
export function sent(effects: readonly ClusterEffect[]): ClusterMessage[] {
  return effects.flatMap((effect) => effect.kind === "send" ? [effect.message] : []);
}
