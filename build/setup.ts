/**
 * Brings a fresh Debian machine to where `npm start` and `npm test` can run. Quick when all is
 * there.
 *
 *   all there --------------------------------------------------------> nothing to do
 *   tools missing, root ----> apt-get update, apt-get install --------> look again
 *   tools missing, no root or apt fails ------------------------------> reason; tests are skipped
 *   nats-server missing ----> apt-get download, dpkg -x to the cache -> look again (needs no root)
 *
 * Does NOT promise: success. It never fails the run; what is missing is named here, and again by
 * each test.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { cacheFolder, findTool, MISSING_FILE, NATS_SERVER, TOOLS } from "./tools.ts";
import type { Tool } from "./tools.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** A mirror that hangs shall not hang the tests. */
const APT_LIMIT_MS = 240_000;

/** What set-up needs of the machine; tests give their own. */
export interface Machine {
  readonly isRoot: boolean;
  find(tool: Tool): string | undefined;
  /**
   * Runs a program to its end in a folder; undefined when it succeeded, else the last line it
   * printed.
   */
  run(program: string, args: readonly string[], folder: string): string | undefined;
  /** Folder for what is unpacked without root; exists. */
  readonly cache: string;
}

/** Gets what is missing. Returns the reason for each tool that is still missing, by name. */
export function setUp(machine: Machine): Record<string, string> {
  const reasons: Record<string, string> = {};
  const missing = TOOLS.filter((tool) => machine.find(tool) === undefined);
  if (missing.length > 0) {
    const why = installTools(machine, missing);
    for (const tool of missing) {
      if (machine.find(tool) === undefined) {
        reasons[tool.name] = why ?? `Debian's ${tool.debian} is installed, but has no ${tool.name}`;
      }
    }
  }
  if (machine.find(NATS_SERVER) === undefined) {
    const why = unpackNats(machine);
    if (machine.find(NATS_SERVER) === undefined) {
      reasons[NATS_SERVER.name] = why ?? "Debian's nats-server was unpacked, but has no program";
    }
  }
  return reasons;
}

function installTools(machine: Machine, missing: readonly Tool[]): string | undefined {
  const packages = [...new Set(missing.map((tool) => tool.debian))];
  if (!machine.isRoot) return `not root: install it with: apt-get install ${packages.join(" ")}`;
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  const update = machine.run("apt-get", ["update"], "/");
  const failed = machine.run("apt-get", install, "/");
  return failed === undefined ? undefined : `apt-get: ${failed}${update ? ` (${update})` : ""}`;
}

function unpackNats(machine: Machine): string | undefined {
  const { debian } = NATS_SERVER;
  let failed = machine.run("apt-get", ["download", debian], machine.cache);
  if (failed !== undefined && machine.isRoot) {
    machine.run("apt-get", ["update"], "/");
    failed = machine.run("apt-get", ["download", debian], machine.cache);
  }
  if (failed !== undefined) return `apt-get download: ${failed}`;
  const unpack = `dpkg -x ${debian}_*.deb . && rm -f ${debian}_*.deb`;
  failed = machine.run("sh", ["-c", unpack], machine.cache);
  return failed === undefined ? undefined : `dpkg: ${failed}`;
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    isRoot: process.getuid?.() === 0,
    find: findTool,
    run: runProgram,
    cache: cacheFolder(),
  };
}

function runProgram(program: string, args: readonly string[], folder: string): string | undefined {
  console.error(`setup: ${program} ${args.join(" ")}`);
  mkdirSync(folder, { recursive: true });
  const result = spawnSync(program, [...args], {
    cwd: folder,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: APT_LIMIT_MS,
  });
  if (result.error !== undefined) return result.error.message;
  if (result.status === 0) return undefined;
  return result.stderr.trim().split("\n").at(-1) || `${program} ended with ${result.status}`;
}

/** Sets this machine up and leaves the reasons where the tests look for them. */
export function setUpHere(): Record<string, string> {
  const reasons = setUp(thisMachine());
  const path = join(ROOT, MISSING_FILE);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(reasons, null, 2) + "\n");
  for (const [name, why] of Object.entries(reasons)) console.error(`setup: no ${name}: ${why}`);
  return reasons;
}

if (import.meta.main) setUpHere();
