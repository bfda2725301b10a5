/**
 * Facts for each cause about volatile databases, and what explain must say of them.
 *
 * Does NOT promise: facts of a real daemon; test/live/faults/ has those.
 */

import type { Case } from "./cases.ts";
import { inside, well } from "./state.ts";

/** Causes about the data thread and its records. */
export const RECORD_CASES: readonly Case[] = [
  {
    id: "data_crashing",
    node: "n2",
    severity: "error",
    facts: inside(well(), "n2", {
      data: { isUp: false, failures: 2, failedMsAgo: 700, why: "out of memory", databases: [] },
    }),
    says: [
      /failed 2 times.*0\.7 s ago: out of memory/,
      /is not up again/,
      /no part in the view until it is up/,
      "ctdbx node status n2 --home /srv/n0",
    ],
  },
  {
    id: "data_crashing",
    about: "that is up again",
    node: "n2",
    severity: "warning",
    facts: inside(well(), "n2", {
      data: { isUp: true, failures: 1, failedMsAgo: 1500, databases: [] },
    }),
    says: [/is up again/],
  },
  {
    id: "data_no_file",
    node: "n1",
    severity: "error",
    facts: inside(well(), "n1", {
      data: {
        isUp: true,
        failures: 0,
        databases: [{
          name: "visits",
          waiting: 0,
          slotsOpening: 0,
          keysQueried: 0,
          noFile: "Cannot extend /srv/n1/state/volatile/visits: ENOSPC",
        }],
      },
    }),
    says: [
      /n1 has no file for visits/,
      /visits: Cannot extend .* ENOSPC/,
      /stays a member and keeps its vote/,
      "ctdbx db status visits --home /srv/n0",
    ],
  },
  {
    id: "record_held",
    node: "n1",
    severity: "warning",
    facts: inside(well(), "n1", {
      data: {
        isUp: true,
        failures: 0,
        databases: [{
          name: "visits",
          waiting: 3,
          slotsOpening: 0,
          keysQueried: 0,
          heldUp: { key: "front page", isHex: false, pid: 4711, ageMs: 12_000 },
        }],
      },
    }),
    says: [
      /process 4711 holds up record front page of visits at n1/,
      /for 12 s/,
      /3 operations wait/,
      "ctdbx rec where visits 'front page' --home /srv/n0",
      "ps -o pid,stat,etime,args -p 4711",
    ],
  },
  {
    id: "record_held",
    about: "with a key that is no text",
    node: "n1",
    facts: inside(well(), "n1", {
      data: {
        isUp: true,
        failures: 0,
        databases: [{
          name: "visits",
          waiting: 1,
          slotsOpening: 0,
          keysQueried: 0,
          heldUp: { key: "00ff", isHex: true, ageMs: 1200 },
        }],
      },
    }),
    says: [/a program has had its chain/, "ctdbx rec where visits --hex 00ff --home /srv/n0"],
  },
  {
    id: "recovery_runs",
    severity: "info",
    facts: inside(well(), "n0", {
      data: {
        isUp: true,
        failures: 0,
        databases: [{ name: "visits", waiting: 0, slotsOpening: 7, keysQueried: 1 }],
      },
    }),
    says: [/n0 opens 7 slots of visits, and asks all for 1 record/],
  },
];
