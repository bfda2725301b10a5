/**
 * What the leader decides of a persistent or replicated database: who keeps it, who leads it, who is in sync.
 *
 *   nothing ── enough nodes have an empty copy ──▶ begun
 *   primary gone, or another life ──▶ failover: an in-sync copy that is here, whole, with the longest log
 *   primary on its way out ──▶ another in-sync copy leads, before it goes
 *   in-sync copy gone, or on its way ──▶ dropped, as long as m are left        more are in sync ──▶ m rises
 *   copy gone for long, leaves, or is one too many ──▶ another one is chosen, or none
 *
 * Pure: a document's words and what nodes tell go in, the next words come out, or what it waits for. Of several things
 * to do the first is done; the next document has the next.
 *
 * Does NOT promise: that what it says is effective; whoever made it proposes it, and adopts what is.
 */
import type { WantIsr } from "../../../transport/wire/messages/commit.ts";
import type { Pnn, Token } from "../../../transport/wire/terms.ts";
import { type CommitConfig, type InSync, lineageAfter } from "./config.ts";
import { choose, copiesWanted, mayKeep, mOf, reluctance, replicasFor } from "./placement.ts";
import type { PlanInput, PlanNode } from "./placement.ts";

/** What is to be done: the next words of the document, or what is waited for. */
export type Plan =
  | { readonly what: "change"; readonly config: CommitConfig; readonly why: string }
  | { readonly what: "wait"; readonly why: string }
  | { readonly what: "nothing" };

/** The next thing to do. */
export function plan(input: PlanInput): Plan {
  const { config } = input;
  if (config.lineage === 0n) return begin(input);
  if (config.unsure === true) return surePlan(input);
  return leadPlan(input) ?? mFalls(input) ?? dropPlan(input) ?? mRises(input) ??
    copiesPlan(input) ?? { what: "nothing" };
}

/** Nobody has begun: nodes with an empty copy do. */
function begin(input: PlanInput): Plan {
  const { config, nodes, version, random } = input;
  const count = copiesWanted(input);
  const able = nodes.filter(mayKeep);
  const isBlank = ({ isAlive, hello }: PlanNode) => isAlive && hello?.lineage === 0n;
  // Nobody waits for a node that is not there where enough others are.
  const pools = [able.filter(isBlank), able, nodes];
  const chosen = choose(config.dbId, pools.find((pool) => pool.length >= count) ?? nodes, count);
  const ready = chosen.filter(isBlank);
  const m = mOf(config, count);
  const [primary] = ready;
  if (primary === undefined || ready.length < m) {
    return { what: "wait", why: `for ${m} nodes with an empty copy, ${ready.length} are there` };
  }
  return {
    what: "change",
    why: "the database begins",
    config: {
      ...config,
      m,
      lineage: lineageAfter(0n, random),
      replicas: chosen.map(({ pnn }) => pnn),
      primary: primary.pnn,
      primaryInc: primary.incarnation,
      term: version,
      isr: ready.map((node) => asInSync(node)),
      reqSeen: 0,
    },
  };
}

/** The document may be an old one: what it says of copies counts when all that it names are there. */
function surePlan(input: PlanInput): Plan {
  const { unsure: _, ...config } = input.config;
  const all = config.isr.map(({ pnn }) => pnn).join(", ");
  if (config.isr.every((one) => holderOf(input, one) !== undefined)) {
    return { what: "change", why: `all in-sync copies are there: ${all}`, config };
  }
  const why = `for all in-sync copies of ${all}, as the cluster was led on by force`;
  return { what: "wait", why: `${why}: force-primary decides without them` };
}

function asInSync({ pnn, hello }: PlanNode): InSync {
  return { pnn, id: hello?.id ?? "" };
}

/** The node that holds an in-sync copy, if it is here with that copy. */
function holderOf({ config, nodes }: PlanInput, { pnn, id }: InSync): PlanNode | undefined {
  const node = nodes.find((one) => one.pnn === pnn);
  const isHere = node?.isAlive === true && node.hello?.id === id &&
    node.hello.lineage === config.lineage;
  return isHere ? node : undefined;
}

/** A primary that is not there, or no more what it was, or on its way out. */
function leadPlan(input: PlanInput): Plan | undefined {
  const { config, nodes, rules } = input;
  const current = nodes.find(({ pnn }) => pnn === config.primary);
  const own = config.isr.find(({ pnn }) => pnn === config.primary);
  const isWell = current?.isAlive === true && current.incarnation === config.primaryInc &&
    own !== undefined && (current.hello === undefined || current.hello.id === own.id);
  const here = config.isr.flatMap((one) => holderOf(input, one) ?? []);
  if (isWell) return movePlan(input, current, here);
  const others = rules.mayLead(false) ? nodes.filter(({ isAlive, hello }) => isAlive && hello) : [];
  const cands = [...here, ...others.filter((node) => !here.includes(node))]
    .filter(({ hello }) => hello?.isDamaged !== true || !rules.avoidsDamaged());
  const [next] = cands.sort((one, other) => order(one, other, config.primary));
  if (next === undefined) return newHistory(input) ?? waitForCopies(input, here);
  const isSame = next.pnn === config.primary;
  const why = isSame
    ? `${next.pnn} leads with a new life`
    : `${next.pnn} leads, ${config.primary} is gone`;
  const isOld = isSame && !rules.renewsTerm();
  return { what: "change", why, config: ledBy(input, next, isOld ? config.term : input.version) };
}

