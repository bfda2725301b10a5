/**
 * What the document says of a persistent or replicated database, as its machine takes it, and back.
 *
 * Does NOT promise: that it is sane; the leader's planner made it.
 */
import { COPIES_WANTED } from "../../transport/wire/messages/document.ts";
import type { CommitCfg, DbCfg } from "../../transport/wire/messages/document.ts";
import type { Incarnation, Version } from "../../transport/wire/terms.ts";
import { PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import type { CommitConfig } from "../machines/commit/config.ts";

/** Copies that are wanted when nothing is said. */
export const COPIES = COPIES_WANTED;

/** Is it one whose transactions are kept by several nodes? */
export function hasCommits({ kind }: DbCfg): boolean {
  return kind !== "volatile";
}

/** As the machine takes it; lineage 0 while nobody has begun. */
export function configOf(cfg: DbCfg): CommitConfig {
  const { dbId, kind, copies = COPIES, minInSync, commit } = cfg;
  const base = {
    ...{ dbId, kind: kind === "replicated" ? kind : "persistent", k: copies } as const,
    ...minInSync === undefined ? {} : { mWanted: minInSync },
  };
  if (commit === undefined) {
    return {
      ...base,
      m: 1,
      lineage: 0n,
      replicas: [],
      primary: PNN_UNKNOWN,
      primaryInc: 0n as Incarnation,
      term: 0n as Version,
      isr: [],
      reqSeen: 0,
    };
  }
  const { changed: _, ...rest } = commit;
  return { ...base, ...rest };
}

/** As the document has it. */
export function cfgOf(config: CommitConfig): Omit<CommitCfg, "changed"> {
  const { dbId: _id, kind: _kind, k: _k, mWanted: _m, replicas, isr, ...rest } = config;
  return { ...rest, replicas: [...replicas], isr: [...isr] };
}
