/**
 * What a daemon answers, as it comes over the socket (actors/views.ts makes it), and how people read it.
 *
 * u64 come as strings of digits. Tokens, versions and generations are shown as counter.voter.n.
 *
 * Does NOT promise: fields that an older daemon does not send; whoever reads them must live without.
 */

import { span } from "../actors/explain/words.ts";
import { tokenText } from "../actors/machines/cluster/token.ts";
import type { Version } from "../transport/wire/terms.ts";
import type { Column } from "./output.ts";

/** One node, as the one that is asked sees it. */
export interface NodeAnswer {
  readonly pnn: number;
  readonly name: string;
  readonly nodeId: string;
  readonly tag: string;
  readonly addr: string;
  readonly condition: string;
  readonly isMember: boolean;
  readonly isLeader: boolean;
  readonly isVoter: boolean;
  readonly isThis: boolean;
  readonly incarnation?: string;
  readonly runstate?: string;
  readonly heardMsAgo?: number;
  readonly why?: string;
}

/** Answer to "cluster status". */
export interface ClusterAnswer {
  readonly cluster: string;
  readonly clusterId?: string;
  readonly version?: string;
  readonly generation?: string;
  readonly leader?: string;
  readonly leaderPnn?: number;
  readonly members: number;
  readonly nodes: readonly NodeAnswer[];
  readonly voters: number;
  readonly voterChange: boolean;
  readonly seenBy?: number;
  readonly serving: boolean;
  /** What is wrong, each a sentence. */
  readonly troubles: readonly string[];
}

/** Answer to "leader show". */
export interface LeaderAnswer {
  readonly leader?: string;
  readonly pnn?: number;
  readonly token: string;
  readonly election: string;
  readonly isThis: boolean;
  readonly phase?: string;
  readonly isGranting?: boolean;
  readonly sinceMs?: number;
  readonly lastSignMsAgo: number;
  readonly chosenBecause?: string;
  readonly standing?: string;
  readonly deferredView: boolean;
  /** How many stand before it when a leader is wanted; missing: it stands for none, or leads. */
  readonly rank?: number;
}

/** One entry of the answer to "leader history". */
export interface HistoryAnswer {
  readonly msAgo: number;
  readonly what: string;
  readonly text: string;
}

/** Answer to "slot map". */
export interface SlotAnswer {
  readonly generation?: string;
  readonly members: readonly { readonly pnn: number; readonly slots: number }[];
  readonly homes: readonly number[];
  readonly moved: number;
  readonly moves: readonly { readonly slot: number; readonly from?: number; readonly to: number }[];
}

/** Columns by name and title. */
export function columnsOf(...pairs: readonly (readonly [string, string])[]): Column[] {
  return pairs.map(([name, title]) => ({ name, title }));
}

/** A u64 of digits as people read it; undefined stays. */
export function versionText(digits: string | undefined): string | undefined {
  return digits === undefined ? undefined : tokenText(BigInt(digits) as Version);
}

/** A time span for people: 0.4 s, 12 s, 7 min, 5 h, 3 d. */
export function spanText(ms: number): string {
  return ms < 100 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : span(ms);
}

/** What a node is, in words: leader, voter, out (not in the view), this. */
export function roleText(
  node: Pick<NodeAnswer, "isLeader" | "isVoter" | "isMember" | "isThis">,
): string {
  const words: string[] = [];
  if (node.isLeader) words.push("leader");
  if (node.isVoter) words.push("voter");
  if (!node.isMember) words.push("out");
  if (node.isThis) words.push("(this node)");
  return words.join(" ");
}
