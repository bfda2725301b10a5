/**
 * All tunables, and finding them: by name, without regard to case.
 *
 * Does NOT promise: that another version has the same; a node passes over what it does not know, and says so.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { CTDB_HERE } from "./ctdb_here.ts";
import { CTDB_KEPT } from "./ctdb_kept.ts";
import { CTDB_OBSOLETE } from "./ctdb_obsolete.ts";
import type { TunableEntry } from "./entry.ts";
import { OWN } from "./own.ts";

const byName = (one: TunableEntry, other: TunableEntry): number => one.name < other.name ? -1 : 1;

/** Those that can be set, in the order of their names: ctdb's active ones and ctdbx's own. */
export const ACTIVE: readonly TunableEntry[] = [...CTDB_HERE, ...CTDB_KEPT, ...OWN].sort(byName);
/** Those that ctdb has given up. */
export const OBSOLETE: readonly TunableEntry[] = [...CTDB_OBSOLETE].sort(byName);
/** Names of all, for completion. */
export const TUNABLE_NAMES: readonly string[] = ACTIVE.map(({ name }) => name);

const FOUND: ReadonlyMap<string, TunableEntry> = new Map(
  [...ACTIVE, ...OBSOLETE].map((entry) => [entry.name.toLowerCase(), entry]),
);

/** The tunable of a name; undefined: there is none. */
export function findTunable(name: string): TunableEntry | undefined {
  return FOUND.get(name.toLowerCase());
}

/** The tunable of a name. Throws CtdbxError "not_found". */
export function tunableOf(name: string): TunableEntry {
  const found = findTunable(name);
  if (found !== undefined) return found;
  throw new CtdbxError("not_found", `Cannot find a tunable ${JSON.stringify(name.slice(0, 64))}`);
}

/** As `tunableOf`, for setting it. Throws CtdbxError "state" when it is obsolete. */
export function settableOf(name: string): TunableEntry {
  const entry = tunableOf(name);
  if (entry.effect !== "obsolete") return entry;
  const text = `Cannot set ${entry.name}: it is obsolete, in ctdb, too`;
  throw new CtdbxError("state", `${text}; ${entry.doc}. Nothing was changed`);
}

/** What is wrong with a value, a phrase; undefined: nothing. */
export function valueFault(entry: TunableEntry, value: number): string | undefined {
  if (Number.isSafeInteger(value) && value >= entry.min && value <= entry.max) return undefined;
  return `must be ${rangeText(entry)}, is ${value}`;
}

/** What values it can have, in words: "1 to 600 s", "0 or 1". */
export function rangeText({ unit, min, max }: TunableEntry): string {
  if (unit === "switch") return "0 or 1";
  const counted = unit === "s" || unit === "ms" || unit === "bytes" ? ` ${unit}` : "";
  return `${min} to ${max}${counted}`;
}

/** The number that a text says: digits only. Throws CtdbxError "state" with the range. */
export function valueOf(entry: TunableEntry, text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  const fault = Number.isNaN(value)
    ? `must be ${rangeText(entry)}, is ${JSON.stringify(text.slice(0, 40))}`
    : valueFault(entry, value);
  if (fault === undefined) return value;
  throw new CtdbxError("state", `Cannot set ${entry.name}: it ${fault}. Nothing was changed`);
}
