/**
 * The TcpTable port on this machine, through sock_diag(7).
 *
 *   dump ── sendto ──▶ kernel ── recv, 32 KiB of sockets at a time ──▶ until DONE       (others have their turns)
 *   reset: dump ──▶ SOCK_DESTROY for each of these addresses ──▶ the kernel sends its other end a reset
 *
 * Addresses that are to be reset gather until the turn ends, and while others are being reset: a dump goes through all
 * sockets of the kernel, so one serves them all.
 *
 * A socket of its own for each operation, so that answers do not mix. No program is started, and nothing is waited for
 * but the kernel.
 *
 * Does NOT promise: one moment: connections that come and go meanwhile are seen, or not.
 */
import { AF_NETLINK, ANSWER_BYTES, KERNEL, SOCK_RAW } from "./netlink.ts";
import { ERRNO, type Libc, openLibc, systemError } from "./ffi.ts";
import type { ResetCount, TcpTable } from "./packets.ts";
import {
  addressHere,
  ALIVE,
  connectionOf,
  destroyRequest,
  diagAnswers,
  dumpRequest,
  ESTABLISHED,
  INET,
  INET6,
  type SocketId,
} from "./sock_diag.ts";
import type { IpAddress } from "./wire/address.ts";
import { CtdbxError } from "./wire/errors.ts";
import type { Connection } from "./wire/raw/endpoint.ts";

/** socket(2): the protocol of sock_diag. */
const NETLINK_SOCK_DIAG = 4;
/** After so many answers, or sockets that were ended, it is others' turn. */
const ANSWERS_A_TURN = 16;
const ENDED_A_TURN = 256;
/** The number of a dump; it has a socket of its own. */
const DUMP_SEQ = 1;
/** A kernel that does not have it. */
const ENOENT = 2;

/** An address whose connections are to be ended. */
interface Wanted {
  readonly untilMs: number;
  readonly answered: (count: ResetCount) => void;
  readonly failed: (error: unknown) => void;
  ended: number;
  isAll: boolean;
}

/** The connections of this network namespace. */
export class RealTcpTable implements TcpTable {
  readonly #libc: Libc;
  /** Taken apart before the next one is asked for. */
  readonly #answer = new Uint8Array(new ArrayBuffer(ANSWER_BYTES));
  /** What is to be reset next; one address may be there several times. */
  #wanted: [IpAddress, Wanted][] = [];
  #isResetting = false;

  constructor(libc: Libc = openLibc()) {
    this.#libc = libc;
  }

