/**
 * A cluster in memory, as the library shows one: for commands on records and messages, without a node.
 *
 * Does NOT promise: several programs at once; each command of a test has it for itself.
 */

import {
  type Change,
  type Cluster,
  type ConnectOptions,
  type Database,
  KEEP,
  type KeyLike,
  type Listener,
  type MessageItem,
  type SendTo,
  type ValueLike,
  type WhereInfo,
} from "../../actors/client/types.ts";
import { PROCEDURES } from "../../actors/machines/record/procedures.ts";
import { run } from "../../cli/run.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Capture, capture, type CaptureOptions } from "./capture.ts";

const UTF8 = new TextEncoder();
const EMPTY = new Uint8Array(0);

/** Bytes of what the library takes. */
export function bytesOf(value: KeyLike | ValueLike): Uint8Array {
  return typeof value === "string" ? UTF8.encode(value) : value;
}

const nameOf = (key: KeyLike): string => String.fromCharCode(...bytesOf(key));
const keyOf = (name: string): Uint8Array => Uint8Array.from(name, (letter) => letter.charCodeAt(0));

/** What a test lets go wrong: called before each operation. */
export type Trouble = (operation: string, key: string) => CtdbxError | undefined;

/** A cluster, with what was asked of it. */
export class ClusterDouble {
  readonly databases = new Map<string, Map<string, Uint8Array>>();
  readonly sent: { to: SendTo; srvid: bigint; data: Uint8Array }[] = [];
  /** What listeners hear, and watches tell, before they wait. */
  items: MessageItem[] = [];
  changes: Change[] = [];
  wish: ConnectOptions | undefined;
  trouble: Trouble = () => undefined;
  isClosed = false;
  /** Keys that were pinned, and for how long, ms. */
  readonly pins: [string, number][] = [];
  /** Locks that were taken, and given back. */
  locks = 0;
  unlocks = 0;
  /** Most operations that were under way at once. */
  most = 0;
  #way = 0;
  #ops = 0;
  closed = Promise.withResolvers<string>();

  /** Runs a command in it. */
  async run(words: readonly string[], options: CaptureOptions = {}): Promise<Ran> {
    const terminal = capture(options);
    const own = [...words];
    const end = own.indexOf("--");
    own.splice(end < 0 ? own.length : end, 0, "--nats", "double:1", "--cluster", "c");
    const exit = await run(own, {
      terminal,
      get store(): never {
        throw new Error("a file was opened");
      },
      connect: (wish) => this.connect(wish),
    });
    return { exit, out: terminal.outText(), err: terminal.errText(), terminal };
  }

  connect(wish: ConnectOptions): Promise<Cluster> {
    this.wish = wish;
    this.isClosed = false;
    this.closed = Promise.withResolvers<string>();
    return Promise.resolve(this.#cluster());
  }

  /** The records of a database, which is made. */
  records(name: string): Map<string, Uint8Array> {
    const found = this.databases.get(name) ?? new Map<string, Uint8Array>();
    this.databases.set(name, found);
    return found;
  }

  async op<T>(operation: string, key: KeyLike, work: () => T): Promise<T> {
    this.#way += 1;
    this.most = Math.max(this.most, this.#way);
    // Later ones may end first, as in a real cluster.
    for (let left = (this.#ops++ * 7) % 5; left >= 0; left -= 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#way -= 1;
    const error = this.trouble(operation, nameOf(key));
    if (error !== undefined) throw error;
    return work();
  }

  #cluster(): Cluster {
    const close = (): Promise<void> => {
      this.isClosed = true;
      this.closed.resolve("it was closed");
      return Promise.resolve();
    };
    const parts: Partial<Cluster> = {
      pnn: 1,
      name: "n1",
      way: "nats",
      closed: this.closed.promise,
      attach: (name, { create = true } = {}) => {
        if (!create && !this.databases.has(name)) {
          return Promise.reject(new CtdbxError("not_found", `Cannot find database ${name}`));
        }
        this.records(name);
        return Promise.resolve(databaseOf(this, name));
      },
      databases: () =>
        Promise.resolve(
          [...this.databases.keys()].map((name) => ({
            dbId: 1,
            name,
            kind: "volatile",
            since: 1n,
          })),
        ),
      send: (to, srvid, data) => {
        this.sent.push({ to, srvid, data: bytesOf(data) });
        return Promise.resolve(3);
      },
      post: (to, srvid, data) => void this.sent.push({ to, srvid, data: bytesOf(data) }),
      listen: (srvid) => Promise.resolve(listenerOf(srvid, this.items)),
      exists: ({ pid }) =>
        Promise.resolve({ nodes: pid === 7 ? [{ pnn: 1, count: 2 }] : [], unheard: [] }),
      close,
      [Symbol.asyncDispose]: close,
    };
    return parts as Cluster;
  }
}

/** How a command ended. */
export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  readonly terminal: Capture;
}

/** Where every record is. */
const WHERE: WhereInfo = {
  slot: 5,
  home: 1,
  isHome: true,
  isOpen: true,
  holder: 1,
  role: "owner",
  rsn: "7",
  readers: [2],
  waiting: 0,
  read: "here",
  call: "here",
  isSticky: false,
  history: [{ msAgo: 5, what: "in", peer: 2, rsn: "6" }],
};

function databaseOf(double: ClusterDouble, name: string): Database {
  const records = new Shelf(double, double.records(name));
  const parts: Partial<Database> = {
    name,
    dbId: 1,
    ...plain(double, records),
    ...procedures(records),
    async *traverse({ prefix = "", limit = Infinity, keysOnly = false } = {}) {
      let left = limit;
      for (const [key, value] of [...records.all]) {
        if (!key.startsWith(nameOf(prefix))) continue;
        if (left-- <= 0) return;
        const error = double.trouble("traverse", key);
        if (error !== undefined) throw error;
        yield await Promise.resolve({ key: keyOf(key), value: keysOnly ? EMPTY : value });
      }
    },
    count: ({ prefix = "" } = {}) =>
      Promise.resolve(
        [...records.all.keys()].filter((key) => key.startsWith(nameOf(prefix))).length,
      ),
    watch: () => waiting(double.changes),
    where: () => Promise.resolve(WHERE),
    pin: (key, { forMs }) => {
      double.pins.push([nameOf(bytesOf(key)), forMs]);
      return Promise.resolve();
    },
  };
  return parts as Database;
}

/** The records of a database, and what is done to them. */
class Shelf {
  readonly all: Map<string, Uint8Array>;
  readonly #double: ClusterDouble;

  constructor(double: ClusterDouble, all: Map<string, Uint8Array>) {
    this.#double = double;
    this.all = all;
  }

  get(key: KeyLike): Uint8Array | undefined {
    return this.all.get(nameOf(key));
  }

  set(key: KeyLike, value: ValueLike | undefined): void {
    const bytes = value === undefined ? EMPTY : bytesOf(value);
    if (bytes.length === 0) this.all.delete(nameOf(key));
    else this.all.set(nameOf(key), bytes.slice());
  }

  call(key: KeyLike, procedure: string, args: Uint8Array): Promise<Uint8Array> {
    return this.#double.op(procedure, key, () => {
      const ran = PROCEDURES.get(procedure)?.(this.get(key) ?? EMPTY, args) ??
        { ok: false as const, why: `there is no procedure ${procedure}` };
      if (!ran.ok) throw new CtdbxError("state", `Cannot run ${procedure}: ${ran.why}`);
      this.set(key, ran.data);
      return ran.result;
    });
  }
}

