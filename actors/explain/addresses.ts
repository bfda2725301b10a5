/**
 * Public addresses that nobody hosts, that wait for a silent node, that a node does not let go of or cannot set; and
 * why a node hosts none.
 *
 * Does NOT promise: that somebody answers at an address that is hosted; that is the network's.
 */
import type { AddressesFact, AddressGroup, AllAddressesFact } from "./address_facts.ts";
import type { Facts, Found, InsideFacts, NodeFacts, Rule } from "./facts.ts";
import { flagsOf } from "./seen.ts";
import { askedWords, counted, ctdbx, found, isLeading, listed, shellWord } from "./words.ts";
import { span, withWord } from "./words.ts";

/** A node that is behind for so long has trouble; before, it is just at it, ms. */
const BEHIND_MS = 2000;
/** Reasons that are shown. */
const REASONS_MAX = 8;

type Spoken = NodeFacts & { readonly inside: InsideFacts };
type WithAddresses = Spoken & { readonly inside: { readonly addresses: AddressesFact } };

/** Nodes that say something of addresses. */
function speakers(facts: Facts): WithAddresses[] {
  return withWord(facts).filter((node): node is WithAddresses =>
    node.inside.addresses !== undefined
  );
}

/** What the leader says of all addresses. */
function ofAll(facts: Facts): AllAddressesFact | undefined {
  return speakers(facts).find(({ inside }) => isLeading(inside, facts.timing))
    ?.inside.addresses.all;
}

function some({ count, first }: AddressGroup): string {
  const more = count - first.length;
  return more <= 0 ? listed(first) : `${first.join(", ")} and ${more} more`;
}

/** So many that nobody hosts somebody could. */
function keptCount({ unhosted: { kept, first } }: AllAddressesFact): number {
  return kept ?? first.filter(({ isKept }) => isKept).length;
}

function addressCount(count: number): string {
  return counted(count, "address", "addresses");
}

/** Flags that keep addresses away, and in whose name. */
const FLAGS: Readonly<Record<string, string>> = {
  banned: "is banned",
  stopped: "is stopped by an operator",
  disabled: "is disabled by an operator",
  draining: "is drained by an operator",
};

/** Why a node may have no address at all, a phrase behind its name; undefined: it may. */
function whyNone(facts: Facts, name: string): string | undefined {
  const peer = flagsOf(facts, name);
  const inside = withWord(facts).find((node) => node.name === name)?.inside;
  const flag = peer?.flags.find((each) => FLAGS[each] !== undefined);
  if (peer?.leaving !== undefined) return "is on its way out of the cluster";
  if (flag !== undefined) return FLAGS[flag];
  if (inside?.runstate === "shutdown") return "is ending";
  if (peer !== undefined && !peer.isMember) return "is not in the view";
  if (peer?.condition === "unhealthy" || inside?.condition === "unhealthy") {
    const why = peer?.why ?? inside?.healthWhy;
    return `is not healthy${why === undefined ? "" : `: ${why}`}`;
  }
  return undefined;
}

/** Why a node that has addresses in its list can host none of some, a phrase behind its name. */
function whyNot(facts: Facts, name: string): string {
  const none = whyNone(facts, name);
  if (none !== undefined) return none;
  const own = speakers(facts).find((node) => node.name === name)?.inside.addresses;
  if (own === undefined) return "does not answer";
  const { noLink, broken } = own;
  if (noLink.length > 0) return `has no link at ${listed(noLink)}`;
  if (broken.count > 0) {
    return `could not set ${some(broken)}${broken.why === undefined ? "" : `: ${broken.why}`}`;
  }
  return "says that it cannot just now";
}

function lsCommand(facts: Facts): string {
  return ctdbx("ip ls", askedWords(facts));
}

const ADDRESS_NO_TAKEOVER: Rule = {
  id: "address_no_takeover",
  cause: "Nobody hosts an address, since NoIPTakeover keeps it from being taken",
  evidence: "which addresses, and that there are nodes that could host them",
  next: "nothing: it stays so until the tunable is reset",
  command: "ctdbx tunable reset NoIPTakeover",
  explainsHere: [],
  explainsAll: ["address_none_here"],
  find: (facts) => {
    const all = ofAll(facts);
    const kept = (all?.unhosted.first ?? []).filter(({ isKept }) => isKept);
    if (all === undefined || kept.length === 0) return [];
    return [found({
      title: `Nobody hosts ${
        some({ count: keptCount(all), first: kept.map(({ address }) => address) })
      }, and NoIPTakeover is set`,
      severity: "error",
      evidence: [
        `${all.hosted} of ${addressCount(all.known)} are hosted`,
        "NoIPTakeover is 1: no node takes an address that it does not host already",
      ],
      next: ["nothing: it stays so until the tunable is reset, or its former owner is back"],
      commands: [ctdbx("tunable reset NoIPTakeover", askedWords(facts)), lsCommand(facts)],
    })];
  },
};

