/**
 * What monitors are told of the databases of a node, from what its data thread says of them.
 *
 * Does NOT promise: all of them; the busiest.
 */
import { type DatabasesFields, EVENT_DATABASES_MAX } from "../../transport/wire/messages/event.ts";
import type { CommitLook } from "../data/commit_ops.ts";
import type { DatabaseStats } from "../data/types.ts";
import type { DataCounters } from "./stats.ts";

type Row = DatabasesFields["databases"][number];

/** The event's own fields; undefined: there is nothing to tell. */
export function databasesOf(data: DataCounters | undefined): DatabasesFields | undefined {
  if (data === undefined || data.databases.length === 0) return undefined;
  const { clients: programs, databases } = data;
  const rows = databases.map(rowOf).sort((one, other) => busyOf(other) - busyOf(one));
  return { count: rows.length, programs, databases: rows.slice(0, EVENT_DATABASES_MAX) };
}

function rowOf(stats: DatabaseStats): Row {
  const { name, state, records, waiting, ops, slotsOpening, heldUp, counts, commit } = stats;
  return {
    ...{ name, state, records, waiting, slotsOpening },
    opsOk: ops.ok + ops.ready,
    opsFailed: ops.failed,
    opsUnknown: ops.unknown,
    movedIn: counts["moved in"] ?? 0,
    movedOut: counts["moved out"] ?? 0,
    ...commit === undefined ? {} : { files: filesOf(commit) },
    heldMs: heldUp === undefined ? 0 : Math.max(0, Math.round(heldUp.ageMs)),
  };
}

function filesOf({ files, sync, dbseq }: CommitLook): NonNullable<Row["files"]> {
  const { state, pages, at: scrubAt, scrubbed, bad, mended, files: anew } = files;
  return {
    ...{ state, seqnum: `${dbseq}`, pages, scrubAt, scrubbed, bad, mended, anew },
    syncDone: sync?.done ?? 0,
    syncPages: sync?.total ?? 0,
  };
}

/** What waits, then what was done. */
function busyOf({ waiting, slotsOpening, opsOk, movedIn }: Row): number {
  return 1e6 * (waiting + slotsOpening) + opsOk + movedIn;
}
