/**
 * One connection of a program to a node, and how it ends.
 *
 * Does NOT promise: to be made again; the line does that.
 */
import { FrameReader } from "../../transport/wire/client/frames.ts";
import type { FrameBody, OnFrame } from "../../transport/wire/client/frames.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ErrorCode } from "../../transport/wire/errors.ts";
import type { StreamEvents } from "../../transport/world.ts";

/** A way to a node that stands. */
export interface Wire {
  /** Hands bytes over; they are good until it returns. */
  write(bytes: Uint8Array): void;
  close(): void;
}

/** One connection. */
export class Connection implements StreamEvents {
  readonly #onDown: () => void;
  readonly #reader: FrameReader;
  wire: Wire | undefined;
  /** Why it ended; a farewell of the node comes before its end. */
  gone: CtdbxError | undefined;
  #isOver = false;

  /** `onDown` is called once, when it is gone. */
  constructor(onFrame: OnFrame, onDown: () => void) {
    this.#onDown = onDown;
    this.#reader = new FrameReader(onFrame);
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.#reader.add(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.gone = new CtdbxError("version", `Cannot understand the node: ${error.message}`);
      this.onClose();
    }
  }

  onClose(error?: CtdbxError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.gone ??= error ?? new CtdbxError("state", "The connection was cut");
    this.#onDown();
  }
}

/** The refusal in a frame. */
export function errorOf(body: FrameBody): CtdbxError {
  const { code, text } = body.json();
  return new CtdbxError(code as ErrorCode, String(text));
}

/** The error of a question that has no answer. */
export function overError(what: string, why: "lost" | "late" | "closed"): CtdbxError {
  if (why === "late") return new CtdbxError("timeout", `Cannot ${what}: the node did not answer`);
  const text = why === "closed" ? "the connection was closed" : "the connection was cut";
  return new CtdbxError("unknown", `Cannot tell what came of ${what}: ${text}`);
}

/** Whatever was thrown, as an error with a code. */
export function asError(error: unknown): CtdbxError {
  if (error instanceof CtdbxError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  // What Deno says when it was not allowed.
  const isDenied = name === "NotCapable" || name === "PermissionDenied";
  const text = `The connection has failed: ${message}`;
  return new CtdbxError(isDenied ? "denied" : "io", text, { cause: error });
}
