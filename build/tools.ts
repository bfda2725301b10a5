/**
 * The programs and libraries of the machine that tests and benchmarks work with: the one list.
 *
 * Each has a way to see without running anything whether it is there, so that a complete machine
 * costs milliseconds, and Debian's package for it. What is missing after build/setup.ts has tried
 * is written, with the reason, to build/out/missing.json, where test/tools.ts finds it.
 *
 * Does NOT promise: versions; Debian's are taken as they are.
 */

import { accessSync, constants, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** One tool: a program on PATH, or a file that may be found under one of several names. */
export interface Tool {
  readonly name: string;
  /** Debian's package. */
  readonly debian: string;
  /** Patterns of a file, for what is no program. */
  readonly files?: readonly string[];
}

/** What tests and benchmarks ask for by name. */
export const TOOLS: readonly Tool[] = [
  { name: "tdbtool", debian: "tdb-tools" },
  { name: "tdbdump", debian: "tdb-tools" },
  { name: "tdbbackup", debian: "tdb-tools" },
  { name: "tdbrestore", debian: "tdb-tools" },
  {
    name: "libtdb",
    debian: "libtdb-dev",
    files: ["/usr/include/tdb.h", "/usr/local/include/tdb.h"],
  },
  // For Debian's own /usr/bin/python3, whatever `python3` on PATH is.
  { name: "python3-tdb", debian: "python3-tdb", files: ["/usr/lib/python3/dist-packages/tdb*.so"] },
  { name: "gcc", debian: "gcc" },
  { name: "libc", debian: "libc6-dev", files: ["/usr/include/stdio.h"] },
  { name: "strace", debian: "strace" },
  { name: "openssl", debian: "openssl" },
  // Makes terminals.
  { name: "script", debian: "bsdutils" },
];

/** The NATS server, which is got in a way of its own: see build/setup.ts. */
export const NATS_SERVER: Tool = { name: "nats-server", debian: "nats-server" };

/** Where the reasons of missing tools are kept, relative to the checkout. */
export const MISSING_FILE = "build/out/missing.json";

/** The cache of unpacked programs, outside of the checkout. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME, HOME } = process.env;
  return join(XDG_CACHE_HOME || join(HOME ?? "/tmp", ".cache"), "ctdbx");
}

/** Path of a tool, undefined when it is not there. */
export function findTool(tool: Tool): string | undefined {
  if (tool.files !== undefined) return tool.files.flatMap((pattern) => globSync(pattern))[0];
  // Debian keeps servers in sbin, which is not on every user's PATH.
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const places = [...folders, "/usr/sbin", join(cacheFolder(), "usr/sbin")];
  return places.map((folder) => join(folder, tool.name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
