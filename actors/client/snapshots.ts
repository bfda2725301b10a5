/**
 * One state of a database, as a program reads it.
 *
 *   open ─▶ get, entries ─▶ close, or the connection is cut: over
 *
 * Does NOT promise: to live as long as it is wanted; when too much has changed since, reads are refused with "limit".
 */
import { writeList } from "../../transport/wire/client/txn_bodies.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ClientCore } from "./core.ts";
import type { RecordEntry, TraverseOptions } from "./database_types.ts";
import { keyBytes, valueOrNone } from "./ops.ts";
import { traverseFrom } from "./traverse.ts";
import type { Snapshot, StateOptions } from "./transaction_types.ts";
import { look, type Place } from "./txn_wire.ts";
import type { KeyLike, OpOptions } from "./types.ts";

/** Opens one. Throws "limit", "busy", "timeout". */
export async function openSnapshot(
  core: ClientCore,
  at: Place,
  name: string,
  options: StateOptions,
): Promise<Snapshot> {
  const { latest = false } = options;
  const open = new OpenSnapshot(core, at, name);
  // First: a cut ends it from now on.
  core.watches.add(open);
  try {
    const ask = { do: "snapshot", ref: at.ref, how: latest ? "latest" : "local" };
    const { snapshot, seqnum } = await core.ask(ask, options);
    open.begin(Number(snapshot), BigInt(String(seqnum)));
    return open;
  } catch (error) {
    core.watches.delete(open);
    throw error;
  }
}

class OpenSnapshot implements Snapshot {
  readonly #core: ClientCore;
  readonly #at: Place;
  readonly #name: string;
  seqnum = 0n;
  #number = 0;
  /** Why it is over. */
  #over: string | undefined;

  constructor(core: ClientCore, at: Place, name: string) {
    this.#core = core;
    this.#at = at;
    this.#name = name;
  }

  begin(number: number, seqnum: bigint): void {
    this.#number = number;
    this.seqnum = seqnum;
  }

  /** Another connection: it was of the one before. */
  restore(): Promise<void> {
    this.#end("the connection was cut");
    return Promise.resolve();
  }

  #end(why: string): void {
    this.#over ??= why;
    this.#core.watches.delete(this);
  }

  async get(key: KeyLike, options?: OpOptions): Promise<Uint8Array | undefined> {
    const keys = [keyBytes(key)];
    const untilMs = this.#core.clock.nowMs() + this.#core.timeout(options);
    const wish = () => ({ ...this.#checked(), how: "local", keys } as const);
    wish();
    const { values } = await look(this.#core, wish, untilMs, false);
    return valueOrNone(values[0]?.value);
  }

  entries(options: TraverseOptions = {}): AsyncIterableIterator<RecordEntry> {
    const { keysOnly = false } = options;
    return traverseFrom(this.#core, {
      name: this.#name,
      write: (writer, id, { timeoutMs, credit }, prefix) => {
        const { snapshot } = this.#checked();
        writeList(writer, id, { snapshot, timeoutMs, credit, keysOnly, prefix });
      },
    }, options);
  }

  #checked(): { readonly ref: number; readonly snapshot: number } {
    if (this.#over === undefined) return { ref: this.#at.ref, snapshot: this.#number };
    throw new CtdbxError("state", `Cannot read the snapshot of ${this.#name}: ${this.#over}`);
  }

  async close(): Promise<void> {
    if (this.#over !== undefined) return;
    this.#end("it is closed");
    const ask = { do: "unsnapshot", snapshot: this.#number };
    // Without a connection there is nothing to close.
    if (this.#core.line.isUp) await this.#core.ask(ask).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
