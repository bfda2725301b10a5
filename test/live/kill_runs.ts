/**
 * Kills a process at each step of its commit and lets the other engine open what is left.
 *
 *   ours killed before its n-th step of the port        -> libtdb opens: before or after
 *   libtdb killed at its n-th pwrite, ... (strace)      -> ours opens: before or after
 *
 * libtdb's own check fails on some files that a crash left behind while it was making the file
 * grow, whoever recovers them with libtdb (D3, D4 of the format notes); it must pass once our
 * engine has opened the file.
 *
 * Does NOT promise: that every system call of libtdb is a step; those that write or sync are.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RealImageStore } from "../../transport/real_image.ts";
import { tool } from "../tools.ts";
import { tdbtoolCheck } from "./files.ts";
import { baseRecords, changedRecords, changeWords, makeBase } from "./kill_plan.ts";
import { Ours } from "./ours.ts";
import { Peer, type Runtime, runtimeCommand, startPeer } from "./peer.ts";
import {
  difference,
  FLAG,
  good,
  openIn,
  type OpenWords,
  recordsOf,
  type Session,
} from "./session.ts";

/** What a round of kills came to. */
export interface KillReport {
  readonly kills: number;
  readonly before: number;
  readonly after: number;
  /** Files that libtdb's check refused when libtdb alone had recovered them. */
  readonly refused: number;
}

/** A file to start from. */
export interface KillKind {
  readonly name: string;
  readonly flags: number;
  /** Is there a recovery area already: made by whom? Ours are small. */
  readonly area: "none" | "libtdb" | "ours";
}

const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;
/** What is tried. */
export const KILL_KINDS: readonly KillKind[] = [
  { name: "a large recovery area is there", flags: 0, area: "libtdb" },
  { name: "a small one in the middle", flags: FLAG.INCOMPATIBLE_HASH, area: "ours" },
  { name: "the first transaction", flags: FLAG.INCOMPATIBLE_HASH, area: "none" },
  { name: "big-endian", flags: FLAG.CONVERT, area: "libtdb" },
  { name: "mutexes", flags: MUTEX, area: "libtdb" },
];

function openWords(path: string, kind: KillKind): OpenWords {
  return { path, mode: "c", flags: kind.flags, hashSize: 7 };
}

async function makeFile(folder: string, kind: KillKind): Promise<string> {
  const path = join(folder, "base.tdb");
  const peer = startPeer();
  const maker = kind.area === "ours" ? new Ours(new RealImageStore()) : peer;
  await openIn(maker, openWords(path, kind));
  await makeBase(maker, kind.area !== "none", kind.area === "ours");
  await good(maker, "close");
  await peer.end();
  return path;
}

/** Which of the two contents is there? Throws for any other. */
async function contentIn(session: Session, what: string): Promise<"before" | "after"> {
  const found = await recordsOf(session);
  const fromBefore = difference(found, baseRecords());
  if (fromBefore === "") return "before";
  const fromAfter = difference(found, changedRecords());
  if (fromAfter === "") return "after";
  throw new Error(`${what}: neither before (${fromBefore}) nor after (${fromAfter})`);
}

async function wantSound(ours: Ours, what: string): Promise<void> {
  const answer = await ours.ask("check");
  if (answer !== "ok") throw new Error(`ours after ${what}: ${answer}`);
}

/** Opens what is left, first with libtdb or first with ours, then with the other. */
async function judge(
  path: string,
  kind: KillKind,
  peer: Peer,
  what: string,
): Promise<{ content: "before" | "after"; refused: boolean }> {
  const words = { ...openWords(path, kind), mode: "w" as const };
  words.flags = (words.flags ?? 0) | FLAG.NOSYNC;
  const forOurs = { ...words, path: `${path}.ours` };
  copyFileSync(path, forOurs.path);

  await openIn(peer, words);
  const content = await contentIn(peer, `libtdb after ${what}`);
  const refused = !(await peer.ask("check")).startsWith("ok");
  await good(peer, "close");

  const ours = new Ours(new RealImageStore());
  // What libtdb's own check refuses after libtdb's recovery cannot pass ours either.
  for (const each of refused ? [forOurs] : [forOurs, words]) {
    await openIn(ours, each);
    const same = await contentIn(ours, `ours after ${what}`);
    if (same !== content) throw new Error(`${what}: ${content} for libtdb, ${same} for ours`);
    await wantSound(ours, what);
    await good(ours, "begin");
    await good(ours, "store", "00", "01".repeat(4000), 0);
    await good(ours, "commit");
    await good(ours, "delete", "00");
    await wantSound(ours, `${what} and another transaction`);
    await good(ours, "close");
    tdbtoolCheck(each.path);
  }
  return { content, refused };
}

/** The steps to die at: all, or the first and last ones and every `stride`-th between. */
function stepsOf(total: number, stride: number): number[] {
  const all = Array.from({ length: total }, (_, index) => index + 1);
  return all.filter((n) => n <= 7 || n > total - 6 || n % stride === 0);
}

/** Ours is killed before its steps, every one with stride 1. */
export async function killOurs(
  folder: string,
  kind: KillKind,
  runtime: Runtime,
  stride: number,
): Promise<KillReport> {
  const base = await makeFile(folder, kind);
  const path = join(folder, "killed.tdb");
  const peer = startPeer();
  const counts = { kills: 0, before: 0, after: 0, refused: 0 };
  const run = (n: number) => {
    copyFileSync(base, path);
    const [program = "", ...args] = runtimeCommand(runtime, "test/live/kill_child.ts");
    return spawnSync(program, [...args, path, String(n)], { encoding: "utf8" });
  };
  const whole = run(0);
  const total = Number(whole.stdout.split(" ")[1]);
  if (!(total > 0)) throw new Error(`the transaction ended with ${whole.status} ${whole.stderr}`);
  const { content } = await judge(path, kind, peer, "the whole transaction");
  if (content !== "after") throw new Error("committed, but not there");
  for (const n of stepsOf(total, stride)) {
    const child = run(n);
    if (child.signal !== "SIGKILL") throw new Error(`step ${n}: ${child.status} ${child.stderr}`);
    count(counts, await judge(path, kind, peer, `step ${n} of ${total}`));
  }
  await peer.end();
  return counts;
}