  async established(local: ReadonlySet<IpAddress>, most: number): Promise<Connection[]> {
    const found: Connection[] = [];
    if (local.size === 0) return found;
    await this.#each(ESTABLISHED, undefined, (socket) => {
      const here = addressHere(socket);
      if (here === undefined || !local.has(here)) return true;
      const connection = connectionOf(socket);
      if (connection !== undefined) found.push(connection);
      return found.length < most;
    });
    return found;
  }

  reset(local: IpAddress, limitMs: number): Promise<ResetCount> {
    const untilMs = performance.now() + limitMs;
    return new Promise((answered, failed) => {
      this.#wanted.push([local, { untilMs, answered, failed, ended: 0, isAll: true }]);
      if (!this.#isResetting) void this.#resetWanted();
    });
  }

  /** Never rejects. */
  async #resetWanted(): Promise<void> {
    this.#isResetting = true;
    // All that are asked for in this turn.
    await turn();
    while (this.#wanted.length > 0) {
      const batch = this.#wanted.splice(0);
      try {
        await this.#resetAll(batch);
        for (const [, { ended, isAll, answered }] of batch) answered({ ended, isAll });
      } catch (error) {
        for (const [, { failed }] of batch) failed(error);
      }
    }
    this.#isResetting = false;
  }

  async #resetAll(batch: readonly [IpAddress, Wanted][]): Promise<void> {
    // Of one that is there twice the first one ends the connections.
    const wanted = new Map([...batch].reverse());
    const untilMs = Math.max(...batch.map(([, one]) => one.untilMs));
    const [only] = wanted.size === 1 ? [...wanted.keys()] : [];
    const sockets: [SocketId, Wanted][] = [];
    await this.#each(ALIVE, only, (socket) => {
      const here = addressHere(socket);
      const one = here === undefined ? undefined : wanted.get(here);
      if (one !== undefined) sockets.push([socket, one]);
      return true;
    }, () => {
      const hasTime = performance.now() < untilMs;
      if (!hasTime) { for (const [, one] of batch) one.isAll = false; }
      return hasTime;
    });
    if (sockets.length === 0) return;
    const fd = this.#open();
    try {
      for (const [index, [socket, one]] of sockets.entries()) {
        if (index % ENDED_A_TURN === ENDED_A_TURN - 1) await turn();
        if (performance.now() >= one.untilMs) one.isAll = false;
        else if (this.#destroy(fd, index + 1, socket)) one.ended += 1;
      }
    } finally {
      this.#libc.close(fd);
    }
  }

  /** False: it had gone before. */
  #destroy(fd: number, seq: number, socket: SocketId): boolean {
    this.#send(fd, destroyRequest(seq, socket));
    for (const answer of diagAnswers(this.#receive(fd), seq)) {
      if (answer.kind !== "end") continue;
      if (answer.errno === ENOENT) return false;
      if (answer.errno === ERRNO.EOPNOTSUPP || answer.errno === ERRNO.EINVAL) {
        throw new CtdbxError("unsupported", "Cannot reset connections: the kernel has no way to");
      }
      if (answer.errno !== 0) throw systemError("Cannot reset a connection", answer.errno);
    }
    return true;
  }

  /**
   * Calls `see` with all sockets in these states, of both families, as long as it answers true, and so does `goesOn`
   * before each piece.
   */
  async #each(
    states: number,
    local: IpAddress | undefined,
    see: (socket: SocketId) => boolean,
    goesOn = (): boolean => true,
  ): Promise<void> {
    for (const family of [INET, INET6]) {
      // Sockets of IPv6 may have ends of IPv4, not the other way round.
      if (family === INET && local?.includes(":") === true) continue;
      const fd = this.#open();
      try {
        this.#send(fd, dumpRequest(DUMP_SEQ, family, states, local));
        for (let count = 1; goesOn() && this.#piece(fd, family, see); count++) {
          if (count % ANSWERS_A_TURN === 0) await turn();
        }
      } finally {
        this.#libc.close(fd);
      }
    }
  }

  /** One answer of a dump; false: that was all, or enough. */
  #piece(fd: number, family: number, see: (socket: SocketId) => boolean): boolean {
    for (const answer of diagAnswers(this.#receive(fd), DUMP_SEQ)) {
      if (answer.kind === "socket") {
        if (!see(answer.socket)) return false;
        continue;
      }
      if (answer.errno === 0) return false;
      // A kernel without IPv6 has none of its sockets.
      if (answer.errno === ENOENT && family === INET6) return false;
      const what = "Cannot list TCP connections";
      if (answer.errno !== ENOENT) throw systemError(what, answer.errno);
      throw new CtdbxError("unsupported", `${what}: the kernel has no sock_diag`);
    }
    return true;
  }

  #open(): number {
    const fd = this.#libc.socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    if (fd >= 0) return fd;
    throw systemError("Cannot open a socket of sock_diag", this.#libc.errno());
  }

  #send(fd: number, bytes: Uint8Array): void {
    if (this.#libc.sendto(fd, bytes, KERNEL) >= 0) return;
    throw systemError("Cannot ask for TCP connections", this.#libc.errno());
  }

  /** The next answer: the kernel makes it within the call. */
  #receive(fd: number): Uint8Array {
    const { length } = this.#answer;
    const got = this.#libc.recv(fd, this.#answer);
    if (got < 0) throw systemError("Cannot read TCP connections", this.#libc.errno());
    return this.#answer.subarray(0, Math.min(got, length));
  }
}

/** Others' turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, 0));
}
