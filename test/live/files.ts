/**
 * Files of a scenario and what Debian's own tools say about them.
 *
 * Does NOT promise: that a folder is removed when the process is killed; they lie under the
 * system's temp folder.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../tools.ts";
import { type Records, unhex } from "./session.ts";

/** Runs `work` with a fresh folder, which is removed afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-live-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Throws what `tdbtool FILE check` complains about. */
export function tdbtoolCheck(path: string): void {
  const result = spawnSync(tool("tdbtool"), [path, "check"], { encoding: "utf8" });
  if (result.status === 0 && result.stdout.includes("integrity is OK")) return;
  throw new Error(`tdbtool check: ${result.status} ${result.stdout} ${result.stderr}`);
}

/** The blocks of `tdbdump FILE`, sorted: the set of records as it shows them. */
export function tdbdumpBlocks(path: string): string[] {
  const result = spawnSync(tool("tdbdump"), [path], {
    encoding: "latin1",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (result.status !== 0) throw new Error(`tdbdump: ${result.status} ${result.stderr}`);
  return result.stdout.split("}\n").filter((block) => block !== "").sort();
}

/** What tdbdump must show for these records. */
export function dumpBlocks(records: Records): string[] {
  const quote = (name: string, word: string) => {
    const bytes = unhex(word);
    let text = "";
    for (const byte of bytes) {
      const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
      text += plain
        ? String.fromCharCode(byte)
        : `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }
    return `${name}(${bytes.length}) = "${text}"\n`;
  };
  return [...records].map(([key, value]) => `{\n${quote("key", key)}${quote("data", value)}`)
    .sort();
}
