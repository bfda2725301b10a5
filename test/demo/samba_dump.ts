/**
 * Makes the dump that stands in where Samba's `net` is not installed: test/vectors/samba/registry.dump, and the same
 * packed in cli/samba_registry.ts. Wanted again only when the shares of cli/dev_samba.ts change.
 *
 *   bun test/demo/samba_dump.ts        needs samba-common-bin and tdb-tools
 *
 * Does NOT promise: the same bytes with another version of Samba.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { makeRegistry } from "../../cli/dev_samba.ts";
import { RealImageStore } from "../../transport/real_image.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Of a line of base64, in characters. */
const WIDTH = 94;

/** The source file with a dump in it. */
export function packedSource(dump: string, by: string): string {
  const packed = gzipSync(new TextEncoder().encode(dump), { level: 9 }).toString("base64");
  const lines = packed.match(new RegExp(`.{1,${WIDTH}}`, "g")) ?? [];
  return `/**
 * The dump of a registry.tdb that Samba's \`net registry import\` made of the shares in cli/dev_samba.ts: gzip, base64.
 * test/vectors/samba/registry.dump is the same as text; test/demo/samba_dump.ts makes both.
 *
 * Does NOT promise: what another version of Samba would put in.
 */

/** Who made it. */
export const SAMBA_DUMP_BY = ${JSON.stringify(by)};

/** Pieces of the base64 text, in order. */
export const SAMBA_DUMP: readonly string[] = [
${lines.map((line) => `  "${line}",`).join("\n")}
];
`;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-samba-"));
  try {
    const { path, by, restored } = await makeRegistry({ store: new RealImageStore() }, folder);
    if (restored !== undefined) throw new Error(`Cannot make the dump: ${restored}`);
    const text = execFileSync("tdbdump", [path], { encoding: "latin1" });
    // By key, so that the next one can be compared with this one.
    const dump = text.split(/(?<=\n\}\n)/).sort().join("");
    writeFileSync(join(ROOT, "test/vectors/samba/registry.dump"), dump, "latin1");
    writeFileSync(join(ROOT, "cli/samba_registry.ts"), packedSource(dump, by));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
