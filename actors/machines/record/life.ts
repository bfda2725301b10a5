/**
 * A new life: empty files, nothing known, nothing owned. What clients of the life before waited for ends.
 *
 * Does NOT promise: that the life before has ended for its clients; the fence sees to that before a word is said.
 */
import type { Incarnation } from "../../../transport/wire/terms.ts";
import { clearBacklog } from "./backlog.ts";
import { answerNot, endWaiter } from "./ops.ts";
import { dropProgram } from "./programs.ts";
import type { RecordState } from "./state.ts";
import { stopRun } from "./traverse.ts";
import { isVisitor } from "./visitors.ts";
import { breach } from "./keys.ts";

/** Forgets all, and begins with this incarnation. */
export function startRecordLife(state: RecordState, incarnation: Incarnation): void {
  if (incarnation <= state.incarnation) {
    return breach(state, "I0", `life ${incarnation} after ${state.incarnation}`);
  }
  endAll(state);
  state.timers.clear();
  state.keys.clear();
  state.active.clear();
  state.dirty.length = 0;
  state.inbox.length = 0;
  state.outbox.clear();
  state.onTheirWay.clear();
  state.copies.clear();
  state.opKeys.clear();
  state.granted.clear();
  state.reading.clear();
  state.homes.length = 0;
  state.closed.clear();
  state.recovering.clear();
  state.frozen.clear();
  state.named.clear();
  state.rounds.clear();
  state.wishes.clear();
  state.reportWishes.clear();
  state.listWishes.clear();
  state.parted.clear();
  state.empties.clear();
  state.runs.clear();
  state.asked.clear();
  state.programs.clear();
  state.pulled.clear();
  clearBacklog(state);
  state.watchWalk.walks.length = 0;
  state.watchWalk.wakeMs = Infinity;
  state.members = new Map();
  state.slots = [];
  state.generation = 0n as RecordState["generation"];
  state.me = undefined;
  state.leaseEndMs = 0;
  state.vacuum.walk = undefined;
  state.vacuum.isHurried = false;
  state.vacuum.wakeMs = Infinity;
  state.incarnation = incarnation;
  state.store.renew(incarnation);
  state.timers.set(state.vacuum, state.nowMs + state.timing.vacuumMs);
}

function endAll(state: RecordState): void {
  const reason = { code: "state", why: "the node begins a new life" } as const;
  for (const run of [...state.runs.values()]) stopRun(state, run.id);
  for (const ks of state.keys.values()) {
    for (const place of ks.queue) {
      if (!isVisitor(place)) endWaiter(state, place, reason);
    }
    for (const call of ks.calls) answerNot(state, call.waiter.op, call.isSent, reason);
    if (ks.held?.kind === "lock") answerNot(state, ks.held.waiter.op, false, reason);
    else if (ks.held !== undefined) dropProgram(state, ks, ks.held, reason);
  }
}
