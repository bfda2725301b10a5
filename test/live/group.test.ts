/** Groups of processes that do not behave: they hang, are deaf, flood, hold the pipe, die with their parent. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { GroupEnd, GroupWish } from "../../transport/group.ts";
import { RealGroups } from "../../transport/real_group.ts";
import { isAlive } from "../../transport/real_host.ts";
import { gone, script } from "./process.ts";

const test = suite("groups of processes");
const groups = new RealGroups();

function sh(text: string, wish: Partial<GroupWish> = {}) {
  return groups.run({
    command: ["/bin/sh", "-c", text],
    timeoutMs: 60_000,
    outputMax: 4096,
    ...wish,
  });
}

/** The first line is the process id of what the script has started. */
function startedBy({ output }: GroupEnd): number {
  const pid = Number(output.split("\n")[0]);
  assert.ok(pid > 1, output);
  return pid;
}

test("Output and errors come together, in order, and the exit code with them", async () => {
  const end = await sh("echo one; echo two >&2; echo three; exit 7").ended;
  assert.is(end.output, "one\ntwo\nthree\n");
  assert.is(end.code, 7);
  assert.is(end.signal, undefined);
  assert.is(end.isTimeout, false);
  assert.is(end.cutBytes, 0);
  const quiet = await sh("exit 0", { env: { A: "1" }, cwd: "/" }).ended;
  assert.is(quiet.code, 0);
  assert.is(quiet.output, "");
  const env = await sh('echo "$A$B"; pwd; read -r x || echo "no input"', {
    env: { A: "1" },
    cwd: "/usr",
  }).ended;
  assert.is(env.output, "1\n/usr\nno input\n");
});

test("What cannot be executed says so", async () => {
  const absent = await groups.run({ command: ["/nowhere/x"], timeoutMs: 0, outputMax: 999 }).ended;
  assert.is(absent.code, 127);
  assert.match(absent.output, "not found");
  const text = await groups.run({ command: ["/etc/passwd"], timeoutMs: 0, outputMax: 999 }).ended;
  assert.is(text.code, 126);
  const place = await sh("exit 0", { cwd: "/nowhere" }).ended;
  assert.is(place.fault?.code, "not_found");
});

test("One that hangs is told to end, with all it has started", async () => {
  let hung = 0;
  const run = sh("sleep 1000 & echo $!; trap 'echo bye; exit 3' TERM; wait", {
    timeoutMs: 2000,
    killAfterMs: 30_000,
    onHung: (pid) => {
      hung = pid;
      return Promise.resolve();
    },
  });
  const end = await run.ended;
  assert.is(end.isTimeout, true);
  assert.match(end.output, /bye\n$/);
  assert.is(end.code, 3);
  assert.ok(hung > 1);
  await gone(startedBy(end), isAlive);
});

test("One that is deaf is killed, and so is its deaf child", async () => {
  const deaf = "trap '' TERM HUP INT; (trap '' TERM; while :; do sleep 1000; done) & echo $!; " +
    "while :; do sleep 1000; done";
  const end = await sh(deaf, { timeoutMs: 2000, killAfterMs: 100 }).ended;
  assert.is(end.isTimeout, true);
  assert.is(end.signal, "SIGKILL");
  await gone(startedBy(end), isAlive);
});

test("One that has stopped itself is ended all the same", async () => {
  const end = await sh("kill -STOP $$", { timeoutMs: 100, killAfterMs: 30_000 }).ended;
  assert.is(end.isTimeout, true);
  assert.is(end.signal, "SIGTERM");
});

test("Who holds the pipe of a leader that has ended is not waited for", async () => {
  const stays = await sh("(sleep 1000 & echo $!)", { keepsBackground: true }).ended;
  assert.is(stays.code, 0);
  const pid = startedBy(stays);
  assert.is(isAlive(pid), true);
  process.kill(pid, "SIGKILL");
  const goes = await sh("(sleep 1000 & echo $!)").ended;
  assert.is(goes.code, 0);
  await gone(startedBy(goes), isAlive);
});

test("Of a flood the end is kept, and the rest is counted", async () => {
  const lines = 200_000;
  const end = await sh(`seq 1 ${lines}`, { outputMax: 64 }).ended;
  const whole = Array.from({ length: lines }, (_, at) => `${at + 1}\n`).join("");
  assert.is(end.output, whole.slice(-64));
  assert.is(end.cutBytes, whole.length - 64);
  const endless = await sh("yes", { outputMax: 64, timeoutMs: 2000 }).ended;
  assert.is(endless.output, "y\n".repeat(32));
  assert.is(endless.isTimeout, true);
  assert.is(endless.signal, "SIGKILL");
});

test("One that has closed its output is followed by its end alone", async () => {
  const end = await sh("echo first; exec >&- 2>&-; sleep 0.1; exit 5").ended;
  assert.is(end.code, 5);
  assert.is(end.output, "first\n");
});

test("One that kills its group ends by that", async () => {
  const end = await sh("kill -KILL 0; sleep 1000").ended;
  assert.is(end.signal, "SIGKILL");
  assert.is(end.isTimeout, false);
});

test("kill ends it now", async () => {
  const run = sh("sleep 1000");
  run.kill();
  assert.is((await run.ended).signal, "SIGKILL");
});

test("Groups die with their parent, even when one of them has killed it at once", async () => {
  const parent = script(new URL("./group_child.ts", import.meta.url), ["wait"]);
  const pid = Number(await parent.lines.take());
  assert.is(isAlive(pid), true);
  await parent.end();
  await gone(pid, isAlive);
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-group-"));
  const file = join(folder, "pid");
  const killed = script(new URL("./group_child.ts", import.meta.url), ["killed", file]);
  assert.is(await killed.ended, "SIGKILL");
  const orphan = Number(readFileSync(file, "utf8"));
  assert.ok(orphan > 1);
  await gone(orphan, isAlive);
  rmSync(folder, { recursive: true });
});

test("The guard may be killed: the next one knows what runs", async () => {
  const parent = script(new URL("./group_child.ts", import.meta.url), ["guardless"]);
  const pid = Number(await parent.lines.take());
  assert.is(await parent.lines.take(), "again");
  assert.is(isAlive(pid), true);
  await parent.end();
  await gone(pid, isAlive);
});

test.run();
