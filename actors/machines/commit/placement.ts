/**
 * Where the copies of a database are to be, and how many of them a commit needs.
 *
 *   order of a hash, one of each zone first ──▶ k nodes       those that leave make room, then who is silent for long
 *   m = what was asked for, or more than half of them         rises when so many are in sync, falls at once
 *
 * m falls only with k, with what was asked for, or with nodes that leave: people decide all of these.
 *
 * Does NOT promise: that the nodes which it names are there; the planner looks at that.
 */
import type { Incarnation, Pnn, Version } from "../../../transport/wire/terms.ts";
import { mix, textHash } from "../mix.ts";
import type { CommitConfig } from "./config.ts";
import type { Hello } from "./events.ts";
import type { CommitRules } from "./rules.ts";

/** A node on its way out: of the lead only, of the cluster for good, or of this life. */
export type Going = "drains" | "leaves" | "stops";

/** A node that has the database attached, as the leader sees it. */
export interface PlanNode {
  readonly pnn: Pnn;
  /** Its newest life that was heard of. */
  readonly incarnation: Incarnation;
  /** Copies go to different zones first. */
  readonly zone: string;
  /** Is it heard, and not called dead? */
  readonly isAlive: boolean;
  /** Not heard for so long, ms. */
  readonly silentMs: number;
  /** Lives up to this one are known to be over. */
  readonly overInc: bigint;
  /** What it told of this database last. */
  readonly hello: Hello | undefined;
  /** Missing: it stays. */
  readonly going?: Going;
}

/** What the leader goes by. */
export interface PlanInput {
  readonly config: CommitConfig;
  readonly nodes: readonly PlanNode[];
  /** Of the document that is to be made. */
  readonly version: Version;
  /** u64, drawn by chance: for a new lineage. */
  readonly random: bigint;
  readonly rules: CommitRules;
}

/** A copy that is silent so long is replaced: 10 minutes. */
export const REPLACE_MS = 600_000;

/** More than half of so many copies. */
export function mFor(copies: number): number {
  return Math.floor(copies / 2) + 1;
}

/** In-sync copies that a commit is to need where there are so many copies: what was asked for, if it can be. */
export function mOf({ mWanted }: Pick<CommitConfig, "mWanted">, copies: number): number {
  return Math.max(1, Math.min(mWanted ?? mFor(copies), copies));
}

/** Copies that there can be: as many as are wanted, on nodes that do not leave. */
export function copiesWanted({ config, nodes }: PlanInput): number {
  return Math.max(1, Math.min(config.k, nodes.filter(staysInCluster).length));
}

function staysInCluster({ going }: PlanNode): boolean {
  return going !== "leaves";
}

/** May a node get a copy that it does not have? */
export function mayKeep({ going }: PlanNode): boolean {
  return going === undefined || going === "drains";
}

/** How much a node should not lead: 0, it may; the others give the lead to who has less. */
export function reluctance({ replicas }: CommitConfig, { pnn, going }: PlanNode): number {
  if (going === "stops") return 3;
  if (going === "leaves" || !replicas.includes(pnn)) return 2;
  return going === "drains" ? 1 : 0;
}

/** Nodes in the order in which they are chosen: by chance of the hash, one of each zone first. */
export function choose(dbId: number, nodes: readonly PlanNode[], count: number): PlanNode[] {
  const score = (pnn: number) => mix(textHash(`copy ${pnn}`, dbId));
  const sorted = [...nodes].sort((one, other) =>
    score(other.pnn) - score(one.pnn) || one.pnn - other.pnn
  );
  const zones = new Set<string>();
  const first = sorted.filter(({ zone }) => !zones.has(zone) && zones.add(zone) !== undefined);
  return [...first, ...sorted.filter((node) => !first.includes(node))].slice(0, Math.max(0, count));
}

/** Who is to keep a copy; the same nodes as now when nothing is to change. */
export function replicasFor(input: PlanInput): Pnn[] {
  const { config, nodes } = input;
  const nodeOf = (pnn: Pnn) => nodes.find((one) => one.pnn === pnn);
  const count = copiesWanted(input);
  const staying = config.replicas.filter((pnn) => {
    const node = nodeOf(pnn);
    return node !== undefined && staysInCluster(node);
  });
  const isSilent = (pnn: Pnn) => {
    const node = nodeOf(pnn);
    return node?.isAlive !== true && (node?.silentMs ?? 0) >= REPLACE_MS;
  };
  const kept = [...keptFirst(input, staying.filter((pnn) => !isSilent(pnn)))].slice(0, count);
  const fresh = nodes.filter((node) =>
    node.isAlive && mayKeep(node) && !config.replicas.includes(node.pnn)
  );
  const zones = kept.map((pnn) => nodeOf(pnn)?.zone);
  const other = fresh.filter(({ zone }) => !zones.includes(zone));
  const missing = count - kept.length;
  const chosen = [
    ...choose(config.dbId, other, missing),
    ...choose(config.dbId, fresh.filter((node) => !other.includes(node)), missing),
  ].slice(0, missing);
  // Who is silent goes only when somebody takes its place.
  const next = [...kept, ...chosen.map(({ pnn }) => pnn), ...staying.filter(isSilent)];
  return next.slice(0, count);
}

/** Where there are too many: the primary stays first, then who is in sync and here. */
function keptFirst({ config, nodes }: PlanInput, pnns: readonly Pnn[]): readonly Pnn[] {
  if (pnns.length <= config.k) return pnns;
  const weight = (pnn: Pnn) => {
    if (pnn === config.primary) return 0;
    const isAlive = nodes.some((node) => node.pnn === pnn && node.isAlive);
    const isIn = config.isr.some((one) => one.pnn === pnn);
    return isAlive && isIn ? 1 : isAlive ? 2 : 3;
  };
  return [...pnns].sort((one, other) => weight(one) - weight(other));
}
