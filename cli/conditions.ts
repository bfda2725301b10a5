/**
 * What `cluster wait --for` understands, judged by the answer to "cluster status".
 *
 *   all-ok   leader   leader=NAME   members=N   node=NAME:CONDITION   serving      not-... : the opposite
 *
 * Does NOT promise: that another node sees the same at the same time; one node is asked.
 */

import type { ClusterAnswer, NodeAnswer } from "./answers.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, usage } from "./failure.ts";

/** How a node can be, in one word (actors/views.ts), and what else can be waited for. */
export const NODE_CONDITIONS = [
  "ok",
  "unhealthy",
  "disconnected",
  "banned",
  "stopped",
  "draining",
  "joining",
  "unknown",
] as const;

/** The forms, for help and errors. */
export const CONDITION_FORMS =
  "all-ok, leader, leader=NAME, members=N, node=NAME:CONDITION, serving, or not- and one of them";

/** Something to wait for. */
export interface Condition {
  /** As it was typed. */
  readonly text: string;
  /** What is missing, a phrase; undefined: it is met. Throws Failure when it can never be met. */
  readonly lack: (cluster: ClusterAnswer) => string | undefined;
}

type Lack = Condition["lack"];

/** Reads a condition. Throws Failure (usage) with the forms that there are. */
export function parseCondition(text: string): Condition {
  if (text.startsWith("not-")) {
    const inner = parseCondition(text.slice(4));
    const lack: Lack = (cluster) =>
      inner.lack(cluster) === undefined ? `${inner.text} still holds` : undefined;
    return { text, lack };
  }
  const [name = "", ...rest] = text.split("=");
  const value = rest.length === 0 ? undefined : rest.join("=");
  const lack = lackOf(name, value);
  if (lack !== undefined) return { text, lack };
  throw usage(`Cannot wait for "${text}"`, `conditions are ${CONDITION_FORMS}`);
}

function lackOf(name: string, value: string | undefined): Lack | undefined {
  if (name === "leader") return value === "" ? undefined : (cluster) => leaderLack(cluster, value);
  if (name === "all-ok" && value === undefined) return allLack;
  if (name === "serving" && value === undefined) {
    return ({ serving }) => serving ? undefined : "this node has no lease";
  }
  if (name === "members" && value !== undefined && /^\d{1,4}$/.test(value)) {
    return ({ members }) =>
      members === Number(value) ? undefined : `the view has ${members} members`;
  }
  const [node = "", condition = "", ...more] = name === "node" ? (value ?? "").split(":") : [];
  const isKnown = NODE_CONDITIONS.some((known) => known === condition);
  if (node === "" || !isKnown || more.length > 0) return undefined;
  return (cluster) => nodeLack(cluster, node, condition);
}

function leaderLack({ leader }: ClusterAnswer, wanted: string | undefined): string | undefined {
  if (leader === undefined) return "no leader is known";
  return wanted === undefined || leader === wanted ? undefined : `${leader} leads`;
}

function allLack({ troubles }: ClusterAnswer): string | undefined {
  return troubles.length === 0 ? undefined : troubles.join("; ");
}

function nodeLack(
  { nodes }: ClusterAnswer,
  wanted: string,
  condition: string,
): string | undefined {
  const node = findNodeAnswer(nodes, wanted);
  if (node !== undefined) {
    return node.condition === condition ? undefined : `${node.name} is ${node.condition}`;
  }
  if (nodes.length === 0) return "this node knows no cluster yet";
  throw new Failure(
    EXIT.notFound,
    `Cannot find node ${wanted}: known are ${nodes.map(({ name }) => name).join(", ")}`,
    "`ctdbx node list` shows them",
  );
}

/** The node of a name, or else of a number. */
export function findNodeAnswer(
  nodes: readonly NodeAnswer[],
  wanted: string,
): NodeAnswer | undefined {
  return nodes.find(({ name }) => name === wanted) ??
    nodes.find(({ pnn }) => String(pnn) === wanted);
}
