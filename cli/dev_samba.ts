/**
 * A real database of Samba: made here and now by Samba's own `net`, or, where that is not installed, one that it made
 * once.
 *
 *   registry.reg ──▶ net --configfile=FOLDER/smb.conf registry import ──▶ FOLDER/state/registry.tdb
 *   no `net`     ──▶ cli/samba_registry.ts, the dump of such a file   ──▶ FOLDER/state/registry.tdb
 *
 * The configuration names folders below FOLDER for everything, so the Samba of this machine is not touched, and nobody
 * needs to be root.
 *
 * Does NOT promise: the same number of records with another version of Samba: each puts its own keys in first.
 */

import { execFile } from "node:child_process";
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { openTdb } from "../actors/storage/tdb_open.ts";
import { DumpReader, type DumpRecord } from "./dump_text.ts";
import { SAMBA_DUMP, SAMBA_DUMP_BY } from "./samba_registry.ts";
import type { CommandWorld } from "./world.ts";

/** Shares that the registry gets; each makes two records. */
export const SHARES = 60;
/** `net` needs 50 ms. */
const NET_MS = 15_000;
/** Folders that Samba may ask for; `state` has registry.tdb. */
const FOLDERS = {
  "state directory": "state",
  "cache directory": "cache",
  "lock directory": "lock",
  "private dir": "private",
  "pid directory": "pid",
  "ncalrpc dir": "ncalrpc",
  "binddns dir": "binddns",
};

/** A registry.tdb, and how it came to be. */
export interface SambaFile {
  readonly path: string;
  /** Who made it, as "Samba 4.17.12-Debian". */
  readonly by: string;
  /** Why it was not made now but comes from a dump; undefined: it was made now. */
  readonly restored: string | undefined;
}

/** Makes it below `folder`, which must exist. `net` is its path; undefined: the dump is restored. */
export async function makeRegistry(
  world: Pick<CommandWorld, "store">,
  folder: string,
  net: string | undefined = findNet(),
): Promise<SambaFile> {
  const path = join(folder, "state", "registry.tdb");
  mkdirSync(join(folder, "state"), { recursive: true, mode: 0o700 });
  let why = "Samba's `net` is not installed here";
  if (net !== undefined) {
    try {
      return { path, by: await importBySamba(net, folder), restored: undefined };
    } catch (error) {
      why = `${net}: ${error instanceof Error ? error.message.split("\n")[0] : error}`;
    }
  }
  await restoreDump(world, path);
  return { path, by: SAMBA_DUMP_BY, restored: why };
}

/** Samba's `net` on this machine (Debian: samba-common-bin); undefined: there is none. */
export function findNet(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return [...folders, "/usr/bin"].map((each) => join(each, "net")).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Lets Samba do it; answers its name and version. */
async function importBySamba(net: string, folder: string): Promise<string> {
  const version = (await output(net, ["--version"])).trim();
  if (!/^Version \d/.test(version)) throw new Error(`no program of Samba: "${version}"`);
  for (const each of Object.values(FOLDERS)) {
    mkdirSync(join(folder, each), { recursive: true, mode: 0o700 });
  }
  const config = join(folder, "smb.conf");
  writeFileSync(config, configText(folder), { mode: 0o600 });
  const shares = join(folder, "shares.reg");
  writeFileSync(shares, sharesText(), { mode: 0o600 });
  await output(net, [`--configfile=${config}`, "registry", "import", shares]);
  return version.replace("Version", "Samba");
}

function configText(folder: string): string {
  const lines = Object.entries(FOLDERS).map(([name, each]) => `${name} = ${join(folder, each)}`);
  return ["[global]", ...lines, `log file = ${join(folder, "samba.log")}`, ""].join("\n");
}

/** What an administrator would import: the shares of a file server, in the text form of registries. */
export function sharesText(): string {
  const root = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Samba\\smbconf";
  const lines = ["Windows Registry Editor Version 5.00", "", `[${root}\\global]`];
  lines.push('"workgroup"="EDGE"', '"security"="user"', "");
  for (let index = 0; index < SHARES; index++) {
    const name = `share${String(index).padStart(2, "0")}`;
    lines.push(`[${root}\\${name}]`, `"path"="/srv/${name}"`, '"read only"="no"');
    lines.push(`"comment"="Share ${index} of the edge"`, "");
  }
  return lines.join("\r\n");
}

/** Runs a program to its end; what it wrote to stdout. Throws when it fails. */
function output(program: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...words], { timeout: NET_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      reject(new Error(stderr.trim().split("\n").at(-1) || error.message));
    });
  });
}

/** The records of the dump that comes with ctdbx. */
export function dumpedRecords(): DumpRecord[] {
  const records: DumpRecord[] = [];
  const reader = new DumpReader((record) => records.push(record));
  reader.push(gunzipSync(Uint8Array.from(atob(SAMBA_DUMP.join("")), (each) => each.charCodeAt(0))));
  reader.end();
  return records;
}

async function restoreDump({ store }: Pick<CommandWorld, "store">, path: string): Promise<void> {
  // `net` may have left a part of one.
  rmSync(path, { force: true });
  const tdb = await openTdb(store, path, { create: true });
  try {
    await tdb.transaction(() => {
      for (const { key, value } of dumpedRecords()) tdb.store(key, value);
    });
  } finally {
    tdb.close();
  }
}