/** The primary is well, and goes: who stays longer takes over. What is under way is asked for again, by name. */
function movePlan(
  input: PlanInput,
  current: PlanNode,
  here: readonly PlanNode[],
): Plan | undefined {
  const { config, version } = input;
  const own = reluctance(config, current);
  if (own === 0) return undefined;
  const rank = (node: PlanNode) => reluctance(config, node);
  const [next] = here.filter((node) => rank(node) < own && node.hello?.isDamaged !== true)
    .sort((one, other) => rank(one) - rank(other) || order(one, other, config.primary));
  if (next === undefined) return undefined;
  const { going } = current;
  const why = going === undefined ? "keeps no copy any more" : going;
  return {
    what: "change",
    why: `${next.pnn} leads, ${current.pnn} ${why}`,
    config: ledBy(input, next, version),
  };
}

/** The words in which another one leads. */
function ledBy(input: PlanInput, next: PlanNode, term: CommitConfig["term"]): CommitConfig {
  const { pnn: primary, incarnation: primaryInc } = next;
  const isr = shrink(input, (one) => isStaying(input, one), next);
  return { ...input.config, primary, primaryInc, term, isr, reqSeen: 0 };
}

/** The longest log first, then who led before. */
function order(one: PlanNode, other: PlanNode, previous: Pnn): number {
  const [a, b] = [one.hello, other.hello];
  if (a === undefined || b === undefined) return 0;
  if (a.lastTerm !== b.lastTerm) return a.lastTerm > b.lastTerm ? -1 : 1;
  if (a.lastSeq !== b.lastSeq) return a.lastSeq > b.lastSeq ? -1 : 1;
  if (one.pnn === previous || other.pnn === previous) return one.pnn === previous ? -1 : 1;
  return one.pnn - other.pnn;
}

/** Is an in-sync copy here, and does its node not stop? */
function isStaying(input: PlanInput, one: InSync): boolean {
  const node = holderOf(input, one);
  return node !== undefined && node.going !== "stops";
}

/**
 * The in-sync set without those that do not stay, but never fewer than m: then commits wait for them, for those first
 * that are here still.
 */
function shrink(
  input: PlanInput,
  stays: (one: InSync) => boolean,
  primary: PlanNode,
): InSync[] {
  const { config, rules } = input;
  const isr = config.isr.some(({ pnn }) => pnn === primary.pnn)
    ? [...config.isr]
    : [...config.isr, asInSync(primary)];
  const kept = isr.filter((one) => one.pnn === primary.pnn || stays(one));
  const isHere = (one: InSync) => holderOf(input, one) !== undefined;
  for (const one of [...isr.filter(isHere), ...isr.filter((one) => !isHere(one))]) {
    if (rules.mayShrink(kept.length, config.m)) break;
    if (!kept.includes(one)) kept.push(one);
  }
  return kept;
}

function waitForCopies({ config }: PlanInput, here: readonly PlanNode[]): Plan {
  const names = config.isr.map(({ pnn }) => pnn).join(", ");
  const damaged = here.length > 0 ? "; the end of those that are here is damaged" : "";
  return { what: "wait", why: `for an in-sync copy of ${names}${damaged}` };
}

/** A replicated database of which every in-sync life is over begins anew, empty. */
function newHistory(input: PlanInput): Plan | undefined {
  const { config, nodes, version, random, rules } = input;
  if (config.kind !== "replicated") return undefined;
  const isOver = ({ pnn, id }: InSync) => {
    const node = nodes.find((one) => one.pnn === pnn);
    if (node === undefined) return false;
    return node.overInc >= BigInt(id) || (!node.isAlive && !rules.waitsForSilent());
  };
  if (!config.isr.every(isOver)) return undefined;
  const alive = nodes.filter((node) => node.isAlive && node.hello !== undefined && mayKeep(node));
  const chosen = choose(config.dbId, alive, copiesWanted(input));
  const [primary] = chosen;
  const m = mOf(config, copiesWanted(input));
  if (primary === undefined || chosen.length < m) return undefined;
  const { parent: _, ...rest } = config;
  return {
    what: "change",
    why: "all copies are gone: it begins anew, empty",
    config: {
      ...rest,
      m,
      lineage: lineageAfter(config.lineage, random),
      replicas: chosen.map(({ pnn }) => pnn),
      primary: primary.pnn,
      primaryInc: primary.incarnation,
      term: version,
      isr: chosen.slice(0, m).map(asInSync),
      reqSeen: 0,
    },
  };
}

