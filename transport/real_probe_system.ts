/**
 * Looks at this machine: a file, how full a file system or the memory is, a unit of systemd.
 *
 * A file system whose server is gone holds whoever looks at it, for ever: while one look hangs no other of its name is
 * begun, so that threads are not used up.
 *
 * Does NOT promise: limits of a control group; memory is the machine's.
 */
import { readFile, stat, statfs } from "node:fs/promises";
import type { Groups } from "./group.ts";
import {
  type DiskWish,
  type FileWish,
  levelOf,
  type MemoryWish,
  type Probe,
  type ProbeResult,
  type SystemdWish,
  TAIL_MAX,
  type Thresholds,
  worstOf,
} from "./probe.ts";
import { wordsOf } from "./real_probe_net.ts";

/** Looks at files and file systems; one for a process. */
export class SystemLooks {
  readonly #hung = new Set<string>();

  /** `name`: of the check. */
  start(name: string, wish: FileWish | DiskWish | MemoryWish, timeoutMs: number): Probe {
    if (this.#hung.has(name)) {
      const why = "a look before this one hangs in the kernel still";
      return { ended: Promise.resolve({ level: "failed", why }), stop: () => {} };
    }
    this.#hung.add(name);
    const look = lookAt(wish).catch((error): ProbeResult => ({
      level: "failed",
      why: `${"path" in wish ? wish.path : "/proc/meminfo"}: ${wordsOf(error)}`,
    })).finally(() => this.#hung.delete(name));
    const { promise, resolve } = Promise.withResolvers<ProbeResult>();
    const timer = setTimeout(() => {
      resolve({ level: "failed", why: `the kernel has no answer within ${timeoutMs / 1000} s` });
    }, timeoutMs);
    void look.then((result) => {
      clearTimeout(timer);
      resolve(result);
    });
    const stop = (): void => {
      clearTimeout(timer);
      resolve({ level: "failed", why: "it was stopped" });
    };
    return { ended: promise, stop };
  }
}

function lookAt(wish: FileWish | DiskWish | MemoryWish): Promise<ProbeResult> {
  switch (wish.kind) {
    case "file":
      return lookAtFile(wish);
    case "disk":
      return lookAtDisk(wish);
    case "memory":
      return lookAtMemory(wish);
  }
}

async function lookAtFile({ path, ageMaxMs, bytesMin }: FileWish): Promise<ProbeResult> {
  const { mtimeMs, size } = await stat(path);
  const ageMs = Math.max(0, Date.now() - mtimeMs);
  if (ageMaxMs !== undefined && ageMs > ageMaxMs) {
    const why = `${path} was written ${Math.round(ageMs / 1000)} s ago, above ${ageMaxMs / 1000} s`;
    return { level: "failed", why };
  }
  if (bytesMin !== undefined && size < bytesMin) {
    return { level: "failed", why: `${path} has ${size} bytes, below ${bytesMin}` };
  }
  return { level: "ok" };
}

async function lookAtDisk({ path, used, files }: DiskWish): Promise<ProbeResult> {
  const { blocks, bfree, bavail, files: nodes, ffree } = await statfs(path);
  const taken = Number(blocks) - Number(bfree);
  // As df counts: what is kept for root is no room.
  const space = percentOf(taken, taken + Number(bavail));
  return judged([
    { what: `${path} is`, unit: "full", percent: space, limits: used },
    // Some file systems have no table of files.
    {
      what: `the table of files of ${path} is`,
      unit: "full",
      percent: percentOf(Number(nodes) - Number(ffree), Number(nodes)),
      limits: files,
    },
  ]);
}

async function lookAtMemory({ used, swap }: MemoryWish): Promise<ProbeResult> {
  return memoryIn(await readFile("/proc/meminfo", "utf8"), used, swap);
}

/** What /proc/meminfo says against the thresholds. */
export function memoryIn(text: string, used: Thresholds, swap: Thresholds): ProbeResult {
  const kb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(text)?.[1] ?? NaN);
  const [total, free, swapTotal, swapFree] = [
    kb("MemTotal"),
    kb("MemAvailable"),
    kb("SwapTotal"),
    kb("SwapFree"),
  ] as const;
  if (!(total > 0) || Number.isNaN(free)) {
    return { level: "failed", why: "/proc/meminfo does not say how much memory is available" };
  }
  return judged([
    { what: "memory is", unit: "in use", percent: percentOf(total - free, total), limits: used },
    {
      what: "swap is",
      unit: "in use",
      percent: percentOf(swapTotal - swapFree, swapTotal),
      limits: swap,
    },
  ]);
}

interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly percent: number;
  readonly limits: Thresholds;
}

function percentOf(part: number, whole: number): number {
  return whole > 0 ? Math.max(0, Math.min(100, part * 100 / whole)) : 0;
}

function judged(figures: readonly Figure[]): ProbeResult {
  const levels = figures.map(({ percent, limits }) => levelOf(percent, limits));
  const level = worstOf(levels);
  const told = figures.filter((_, at) => levels[at] === level && (at === 0 || level !== "ok"));
  const why = told.map(({ what, unit, percent, limits }) => {
    const limit = level === "failed" ? limits.error : limits.warn;
    const over = level === "ok" ? "" : `; the limit is ${limit} %`;
    return `${what} ${Math.floor(percent * 10) / 10} % ${unit}${over}`;
  });
  return { level, why: why.join(", ") };
}

/** Asks systemd how a unit is. `systemctl`: the program. */
export function probeSystemd(
  groups: Groups,
  { unit }: SystemdWish,
  timeoutMs: number,
  systemctl: string,
): Probe {
  const run = groups.run({
    command: [systemctl, "show", "--property=LoadState,ActiveState,SubState,Result", "--", unit],
    timeoutMs,
    outputMax: TAIL_MAX,
  });
  const ended = run.ended.then(({ code, isTimeout, output, fault }): ProbeResult => {
    if (fault !== undefined) return { level: "failed", why: `${systemctl}: ${fault.message}` };
    if (isTimeout) {
      return { level: "failed", why: `${systemctl} has no answer within ${timeoutMs / 1000} s` };
    }
    if (code !== 0) {
      return {
        level: "failed",
        why: `${systemctl} exits with ${code ?? "a signal"}`,
        tail: output,
      };
    }
    return unitIn(unit, output);
  });
  return { ended, stop: () => run.kill() };
}

/** How a unit is, by what `systemctl show` says. */
export function unitIn(unit: string, output: string): ProbeResult {
  const property = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(output)?.[1] ?? "";
  const active = property("ActiveState");
  const sub = property("SubState");
  if (property("LoadState") === "not-found") {
    return { level: "failed", why: `${unit} is no unit that systemd knows` };
  }
  const result = property("Result");
  const because = result === "" || result === "success" ? "" : `: ${result}`;
  const words = `${unit} is ${active || "in no known state"} (${sub})${because}`;
  if (active === "active" || active === "reloading") return { level: "ok", why: words };
  return { level: "failed", why: words, tail: output };
}
