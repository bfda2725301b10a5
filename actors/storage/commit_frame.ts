/**
 * What a commit log puts around its entries, so that a scan can tell a torn tail from damage.
 *
 *   slots of 512 bytes:  | frame 72 | entry, over as many slots as it needs, zeros behind |      or a frame alone
 *
 *   0 u32 magic | 4 u32 CRC32C of [8, 72) | 8 u8 what | 9 u8 layout | 10 u16 0 | 12 u32 size | 16 u64 log id
 *   24 u64 at: where it stands in the log | 32 u64 durable: all before was on the disk when this was written
 *   40 u64 seq | 48 u64 chain | 56 u64 dbseq | 64 u64 term: the last entry that counts once this frame is read
 *
 * A frame that stands elsewhere than it says, or in another log, is none: what a client stores cannot pose as one.
 * Bad bytes are a tear unless a frame behind them says that they had been durable.
 *
 * Does NOT promise: order; frames of one round may reach the disk in any.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";

/** Where frames begin; what a disk writes whole or not at all, bytes. */
export const SLOT = 512;
/** Bytes of a frame. */
export const FRAME_BYTES = 72;

/** What a frame is. */
export type FrameKind =
  | "head" // begins a segment; `size`: bytes of the segment
  | "entry" // an entry of `size` bytes follows
  | "seal" // nothing but `durable` is meant
  | "cut" // entries above `seq` do not count any more
  | "end"; // the rest of the segment is not used

/** The last entry that counts. */
export interface Position {
  readonly seq: bigint;
  readonly chain: bigint;
  /** Of the last transaction up to here. */
  readonly dbseq: bigint;
  /** The one in which it was made. */
  readonly term: bigint;
}

/** Before the first entry of all. */
export const NOTHING: Position = { seq: 0n, chain: 0n, dbseq: 0n, term: 0n };

/** Nothing but the position. */
export function positionOf({ seq, chain, dbseq, term }: Position): Position {
  return { seq, chain, dbseq, term };
}

/** Bytes of a position in a file. */
export const POSITION_BYTES = 32;

/** Writes a position: u64 seq, chain, dbseq, term. */
export function putPosition(view: DataView, at: number, position: Position): void {
  view.setBigUint64(at, position.seq, true);
  view.setBigUint64(at + 8, position.chain, true);
  view.setBigUint64(at + 16, position.dbseq, true);
  view.setBigUint64(at + 24, position.term, true);
}

/** Reads what putPosition wrote. */
export function positionAt(view: DataView, at: number): Position {
  return {
    seq: view.getBigUint64(at, true),
    chain: view.getBigUint64(at + 8, true),
    dbseq: view.getBigUint64(at + 16, true),
    term: view.getBigUint64(at + 24, true),
  };
}

/** A frame. */
export interface Frame extends Position {
  readonly what: FrameKind;
  readonly size: number;
  readonly logId: bigint;
  readonly at: bigint;
  readonly durable: bigint;
}

/** "CTLF". */
const MAGIC = 0x464c5443;
const LAYOUT = 1;
const KINDS = ["head", "entry", "seal", "cut", "end"] as const satisfies FrameKind[];
const CRC_FROM = 8;

/** Bytes of the slots that a frame and `size` bytes behind it take. */
export function slotsFor(size: number): number {
  return Math.ceil((FRAME_BYTES + size) / SLOT) * SLOT;
}

/** Lays a frame out at an address of the thread's Memory. */
export function putFrame(address: number, frame: Frame): void {
  const view = new DataView(threadMemory().memory.buffer, address, FRAME_BYTES);
  view.setUint32(0, MAGIC, true);
  view.setUint8(8, KINDS.indexOf(frame.what) + 1);
  view.setUint8(9, LAYOUT);
  view.setUint16(10, 0, true);
  view.setUint32(12, frame.size, true);
  view.setBigUint64(16, frame.logId, true);
  view.setBigUint64(24, frame.at, true);
  view.setBigUint64(32, frame.durable, true);
  putPosition(view, 40, frame);
  view.setUint32(4, sum(address), true);
}

function sum(address: number): number {
  return kernels().crc32c(0, address + CRC_FROM, FRAME_BYTES - CRC_FROM) >>> 0;
}

/** The frame at an address, which must have FRAME_BYTES behind it; undefined: there is none, or a broken one. */
export function frameAt(address: number): Frame | undefined {
  const view = new DataView(threadMemory().memory.buffer, address, FRAME_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== sum(address)) return;
  const what = KINDS[view.getUint8(8) - 1];
  if (what === undefined || view.getUint8(9) !== LAYOUT) return;
  return {
    what,
    size: view.getUint32(12, true),
    logId: view.getBigUint64(16, true),
    at: view.getBigUint64(24, true),
    durable: view.getBigUint64(32, true),
    ...positionAt(view, 40),
  };
}
