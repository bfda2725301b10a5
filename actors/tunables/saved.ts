/**
 * The node's own copy of what is set, for a start without contact: state/tunables.json.
 *
 *   {"format":1,"set":{"VacuumInterval":{"cluster":5,"node":20}}}        node: only the value of this node itself
 *
 * Does NOT promise: to be the newest; the cluster's metadata are, as soon as they can be read.
 */
import type { Disk, Log } from "../../transport/world.ts";
import { findTunable, valueFault } from "./catalogue.ts";

const FORMAT = 1;

/** What is set of one tunable, as far as one node is concerned. */
export interface Own {
  readonly cluster?: number;
  readonly node?: number;
}

/** The file in a node's state folder. */
export function savedPath(stateFolder: string): string {
  return `${stateFolder}/tunables.json`;
}

/** The text of the file. */
export function savedText(set: ReadonlyMap<string, Own>): string {
  const sorted = [...set].sort(([one], [other]) => one < other ? -1 : 1);
  return `${JSON.stringify({ format: FORMAT, set: Object.fromEntries(sorted) })}\n`;
}

/** Reads the copy; a file that cannot be used is as none, and that is logged. */
export function readSaved(disk: Disk, log: Log, path: string): Map<string, Own> {
  try {
    const bytes = disk.read(path);
    if (bytes === undefined) return new Map();
    return parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    log.write("warning", `Cannot use ${path}; tunables are at their defaults until others tell`, {
      error,
    });
    return new Map();
  }
}

/** What a text of the file says, without what this version does not know. Throws when it is no such text. */
export function parse(text: string): Map<string, Own> {
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || value["format"] !== FORMAT || !isObject(value["set"])) {
    throw new RangeError(`it is not of format ${FORMAT}`);
  }
  const set = new Map<string, Own>();
  for (const [name, own] of Object.entries(value["set"])) {
    const entry = findTunable(name);
    if (entry === undefined || !isObject(own)) continue;
    const fits = (part: unknown): part is number =>
      typeof part === "number" && valueFault(entry, part) === undefined;
    const { cluster, node } = own;
    const taken: Own = {
      ...fits(cluster) ? { cluster } : {},
      ...fits(node) ? { node } : {},
    };
    if (Object.keys(taken).length > 0) set.set(entry.name, taken);
  }
  return set;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
