/**
 * Parts beside the membership: the lock store, the metadata thread, messages that are refused.
 *
 * Does NOT promise: more about messages than counts; which ones were refused stands in the log.
 */
import type { Facts, Found, InsideFacts, NodeFacts, Rule } from "./facts.ts";
import {
  askedWords,
  counted,
  ctdbx,
  found,
  isLeading,
  listed,
  shellWord,
  span,
  withWord,
} from "./words.ts";
import { BACK_OFF } from "../supervision.ts";

type Spoken = NodeFacts & { readonly inside: InsideFacts };

/** Has it had no answer of the lock for so long that elections do without? */
function isLockAway({ inside }: Spoken, { timing }: Facts): boolean {
  const { lock, bus } = inside;
  if (lock.kind === "single" || (lock.kind === "jetstream" && !bus.isUp)) return false;
  const limitMs = lock.trouble === undefined
    ? timing.unreadableMs
    // The leader only asks when it renews.
    : timing.renewMs + timing.lockLimitMs;
  return lock.readMsAgo > limitMs;
}

const LOCK_UNREADABLE: Rule = {
  id: "lock_unreadable",
  cause: "The lock store cannot be reached, or does not work",
  evidence: "since when each node has no answer of it, and why; whether the servers have JetStream",
  next:
    "the leader stays; after 5 s elections do without it, each rank 0.3 s later than the one before",
  command: "ctdbx lock show",
  explainsHere: ["lock_lost"],
  explainsAll: ["lock_lost"],
  find: (facts) => {
    const away = withWord(facts).filter((node) => isLockAway(node, facts));
    if (away.length === 0) return [];
    const { timing } = facts;
    const names = away.map(({ name }) => name);
    const isAll = away.length === withWord(facts).length;
    const noStore = facts.servers.filter(({ hasJetStream }) => hasJetStream === false);
    return [found({
      ...isAll && away.length > 1
        ? {}
        : { node: names.length === 1 ? names[0] as string : names.join(",") },
      title: isAll && away.length > 1
        ? "The lock store does not answer"
        : `The lock store does not answer ${listed(names)}`,
      severity: "warning",
      evidence: [
        ...away.map(({ name, inside: { lock } }) =>
          `${name} has had no answer of the ${lock.kind} lock for ${span(lock.readMsAgo)}${
            lock.trouble === undefined ? "" : `: ${lock.trouble}`
          }`
        ),
        ...noStore.map(({ server }) => `${server} has no JetStream, which keeps the lock`),
      ],
      next: [
        "the present leader stays: the lock only chooses who tries to lead",
        `without it an election is decided by the voters alone, after ${
          span(timing.unreadableMs)
        }, ` +
        `each rank ${span(timing.rankNoLockMs)} later than the one before`,
      ],
      commands: [
        ctdbx("lock show", askedWords(facts)),
        ctdbx("leader show --why", askedWords(facts)),
      ],
    })];
  },
};

const LOCK_LOST: Rule = {
  id: "lock_lost",
  cause: "The lock's record is lost, or another's",
  evidence: "the leader's own token is not in the register that it read",
  next:
    "the leader writes its record again within 2.5 s, or steps down when it shows a higher token",
  command: "ctdbx lock show",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    withWord(facts).flatMap(({ name, inside }) => {
      const { lock, lead } = inside;
      if (lead === undefined || !isLeading(inside, facts.timing) || lock.isOwn !== false) return [];
      return found({
        title: "The lock's record is not the leader's",
        severity: "warning",
        evidence: [
          `${name} leads with token ${lead.token}, and the ${lock.kind} lock shows ${
            lock.holder === undefined ? "nobody" : lock.holder
          }, read ${span(lock.readMsAgo)} ago`,
        ],
        next: [
          `${name} writes its record again within ${
            span(facts.timing.renewMs)
          }; who leads does not change by it`,
        ],
        commands: [ctdbx("lock show", askedWords(facts))],
      });
    }),
};

/** A thread that failed longer ago is as good as any, ms. */
const SHARD_RECENT_MS = BACK_OFF.healthyMs;
/** One that is up since so long, ms, is probably well again. */
const SHARD_WELL_MS = BACK_OFF.mostMs;

