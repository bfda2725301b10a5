/**
 * What a node says of resources of programs for explain.ts; while it leads, what it knows of all.
 *
 * Does NOT promise: why a program fails; it has said that to its node's history.
 */
import { FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import { nodeByPnn } from "../machines/cluster/document.ts";
import type { Resources } from "../resources/resources.ts";

/** Names that are told. */
export const RESOURCES_TOLD = 8;

/** Resources, as the leader knows them. */
export interface AllResourcesFact {
  readonly known: number;
  readonly owned: number;
  /** Those that nobody can own; the first of them, with the reason. */
  readonly free: {
    readonly count: number;
    readonly first: readonly { readonly name: string; readonly why: string }[];
  };
}

/** Resources of the programs of one node. */
export interface ResourcesFact {
  /** That its programs offer. */
  readonly offered: number;
  /** Those of them whose programs failed or hang, and which are not given to them; the first, with the program. */
  readonly paused: {
    readonly count: number;
    readonly first: readonly { readonly name: string; readonly program: string }[];
  };
  /** Of the cluster; absent: the node does not lead, or there are none. */
  readonly all?: AllResourcesFact;
}

/** The facts; undefined: the node has to do with no resource. */
export function resourceFacts(
  resources: Pick<Resources, "desk" | "rows"> | undefined,
  doc: Document | undefined,
): ResourcesFact | undefined {
  if (resources === undefined) return undefined;
  const programs = resources.desk.rows();
  const rows = resources.rows() ?? [];
  if (programs.length === 0 && rows.length === 0) return undefined;
  const paused = programs.filter(({ role }) => role === "paused");
  const free = rows.filter(({ state }) => state === "free");
  const named = (text: string) =>
    text.replace(
      /\bnodes? ((?:\d+, )*\d+)\b/g,
      (_, pnns: string) =>
        pnns.split(", ").map((pnn) =>
          (doc && nodeByPnn(doc, Number(pnn) as never)?.name) ?? `node ${pnn}`
        ).join(", "),
    );
  return {
    offered: new Set(programs.map(({ name }) => name)).size,
    paused: {
      count: paused.length,
      first: paused.slice(0, RESOURCES_TOLD).map(({ name, program, pid }) => ({
        name,
        program: pid === undefined ? program : `${program} (process ${pid})`,
      })),
    },
    ...rows.length === 0 ? {} : {
      all: {
        known: rows.length,
        owned: rows.filter(({ state }) => state === "owned").length,
        free: {
          count: free.length,
          first: free.slice(0, RESOURCES_TOLD).map(({ name, why = "" }) => (
            { name, why: fitText(named(why), FAULT_TEXT_MAX) }
          )),
        },
      },
    },
  };
}
