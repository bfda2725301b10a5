/**
 * Why a node leads, in words: put together from what the leader, and the nodes that take it for one, remember.
 *
 * Does NOT promise: the whole story; a history has the last 256 entries of this life of a node.
 */

import type { HistoryAnswer, LeaderAnswer } from "./answers.ts";
import { spanText } from "./answers.ts";
import type { Asked, Relayed } from "./commands/asking.ts";

/** All that is known of it. */
export interface LeaderReason {
  readonly leader: string;
  readonly pnn: number | undefined;
  readonly token: string;
  readonly election: string;
  /** Undefined: the leader did not answer. */
  readonly sinceMs: number | undefined;
  readonly chosenBecause: string | undefined;
  /** What its history has of the way there, oldest first, one text. */
  readonly story: string | undefined;
  readonly isGranting: boolean | undefined;
  /** Names of nodes that take it for the leader. */
  readonly agree: readonly string[];
  /** The others, each with what it says. */
  readonly disagree: readonly string[];
  /** Who stands next, first to last. */
  readonly next: readonly string[];
  /** What would change the leader, sentences. */
  readonly changes: readonly string[];
}

/** What happens on the way to the lead, at the one who gets it; and what others have to do with it. */
const WAY = ["suspect", "certain death", "stepped down", "chosen", "effective"];
const OTHERS = ["stepped down", "chosen"];
/** What happened longer before the choice than this is another story, ms. */
const STORY_MS = 5000;

/** Asks around. `said`: what the leader, or else the asked node, says of the leader. Throws what asking throws. */
export async function leaderReason(
  asked: Asked,
  leader: string,
  said: LeaderAnswer,
): Promise<LeaderReason> {
  const views = await asked.around<LeaderAnswer>("all", "leader show");
  const histories = await asked.around<HistoryAnswer[]>("all", "leader history");
  const isOther = ({ name, ok }: Relayed<LeaderAnswer>) =>
    name !== leader && ok?.rank !== undefined;
  const next = views.filter(isOther)
    .sort((one, other) => (one.ok?.rank ?? 0) - (other.ok?.rank ?? 0))
    .map(({ name }) => name);
  const agree = views.filter(({ ok }) => ok?.leader === leader).map(({ name }) => name);
  const disagree = views.filter(({ ok }) => ok?.leader !== leader).map(({ name, ok, error }) =>
    ok === undefined
      ? `${name} does not answer (${error ?? "no reason is known"})`
      : `${name} takes ${ok.leader ?? "nobody"} for the leader`
  );
  return {
    leader,
    pnn: said.pnn,
    token: said.token,
    election: said.election,
    sinceMs: said.sinceMs,
    chosenBecause: said.chosenBecause,
    story: storyOf(leader, histories),
    isGranting: said.isGranting,
    agree,
    disagree,
    next,
    changes: changesOf(leader, next),
  };
}

/**
 * From the suspicion before the last "chosen" of the leader to its first document, and what others did shortly before.
 * Undefined: its history does not reach back so far.
 */
export function storyOf(
  leader: string,
  histories: readonly Relayed<readonly HistoryAnswer[]>[],
): string | undefined {
  const way = (histories.find(({ name }) => name === leader)?.ok ?? [])
    .filter(({ what }) => WAY.includes(what));
  const chosen = way.findLastIndex(({ what }) => what === "chosen");
  const start = way[chosen];
  if (start === undefined) return undefined;
  // A long search for a majority is many entries: the last ones tell it.
  const first = way.slice(0, chosen).findLastIndex(({ what }) => /chosen|effective/.test(what)) + 1;
  const end = chosen + (way[chosen + 1]?.what === "effective" ? 2 : 1);
  const told = way.slice(Math.max(first, chosen - 4), end)
    .filter(({ msAgo }) => msAgo <= start.msAgo + STORY_MS)
    .map(({ msAgo, text }) => ({ msAgo, text: `${leader} ${text}` }));
  for (const { name, ok = [] } of histories) {
    if (name === leader) continue;
    const near = ok.filter(({ what, msAgo }) =>
      OTHERS.includes(what) && msAgo >= start.msAgo && msAgo <= start.msAgo + STORY_MS
    );
    told.push(...near.map(({ msAgo, text }) => ({ msAgo, text: `${name} ${text}` })));
  }
  return told.sort((one, other) => other.msAgo - one.msAgo)
    .map(({ msAgo, text }) => `${spanText(msAgo)} ago ${text}`)
    .join("; ");
}

function changesOf(leader: string, next: readonly string[]): string[] {
  if (next.length === 0) {
    return [`nothing but an end of ${leader}: no other node may lead now`];
  }
  return [
    `no sign of ${leader} for 1.2 s, as seen by a majority of the voters`,
    `its certain death, told by its supervisor: at once`,
    `${leader} hears no majority for 1.5 s: it steps down by itself`,
    "`ctdbx leader yield`, or a planned stop of its daemon",
  ];
}

/** As lines for people. */
export function reasonLines(reason: LeaderReason): string[] {
  const { leader, token, sinceMs, story, agree, disagree, next, changes } = reason;
  const since = sinceMs === undefined ? "" : `, for ${spanText(sinceMs)}`;
  const because = reason.chosenBecause === undefined
    ? "it did not say; it has not answered"
    : `${reason.chosenBecause}; it stood first, got the lock and the promises of a majority`;
  const lines = [
    `${leader} leads${since} (election ${reason.election}, token ${token})`,
    `Why it was chosen  ${because}`,
    `What happened      ${story ?? "not in its history any more"}`,
    `Rank               healthy before unhealthy, then longest in the view, then highest number`,
    `Agree              ${agree.length === 0 ? "nobody has answered" : agree.join(", ")}`,
  ];
  for (const text of disagree) lines.push(`Does not           ${text}`);
  if (reason.isGranting === false) {
    lines.push("Leases             it grants none: a majority does not report its digests");
  }
  lines.push(`Next in line       ${next.length === 0 ? "nobody" : next.join(", ")}`);
  for (const text of changes) lines.push(`Would change it    ${text}`);
  return lines;
}
