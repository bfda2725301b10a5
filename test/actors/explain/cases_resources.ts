/**
 * Facts for each cause about resources of programs, and what explain must say of them.
 *
 * Does NOT promise: facts that a daemon would send; test/actors/resources/fleet.test.ts has those.
 */
import type { ResourcesFact } from "../../../actors/explain/inside_resources.ts";
import type { Case } from "./cases.ts";
import { inside, LEADER, well } from "./state.ts";

const OWN: ResourcesFact = { offered: 6, paused: { count: 0, first: [] } };

/** One for each cause. */
export const RESOURCE_CASES: readonly Case[] = [
  {
    id: "resource_free",
    severity: "error",
    facts: inside(well(), LEADER, {
      resources: {
        ...OWN,
        all: {
          known: 8,
          owned: 5,
          free: {
            count: 3,
            first: [{ name: "mail-1", why: "no program offers it any more" }, {
              name: "mail-2",
              why: "programs of n1 offer it, but it is not healthy",
            }],
          },
        },
      },
    }),
    says: [
      /Nobody owns 3 resources: mail-1, mail-2 and 1 more/,
      /5 of 8 resources are owned/,
      /mail-1: no program offers it any more/,
      /resource ls/,
    ],
  },
  {
    id: "resource_paused",
    node: "n2",
    severity: "warning",
    facts: inside(well(), "n2", {
      resources: {
        ...OWN,
        paused: { count: 1, first: [{ name: "mail-3", program: "mailer.ts (process 77)" }] },
      },
    }),
    says: [
      /Programs of n2 fail or hang with mail-3/,
      /mailer\.ts \(process 77\)/,
      /programs of n2 offer 6 resources/,
      /resource history/,
    ],
  },
];
