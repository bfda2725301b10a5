/**
 * The durable state of a node in two files, written in turn, so that one is whole whatever happens.
 *
 *   0 "ctdbxmet" | 8 u32 format | 12 u32 CRC32C of the rest | 16 u64 count of the write | 24 CBOR (wire/durable.ts)
 *
 * The newer of the whole ones counts. A write goes to the other file, so a crash in the middle of it leaves the one
 * before. Both there and neither whole: the disk has lost something that was promised, and the node must not vote by
 * it; that is an error, not a fresh start.
 *
 * Written in the format that the document has, so that the version before can go on with it as long as it may.
 *
 * Does NOT promise: to find a disk that answers "written" and forgets.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import type { Disk } from "../../transport/world.ts";
import { BodyCodec } from "../../transport/wire/codec.ts";
import { DURABLE, STATE_FORMAT } from "../../transport/wire/durable.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Incarnation, Token } from "../../transport/wire/terms.ts";

/** What is kept. */
export interface DurableState {
  readonly diskId: string;
  readonly promised: Token;
  readonly accepted: Document | undefined;
  readonly incarnation: Incarnation;
}

/** The format of what has no document, or an old one. */
const FORMAT_FIRST = 1;
const MAGIC = "ctdbxmet";
const AT = { format: 8, crc: 12, count: 16, body: 24 } as const;

/** CRC32C of bytes. Throws "limit" when the thread's memory is used up. */
export function crc32c(bytes: Uint8Array): number {
  const { regions, bytes: memory } = threadMemory();
  const at = regions.take(Math.max(1, bytes.length));
  if (at === undefined) {
    throw new CtdbxError("limit", `Cannot sum ${bytes.length} bytes: no memory`);
  }
  try {
    memory.set(bytes, at);
    return kernels().crc32c(0, at, bytes.length) >>> 0;
  } finally {
    regions.give(at, Math.max(1, bytes.length));
  }
}

/** The pair of files. */
export class MetaFile {
  readonly #disk: Disk;
  readonly #paths: readonly [string, string];
  readonly #codec = new BodyCodec();
  readonly #level: number;
  #count = 0n;

  /** `folder`: absolute, of the node's state. `level`: the newest format that is known. */
  constructor(disk: Disk, folder: string, level: number = STATE_FORMAT) {
    this.#disk = disk;
    this.#level = level;
    this.#paths = [`${folder}/meta.a`, `${folder}/meta.b`];
  }

  /**
   * What was written last; undefined: nothing ever was. Throws CorruptError when files are there and none is whole,
   * CtdbxError "version" on those of a newer ctdbx, and what Disk.read throws.
   */
  load(): DurableState | undefined {
    const found = this.#paths.map((path) => this.#read(path));
    const whole = found.filter((each) => typeof each === "object");
    const [newest] = whole.sort((one, other) => one.count < other.count ? 1 : -1);
    if (newest !== undefined) {
      this.#count = newest.count;
      return newest.state;
    }
    const faults = found.filter((each) => typeof each === "string");
    // A first write that a crash has cut leaves one broken file, of which nothing was promised yet.
    if (faults.length < 2) return undefined;
    throw new CorruptError(
      "header",
      0,
      `Cannot use ${this.#paths.join(" and ")}: ${faults.join("; ")}`,
    );
  }

  /** Makes `state` durable; `done` in a later turn, with the error if the disk refuses. One at a time. */
  save(state: DurableState, done: (error?: CtdbxError) => void): void {
    const count = this.#count + 1n;
    const path = this.#paths[Number(count & 1n)] as string;
    this.#disk.write(path, this.#encode(state, count), (error) => {
      // A write that failed may have spoilt its file: the next one goes there again.
      if (error === undefined) this.#count = count;
      done(error);
    });
  }

  #encode(state: DurableState, count: bigint): Uint8Array {
    const { accepted, ...rest } = state;
    const format = accepted?.format ?? FORMAT_FIRST;
    const body = this.#codec.encode(
      DURABLE.at(format),
      accepted === undefined ? rest : { ...rest, accepted },
    );
    const bytes = new Uint8Array(AT.body + body.length);
    const view = new DataView(bytes.buffer);
    bytes.set(new TextEncoder().encode(MAGIC));
    view.setUint32(AT.format, format, true);
    view.setBigUint64(AT.count, count, true);
    bytes.set(body, AT.body);
    view.setUint32(AT.crc, crc32c(bytes.subarray(AT.count)), true);
    return bytes;
  }

  /** Undefined: no file. A text: what is wrong with it. */
  #read(path: string): { count: bigint; state: DurableState } | string | undefined {
    const bytes = this.#disk.read(path);
    if (bytes === undefined || bytes.length === 0) return undefined;
    if (bytes.length < AT.body) return `${path} has only ${bytes.length} bytes`;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (new TextDecoder("latin1").decode(bytes.subarray(0, 8)) !== MAGIC) {
      return `${path} is none of ours`;
    }
    if (view.getUint32(AT.crc, true) !== crc32c(bytes.subarray(AT.count))) {
      return `the checksum of ${path} is wrong`;
    }
    const format = view.getUint32(AT.format, true);
    if (format > this.#level) {
      const text =
        `Cannot use ${path}: its format is ${format}, this ctdbx knows up to ${this.#level}`;
      throw new CtdbxError("version", `${text}; run the newer one`);
    }
    const state = this.#codec.decode(DURABLE.at(this.#level), bytes.subarray(AT.body));
    if (isRefusal(state)) return `${path} does not hold what it must: ${state.text}`;
    const { diskId, promised, accepted, incarnation } = state;
    const whole = { diskId, promised, accepted, incarnation };
    return { count: view.getBigUint64(AT.count, true), state: whole };
  }
}
