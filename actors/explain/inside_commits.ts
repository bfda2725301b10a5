/**
 * What a node says of its persistent and replicated databases for explain.ts.
 *
 * Does NOT promise: what other nodes know; the leader alone knows what a database waits for.
 */
import { FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { CommitLook } from "../data/commit_ops.ts";
import { nodeByPnn } from "../machines/cluster/document.ts";
import type { CommitFact } from "./facts.ts";

/** Catching up, and a primary that begins, pass by themselves. */
const PASSING = "catching_up";

/** Is there something to say of it? */
export function hasCommitFact({ waits, cause, serving, isUnsure }: CommitLook): boolean {
  const isWell = cause === undefined || cause === PASSING;
  return waits !== undefined || isUnsure || serving === "readonly" || !isWell;
}

/** That. */
export function commitFact(look: CommitLook, doc: Document | undefined): CommitFact {
  const { m, primary, copies, own, serving, lineage, isUnsure, waits, cause, trouble } = look;
  const nameOf = (pnn: Pnn) => (doc && nodeByPnn(doc, pnn)?.name) ?? `node ${pnn}`;
  const named = (isIn: boolean) =>
    copies.filter(({ role }) => isIn === (role === "primary" || role === "in_sync"))
      .sort((one, other) => Number(other.role === "primary") - Number(one.role === "primary"))
      .map(({ pnn }) => nameOf(pnn));
  const kept = copies.map(({ pnn }) => pnn);
  const followers = (doc?.nodes ?? []).filter(({ pnn }) => !kept.includes(pnn));
  const fit = (text: string) => fitText(text, FAULT_TEXT_MAX);
  return {
    ...{ m, own, isUnsure, hasBegun: lineage !== 0n, inSync: named(true) },
    others: [...named(false), ...followers.map(({ name }) => name)],
    ...primary === undefined ? {} : { primary: nameOf(primary) },
    ...serving === undefined ? {} : { serving },
    ...waits === undefined ? {} : { waits: fit(withNames(waits, nameOf)) },
    ...cause === undefined ? {} : { cause },
    ...trouble === undefined ? {} : { trouble: fit(trouble) },
  };
}

/** "for an in-sync copy of 0, 2" with the names that people know. */
function withNames(waits: string, nameOf: (pnn: Pnn) => string): string {
  return waits.replace(
    / of ((?:\d+)(?:, \d+)*)/,
    (_, list: string) =>
      ` of ${list.split(", ").map((each) => nameOf(Number(each) as Pnn)).join(", ")}`,
  );
}
