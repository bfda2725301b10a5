/**
 * docs/GUIDE.md as a test sees it: its code blocks in order.
 *
 *   ```ts FILE     the whole of that file                    ```text FILE   what that file prints when it is run
 *   ```sh          lines for a shell                         ```text        what the shell lines before it print
 *
 * Does NOT promise: to understand other fences than these; a block of another kind is an error.
 */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A code block. */
export interface Block {
  readonly kind: "ts" | "sh" | "text" | "toml";
  /** The file that it is, or is of. */
  readonly file: string | undefined;
  readonly text: string;
  /** Where it begins in the page, from 1. */
  readonly line: number;
}

/** The text of a file of the checkout. */
export function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

/** The blocks of a page. Throws SyntaxError for one of another kind. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const lines = page.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const [, fence, kind = "", file] = /^(```)(\S*) ?(.*)$/.exec(lines[at] ?? "") ?? [];
    if (fence === undefined) continue;
    const end = lines.indexOf("```", at + 1);
    const isKnown = kind === "ts" || kind === "sh" || kind === "text" || kind === "toml";
    if (!isKnown || end < 0) throw new SyntaxError(`line ${at + 1}: "${lines[at]}" is no block`);
    const text = lines.slice(at + 1, end).map((line) => `${line}\n`).join("");
    blocks.push({ kind, file: file === "" ? undefined : file, text, line: at + 1 });
    at = end;
  }
  return blocks;
}

/** One sh block and what it must print; undefined: whatever it prints. */
export interface ShellStep {
  readonly line: number;
  readonly lines: string;
  readonly prints: string | undefined;
}

/** The shell session of a page, a step for each block. */
export function shellSteps(blocks: readonly Block[]): ShellStep[] {
  return blocks.flatMap(({ kind, text, line }, at) => {
    if (kind !== "sh") return [];
    const next = blocks[at + 1];
    const isAnswer = next?.kind === "text" && next.file === undefined;
    return [{ line, lines: text, prints: isAnswer ? next.text : undefined }];
  });
}

/** What a program did that has ended. */
export interface Ended {
  readonly exit: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end, at a node. */
export function output(words: readonly string[], nodeHome: string): Promise<Ended> {
  return ended(words, { env: { ...process.env, CTDBX_HOME: nodeHome, NO_COLOR: "1" } });
}

/** Runs a program to its end. */
export function ended(
  [program = "", ...words]: readonly string[],
  options: { readonly cwd?: string; readonly env: NodeJS.ProcessEnv },
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(program, words, options, (_error, out, err) => {
      resolve({ exit: child.exitCode ?? undefined, out, err });
    });
  });
}
