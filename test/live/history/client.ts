/**
 * A program that works on records and notes what it did, for judge.ts.
 *
 *   several hands, each: draw a key and a kind ─▶ note the begin ─▶ operation of the library ─▶ note the end
 *
 * Each line is in the file before the operation goes on, so a killed program leaves all that it had begun.
 *
 * Does NOT promise: that an operation succeeds; its error is noted, and the hand rests a moment.
 */

import { appendFileSync } from "node:fs";
import { setTimeout as rest } from "node:timers/promises";
import type { Database, RecordView } from "../../../actors/client/types.ts";
import { RealClock } from "../../../transport/real_clock.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Dice } from "../dice.ts";
import {
  type Line,
  type OpKind,
  type OpOutcome,
  type Token,
  tokensOf,
  valueOf,
} from "./history.ts";

/** Operations of one program at most. */
const OPS_MAX = 1 << 20;
/** After an operation that did not succeed, ms. */
const REST_MS = 20;
/** How long each operation may take, ms. */
const TIMEOUT_MS = 5000;

/** How often each kind comes, of 100; what is left are updates. */
export interface Mix {
  readonly read: number;
  readonly append: number;
  readonly delete: number;
  readonly lock: number;
}

/** What a program is told. */
export interface ClientOptions {
  readonly logPath: string;
  /** Of all programs of a run; makes its tokens its own. */
  readonly number: number;
  readonly node: number;
  readonly keys: readonly string[];
  readonly mix: Mix;
  /** Operations at a time. */
  readonly hands: number;
  /** Pause between two operations of a hand, ms. */
  readonly pauseMs: number;
}

/** How many operations ended how. */
export type Counts = Record<OpOutcome, number>;

/** The program. */
export class HistoryClient {
  readonly counts: Counts = { ok: 0, failed: 0, unknown: 0, open: 0 };
  /** Why operations did not succeed, and how often. */
  readonly whys = new Map<string, number>();
  readonly #options: ClientOptions;
  readonly #dice: Dice;
  readonly #clock = new RealClock();
  readonly #encoder = new TextEncoder();
  readonly #db: Database;
  #count = 0;
  #tokens = 0;
  #isOver = false;

  constructor(db: Database, options: ClientOptions, dice: Dice) {
    this.#db = db;
    this.#options = options;
    this.#dice = dice;
  }

  /** Works until `stop`. */
  async run(): Promise<void> {
    const hands = Array.from({ length: this.#options.hands }, () => this.#hand());
    await Promise.all(hands);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #hand(): Promise<void> {
    const { keys, pauseMs } = this.#options;
    while (!this.#isOver) {
      const key = keys[this.#dice.roll(keys.length)] as string;
      const isOk = await this.#one(key, this.#dice.roll(100));
      await rest(isOk ? pauseMs : REST_MS);
    }
  }

  async #one(key: string, drawn: number): Promise<boolean> {
    const { mix } = this.#options;
    let below = mix.read;
    if (drawn < below) return await this.#noted(key, "read", () => this.#read(key));
    if (drawn < (below += mix.append)) {
      return await this.#noted(key, "append", (id) => this.#append(key, id));
    }
    if (drawn < (below += mix.delete)) return await this.#change(key, "delete");
    if (drawn < (below += mix.lock)) {
      return await this.#noted(key, "update", (id) => this.#lock(key, id));
    }
    return await this.#change(key, "update");
  }

  async #noted(
    key: string,
    kind: OpKind,
    work: (id: number) => Promise<readonly Token[] | undefined>,
  ): Promise<boolean> {
    const id = this.#options.number * OPS_MAX + this.#count++;
    this.#note({ b: [id, key, kind, this.#options.node, this.#clock.nowMs()] });
    let [outcome, why]: [OpOutcome, string] = ["ok", ""];
    let seen: readonly Token[] | undefined;
    try {
      seen = await work(id);
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      outcome = error.code === "unknown" ? "unknown" : "failed";
      why = `${error.code}: ${error.message}`;
      this.whys.set(why, (this.whys.get(why) ?? 0) + 1);
    }
    this.counts[outcome] += 1;
    this.#note({ e: [id, this.#clock.nowMs(), outcome, seen ?? null, why] });
    return outcome === "ok";
  }

  #note(line: Line): void {
    appendFileSync(this.#options.logPath, `${JSON.stringify(line)}\n`);
  }

  #token(): Token {
    return (this.#options.number * OPS_MAX + ++this.#tokens) >>> 0;
  }

  async #read(key: string): Promise<readonly Token[]> {
    let seen: Token[] | undefined;
    const isHere = this.#db.readNow(this.#encoder.encode(key), (view) => {
      seen = tokensOf(view.value());
    });
    if (isHere && seen !== undefined) return seen;
    return tokensOf(await this.#db.read(key, { timeoutMs: TIMEOUT_MS }));
  }

  async #append(key: string, id: number): Promise<undefined> {
    const token = this.#token();
    this.#note({ t: [id, token, null] });
    await this.#db.append(key, valueOf([token]), { timeoutMs: TIMEOUT_MS });
    return undefined;
  }

  /** In place if the record is here, half of the times; otherwise as the library does it. */
  #change(key: string, kind: "update" | "delete"): Promise<boolean> {
    return this.#noted(key, kind, async (id) => {
      const next = (value: Uint8Array | undefined): Uint8Array | undefined => {
        const from = tokensOf(value);
        const token = this.#token();
        this.#note({ t: [id, token, from] });
        if (kind === "delete") return undefined;
        return valueOf([...from, token]);
      };
      if (this.#dice.roll(2) === 0) {
        const change = (view: RecordView) => next(view.value()) ?? new Uint8Array(0);
        if (this.#db.updateNow(this.#encoder.encode(key), change)) return undefined;
      }
      await this.#db.update(key, next, { timeoutMs: TIMEOUT_MS });
      return undefined;
    });
  }

  async #lock(key: string, id: number): Promise<undefined> {
    const lock = await this.#db.fetchLock(key, { timeoutMs: TIMEOUT_MS });
    try {
      const from = tokensOf(lock.value);
      await rest(this.#dice.roll(3));
      const token = this.#token();
      this.#note({ t: [id, token, from] });
      await lock.store(valueOf([...from, token]));
    } finally {
      await lock.close();
    }
    return undefined;
  }
}
