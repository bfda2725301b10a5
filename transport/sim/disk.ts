/**
 * The Disk port on simulated files, with faults: crash, power cut, full, failing and stalled disks.
 *
 *   write, replace -> queue of the path -> takes its time -> done          the files outlive the process
 *   crash under way: write in place leaves a mixture, replace the old or the new
 *
 * Does NOT promise: what is said of unsynced data to hold for append(); only logs use it.
 */
import { checkContents, checkPath, UNFINISHED } from "../disk_checks.ts";
import { CtdbxError, type ErrorCode } from "../wire/errors.ts";
import type { Dice, Disk } from "../world.ts";
import type { SimTime } from "./clock.ts";
import { DiskFiles } from "./disk_files.ts";
import type { SimLife } from "./life.ts";

/** A call that waits or runs. */
interface Job {
  readonly kind: "write" | "replace";
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly life: SimLife;
  readonly done: (error?: CtdbxError) => void;
}

/** How long a write takes, ms: at least, and how much more. */
const WRITE_MIN_MS = 0.2;
const WRITE_SPREAD_MS = 3;

/** The disk of one machine. Each life of a process gets its own Disk from view(). */
export class SimDisk {
  readonly files = new DiskFiles();
  readonly #time: SimTime;
  readonly #dice: Dice;
  readonly #queues = new Map<string, Job[]>();
  readonly #denied = new Set<string>();
  readonly #stalled: (() => void)[] = [];
  #isStalled = false;
  #fault: { left: number; code: ErrorCode } | undefined;

  constructor(time: SimTime, dice: Dice) {
    this.#time = time;
    this.#dice = dice;
  }

  /** The port, for one life. */
  view(life: SimLife): Disk {
    return new DiskView(this, life);
  }

  /** The write that is `writes` from now (1: the next) fails with this code. */
  failAt(writes: number, code: ErrorCode): void {
    this.#fault = { left: writes, code };
  }

  /** Nothing is done any more, until release(). */
  stall(): void {
    this.#isStalled = true;
  }

  release(): void {
    this.#isStalled = false;
    for (const go of this.#stalled.splice(0)) go();
  }

  /** Opening this file fails with "denied"; answers how to allow it again. */
  deny(path: string): () => void {
    this.#denied.add(path);
    return () => void this.#denied.delete(path);
  }

  isDenied(path: string): boolean {
    return this.#denied.has(path);
  }

  /** The process has died: what it had under way is left as it is, what waited never happens. */
  crash(life: SimLife): void {
    for (const [path, jobs] of [...this.#queues]) {
      const [running, ...waiting] = jobs;
      if (running?.life === life) this.#abandon(running);
      const kept = [running, ...waiting].filter((job) => job !== undefined && job.life !== life);
      if (kept.length === 0) this.#queues.delete(path);
      else this.#queues.set(path, kept as Job[]);
    }
  }

  /** The power goes: call crash() for every life first. */
  cutPower(): void {
    this.files.cut(this.#dice);
  }

  add(job: Job): void {
    const jobs = this.#queues.get(job.path) ?? [];
    this.#queues.set(job.path, jobs);
    jobs.push(job);
    if (jobs.length === 1) this.#begin(job);
  }

  #begin(job: Job): void {
    const takesMs = WRITE_MIN_MS + WRITE_SPREAD_MS * this.#dice.below(1 << 20) / (1 << 20);
    this.#time.after(takesMs, () => {
      if (this.#isStalled) this.#stalled.push(() => this.#finish(job));
      else this.#finish(job);
    });
  }

  #finish(job: Job): void {
    const jobs = this.#queues.get(job.path);
    if (jobs?.[0] !== job) return; // its process has died
    let error: CtdbxError | undefined;
    try {
      this.#check(job);
      this.files.put(job.path, job.bytes);
    } catch (thrown) {
      if (!(thrown instanceof CtdbxError)) throw thrown;
      error = thrown;
    }
    jobs.shift();
    const [next] = jobs;
    if (next === undefined) this.#queues.delete(job.path);
    else this.#begin(next);
    job.life.run(() => error === undefined ? job.done() : job.done(error));
  }

  #check({ kind, path, bytes }: Job): void {
    const what = `Cannot ${kind} ${path}`;
    if (this.#denied.has(path)) throw new CtdbxError("denied", `${what}: denied`);
    const fault = this.#fault;
    if (fault !== undefined && --fault.left === 0) {
      this.#fault = undefined;
      throw new CtdbxError(fault.code, `${what}: simulated`);
    }
    this.files.checkWrite(what, path, bytes.length);
  }

  #abandon({ kind, path, bytes }: Job): void {
    try {
      this.files.checkWrite("", path, bytes.length);
    } catch {
      return; // it would have failed: nothing has changed
    }
    if (kind === "write") this.files.tear(path, bytes, this.#dice);
    else if (this.#dice.chance(1, 2)) this.files.put(path, bytes);
  }
}

/** What one life sees of the disk. */
class DiskView implements Disk {
  readonly #disk: SimDisk;
  readonly #life: SimLife;

  constructor(disk: SimDisk, life: SimLife) {
    this.#disk = disk;
    this.#life = life;
  }

  read(path: string): Uint8Array | undefined {
    checkPath(path);
    const what = `Cannot read ${path}`;
    const { files } = this.#disk;
    if (this.#disk.isDenied(path)) throw new CtdbxError("denied", `${what}: denied`);
    if (files.isFolder(path)) throw new CtdbxError("io", `${what}: it is a folder`);
    const bytes = files.get(path);
    if (bytes !== undefined) checkContents(what, bytes.length);
    return bytes?.slice();
  }

  write(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void {
    this.#add("write", path, bytes, done);
  }

  replace(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void {
    this.#add("replace", path, bytes, done);
  }

  remove(path: string): void {
    checkPath(path);
    this.#disk.files.remove(path);
  }

  list(folder: string): string[] {
    checkPath(folder);
    return this.#disk.files.list(folder).filter((name) => !name.endsWith(UNFINISHED));
  }

  makeFolder(path: string): void {
    checkPath(path);
    this.#disk.files.makeFolder(path);
  }

  #add(
    kind: Job["kind"],
    path: string,
    bytes: Uint8Array,
    done: (error?: CtdbxError) => void,
  ): void {
    checkPath(path);
    checkContents(`Cannot ${kind} ${path}`, bytes.length);
    this.#disk.add({ kind, path, bytes: bytes.slice(), life: this.#life, done });
  }
}
