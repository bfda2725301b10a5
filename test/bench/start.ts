/**
 * `npm run bench -- start`: how long a command of the packed program takes from its start to its end.
 *
 *   bun test/bench/start.ts [--rounds N] [--json]
 *
 * Commands take turns, each in an empty environment; the first round is thrown away. Beside them: a binary of Bun that
 * does nothing, which is the floor, and tdbtool where there is one. Exit code 1 when a bar is missed.
 *
 * Does NOT promise: times with a cold page cache: the binary has 120 MiB, of which a start reads a part.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildBinary } from "../../build/binary.ts";
import { buildBundle } from "../../build/bundle.ts";
import { mebibytes, PACKER } from "../../build/pack.ts";
import { DENO } from "../../build/steps.ts";
import { findTool, TOOLS } from "../../build/tools.ts";

/** Median of a start of the binary, ms. */
const BAR_MS = 50;

interface Work {
  readonly name: string;
  readonly command: readonly string[];
  readonly hasBar: boolean;
}

interface Times extends Work {
  readonly leastMs: number;
  readonly medianMs: number;
  readonly mostMs: number;
}

function output(command: readonly string[]): string {
  const result = spawnSync("/usr/bin/env", ["-i", ...command], { encoding: "utf8" });
  if (result.status === 0) return result.stdout;
  throw new Error(`${command.join(" ")}: ${result.stderr}`);
}

/** Builds all that is measured into `folder`. */
function worksIn(folder: string): Work[] {
  const binary = buildBinary(join(folder, "ctdbx"));
  const bundle = buildBundle(join(folder, "ctdbx.js"));
  console.log(`binary ${mebibytes(binary.size)}, bundle ${mebibytes(bundle.size)}`);
  const nothing = join(folder, "nothing");
  writeFileSync(`${nothing}.ts`, "export {};\n");
  const built = spawnSync(PACKER, ["build", "--compile", `${nothing}.ts`, "--outfile", nothing]);
  if (built.status !== 0 || statSync(nothing).size === 0) throw new Error(String(built.stderr));
  const file = join(folder, "t.tdb");
  output([binary.path, "tdb", "create", file]);
  output([binary.path, "tdb", "put", file, "key", "value"]);
  const starts: [string, string[], boolean][] = [
    ["binary", [binary.path], true],
    ["bundle on Bun", [PACKER, bundle.path], false],
    ["bundle on Deno", [DENO, "run", "-A", "--quiet", "--no-config", bundle.path], false],
  ];
  const works = starts.flatMap(([name, start, hasBar]) => [
    { name: `${name}: --version`, command: [...start, "--version"], hasBar },
    { name: `${name}: tdb get`, command: [...start, "tdb", "get", file, "key"], hasBar },
    { name: `${name}: version`, command: [...start, "version"], hasBar: false },
  ]);
  works.unshift({ name: "a binary that does nothing", command: [nothing], hasBar: false });
  const tdbtool = TOOLS.filter((tool) => tool.name === "tdbtool").map(findTool)[0];
  if (tdbtool !== undefined) {
    works.push({ name: "tdbtool: show", command: [tdbtool, file, "show", "key"], hasBar: false });
  }
  // Deno keeps what it has compiled; where, it shall not look for.
  const cache = `DENO_DIR=${join(folder, "deno")}`;
  return works.map((work) => ({ ...work, command: [cache, ...work.command] }));
}

function timesOf(works: readonly Work[], rounds: number): { times: Times[]; hash: string } {
  const found = works.map((): number[] => []);
  const hash = createHash("sha256");
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { command }] of works.entries()) {
      const startMs = performance.now();
      const said = output(command);
      const ms = performance.now() - startMs;
      if (round > 0) found[index]?.push(ms);
      else hash.update(said);
    }
  }
  const times = works.map((work, index) => {
    const sorted = (found[index] ?? []).sort((one, other) => one - other);
    const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? NaN;
    return { ...work, leastMs: at(0), medianMs: at(0.5), mostMs: at(1) };
  });
  return { times, hash: hash.digest("hex").slice(0, 16) };
}

function main(words: string[]): number {
  const { values } = parseArgs({
    args: words,
    options: { rounds: { type: "string", default: "20" }, json: { type: "boolean" } },
  });
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-start-"));
  try {
    const { times, hash } = timesOf(worksIn(folder), Number(values.rounds));
    const missed = times.filter(({ hasBar, medianMs }) => hasBar && medianMs > BAR_MS);
    if (values.json === true) console.log(JSON.stringify({ times, hash }, null, 2));
    for (const { name, leastMs, medianMs, mostMs, hasBar } of times) {
      const cells = [leastMs, medianMs, mostMs].map((ms) => ms.toFixed(1).padStart(8));
      const bar = hasBar ? `   <= ${BAR_MS}  ${medianMs > BAR_MS ? "MISSED" : "met"}` : "";
      console.log(`${name.padEnd(28)}${cells.join("")} ms${bar}`);
    }
    console.log(`least, median, most of ${values.rounds} rounds; what was said: ${hash}`);
    return missed.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
