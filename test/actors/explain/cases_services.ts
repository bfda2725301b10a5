/**
 * Facts for each cause about services, and what explain must say of them.
 *
 * Does NOT promise: facts that a daemon would send; test/live/services.test.ts has those.
 */

import type { Facts, ServiceFact } from "../../../actors/explain/facts.ts";
import type { Case } from "./cases.ts";
import { inside, NAMES, peer, well } from "./state.ts";

/** A check that has failed. */
const WEB: ServiceFact = {
  name: "web",
  kind: "http",
  target: "http://127.0.0.1/health",
  status: "failed",
  isCritical: true,
  phase: "idle",
  failures: 7,
  sinceMs: 65_000,
  why: "http://127.0.0.1/health has status 503",
  tail: ["no backend", "bye"],
  lastMsAgo: 1500,
  nextMs: 3500,
  restarts: 0,
  gaveUp: false,
};

/** Node n2 with such a check; it calls itself unhealthy, and the others know it. */
function sick(service: Partial<ServiceFact>, isUnhealthy = true): Facts {
  const condition = isUnhealthy ? "unhealthy" : "ok";
  const why = { why: "check web: http://127.0.0.1/health has status 503" };
  const peers = NAMES.map((name) =>
    peer(name, name === "n2" ? { condition, ...isUnhealthy ? why : {} } : {})
  );
  let facts = well();
  for (const name of NAMES) facts = inside(facts, name, { peers });
  return inside(facts, "n2", { condition, services: [{ ...WEB, ...service }] });
}

/** The same where no check is meant: event scripts have failed. */
function scripts(): Facts {
  const { nodes, ...rest } = sick({});
  const said = [{ source: "event scripts", why: "50.samba failed", tail: ["smbd is down"] }];
  return {
    ...rest,
    nodes: nodes.map((node) => {
      if (node.name !== "n2" || node.inside === undefined) return node;
      const { services: _, ...inside } = node.inside;
      return { ...node, inside: { ...inside, unwell: said } };
    }),
  };
}

/** One for each cause, and a few more. */
export const SERVICE_CASES: readonly Case[] = [
  {
    id: "node_unhealthy",
    about: "by its event scripts, with their last output",
    node: "n2",
    severity: "warning",
    facts: scripts(),
    says: [/event scripts said: smbd is down/],
  },
  {
    id: "check_failed",
    node: "n2",
    severity: "error",
    facts: sick({}),
    says: [
      /web of n2 fails/,
      /has status 503/,
      /failed for 1\.1 min|failed for 65 s|failed for 1 min/,
      /7 failures in a row, last looked at 1\.5 s ago/,
      /its output: no backend/,
      /its output: bye/,
      /looked at again in 3\.5 s/,
      /nothing starts it anew/,
      "service show web -n n2",
    ],
  },
  {
    id: "check_failed",
    about: "its service is started anew no more",
    node: "n2",
    facts: sick({
      restart: "systemctl restart web",
      restarts: 3,
      restartWhy: "done",
      gaveUp: true,
    }),
    says: [
      /started anew 3 times, the last time: done/,
      /started anew no more; .*service enable web/,
    ],
  },
  {
    id: "check_failed",
    about: "its service is started anew just now",
    node: "n2",
    facts: sick({ restart: "systemctl restart web", restarts: 1, phase: "restarting" }),
    says: [/it is started anew just now/, /by itself: systemctl restart web/],
  },
  {
    id: "check_starting",
    node: "n2",
    severity: "warning",
    facts: sick({ status: "starting" }),
    says: [/web of n2 has not passed yet/, /starting for/],
  },
  {
    id: "check_warning",
    node: "n2",
    severity: "info",
    facts: sick({ status: "warning", failures: 0 }, false),
    says: [/web of n2 warns/],
  },
  {
    id: "check_warning",
    about: "not critical",
    node: "n2",
    severity: "warning",
    facts: sick({ isCritical: false }, false),
    says: [/fails, and is not critical/, /stays healthy/],
  },
];
