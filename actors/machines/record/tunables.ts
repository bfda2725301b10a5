/**
 * Times and counts of the record machine, each with what it is and what the simulator may draw for it.
 *
 * Safety rests on none of them.
 *
 * Does NOT promise: that any mix is quick.
 */

import { count, ms, type Tunable } from "../tunable.ts";

/** All of them, by the name they have in RecordTiming. */
export const RECORD_TUNABLES = {
  retryMs: ms("retryMs", 100, [30, 100], "REQ, RECALL, GRANT, CALL and RO_ASK again; doubled"),
  retryMaxMs: ms("retryMaxMs", 1000, [300, 1000], "longest time between two of them"),
  revokeMs: ms("revokeMs", 80, [80], "REVOKE again"),
  roundMs: ms("roundMs", 120, [40, 120], "QUERY, REPORT_ASK, TABLE_ASK, PURGE again; doubled"),
  roundMaxMs: ms("roundMaxMs", 1000, [300, 1000], "longest time between two of them"),
  minHoldMs: ms(
    "minHoldMs",
    5,
    [1, 5, 50],
    "a record stays so long for those who wait or were told",
  ),
  stickyHoldMs: ms("stickyHoldMs", 200, [50, 200], "the same for sticky records"),
  stickyForMs: ms("stickyForMs", 600000, [5000, 600000], "how long a record stays sticky"),
  stickyMoves: count("stickyMoves", 50, [5, 50], "moves in a second that make a record sticky"),
  procedureMs: ms(
    "procedureMs",
    10000,
    [20, 300, 10000],
    "a program may run a procedure for so long",
  ),
  watchKeys: count("watchKeys", 4096, [3, 4096], "copies in one slice that a watch begins with"),
  watchOpenMs: ms("watchOpenMs", 50, [5, 50], "a client may write a watched record for so long"),
  watchMs: ms("watchMs", 1, [1, 50], "time between two slices"),
  mutexMs: ms("mutexMs", 2, [1, 2, 10], "a chain mutex that was busy is tried again; doubled"),
  mutexMaxMs: ms("mutexMaxMs", 10, [10, 50], "longest time between two tries"),
  vacuumMs: ms("vacuumMs", 300, [50, 300], "the vacuum works a slice"),
  vacuumAgeMs: ms(
    "vacuumAgeMs",
    1000,
    [50, 300, 1000],
    "a record is given back when empty so long",
  ),
  vacuumKeys: count("vacuumKeys", 256, [4, 256], "keys in one slice"),
  keptMs: ms("keptMs", 3000, [500, 3000], "the new home is asked about a table kept for so long"),
  viewAskMs: ms("viewAskMs", 60, [60], "a view is asked for, or sent, no more often to one peer"),
  hintTries: count("hintTries", 2, [1, 2], "questions to a hint before the home is asked"),
  drainKeys: count(
    "drainKeys",
    512,
    [4, 64, 512],
    "records that are on their way from draining nodes at once",
  ),
  sliceKeys: count(
    "sliceKeys",
    1024,
    [40, 300, 1024],
    "keys in one slice of a recovery or traverse, about",
  ),
  sliceMs: ms("sliceMs", 1, [1, 3], "time between two slices"),
  partEntries: count("partEntries", 256, [1, 7, 256], "entries in a part of a table or report"),
  pageKeys: count("pageKeys", 256, [2, 5, 256], "keys in a page of a list"),
  batchMessages: count("batchMessages", 256, [1, 8, 256], "messages in one publication"),
  slotWindow: count("slotWindow", 64, [8, 64, 1024], "slots that a traverse asks for at once"),
} as const satisfies Record<string, Tunable>;

/** The values in force. */
export type RecordTiming = { readonly [Name in keyof typeof RECORD_TUNABLES]: number };

/** The values as they are delivered. */
export function defaultRecordTiming(): RecordTiming {
  const entries = Object.entries(RECORD_TUNABLES).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as RecordTiming;
}