const ADDRESS_UNHOSTED: Rule = {
  id: "address_unhosted",
  cause: "No node can host an address",
  evidence: "which addresses; of each node that has them in its list, why it cannot",
  next: "the first of them that can takes the addresses, at once",
  command: "ctdbx ip ls",
  explainsHere: [],
  explainsAll: ["address_none_here"],
  find: (facts) => {
    const all = ofAll(facts);
    const lost = (all?.unhosted.first ?? []).filter(({ isKept }) => !isKept);
    if (all === undefined || lost.length === 0) return [];
    const names = [...new Set(lost.flatMap(({ nodes }) => nodes))];
    const without = speakers(facts).map(({ name }) => name).filter((name) => !names.includes(name));
    const count = all.unhosted.count - keptCount(all);
    return [found({
      title: `Nobody can host ${addressCount(count)}: ${
        some({ count, first: lost.map(({ address }) => address) })
      }`,
      severity: "error",
      evidence: [
        ...names.slice(0, REASONS_MAX).map((name) => `${name} ${whyNot(facts, name)}`),
        ...names.length <= REASONS_MAX ? [] : [`${names.length - REASONS_MAX} more nodes cannot`],
        ...without.length === 0
          ? []
          : [`${listed(without.slice(0, REASONS_MAX))}: not in the list there`],
      ],
      next: ["clients of these addresses are not served; the first node that can takes them"],
      commands: [
        lsCommand(facts),
        ...names.slice(0, 1).map((name) =>
          ctdbx(`node explain ${shellWord(name)}`, askedWords(facts))
        ),
      ],
    })];
  },
};

const ADDRESS_WAITS: Rule = {
  id: "address_waits",
  cause: "Addresses wait for a node that may have them, and is silent",
  evidence: "how many; until when its lease, and the kernel's, are waited for",
  next: "they are taken by others when that time is over, or its supervisor certifies its death",
  command: "ctdbx ip ls",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const all = ofAll(facts);
    if (all === undefined || all.waiting.count === 0) return [];
    return all.silent.map(({ node, leftMs }) =>
      found({
        node,
        title: `${addressCount(all.waiting.count)} may be at ${node}, which is silent: ${
          some(all.waiting)
        }`,
        severity: "warning",
        evidence: [
          "it has not answered this leader, and its death is not certain",
          "two nodes must never have one address: so its lease and its kernel's are waited for",
        ],
        next: [
          leftMs === undefined
            ? "others take them when its supervisor says that it is dead"
            : `others take them in ${span(leftMs)}, or when its supervisor says that it is dead`,
        ],
        commands: [lsCommand(facts)],
      })
    );
  },
};

const ADDRESS_RELEASE: Rule = {
  id: "address_release",
  cause: "A node does not let go of an address",
  evidence: "which, for how long, and what the node itself says",
  next:
    "it is tried again twice a second; nobody else takes the address; the run fails, and the node gets credits",
  command: "ctdbx ip history",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => behind(facts, "releases"),
};

const ADDRESS_TAKE: Rule = {
  id: "address_take",
  cause: "A node does not set an address that it is to have",
  evidence: "which, for how long, and what the node itself says",
  next: "what failed is not offered for 10 s, so that another node gets it",
  command: "ctdbx ip history",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => behind(facts, "takes"),
};

function behind(facts: Facts, what: "releases" | "takes"): Found[] {
  return (ofAll(facts)?.behind ?? []).flatMap((one): Found[] => {
    const { node: name, sinceMs, [what]: group } = one;
    if (sinceMs < BEHIND_MS || group.count === 0) return [];
    const isRelease = what === "releases";
    const outside = facts.nodes.find((node) => node.name === name)?.outside;
    const words = outside?.words ?? askedWords(facts);
    const at = outside === undefined ? ` -n ${shellWord(name)}` : "";
    const own = speakers(facts).find((node) => node.name === name)?.inside.addresses;
    return [found({
      node: name,
      title: `${name} ${isRelease ? "does not let go of" : "has not set"} ${some(group)}`,
      severity: isRelease ? "error" : "warning",
      evidence: [
        `it was told so ${span(sinceMs)} ago`,
        own === undefined
          ? "it does not answer"
          : `by its own word it holds ${own.held} of ${
            addressCount(own.listed)
          }, backend ${own.backend}`,
        ...own?.broken.why === undefined ? [] : [`its last trouble: ${own.broken.why}`],
      ],
      next: [
        isRelease
          ? "it tries again twice a second; until that is done nobody else takes them"
          : "it tries again; what fails is offered to another node",
      ],
      commands: [
        ctdbx(`ip history${at}`, words),
        ctdbx(`event status ${isRelease ? "releaseip" : "takeip"}${at}`, words),
      ],
    })];
  });
}

