/**
 * A node of its own in a folder, for live tests of one daemon: its configuration, its state, its processes.
 *
 * Does NOT promise: a cluster; whoever needs one has dev_rig.ts. `member` makes a node that is one of its own.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCluster } from "../../cli/dev_cluster.ts";
import { type NodePaths, pathsInHome } from "../../cli/config.ts";
import { isAlive, until } from "../../cli/processes.ts";
import { command, kill, type Outcome, processesOf } from "./dev_rig.ts";

/** One node's folder. */
export class DaemonHome {
  readonly home: string;
  readonly #folder: string;

  private constructor(folder: string, home: string) {
    this.#folder = folder;
    this.home = home;
  }

  /** A node that was never started and belongs to no cluster. */
  static fresh(): DaemonHome {
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-daemon-"));
    return new DaemonHome(folder, join(folder, "n0"));
  }

  /** A node that is a cluster by itself. */
  static async member(): Promise<DaemonHome> {
    const made = DaemonHome.fresh();
    await makeCluster(made.#folder, 1);
    return made;
  }

  get paths(): NodePaths {
    return pathsInHome(this.home);
  }

  /** Writes its configuration; `more` are further lines, before the tables. */
  configure(port: number, more = "", lock = `kind = "single"`): void {
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    const text = `cluster = "dev"\nname = "n0"\nchaos = true\n${more}
[nats]\nservers = ["127.0.0.1:${port}"]\n\n[lock]\n${lock}\n`;
    writeFileSync(this.paths.config, text);
  }

  /** Runs `ctdbx WORDS` at it. */
  async run(words: string): Promise<Outcome> {
    return await command([...words.split(" "), "--home", this.home]);
  }

  /** Ends what runs for it, by force, and removes it. */
  async end(): Promise<void> {
    const left = processesOf(this.#folder);
    for (const pid of left) kill(pid, "SIGKILL");
    await until(() => left.every((pid) => !isAlive(pid)), 5000);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
