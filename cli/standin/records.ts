/**
 * Answers about databases, in the form of CTDB's tool.
 *
 *   attach NAME [persistent|readonly|sticky|replicated] | getdbmap | catdb NAME | ptrans NAME
 *
 * Does NOT promise: rsn, flags and dmaster of CTDB; catdb shows none, as ctdbx has others.
 */

import type { AttachOptions, Transaction } from "../../actors/client/types.ts";
import { escapeBytes, unescapeText } from "../bytes_text.ts";
import {
  machineLines,
  said,
  type StandinCall,
  type StandinEnd,
  type StandinPorts,
  unsaid,
} from "./form.ts";

const KINDS: Readonly<Record<string, AttachOptions>> = {
  persistent: { type: "persistent" },
  replicated: { type: "replicated" },
  readonly: { type: "volatile", readonly: "on" },
  sticky: { type: "volatile", sticky: "on" },
};
/** Lines of ptrans, as CTDB writes and reads them: "KEY" "VALUE". */
const LINE = /^\s*"((?:[^"\\]|\\.)*)"\s+"((?:[^"\\]|\\.)*)"\s*$/;
/** Records that ptrans takes at once. */
const PTRANS_MAX = 100_000;

/** Makes a database that is not there yet. */
export async function attach(
  [, name, kind]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  const options = kind === undefined ? { type: "volatile" as const } : KINDS[kind];
  if (name === undefined || options === undefined) {
    return unsaid("usage: attach NAME [persistent|readonly|sticky|replicated]");
  }
  await ports.cluster((cluster) => cluster.attach(name, options));
  return { code: 0 };
}

/** The databases. */
export async function databaseMap(
  { machine }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  const all = await ports.cluster((cluster) => cluster.databases());
  if (machine !== undefined) {
    const head = ["Name", "Persistent", "Replicated"];
    const rows = all.map(({ name, kind }) => [
      name,
      kind === "persistent" ? 1 : 0,
      kind === "replicated" ? 1 : 0,
    ]);
    return said(machineLines(machine, [head, ...rows]));
  }
  const lines = all.map(({ name, kind }) =>
    `name:${name}${kind === "volatile" ? "" : ` ${kind.toUpperCase()}`}\n`
  );
  return said(`Number of databases:${all.length}\n${lines.join("")}`);
}

/** All records of a database. */
export async function catDatabase(
  [, name]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (name === undefined) return unsaid("usage: catdb NAME");
  const pieces: string[] = [];
  await ports.cluster(async (cluster) => {
    const database = await cluster.attach(name, { create: false });
    for await (const { key, value } of database.traverse()) {
      pieces.push(
        `key(${key.length}) = "${escapeBytes(key)}"\ndata(${value.length}) = "${
          escapeBytes(value)
        }"\n\n`,
      );
    }
  });
  return said(`${pieces.join("")}Dumped ${pieces.length} records\n`);
}

/** Stores the pairs of standard input in one transaction; an empty value deletes. */
export async function transact(
  [, name]: readonly string[],
  ports: StandinPorts,
): Promise<StandinEnd> {
  if (name === undefined) return unsaid("usage: ptrans NAME");
  const pairs: (readonly [Uint8Array, Uint8Array])[] = [];
  for (const line of (await ports.input()).split("\n")) {
    if (line.trim() === "") continue;
    const [, key, value] = LINE.exec(line) ?? [];
    // CTDB's tool skips a line that it cannot read; half of what was meant is worse than nothing.
    if (key === undefined || value === undefined || pairs.length >= PTRANS_MAX) {
      return unsaid(`Cannot read line ${pairs.length + 1}: it must be "KEY" "VALUE"`);
    }
    pairs.push([unescapeText(key, "the key"), unescapeText(value, "the value")]);
  }
  if (pairs.length === 0) return { code: 0 };
  await ports.cluster(async (cluster) => {
    const database = await cluster.attach(name, { create: false });
    await database.transaction((tx: Transaction) => {
      for (const [key, value] of pairs) tx.put(key, value);
      return Promise.resolve();
    });
  });
  return { code: 0 };
}