const SHARD_CRASHING: Rule = {
  id: "shard_crashing",
  cause: "The thread with the node's metadata dies",
  evidence: "how often it has failed, when last and of what; whether it is up",
  next: "it is started again after 0.1 s to 10 s; the node serves on, its metadata waits",
  command: "ctdbx daemon stop",
  explainsHere: [],
  explainsAll: [],
  find: (facts) =>
    withWord(facts).flatMap(({ name, inside: { shard }, outside }): Found[] => {
      if (shard === undefined || shard.failures === 0) return [];
      const { isUp, failures, failedMsAgo, why } = shard;
      if (isUp && (failedMsAgo ?? Infinity) > SHARD_RECENT_MS) return [];
      const words = outside?.words ?? askedWords(facts);
      return [found({
        node: name,
        title: isUp
          ? `The metadata thread of ${name} has died, and is up again`
          : `The metadata thread of ${name} has died, and is not up again`,
        severity: isUp && (failedMsAgo ?? Infinity) > SHARD_WELL_MS ? "info" : "warning",
        evidence: [
          `it has failed ${counted(failures, "time")} in this life of the daemon${
            failedMsAgo === undefined ? "" : `, the last time ${span(failedMsAgo)} ago`
          }${why === undefined ? "" : `: ${why}`}`,
        ],
        next: [
          `it is started again after ${span(BACK_OFF.firstMs)}, later each time, ${
            span(BACK_OFF.mostMs)
          } at the most; ` +
          "leases and leader are not concerned, metadata of this node wait meanwhile",
        ],
        commands: [
          ...outside === undefined
            ? []
            : [`tail -n 20 ${shellWord(`${outside.runFolder}/daemon.log`)}`],
          ctdbx(`node status ${shellWord(name)}`, words),
        ],
      })];
    }),
};

/** The rule for a reason of refusal. */
function refusalRule(
  codes: readonly string[],
  words: Pick<Rule, "id" | "cause" | "next" | "command"> & {
    readonly title: (name: string, count: number) => string;
    readonly severity: Found["severity"];
  },
): Rule {
  const { title, severity, ...rest } = words;
  return {
    ...rest,
    evidence: "how many messages the node has refused in this life, by reason",
    explainsHere: [],
    explainsAll: [],
    find: (facts) =>
      withWord(facts).flatMap(({ name, inside, outside }) => {
        const refused = codes.flatMap((code) => {
          const count = inside.counters.refused[code] ?? 0;
          return count === 0 ? [] : [`${code} ${count}`];
        });
        const count = codes.reduce((sum, code) => sum + (inside.counters.refused[code] ?? 0), 0);
        if (count === 0) return [];
        const said = outside?.log.findLast(({ text }) => text.startsWith("A message was refused"));
        return found({
          node: name,
          title: title(name, count),
          severity,
          evidence: [
            `refused since the daemon's start: ${
              refused.join(", ")
            }, of ${inside.counters.received} received`,
            ...said === undefined ? [] : [`its log, ${span(said.msAgo ?? 0)} ago: ${said.text}`],
          ],
          next: [rest.next],
          commands: [ctdbx(`node status ${shellWord(name)}`, askedWords(facts))],
        });
      }),
  };
}

const OTHER_VERSION = refusalRule(["version", "kind"], {
  id: "other_version",
  cause: "Nodes of versions that do not understand each other",
  title: (name, count) => `${name} has refused ${counted(count, "message")} of another version`,
  severity: "info",
  next: "nothing: upgrade the older side, one protocol version at a time",
  command: "ctdbx node status NODE",
});

const OTHER_CLUSTER = refusalRule(["cluster"], {
  id: "other_cluster",
  cause: "Another cluster uses the same name on the same NATS",
  title: (name, count) =>
    `${name} has refused ${counted(count, "message")} of another cluster with its name`,
  severity: "info",
  next: "nothing is mixed up; give one of the clusters another name, or servers of its own",
  command: "ctdbx node status NODE",
});

const FORGED = refusalRule([
  "sender",
  "subject",
  "form",
  "size",
  "envelope",
  "body",
  "class",
  "part",
], {
  id: "odd_messages",
  cause: "Somebody publishes what is no message of this cluster, or in another's name",
  title: (name, count) =>
    `${name} has refused ${counted(count, "message")} that no node of its cluster would send`,
  severity: "info",
  next: "nothing: refused messages change nothing; roles on the bus keep strangers out",
  command: "ctdbx node status NODE",
});

/** Late: none of it stops a node. */
export const PART_RULES: readonly Rule[] = [
  LOCK_UNREADABLE,
  LOCK_LOST,
  SHARD_CRASHING,
];
/** At the end of all. */
export const REFUSAL_RULES: readonly Rule[] = [OTHER_VERSION, OTHER_CLUSTER, FORGED];
