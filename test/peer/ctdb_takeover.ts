/**
 * Stock ctdb_takeover_helper (Debian's ctdb, 4.17) asked for plans: the program that really allocates addresses in
 * CTDB, over a stand-in for the daemon that it talks to.
 *
 *   this ◀── unix socket ──▶ ctdb_takeover_helper
 *   tunables, node map, known and available addresses ──▶
 *                       ◀── RELEASE_IP and TAKEOVER_IP controls: its plan, of which nothing is carried out
 *
 * Written from facts about the protocol; the order of the tunables was found by asking.
 *
 * Does NOT promise: the steps of a plan; only who gets what, and in which order the helper goes through addresses.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  addressOfKey,
  familyOf,
  type IpAddress,
  keyOfAddress,
} from "../../transport/wire/address.ts";
import { HEAD_BYTES, OP, wordBytes } from "./ctdb_wire.ts";

/** Where Debian has it. */
const HELPER = "/usr/libexec/ctdb/ctdb_takeover_helper";
/** Controls that it sends. */
const CONTROL = {
  allTunables: 53,
  release: 88,
  takeover: 89,
  publicIps: 90,
  nodemap: 91,
} as const;
/** Flag of a question for addresses: only those that can be hosted now. */
const ONLY_AVAILABLE = 0x10000;
/** Tunables in an answer to allTunables, and where those of a plan stand. */
const TUNABLES = 62;
const TUNABLE = {
  takeoverTimeout: 9,
  noIpFailback: 23,
  noIpTakeover: 49,
  ipAllocAlgorithm: 60,
} as const;
const SOCKADDR_BYTES = 28;
const AF_INET = 2;
const AF_INET6 = 10;
const NOBODY = 0xffffffff;
/** Of its own: TakeoverTimeout, seconds, high enough for the largest plan. */
const TIMEOUT_S = 600;

/** One question. */
export interface PeerCase {
  /** Upstream: IPAllocAlgorithm. */
  readonly algorithm: 0 | 1 | 2;
  /** Flags of the nodes; 0: it may host. */
  readonly flags: readonly number[];
  /** `owner` -1: nobody. */
  readonly addresses: readonly {
    readonly address: IpAddress;
    readonly owner: number;
    readonly known: readonly number[];
  }[];
  readonly forced: readonly number[];
  readonly noFailback: boolean;
  readonly noTakeover: boolean;
}

/** The answer: owners (-1: nobody) by address, in the order in which the helper goes through them. */
export type PeerPlan = ReadonlyMap<IpAddress, number>;

/** Why it cannot be asked here; undefined: it can. */
export function missingTakeoverHelper(): string | undefined {
  return existsSync(HELPER) ? undefined : `no ${HELPER}: Debian's package ctdb has it`;
}

/** Asks for one plan after the other. `close` it. */
export class TakeoverPeer {
  readonly #folder = mkdtempSync(join(tmpdir(), "takeover-"));
  readonly #socket = join(this.#folder, "ctdbd.socket");
  readonly #server: Server = createServer((socket) => this.#serve(socket));
  #case: PeerCase | undefined;
  #owners = new Map<IpAddress, number>();

