/**
 * Why it can be said that all is well: what was looked at and found in order; and what could not be looked at.
 *
 * Does NOT promise: more than these lines say.
 */
import type { Facts } from "./facts.ts";
import { bestWord, counted, isLeading, listed, onMachine, span, withWord } from "./words.ts";

/** What was looked at, each a sentence with figures. */
export function checksOf(facts: Facts): string[] {
  return [
    ...answerWords(facts),
    ...leaderWords(facts),
    ...leaseWords(facts),
    ...documentWords(facts),
    ...addressWords(facts),
    ...serverWords(facts),
    ...machineWords(facts),
  ];
}

/** What was not, each a sentence with the reason. */
export function unseenOf(facts: Facts): string[] {
  const lines: string[] = [];
  const far = facts.nodes.filter(({ outside }) => outside === undefined).map(({ name }) => name);
  if (far.length > 0) {
    lines.push(
      `processes, files and logs of ${
        listed(far.slice(0, 8))
      }: they are not on this machine, their own word is all there is`,
    );
  }
  const mute = facts.nodes.filter(({ inside }) => inside === undefined).map(({ name }) => name);
  if (mute.length > 0) lines.push(`what ${listed(mute.slice(0, 8))} would say: no answer came`);
  const more = bestWord(facts)?.inside.peersLeftOut ?? 0;
  if (more > 0) lines.push(`${counted(more, "more node")}: well as far as others hear them`);
  return lines;
}

function answerWords({ nodes }: Facts): string[] {
  const answering = nodes.filter(({ inside }) => inside !== undefined);
  if (answering.length === 0) return [];
  return [`${answering.length} of ${counted(nodes.length, "node")} have answered`];
}

function leaderWords(facts: Facts): string[] {
  const spoken = withWord(facts);
  const leader = spoken.find(({ inside }) => isLeading(inside, facts.timing));
  if (leader === undefined) return [];
  const followers = spoken.filter(({ inside }) => inside.leader === leader.name);
  return [
    `${leader.name} leads, with a majority behind it ${
      span(leader.inside.lead?.grantedMsAgo ?? 0)
    } ago; ${followers.length} of ${spoken.length} that answered say so`,
  ];
}

function leaseWords(facts: Facts): string[] {
  const serving = withWord(facts).filter(({ inside }) => inside.isServing);
  if (serving.length === 0) return [];
  const least = Math.min(...serving.map(({ inside }) => inside.leaseLeftMs ?? 0));
  const verb = serving.length === 1 ? "serves" : "serve";
  return [
    `${counted(serving.length, "node")} ${verb}; the shortest lease lasts ${span(least)} more`,
  ];
}

function documentWords(facts: Facts): string[] {
  const versions = new Map<string, string[]>();
  for (const { name, inside: { document } } of withWord(facts)) {
    if (document === undefined) continue;
    versions.set(document.version, [...versions.get(document.version) ?? [], name]);
  }
  return [...versions].map(([version, names]) =>
    `${listed(names.slice(0, 8))} ${names.length === 1 ? "has" : "have"} document ${version}`
  );
}

function addressWords(facts: Facts): string[] {
  const all = withWord(facts).find(({ inside }) => isLeading(inside, facts.timing))
    ?.inside.addresses?.all;
  if (all === undefined) return [];
  return [
    `${all.hosted} of ${counted(all.known, "public address", "public addresses")} are hosted`,
  ];
}

function serverWords({ servers, login }: Facts): string[] {
  const lines = servers.filter(({ state }) => state === "greets").map(({ server, ms, version }) =>
    `NATS ${version ?? ""} at ${server} greets after ${span(ms)}`
  );
  if (login?.state === "ok") lines.push("it takes the node's credentials");
  return lines;
}

function machineWords(facts: Facts): string[] {
  const clocks = facts.nodes.flatMap(({ clockAheadMs }) => clockAheadMs ?? []);
  const lines = clocks.length === 0 ? [] : [
    `wall clocks are within ${span(Math.max(...clocks.map(Math.abs)))} of this machine's`,
  ];
  for (const { name, outside: { space, log, supervisor } } of onMachine(facts)) {
    const words = [
      supervisor === undefined ? "no supervisor" : `supervisor ${supervisor.state}`,
      space === undefined ? "disk unknown" : `${(space.freeBytes / 1024 ** 3).toFixed(1)} GiB free`,
      log.length === 0
        ? "no warning in its logs of the last 10 min"
        : counted(log.length, "warning in its logs", "warnings in its logs"),
    ];
    lines.push(`${name}: ${words.join(", ")}`);
  }
  return lines;
}
