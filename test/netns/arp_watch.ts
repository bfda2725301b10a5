/**
 * Asks a network again and again who has an address, and hears who answers: at no moment may two.
 *
 *   request to all ──▶ (the kernel loops it back here) ──▶ answers ──▶ request ...      a request with answers of two
 *
 * Does NOT promise: to see two owners between two questions; they are EVERY_MS apart.
 */
import { ERRNO, type Libc, openLibc, systemError } from "../../transport/ffi.ts";

/** Between two questions for one address, ms. */
export const EVERY_MS = 10;
/** After so many questions without an answer an address has no owner. */
const SILENT_MAX = 10;
const AF_PACKET = 17;
const SOCK_RAW = 3;
/** Every protocol, so that own requests are heard, too; network order. */
const ALL = 0x0300;
const ARP = 0x0806;
const REQUEST = 1;
const REPLY = 2;
const FRAME_BYTES = 42;
const READ_BYTES = 2048;

/** Who answered for an address, from when on. */
export interface Answered {
  readonly atMs: number;
  readonly mac: string;
}

/** What it is made with. */
export interface ArpWish {
  /** Index and hardware address of the interface, and an IPv4 address of it. */
  readonly index: number;
  readonly mac: string;
  readonly from: string;
  readonly addresses: readonly string[];
}

/** Watches some addresses of one network. */
export class ArpWatch {
  /** By address: each change of who answers. */
  readonly owners = new Map<string, Answered[]>();
  /** Requests that were answered by two. */
  readonly doubles: string[] = [];
  questions = 0;
  answers = 0;
  readonly #libc: Libc = openLibc();
  readonly #wish: ArpWish;
  readonly #fd: number;
  readonly #sender: number;
  readonly #requests: readonly Uint8Array[];
  readonly #to: Uint8Array;
  readonly #frame = new Uint8Array(new ArrayBuffer(READ_BYTES));
  /** By address: who has answered the last request. */
  readonly #answered = new Map<string, Set<string>>();
  /** By address: questions since the last answer. */
  readonly #silent = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(wish: ArpWish) {
    this.#wish = wish;
    this.#fd = this.#libc.socket(AF_PACKET, SOCK_RAW, ALL);
    // A socket does not hear what it has sent itself.
    this.#sender = this.#libc.socket(AF_PACKET, SOCK_RAW, 0);
    if (this.#fd < 0 || this.#sender < 0) {
      throw systemError("Cannot hear ARP", this.#libc.errno());
    }
    this.#to = packetAddress(wish.index);
    if (this.#libc.bind(this.#fd, this.#to) < 0) {
      throw systemError("Cannot hear ARP", this.#libc.errno());
    }
    this.#requests = wish.addresses.map((address) => request(wish, address));
  }

  /** Is it known which question each answer was to? */
  get hearsItself(): boolean {
    return this.#answered.size === this.#wish.addresses.length;
  }

  start(): void {
    this.#timer = setInterval(() => this.#ask(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#hear();
    this.#libc.close(this.#fd);
    this.#libc.close(this.#sender);
  }

  /** Who answers for an address; undefined: nobody has answered the last questions. */
  ownerOf(address: string): string | undefined {
    const isSilent = (this.#silent.get(address) ?? 0) > SILENT_MAX;
    return isSilent ? undefined : this.owners.get(address)?.at(-1)?.mac;
  }

  #ask(): void {
    this.#hear();
    for (const bytes of this.#requests) {
      // A bridge without ports that are up has no room for it; the next one is soon.
      if (this.#libc.sendto(this.#sender, bytes, this.#to) > 0) this.questions++;
    }
  }

  #hear(): void {
    for (;;) {
      const length = this.#libc.recv(this.#fd, this.#frame);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === ERRNO.EAGAIN) return;
        throw systemError("Cannot hear ARP", errno);
      }
      const view = new DataView(this.#frame.buffer, 0, Math.min(length, READ_BYTES));
      if (view.byteLength >= FRAME_BYTES && view.getUint16(12) === ARP) this.#take(view);
    }
  }

  #take(view: DataView): void {
    const mac = macAt(view, 22);
    const operation = view.getUint16(20);
    if (operation === REQUEST && mac === this.#wish.mac) {
      const asked = ipAt(view, 38);
      this.#silent.set(asked, (this.#silent.get(asked) ?? 0) + 1);
      return void this.#answered.set(asked, new Set());
    }
    if (operation !== REPLY || macAt(view, 32) !== this.#wish.mac) return;
    const address = ipAt(view, 28);
    this.answers++;
    const atMs = performance.now();
    const macs = this.#answered.get(address);
    macs?.add(mac);
    if (macs !== undefined && macs.size > 1) {
      this.doubles.push(`${address} at ${Math.round(atMs)} ms: ${[...macs].join(" and ")}`);
    }
    this.#silent.set(address, 0);
    const owners = this.owners.get(address) ?? [];
    if (owners.at(-1)?.mac !== mac) owners.push({ atMs, mac });
    this.owners.set(address, owners);
  }
}

/** struct sockaddr_ll for frames of every protocol at an interface. */
function packetAddress(index: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ALL, true);
  view.setInt32(4, index, true);
  return new Uint8Array(view.buffer);
}

function request({ mac, from }: ArpWish, address: string): Uint8Array {
  const own = mac.split(":").map((byte) => parseInt(byte, 16));
  const ip = (text: string): number[] => text.split(".").map(Number);
  return new Uint8Array([
    ...new Array<number>(6).fill(0xff),
    ...own,
    ...[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, REQUEST],
    ...own,
    ...ip(from),
    ...new Array<number>(6).fill(0),
    ...ip(address),
  ]);
}

function macAt(view: DataView, at: number): string {
  return Array.from({ length: 6 }, (_, index) => view.getUint8(at + index).toString(16))
    .map((byte) => byte.padStart(2, "0")).join(":");
}

function ipAt(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((index) => view.getUint8(at + index)).join(".");
}
