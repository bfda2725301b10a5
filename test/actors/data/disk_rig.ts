/**
 * The disk of a persistent database on simulated files, for tests: what it has told, and syncs that end when the test
 * says so.
 *
 * Does NOT promise: entries of more than one transaction.
 */

import { CommitDisk, type CommitDiskParts } from "../../../actors/data/commit_disk.ts";
import type { CommitEvent } from "../../../actors/machines/commit/events.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import type { SimImageStore } from "../../../transport/sim/image.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import type { Entry } from "../../../transport/wire/commit/entry.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import type { FileSync } from "../../../transport/world.ts";
import { behind, group, PATH, put, ZERO } from "../../torture/commit_rig.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Syncs end when the test says so. */
export class HeldSync implements FileSync {
  readonly begun: { readonly path: string; readonly end: (error?: CtdbxError) => void }[] = [];
  readonly #images: SimImageStore;

  constructor(images: SimImageStore) {
    this.#images = images;
  }

  sync(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: CtdbxError) => {
        if (error !== undefined) return reject(error);
        const image = this.#images.open(path);
        image.sync(0, image.mapped);
        image.close();
        resolve();
      };
      this.begun.push({ path, end });
    });
  }

  forget(): void {}
}

/** A disk, and what it has told. */
export class DiskRig {
  readonly time = new SimTime();
  readonly machine: SimMachine;
  readonly events: CommitEvent[] = [];
  readonly failures: unknown[] = [];
  damages = 0;
  syncs: HeldSync | undefined;
  disk!: CommitDisk;

  constructor(seed: number) {
    const dice = new SeededDice(seed);
    const network = new SimNetwork(this.time, dice);
    this.machine = new SimMachine({ name: "n0", network, dice });
  }

  static async open(seed: number, isHeld = true): Promise<DiskRig> {
    const rig = new DiskRig(seed);
    await rig.boot(isHeld);
    return rig;
  }

  async boot(isHeld: boolean): Promise<void> {
    const { images, clock } = this.machine.boot();
    this.syncs = isHeld ? new HeldSync(images) : undefined;
    let random = 17n;
    const parts: CommitDiskParts = {
      ...{ images, path: PATH, clock, syncs: this.syncs, isReplicated: false },
      options: { hashSize: 11, undoBytes: 16 * 1024, segmentBytes: 8192 },
      random: () => random++,
      onEvent: (event) => void this.events.push(event),
      onDamage: () => void this.damages++,
      onFailure: (error) => void this.failures.push(error),
    };
    this.disk = await CommitDisk.open(parts, undefined);
  }

  /** Power is lost, and comes back. */
  async lose(): Promise<void> {
    this.machine.crash("power");
    this.events.length = 0;
    await this.boot(true);
  }

  async run(forMs: number): Promise<void> {
    for (const endMs = this.time.nowMs + forMs; this.time.nowMs < endMs;) {
      this.time.runTo(this.time.nowMs + 1);
      await turn();
    }
  }

  write(id: number, entries: readonly Entry[]): void {
    this.disk.perform({ kind: "write", epoch: 1, id, entries });
  }

  async end(at: number, error?: CtdbxError): Promise<void> {
    this.syncs?.begun[at]?.end(error);
    await this.run(2);
  }

  /** Syncs of the database file and its sums, as they began; those of the log are left out. */
  get fileSyncs(): HeldSync["begun"] {
    return this.syncs?.begun.filter(({ path }) => !path.includes(".log.")) ?? [];
  }

  /** Ends one of those. */
  async endFile(at: number, error?: CtdbxError): Promise<void> {
    this.fileSyncs[at]?.end(error);
    await this.run(2);
  }

  get written(): number[] {
    return this.events.flatMap((event) => event.kind === "written" ? [event.id] : []);
  }
}

/** Entries one after the other, with a write each. */
export function entries(count: number): Entry[] {
  const made: Entry[] = [];
  for (let at = 0, last = ZERO; at < count; at++) {
    const entry = group(last, [[put(`key ${at}`, 40, at)]]);
    made.push(entry);
    last = behind(entry);
  }
  return made;
}
