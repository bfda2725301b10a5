/**
 * Random operations on a TDB, and what each must answer: a plain Map is the third engine.
 *
 *   dice -> next() -> words -> model answers -> compared with libtdb's and with ours
 *
 * Does NOT promise: an even spread; lengths vary so that records move and the free list gets long.
 */

import type { Dice } from "./dice.ts";
import { hex, type Records, type Session } from "./session.ts";

/** What a scenario may do. */
export interface Choice {
  /** Number of keys. */
  readonly keys: number;
  /** Longest value, bytes; one in twenty comes near. */
  readonly valueMax: number;
  readonly transactions: boolean;
  /** Wipe and repack now and then. */
  readonly whole: boolean;
}

/** The state that the operations so far lead to. */
export class Scenario {
  records: Records = new Map();
  readonly #dice: Dice;
  readonly #choice: Choice;
  /** The records when the open transaction began. */
  #before: Records | undefined;
  #prepared = false;

  constructor(dice: Dice, choice: Choice) {
    this.#dice = dice;
    this.#choice = choice;
  }

  /** Is a transaction open? The next words then belong to whoever began it. */
  get inTransaction(): boolean {
    return this.#before !== undefined;
  }

  /** The next operation. */
  next(): string[] {
    const dice = this.#dice;
    if (this.#prepared) return dice.roll(3) === 0 ? ["cancel"] : ["commit"];
    if (this.#choice.transactions && dice.roll(15) === 0) {
      if (!this.inTransaction) return ["begin"];
      return [dice.pick(["commit", "commit", "cancel", "prepare"])];
    }
    if (this.#choice.whole && !this.inTransaction && dice.roll(300) === 0) {
      return [dice.pick(["wipe", "repack", "repack"])];
    }
    const key = this.#key();
    const kind = dice.roll(20);
    if (kind < 9) return ["store", key, this.#value(), "0"];
    if (kind < 10) return ["store", key, this.#value(), "2"];
    if (kind < 11) return ["store", key, this.#value(), "3"];
    if (kind < 12) return ["append", key, this.#value()];
    if (kind < 16) return ["delete", key];
    if (kind < 17) return ["exists", key];
    return ["fetch", key];
  }

  /** What the operation must answer; the state follows. */
  apply(words: readonly string[]): string {
    const [name = "", key = "", value = "", mode = "0"] = words;
    const old = this.records.get(key);
    if (name === "store") {
      if (mode === "2" && old !== undefined) return "err exists";
      if (mode === "3" && old === undefined) return "err not_found";
      this.records.set(key, value);
    } else if (name === "append") this.records.set(key, join(old, value));
    else if (name === "delete") return this.records.delete(key) ? "ok" : "err not_found";
    else if (name === "exists") return old === undefined ? "ok 0" : "ok 1";
    else if (name === "fetch") return old === undefined ? "err not_found" : `ok ${old}`;
    else if (name === "wipe") this.records.clear();
    else if (name === "begin") this.#before = new Map(this.records);
    else if (name === "prepare") this.#prepared = true;
    else if (name === "commit" || name === "cancel") {
      if (name === "cancel") this.records = this.#before ?? this.records;
      this.#before = undefined;
      this.#prepared = false;
    } else if (name !== "repack") throw new RangeError(`no such operation: ${name}`);
    return "ok";
  }

  /** The words that end an open transaction. */
  finish(): string[] | undefined {
    return this.inTransaction ? ["commit"] : undefined;
  }

  #key(): string {
    const index = this.#dice.roll(this.#choice.keys);
    if (index === 0) return "-";
    return hex(`k${index}${"x".repeat(index % 23)}`);
  }

  #value(): string {
    const dice = this.#dice;
    const most = dice.roll(20) === 0 ? this.#choice.valueMax : dice.roll(3) === 0 ? 600 : 60;
    const bytes = new Uint8Array(dice.roll(most + 1));
    for (let i = 0; i < bytes.length; i++) bytes[i] = dice.roll(256);
    return hex(bytes);
  }
}

/** A key that is sure to be there again is appended to; bound the growth. */
function join(old: string | undefined, value: string): string {
  const parts = [old ?? "-", value].filter((part) => part !== "-");
  return parts.length === 0 ? "-" : parts.join("");
}

/**
 * The words as a session needs them, where libtdb leaves a file that its own check refuses. A
 * prepare followed by a cancel: when the recovery area was too small, the old area then belongs to
 * nobody (its commit prepares anyway). libtdb's wipe works with the file size it knew before a
 * commit of its own made the file grow (D1 of the format notes): it then leaves records behind,
 * and its own check fails. Inside a transaction it looks at the size first.
 */
export async function perform(session: Session, words: readonly string[]): Promise<string> {
  if (!session.name.startsWith("libtdb")) return await session.ask(...words);
  if (words[0] === "prepare") return "ok";
  if (words[0] !== "wipe") return await session.ask(...words);
  await session.ask("begin");
  const answer = await session.ask(...words);
  await session.ask("commit");
  return answer;
}
