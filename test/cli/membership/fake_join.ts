/**
 * A join without processes: files, cluster and daemon as flags in memory, and a kill at any moment.
 *
 * Does NOT promise: how long anything takes; a pause is a tick.
 */

import type { Digest, JoinPort, Standing } from "../../../cli/membership/join_plan.ts";
import { Journal, type JournalFile } from "../../../cli/membership/journal.ts";

/** Thrown where the process is killed. */
export class Killed extends Error {}

/** What survives a kill. */
export interface Disk {
  journal: string;
  key: number;
  identity: number;
  state: number;
  config: number;
  joined: number;
  running: boolean;
  /** Looks at the standing until it is a voter that serves. */
  until: number;
  /** Of the node that goes; 0: gone. */
  oldLeft: number;
}

/** An empty machine. */
export function emptyDisk(): Disk {
  return {
    journal: "",
    key: 0,
    identity: 0,
    state: 0,
    config: 0,
    joined: 0,
    running: false,
    until: 3,
    oldLeft: 2,
  };
}

/** A run on a disk that is killed at its `killAt`-th touch of the world; Infinity: never. */
export class Run {
  readonly #disk: Disk;
  readonly #killAt: number;
  touches = 0;
  #ms = 0;
  /** What was asked of the cluster in this run. */
  readonly asked: string[] = [];

  constructor(disk: Disk, killAt = Infinity) {
    this.#disk = disk;
    this.#killAt = killAt;
  }

  /** Each touch is a moment at which it may be killed, before and after its work. */
  #touch<T>(work: () => T): T {
    if (++this.touches === this.#killAt) throw new Killed();
    const result = work();
    if (++this.touches === this.#killAt) throw new Killed();
    return result;
  }

  get journal(): Journal {
    const file: JournalFile = {
      read: () => this.#disk.journal === "" ? undefined : this.#disk.journal,
      append: (line) => {
        // A kill in the middle of a line leaves its first half.
        if (++this.touches === this.#killAt) {
          this.#disk.journal += line.slice(0, line.length / 2);
          throw new Killed();
        }
        const isCut = this.#disk.journal !== "" && !this.#disk.journal.endsWith("\n");
        this.#disk.journal += isCut ? `\n${line}` : line;
        if (++this.touches === this.#killAt) throw new Killed();
      },
    };
    const now = () => new Date(0).toISOString();
    return Journal.read(file, now) ?? Journal.begin(file, now, { verb: "join", diskId: "d" });
  }

  port(digests: () => readonly Digest[] = () => []): JoinPort {
    const disk = this.#disk;
    const count = (name: "key" | "identity" | "state" | "config" | "joined") => () =>
      this.#touch(() => void disk[name]++);
    const has = (name: "key" | "identity" | "state" | "config") => () =>
      this.#touch(() => disk[name] > 0);
    return {
      isKeyless: false,
      hasKey: has("key"),
      writeKey: count("key"),
      hasIdentity: has("identity"),
      writeIdentity: () => Promise.resolve(count("identity")()),
      hasState: has("state"),
      writeState: () => Promise.resolve(count("state")()),
      hasConfig: has("config"),
      writeConfig: count("config"),
      isJoined: () => Promise.resolve(this.#touch(() => disk.joined > 0)),
      join: () => {
        this.asked.push("join");
        return Promise.resolve(count("joined")());
      },
      isRunning: () => Promise.resolve(this.#touch(() => disk.running)),
      start: () => Promise.resolve(this.#touch(() => void (disk.running = true))),
      standing: () => Promise.resolve(this.#touch(() => this.#standing())),
      wayOut: () =>
        Promise.resolve(this.#touch(() => disk.oldLeft-- > 0 ? "it is on its way out" : undefined)),
      digests: () => Promise.resolve(digests()),
      pause: () => Promise.resolve(void (this.#ms += 50)),
      nowMs: () => this.#ms,
    };
  }

  #standing(): Standing | undefined {
    const disk = this.#disk;
    if (!disk.running || disk.joined === 0) return undefined;
    if (disk.until > 0) disk.until--;
    return {
      isMember: disk.until < 2,
      isVoter: disk.until < 1,
      serving: disk.until < 2,
      why: "it is new",
    };
  }
}
