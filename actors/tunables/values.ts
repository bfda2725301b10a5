/**
 * What is set, as the cluster's metadata have it: one record for a value of the cluster, one for that of a node, and
 * one for each change.
 *
 *   tunable/NAME          20     the cluster's           tunable/NAME/NODE ID   30   of one node, before the cluster's
 *   tunable-log/NAME/WHEN-DICE   {"at":"cluster","old":10,"new":20}     who and when are in the record itself
 *
 * Does NOT promise: that what another version has set is understood; what is not known, or out of range, is left out
 * and told.
 */
import type { MetaRecord } from "../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../transport/wire/terms.ts";
import { findTunable, valueFault } from "./catalogue.ts";
import type { TunableEntry } from "./entry.ts";

/** Keys of values begin so. */
export const VALUE_PREFIX = "tunable/";
/** Keys of the history begin so. */
export const LOG_PREFIX = "tunable-log/";
/** Changes of one tunable that are kept. */
export const HISTORY_MAX = 16;

/** What is set of one tunable. */
export interface Setting {
  readonly entry: TunableEntry;
  /** Undefined: nothing is set for the cluster. */
  cluster: MetaRecord | undefined;
  /** By node. */
  readonly nodes: Map<NodeId, MetaRecord>;
}

/** What is set, by name; and what could not be used, a phrase each. */
export interface Settings {
  readonly set: ReadonlyMap<string, Setting>;
  readonly odd: readonly string[];
}

/** Where a value holds: in the whole cluster, or at one node. */
export type Place = "cluster" | NodeId;

/** One change, as people see it. */
export interface Change {
  readonly name: string;
  readonly place: Place;
  /** Undefined: nothing was, or is, set. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly by: string;
  readonly wallMs: number;
  /** The node on which it was said. */
  readonly writer: NodeId;
  readonly key: string;
}

/** The key of a value. */
export function valueKey({ name }: TunableEntry, place: Place): string {
  return place === "cluster" ? `${VALUE_PREFIX}${name}` : `${VALUE_PREFIX}${name}/${place}`;
}

/** Reads the records of values. */
export function settingsOf(records: readonly MetaRecord[]): Settings {
  const set = new Map<string, Setting>();
  const odd: string[] = [];
  for (const record of records) {
    const { key, value } = record;
    const [name = "", nodeId] = key.slice(VALUE_PREFIX.length).split("/");
    const entry = findTunable(name);
    if (entry === undefined || entry.effect === "obsolete") {
      odd.push(`${name} is not known to this version`);
      continue;
    }
    const fault = valueFault(entry, numberOf(value));
    if (fault !== undefined) {
      odd.push(`${name} ${fault}`);
      continue;
    }
    const setting = set.get(entry.name) ?? { entry, cluster: undefined, nodes: new Map() };
    set.set(entry.name, setting);
    if (nodeId === undefined) setting.cluster = record;
    else setting.nodes.set(nodeId as NodeId, record);
  }
  return { set, odd };
}

/** The number in a record: digits only; NaN: it is none. */
export function numberOf(value: string | null | undefined): number {
  return value !== null && value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : NaN;
}

/** The value of a record that settingsOf() has taken; undefined: there is none. */
export function heldValue(record: MetaRecord | undefined): number | undefined {
  return record === undefined ? undefined : numberOf(record.value);
}

/** What the history's record of a change holds. */
export function changeValue(
  place: Place,
  before: number | undefined,
  after: number | undefined,
): string {
  return JSON.stringify({ at: place, old: before ?? null, new: after ?? null });
}

/** A key for a change: those of one tunable are in the order of wall clocks. `dice`: any u32. */
export function changeKey({ name }: TunableEntry, wallMs: number, dice: number): string {
  const when = Math.max(0, Math.floor(wallMs)).toString(16).padStart(12, "0");
  return `${LOG_PREFIX}${name}/${when}-${dice.toString(16).padStart(8, "0")}`;
}

/** Reads the history: in the order in which the changes were made, by Lamport stamps. What is no change is left out. */
export function changesOf(records: readonly MetaRecord[]): Change[] {
  const sorted = [...records].sort((one, other) =>
    one.c === other.c ? (one.key < other.key ? -1 : 1) : one.c < other.c ? -1 : 1
  );
  return sorted.flatMap((record) => {
    const change = changeOf(record);
    return change === undefined ? [] : [change];
  });
}

function changeOf({ key, value, by, wallMs, w: writer }: MetaRecord): Change | undefined {
  const [name = ""] = key.slice(LOG_PREFIX.length).split("/");
  const told = parsed(value);
  if (told === undefined) return undefined;
  const { at, old: before, new: after } = told;
  if (at !== "cluster" && (typeof at !== "string" || !/^[0-9a-f]{32}$/.test(at))) return undefined;
  if (!isNumber(before) || !isNumber(after)) return undefined;
  const place = at as Place;
  return {
    ...{ name, place, before: before ?? undefined, after: after ?? undefined, by, writer, key },
    wallMs: Number(wallMs),
  };
}

function isNumber(value: unknown): value is number | null {
  return value === null || Number.isSafeInteger(value);
}

function parsed(value: string | null): Readonly<Record<string, unknown>> | undefined {
  try {
    const told: unknown = JSON.parse(value ?? "");
    if (typeof told === "object" && told !== null) return told as Record<string, unknown>;
  } catch {
    // Not of this version.
  }
  return undefined;
}
