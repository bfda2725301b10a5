/**
 * Explains a state: from facts to findings, the root causes first and what follows from them below.
 *
 *   facts ─▶ rules, each for itself ─▶ findings ─▶ which one explains which ─▶ roots, ranked, with the rest under them
 *
 * A finding is put under the first of those, in the order of RULES, whose rule names it among what follows; so a cause
 * stands before its consequences whatever their severity. Roots are ranked by the gravest of their group, then by the
 * order of RULES, then the asked node first.
 *
 * Does NOT promise: the truth; it says what the facts fit, and shows them. No finding means: nothing that these rules
 * look for, and `checks` says what was looked at.
 */
import type { Facts, Found, Rule, Severity } from "./facts.ts";
import { SEVERITIES } from "./facts.ts";
import { ADDRESS_RULES } from "./addresses.ts";
import { PASSING_RULES, QUORUM_RULES, SPLIT_RULES } from "./cluster.ts";
import { COMMIT_RULES } from "./commits.ts";
import { CUT_RULES } from "./cut.ts";
import { DECIDED_RULES, GONE_RULES } from "./decided.ts";
import { DISK_LATE_RULES, DISK_RULES } from "./disk.ts";
import { NATS_LATE_RULES, NATS_NODE_RULES, NATS_RULES } from "./nats.ts";
import { NODE_LATE_RULES, NODE_RULES } from "./nodes.ts";
import { PART_RULES, REFUSAL_RULES } from "./parts.ts";
import { DAEMON_RULES } from "./process.ts";
import { DATA_RULES, RECORD_RULES } from "./records.ts";
import { RESOURCE_RULES } from "./resources.ts";
import { SERVICE_RULES } from "./services.ts";
import { SUPERVISOR_RULES } from "./supervisor.ts";

/** All rules, from the deepest cause on. */
export const RULES: readonly Rule[] = [
  ...SPLIT_RULES,
  ...NATS_RULES,
  ...QUORUM_RULES,
  ...GONE_RULES,
  ...SUPERVISOR_RULES,
  ...DAEMON_RULES,
  ...NATS_NODE_RULES,
  ...DISK_RULES,
  ...DATA_RULES,
  ...DECIDED_RULES,
  ...CUT_RULES,
  ...NODE_RULES,
  ...PASSING_RULES,
  ...SERVICE_RULES,
  ...NODE_LATE_RULES,
  ...ADDRESS_RULES,
  ...RESOURCE_RULES,
  ...PART_RULES,
  ...RECORD_RULES,
  ...COMMIT_RULES,
  ...NATS_LATE_RULES,
  ...DISK_LATE_RULES,
  ...REFUSAL_RULES,
];

/** A finding and those that belong to it. */
export interface Finding extends Found {
  readonly id: string;
  /** What follows from it, or what it is made of. */
  readonly also: readonly Finding[];
}

interface Node {
  readonly rule: Rule;
  readonly order: number;
  readonly found: Found;
  root: Node | undefined;
  readonly below: Node[];
}

/** The findings, the first one first. */
export function explain(facts: Facts, rules: readonly Rule[] = RULES): Finding[] {
  const nodes = rules.flatMap((rule, order) =>
    rule.find(facts).map((found): Node => ({ rule, order, found, root: undefined, below: [] }))
  );
  for (const node of nodes) {
    const cause = nodes.find((other) => other.order < node.order && follows(other, node));
    if (cause === undefined) continue;
    node.root = cause.root ?? cause;
    node.root.below.push(node);
  }
  const asked = facts.nodes.find(({ isAsked }) => isAsked)?.name;
  const roots = nodes.filter(({ root }) => root === undefined);
  return roots.sort((one, other) => compare(one, other, asked)).map(findingOf);
}

/** Does `effect` follow from `cause`? */
function follows({ rule, found }: Node, effect: Node): boolean {
  if (found.severity === "info") return false;
  const { id } = effect.rule;
  const { node } = effect.found;
  const names = found.explainsOf;
  if (rule.explainsAll.includes(id)) {
    // What is of one node is explained only where that one is meant; but without a leader nobody has a lease.
    return names === undefined || node === undefined || names.includes(node) || id === "no_lease";
  }
  return rule.explainsHere.includes(id) && node !== undefined && node === found.node;
}

function graveness({ found, below }: Node): number {
  return Math.min(
    ...[found, ...below.map((each) => each.found)].map(({ severity }) =>
      SEVERITIES.indexOf(severity)
    ),
  );
}

function compare(one: Node, other: Node, asked: string | undefined): number {
  const isFirst = (node: Node) => node.found.node === asked ? 0 : 1;
  return graveness(one) - graveness(other) || one.order - other.order ||
    isFirst(one) - isFirst(other) ||
    (one.found.node ?? "").localeCompare(other.found.node ?? "");
}

function findingOf({ rule, found, below }: Node): Finding {
  return { ...found, id: rule.id, also: below.map(findingOf) };
}

/** The gravest of findings; undefined: there is none. */
export function gravest(findings: readonly Finding[]): Severity | undefined {
  const all = findings.flatMap((finding) => [finding, ...finding.also]);
  return SEVERITIES.find((severity) => all.some((finding) => finding.severity === severity));
}
