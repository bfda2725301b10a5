/**
 * `npm run build`: one binary with everything inside, build/out/ctdbx.
 *
 *   cli/main.ts and all it loads (kernels as text in it), compiled to bytecode   }
 *   Bun                                                                          }  build/out/ctdbx
 *   nats-server, when this machine has one                                       }
 *
 * It is the file of its own threads (cli/threads.ts), and looks for no .env and no bunfig.toml where it is started.
 *
 * Does NOT promise: a binary for other machines than this one's kind.
 */

import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { thirdPartyText } from "./licences.ts";
import type { Packed } from "./pack.ts";
import { commitPart, mebibytes, natsToEmbed, pack } from "./pack.ts";
import { OUT } from "./steps.ts";

/**
 * Bytecode halves the time of a start, and pieces, of which each command loads its own, take a quarter of the rest;
 * nothing from the folder of the caller may change what the program does.
 */
export const BINARY_OPTIONS: readonly string[] = [
  "--compile",
  "--bytecode",
  "--splitting",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
];

/** Makes the binary; `withNats` false leaves nats-server out. */
export function buildBinary(out: string, withNats = true): Packed {
  const nats = withNats ? natsToEmbed() : undefined;
  if (nats === undefined) return pack({ kind: "binary", ...commitPart() }, BINARY_OPTIONS, out);
  // Under the name that transport/real_embedded.ts looks for, whatever it is called here.
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-build-"));
  try {
    const asset = join(folder, "nats-server");
    copyFileSync(nats.path, asset);
    chmodSync(asset, 0o755);
    const { version, size, sha256 } = nats;
    const build = {
      kind: "binary",
      ...commitPart(),
      nats: { version, size, sha256 },
    } as const;
    return pack(build, [...BINARY_OPTIONS, "--asset", asset], out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main([out = join(OUT, "ctdbx")]: string[]): void {
  const { path, size, build } = buildBinary(resolve(out));
  const nats = build.nats === undefined
    ? "without nats-server"
    : `nats-server ${build.nats.version}`;
  writeFileSync(join(dirname(path), "THIRD-PARTY.txt"), thirdPartyText(build.nats?.version));
  console.log(`${path}  ${mebibytes(size)}, ${nats}`);
}

if (import.meta.main) main(process.argv.slice(2));
