/**
 * The daemon's side of a volatile database on real files, held by the test, and client programs as processes.
 *
 * Does NOT promise: a daemon; the test flips headers and the page itself.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { FileRecordStore, type StoredRecord } from "../../actors/storage/record_store.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import type { Generation, Incarnation, Pnn } from "../../transport/wire/terms.ts";
import { copy, NAME, OTHER, PNN } from "../actors/storage/record_rig.ts";
import { inFolder } from "./files.ts";
import { Peer, type Runtime, runtimeCommand } from "./peer.ts";

/** Lease of a node whose test does not care, ms. */
const LONG_MS = 600_000;
/** How often what has no event is looked at, ms. */
const LOOK_MS = 2;

/** Resolves when `isSo`. Throws after `limitMs`. */
export async function until(isSo: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const clock = new RealClock();
  const endMs = clock.nowMs() + limitMs;
  while (!isSo()) {
    if (clock.nowMs() > endMs) throw new Error(`Not in ${limitMs} ms: ${what}`);
    await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve));
  }
}

/** A node in a folder. */
export class LiveNode {
  readonly clock = new RealClock();
  readonly store: FileRecordStore;
  readonly pagePath: string;
  readonly folder: string;
  readonly clients: Peer[] = [];
  page: StatePage;
  #incarnation = 0n as Incarnation;
  readonly #images = new RealImageStore();

  constructor(home: string, hashSize: number) {
    this.pagePath = join(home, "state");
    this.folder = join(home, "volatile");
    const disk = {
      list: (path: string) => readdirSync(path),
      makeFolder: (path: string) => void mkdirSync(path, { recursive: true }),
    };
    const { folder } = this;
    this.store = new FileRecordStore({
      images: this.#images,
      disk,
      folder,
      name: NAME,
      pnn: PNN,
      hashSize,
    });
    this.page = this.life(1n);
  }

  /** A new life of the node. */
  life(incarnation: bigint): StatePage {
    if (incarnation > 1n) this.page.endLease();
    this.#incarnation = incarnation as Incarnation;
    this.page = StatePage.make(this.#images, this.pagePath, this.#state(0n));
    this.store.renew(this.#incarnation);
    this.lease(LONG_MS);
    return this.page;
  }

  /** The lease ends `ms` from now; 0: frozen. */
  lease(ms: number = LONG_MS): void {
    const endMs = this.clock.nowMs() + ms;
    this.page.write(this.#state(ms === 0 ? 0n : BigInt(Math.round(endMs * 1e6))));
  }

  #state(leaseEndNs: bigint) {
    const generation = 1n as Generation;
    const [pnn, pid] = [PNN as Pnn, process.pid];
    const frozen = leaseEndNs === 0n;
    return { incarnation: this.#incarnation, generation, leaseEndNs, pnn, frozen, pid };
  }

  /** Starts a client program. */
  async client(runtime: Runtime): Promise<Peer> {
    const peer = new Peer(`client ${this.clients.length}`, runtimeCommand(runtime, CHILD));
    this.clients.push(peer);
    const answer = await peer.ask("open", this.pagePath, this.folder, NAME);
    if (answer !== "opened") throw new Error(`Cannot start a client: ${answer} ${peer.errors}`);
    return peer;
  }

  /** Is a process stopped, as the kernel says? */
  async stopped(peer: Peer, read: (path: string) => string): Promise<void> {
    await until(() => /\) T /.test(read(`/proc/${peer.pid}/stat`)), `${peer.name} stops`);
  }

  /** Gives the record away, or takes it back, under the mutex. False: a client has it. */
  flip(key: string, more: Partial<Pick<StoredRecord, "dmaster" | "flags">>): boolean {
    const { store } = this;
    if (store.tryLock(key) === "busy") return false;
    const stored = store.get(key);
    if (stored !== undefined) store.put(key, { ...stored, ...more });
    store.unlock(key);
    return stored !== undefined;
  }

  async end(): Promise<void> {
    for (const client of this.clients) await client.kill();
    this.store.close();
    this.page.close();
  }
}

const CHILD = "test/live/record_child.ts";
export { copy, NAME, OTHER, PNN };

/** Runs with a node in a fresh folder; ends all that was started. */
export async function withNode(
  hashSize: number,
  run: (node: LiveNode) => Promise<void>,
): Promise<void> {
  await inFolder(async (home) => {
    const node = new LiveNode(home, hashSize);
    try {
      await run(node);
    } finally {
      await node.end();
    }
  });
}
