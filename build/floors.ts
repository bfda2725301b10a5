/**
 * The house rules that a program can check: who may import whom, who may touch the world, how a
 * file looks.
 *
 *   cli
 *   actors                              imports go down only;
 *   actors/machines  actors/storage     test and build may look at all,
 *   transport                           nobody looks at them
 *   transport/wire
 *   assembly/host
 *
 * Adapters (see isAdapter) are where time, dice, processes, files and sockets are; what is not an
 * adapter reaches the world through ports handed to it. Each rule has a planted breach in
 * test/build/floors.test.ts.
 *
 * Does NOT promise: to find every breach; rules look at words, not at types. They rather miss than
 * cry wolf.
 */

import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RULES } from "./floor_rules.ts";
import { blank, importsOf } from "./scan.ts";
import type { ImportOf } from "./scan.ts";

/** A file as the rules see it. */
export interface SourceFile {
  /** Relative to the checkout. */
  readonly path: string;
  readonly source: string;
  /** The source without comments and texts; same length. */
  readonly code: string;
  readonly imports: readonly ImportOf[];
}

/** A breach of a rule. */
export interface Breach {
  readonly rule: string;
  readonly path: string;
  /** 1 is the first. */
  readonly line: number;
  readonly text: string;
}

/** Scans one file. */
export function sourceFile(path: string, source: string): SourceFile {
  const code = blank(source);
  return { path, source, code, imports: importsOf(source, code) };
}

/** All breaches of all rules in these files. */
export function breachesOf(files: readonly SourceFile[]): Breach[] {
  return files.flatMap((file) =>
    Object.entries(RULES).flatMap(([rule, check]) =>
      check(file).map(({ line, text }) => ({ rule, path: file.path, line, text }))
    )
  );
}

function main(): number {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const folders = ["assembly", "transport", "actors", "cli", "test", "build"];
  const paths = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
    .filter((path) => !path.startsWith("build/out/") && !path.startsWith("test/vectors/")).sort();
  const files = paths.map((path) => sourceFile(path, readFileSync(join(root, path), "utf8")));
  const breaches = breachesOf(files);
  for (const { rule, path, line, text } of breaches) {
    console.log(`${path}:${line}: ${text} (${rule})`);
  }
  console.log(`${files.length} files, ${breaches.length} breaches`);
  return breaches.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main();
