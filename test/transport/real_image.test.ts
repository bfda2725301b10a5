/**
 * The Image contract on real files.
 *
 * Does NOT promise: the traps of the runtimes; see traps.test.ts.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { RealImageStore } from "../../transport/real_image.ts";
import { imageContract } from "../contracts/image.ts";

const folders: string[] = [];
const store = new RealImageStore();

imageContract("real image", () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-image-"));
  folders.push(folder);
  return {
    store,
    path: (name) => join(folder, name),
    deny: (path) => {
      if (process.getuid?.() !== 0) {
        chmodSync(path, 0);
        return () => chmodSync(path, 0o600);
      }
      // Permissions do not stop root; the immutable flag does, where the file system has it.
      if (spawnSync("chattr", ["+i", path]).status !== 0) return undefined;
      return () => void spawnSync("chattr", ["-i", path]);
    },
  };
}, () => {
  for (const folder of folders.splice(0, 1)) rmSync(folder, { recursive: true });
});
