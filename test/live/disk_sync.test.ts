/** The order of system calls: durable first, `done` afterwards. Seen with strace. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { Process } from "./process.ts";

const test = suite("disk sync");

test(
  "A file and its name are synced before done is called, by other threads than ours",
  limit(60_000, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-sync-"));
    try {
      const data = join(folder, "data");
      mkdirSync(data);
      const made = ["open new", "write", "fdatasync", "open folder", "fsync", "done write new"];
      const again = ["open new", "write", "fdatasync", "done write new"];
      const put = ["open put~new", "write", "fdatasync", "rename", "open folder", "fsync"];
      assert.equal(await trace(join(folder, "trace"), data), [
        ...made,
        ...again,
        ...put,
        "done replace put",
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

/** The calls that concern the folder, as words, in the order in which they came back. */
async function trace(file: string, folder: string): Promise<string[]> {
  const isDeno = process.execPath.includes("deno");
  const start = isDeno ? [process.execPath, "run", "-A"] : [process.execPath];
  const child = new URL("./disk_child.ts", import.meta.url).pathname;
  const calls = "open,openat,close,fcntl,write,pwrite64,fdatasync,fsync,rename,renameat,renameat2";
  const strace = [tool("strace"), "-f", "-o", file, "-e", `trace=${calls}`];
  const run = new Process([...strace, ...start, child, folder]);
  assert.is(await run.ended, 0, run.err);
  return new Trace(folder).stepsOf(readFileSync(file, "utf8"));
}

/** Reads a trace; Deno works on copies of a descriptor, so descriptors are followed. */
class Trace {
  readonly #folder: string;
  /** Names of the folder's files by open descriptor. */
  readonly #open = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  stepsOf(text: string): string[] {
    const steps: string[] = [];
    const begun = new Map<string, string>();
    let first: string | undefined;
    for (const line of text.split("\n")) {
      const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
      first ??= thread;
      const half = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
      if (half !== undefined) {
        begun.set(thread, half);
        continue;
      }
      const end = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
      const step = this.#step(end === undefined ? rest : `${begun.get(thread)}${end}`);
      if (step === undefined || (step === "write" && steps.at(-1) === "write")) continue;
      const isOurs = thread === first && /^(?:write|fdatasync|fsync|rename)$/.test(step);
      steps.push(isOurs ? `${step} on the event loop` : step);
    }
    return steps;
  }

  /** One call as a word; undefined when it says nothing. */
  #step(call: string): string | undefined {
    const done = /^write\(1, "(done [^"]*)\\n"/.exec(call)?.[1];
    if (done !== undefined) return done;
    if (/^rename/.test(call) && call.includes(this.#folder)) return "rename";
    const [, path = "", fd = ""] =
      /^open(?:at)?\((?:AT_FDCWD, )?"([^"]*)".*\)\s+= (\d+)$/.exec(call) ?? [];
    if (path === this.#folder || path.startsWith(`${this.#folder}/`)) {
      const name = path.slice(this.#folder.length + 1) || "folder";
      this.#open.set(fd, name);
      return `open ${name}`;
    }
    const [, from = "", copy = ""] = /^fcntl\((\d+), F_DUPFD.*\)\s+= (\d+)$/.exec(call) ?? [];
    const copied = this.#open.get(from);
    if (copied !== undefined) this.#open.set(copy, copied);
    const [, verb = "", of = ""] = /^(close|write|pwrite64|fdatasync|fsync)\((\d+)/.exec(call) ??
      [];
    if (!this.#open.has(of)) return undefined;
    if (verb === "close") this.#open.delete(of);
    else return verb === "pwrite64" ? "write" : verb;
    return undefined;
  }
}

test.run();
