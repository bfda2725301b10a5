/**
 * Answers about addresses as people want them: nodes by their names beside their numbers, times since it happened.
 *
 *   { pnn: 2, why: "node 1 may hold it ..." } ──▶ { pnn: 2, node: "n2", why: "n1 may hold it ..." }
 *
 * Does NOT promise: a name for a node that the document has no more; it is "node 7" then.
 */
import type { Pnn } from "../../transport/wire/terms.ts";
import type { AddressNote } from "../addresses/addresses.ts";
import type { AddressRow } from "../machines/addresses/takeover/show.ts";
import type { NodeParts } from "../node_parts.ts";

/** An address, with the names of its nodes. */
export interface NamedAddress extends AddressRow {
  /** Name of the node that has it set; undefined: nobody has. */
  readonly node?: string;
  /** Name of the node that is to have it; undefined: nobody can. */
  readonly toNode?: string;
  /** Names of those who could host it now. */
  readonly ableNodes: readonly string[];
}

/** A move or a step of a plan: who had the address, who is to have it. */
interface Move {
  readonly from?: Pnn | undefined;
  readonly to?: Pnn | undefined;
}

/** A happening, and how long ago it was. */
export interface NamedNote {
  readonly msAgo: number;
  /** When, by the wall clock of the node, ms since 1970. */
  readonly wallMs: number;
  readonly text: string;
}

type Named = (pnn: Pnn) => string;

/** Names by the document that counts at a node. */
function namesOf({ state }: Pick<NodeParts, "state">): Named {
  const doc = state.adopted ?? state.accepted;
  const names = new Map(doc?.nodes.map(({ pnn, name }) => [pnn, name]));
  return (pnn) => names.get(pnn) ?? `node ${pnn}`;
}

function namedText(text: string, nameOf: Named): string {
  return text.replace(/\bnode (\d+)\b/g, (_, pnn: string) => nameOf(Number(pnn) as Pnn));
}

/** A text of the machine, with names for numbers. */
export function namedAnswer(node: Pick<NodeParts, "state">, text: string): string {
  return namedText(text, namesOf(node));
}

/** What a row says of nodes. */
type OfNodes = Pick<AddressRow, "pnn" | "to" | "able" | "why">;

/** Rows of addresses, or of resources. */
export function namedRows<R extends OfNodes>(
  node: Pick<NodeParts, "state">,
  rows: readonly R[],
): (R & Pick<NamedAddress, "node" | "toNode" | "ableNodes">)[] {
  const nameOf = namesOf(node);
  return rows.map((row) => {
    const { pnn, to, able, why } = row;
    return {
      ...row,
      ...pnn === undefined ? {} : { node: nameOf(pnn) },
      ...to === undefined ? {} : { toNode: nameOf(to) },
      ableNodes: able.map(nameOf),
      ...why === undefined ? {} : { why: namedText(why, nameOf) },
    };
  });
}

/** Moves and steps. */
export function namedMoves<M extends Move>(
  node: Pick<NodeParts, "state">,
  moves: readonly M[],
): (M & { readonly fromNode?: string; readonly toNode?: string })[] {
  const nameOf = namesOf(node);
  return moves.map((move) => ({
    ...move,
    ...move.from === undefined ? {} : { fromNode: nameOf(move.from) },
    ...move.to === undefined ? {} : { toNode: nameOf(move.to) },
  }));
}

/** What happened at a node. */
export function namedNotes(
  { state, world: { clock } }: Pick<NodeParts, "state" | "world">,
  notes: readonly AddressNote[],
): NamedNote[] {
  const nameOf = namesOf({ state });
  const nowMs = clock.nowMs();
  const wallMs = clock.wallMs();
  return notes.map(({ atMs, text }) => {
    const msAgo = Math.max(0, Math.round(nowMs - atMs));
    return { msAgo, wallMs: Math.round(wallMs - msAgo), text: namedText(text, nameOf) };
  });
}
