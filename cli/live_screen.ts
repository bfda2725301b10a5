/**
 * A terminal for a program that draws the whole of it again and again: taken over at the start, given back at the end.
 *
 *   open ─▶ alternate screen, no cursor, keys unread by the shell ─▶ draw(lines) ... ─▶ close ─▶ as it was
 *
 * Does NOT promise: a terminal that is given back when this process is killed with SIGKILL; `reset` helps then.
 */

import process from "node:process";
import type { Sink } from "./terminal.ts";

/** What may happen at the terminal. */
export interface ScreenEvents {
  /** A key, as it came: one character, or an escape sequence. */
  readonly onKey: (key: string) => void;
  /** The terminal has another size. */
  readonly onResize: () => void;
}

/** Size of a screen nobody tells of. */
const FALLBACK = { columns: 80, rows: 24 } as const;

/** Keys that came at once, one by one. */
export function keysOf(text: string): string[] {
  // deno-lint-ignore no-control-regex
  return text.match(/\u001b(?:\[[0-9;?]*[@-~]|O.)|[^]/gu) ?? [];
}

/** The screen that this process draws on. */
export class LiveScreen {
  readonly #out: Sink;
  readonly #events: ScreenEvents;
  readonly #onData: (bytes: Uint8Array) => void;
  #isOpen = false;

  constructor(out: Sink, events: ScreenEvents) {
    this.#out = out;
    this.#events = events;
    this.#onData = (bytes) => keysOf(new TextDecoder().decode(bytes)).forEach(events.onKey);
  }

  /** Can keys be heard? */
  get hasKeys(): boolean {
    return process.stdin.isTTY === true;
  }

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || FALLBACK.columns, rows: rows || FALLBACK.rows };
  }

  /** Takes the terminal over. */
  open(): void {
    this.#isOpen = true;
    // Alternate screen, no cursor, no wrapping of long lines.
    this.#write("\x1b[?1049h\x1b[?25l\x1b[?7l");
    process.stdout.on("resize", this.#events.onResize);
    if (!this.hasKeys) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onData);
    process.stdin.resume();
  }

  /** Shows these lines instead of those before. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    // Each line is written over the old one, its rest cleared: nothing flickers.
    this.#write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }

  /** Gives it back. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.stdout.off("resize", this.#events.onResize);
    if (this.hasKeys) {
      process.stdin.off("data", this.#onData);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    this.#write("\x1b[?7h\x1b[?25h\x1b[?1049l");
  }

  #write(text: string): void {
    this.#out.write(text);
    this.#out.flush();
  }
}
