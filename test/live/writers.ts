/**
 * Several writers on one file, some of them killed again and again: is anything lost that was
 * acknowledged?
 *
 *   libtdb 1  transactions, killed        ours on Bun   plain or transactions, killed
 *   libtdb 2  plain stores, not killed    ours on Deno  plain or transactions, killed
 *
 * Each has keys of its own. What a killed one had announced but not acknowledged may be there or
 * not, all of it or nothing. When it starts again it shows its keys first, and that is compared.
 *
 * libtdb killed in the middle of a plain store can leave a record that no chain holds, by its own
 * design; its killed writer therefore uses transactions. Ours is killed in both kinds; a kill
 * between two words of a plain store (one in ten to fifty kills) loses the space of a record in the
 * same way until the next repack, and check says so. No record is lost by that: the end of a run
 * compares all of them, before and after a repack if check complains.
 *
 * Does NOT promise: the same schedule for the same seed.
 */

import { RealImageStore } from "../../transport/real_image.ts";
import { Dice } from "./dice.ts";
import { tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { type Runtime, startOurs, startPeer } from "./peer.ts";
import { FLAG, good, hex, openIn, type OpenWords } from "./session.ts";
import { Writer } from "./writer_watch.ts";

/** What a run did. */
export interface WritersReport {
  readonly starts: number;
  readonly kills: number;
  readonly acknowledged: number;
  /** Values that a killed plain writer left half written. */
  readonly torn: number;
  /** What a check said at the end, before a repack; "" mostly. */
  readonly complaint: string;
}

/**
 * Makes the file large enough that no transaction has to grow it: libtdb's check fails after
 * such a crash (D3).
 */
async function prepare(words: OpenWords): Promise<void> {
  const peer = startPeer();
  await openIn(peer, { ...words, mode: "c" });
  await good(peer, "begin");
  const filler = "5a".repeat(3000);
  for (let i = 0; i < 400; i++) await good(peer, "store", hex(`filler${i}`), filler, 0);
  await good(peer, "commit");
  for (let i = 0; i < 400; i++) await good(peer, "delete", hex(`filler${i}`));
  await peer.end();
}

/**
 * Runs the four writers for `durationMs`, killing one after the other; throws when anything was
 * lost.
 */
export async function runWriters(
  path: string,
  durationMs: number,
  seed: number,
  mutex: boolean,
): Promise<WritersReport> {
  const dice = new Dice(seed);
  const flags = mutex ? FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH : 0;
  const words: OpenWords = { path, mode: "w", flags: flags | FLAG.NOSYNC, hashSize: 37 };
  await prepare(words);
  const both = ["plain", "tx"];
  const writers = [
    new Writer("libtdb-tx-", () => startPeer(), ["tx"], true),
    new Writer("libtdb-plain-", () => startPeer(), ["plain"], false),
    new Writer("bun-", () => startOurs("bun"), both, true),
    new Writer("deno-", () => startOurs("deno"), both, true),
  ];
  await Promise.all(writers.map((writer) => writer.start(words, dice)));
  const killable = writers.filter((writer) => writer.killable);
  let kills = 0;
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 20 + dice.roll(150)));
    const victim = dice.pick(killable);
    await victim.kill();
    kills++;
    await victim.start(words, dice);
    for (const writer of writers) writer.wantGood();
  }
  for (const writer of writers) await writer.stop();
  const complaint = await wantGoodFile(words, writers);
  const sum = (part: (writer: Writer) => number) =>
    writers.reduce((total, writer) => total + part(writer), 0);
  return {
    kills,
    starts: sum((writer) => writer.starts),
    acknowledged: sum((writer) => writer.acknowledged),
    torn: sum((writer) => writer.torn),
    complaint,
  };
}

/**
 * All records are there; both checks pass, at the latest after a repack. Returns what they had
 * complained about before it, "" if nothing.
 */
async function wantGoodFile(words: OpenWords, writers: readonly Writer[]): Promise<string> {
  const ours = new Ours(new RealImageStore());
  await openIn(ours, words);
  const complaint = await complaintOf(ours, words.path);
  for (const writer of writers) await writer.finish(ours);
  if (complaint !== "") await good(ours, "repack");
  await good(ours, "check");
  for (const writer of writers) await writer.finish(ours);
  await good(ours, "close");
  tdbtoolCheck(words.path);
  return complaint;
}

async function complaintOf(ours: Ours, path: string): Promise<string> {
  const answer = await ours.ask("check");
  if (answer !== "ok") return answer.slice(0, 300);
  tdbtoolCheck(path); // what ours accepts, libtdb must accept
  return "";
}

/** What a kill loop came to. */
export interface KillLoopReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly torn: number;
  /** What a check said after a kill, one line each; a repack mended it. */
  readonly complaints: readonly string[];
}

/**
 * One writer of ours alone, killed at random moments of plain stores; after each kill both checks
 * look at the file.
 */
export async function runKillLoop(
  path: string,
  kills: number,
  seed: number,
  mutex: boolean,
  runtime: Runtime,
): Promise<KillLoopReport> {
  const dice = new Dice(seed);
  const flags = mutex ? FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH : 0;
  const words: OpenWords = { path, mode: "c", flags: flags | FLAG.NOSYNC, hashSize: 7 };
  const complaints: string[] = [];
  const writer = new Writer("alone-", () => startOurs(runtime), ["plain"], true);
  for (let kill = 0; kill < kills; kill++) {
    await writer.start(words, dice);
    await new Promise((resolve) => setTimeout(resolve, dice.roll(30)));
    await writer.kill();
    const complaint = await wantGoodFile(words, [writer]);
    if (complaint !== "") complaints.push(`kill ${kill}: ${complaint}`);
  }
  return { kills, acknowledged: writer.acknowledged, torn: writer.torn, complaints };
}
