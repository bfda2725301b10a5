/**
 * Looking whether a service works: what to look at, and what came of it. A port; real_probe.ts does it on this machine.
 *
 *   ProbeWish (kind and fields) ──▶ Prober.start ──▶ ProbeResult { level, why, tail }      stop() ends it sooner
 *
 * Does NOT promise: that a service which answers does what it should; it says what was looked at, and no more.
 */

/** Two percentages: from the first on a warning, from the second on an error; undefined: never. */
export interface Thresholds {
  readonly warn: number | undefined;
  readonly error: number | undefined;
}

/** Connects, and may say something and wait for a text. */
export interface TcpWish {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
  readonly send?: string;
  readonly expect?: string;
}

/** Asks for a page. */
export interface HttpWish {
  readonly kind: "http";
  readonly url: string;
  readonly method: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** The status that is demanded; undefined: any from 200 to 399. */
  readonly status?: number;
  /** A text that must be in the first HTTP_BODY_MAX bytes. */
  readonly contains?: string;
}

/** Runs a program: exit code 0 is well; `warnExit` is a warning. */
export interface ExecWish {
  readonly kind: "exec";
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly warnExit?: number;
}

/** A file that must be there, not older and not smaller than said. */
export interface FileWish {
  readonly kind: "file";
  readonly path: string;
  readonly ageMaxMs?: number;
  readonly bytesMin?: number;
}

/** A unit of systemd that must be active. */
export interface SystemdWish {
  readonly kind: "systemd";
  readonly unit: string;
}

/** How full the file system of a path is: its space and its files (inodes), percent. */
export interface DiskWish {
  readonly kind: "disk";
  readonly path: string;
  readonly used: Thresholds;
  readonly files: Thresholds;
}

/** How much of the machine's memory, and of its swap, is in use, percent. */
export interface MemoryWish {
  readonly kind: "memory";
  readonly used: Thresholds;
  readonly swap: Thresholds;
}

/** What is looked at. */
export type ProbeWish =
  | (TcpWish | HttpWish | ExecWish | FileWish)
  | (SystemdWish | DiskWish | MemoryWish);

/** The kinds of checks. */
export const PROBE_KINDS = ["tcp", "http", "exec", "file", "systemd", "disk", "memory"] as const;
/** One of them. */
export type ProbeKind = ProbeWish["kind"];

/** Bytes of a page that are looked at. */
export const HTTP_BODY_MAX = 65536;
/** Bytes of a greeting that are looked at. */
export const GREETING_MAX = 4096;
/** Bytes of a program's output that are kept: its last ones. */
export const TAIL_MAX = 4096;

/** How it went. */
export type ProbeLevel = "ok" | "warning" | "failed";

/** What came of a look. */
export interface ProbeResult {
  readonly level: ProbeLevel;
  /** Not ok: why, a phrase. Ok: a figure worth showing. */
  readonly why?: string;
  /** The end of what was said, as text. */
  readonly tail?: string;
}

/** A look that is under way. */
export interface Probe {
  /** Never rejects; resolves within the time-out and a second. */
  readonly ended: Promise<ProbeResult>;
  /** Ends it now; `ended` resolves all the same. */
  stop(): void;
}

/** Who looks. */
export interface Prober {
  /** `name` tells two looks at one thing apart: while one hangs in the kernel, no other of that name is begun. */
  start(name: string, wish: ProbeWish, timeoutMs: number): Probe;
}

/** A figure against its thresholds, both in percent. */
export function levelOf(percent: number, { warn, error }: Thresholds): ProbeLevel {
  if (error !== undefined && percent >= error) return "failed";
  return warn !== undefined && percent >= warn ? "warning" : "ok";
}

/** The worst of some. */
export function worstOf(levels: readonly ProbeLevel[]): ProbeLevel {
  if (levels.includes("failed")) return "failed";
  return levels.includes("warning") ? "warning" : "ok";
}

/** An address for people: what may be secret, its name and password, is left out. */
export function shownUrl(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}
