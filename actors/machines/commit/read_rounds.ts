/**
 * Reads of what is committed now, at any node: one round to all copies that count.
 *
 *   read_index ──▶ primary: commit is c; are you all still mine? ──▶ every one of the commit set: yes ──▶ read_at c
 *
 * All of them, not one: the next primary would be one of them, and nobody knows which. A read that comes while a round
 * is under way waits for the next one, together with others.
 *
 * Does NOT promise: an answer; the node asks again.
 */
import type { ReadIndex } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { askAll } from "./copies.ts";
import { commitSet, type Primary, statusOf } from "./primary.ts";
import { type CommitState, send } from "./state.ts";

/** Reads that wait for one round. */
export interface ReadRound {
  /** 0: it has not begun. */
  readNo: number;
  commit: bigint;
  readonly asks: { readonly from: Member; readonly id: number }[];
}

/** Reads that wait at once; more are dropped, and come again. */
const ASKS_MAX = 65_536;

/** A node wants to read. */
export function onReadIndex(state: CommitState, from: Member, { term, id }: ReadIndex): void {
  const { primary, rules } = state;
  if (primary === undefined || term !== primary.term) return;
  if (statusOf(state, primary) === "starting") return;
  if (!rules.asksRound()) {
    return tell(state, from, id, primary.commit);
  }
  const last = primary.rounds.at(-1);
  const isOpen = last !== undefined && (last.readNo === 0 || !rules.beginsNewRound());
  const round: ReadRound = isOpen ? last : { readNo: 0, commit: 0n, asks: [] };
  if (!isOpen) primary.rounds.push(round);
  if (round.asks.length >= ASKS_MAX) return;
  round.asks.push({ from, id });
  beginRound(state, primary);
}

function tell(state: CommitState, from: Member, id: number, commit: bigint): void {
  const { primary, replica } = state;
  if (primary === undefined) return;
  const { term } = primary;
  const { lineage } = replica;
  send(state, from.pnn, { kind: "read_at", term, asker: from.incarnation, id, lineage, commit });
}

/** Begins the next round if none is under way. */
function beginRound(state: CommitState, primary: Primary): void {
  const [round] = primary.rounds;
  if (round === undefined || round.readNo !== 0) return;
  primary.readNo += 1;
  round.readNo = primary.readNo;
  round.commit = primary.commit;
  const isAlone = othersOf(state, primary).length === 0;
  if (isAlone) return onRoundAnswer(state, primary);
  askAll(state, primary);
}

function othersOf(state: CommitState, primary: Primary): { pnn: Pnn; id: string }[] {
  return commitSet(state, primary).filter(({ pnn }) => pnn !== state.me?.pnn);
}

/** A copy has answered: is the round over? */
export function onRoundAnswer(state: CommitState, primary: Primary): void {
  const [round] = primary.rounds;
  if (round === undefined || round.readNo === 0) return;
  const isOver = othersOf(state, primary).every(({ pnn, id }) => {
    const peer = primary.peers.get(pnn);
    return peer !== undefined && peer.id === id && peer.readNo >= round.readNo;
  });
  if (!isOver) return;
  primary.rounds.shift();
  for (const { from, id } of round.asks) tell(state, from, id, round.commit);
  beginRound(state, primary);
}
