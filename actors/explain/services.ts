/**
 * Services of a node that do not work, by its own checks.
 *
 * Does NOT promise: why a service does not work; the end of what its check said is shown.
 */
import type { Facts, Found, Rule, ServiceFact } from "./facts.ts";
import { askedWords, counted, ctdbx, found, shellWord, span, withWord } from "./words.ts";

function commandsOf(facts: Facts, node: string, { name }: ServiceFact): string[] {
  const outside = facts.nodes.find((each) => each.name === node)?.outside;
  const own = outside?.words ?? askedWords(facts);
  const at = outside === undefined ? ` -n ${shellWord(node)}` : "";
  return [
    ctdbx(`service show ${shellWord(name)}${at}`, own),
    // Checks are run where they are configured.
    ...outside === undefined ? [] : [ctdbx(`service run ${shellWord(name)}`, own)],
  ];
}

function evidenceOf(service: ServiceFact): string[] {
  const { kind, target, why, failures, sinceMs, status, lastMsAgo, tail, restarts } = service;
  const { restartWhy } = service;
  return [
    // The reason of most kinds begins with what was looked at.
    why?.startsWith(target)
      ? `${kind}: ${why}`
      : `${kind} ${target}: ${why ?? "no reason is known"}`,
    `${status} for ${span(sinceMs)}, ${counted(failures, "failure")} in a row${
      lastMsAgo === undefined ? "" : `, last looked at ${span(lastMsAgo)} ago`
    }`,
    ...(tail ?? []).map((line) => `its output: ${line}`),
    ...restarts === 0 ? [] : [
      `started anew ${counted(restarts, "time")}${
        restartWhy === undefined ? "" : `, the last time: ${restartWhy}`
      }`,
    ],
  ];
}

function nextOf(
  { restart, gaveUp, nextMs, name, phase }: ServiceFact,
  isCritical: boolean,
): string[] {
  const again = phase === "restarting"
    ? "it is started anew just now"
    : nextMs === undefined
    ? "it is looked at just now"
    : `it is looked at again in ${span(nextMs)}`;
  const anew = restart === undefined
    ? "nothing starts it anew"
    : gaveUp
    ? `it is started anew no more; \`ctdbx service enable ${name}\` has it tried again`
    : `it is started anew by itself: ${restart}`;
  const until = isCritical
    ? "until it is well the node is unhealthy: it leads last, and shall have no addresses"
    : "the node stays healthy: the check is not critical";
  return [again, anew, until];
}

function ofServices(
  facts: Facts,
  is: (service: ServiceFact) => boolean,
  make: (node: string, service: ServiceFact) => Pick<Found, "title" | "severity">,
): Found[] {
  return withWord(facts).flatMap(({ name, inside }) =>
    (inside.services ?? []).filter(is).map((service) =>
      found({
        node: name,
        ...make(name, service),
        evidence: evidenceOf(service),
        next: nextOf(service, service.isCritical),
        commands: commandsOf(facts, name, service),
      })
    )
  );
}

const CHECK_FAILED: Rule = {
  id: "check_failed",
  cause: "A service of a node does not work, by its check",
  evidence: "what the check looks at, its failures in a row, the end of its output, restarts",
  next: "the node is unhealthy, leads last and has no addresses, until the check passes",
  command: "ctdbx service show NAME",
  explainsHere: ["node_unhealthy", "address_none_here"],
  explainsAll: [],
  find: (facts) =>
    ofServices(
      facts,
      ({ status, isCritical }) => status === "failed" && isCritical,
      (node, { name }) => ({ title: `Check ${name} of ${node} fails`, severity: "error" }),
    ),
};

const CHECK_STARTING: Rule = {
  id: "check_starting",
  cause: "A service of a node was not well yet since its daemon's start",
  evidence: "what the check looks at, and what it has found so far",
  next: "the node is unhealthy until the check has passed once",
  command: "ctdbx service show NAME",
  explainsHere: ["node_unhealthy", "address_none_here"],
  explainsAll: [],
  find: (facts) =>
    ofServices(
      facts,
      ({ status, isCritical }) => status === "starting" && isCritical,
      (node, { name }) => ({
        title: `Check ${name} of ${node} has not passed yet`,
        severity: "warning",
      }),
    ),
};

const CHECK_WARNING: Rule = {
  id: "check_warning",
  cause: "A check warns, or one fails that is not critical",
  evidence: "what the check looks at, and what it has found",
  next: "nothing: the node stays healthy",
  command: "ctdbx service show NAME",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    ofServices(
      facts,
      ({ status, isCritical }) =>
        status === "warning" || (!isCritical && (status === "failed" || status === "starting")),
      (node, { name, status }) => ({
        title: status === "failed"
          ? `Check ${name} of ${node} fails, and is not critical`
          : `Check ${name} of ${node} ${status === "warning" ? "warns" : "has not passed yet"}`,
        severity: status === "failed" ? "warning" : "info",
      }),
    ),
};

/** Before the rule for nodes that call themselves unhealthy. */
export const SERVICE_RULES: readonly Rule[] = [CHECK_FAILED, CHECK_STARTING, CHECK_WARNING];
