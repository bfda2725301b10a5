/**
 * A writer process seen from outside, over all its lives: what it announced, what it acknowledged,
 * what the file must hold.
 *
 *   start -> shows its keys (compared with what is known) -> announces, acknowledges ... -> killed
 * -> start ...
 *
 * What a killed one had announced but not acknowledged may be there or not: all of it or nothing.
 * A plain store over a value of the same record works in place, in either engine: killed in the
 * middle, that one value may be torn. It is counted.
 *
 * Does NOT promise: anything about keys that another writer has.
 */

import type { Dice } from "./dice.ts";
import type { Peer } from "./peer.ts";
import { hex, openIn, type OpenWords, type Session } from "./session.ts";
import { valueOf } from "./writer.ts";

/** Keys of each writer. */
export const KEYS = 60;
/** Each life of a writer has versions of its own. */
const VERSIONS_PER_START = 1_000_000;

/** An announced change; "-" deletes. */
interface Announced {
  readonly index: number;
  readonly value: string;
}

/** One writer over all its lives. */
export class Writer {
  /** Acknowledgements so far. */
  acknowledged = 0;
  /** Lives so far. */
  starts = 0;
  /** Values that a killed plain store left half written. */
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
  #failed: unknown;

  /** `modes`: "plain", "tx" or both; each life picks one. */
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
          `${this.prefix} (${mode}): keys ${oldWrong} are not as before, ` +
            `${newWrong} not as after: ` +
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
  async finish(session: Session): Promise<void> {
    const shown: string[] = [];
    for (let index = 0; index < KEYS; index++) {
      const answer = await session.ask("fetch", hex(`${this.prefix}${index}`));
      shown.push(answer.startsWith("ok ") ? answer.slice(3) : "-");
    }
    this.compare(shown, this.#mode);
  }
}
