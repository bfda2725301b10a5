/**
 * A node's volatile database on simulated files: the daemon's store, its state page, client programs beside it.
 *
 * Does NOT promise: processes of their own; test/live/record_*.test.ts has those.
 */
import { FileRecordStore, type StoredRecord } from "../../../actors/storage/record_store.ts";
import { LocalNode } from "../../../actors/storage/local_node.ts";
import { type LocalAnswer, LocalRecords } from "../../../actors/storage/local_records.ts";
import type { RecordHold } from "../../../actors/storage/record_hold.ts";
import { type NodeState, StatePage } from "../../../actors/storage/state_page.ts";
import type { Clock } from "../../../transport/world.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../transport/wire/terms.ts";

/** The node. */
export const PNN = 3 as Pnn;
/** Another one. */
export const OTHER = 4 as Pnn;
export const NAME = "locking.tdb";
export const FOLDER = "/state/volatile";
export const PAGE_PATH = "/run/state";

/** Text as bytes, and as the machine's keys. */
export const b = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
/** Bytes as text. */
export const t = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A clock that stands until it is moved; what waits is run then, in a later turn each. */
export class HandClock implements Clock {
  #nowMs = 1000;
  #timers: { readonly atMs: number; readonly fire: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 0;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Goes on by `ms`, timer after timer. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await turns();
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs);
      const next = due.sort((one, other) => one.atMs - other.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
    this.#nowMs = endMs;
    await turns();
  }

  /** Goes on at once, within a turn: what a stopped process sees when it goes on. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Some turns of the queue of promises. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A copy that this node owns, unless it says otherwise. */
export function copy(data: string, more: Partial<StoredRecord> = {}): StoredRecord {
  const tid = { gen: 7n as Generation, seq: 1 };
  return {
    tid,
    rsn: 1n as Rsn,
    birth: tid,
    data: b(data),
    calls: [],
    dmaster: PNN,
    flags: 0,
    ...more,
  };
}

/** A node. */
export class RecordRig {
  readonly images = new SimImageStore({
    seed: 1,
    // A simulated file that moves does so for all its images at once; a real one only for the one that grew.
    reserveBytes: 16 * 1024 * 1024,
    timer: (delayMs, fire) => this.clock.after(delayMs, fire),
  });
  readonly clock = new HandClock();
  readonly store: FileRecordStore;
  page: StatePage;
  #state: NodeState = {
    incarnation: 0n as Incarnation,
    generation: 7n as Generation,
    leaseEndNs: 0n,
    pnn: PNN,
    frozen: false,
    pid: 1,
  };
  readonly #names = new Set<string>();

  constructor(hashSize = 7) {
    const { images } = this;
    const open = images.open.bind(images);
    images.open = (path, options) => {
      this.#names.add(path);
      return open(path, options);
    };
    const rename = images.rename.bind(images);
    images.rename = (from, to) => {
      this.#names.add(to);
      rename(from, to);
    };
    const list = (folder: string) =>
      [...this.#names].filter((path) => path.startsWith(`${folder}/`) && images.exists(path))
        .map((path) => path.slice(folder.length + 1)).sort();
    const disk = { list, makeFolder: () => {} };
    this.store = new FileRecordStore({
      images,
      disk,
      folder: FOLDER,
      name: NAME,
      pnn: PNN,
      hashSize,
    });
    this.page = this.life(1n);
  }

  /** Names of the files in the folder. */
  get files(): string[] {
    return [...this.#names].filter((path) => path.startsWith(FOLDER) && this.images.exists(path))
      .map((path) => path.slice(FOLDER.length + 1)).sort();
  }

  /** A new life: the old page ends, a new one, a new file. With a lease of 10 s. */
  life(incarnation: bigint): StatePage {
    if (incarnation > 1n) this.page.endLease();
    this.#state = { ...this.#state, incarnation: incarnation as Incarnation, leaseEndNs: 0n };
    this.page = StatePage.make(this.images, PAGE_PATH, this.#state);
    this.store.renew(incarnation as Incarnation);
    this.lease(10_000);
    return this.page;
  }

  /** The lease ends `ms` from now; 0: there is none, which is "frozen". */
  lease(ms: number): void {
    const end = ms === 0 ? 0n : BigInt(Math.round((this.clock.nowMs() + ms) * 1e6));
    this.page.write({ ...this.#state, leaseEndNs: end, frozen: ms === 0 });
  }

  node(): LocalNode {
    const { images, clock } = this;
    return LocalNode.open({ images, clock, pagePath: PAGE_PATH, folder: FOLDER });
  }

  async client(): Promise<LocalRecords> {
    return await LocalRecords.open(this.node(), NAME);
  }
}

/** The key of most tests. */
export const KEY: Uint8Array = b("key");

/** The answer, and the value if one was seen. */
export function read(records: LocalRecords, key = KEY): [LocalAnswer, string | undefined] {
  let seen: string | undefined;
  const answer = records.read(key, (value) => seen = t(value.value()));
  return [answer, seen];
}

/** A node that owns "key", and a client of it. */
export async function rigWith(data: string, hashSize?: number): Promise<[RecordRig, LocalRecords]> {
  const rig = new RecordRig(hashSize);
  rig.store.put("key", copy(data));
  return [rig, await rig.client()];
}

/** The hold, which must be one. */
export function held(hold: RecordHold | LocalAnswer): RecordHold {
  if (typeof hold === "string") throw new Error(`not held: ${hold}`);
  return hold;
}
