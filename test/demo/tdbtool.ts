/**
 * Debian's tdbtool as a partner: one process that keeps a database open and does what it is told, a line at a time.
 *
 *   "store apples 12\n" -> tdbtool -> text ... "tdb> "      the prompt ends an answer
 *
 * Does NOT promise: to understand values that contain the prompt.
 */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";

const PROMPT = "tdb> ";
/** An answer that takes longer will not come. */
const ANSWER_MS = 15_000;

/** A running tdbtool. */
export class TdbTool {
  readonly #child: ChildProcessWithoutNullStreams;
  #text = "";
  #wake: () => void = () => {};
  #ended = false;

  /** Starts the program at `path` in `folder`. */
  constructor(path: string, folder: string) {
    // Into a pipe tdbtool would write only when its buffer is full; stdbuf is part of coreutils.
    this.#child = spawn("stdbuf", ["-o0", path], { cwd: folder, stdio: "pipe" });
    const take = (chunk: Uint8Array): void => {
      this.#text += new TextDecoder("latin1").decode(chunk);
      this.#wake();
    };
    this.#child.stdout.on("data", take);
    // What tdbtool complains about belongs to the answer.
    this.#child.stderr.on("data", take);
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#child.on("close", end);
    this.#child.on("error", (error) => {
      this.#text += error.message;
      end();
    });
  }

  /** Waits for the first prompt; answers what stood before it. */
  async ready(): Promise<string> {
    return await this.#answer();
  }

  /** Gives one command; answers what it printed. */
  async do(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`);
    return await this.#answer();
  }

  /** The value of a key as tdbtool shows it, undefined when it finds none. */
  async show(key: string): Promise<string | undefined> {
    const text = await this.do(`show ${key}`);
    if (text.includes("fetch failed")) return undefined;
    const bytes = [...text.matchAll(/^\[[0-9A-F]+\] ((?:[0-9A-F]{2} +){1,16})/gm)]
      .flatMap((match) => (match[1] ?? "").trim().split(/ +/));
    return bytes.map((hex) => String.fromCharCode(parseInt(hex, 16))).join("");
  }

  /** Ends the process. */
  async quit(): Promise<void> {
    this.#child.stdin.end("quit\n");
    while (!this.#ended) await this.#more();
  }

  async #answer(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf(PROMPT);
      if (end >= 0) {
        const answer = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + PROMPT.length);
        return answer.trim();
      }
      if (this.#ended) throw new Error(`Cannot go on: tdbtool has ended: ${this.#text.trim()}`);
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#child.kill("SIGKILL");
        reject(new Error(`Cannot go on: no answer from tdbtool: ${this.#text.trim()}`));
      }, ANSWER_MS);
      this.#wake = () => {
        clearTimeout(late);
        this.#wake = () => {};
        resolve();
      };
    });
  }
}