/**
 * Copies whose node is dead or stops are dropped, as long as m are left: R1, R4. So are those that are to be no copies
 * any more, when all that are to be some are in sync.
 */
function dropPlan(input: PlanInput): Plan | undefined {
  const { config, nodes } = input;
  const nodeOf = (pnn: Pnn) => nodes.find((one) => one.pnn === pnn);
  const isLacking = replicasFor(input).some((pnn) => {
    const node = nodeOf(pnn);
    return node?.isAlive === true && mayKeep(node) && !config.isr.some((one) => one.pnn === pnn);
  });
  const isGone = ({ pnn, id }: InSync) => {
    const node = nodeOf(pnn);
    const isOther = node?.hello !== undefined && node.hello.id !== id;
    const isSurplus = !config.replicas.includes(pnn) && !isLacking;
    return node?.isAlive !== true || isOther || node.going === "stops" || isSurplus;
  };
  const primary = nodeOf(config.primary);
  if (primary === undefined || !config.isr.some(isGone)) return undefined;
  const isr = shrink(input, (one) => !isGone(one), primary);
  if (isr.length === config.isr.length) return undefined;
  return { what: "change", why: "in-sync copies are gone, or go", config: { ...config, isr } };
}

/** Fewer copies are to be, by command or because nodes leave: m is what it is for so many. */
function mFalls(input: PlanInput): Plan | undefined {
  const { config } = input;
  const m = mOf(config, copiesWanted(input));
  if (m >= config.m) return undefined;
  return { what: "change", why: `a commit needs ${m} copies now`, config: { ...config, m } };
}

/** m follows the number of copies upwards, when so many are in sync. */
function mRises(input: PlanInput): Plan | undefined {
  const { config } = input;
  const m = mOf(config, Math.min(copiesWanted(input), config.replicas.length));
  if (m <= config.m || config.isr.length < m) return undefined;
  return { what: "change", why: `${m} copies are in sync now`, config: { ...config, m } };
}

/** Copies are chosen for nodes that came, and for those that leave, or are silent for long. */
function copiesPlan(input: PlanInput): Plan | undefined {
  const { config } = input;
  const replicas = replicasFor(input);
  const isSame = replicas.length === config.replicas.length &&
    replicas.every((pnn) => config.replicas.includes(pnn));
  if (isSame || replicas.length === 0) return undefined;
  return { what: "change", why: "other nodes keep a copy", config: { ...config, replicas } };
}

/** The primary wants somebody in or out: the next words, or undefined when the request is void. */
export function decideWish(
  { config, nodes, rules }: PlanInput,
  from: Pnn,
  token: Token,
  wish: WantIsr,
): CommitConfig | undefined {
  const isOfNow = rules.isWishOfNow(wish.token === token, wish.term === config.term);
  if (
    config.unsure === true || !isOfNow || from !== config.primary ||
    !rules.isWishNew(wish.reqNo, config.reqSeen)
  ) {
    return undefined;
  }
  // Also when it is not done: the primary then counts without it.
  const reqSeen = Math.max(config.reqSeen, wish.reqNo);
  const { pnn, id } = wish;
  const rest = config.isr.filter((one) => one.pnn !== pnn);
  if (id === undefined) {
    const mayGo = pnn !== config.primary && rules.mayShrink(rest.length, config.m);
    return { ...config, reqSeen, isr: mayGo ? rest : config.isr };
  }
  const node = nodes.find((one) => one.pnn === pnn);
  const isHere = node?.isAlive === true && node.hello?.id === id && mayKeep(node);
  const mayCome = isHere && config.replicas.includes(pnn);
  return { ...config, reqSeen, isr: mayCome ? [...rest, { pnn, id }] : config.isr };
}

/**
 * An administrator gives up what only unreachable copies have: one copy leads on as a new lineage. Words for why not,
 * while an in-sync copy is there.
 */
export function forcePrimary(input: PlanInput, pnn: Pnn): CommitConfig | string {
  const { nodes, version, random } = input;
  const { unsure, ...config } = input.config;
  const here = config.isr.flatMap((one) => holderOf(input, one) ?? [])
    .filter(({ hello }) => hello?.isDamaged !== true);
  const [holder] = here;
  if (holder !== undefined && unsure !== true) {
    return `node ${holder.pnn} has an in-sync copy: it can lead`;
  }
  const node = nodes.find((one) => one.pnn === pnn);
  const hello = node?.hello;
  if (node?.isAlive !== true || hello === undefined) return `node ${pnn} is not there`;
  if (hello.lineage !== config.lineage) return `node ${pnn} has a copy of another history`;
  return {
    ...config,
    m: 1,
    lineage: lineageAfter(config.lineage, random),
    parent: { lineage: config.lineage, seq: hello.lastSeq, chain: hello.lastChain },
    replicas: [...new Set([pnn, ...config.replicas])].slice(0, Math.max(1, config.k)),
    primary: pnn,
    primaryInc: node.incarnation,
    term: version,
    isr: [{ pnn, id: hello.id }],
    reqSeen: 0,
  };
}
