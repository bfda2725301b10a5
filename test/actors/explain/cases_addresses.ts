/**
 * Facts for each cause about public addresses, and what explain must say of them.
 *
 * Does NOT promise: facts that a daemon would send; test/actors/explain/inside_addresses.test.ts has those.
 */

import type {
  AddressesFact,
  AddressGroup,
  AllAddressesFact,
} from "../../../actors/explain/address_facts.ts";
import type { Facts, PeerFact } from "../../../actors/explain/facts.ts";
import type { Case } from "./cases.ts";
import { inside, LEADER, NAMES, peer, well } from "./state.ts";

const NONE: AddressGroup = { count: 0, first: [] };

/** Addresses of a node that is well: two of its six are here. */
export const OWN: AddressesFact = {
  listed: 6,
  held: 2,
  able: 6,
  isConfigured: true,
  backend: "dry",
  noLink: [],
  unlinked: NONE,
  broken: NONE,
};
/** All of them are hosted. */
export const ALL: AllAddressesFact = {
  known: 6,
  hosted: 6,
  unhosted: { count: 0, first: [] },
  waiting: NONE,
  silent: [],
  behind: [],
  isNoTakeover: false,
  isNoFailback: false,
};

/** Three nodes with addresses; the leader says `all`, nodes say `own`, peers are as `peers` say. */
export function hosting(
  all: Partial<AllAddressesFact>,
  own: Readonly<Record<string, Partial<AddressesFact>>> = {},
  peers: Readonly<Record<string, Partial<PeerFact>>> = {},
): Facts {
  let facts = well();
  for (const name of NAMES) {
    const addresses = {
      ...OWN,
      ...own[name],
      ...name === LEADER ? { all: { ...ALL, ...all } } : {},
    };
    const seen = NAMES.map((each) => peer(each, peers[each]));
    const condition = peers[name]?.condition ?? "ok";
    facts = inside(facts, name, { addresses, peers: seen, condition });
  }
  return facts;
}

/** Twelve that nobody hosts; n0 and n1 have them in their lists. */
export const UNHOSTED: AllAddressesFact["unhosted"] = {
  count: 12,
  first: [
    { address: "192.0.2.6", nodes: ["n0", "n1"], isKept: false },
    { address: "192.0.2.5", nodes: ["n0", "n1"], isKept: false },
  ],
};

/** One for each cause, and a few more. */
export const ADDRESS_CASES: readonly Case[] = [
  {
    id: "address_unhosted",
    about: "who has it is disabled, or not healthy; others have it not in their lists",
    severity: "error",
    facts: hosting(
      { hosted: 0, known: 12, unhosted: UNHOSTED },
      {},
      {
        n0: { condition: "unhealthy", why: "check web: status 503" },
        n1: { condition: "disabled", flags: ["disabled"] },
      },
    ),
    says: [
      /Nobody can host 12 addresses: 192\.0\.2\.6, 192\.0\.2\.5 and 10 more/,
      /n0 is not healthy: check web: status 503/,
      /n1 is disabled by an operator/,
      /n2: not in the list there/,
      /ip ls/,
      "node explain n0",
    ],
  },
  {
    id: "address_unhosted",
    about: "no link, cannot be set, ending, leaving",
    severity: "error",
    facts: inside(
      hosting(
        {
          unhosted: {
            count: 1,
            first: [{ address: "192.0.2.6", nodes: ["n0", "n1", "n2", "n9"], isKept: false }],
          },
        },
        {
          n0: { noLink: ["eth0", "eth1"], unlinked: NONE, able: 0 },
          n1: { broken: NONE },
        },
        { n2: { leaving: { why: "old", step: "records" } } },
      ),
      "n1",
      { runstate: "shutdown" },
    ),
    says: [
      /n0 has no link at eth0 and eth1/,
      /n1 is ending/,
      /n2 is on its way out of the cluster/,
      /n9 does not answer/,
    ],
  },
  {
    id: "address_no_takeover",
    severity: "error",
    facts: hosting({
      isNoTakeover: true,
      hosted: 5,
      unhosted: { count: 1, first: [{ address: "192.0.2.6", nodes: ["n0"], isKept: true }] },
    }),
    says: [/Nobody hosts 192\.0\.2\.6, and NoIPTakeover is set/, "tunable reset NoIPTakeover"],
  },
  {
    id: "address_waits",
    node: "n2",
    severity: "warning",
    facts: hosting({
      waiting: { count: 2, first: ["192.0.2.6", "192.0.2.5"] },
      silent: [{ node: "n2", leftMs: 3400 }],
    }),
    says: [
      /2 addresses may be at n2, which is silent: 192\.0\.2\.6 and 192\.0\.2\.5/,
      /others take them in 3\.4 s/,
    ],
  },
  {
    id: "address_release",
    node: "n2",
    severity: "error",
    facts: hosting({
      behind: [{
        node: "n2",
        sinceMs: 7000,
        releases: { count: 1, first: ["192.0.2.6"] },
        takes: NONE,
      }],
    }),
    says: [
      /n2 does not let go of 192\.0\.2\.6/,
      /told so 7\.0 s ago/,
      /nobody else takes them/,
      "ip history -n n2",
      "event status releaseip -n n2",
    ],
  },
  {
    id: "address_take",
    node: "n2",
    severity: "warning",
    facts: hosting({
      behind: [{
        node: "n2",
        sinceMs: 5000,
        releases: NONE,
        takes: { count: 1, first: ["192.0.2.6"] },
      }],
    }),
    says: [/n2 has not set 192\.0\.2\.6/, /it holds 2 of 6 addresses, backend dry/],
  },
  {
    id: "address_no_link",
    node: "n0",
    severity: "warning",
    facts: hosting({}, {
      n0: { noLink: ["eth0"], unlinked: { count: 3, first: ["192.0.2.1"] }, able: 3 },
    }),
    says: [
      /n0 has no link at eth0/,
      /cannot host 3 of 6 addresses: 192\.0\.2\.1 and 2 more/,
      "ip link show eth0",
    ],
  },
  {
    id: "address_broken",
    node: "n2",
    severity: "warning",
    facts: hosting({}, {
      n2: { broken: { count: 1, first: ["192.0.2.6"], why: "RTNETLINK answers: File exists" } },
    }),
    says: [/n2 cannot set 192\.0\.2\.6/, /backend dry: RTNETLINK answers: File exists/],
  },
  {
    id: "address_mixed",
    severity: "warning",
    facts: hosting({}, { n0: { backend: "iproute2" }, n2: { backend: "iproute2" } }),
    says: [
      /2 addresses at nodes with backend dry/,
      /backend dry: n1/,
      /backend iproute2: n0 and n2/,
      "node disable n1",
    ],
  },
  {
    id: "address_none_here",
    about: "its list is empty",
    node: "n2",
    severity: "info",
    facts: hosting({}, { n2: { listed: 0, held: 0, able: 0 } }),
    says: [/n2 hosts no public address/, /its list is empty/, /6 of 6 addresses are hosted/],
  },
  {
    id: "address_none_here",
    about: "nothing moves for balance",
    node: "n2",
    severity: "info",
    facts: hosting({ isNoFailback: true }, { n2: { held: 0 } }),
    says: [/NoIPFailback is set/, "ip rebalance --to n2"],
  },
];
