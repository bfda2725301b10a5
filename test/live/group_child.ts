/**
 * A process for group.test.ts: runs groups, and is killed.
 *
 *   group_child.ts wait        names a child of a group, and waits
 *   group_child.ts killed FILE its group writes its process id there, and kills it at once
 *   group_child.ts guardless   kills its guard, runs another group, says "again"
 *
 * Does NOT promise: to end by itself.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { RealGroups } from "../../transport/real_group.ts";

const [mode = "wait", killedFile = ""] = process.argv.slice(2);
const groups = new RealGroups();
const folder = mkdtempSync(join(tmpdir(), "ctdbx-group-"));
const file = join(folder, "pid");
const wish = { timeoutMs: 0, outputMax: 99 };
const started = new Promise<string>((resolve) => {
  const watcher = watch(folder, () => {
    const text = readPid();
    if (!text.endsWith("\n")) return;
    watcher.close();
    resolve(text.trim());
  });
});

function readPid(): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const own = `echo $$ > ${file}`;
if (mode === "killed") {
  void groups.run({
    command: ["/bin/sh", "-c", `echo $$ > ${killedFile}; kill -KILL $PPID; sleep 1000`],
    ...wish,
  });
} else {
  void groups.run({ command: ["/bin/sh", "-c", `${own}; sleep 1000; :`], ...wish });
  console.log(await started);
  if (mode === "guardless") {
    execFileSync("/bin/sh", ["-c", `pkill -KILL -P ${process.pid} -f '[g]uard$'`]);
    await groups.run({ command: ["/bin/true"], ...wish }).ended;
    console.log("again");
  }
}
setTimeout(() => {}, 1_000_000);
