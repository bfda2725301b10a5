/**
 * A program that locks a record and does what it is told with it, or listens to messages; a command a line.
 *
 *   holder.ts HOME DATABASE     <- lock KEY | store TEXT | close | change KEY TEXT     -> ok VALUE, or an error's code
 *                               <- listen SRVID | heard     -> ok {"got":..,"lost":..,"order":..,"ended":..}
 *
 * `change` stores in place, again and again, until the process is killed: "KEY" gets TEXT 0, TEXT 1, ...
 *
 * Does NOT promise: to survive wrong commands.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import type { Cluster, Database, Listener, RecordLock } from "../../../actors/client/types.ts";
import { connect } from "../../../actors/mod.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
/** Long values take long to be written, so that a kill comes in the middle of one, bytes. */
const LONG_BYTES = 200_000;

/** What a listener was told; messages begin with their number, u32 LE. */
export interface Heard {
  got: number;
  lost: number;
  /** Messages that came after a later one. */
  order: number;
  /** Why nothing more comes; "": it goes on. */
  ended: string;
}

class Holder {
  readonly #cluster: Cluster;
  readonly #db: Database;
  readonly #heard: Heard = { got: 0, lost: 0, order: 0, ended: "" };
  #lock: RecordLock | undefined;

  constructor(cluster: Cluster, db: Database) {
    this.#cluster = cluster;
    this.#db = db;
  }

  async run(what: string, first: string, second: string): Promise<string> {
    try {
      return `ok ${await this.#run(what, first, second)}`.trim();
    } catch (error) {
      if (error instanceof CtdbxError) return error.code;
      throw error;
    }
  }

  async #run(what: string, first: string, second: string): Promise<string> {
    if (what === "lock") {
      this.#lock = await this.#db.fetchLock(first, { timeoutMs: 5000 });
      return decoder.decode(this.#lock.value ?? new Uint8Array(0));
    }
    if (what === "heard") return JSON.stringify(this.#heard);
    if (what === "listen") void this.#listen(await this.#cluster.listen(BigInt(first)));
    else if (what === "store") await this.#lock?.store(first);
    else if (what === "close") await this.#lock?.close();
    else if (what === "change") await this.#change(first, second);
    else throw new RangeError(`Cannot do ${what}`);
    return "";
  }

  async #listen(listener: Listener): Promise<void> {
    let last = -1;
    try {
      for await (const item of listener) {
        if (item.type === "lost") this.#heard.lost += item.count;
        if (item.type !== "message") continue;
        const number = new DataView(item.data.buffer, item.data.byteOffset).getUint32(0, true);
        if (number <= last) this.#heard.order += 1;
        last = number;
        this.#heard.got += 1;
      }
      this.#heard.ended = "no error";
    } catch (error) {
      this.#heard.ended = String(error);
    }
  }

  async #change(key: string, text: string): Promise<never> {
    const bytes = encoder.encode(key);
    const long = "x".repeat(LONG_BYTES);
    for (let count = 0;; count++) {
      const value = encoder.encode(`${text} ${count} ${long} ${count}`);
      if (!this.#db.updateNow(bytes, () => value)) await this.#db.put(bytes, value);
    }
  }
}

async function main([home = "", database = ""]: string[]): Promise<void> {
  const cluster = await connect({ home });
  const holder = new Holder(cluster, await cluster.attach(database));
  for await (const line of createInterface({ input: process.stdin })) {
    const [what = "", first = "", second = ""] = line.split(" ");
    console.log(await holder.run(what, first, second));
  }
  await cluster.close();
  process.exit(0);
}

if (import.meta.main) await main(process.argv.slice(2));
