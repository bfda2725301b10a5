/**
 * A client program of a node's volatile database, as a process: commands on stdin, an answer a line.
 *
 *   open PAGE FOLDER NAME | read KEY | write KEY TEXT | add KEY... COUNT | hold KEY MS | store TEXT | release
 *   ready MS | settled MS | free KEY MS | fill KEY SEED     (writes for ever, until it is killed)
 *   trap inside|touched STOP|KILL    the next operation stops or kills this process: in the mutex before it touches the
 *                                    record, or behind that, before it looks at the page again
 *
 * Does NOT promise: to survive wrong commands; it is driven by tests only.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { LocalNode } from "../../actors/storage/local_node.ts";
import { LocalRecords } from "../../actors/storage/local_records.ts";
import type { RecordHold } from "../../actors/storage/record_hold.ts";
import type { RecordView } from "../../actors/storage/tdb_record.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealImageStore } from "../../transport/real_image.ts";

/** How long an operation of `add` goes on trying, ms. */
const PATIENCE_MS = 20_000;
/** Pause of who was told to ask the daemon: there is none here, somebody flips the header. */
const ASK_MS = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Signal = "SIGSTOP" | "SIGKILL";

/** What the next operation does to this process, and where. */
class Trap {
  inside: Signal | undefined;
  touched: Signal | undefined;
  /** Has an operation touched its record, and not yet looked at the clock again? */
  isTouching = false;

  spring(where: "inside" | "touched"): void {
    const signal = this[where];
    this[where] = undefined;
    // The signal is handled before the system call returns.
    if (signal !== undefined) process.kill(process.pid, signal);
  }
}

/** The clock, which is asked at the end of each operation. */
class TrapClock extends RealClock {
  readonly #trap: Trap;

  constructor(trap: Trap) {
    super();
    this.#trap = trap;
  }

  override nowMs(): number {
    if (this.#trap.isTouching) this.#trap.spring("touched");
    return super.nowMs();
  }
}

/** The program. */
class Client {
  readonly #trap: Trap;
  readonly #records: LocalRecords;
  readonly #node: LocalNode;
  #hold: RecordHold | undefined;

  private constructor(trap: Trap, node: LocalNode, records: LocalRecords) {
    this.#trap = trap;
    this.#node = node;
    this.#records = records;
  }

  static async open(pagePath: string, folder: string, name: string): Promise<Client> {
    const trap = new Trap();
    const [images, clock] = [new RealImageStore(), new TrapClock(trap)];
    const node = LocalNode.open({ images, clock, pagePath, folder });
    return new Client(trap, node, await LocalRecords.open(node, name));
  }

  close(): void {
    this.#records.close();
    this.#node.close();
  }

  /** Runs an operation at once; its callback is what may be stopped in. */
  #update(key: Uint8Array, change: (value: RecordView) => Uint8Array | undefined): string {
    const trap = this.#trap;
    try {
      return this.#records.update(key, (value) => {
        trap.spring("inside");
        trap.isTouching = true;
        return change(value);
      });
    } finally {
      trap.isTouching = false;
    }
  }

  #read(key: Uint8Array): string {
    const trap = this.#trap;
    let seen = "";
    try {
      const answer = this.#records.read(key, (value) => {
        trap.spring("inside");
        trap.isTouching = true;
        seen = decoder.decode(value.value());
      });
      return answer === "done" ? `done ${seen}` : answer;
    } finally {
      trap.isTouching = false;
    }
  }

  /** Adds 1 to each key in turn, `count` times in all; how many counted, and how many nobody knows. */
  async add(keys: readonly string[], count: number): Promise<string> {
    const records = this.#records;
    const names = keys.map((key) => encoder.encode(key));
    const counts = { done: 0, unknown: 0, elsewhere: 0, frozen: 0, busy: 0 };
    const clock = new RealClock();
    const untilMs = clock.nowMs() + PATIENCE_MS;
    for (let index = 0; counts.done + counts.unknown < count;) {
      if (clock.nowMs() > untilMs) throw new Error(`No progress: ${JSON.stringify(counts)}`);
      const key = names[index % names.length] as Uint8Array;
      const answer = this.#update(
        key,
        (value) => encoder.encode(String(Number(decoder.decode(value.value())) + 1)),
      );
      if (answer === "elsewhere" || answer === "busy" || answer === "frozen") {
        counts[answer] += 1;
        if (answer === "busy") await records.free(key, PATIENCE_MS);
        else if (answer === "frozen") await records.ready(PATIENCE_MS);
        else await new Promise<void>((resolve) => void clock.after(ASK_MS, resolve));
        continue;
      }
      const isUnsure = answer === "unsure";
      const isDone = isUnsure ? await records.settled(PATIENCE_MS) : answer === "done";
      counts[isDone ? "done" : "unknown"] += 1;
      index += 1;
      // Others want a turn, too: what follows is a new turn of the event loop.
      if (index % 50 === 0) await new Promise<void>((resolve) => void clock.after(0, resolve));
    }
    return JSON.stringify(counts);
  }

  /** Values that tell which they are: a number, then its last digit, in lengths that fit and such that do not. */
  fill(key: Uint8Array, seed: number): never {
    let dice = seed;
    for (;;) {
      dice = (Math.imul(dice, 1103515245) + 12345) >>> 0;
      const length = (dice >>> 8) % ((dice & 0x70) === 0 ? 3000 : 300);
      const answer = this.#update(key, (value) => {
        const number = Number(decoder.decode(value.value()).split(" ")[0]) + 1;
        return encoder.encode(`${number} ${String(number % 10).repeat(length)}`);
      });
      if (answer !== "done" && answer !== "busy") throw new Error(answer);
    }
  }

  async run([name = "", first = "", second = ""]: string[]): Promise<string> {
    const key = encoder.encode(first);
    if (name === "read") return this.#read(key);
    if (name === "write") return this.#update(key, () => encoder.encode(second));
    if (name === "hold") {
      const got = await this.#records.fetchLock(key, { timeoutMs: Number(second) });
      if (typeof got === "string") return got;
      this.#hold = got;
      return `held ${decoder.decode(got.value())}`;
    }
    if (name === "store") return String(this.#hold?.store(encoder.encode(first)));
    if (name === "release") return String(this.#hold?.release());
    if (name === "ready") return String(await this.#records.ready(Number(first)));
    if (name === "settled") return String(await this.#records.settled(Number(first)));
    if (name === "free") return String(await this.#records.free(key, Number(second)));
    if (name === "trap" && (first === "inside" || first === "touched")) {
      this.#trap[first] = second === "STOP" ? "SIGSTOP" : "SIGKILL";
      return "set";
    }
    throw new Error(`unknown command ${name}`);
  }
}

async function main(): Promise<void> {
  let client: Client | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const words = line.split(" ");
    const [name, first = "", second = "", third = ""] = words;
    if (name === "open") {
      client = await Client.open(first, second, third);
      console.log("opened");
      continue;
    }
    if (client === undefined) throw new Error("nothing is open");
    if (name === "fill") client.fill(encoder.encode(first), Number(second));
    const isAdd = name === "add";
    const answer = isAdd ? client.add(words.slice(1, -1), Number(words.at(-1))) : client.run(words);
    console.log(await answer);
  }
  client?.close();
  process.exit(0);
}

await main();
