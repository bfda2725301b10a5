/**
 * The library for programs that are no part of this checkout: build/out/lib, a package for Bun and Deno.
 *
 *   lib/ctdbx.js        one file, no node_modules       lib/types/, lib/types-deno/   declarations
 *   lib/package.json    the name "ctdbx"                lib/THIRD-PARTY.txt
 *
 *   bun add ./lib       deno: "imports": { "ctdbx": "./lib/ctdbx.js" }
 *
 * Does NOT promise: that the declarations are few; they are those of all that it is made of.
 */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { thirdPartyText } from "./licences.ts";
import { commitPart, mebibytes, pack, PACKER } from "./pack.ts";
import { OUT, ROOT } from "./steps.ts";

/** Where the packed library begins. */
const MAIN = "build/library_main.ts";
/** What it tells its users' compilers. */
const TYPES = "actors/mod.ts";
/** Bun's mark for code that needs no translation; then Deno's, which names the declarations. */
const BANNER = `// @bun\n// @ts-self-types="./types-deno/actors/mod.d.ts"`;

/** Makes the folder, which is replaced in one step. Throws with the words of the program that failed. */
export function buildLibrary(folder: string): { readonly path: string; readonly size: number } {
  mkdirSync(dirname(folder), { recursive: true });
  const stage = mkdtempSync(join(dirname(folder), ".lib-"));
  try {
    const options = ["--target=node", "--external", "bun:ffi", `--banner=${BANNER}`];
    const build = { kind: "bundle", ...commitPart() } as const;
    const { size } = pack(build, options, join(stage, "ctdbx.js"), MAIN);
    layTypes(join(stage, "types"));
    writeFileSync(join(stage, "package.json"), packageText());
    writeFileSync(join(stage, "THIRD-PARTY.txt"), thirdPartyText(undefined));
    rmSync(folder, { recursive: true, force: true });
    // Temporary folders are for their owner alone.
    chmodSync(stage, 0o755);
    renameSync(stage, folder);
    return { path: folder, size };
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function packageText(): string {
  const { version, license, description } = JSON.parse(
    readFileSync(join(ROOT, "package.json"), "utf8"),
  );
  const exports = { ".": { types: "./types/actors/mod.d.ts", default: "./ctdbx.js" } };
  const made = { name: "ctdbx", version, description, license, type: "module", exports };
  return `${JSON.stringify(made, undefined, 2)}\n`;
}

function layTypes(folder: string): void {
  const words = [
    "--declaration",
    "--emitDeclarationOnly",
    "--noEmit",
    "false",
    "--rootDir",
    ".",
    "--outDir",
    folder,
    "--ignoreConfig",
    ...flags(),
    TYPES,
  ];
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const result = spawnSync(PACKER, [tsc, ...words], { cwd: ROOT, encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(`Cannot write the declarations: ${result.stdout}${result.stderr}`);
  }
  const own = join(dirname(folder), "types-deno");
  cpSync(folder, own, { recursive: true });
  nameImports(folder, ".js");
  nameImports(own, ".d.ts");
}

/** How declarations name each other: compilers want the name of the code, Deno the file that is there. */
function nameImports(folder: string, ending: string): void {
  for (const name of globSync("**/*.d.ts", { cwd: folder })) {
    const path = join(folder, name);
    const text = readFileSync(path, "utf8");
    const named = text.replaceAll(/(["'])(\.{1,2}\/[^"']+?)\.ts\1/g, `$1$2${ending}$1`);
    writeFileSync(path, named);
  }
}

/** As tsconfig.json has them. */
function flags(): string[] {
  const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, "tsconfig.json"), "utf8"));
  const { target, module, lib, types } = compilerOptions;
  return [
    ...["--target", target, "--module", module, "--lib", lib.join(","), "--types", types.join(",")],
    ...["--strict", "--skipLibCheck", "--allowImportingTsExtensions", "--verbatimModuleSyntax"],
  ];
}

function main([out = join(OUT, "lib")]: string[]): void {
  const { path, size } = buildLibrary(resolve(out));
  console.log(`${path}  ${mebibytes(size)}`);
}

if (import.meta.main) main(process.argv.slice(2));
