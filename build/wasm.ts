/**
 * Compiles assembly/index.ts into assembly/host/kernels_wasm.ts, the one generated file that is
 * committed.
 *
 *   assembly/*.ts --asc--> wasm bytes --base64--> export const KERNELS_WASM_BASE64
 *
 * Text, not a .wasm file, so that a bundle for either runtime carries the kernels without knowing
 * how to embed files. The same sources and compiler give the same bytes; `--check` compiles again
 * and compares.
 *
 * Does NOT promise: equal bytes from another version of the compiler; package-lock.json pins it.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { KERNELS_WASM_BASE64 } from "../assembly/host/kernels_wasm.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCE = "assembly/index.ts";
const TARGET = "assembly/host/kernels_wasm.ts";
const BASE64_COLUMNS = 96;

/** Options of asc, each with its reason; the memory must agree with assembly/host/memory.ts. */
const OPTIONS = [
  ["-O3", "--noAssert"], // bounds of file offsets are checked in the sources, not by asserts
  ["--runtime", "stub"], // nothing is allocated in WebAssembly
  ["--importMemory", "--zeroFilledMemory", "--initialMemory", "65535", "--maximumMemory", "65535"],
  ["--memoryBase", "1024"], // address 0 stays unused, so that 0 can mean "none"
  ["--enable", "simd", "--enable", "bulk-memory"],
  ["--enable", "threads"], // atomic adds; the memory itself is not shared
  ["--use", "abort="], // asserts are off, nothing calls it
].flat();

/** The wasm module of assembly/index.ts. Throws with the compiler's own text. */
async function compileKernels(): Promise<Uint8Array> {
  // Not at the top: loading the compiler takes a second.
  const asc = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const words = [SOURCE, "--outFile", "kernels.wasm", ...OPTIONS];
  const { error, stderr } = await asc.main(words, {
    readFile(name, baseDir) {
      const path = join(ROOT, baseDir, name);
      return existsSync(path) ? readFileSync(path, "utf8") : null;
    },
    writeFile(name, contents) {
      if (name === "kernels.wasm" && typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) {
    throw new Error(`Cannot compile ${SOURCE}: ${error?.message ?? "no output"}\n${stderr}`);
  }
  return binary;
}

/**
 * The kernels as they are committed, with a call of env.load_ptr, env.store_ptr and so on at each load and store: a
 * pass over the module, a tenth of what compiling it costs.
 */
export async function instrumentedKernels(): Promise<Uint8Array<ArrayBuffer>> {
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.readBinary(new Uint8Array(Buffer.from(KERNELS_WASM_BASE64, "base64")));
  try {
    module.runPasses(["instrument-memory"]);
    return new Uint8Array(module.emitBinary());
  } finally {
    module.dispose();
  }
}

/** The text of the generated module for these wasm bytes. */
export function kernelsModule(binary: Uint8Array): string {
  const base64 = Buffer.from(binary).toString("base64");
  const lines: string[] = [];
  for (let start = 0; start < base64.length; start += BASE64_COLUMNS) {
    lines.push(`  "${base64.slice(start, start + BASE64_COLUMNS)}"`);
  }
  return `/**
 * Generated from assembly/*.ts by build/wasm.ts; do not edit. Renew with: npm run wasm
 *
 * Does NOT promise: anything by itself; assembly/host/ gives it its types.
 */

/** The WebAssembly module of the kernels, ${binary.length} bytes. */
export const KERNELS_WASM_BASE64: string =
${lines.join(" +\n")};
`;
}

async function main(): Promise<number> {
  const text = kernelsModule(await compileKernels());
  const path = join(ROOT, TARGET);
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before === text) return 0;
  if (process.argv.includes("--check")) {
    console.error(`${TARGET} is not what assembly/ gives now; run: npm run wasm`);
    return 1;
  }
  writeFileSync(path, text);
  console.log(`${TARGET}: ${text.length} bytes`);
  return 0;
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: Error) => {
    console.error(error.message);
    return 1;
  });
}
