/**
 * The JavaScript bundle for who has a runtime already: build/out/ctdbx.js, one file for Bun and Deno, no node_modules.
 *
 *   deno run -A ctdbx.js dev up         bun ctdbx.js dev up
 *
 * Does NOT promise: a nats-server; one that is installed is used.
 */

import { writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { thirdPartyText } from "./licences.ts";
import type { Packed } from "./pack.ts";
import { commitPart, mebibytes, pack } from "./pack.ts";
import { OUT } from "./steps.ts";

/** The banner is Bun's own mark for code that needs no translation: half the time of a start. Others see a comment. */
const OPTIONS = ["--target=node", "--external", "bun:ffi", "--banner=// @bun"];

/** Makes the bundle. */
export function buildBundle(out: string): Packed {
  return pack({ kind: "bundle", ...commitPart() }, OPTIONS, out);
}

function main([out = join(OUT, "ctdbx.js")]: string[]): void {
  const { path, size } = buildBundle(resolve(out));
  writeFileSync(join(dirname(path), "THIRD-PARTY.txt"), thirdPartyText(undefined));
  console.log(`${path}  ${mebibytes(size)}`);
}

if (import.meta.main) main(process.argv.slice(2));
