/**
 * The state page: what a node's own processes must know at each step, in one mapped page of a file.
 *
 *   0 "ctdbxstp" | 8 u32 format | 12 u32 sequence, odd while it is written | 16 u64 incarnation | 24 u64 generation
 *   32 u64 lease end, ns of CLOCK_BOOTTIME | 40 u32 pnn | 44 u32 flags | 48 u32 pid of the daemon
 *
 * The daemon writes, clients look before and after they touch a record, the supervisor ends the lease of a daemon
 * that has died. All numbers little-endian. A page found half-written (its writer was stopped or killed) grants
 * nothing. A lease that is renewed is one store of 64 bits: whoever works in the file without a pause looks each
 * microsecond, and would meet a half-written page at each renewal.
 *
 * Does NOT promise: to outlive the machine; it lies in the run folder, and each incarnation makes a new file.
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Generation, Incarnation, Pnn } from "../../transport/wire/terms.ts";

/** Bytes of the page. */
export const STATE_PAGE_BYTES = 4096;
/** "ctdbxstp". */
const MAGIC = [0x62647463, 0x70747378] as const;
const FORMAT = 1;
const AT = {
  format: 8,
  sequence: 12,
  incarnation: 16,
  generation: 24,
  leaseEnd: 32,
  pnn: 40,
  flags: 44,
  pid: 48,
} as const;
/** The node has accepted another view than the one that it serves by. */
const FLAG_FROZEN = 1;
/** How often a reader looks again at a page that is being written. */
const READS_MAX = 64;

/** What the page says. */
export interface NodeState {
  readonly incarnation: Incarnation;
  readonly generation: Generation;
  /** End of the node lease, nanoseconds of CLOCK_BOOTTIME; 0: none. */
  readonly leaseEndNs: bigint;
  readonly pnn: Pnn;
  /** Nothing may be served, whatever the lease. */
  readonly frozen: boolean;
  /** Process id of the daemon that writes it. */
  readonly pid: number;
}

/** One node's page. */
export class StatePage {
  readonly #image: Image;
  readonly #words: Int32Array;
  readonly #wides: BigInt64Array;

  private constructor(image: Image) {
    const { buffer } = threadMemory().memory;
    this.#image = image;
    this.#words = new Int32Array(buffer, image.address, STATE_PAGE_BYTES / 4);
    this.#wides = new BigInt64Array(buffer, image.address, STATE_PAGE_BYTES / 8);
  }

  /**
   * Makes a page in a file of its own: whoever has the page of a former incarnation goes on seeing that one, whose
   * lease has ended. Throws what the store throws.
   */
  static make(images: ImageStore, path: string, state: NodeState): StatePage {
    images.remove(path);
    const image = images.open(path, { create: true, exclusive: true });
    image.extend(STATE_PAGE_BYTES);
    const page = new StatePage(image);
    page.#write(state);
    page.#set(AT.format, FORMAT);
    page.#set(0, MAGIC[0]);
    page.#set(4, MAGIC[1]);
    return page;
  }

  /** Opens a page that is there. Throws "not_found", "version", "corrupt". */
  static open(images: ImageStore, path: string): StatePage {
    const image = images.open(path);
    const page = image.mapped === STATE_PAGE_BYTES ? new StatePage(image) : undefined;
    if (page === undefined || page.#word(0) !== MAGIC[0] || page.#word(4) !== MAGIC[1]) {
      image.close();
      throw new CtdbxError("corrupt", `Cannot use ${path}: it is no state page`);
    }
    const format = page.#word(AT.format);
    if (format === FORMAT) return page;
    image.close();
    throw new CtdbxError("version", `Cannot use ${path}: its format is ${format}, not ${FORMAT}`);
  }

  /** Where it lies in the thread's Memory: it never grows, so it stays there until it is closed. */
  get address(): number {
    return this.#image.address;
  }

  /** Changes with each change of the page; odd while it is being written. To see quickly that nothing is new. */
  get sequence(): number {
    return Atomics.load(this.#words, AT.sequence >>> 2);
  }

  /** What it says; undefined: its writer was stopped or killed in the middle. */
  read(): NodeState | undefined {
    for (let look = 0; look < READS_MAX; look++) {
      const before = Atomics.load(this.#words, AT.sequence >>> 2);
      if ((before & 1) !== 0) continue;
      const flags = this.#word(AT.flags);
      const state = {
        incarnation: this.#wide(AT.incarnation) as Incarnation,
        generation: this.#wide(AT.generation) as Generation,
        leaseEndNs: this.#wide(AT.leaseEnd),
        pnn: (this.#word(AT.pnn) >>> 0) as Pnn,
        frozen: (flags & FLAG_FROZEN) !== 0,
        pid: this.#word(AT.pid),
      };
      if (Atomics.load(this.#words, AT.sequence >>> 2) === before) return state;
    }
    return undefined;
  }

  /** Writes all of it, for the only writer of the page. */
  write(state: NodeState): void {
    this.#write(state);
  }

  /** Ends the lease of a daemon that is dead; the caller has reaped it. */
  endLease(): void {
    this.#change(() => this.#setWide(AT.leaseEnd, 0n));
  }

  close(): void {
    this.#image.close();
  }

  #write(state: NodeState): void {
    const flags = state.frozen ? FLAG_FROZEN : 0;
    if (this.#isRenewal(state, flags)) {
      this.#setWide(AT.leaseEnd, state.leaseEndNs);
      Atomics.add(this.#words, AT.sequence >>> 2, 2);
      return;
    }
    this.#change(() => {
      this.#setWide(AT.incarnation, state.incarnation);
      this.#setWide(AT.generation, state.generation);
      this.#setWide(AT.leaseEnd, state.leaseEndNs);
      this.#set(AT.pnn, state.pnn);
      this.#set(AT.flags, flags);
      this.#set(AT.pid, state.pid);
    });
  }

  /** Does the page say all of it already, but for the end of the lease? */
  #isRenewal(state: NodeState, flags: number): boolean {
    return (this.sequence & 1) === 0 && this.#wide(AT.incarnation) === state.incarnation &&
      this.#wide(AT.generation) === state.generation && this.#word(AT.pnn) === (state.pnn | 0) &&
      this.#word(AT.flags) === flags && this.#word(AT.pid) === (state.pid | 0);
  }

  /** Odd, the change, even: also when a dead writer left it odd. */
  #change(work: () => void): void {
    const at = AT.sequence >>> 2;
    const odd = Atomics.load(this.#words, at) | 1;
    Atomics.store(this.#words, at, odd);
    work();
    Atomics.store(this.#words, at, (odd + 1) | 0);
  }

  #word(at: number): number {
    return Atomics.load(this.#words, at >>> 2);
  }

  #set(at: number, value: number): void {
    Atomics.store(this.#words, at >>> 2, value | 0);
  }

  #wide(at: number): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#wides, at >>> 3));
  }

  #setWide(at: number, value: bigint): void {
    Atomics.store(this.#wides, at >>> 3, BigInt.asIntN(64, value));
  }
}
