/**
 * The program as it is shipped, for live tests: on Bun the binary, on Deno the bundle, unless a test says which. Built
 * once for a file, run from an empty folder and with an empty environment.
 *
 *   SHOP/bin/ctdbx    the program          SHOP/work     where it is run
 *
 * Does NOT promise: an environment that is quite empty on Deno: the runtime itself is told where its cache may be.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as assert from "uvu/assert";
import { PACKER } from "../../build/pack.ts";
import { ROOT } from "../../build/steps.ts";
import { isAlive } from "../../transport/real_host.ts";
import { tool } from "../tools.ts";
import { kill } from "./dev_rig.ts";
import { Process } from "./process.ts";

/** Does this runtime's test have the binary? Else it has the bundle. */
export const IS_BINARY: boolean = process.versions["bun"] !== undefined;

/** What a run of the program did. */
export interface Ran {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

/** More variables for one run. */
export type Env = Readonly<Record<string, string>>;

/** Variables of a run that starts a server: none for the binary, which has one inside. Skips a test that lacks one. */
export function natsEnv(isBinary: boolean = IS_BINARY): Env {
  const path = tool("nats-server");
  return isBinary ? {} : { CTDBX_NATS_SERVER: path };
}

/** The program, and the folder that it is tried in. */
export class PackedProgram {
  readonly #shop: string;
  readonly #isBinary: boolean;
  /** The packed file. */
  readonly path: string;
  /** Empty at first. */
  readonly work: string;

  private constructor(shop: string, isBinary: boolean) {
    this.#shop = shop;
    this.#isBinary = isBinary;
    this.path = join(shop, "bin", isBinary ? "ctdbx" : "ctdbx.js");
    this.work = join(shop, "work");
  }

  /** Builds it. Throws with what the build says. */
  static build(isBinary: boolean = IS_BINARY): PackedProgram {
    const program = new PackedProgram(mkdtempSync(join(tmpdir(), "ctdbx-packed-")), isBinary);
    mkdirSync(program.work, { mode: 0o700 });
    try {
      program.#build(isBinary ? "build/binary.ts" : "build/bundle.ts", program.path);
    } catch (error) {
      program.remove();
      throw error;
    }
    return program;
  }

  /** Builds the other form beside it; its path. */
  buildBundle(): string {
    const path = join(this.#shop, "bin", "other.js");
    this.#build("build/bundle.ts", path);
    return path;
  }

  #build(script: string, out: string): void {
    const { status, stderr } = spawnSync(PACKER, [script, out], { cwd: ROOT, encoding: "utf8" });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
  }

  /** The command line of a run, in the empty folder. */
  command(words: readonly string[], env: Env = {}): string[] {
    const isBinary = this.#isBinary;
    const runtime = isBinary ? [] : [process.execPath, "run", "-A", "--quiet", "--no-config"];
    const base: Env = isBinary ? {} : { DENO_DIR: join(this.#shop, "deno") };
    return this.alone([...runtime, this.path, ...words], { ...base, ...env });
  }

  /** Any command line, with this environment and no other, in the empty folder. */
  alone(command: readonly string[], env: Env = {}): string[] {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return ["/usr/bin/env", "-C", this.work, "-i", ...variables, ...command];
  }

  /** Runs it to its end. */
  run(words: readonly string[], env: Env = {}): Ran {
    const [program = "", ...rest] = this.command(words, env);
    const { status, stdout, stderr, error } = spawnSync(program, rest, { encoding: "utf8" });
    if (error !== undefined) throw error;
    return { exit: status, out: stdout, err: stderr };
  }

  /** The same, demanded to succeed; its stdout. */
  ok(words: readonly string[], env: Env = {}): string {
    const { exit, out, err } = this.run(words, env);
    assert.is(exit, 0, `${words.join(" ")}: ${err}`);
    return out;
  }

  /** The data of its answer in JSON. */
  json<T>(words: readonly string[], env: Env = {}): T {
    const { data, ok } = JSON.parse(this.ok([...words, "-o", "json"], env));
    assert.is(ok, true);
    return data as T;
  }

  /** Starts it. */
  start(words: readonly string[], env: Env = {}): Process {
    return new Process(this.command(words, env));
  }

  /** Ids of living processes that work in the empty folder or below it: all that any run has started. */
  processes(): number[] {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
      try {
        const place = readlinkSync(`/proc/${pid}/cwd`);
        return (place === this.work || place.startsWith(`${this.work}/`)) && isAlive(pid);
      } catch {
        return false;
      }
    });
  }

  /** The same, each with its command line, for a message. */
  running(): string[] {
    return this.processes().map((pid) => {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return `${pid} ${line}`;
    });
  }

  /** Ends what is left of all runs, by force, and removes all of it. */
  remove(): void {
    for (const pid of this.processes()) kill(pid, "SIGKILL");
    rmSync(this.#shop, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
