/**
 * Several writers on one file, some of them killed again and again: is anything lost that was acknowledged?
 *
 *   libtdb 1  transactions, killed        ours on Bun   plain or transactions, killed
 *   libtdb 2  plain stores, not killed    ours on Deno  plain or transactions, killed
 *
 * Each has keys of its own. What a killed one had announced but not acknowledged may be there or not, all of it or
 * nothing. When it starts again it shows its keys first, and that is compared.
 *
 * libtdb killed in the middle of a plain store can leave a record that no chain holds, by its own design; its killed
 * writer therefore uses transactions. A plain store (either engine's) over a longer or equal value works in place: the one
 * value that was being written by a killed plain writer may be torn; that is counted and reported, not failed.
 *
 * Does NOT promise: the same schedule for the same seed.
 */

import { Dice } from "./dice.ts";
import { Ours } from "./ours.ts";
import { type Peer, startOurs, startPeer } from "./peer.ts";
import { FLAG, good, hex, type OpenWords, openIn } from "./session.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { tdbtoolCheck } from "./files.ts";
import { valueOf } from "./writer.ts";

/** Keys of each writer. */
const KEYS = 60;
/** Each start of a writer has versions of its own. */
const VERSIONS_PER_START = 1_000_000;

/** What a run did. */
export interface WritersReport {
  readonly starts: number;
  readonly kills: number;
  readonly acknowledged: number;
  /** Values that a killed plain writer left half written. */
  readonly torn: number;
}

interface Announced {
  readonly index: number;
  readonly value: string;
}

/** One writer over all its lives. */
class Writer {
  acknowledged = 0;
  starts = 0;
  torn = 0;
  readonly prefix: string;
  readonly killable: boolean;
  readonly #start: () => Peer;
  readonly #modes: readonly string[];
  readonly #values: string[] = Array.from({ length: KEYS }, () => "-");
  #open: Announced[] = [];
  #shown: string[] = [];
  #mode = "";
  #peer: Peer | undefined;

  constructor(prefix: string, start: () => Peer, modes: readonly string[], killable: boolean) {
    this.prefix = prefix;
    this.#start = start;
    this.#modes = modes;
    this.killable = killable;
  }

  /** Starts a life; resolves when its keys were shown and compared. */
  async start(words: OpenWords, dice: Dice): Promise<void> {
    const peer = this.#start();
    this.#peer = peer;
    await openIn(peer, words);
    const before = this.#mode;
    this.#mode = dice.pick(this.#modes);
    this.#shown = [];
    const ready = new Promise<void>((resolve, reject) => {
      peer.onLine = (line) => {
        try {
          if (this.#take(line, before)) resolve();
        } catch (error) {
          this.#failed ??= error;
          reject(error);
        }
      };
      void peer.ended.then(() => reject(new Error(`${this.prefix} ended: ${peer.errors}`)));
    });
    const version = ++this.starts * VERSIONS_PER_START;
    peer.tell("write", this.prefix, KEYS, dice.roll(2 ** 31), version, this.#mode);
    await ready;
  }

  #failed: unknown;

  /** Throws what went wrong since it was started. */
  wantGood(): void {
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** kill -9; everything it wrote to its pipe has been read afterwards. */
  async kill(): Promise<void> {
    await this.#peer?.kill();
    this.wantGood();
  }

  /** Lets it finish what it does. */
  async stop(): Promise<void> {
    const peer = this.#peer;
    if (peer === undefined) return;
    const last = new Promise<void>((resolve) => {
      const before = peer.onLine;
      peer.onLine = (line) => line === "ok" ? resolve() : before(line);
    });
    peer.tell("stop");
    await Promise.race([
      last,
      peer.ended.then(() => {
        throw new Error(`${this.prefix} ended: ${peer.errors}`);
      }),
    ]);
    this.wantGood();
    await peer.end();
  }

  /** Compares what the file holds now, by index, with what was acknowledged. */
  compare(shown: readonly string[], mode: string): void {
    const after = [...this.#values];
    for (const { index, value } of this.#open) after[index] = value;
    const [oldWrong, newWrong] = [this.#values, after].map((wanted) =>
      wanted.flatMap((value, index) => value === shown[index] ? [] : [index])
    );
    const last = this.#open[0];
    const lostOnly = oldWrong?.length === 1 && oldWrong[0] === last?.index;
    if (oldWrong?.length !== 0 && newWrong?.length !== 0) {
      if (mode !== "plain" || !lostOnly) {
        throw new Error(
          `${this.prefix} (${mode}): keys ${oldWrong} differ from before, ${newWrong} from after: ` +
            `${shown[oldWrong?.[0] ?? 0]?.slice(0, 80)}, not ${this.#values[oldWrong?.[0] ?? 0]}`,
        );
      }
      this.torn++;
    }
    for (const [index, value] of shown.entries()) this.#values[index] = value;
    this.#open = [];
  }

  /** True at the line that ends the start. */
  #take(line: string, modeBefore: string): boolean {
    const [what, index, rest, length] = line.split(" ");
    if (what === "s") this.#shown[Number(index)] = rest ?? "";
    else if (what === "r") {
      this.compare(this.#shown, modeBefore);
      return true;
    } else if (what === "i") {
      const version = Number(rest);
      const value = version === 0 ? "-" : hex(valueOf(version, Number(length)));
      this.#open.push({ index: Number(index), value });
    } else if (what === "a") {
      for (const { index, value } of this.#open) this.#values[index] = value;
      this.#open = [];
      this.acknowledged++;
    } else throw new Error(`${this.prefix}: ${line}`);
    return false;
  }

  /** Compares with the file at the end. */
  async finish(ours: Ours): Promise<void> {
    const shown: string[] = [];
    for (let index = 0; index < KEYS; index++) {
      const answer = await ours.ask("fetch", hex(`${this.prefix}${index}`));
      shown.push(answer.startsWith("ok ") ? answer.slice(3) : "-");
    }
    this.compare(shown, this.#mode);
  }
}

/** Makes the file large enough that no transaction has to grow it: libtdb's check fails after such a crash (D3). */
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

/** Runs the four writers for `durationMs`, killing one after the other; throws when anything was lost. */
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
  await wantGoodFile(words, writers);
  const sum = (part: (writer: Writer) => number) =>
    writers.reduce((total, writer) => total + part(writer), 0);
  return {
    kills,
    starts: sum((writer) => writer.starts),
    acknowledged: sum((writer) => writer.acknowledged),
    torn: sum((writer) => writer.torn),
  };
}

async function wantGoodFile(words: OpenWords, writers: readonly Writer[]): Promise<void> {
  const ours = new Ours(new RealImageStore());
  await openIn(ours, words);
  await good(ours, "check");
  for (const writer of writers) await writer.finish(ours);
  await good(ours, "close");
  tdbtoolCheck(words.path);
}