function plain(double: ClusterDouble, records: Shelf): Partial<Database> {
  return {
    read: (key) => double.op("read", key, () => records.get(key)?.slice()),
    put: (key, value) => double.op("put", key, () => records.set(key, value)),
    delete: (key) => double.op("delete", key, () => records.set(key, undefined)),
    update: (key, change) =>
      double.op("update", key, () => {
        const next = change(records.get(key));
        if (next !== KEEP) records.set(key, next as ValueLike | undefined);
        return records.get(key);
      }),
    updateNow: () => false,
    setIf: (key, when, value) =>
      double.op("setIf", key, () => {
        if ((records.get(key) !== undefined) !== (when === "present")) return false;
        records.set(key, value);
        return true;
      }),
    compareAndSwap: (key, expected, next) =>
      double.op("cas", key, () => {
        if (nameOf(records.get(key) ?? EMPTY) !== nameOf(expected ?? EMPTY)) return false;
        records.set(key, next);
        return true;
      }),
    fetchLock: (key) =>
      double.op("lock", key, () => {
        double.locks += 1;
        let isOpen = true;
        const close = (): Promise<void> => {
          if (isOpen) double.unlocks += 1;
          isOpen = false;
          return Promise.resolve();
        };
        return {
          key: bytesOf(key),
          value: records.get(key),
          store: (value: ValueLike) => Promise.resolve(records.set(key, value)),
          delete: () => Promise.resolve(records.set(key, undefined)),
          close,
          [Symbol.asyncDispose]: close,
        };
      }),
  };
}

function procedures(records: Shelf): Partial<Database> {
  const viewOf = ({ buffer, byteOffset }: Uint8Array) => new DataView(buffer, byteOffset);
  return {
    call: (key, procedure, args) => records.call(key, procedure, bytesOf(args)),
    increment: async (key, by = 1) => {
      const args = new Uint8Array(8);
      viewOf(args).setBigInt64(0, BigInt(by), true);
      return viewOf(await records.call(key, "incr", args)).getBigInt64(0, true);
    },
    append: async (key, more) =>
      viewOf(await records.call(key, "append", bytesOf(more))).getUint32(0, true),
    push: async (key, item, max) => {
      const bytes = bytesOf(item);
      const args = new Uint8Array(4 + bytes.length);
      viewOf(args).setUint32(0, max, true);
      args.set(bytes, 4);
      return viewOf(await records.call(key, "push", args)).getUint32(0, true);
    },
  };
}

/** Gives what there is, then waits for its end. */
function waiting<T>(items: readonly T[]): AsyncIterableIterator<T> {
  const ended = Promise.withResolvers<void>();
  let at = 0;
  return {
    async next() {
      if (at < items.length) return { done: false, value: items[at++] as T };
      await ended.promise;
      return { done: true, value: undefined };
    },
    return() {
      ended.resolve();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function listenerOf(srvid: bigint, items: readonly MessageItem[]): Listener {
  const heard = waiting(items);
  const close = async (): Promise<void> => void await heard.return?.();
  return Object.assign(heard, {
    srvid,
    unheard: 0,
    close,
    [Symbol.asyncDispose]: close,
  }) as Listener;
}
