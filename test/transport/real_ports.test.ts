/**
 * The contracts of Clock, Dice, Disk, Host and Log on this machine.
 *
 * Does NOT promise: the bus; that needs a server, see test/live/nats_bus.test.ts.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openLibc } from "../../transport/ffi.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDice } from "../../transport/real_dice.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { RealHost } from "../../transport/real_host.ts";
import { RealLog } from "../../transport/real_log.ts";
import type { LogLevel } from "../../transport/world.ts";
import { clockContract } from "../contracts/clock.ts";
import { diceContract } from "../contracts/dice.ts";
import { diskContract } from "../contracts/disk.ts";
import { hostContract } from "../contracts/host.ts";
import { logContract } from "../contracts/log.ts";
import { throwsCode } from "../contracts/port_fixture.ts";

const folders: string[] = [];
const mounts: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-port-"));
  folders.push(folder);
  return folder;
}

/** Removes what the last fixture has made. */
function clean(): void {
  for (const mount of mounts.splice(0)) spawnSync("umount", [mount]);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** A file system of its own in memory, where the user may mount one. */
function smallDisk(bytes: number): { folder: string; grow(): void } | undefined {
  const folder = join(newFolder(), "small");
  mkdirSync(folder);
  const mount = (options: string) =>
    spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status === 0;
  if (!mount(`size=${bytes},mode=0700`)) return undefined;
  mounts.push(folder);
  return { folder, grow: () => void mount(`remount,size=${bytes * 16}`) };
}

/** Forbids a file; permissions do not stop root, the immutable flag does, where there is one. */
function deny(path: string): (() => void) | undefined {
  if (process.getuid?.() !== 0) {
    chmodSync(path, 0);
    return () => chmodSync(path, 0o600);
  }
  if (spawnSync("chattr", ["+i", path]).status !== 0) return undefined;
  return () => void spawnSync("chattr", ["-i", path]);
}

/** There is no event for it: /proc is asked until it says T. */
async function stopped(pid: number): Promise<void> {
  while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const wait = <T>(promise: Promise<T>): Promise<T> => promise;

clockContract("real clock", () => ({ clock: new RealClock(), wait }));
const files = suite("real disk, what is no file");

files(
  "a pipe that nobody writes to, a device and a folder are refused at once, and hold nobody up",
  () => {
    const folder = newFolder();
    const pipe = join(folder, "pipe");
    assert.is(spawnSync("mkfifo", [pipe]).status, 0);
    const disk = new RealDisk();
    for (const path of [pipe, "/dev/zero", "/dev/null"]) {
      throwsCode(() => disk.read(path), "io", /it is no regular file$/);
    }
    throwsCode(() => disk.read(folder), "io", /it is a folder$/);
    rmSync(folder, { recursive: true });
  },
);

files.run();

const uptime = suite("real clock, boot time");
uptime("It is the time since the machine has started, sleep included", () => {
  const clock = new RealClock();
  const before = clock.nowMs();
  const [seconds] = readFileSync("/proc/uptime", "utf8").split(" ");
  const after = clock.nowMs();
  // /proc counts hundredths.
  const shown = Number(seconds) * 1000;
  assert.ok(before - 10 <= shown && shown <= after, `${before} ${shown} ${after}`);
});
uptime("A timer of the runtime that fires early, by our clock, is wound up again", async () => {
  const libc = openLibc();
  const startMs = libc.bootMs();
  // Runs at a fifth of the speed: every timer of the runtime is early by it.
  const slow = { ...libc, bootMs: () => startMs + (libc.bootMs() - startMs) / 5 };
  const clock = new RealClock(slow);
  const passed = await new Promise<number>((resolve) => {
    const beginMs = clock.nowMs();
    clock.after(10, () => resolve(clock.nowMs() - beginMs));
  });
  assert.ok(passed >= 10, `${passed}`);
});
uptime.run();

diceContract("real dice", () => new RealDice());

diskContract("real disk", () => {
  return { disk: new RealDisk(), folder: newFolder(), wait, deny, small: smallDisk };
}, clean);

hostContract("real host", () => ({
  host: new RealHost(),
  folder: newFolder(),
  wait,
  commands: {
    prints: (lines, code) => ["/bin/sh", "-c", 'printf "%s\\n" "$@"; exit ' + code, "sh", ...lines],
    runs: () => ["/bin/sleep", "1000"],
    showsEnv: (name) => ["/bin/sh", "-c", `echo "$${name}"`],
  },
  stopped,
  fileText: (path) => readFileSync(path, "utf8"),
}), clean);

/** LogTape's words. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  ERROR: "error",
};

logContract("real log", () => {
  const path = join(newFolder(), "log.jsonl");
  const log = new RealLog({ path, level: "debug", clock: new RealClock() });
  return {
    log,
    entries: () =>
      readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => {
        const { level, message, properties } = JSON.parse(line);
        return { level: LEVELS[level] ?? "error", text: message, fields: properties };
      }),
  };
}, clean);
