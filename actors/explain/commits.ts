/**
 * Persistent and replicated databases that do not serve: nobody leads them, too few copies are in sync, a copy cannot
 * be used, there is no room.
 *
 * Does NOT promise: what a copy lacks that nobody hears; `ctdbx db force-primary --dry-run` says what is known of each.
 */
import type { CommitFact, Facts, Found, NodeFacts, Rule } from "./facts.ts";
import {
  askedWords,
  bestWord,
  counted,
  ctdbx,
  found,
  listed,
  shellWord,
  withWord,
} from "./words.ts";

interface At {
  readonly node: NodeFacts;
  readonly name: string;
  readonly commit: CommitFact;
}

/** The databases of which nodes have something to say. */
function commitsOf(facts: Facts): At[] {
  return withWord(facts).flatMap((node) =>
    (node.inside.data?.databases ?? []).flatMap(({ name, commit }) =>
      commit === undefined ? [] : [{ node, name, commit }]
    )
  );
}

/** Of those nodes, the ones that are not well, as far as anybody hears. */
function missingOf(facts: Facts, names: readonly string[]): string[] {
  const peers = bestWord(facts)?.inside.peers ?? [];
  return names.filter((name) => {
    const peer = peers.find((one) => one.name === name);
    return peer !== undefined && (!peer.isMember || peer.condition !== "ok");
  });
}

function backWords(facts: Facts, names: readonly string[]): string[] {
  const missing = missingOf(facts, names);
  if (missing.length === 0) return [];
  return [`not well: ${listed(missing)}`];
}

function nodeCommands(facts: Facts, names: readonly string[]): string[] {
  return missingOf(facts, names).slice(0, 2).map((name) =>
    ctdbx(`node status ${shellWord(name)}`, askedWords(facts))
  );
}

const COMMIT_WAITS: Rule = {
  id: "commit_waits",
  cause: "A persistent or replicated database has no primary: nobody has a copy that is in sync",
  evidence:
    "what the leader waits for; which nodes have those copies, and which of them are not well",
  next: "it serves by itself when such a copy is back; until then transactions wait, reads go on",
  command: "ctdbx db force-primary DATABASE NODE --dry-run",
  explainsHere: [],
  explainsAll: ["commit_readonly"],
  find: (facts) =>
    commitsOf(facts).flatMap(({ name, commit }): Found[] => {
      const { waits, inSync, isUnsure, hasBegun, others } = commit;
      if (waits === undefined) return [];
      const words = askedWords(facts);
      const title = !hasBegun
        ? `Database ${name} has not begun`
        : isUnsure
        ? `Database ${name} waits for all its in-sync copies, as the cluster was led on by force`
        : `Database ${name} has no primary: no in-sync copy is there that can lead`;
      const [copy = "NODE"] = others;
      return [found({
        title,
        severity: hasBegun ? "error" : "warning",
        evidence: [
          `the leader waits ${waits}`,
          ...inSync.length === 0 ? [] : [`in sync: ${listed(inSync)}`],
          ...backWords(facts, inSync),
        ],
        next: hasBegun
          ? [
            "transactions wait until their deadline, and reads of what nodes have go on",
            isUnsure
              ? "it serves by itself when all of them are there"
              : "it serves by itself when one of them is back with its disk",
          ]
          : ["it begins by itself when most of the nodes that shall keep it have an empty copy"],
        commands: [
          ...nodeCommands(facts, inSync),
          ...hasBegun
            ? [
              ctdbx(
                `db force-primary ${shellWord(name)} ${shellWord(copy)} --dry-run`,
                words,
              ),
            ]
            : [],
          ctdbx(`db status ${shellWord(name)}`, words),
        ],
      })];
    }),
};

