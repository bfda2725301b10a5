/**
 * A writer with a key space of its own that says what it is about to do and what was done; twin of
 * `write` in peer.c.
 *
 *   write PREFIX KEYS SEED VERSION plain|tx      keys PREFIX0 .. PREFIX(KEYS-1)
 *   s INDEX HEX     at the start: the key's value as found, "-" none;  r: all shown
 *   i INDEX VERSION LENGTH      about to store VERSION (0: delete)
 *   a               all that was announced since the last `a` is in the file
 *
 * A value is the version (u32, little endian) and LENGTH bytes made from it, so a torn value shows.
 *
 * Does NOT promise: an end, but for a line on stdin.
 */

import type { Tdb } from "../../actors/storage/tdb.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { Dice } from "./dice.ts";
import { hex } from "./session.ts";

/** The value that a version stands for. */
export function valueOf(version: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + length);
  new DataView(bytes.buffer).setUint32(0, version, true);
  for (let i = 0; i < length; i++) bytes[4 + i] = version * 31 + i * 7;
  return bytes;
}

/**
 * Writes until `stop` sees a line of input, which the caller takes; throws what the engine
 * throws, but for "busy".
 */
export async function writeLoop(
  db: Tdb,
  [, prefix = "", keyWord, seed, versionWord, mode]: string[],
  print: (line: string) => void,
  stop: () => boolean,
): Promise<void> {
  const dice = new Dice(Number(seed));
  const keys = Number(keyWord);
  const keyOf = (index: number) => new TextEncoder().encode(`${prefix}${index}`);
  for (let index = 0; index < keys; index++) {
    const value = await untilFree(() => db.fetch(keyOf(index)));
    print(`s ${index} ${value === undefined ? "-" : hex(value)}`);
  }
  print("r");
  let version = Number(versionWord);
  const change = async () => {
    const key = keyOf(dice.roll(keys));
    const length = dice.roll(4) === 0 ? dice.roll(1200) : dice.roll(100);
    const removes = dice.roll(5) === 0;
    const index = new TextDecoder().decode(key).slice(prefix.length);
    print(`i ${index} ${removes ? 0 : version} ${removes ? 0 : length}`);
    const value = valueOf(version++, length);
    await untilFree(() => removes ? db.delete(key) : db.store(key, value));
  };
  while (!stop()) {
    if (mode === "tx") {
      const changes = 1 + dice.roll(6);
      await db.transaction(async () => {
        for (let i = 0; i < changes; i++) await change();
      });
    } else await change();
    print("a");
    await turn();
  }
  print("ok");
}

/**
 * Tries again while another process holds what is needed; nothing is changed by a try that
 * fails.
 */
async function untilFree<T>(work: () => T): Promise<T> {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CtdbxError) || error.code !== "busy") throw error;
      await turn();
    }
  }
}

/** Lets the event loop see its input. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
