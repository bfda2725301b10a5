/**
 * Words and small judgements that the rules of explain share.
 *
 * Does NOT promise: a language other than English.
 */
import type { Facts, Found, InsideFacts, NodeFacts, OutsideFacts } from "./facts.ts";
import type { Timing } from "../machines/cluster/tunables.ts";

/** What follows from one node's standstill, at itself. */
export const STANDSTILL: readonly string[] = [
  "node_silent",
  "no_lease",
  "joining",
  "cut_in",
  "cut_off",
  "cut_out",
  "node_unhealthy",
  "nats_lost",
  "lock_unreadable",
  "address_waits",
  "address_release",
  "address_take",
  "address_none_here",
];
/** What the loss of one node brings over the others for a while. */
export const COMMOTION: readonly string[] = ["electing", "view_change"];

/** A time span for people: 40 ms, 2.5 s, 12 s, 7 min, 5 h, 3 d. */
export function span(ms: number): string {
  const most = Math.max(0, ms);
  if (most < 100) return `${Math.round(most)} ms`;
  const seconds = most / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  if (seconds < 7170) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}

/** "1 node", "3 nodes". */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** Names in a sentence: n0; n0 and n1; n0, n1 and n2. */
export function listed(names: readonly string[]): string {
  if (names.length <= 1) return names[0] ?? "nobody";
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** A finding without what it does not need to say. */
export function found(
  parts: Pick<Found, "title" | "severity"> & Partial<Found>,
): Found {
  return { evidence: [], next: [], commands: [], ...parts };
}

/** The words that point a command at the node that was asked. */
export function askedWords({ nodes }: Facts): string {
  return nodes.find(({ isAsked }) => isAsked)?.outside?.words ?? "";
}

/** A command line of this program; `words` name the node. */
export function ctdbx(command: string, words = ""): string {
  return words === "" ? `ctdbx ${command}` : `ctdbx ${command} ${words}`;
}

/** A word that a shell takes as it is. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Nodes of which something is known from inside. */
export function withWord(facts: Facts): (NodeFacts & { readonly inside: InsideFacts })[] {
  return facts.nodes.filter((node): node is NodeFacts & { readonly inside: InsideFacts } =>
    node.inside !== undefined
  );
}

/** Nodes of this machine. */
export function onMachine(facts: Facts): (NodeFacts & { readonly outside: OutsideFacts })[] {
  return facts.nodes.filter((node): node is NodeFacts & { readonly outside: OutsideFacts } =>
    node.outside !== undefined
  );
}

/** Who knows most of all nodes: the leader, else the asked one, else any that has a document. */
export function bestWord(facts: Facts): (NodeFacts & { readonly inside: InsideFacts }) | undefined {
  const knowing = withWord(facts).filter(({ inside }) => inside.document !== undefined);
  return knowing.find(({ inside }) => isLeading(inside, facts.timing)) ??
    knowing.find(({ isAsked }) => isAsked) ?? knowing[0];
}

/** Does it lead, by its own word, with a majority that follows it at this moment? */
export function isLeading({ lead }: InsideFacts, { glMs }: Timing): boolean {
  return lead !== undefined && lead.isEffective && lead.isGranting && lead.grantedMsAgo <= glMs;
}

/** Some node that hears a leader now; undefined: none that has answered does. */
export function anyLeader(facts: Facts): string | undefined {
  return withWord(facts).find(({ inside }) => inside.leader !== undefined)?.inside.leader;
}

/** How long a member that falls silent may serve at the most, and is waited for, ms. */
export function waitOutMs({ glMs, nodeTtlMs, marginMs }: Timing): number {
  return glMs + nodeTtlMs + marginMs;
}

/** What becomes of the leases when nobody extends them. */
export function leaseWords(inside: InsideFacts | undefined, timing: Timing): string {
  const left = inside?.leaseLeftMs;
  if (inside === undefined) {
    return `a lease lasts ${span(timing.nodeTtlMs)}; then the node serves nothing`;
  }
  if (left === undefined) return "it has had no lease in this life: it serves nothing";
  return left > 0
    ? `its lease ends in ${span(left)}; then it serves nothing`
    : `its lease is over since ${span(-left)}: it serves nothing`;
}
