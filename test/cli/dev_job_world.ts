/**
 * A cluster in memory for the main job: each record has an owner, and what others have seen of it is what is left when
 * the owner dies. With faults that the job must notice.
 *
 * Does NOT promise: anything about real nodes; test/live/main_job.test.ts has those.
 */

import type {
  Changer,
  Cluster,
  Database,
  RecordEntry,
  WhereInfo,
} from "../../actors/client/types.ts";
import { KEEP } from "../../actors/client/types.ts";
import type { JobWorld } from "../../cli/dev_job.ts";
import { LEDGER_DB } from "../../cli/dev_job_lasting.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

/** What goes wrong. */
export interface JobFaults {
  /** Stores of this key are told as done, and are not. */
  readonly drops?: string;
  /** A read of this key at the last node gives another byte. */
  readonly garbles?: string;
  /** A traverse leaves this key out. */
  readonly skips?: string;
  /** Records of a dead node are gone, also those that others have seen. */
  readonly losesSeen?: boolean;
  /** A dead node's record goes back further than others have seen. */
  readonly goesBack?: boolean;
  /** A dead node's record is not undone, although nobody had seen it: more than was told. */
  readonly invents?: boolean;
  /** What programs at living nodes ask for fails when another node dies. */
  readonly failsOthers?: boolean;
  /** The shared counter is set back while nothing is wrong. */
  readonly undoes?: boolean;
  /** A death sets the shared counter back further than others have seen. */
  readonly undoesShared?: boolean;
  /** Addresses of a dead node stay with it; with the third they are lost; a check that fails moves nothing. */
  readonly addresses?: "stay" | "lost" | "checkless";
  /** Nobody says who has which address before the dead node is back; histories show it. */
  readonly missesMoves?: boolean;
  /** `node explain` does not name the check that fails. */
  readonly explainsNothing?: boolean;
  /** When all die, the last transaction is gone; it is there in part; it is there twice; nobody was told, and it is. */
  readonly ledger?: "loses" | "halves" | "repeats" | "executes";
}

interface Held {
  value: Uint8Array;
  owner: number;
  /** The newest state that another node has seen. */
  seen: Uint8Array | undefined;
}

const TEXT = new TextEncoder();

function nameOf(key: Uint8Array | string): string {
  return typeof key === "string" ? key : String.fromCharCode(...key);
}

/** The shared state of the databases. */
export class JobCluster {
  readonly databases = new Map<string, Map<string, Held>>();
  readonly shown: string[] = [];
  readonly faults: JobFaults;
  readonly #nodes: number;
  #dead: number | undefined;
  #hasDied = false;
  /** The persistent database, and as it was before its last transaction. */
  readonly ledger = new Map<string, Uint8Array>();
  #before: ReadonlyMap<string, Uint8Array> = new Map();
  #areDead = false;
  readonly #sick = new Set<number>();

  constructor(nodes: number, faults: JobFaults = {}) {
    this.#nodes = nodes;
    this.faults = faults;
  }

