/**
 * A process for disk_sync.test.ts: writes files through the Disk and says when each is durable.
 *
 *   disk_child.ts FOLDER
 *
 * Does NOT promise: anything but the order of its system calls.
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { RealDisk } from "../../transport/real_disk.ts";

const [folder = ""] = process.argv.slice(2);
const disk = new RealDisk();
const bytes = new TextEncoder().encode("contents");
for (const [kind, name] of [["write", "new"], ["write", "new"], ["replace", "put"]] as const) {
  await new Promise<void>((resolve, reject) => {
    disk[kind](
      `${folder}/${name}`,
      bytes,
      (error) => error === undefined ? resolve() : reject(error),
    );
  });
  writeSync(1, `done ${kind} ${name}\n`);
}
