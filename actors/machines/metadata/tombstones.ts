/**
 * Getting rid of tombstones: only when everybody who is interested has them, and everything else up to then, on disk.
 *
 *   leader: md_round ──▶ all interested (absent ones, too: they block it)
 *           each, once all it holds is on its disk ──▶ md_round_answer {hash, count}
 *           all equal to the leader's own ──▶ floor := its highest stamp; tombstones dropped; md_floor to all
 *
 * Why that is safe: all held the same set at some time in the round, and on disk, so no crash takes it back. A write up
 * to the floor that is not in the set was either replaced in it, or comes from a node that was not asked. The latter
 * cannot be: who is not interested has the leader write; who has just become so writes only after a warm peer, which
 * knows of it, answered; and that peer does not answer a round of a leader that does not (`interest`).
 *
 * Does NOT promise: that tombstones go while a node is away. More than tombstonesWarn of them: such a node should be
 * removed from the cluster.
 */
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, isClean, isLeader, isWarm, report, type ScopeState, send } from "./core.ts";
import { sendDigest } from "./digest.ts";
import { isSkewed } from "./lamport.ts";
import type { MdFloor, MdRound, MdRoundAnswer } from "./message.ts";
import { saveAtOnce } from "./saving.ts";
import { makeWhole } from "./taking.ts";

/** Begins rounds that are due, ends those that take too long. */
export function runRounds(core: Core): void {
  for (const scope of core.scopes.values()) {
    const { round } = scope;
    if (round !== undefined && (!isLeader(core) || core.nowMs >= round.endMs)) fail(core, scope);
    if (!isLeader(core) || !isWarm(scope) || scope.round !== undefined) continue;
    // A scope that was begun alone becomes whole by a round, too.
    const isNeeded = scope.table.tombstones > 0 || scope.phase === "alone";
    if (!isNeeded || scope.roundDueMs > core.nowMs) continue;
    begin(core, scope);
  }
}

function begin(core: Core, scope: ScopeState): void {
  const others = scope.interested.filter((node) => node !== core.self);
  const endMs = core.nowMs + core.timing.roundLimitMs;
  const round = core.dice.u32();
  scope.round = { round, endMs, waiting: new Set(others) };
  scope.roundDueMs = core.nowMs + core.timing.roundMs;
  core.counters.rounds++;
  saveAtOnce(core, scope);
  const { scope: name, interest } = scope;
  for (const node of others) send(core, node, { kind: "md_round", scope: name, round, interest });
  tryFinish(core, scope);
}

/** The round has not succeeded. */
function fail(core: Core, scope: ScopeState): void {
  scope.absent = [...scope.round?.waiting ?? []];
  scope.round = undefined;
  const count = scope.table.tombstones;
  if (count <= core.timing.tombstonesWarn || !isLeader(core)) return;
  report(core, { about: "tombstones", scope: scope.scope, count, absent: scope.absent });
}

/** The leader asks. */
export function onRound(core: Core, from: NodeId, message: MdRound): void {
  const scope = core.scopes.get(message.scope);
  if (!isWarm(scope) || from !== core.leader) return;
  if (scope.interest !== message.interest) return;
  scope.asked = { from, round: message.round };
  saveAtOnce(core, scope);
  answerRound(core, scope);
}

/** Answers the leader's question once everything is on disk. */
export function answerRound(core: Core, scope: ScopeState): void {
  if (scope.asked === undefined || !isClean(scope)) return;
  const { from, round } = scope.asked;
  scope.asked = undefined;
  if (from !== core.leader) return;
  scope.answered = round;
  const { hash, count } = scope.table;
  send(core, from, { kind: "md_round_answer", scope: scope.scope, round, hash, count });
}

/** A node answers. */
export function onRoundAnswer(core: Core, from: NodeId, message: MdRoundAnswer): void {
  const scope = core.scopes.get(message.scope);
  const round = scope?.round;
  if (scope === undefined || round?.round !== message.round || !round.waiting.has(from)) return;
  const { hash, count } = scope.table;
  round.waiting.delete(from);
  if (message.hash !== hash || message.count !== count) {
    // Not now; and these two may as well find out what differs.
    fail(core, scope);
    return sendDigest(core, scope, from);
  }
  // What the leader holds at the end must be what it held when each answer came.
  round.held ??= { hash, count };
  tryFinish(core, scope);
}

/** Ends the round when all have answered and the leader's own disk has it all. */
export function tryFinish(core: Core, scope: ScopeState): void {
  const { round, table } = scope;
  if (round === undefined || round.waiting.size > 0 || !isLeader(core) || !isClean(scope)) return;
  const { held } = round;
  if (held !== undefined && (held.hash !== table.hash || held.count !== table.count)) {
    return fail(core, scope);
  }
  scope.round = undefined;
  scope.absent = [];
  core.counters.roundsDone++;
  const floor = table.maxC();
  makeWhole(core, scope, floor);
  if (scope.interested.length <= 1) return;
  const message: MdFloor = {
    kind: "md_floor",
    scope: scope.scope,
    round: round.round,
    floor,
  };
  core.out.push({ type: "publish", scope: scope.scope, message });
}

/** The leader says that a round has succeeded. */
export function onFloor(core: Core, from: NodeId, { scope: name, round, floor }: MdFloor): void {
  const scope = core.scopes.get(name);
  if (!isWarm(scope) || from !== core.leader || isSkewed(core, from, floor)) return;
  // Who was begun alone and took part held what all held.
  if (scope.phase === "whole" || scope.answered === round) makeWhole(core, scope, floor);
}
