/**
 * Write-behind: changes of a scope go into its file together, some time after the first of them.
 *
 *   dirty ──(saveMs, or a round asks)──▶ save, one at a time ──▶ saved: ok? clean. Not ok? dirty again
 *
 * A save is one transaction with everything that is dirty, phase and floor included; so the file is always the scope as
 * it was at one time. A node that restarts has forgotten the newest changes, never has a mixture.
 *
 * Does NOT promise: that a change is in the file before it is told; what is lost is had again from others.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import { type Core, isWarm, report, type ScopeState } from "./core.ts";

/** Saves what is due. */
export function saveDue(core: Core): void {
  for (const scope of core.scopes.values()) {
    if (scope.saveDueMs <= core.nowMs) save(core, scope);
  }
}

/** Saves without waiting for more. */
export function saveAtOnce(core: Core, scope: ScopeState): void {
  save(core, scope);
}

function save(core: Core, scope: ScopeState): void {
  // A cold scope is no state to come back to.
  if (!isWarm(scope) || scope.saving !== undefined) return;
  if (scope.dirty.size === 0 && !scope.isHeadDirty) return;
  if (!scope.isKept) {
    scope.dirty.clear();
    scope.isHeadDirty = false;
    return;
  }
  const put: MetaRecord[] = [];
  const drop: string[] = [];
  for (const key of scope.dirty) {
    const record = scope.table.get(key);
    if (record === undefined) drop.push(key);
    else put.push(record);
  }
  const number = core.nextSave++;
  scope.saving = { save: number, keys: [...scope.dirty] };
  const { scope: name, epoch, phase, table: { floor } } = scope;
  const isWhole = phase === "whole";
  const wipe = !scope.isFileFresh;
  const head = { epoch, isWhole, floor, wipe };
  core.out.push({ type: "save", scope: name, save: number, ...head, put, drop });
  scope.dirty.clear();
  scope.saveDueMs = core.nowMs + core.timing.saveMs;
  scope.isHeadDirty = false;
}

/** A save is done. */
export function onSaved(core: Core, scope: ScopeState, number: number, ok: boolean): void {
  if (scope.saving?.save !== number) return;
  const { keys } = scope.saving;
  scope.saving = undefined;
  if (ok) {
    scope.isFileFresh = true;
  } else {
    for (const key of keys) scope.dirty.add(key);
    scope.isHeadDirty = true;
    scope.saveDueMs = core.nowMs + core.timing.saveMs;
    report(core, { about: "unsaved", scope: scope.scope });
  }
  // A question of the leader waits for all of it.
  if (scope.asked !== undefined || scope.round !== undefined) save(core, scope);
}
