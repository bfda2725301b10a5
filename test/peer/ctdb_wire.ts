/**
 * Packets of stock ctdbd (4.17, protocol 1) as its clients exchange them with it over the unix socket.
 *
 *   | length | "CTDB" | version 1 | generation | operation | to node | from node | request |   8 x u32, then the body
 *
 * Little-endian, padded with zeros to a multiple of 8; lengths inside say what counts. Written from facts about the
 * format; test/vectors/ctdb has packets of the stock tools to check against.
 *
 * Does NOT promise: packets between nodes; nor tunnels.
 */

/** Bytes of the head. */
export const HEAD_BYTES = 32;
/** Bytes of the header in front of each value in a database file. */
export const LTDB_BYTES = 24;
/** A packet that says it is longer is not believed. */
export const PACKET_MAX = 1 << 28;
const MAGIC = 0x43544442;
const VERSION = 1;

/** Operations. */
export const OP = {
  call: 0,
  replyCall: 1,
  replyError: 4,
  message: 5,
  control: 7,
  replyControl: 8,
} as const;

/** Node numbers with a meaning. */
export const NODE = { current: 0xf0000001, connected: 0xf0000004, unknown: 0xffffffff } as const;

/** Controls, by number. */
export const CONTROL = {
  getDbPath: 4,
  getVnnmap: 5,
  getRecmode: 15,
  setRecmode: 16,
  attach: 18,
  register: 23,
  deregister: 24,
  getPnn: 35,
  setTunable: 48,
  attachPersistent: 61,
  getNodemap: 91,
  transactionCommit: 119,
  scheduleForDeletion: 128,
  traverseStart: 131,
  dbOpenFlags: 149,
  attachReplicated: 150,
} as const;
/** Flag of a control: nobody waits for its answer. */
export const NO_REPLY = 1;

/** What a call asks for, and its flags. */
export const CALL = { nothing: 0xff000001, fetch: 0xff000002 } as const;
/** Flag of a call: the record shall come here. */
export const MIGRATE = 1;

/** Flags of a record. */
export const RECORD = {
  migratedWithData: 0x10000,
  haveDelegations: 0x01000000,
  haveReadonly: 0x02000000,
} as const;

/** Flag of a node in the node map: cut off. */
export const DISCONNECTED = 1;
/** The leader tells everybody each second that it is one: u32 pnn. */
export const LEADER = 0xf101n << 48n;

/** A packet that came in. Its bytes are good until the next one comes. */
export interface Packet {
  readonly operation: number;
  readonly request: number;
  /** Of the whole packet. */
  readonly view: DataView;
}

/** A REPLY_CALL, REPLY_ERROR or REPLY_CONTROL. */
export interface Reply {
  /** i32; many controls answer with it. */
  readonly status: number;
  readonly data: Uint8Array;
  /** Empty: none. */
  readonly error: string;
}

/** Header of a record. */
export interface LtdbHeader {
  readonly rsn: bigint;
  readonly dmaster: number;
  readonly flags: number;
}