const ADDRESS_NO_LINK: Rule = {
  id: "address_no_link",
  cause: "Interfaces for addresses of a node have no link",
  evidence: "which interfaces, and how many addresses need them",
  next: "the node offers these addresses again when there is a link",
  command: "ip link show INTERFACE",
  explainsHere: ["address_none_here"],
  explainsAll: [],
  find: (facts) =>
    speakers(facts).filter(({ inside }) => inside.addresses.unlinked.count > 0).map(
      ({ name, inside: { addresses: { noLink, unlinked, listed: all } }, outside }) =>
        found({
          node: name,
          title: `${name} has no link at ${listed(noLink)}`,
          severity: "warning",
          evidence: [
            `it cannot host ${unlinked.count} of ${addressCount(all)}: ${some(unlinked)}`,
          ],
          next: [
            "the kernel says so, or somebody has set it down (`iface set`, a script)",
            "others host them, if they can; with a link it offers them again",
          ],
          commands: [
            ...outside === undefined ? [] : [
              ctdbx("iface ls", outside.words),
              ...noLink.slice(0, 2).map((each) => `ip link show ${shellWord(each)}`),
            ],
            ctdbx("ip ls", outside?.words ?? askedWords(facts)),
          ],
        }),
    ),
};

const ADDRESS_BROKEN: Rule = {
  id: "address_broken",
  cause: "A node cannot set an address",
  evidence: "which, and why by its own word",
  next:
    "it does not offer it for 10 s, another node gets it; then it is tried again when it is its turn",
  command: "ctdbx ip history",
  explainsHere: ["address_none_here", "address_take"],
  explainsAll: [],
  find: (facts) =>
    speakers(facts).filter(({ inside }) => inside.addresses.broken.count > 0).map(
      ({ name, inside: { addresses: { broken, backend } }, outside }) =>
        found({
          node: name,
          title: `${name} cannot set ${some(broken)}`,
          severity: "warning",
          evidence: [`backend ${backend}: ${broken.why ?? "it does not say why"}`],
          next: ["it does not offer them for 10 s: others get them, if they can"],
          commands: [
            ctdbx(
              outside === undefined ? `ip history -n ${shellWord(name)}` : "ip history",
              outside?.words ?? askedWords(facts),
            ),
          ],
        }),
    ),
};

const ADDRESS_MIXED: Rule = {
  id: "address_mixed",
  cause: "Some nodes set addresses, and others only say that they would",
  evidence: "which nodes have which backend",
  next: "an address that the plan gives to a node with backend dry is set nowhere",
  command: "ctdbx ip ls",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const own = speakers(facts).filter(({ inside }) => inside.addresses.listed > 0);
    const backends = [...new Set(own.map(({ inside }) => inside.addresses.backend))].sort();
    if (backends.length < 2) return [];
    const at = (backend: string) => own.filter((node) => node.inside.addresses.backend === backend);
    const dry = at("dry").reduce((count, { inside }) => count + inside.addresses.held, 0);
    return [found({
      title: `Addresses are set at some nodes and not at others: ${
        addressCount(dry)
      } at nodes with backend dry`,
      severity: "warning",
      evidence: backends.map((each) =>
        `backend ${each}: ${listed(at(each).map(({ name }) => name).slice(0, REASONS_MAX))}`
      ),
      next: [
        "clients of an address at a node with backend dry are not served",
        'the same `[addresses] backend` at all nodes; until then `node disable` those with "dry"',
      ],
      commands: [
        lsCommand(facts),
        ...at("dry").slice(0, 1).map(({ name }) =>
          ctdbx(`node disable ${shellWord(name)}`, askedWords(facts))
        ),
      ],
    })];
  },
};

const ADDRESS_NONE_HERE: Rule = {
  id: "address_none_here",
  cause: "A node hosts no address, while others do",
  evidence: "why it may not, or why it gets none",
  next: "it gets some when the reason is gone",
  command: "ctdbx ip rebalance --to NODE",
  explainsHere: [],
  explainsAll: [],
  find: (facts) => {
    const all = ofAll(facts);
    if (all === undefined || all.hosted === 0) return [];
    return speakers(facts).flatMap((node): Found[] => {
      const { name, inside: { addresses: { held, listed: own, isConfigured, able } } } = node;
      if (held > 0 || (own === 0 && !isConfigured)) return [];
      const why = own === 0
        ? "its list is empty"
        : whyNone(facts, name) ?? (able === 0
          ? whyNot(facts, name)
          : all.isNoFailback
          ? "NoIPFailback is set: nothing moves to it for balance"
          : undefined);
      // With fewer addresses than nodes somebody has none, and all is well.
      if (why === undefined) return [];
      return [found({
        node: name,
        title: `${name} hosts no public address`,
        severity: "info",
        evidence: [
          /^(?:its|NoIP)/.test(why) ? why : `${name} ${why}`,
          `${all.hosted} of ${addressCount(all.known)} are hosted elsewhere`,
        ],
        next: ["it gets some when that is over"],
        commands: [
          own === 0
            ? ctdbx("ip reload", node.outside?.words ?? askedWords(facts))
            : ctdbx(`ip rebalance --to ${shellWord(name)}`, askedWords(facts)),
        ],
      })];
    });
  },
};

/** Late: what is wrong with nodes is why addresses are not where they belong. */
export const ADDRESS_RULES: readonly Rule[] = [
  ADDRESS_NO_TAKEOVER,
  ADDRESS_UNHOSTED,
  ADDRESS_WAITS,
  ADDRESS_RELEASE,
  ADDRESS_NO_LINK,
  ADDRESS_BROKEN,
  ADDRESS_TAKE,
  ADDRESS_MIXED,
  ADDRESS_NONE_HERE,
];