  /** The world of the job; time is 30 times as fast where it sleeps. */
  world(records: ReadonlyMap<string, string>): JobWorld {
    let dice = 0;
    const samba = { path: "/tmp/registry.tdb", by: "Samba 4.0", restored: undefined };
    return {
      names: Array.from({ length: this.#nodes }, (_, index) => `n${index}`),
      // What never comes is waited for less long.
      nowMs: () => performance.now() * (this.faults.addresses === undefined ? 1 : 100),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 30)),
      dice: (below) => (dice += 7) % below,
      connect: (index) => Promise.resolve(this.#cluster(index)),
      samba: () =>
        Promise.resolve({
          file: samba,
          records: [...records].map(([key, value]) => ({
            key: TEXT.encode(key),
            value: TEXT.encode(value),
          })),
        }),
      kill: (index) => Promise.resolve(this.#kill(index)),
      killAll: () => Promise.resolve(this.#killAll()),
      well: () => {
        this.#areDead = false;
        return Promise.resolve(void (this.#dead = undefined));
      },
      addresses: () =>
        Promise.resolve(
          this.faults.missesMoves === true && this.#dead !== undefined
            ? undefined
            : this.#addresses(),
        ),
      taken: () => Promise.resolve(this.faults.missesMoves === true ? this.#addresses() : []),
      service: (index, isUp) => void (isUp ? this.#sick.delete(index) : this.#sick.add(index)),
      explainCheck: () =>
        Promise.resolve(
          this.faults.explainsNothing === true ? [] : ["Check service of n1 fails", "file: none"],
        ),
      recoveries: () => Promise.resolve(["n2 has left: 12 ms"]),
      show: (step, ...lines) => void this.shown.push([step, ...lines].join("\n")),
    };
  }

  /** Two addresses for each node, at the next one that is well. */
  #addresses(): { address: string; node: string | undefined }[] {
    const { addresses } = this.faults;
    const isGood = (n: number): boolean =>
      (n !== this.#dead || addresses === "stay") &&
      (!this.#sick.has(n) || addresses === "checkless");
    const all = Array.from({ length: this.#nodes }, (_, n) => n);
    return [...all, ...all].map((home, at) => {
      const node = [...all.slice(home), ...all].find(isGood);
      const isLost = addresses === "lost" && this.#dead === home;
      return { address: `192.0.2.${at + 1}`, node: isLost ? undefined : `n${node}` };
    });
  }

  #kill(index: number): number {
    this.#dead = index;
    this.#hasDied = true;
    const shared = this.databases.get("visits")?.get("shared");
    if (shared !== undefined && this.faults.undoesShared === true) shared.value = TEXT.encode("1");
    for (const [name, database] of this.databases) {
      for (const [key, held] of database) {
        if (held.owner !== index || held === shared) continue;
        const isCounter = name === "visits";
        if (this.faults.invents === true && isCounter) held.value = TEXT.encode("999999");
        else if (this.faults.goesBack === true && isCounter) held.value = TEXT.encode("0");
        else if (held.seen !== undefined && this.faults.losesSeen !== true) held.value = held.seen;
        else database.delete(key);
        held.owner = 0;
      }
    }
    return 4711;
  }

  #killAll(): number[] {
    this.#areDead = true;
    for (const database of this.databases.values()) database.clear();
    const { ledger } = this.faults;
    const back = (key: string) => this.ledger.set(key, this.#before.get(key) as Uint8Array);
    if (ledger === "loses") { for (const key of this.ledger.keys()) back(key); }
    if (ledger === "halves") back("bob");
    if (ledger === "repeats") this.#transfers(2);
    return Array.from({ length: this.#nodes }, (_, index) => 5000 + index);
  }

  #transfers(more: number): void {
    const count = Number(new TextDecoder().decode(this.ledger.get("transfers")));
    this.ledger.set("transfers", TEXT.encode(String(count + more)));
  }

  #cluster(index: number): Cluster {
    return {
      attach: (name: string) =>
        Promise.resolve(name === LEDGER_DB ? this.#ledgerAt() : this.#database(name, index)),
      close: () => Promise.resolve(),
    } as unknown as Cluster;
  }

  #ledgerAt(): Database {
    const all = (): Promise<{ get(key: string): Promise<Uint8Array | undefined> }> =>
      Promise.resolve({
        get: (key: string) => Promise.resolve(this.ledger.get(key)),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    return {
      commits: () =>
        Promise.resolve({ m: 2, copies: [0, 1, 2].map((pnn) => ({ pnn, role: "in_sync" })) }),
      snapshot: all,
      transaction: (work: (tx: unknown) => unknown) => this.#transaction(work),
    } as unknown as Database;
  }

  async #transaction(work: (tx: unknown) => unknown): Promise<{ value: unknown }> {
    const next = new Map(this.ledger);
    const value = await work({
      get: (key: string) => Promise.resolve(this.ledger.get(key)),
      put: (key: string, text: string) => void next.set(key, TEXT.encode(text)),
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    const isLost = this.#areDead;
    if (!isLost || this.faults.ledger === "executes") {
      this.#before = new Map(this.ledger);
      for (const [key, bytes] of next) this.ledger.set(key, bytes);
    }
    if (isLost) throw new CtdbxError("unknown", "the node has died");
    return { value };
  }

  #database(name: string, index: number): Database {
    const { faults } = this;
    const map = this.databases.get(name) ?? new Map<string, Held>();
    this.databases.set(name, map);
    const see = (key: string): Held | undefined => {
      const held = map.get(key);
      if (held !== undefined && held.owner !== index) held.seen = held.value;
      return held;
    };
    const store = (key: string, value: Uint8Array): void => {
      if (key === faults.drops) return;
      const held = map.get(key);
      const seen = held === undefined || held.owner === index ? held?.seen : held.value;
      map.set(key, { value, owner: index, seen });
    };
    const fails = (): boolean => this.#hasDied && faults.failsOthers === true && index === 0;
    const isLast = index === this.#nodes - 1;
    const database: Pick<Database, "read" | "put" | "update" | "where" | "traverse"> = {
      read: (key) => {
        const value = see(nameOf(key))?.value;
        if (isLast && nameOf(key) === faults.garbles) return Promise.resolve(TEXT.encode("?"));
        return Promise.resolve(value);
      },
      put: (key, value) => Promise.resolve(store(nameOf(key), asBytes(value))),
      update: async (key, change: Changer) => {
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (index === this.#dead) throw new CtdbxError("unknown", "the node has died");
        if (fails()) throw new CtdbxError("timeout", "its time is over");
        const next = change(see(nameOf(key))?.value);
        if (next === undefined || next === KEEP) throw new RangeError("not played");
        const isUndone = faults.undoes === true && nameOf(key) === "shared" && map.size > 3;
        store(nameOf(key), isUndone ? TEXT.encode("5") : asBytes(next));
        return asBytes(next);
      },
      where: (key) => {
        const role = map.get(nameOf(key))?.owner === index ? "owner" : "stale";
        return Promise.resolve({ role } as WhereInfo);
      },
      async *traverse() {
        for (const [key, { value }] of map) {
          if (key !== faults.skips) yield { key: TEXT.encode(key), value } as RecordEntry;
        }
      },
    };
    return database as Database;
  }
}

function asBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === "string" ? TEXT.encode(value) : value;
}