function wrong(text: string): Error {
  return new Error(`Cannot read a packet of ctdbd: ${text}`);
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  if (at + length > view.byteLength) throw wrong(`${length} bytes at ${at} of ${view.byteLength}`);
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** Makes packets, one after the other, in one buffer. */
export class PacketWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#end;
  }

  /** A copy of what waits; nothing waits then. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#end);
    this.#end = 0;
    return taken;
  }

  /** REQ_CALL to the own daemon. `from` is the own node. */
  call(
    request: number,
    from: number,
    call: { dbId: number; callId: number; flags: number; key: Uint8Array },
  ): void {
    const at = this.#begin(OP.call, NODE.current, from, request, 24 + call.key.length);
    this.#words(at, [call.flags, call.dbId, call.callId, 0, call.key.length, 0]);
    this.#bytes.set(call.key, at + 24);
  }

  /** REQ_MESSAGE. */
  message(to: number, from: number, srvid: bigint, data: Uint8Array): void {
    const at = this.#begin(OP.message, to, from, 0, 12 + data.length);
    this.#view.setBigUint64(at, srvid, true);
    this.#view.setUint32(at + 8, data.length, true);
    this.#bytes.set(data, at + 12);
  }

  /** REQ_CONTROL. */
  control(
    request: number,
    to: number,
    from: number,
    control: { opcode: number; srvid: bigint; flags: number; data: Uint8Array },
  ): void {
    const { opcode, srvid, flags, data } = control;
    const at = this.#begin(OP.control, to, from, request, 28 + data.length);
    this.#words(at, [opcode, 0, 0, 0, 0, flags, data.length]);
    this.#view.setBigUint64(at + 8, srvid, true);
    this.#bytes.set(data, at + 28);
  }

  #words(at: number, words: readonly number[]): void {
    for (const [index, word] of words.entries()) this.#view.setUint32(at + 4 * index, word, true);
  }

  /** Writes a head; where the body begins. */
  #begin(operation: number, to: number, from: number, request: number, body: number): number {
    const at = this.#end;
    const length = (HEAD_BYTES + body + 7) & ~7;
    if (at + length > this.#bytes.length) this.#grow(at + length);
    this.#bytes.fill(0, at, at + length);
    this.#words(at, [length, MAGIC, VERSION, 0, operation, to, from, request]);
    this.#end = at + length;
    return at + HEAD_BYTES;
  }

  #grow(least: number): void {
    const bytes = new Uint8Array(Math.max(least, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Cuts a stream into packets. Throws on what is none. */
export class PacketReader {
  readonly #onPacket: (packet: Packet) => void;
  /** Pieces of a packet that is not whole, and their bytes. */
  #pieces: Uint8Array[] = [];
  #have = 0;
  #need = 4;

  constructor(onPacket: (packet: Packet) => void) {
    this.#onPacket = onPacket;
  }

  /** Takes bytes as they come. */
  feed(chunk: Uint8Array): void {
    this.#pieces.push(chunk);
    this.#have += chunk.length;
    // Joined once there is enough: long packets come in thousands of pieces.
    if (this.#have < this.#need) return;
    const bytes = this.#pieces.length === 1 ? chunk : joined(this.#pieces, this.#have);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    this.#need = 4;
    while (bytes.length - at >= 4) {
      const length = view.getUint32(at, true);
      if (length < HEAD_BYTES || length > PACKET_MAX) throw wrong(`its length is ${length}`);
      this.#need = length;
      if (bytes.length - at < length) break;
      this.#show(new DataView(bytes.buffer, bytes.byteOffset + at, length));
      at += length;
      this.#need = 4;
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#have = bytes.length - at;
  }

  #show(view: DataView): void {
    const magic = view.getUint32(4, true);
    const version = view.getUint32(8, true);
    if (magic !== MAGIC || version !== VERSION) {
      throw wrong(`magic ${magic.toString(16)}, version ${version}`);
    }
    const operation = view.getUint32(16, true);
    this.#onPacket({ operation, request: view.getUint32(28, true), view });
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** What a reply says; undefined: it is no reply. */
export function readReply({ operation, view }: Packet): Reply | undefined {
  if (operation === OP.replyCall) {
    const data = bytesAt(view, 40, view.getUint32(36, true));
    return { status: view.getInt32(32, true), data, error: "" };
  }
  if (operation === OP.replyError) {
    const error = textOf(bytesAt(view, 40, view.getUint32(36, true)));
    return { status: view.getInt32(32, true), data: new Uint8Array(0), error };
  }
  if (operation !== OP.replyControl) return undefined;
  const length = view.getUint32(36, true);
  const data = bytesAt(view, 44, length);
  const error = textOf(bytesAt(view, 44 + length, view.getUint32(40, true)));
  return { status: view.getInt32(32, true), data, error };
}

/** The number of a message and its bytes, in place. */
export function readMessage({ view }: Packet): { srvid: bigint; data: Uint8Array } {
  return {
    srvid: view.getBigUint64(32, true),
    data: bytesAt(view, 44, view.getUint32(40, true)),
  };
}

/** Bytes of a text up to its NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A text with its NUL. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** u32 words as bytes. */
export function wordBytes(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word, true);
  return bytes;
}

/** The first u32 of bytes. */
export function wordOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
}
