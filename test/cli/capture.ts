/**
 * A terminal for tests: keeps what a command prints, feeds it what it reads.
 *
 * Does NOT promise: a real descriptor; what depends on one is tested with processes in test/live.
 */

import { Buffer } from "node:buffer";
import type { Terminal } from "../../cli/terminal.ts";
import { BufferedSink } from "../../cli/terminal.ts";

/** A terminal with its catch. */
export interface Capture extends Terminal {
  /** Bytes of stdout so far. */
  outBytes(): Uint8Array;
  outText(): string;
  errText(): string;
}

/** How the terminal looks to the command. */
export interface CaptureOptions {
  readonly input?: string | Uint8Array;
  readonly outIsTerminal?: boolean;
  readonly errIsTerminal?: boolean;
  readonly inIsTerminal?: boolean;
  readonly colorAllowed?: boolean;
  /** Size of the pieces in which the input arrives, bytes. */
  readonly pieceSize?: number;
}

/** Makes one; its clock moves 1 ms at each look. */
export function capture(options: CaptureOptions = {}): Capture {
  const outPieces: Uint8Array[] = [];
  const errPieces: Uint8Array[] = [];
  const out = new BufferedSink((bytes) => void outPieces.push(bytes.slice()));
  const err = new BufferedSink((bytes) => void errPieces.push(bytes.slice()));
  const { input = "", pieceSize = 7 } = options;
  const source = typeof input === "string" ? new TextEncoder().encode(input) : input;
  let ms = 0;
  const joined = (pieces: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(pieces));
  const text = (pieces: readonly Uint8Array[]) => new TextDecoder().decode(joined(pieces));
  return {
    out,
    err,
    *input() {
      for (let at = 0; at < source.length; at += pieceSize) {
        yield source.subarray(at, at + pieceSize);
      }
    },
    outIsTerminal: options.outIsTerminal ?? false,
    errIsTerminal: options.errIsTerminal ?? false,
    inIsTerminal: options.inIsTerminal ?? false,
    columns: 80,
    colorAllowed: options.colorAllowed ?? false,
    nowMs: () => ms += 1,
    outBytes() {
      out.flush();
      return joined(outPieces);
    },
    outText() {
      out.flush();
      return text(outPieces);
    },
    errText() {
      err.flush();
      return text(errPieces);
    },
  };
}
