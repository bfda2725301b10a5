/**
 * Are the copies of a persistent or replicated database as they are wanted? For commands that wait until they are.
 *
 * Does NOT promise: that they stay so.
 */
import type { StatusRow } from "./db_fields.ts";

/** What a database lacks to have the copies that are wanted, by its `db status` of one node; undefined: nothing. */
export function copiesLack(row: StatusRow | undefined): string | undefined {
  if (row?.commit == null) return "it is not there";
  const { copies, k, m, nodes } = row.commit;
  const wanted = Math.min(k, nodes ?? k);
  const kept = copies.filter(({ role }) => role !== "follower");
  const inSync = kept.filter(({ role }) => role !== "copy").length;
  if (inSync < wanted) return `${inSync} of ${wanted} copies are in sync`;
  if (kept.length > wanted) return `${kept.length} nodes keep copies yet, ${wanted} are wanted`;
  const least = row.minInSync ?? Math.floor(wanted / 2) + 1;
  return m === Math.min(least, wanted) ? undefined : `a commit needs ${m} copies yet, not ${least}`;
}