function count(
  counts: { kills: number; before: number; after: number; refused: number },
  judged: { content: "before" | "after"; refused: boolean },
): void {
  counts.kills++;
  counts[judged.content]++;
  if (judged.refused) counts.refused++;
}

/**
 * System calls at which libtdb is killed: unmapped it writes with pwrite64, mapped it syncs with
 * msync.
 */
const CALLS: readonly [call: string, flags: number][] = [
  ["pwrite64", FLAG.NOMMAP],
  ["fdatasync", FLAG.NOMMAP],
  ["ftruncate", FLAG.NOMMAP],
  ["fallocate", 0],
  ["msync", 0],
  ["fdatasync", 0],
  ["utimensat", 0],
];

/** libtdb is killed at its writes and syncs, every one with stride 1. */
export async function killLibtdb(
  folder: string,
  kind: KillKind,
  stride: number,
): Promise<KillReport> {
  const strace = tool("strace");
  const base = await makeFile(folder, kind);
  const path = join(folder, "killed.tdb");
  const log = join(folder, "strace.log");
  const peer = startPeer();
  const counts = { kills: 0, before: 0, after: 0, refused: 0 };
  for (const [call, flags] of CALLS) {
    // A mutex file cannot be opened unmapped.
    if (flags !== 0 && (kind.flags & FLAG.MUTEX_LOCKING) !== 0) continue;
    const words = { ...openWords(path, kind), flags: kind.flags | flags };
    copyFileSync(base, path);
    await commitUnder([strace, "-f", "-o", log, `--trace=${call}`], words);
    const total = readFileSync(log, "utf8").split(`${call}(`).length - 1;
    for (const n of stepsOf(total, stride)) {
      copyFileSync(base, path);
      const inject = `--inject=${call}:signal=KILL:when=${n}`;
      const through = await commitUnder([strace, "-f", "-o", log, inject], words);
      if (through) throw new Error(`${call} ${n} of ${total} does not come`);
      count(counts, await judge(path, kind, peer, `${call} ${n} of ${total}`));
    }
  }
  await peer.end();
  return counts;
}

/** libtdb makes the change, run by `under`. False: it was killed on the way. */
async function commitUnder(under: readonly string[], words: OpenWords): Promise<boolean> {
  const peer = startPeer("libtdb under strace", under);
  const through = await (async () => {
    await openIn(peer, words);
    await good(peer, "begin");
    for (const change of changeWords()) await good(peer, ...change);
    await good(peer, "commit");
    return true;
  })().catch((error: unknown) => {
    // Whoever waits for an answer of a dead one is told so.
    if (String(error).includes("ended")) return false;
    throw error;
  });
  await peer.end();
  return through;
}

/**
 * Handles that were open all the while: one of ours and one of libtdb see a commit die behind its
 * point of rolling back (all pages are written, the magic stands), once libtdb's and once ours.
 * Whoever looks first takes it back. Returns what `first` finds each time.
 */
export async function killUnderOpenHandles(
  folder: string,
  kind: KillKind,
  runtime: Runtime,
  first: "ours" | "libtdb",
): Promise<("before" | "after")[]> {
  const strace = tool("strace");
  const path = await makeFile(folder, kind);
  const words = { ...openWords(path, kind), mode: "w" as const };
  const [peer, ours] = [startPeer(), new Ours(new RealImageStore())];
  // Without msync: libtdb syncs by its file size of before, which fails when the dead one made the
  // file grow.
  await openIn(peer, { ...words, flags: kind.flags | FLAG.NOSYNC });
  await openIn(ours, words);
  const looks = first === "ours" ? [ours, peer] : [peer, ours];
  const found: ("before" | "after")[] = [];
  const look = async (what: string) => {
    for (const each of looks) {
      const [key, word] = [...baseRecords()].at(-1) ?? ["", ""];
      if (await good(each, "fetch", key) !== word) throw new Error(`${each.name} after ${what}`);
    }
    for (const each of looks) found.push(await contentIn(each, `${each.name} after ${what}`));
  };
  const inject = "--inject=utimensat:signal=KILL:when=1";
  if (await commitUnder([strace, "-f", "-o", "/dev/null", inject], words)) {
    throw new Error("libtdb was not killed");
  }
  await look("libtdb's commit");
  const [program = "", ...args] = runtimeCommand(runtime, "test/live/kill_child.ts");
  const copy = join(folder, "count.tdb");
  copyFileSync(path, copy);
  const whole = spawnSync(program, [...args, copy, "0"], { encoding: "utf8" });
  const total = Number(whole.stdout.split(" ")[1]);
  // The last steps: touch, magic off, sync.
  const child = spawnSync(program, [...args, path, String(total - 2)], { encoding: "utf8" });
  if (child.signal !== "SIGKILL") throw new Error(`ours was not killed: ${child.stderr}`);
  await look("our commit");
  // What libtdb takes back where the file had grown fails its own check.
  if (first === "ours") await good(ours, "check");
  await good(ours, "close");
  await peer.end();
  return found;
}
