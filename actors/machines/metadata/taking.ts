/**
 * Taking a record that somebody else wrote, and giving up one that was deleted.
 *
 *   newer than what is held, and above the floor -> taken          else -> nothing
 *
 * What is not above the floor is an old message about something deleted whose tombstone is gone, whatever is held.
 *
 * Does NOT promise: that what was taken is on the disk.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { type Core, isClean, report, type ScopeState, touch } from "./core.ts";
import { isSkewed, sawStamp } from "./lamport.ts";
import { isNewer, SCOPE_RECORDS_MAX } from "./record.ts";

/** Takes a record if it counts. */
export function take(core: Core, scope: ScopeState, from: NodeId, record: MetaRecord): void {
  if (record.scope !== scope.scope || isSkewed(core, from, record.c)) return;
  sawStamp(core, record.c);
  const { table } = scope;
  const held = table.get(record.key);
  if (held !== undefined && !isNewer(record, held)) return;
  if (record.c <= table.floor) {
    core.counters.refused++;
    return;
  }
  if (held === undefined && table.count >= SCOPE_RECORDS_MAX) {
    core.counters.dropped++;
    report(core, { about: "full", scope: scope.scope });
    return;
  }
  core.counters.taken++;
  // A slow change of this node that was not sent yet has lost; nobody needs it any more.
  scope.unsent.delete(record.key);
  put(core, scope, record);
}

/** Puts a record, says so, and has it saved. */
export function put(core: Core, scope: ScopeState, record: MetaRecord): void {
  scope.table.put(record);
  touch(core, scope, record.key);
  core.out.push({ type: "changed", scope: scope.scope, record });
}

/** Gives up a record that was deleted elsewhere. */
export function giveUp(core: Core, scope: ScopeState, held: MetaRecord): void {
  scope.table.drop(held.key);
  scope.unsent.delete(held.key);
  touch(core, scope, held.key);
  if (held.value === null) return;
  core.out.push({ type: "changed", scope: scope.scope, record: { ...held, value: null } });
}

/** Takes the floor of a whole node, where this one is whole, too. */
export function takeFloor(core: Core, scope: ScopeState, floor: bigint): void {
  if (floor <= scope.table.floor) return;
  touchHead(core, scope);
  for (const key of scope.table.raiseFloor(floor)) touch(core, scope, key);
}

/** The scope is whole from now on, up to this floor. */
export function makeWhole(core: Core, scope: ScopeState, floor: bigint): void {
  if (scope.phase !== "whole") touchHead(core, scope);
  scope.phase = "whole";
  scope.aloneKeys.clear();
  takeFloor(core, scope, floor);
}

function touchHead(core: Core, scope: ScopeState): void {
  if (isClean(scope)) scope.saveDueMs = core.nowMs + core.timing.saveMs;
  scope.isHeadDirty = true;
}
