/**
 * Facts for each cause about persistent and replicated databases, and what explain must say of them.
 *
 * Does NOT promise: facts of a real daemon; test/live/commits_forced.test.ts has one.
 */

import type { CommitFact, Facts } from "../../../actors/explain/facts.ts";
import type { Case } from "./cases.ts";
import { change, inside, lost, well } from "./state.ts";

const BANK: CommitFact = {
  m: 2,
  primary: "n0",
  inSync: ["n0", "n2"],
  others: ["n1"],
  own: "copy",
  hasBegun: true,
  isUnsure: false,
};

/** One node says this of bank. */
function bank(facts: Facts, node: string, more: Partial<CommitFact>): Facts {
  const database = {
    ...{ name: "bank", waiting: 0, slotsOpening: 0, keysQueried: 0 },
    commit: { ...BANK, ...more },
  };
  return inside(facts, node, { data: { isUp: true, failures: 0, databases: [database] } });
}

/** n2 is away, and all hear that it is: bank has no primary. */
export function bankWithout(): Facts {
  const silent = { inside: undefined, silence: "no answer within 2 s" };
  const away = lost(change(well(), "n2", silent), "n2", 9000);
  return bank(away, "n1", { waits: "for an in-sync copy of n0, n2" });
}

/** Causes about them. */
export const COMMIT_CASES: readonly Case[] = [
  {
    id: "commit_waits",
    about: "for a copy that is away",
    severity: "error",
    facts: bank(well(), "n1", { waits: "for an in-sync copy of n0, n2" }),
    says: [
      /Database bank has no primary/,
      /the leader waits for an in-sync copy of n0, n2/,
      /in sync: n0 and n2/,
      /when one of them is back with its disk/,
      "ctdbx db force-primary bank n1 --dry-run --home /srv/n0",
    ],
  },
  {
    id: "commit_waits",
    about: "after the cluster was led on by force",
    severity: "error",
    facts: bank(well(), "n1", { waits: "for all in-sync copies of n0, n2", isUnsure: true }),
    says: [/waits for all its in-sync copies, as the cluster was led on by force/, /all of them/],
  },
  {
    id: "commit_waits",
    about: "that has not begun",
    severity: "warning",
    facts: bank(well(), "n1", {
      ...{ waits: "for 2 nodes with an empty copy, 1 are there", hasBegun: false },
      ...{ inSync: [], others: ["n0", "n1", "n2"] },
    }),
    says: [/Database bank has not begun/, /it begins by itself/],
  },
  {
    id: "commit_readonly",
    severity: "error",
    facts: bank(well(), "n0", { serving: "readonly", own: "primary", cause: "too_few" }),
    says: [
      /takes no transactions: too few in-sync copies answer/,
      /n0 is its primary, and a commit needs 2 copies/,
      /reads go on/,
      "ctdbx db set bank --min-in-sync 1 --home /srv/n0",
    ],
  },
  {
    id: "commit_broken",
    about: "that stopped",
    node: "n2",
    severity: "error",
    facts: bank(well(), "n2", { cause: "stopped", trouble: "A1: entry 7", own: "in_sync" }),
    says: [
      /n2 cannot use its copy of bank/,
      "A1: entry 7",
      /it is in-sync/,
      /the other copies go on/,
    ],
  },
  {
    id: "commit_broken",
    about: "whose end is damaged",
    node: "n2",
    severity: "error",
    facts: bank(well(), "n2", { cause: "damaged", trouble: "the end of its log is damaged" }),
    says: [/comes from an in-sync copy; alone it is not led on from/],
  },
  {
    id: "commit_full",
    node: "n0",
    severity: "error",
    facts: bank(well(), "n0", {
      ...{ cause: "full", trouble: "there is no room on the disk" },
      ...{ serving: "readonly", own: "primary" },
    }),
    says: [/n0 has no room for bank/, /df -h \/srv\/n0\/state/],
  },
];
