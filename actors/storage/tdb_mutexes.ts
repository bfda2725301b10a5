/**
 * The robust mutexes in a TDB file: one per chain, one for the free list, one for everything.
 *
 *   168 mutex for everything | 208 u16: who holds everything | 216 + 40i: i = 0 free list, i = c + 1 chain c
 *
 * Whoever wants everything takes its mutex, writes the state, then takes and gives back each chain's mutex;
 * who takes a chain and finds the state against it gives the chain back. A killed holder leaves its mutexes to
 * the next, and the state of everything to whoever then gets that mutex.
 *
 * Does NOT promise: shared reading of a chain: a mutex excludes all.
 * Upstream: tdb mutex (glibc, x86-64).
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import type { Image, LockKind, MutexOutcome } from "../../transport/image.ts";

const ALL_MUTEX = 168;
const ALL_STATE = 208;
const FREE_MUTEX = 216;
/** Size of a mutex of the C library whose files these are; other platforms lay their files out differently. */
export const MUTEX_BYTES = 40;
/** The bits of a robust mutex's first word that name its holder; the kernel reads them, too. */
const FUTEX_TID_MASK = 0x3fffffff;
/** Values of the state. */
const STATE = { read: 0, write: 1, free: 2 } as const;

/** Bytes of the mutex area of a file with that many chains. */
export function mutexAreaBytes(hashSize: number, page: number): number {
  return Math.ceil((FREE_MUTEX + MUTEX_BYTES * (hashSize + 1)) / page) * page;
}

function chainMutex(chain: number): number {
  return FREE_MUTEX + MUTEX_BYTES * (chain + 1);
}

/** The mutexes of one open file. */
export class TdbMutexes {
  readonly #image: Image;
  readonly #hashSize: number;
  readonly #timeoutMs: number;
  readonly #spinMax: number;
  readonly #halfWords = new Uint16Array(threadMemory().memory.buffer);

  constructor(image: Image, hashSize: number, timeoutMs: number, spinMax: number) {
    this.#image = image;
    this.#hashSize = hashSize;
    this.#timeoutMs = timeoutMs;
    this.#spinMax = spinMax;
  }

  /** Takes a chain; false: held, or somebody holds everything. */
  tryChain(chain: number, kind: LockKind): boolean {
    return this.takeChain(chain, kind) !== "busy";
  }

  /** The same, and tells whether the one before died in it. */
  takeChain(chain: number, kind: LockKind): MutexOutcome {
    const at = chainMutex(chain);
    const outcome = this.#image.tryMutex(at);
    if (outcome === "busy" || this.#allows(kind)) return outcome;
    this.#image.unlockMutex(at);
    // Is the holder of everything alive? If its mutex is to be had, it is not.
    if (this.#image.tryMutex(ALL_MUTEX) !== "busy") {
      this.#setState("free");
      this.#image.unlockMutex(ALL_MUTEX);
    }
    return "busy";
  }

  /** Waits for a chain, `timeoutMs` for each of the two mutexes it may take. Throws "timeout". */
  async chain(chain: number, kind: LockKind, timeoutMs: number = this.#timeoutMs): Promise<void> {
    const at = chainMutex(chain);
    for (;;) {
      await this.#image.mutex(at, timeoutMs);
      if (this.#allows(kind)) return;
      // Whoever holds everything also holds this mutex: wait for it, then try the chain again.
      this.#image.unlockMutex(at);
      await this.#image.mutex(ALL_MUTEX, timeoutMs);
      this.#setState("free");
      this.#image.unlockMutex(ALL_MUTEX);
    }
  }

  /**
   * The thread that has a chain, as the system numbers it (the main thread's number is the process's); 0: nobody. A
   * look at a word that changes all the time.
   */
  holderOf(chain: number): number {
    const at = (this.#image.address + chainMutex(chain)) >>> 1;
    const word = (this.#halfWords[at] as number) | ((this.#halfWords[at + 1] as number) << 16);
    return word & FUTEX_TID_MASK;
  }

  unlockChain(chain: number): void {
    this.#image.unlockMutex(chainMutex(chain));
  }

  /** May a chain be used while the state is what it is? */
  #allows(kind: LockKind): boolean {
    const state = this.#halfWords[(this.#image.address + ALL_STATE) >>> 1];
    return state === STATE.free || (state === STATE.read && kind === "read");
  }

  #setState(state: keyof typeof STATE): void {
    this.#halfWords[(this.#image.address + ALL_STATE) >>> 1] = STATE[state];
  }

  /** Takes everything; false: nothing was taken. */
  tryAll(kind: LockKind): boolean {
    if (this.#image.tryMutex(ALL_MUTEX) === "busy") return false;
    this.#setState(kind);
    for (let chain = 0; chain < this.#hashSize; chain++) {
      const at = chainMutex(chain);
      let spin = 0;
      while (spin < this.#spinMax && this.#image.tryMutex(at) === "busy") spin++;
      if (spin === this.#spinMax) {
        this.unlockAll();
        return false;
      }
      this.#image.unlockMutex(at);
    }
    return true;
  }

  async all(kind: LockKind): Promise<void> {
    await this.#image.mutex(ALL_MUTEX, this.#timeoutMs);
    this.#setState(kind);
    try {
      await this.#sweep();
    } catch (error) {
      this.unlockAll();
      throw error;
    }
  }

  /** From reading everything to writing. */
  async upgradeAll(): Promise<void> {
    this.#setState("write");
    await this.#sweep();
  }

  unlockAll(): void {
    this.#setState("free");
    this.#image.unlockMutex(ALL_MUTEX);
  }

  /** Takes and gives back each chain: whoever was inside when the state changed is out then. */
  async #sweep(): Promise<void> {
    for (let chain = 0; chain < this.#hashSize; chain++) {
      const at = chainMutex(chain);
      if (this.#image.tryMutex(at) === "busy") await this.#image.mutex(at, this.#timeoutMs);
      this.#image.unlockMutex(at);
    }
  }

  tryFree(): boolean {
    return this.#image.tryMutex(FREE_MUTEX) !== "busy";
  }

  unlockFree(): void {
    this.#image.unlockMutex(FREE_MUTEX);
  }

  /** Makes all of them anew; the caller is alone with the file. */
  init(): void {
    this.#image.initMutex(ALL_MUTEX);
    this.#setState("free");
    for (let i = 0; i <= this.#hashSize; i++) this.#image.initMutex(FREE_MUTEX + MUTEX_BYTES * i);
  }
}
