/** The kernel's connections through a kernel that is not there: how often it is asked, and what it says of failures. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Libc } from "../../transport/ffi.ts";
import { RealTcpTable } from "../../transport/real_tcp_table.ts";
import { INET, INET6 } from "../../transport/sock_diag.ts";
import { type IpAddress, parseAddress } from "../../transport/wire/address.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { addressBytes } from "../../transport/wire/raw/endpoint.ts";

const test = suite("transport/real_tcp_table");

const [ERROR, DONE, BY_FAMILY, DESTROY] = [2, 3, 20, 21];
/** Sockets of one answer. */
const A_PIECE = 100;

/** Answers as the kernel does, IPv4 only. */
class Kernel {
  /** The addresses of this end, one for each connection. */
  sockets: IpAddress[] = [];
  /** What a dump ends with, and what ending a socket does: numbers of errors. */
  doneErrno = 0;
  destroyErrno = 0;
  /** Called before each piece of a dump. */
  onPiece = (): void => {};
  dumps = 0;
  destroyed: number[] = [];
  open = 0;
  mostOpen = 0;
  readonly #answers = new Map<number, Uint8Array[]>();
  #fds = 10;

  table(): RealTcpTable {
    const libc = {
      socket: () => {
        this.open += 1;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        this.#fds += 1;
        this.#answers.set(this.#fds, []);
        return this.#fds;
      },
      close: (fd: number) => {
        this.open -= 1;
        this.#answers.delete(fd);
        return 0;
      },
      errno: () => 0,
      sendto: (fd: number, bytes: Uint8Array) => {
        this.#answers.get(fd)?.push(...this.#answer(new DataView(bytes.slice().buffer)));
        return bytes.length;
      },
      recv: (fd: number, into: Uint8Array) => {
        this.onPiece();
        const next = this.#answers.get(fd)?.shift() ?? new Uint8Array();
        into.set(next);
        return next.length;
      },
    };
    return new RealTcpTable(libc as unknown as Libc);
  }

  #answer(request: DataView): Uint8Array[] {
    const seq = request.getUint32(8, true);
    if (request.getUint16(4, true) === DESTROY) {
      this.destroyed.push(request.getUint16(16 + 8 + 2));
      return [message(ERROR, seq, numberBytes(-this.destroyErrno))];
    }
    this.dumps += 1;
    const pieces: Uint8Array[] = [];
    const listed = request.getUint8(16) === INET6 || this.doneErrno !== 0 ? [] : this.sockets;
    for (let at = 0; at < listed.length; at += A_PIECE) {
      const some = listed.slice(at, at + A_PIECE).map((here, index) =>
        message(BY_FAMILY, seq, socketBytes(here, at + index))
      );
      pieces.push(joined(some));
    }
    return [...pieces, message(DONE, seq, numberBytes(-this.doneErrno))];
  }
}

function message(type: number, seq: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint32(8, seq, true);
  bytes.set(body, 16);
  return bytes;
}

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, number, true);
  return bytes;
}

/** A connection by its number, which is the port of its client. */
function socketBytes(here: IpAddress, number: number): Uint8Array {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  bytes.set([INET, 1]);
  view.setUint16(4, 445);
  view.setUint16(6, number);
  bytes.set(addressBytes(here), 8);
  bytes.set([10, 9, 0, 1], 24);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const ADDRESSES = Array.from({ length: 500 }, (_, n) => parseAddress(`10.0.${n >> 8}.${n & 255}`));
const OTHER = parseAddress("10.7.0.1");

test("addresses that are reset in one turn cost one dump a family, and few descriptors", async () => {
  const kernel = new Kernel();
  kernel.sockets = [...ADDRESSES, OTHER, ...ADDRESSES.slice(0, 3)];
  const tcp = kernel.table();
  const counts = await Promise.all(ADDRESSES.map((address) => tcp.reset(address, 60_000)));
  assert.is(kernel.dumps, 2);
  assert.ok(kernel.mostOpen <= 2, `${kernel.mostOpen}`);
  assert.is(kernel.open, 0);
  assert.ok(counts.every(({ isAll }) => isAll));
  assert.equal(counts.map(({ ended }) => ended), ADDRESSES.map((_, n) => n < 3 ? 2 : 1));
  assert.is(kernel.destroyed.length, 503);
  assert.not.ok(kernel.destroyed.includes(500), "that of another address stays");
});

test("what is asked for while others are reset comes next, all of it together", async () => {
  const kernel = new Kernel();
  kernel.sockets = ADDRESSES.slice(0, 4);
  const tcp = kernel.table();
  const later: Promise<unknown>[] = [];
  kernel.onPiece = () => {
    kernel.onPiece = () => {};
    later.push(...ADDRESSES.slice(1, 4).map((address) => tcp.reset(address, 60_000)));
  };
  assert.equal(await tcp.reset(ADDRESSES[0]!, 60_000), { ended: 1, isAll: true });
  assert.is(later.length, 3);
  assert.equal(await Promise.all(later), later.map(() => ({ ended: 1, isAll: true })));
  assert.is(kernel.dumps, 4);
  assert.is(kernel.open, 0);
});

test("a dump that takes longer than the limit ends, and it is said that not all was seen", async () => {
  const kernel = new Kernel();
  kernel.sockets = ADDRESSES;
  const tcp = kernel.table();
  let pieces = 0;
  kernel.onPiece = () => {
    pieces += 1;
  };
  assert.equal(await tcp.reset(ADDRESSES[0]!, 0), { ended: 0, isAll: false });
  assert.is(pieces, 0, "the time was over before the first piece");
  assert.is(kernel.open, 0);
});

test("a kernel without tcp_diag says so at the end of the dump: it is none without connections", async () => {
  const kernel = new Kernel();
  kernel.sockets = ADDRESSES;
  kernel.doneErrno = 2;
  const tcp = kernel.table();
  const codes = await Promise.all([
    codeOf(tcp.established(new Set(ADDRESSES), 1000)),
    codeOf(tcp.reset(ADDRESSES[0]!, 60_000)),
    codeOf(tcp.reset(ADDRESSES[1]!, 60_000)),
  ]);
  assert.equal(codes, ["unsupported", "unsupported", "unsupported"]);
  kernel.doneErrno = 5;
  assert.is(await codeOf(tcp.established(new Set(ADDRESSES), 1000)), "io");
  kernel.doneErrno = 0;
  assert.is((await tcp.established(new Set(ADDRESSES), 1000)).length, ADDRESSES.length);
  kernel.destroyErrno = 95;
  assert.is(await codeOf(tcp.reset(ADDRESSES[0]!, 60_000)), "unsupported");
  assert.is(kernel.open, 0);
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
  return "none";
}

test.run();