  /** Listens. */
  async open(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(this.#socket, resolve);
    await promise;
  }

  /** The helper's plan. Throws when it fails. */
  async plan(asked: PeerCase): Promise<PeerPlan> {
    this.#case = asked;
    this.#owners = new Map();
    const words = ["3", this.#socket, ...(asked.forced.length > 0 ? [asked.forced.join(",")] : [])];
    const env = { CTDB_LOGGING: "file:", CTDB_DEBUGLEVEL: "ERROR" };
    const child = spawn(HELPER, words, { env, stdio: ["ignore", "pipe", "pipe", "pipe"] });
    const said: Uint8Array[] = [];
    child.stderr?.on("data", (piece: Uint8Array) => said.push(piece));
    child.stdout?.on("data", (piece: Uint8Array) => said.push(piece));
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    child.once("error", reject);
    child.once("close", resolve);
    const code = await promise;
    if (code !== 0) {
      throw new Error(`Cannot plan: the helper ended with ${code}: ${Buffer.concat(said)}`);
    }
    return this.#owners;
  }

  /** Ends listening and removes the socket. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    let rest = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (piece) => {
      rest = Buffer.concat([rest, piece as Uint8Array]);
      while (rest.length >= HEAD_BYTES && rest.length >= rest.readUInt32LE(0)) {
        const packet = rest.subarray(0, rest.readUInt32LE(0));
        rest = rest.subarray(packet.length);
        if (packet.readUInt32LE(16) === OP.control) socket.write(this.#answer(packet));
      }
    });
  }

  #answer(packet: Buffer): Uint8Array {
    const node = packet.readUInt32LE(20);
    const opcode = packet.readUInt32LE(32);
    const flags = packet.readUInt32LE(52);
    const data = packet.subarray(60, 60 + packet.readUInt32LE(56));
    return reply(packet, this.#dataOf(node, opcode, flags, data));
  }

  #dataOf(node: number, opcode: number, flags: number, data: Buffer): Uint8Array {
    const asked = this.#case;
    if (asked === undefined) throw new Error("Cannot answer: nothing was asked");
    switch (opcode) {
      case CONTROL.allTunables:
        return tunables(asked);
      case CONTROL.nodemap:
        return nodemap(asked);
      case CONTROL.publicIps:
        return publicIps(asked, node, (flags & ONLY_AVAILABLE) !== 0);
      case CONTROL.release:
      case CONTROL.takeover: {
        const owner = data.readUInt32LE(0);
        const address = addressAt(data, 4);
        const before = this.#owners.get(address);
        if (before !== undefined && before !== owner && before !== -1 && owner !== NOBODY) {
          throw new Error(`Cannot read the plan: ${address} is for ${before} and for ${owner}`);
        }
        this.#owners.set(address, owner === NOBODY ? -1 : owner);
        return new Uint8Array();
      }
      default:
        return new Uint8Array();
    }
  }
}

function reply(packet: Buffer, data: Uint8Array): Uint8Array {
  const length = (HEAD_BYTES + 12 + data.length + 7) & ~7;
  const bytes = Buffer.alloc(length);
  packet.copy(bytes, 0, 0, HEAD_BYTES);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(OP.replyControl, 16);
  bytes.writeUInt32LE(packet.readUInt32LE(24), 20);
  bytes.writeUInt32LE(packet.readUInt32LE(20), 24);
  bytes.writeInt32LE(0, HEAD_BYTES);
  bytes.writeUInt32LE(data.length, HEAD_BYTES + 4);
  bytes.set(data, HEAD_BYTES + 12);
  return bytes;
}

function tunables({ algorithm, noFailback, noTakeover }: PeerCase): Uint8Array {
  const words = new Array<number>(TUNABLES).fill(0);
  words[TUNABLE.takeoverTimeout] = TIMEOUT_S;
  words[TUNABLE.noIpFailback] = Number(noFailback);
  words[TUNABLE.noIpTakeover] = Number(noTakeover);
  words[TUNABLE.ipAllocAlgorithm] = algorithm;
  return wordBytes(...words);
}

function nodemap({ flags }: PeerCase): Uint8Array {
  const nodes = flags.map((flag, pnn) =>
    Buffer.concat([wordBytes(pnn, flag), sockaddr(addressOfKey([0, 0, 0, 0x0a000001 + pnn]))])
  );
  return Buffer.concat([wordBytes(flags.length), ...nodes]);
}

function publicIps(
  { addresses, flags }: PeerCase,
  node: number,
  isOnlyAvailable: boolean,
): Uint8Array {
  const isAble = flags[node] === 0;
  const shown = isOnlyAvailable && !isAble
    ? []
    : addresses.filter(({ known }) => known.includes(node));
  const parts = shown.map(({ address, owner }) =>
    Buffer.concat([wordBytes(owner < 0 ? NOBODY : owner), sockaddr(address)])
  );
  return Buffer.concat([wordBytes(shown.length), ...parts]);
}

function sockaddr(address: IpAddress): Uint8Array {
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  const key = keyOfAddress(address);
  const isOld = familyOf(address) === 4;
  bytes.writeUInt16LE(isOld ? AF_INET : AF_INET6, 0);
  if (isOld) bytes.writeUInt32BE(key[3], 4);
  else key.forEach((word, index) => bytes.writeUInt32BE(word, 8 + 4 * index));
  return bytes;
}

function addressAt(bytes: Buffer, at: number): IpAddress {
  if (bytes.readUInt16LE(at) === AF_INET) {
    return addressOfKey([0, 0, 0, bytes.readUInt32BE(at + 4)]);
  }
  const word = (index: number): number => bytes.readUInt32BE(at + 8 + 4 * index);
  return addressOfKey([word(0), word(1), word(2), word(3)]);
}