const COMMIT_READONLY: Rule = {
  id: "commit_readonly",
  cause: "Too few in-sync copies of a database answer: it takes no transactions",
  evidence: "how many a commit needs, which nodes have them, and which of those are not well",
  next: "transactions are refused at once, reads go on; it takes them when enough answer",
  command: "ctdbx db status DATABASE",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    commitsOf(facts).flatMap(({ node, name, commit }): Found[] => {
      const { serving, inSync, m } = commit;
      if (serving !== "readonly" || commit.cause === "full") return [];
      const words = askedWords(facts);
      return [found({
        title: `Database ${name} takes no transactions: too few in-sync copies answer`,
        severity: "error",
        evidence: [
          `${node.name} is its primary, and a commit needs ${counted(m, "copy", "copies")}`,
          `in sync: ${listed(inSync)}`,
          ...backWords(facts, inSync),
        ],
        next: [
          "transactions are refused at once, nothing of them is done; reads go on",
          "when the copies are back, or others are in sync, it takes them again",
          "with a lower --min-in-sync it goes on with fewer, which are then fewer disks that have a commit",
        ],
        commands: [
          ...nodeCommands(facts, inSync),
          ctdbx(`db status ${shellWord(name)}`, words),
          ctdbx(`db set ${shellWord(name)} --min-in-sync ${Math.max(1, m - 1)}`, words),
        ],
      })];
    }),
};

const COMMIT_BROKEN: Rule = {
  id: "commit_broken",
  cause:
    "The copy of a database at a node cannot be used: it is damaged, or the node cannot open it",
  evidence: "what the node met; whether it is the primary's, or one that is in sync",
  next: "the node keeps none until its next life, or until it is mended; the others go on",
  command: "ctdbx db status DATABASE",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    commitsOf(facts).flatMap(({ node, name, commit }): Found[] => {
      const { cause, trouble, own } = commit;
      if (trouble === undefined || (cause !== "stopped" && cause !== "damaged")) return [];
      const words = node.outside?.words ?? askedWords(facts);
      return [found({
        node: node.name,
        title: `${node.name} cannot use its copy of ${name}`,
        severity: "error",
        evidence: [
          trouble,
          ...own === "closed" ? [] : [`by the document it is ${own.replace("_", "-")}`],
        ],
        next: cause === "damaged"
          ? ["what its end lacks comes from an in-sync copy; alone it is not led on from"]
          : [
            "the other copies go on; programs at this node are refused for this database",
            "it is tried again in the node's next life; with a disk that is well it catches up by itself",
          ],
        commands: [
          ctdbx(`db status ${shellWord(name)}`, words),
          ...node.outside === undefined
            ? []
            : [`tail -n 20 ${shellWord(`${node.outside.runFolder}/daemon.log`)}`],
        ],
      })];
    }),
};

const COMMIT_FULL: Rule = {
  id: "commit_full",
  cause: "There is no room for the log of a database at a node",
  evidence: "which database, and what the node says",
  next: "a primary takes no transactions, a copy holds them up; it goes on when there is room",
  command: "df STATE_FOLDER",
  explainsHere: [],
  explainsAll: ["commit_readonly"],
  find: (facts) =>
    commitsOf(facts).flatMap(({ node, name, commit }): Found[] => {
      if (commit.cause !== "full") return [];
      const { outside } = node;
      return [found({
        node: node.name,
        title: `${node.name} has no room for ${name}`,
        severity: "error",
        evidence: [`${name}: ${commit.trouble ?? "there is no room on the disk"}`],
        next: ["it is tried again each second; what waits goes on when there is room"],
        commands: [
          ...outside === undefined ? [] : [`df -h ${shellWord(outside.stateFolder)}`],
          ctdbx(`db status ${shellWord(name)}`, outside?.words ?? askedWords(facts)),
        ],
      })];
    }),
};

/** Late: a node that is away is why a copy is. */
export const COMMIT_RULES: readonly Rule[] = [
  COMMIT_FULL,
  COMMIT_BROKEN,
  COMMIT_WAITS,
  COMMIT_READONLY,
];
