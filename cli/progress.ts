/**
 * How far long work is: a line on stderr that is drawn over and over, when a person is watching.
 *
 *   copying  [=========>            ]  41 %  1203441/s  2 s left
 *
 * Nothing is drawn in the first second, and nothing at all when stderr is no terminal. Commands that stream
 * records to stdout have no bar: it would run through the data.
 *
 * Does NOT promise: an exact time left; it is the rate so far, carried on.
 */

import type { Terminal } from "./terminal.ts";

/** Told how much is done. Cheap enough to be called for each record. */
export interface Progress {
  /** `done` of `total`, any unit; a total of 0 means unknown. */
  at(done: number, total: number): void;
  /** Takes the line away. */
  end(): void;
}

/** Nothing is shown before this. */
const QUIET_MS = 1000;
/** And then at most so often. */
const EVERY_MS = 200;

/** A bar on the terminal's stderr, or one that shows nothing. */
export function progress(terminal: Terminal, label: string): Progress {
  if (!terminal.errIsTerminal) return { at: () => {}, end: () => {} };
  const startMs = terminal.nowMs();
  let drawnMs = startMs + QUIET_MS - EVERY_MS;
  let drawn = false;
  return {
    at(done, total) {
      const nowMs = terminal.nowMs();
      if (nowMs - drawnMs < EVERY_MS) return;
      drawnMs = nowMs;
      drawn = true;
      const line = progressLine(label, done, total, nowMs - startMs, terminal.columns - 1);
      terminal.err.write(`\r${line}\x1b[K`);
      terminal.err.flush();
    },
    end() {
      if (!drawn) return;
      terminal.err.write("\r\x1b[K");
      terminal.err.flush();
    },
  };
}

/** The text of a bar, at most `width` characters. */
export function progressLine(
  label: string,
  done: number,
  total: number,
  elapsedMs: number,
  width: number,
): string {
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const speed = `${Math.round(rate)}/s`;
  if (total <= 0) return `${label}  ${done}  ${speed}`.slice(0, width);
  const part = Math.min(1, done / total);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  const left = rate > 0 ? `  ${timeLeft((total - done) / rate)} left` : "";
  const tail = `${percent}  ${speed}${left}`;
  const room = Math.min(30, width - label.length - tail.length - 6);
  if (room < 5) return `${label} ${tail}`.slice(0, width);
  const filled = Math.round(part * room);
  const bar = filled === 0 ? "" : `${"=".repeat(filled - 1)}>`;
  return `${label}  [${bar.padEnd(room)}]  ${tail.trimStart()}`.slice(0, width);
}

function timeLeft(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 100) return `${whole} s`;
  return whole < 6000 ? `${Math.ceil(whole / 60)} min` : `${Math.ceil(whole / 3600)} h`;
}
