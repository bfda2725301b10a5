/**
 * Who else has a persistent or replicated database, and which messages go between the storages of two nodes.
 *
 * Does NOT promise: that they answer.
 */
import type { AnyCommitMessage } from "../../transport/wire/messages/commit.ts";
import type { PageAsk, PageIs, SyncMessage } from "../../transport/wire/messages/commit_sync.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { copiesOf } from "../machines/commit/config.ts";
import type { CommitEvent } from "../machines/commit/events.ts";

/** About one page. */
export type PageMessage = PageAsk | PageIs;
/** About a whole database. */
export type OtherSync = Exclude<SyncMessage, PageMessage>;

/** Is it about one page? */
export function isPage(message: AnyCommitMessage): message is PageMessage {
  return message.kind === "page_ask" || message.kind === "page_is";
}

/** Is it about a whole database? */
export function isSync(message: AnyCommitMessage): message is OtherSync {
  return message.kind.startsWith("sync_");
}

/** All others that have the database, those in sync first. */
export function peersOf(
  config: Extract<CommitEvent, { kind: "config" }> | undefined,
  self: Pnn | undefined,
): { all: Pnn[]; inSync: number } {
  if (config === undefined || self === undefined) return { all: [], inSync: 0 };
  const { config: about, members } = config;
  const present = new Set(members.map(({ pnn }) => pnn));
  present.delete(self);
  const inSync = about.isr.map(({ pnn }) => pnn).filter((pnn) => present.has(pnn));
  const all = [...new Set([...inSync, ...copiesOf(about), ...present])];
  return { all: all.filter((pnn) => present.has(pnn)), inSync: inSync.length };
}
