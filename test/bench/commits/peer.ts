/**
 * Stock ctdbd for the benchmarks of transactions: clients do what its own C client does.
 *
 *   g_lock "transaction_db_0x…" ─▶ read the local file ─▶ TRANS3_COMMIT of all writes and the sequence number ─▶ unlock
 *
 * The daemon has every node store it in a TDB transaction, and answers when all have. Who finds the lock held asks
 * again each millisecond, as that client does. `ctdb ptrans` would add the start of a process to each transaction.
 *
 * Does NOT promise: smbd's g_lock, which waits for a message instead.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { findTool } from "../../../build/tools.ts";
import { CtdbClient } from "../../peer/ctdb_client.ts";
import { CtdbCluster } from "../../peer/ctdb_cluster.ts";
import { commitBytes, type NewRecord, readLtdb } from "../../peer/ctdb_records.ts";
import { CONTROL, LTDB_BYTES, textBytes, textOf, wordBytes, wordOf } from "../../peer/ctdb_wire.ts";
import { CtdbFiles, CtdbProgram } from "../../peer/ctdb_world.ts";
import type { RecordTable } from "../workloads/world.ts";
import type { CommitClient, CommitCosts, CommitTable, CommitWorld, Kind } from "./world.ts";

const NODES = 3;
/** Who finds a lock held asks again after, ms. */
const POLL_MS = 1;
/** A lock record of the C client: u32 type, u32 pad, u64 pid, u32 task, u32 node, u64 unique. */
const LOCK_BYTES = 32;
const WRITE_LOCK = 1;
const SEQNUM = textBytes("__db_sequence_number__");
/** What was killed is waited for so long, ms. */
const RECOVER_MS = 120_000;
const LOOK_MS = 20;
/** strace says that it is there within, ms. */
const TRACE_MS = 10_000;

/** A program at a node. */
class PeerClient implements CommitClient {
  readonly pnn: number;
  readonly #program: CtdbProgram;
  readonly #files: CtdbFiles;
  readonly #locks: RecordTable;
  readonly #mine: Uint8Array;

  constructor(program: CtdbProgram, files: CtdbFiles, locks: RecordTable, unique: number) {
    this.pnn = program.pnn;
    this.#program = program;
    this.#files = files;
    this.#locks = locks;
    this.#mine = new Uint8Array(LOCK_BYTES);
    this.#mine.set(wordBytes(WRITE_LOCK, 0, process.pid, 0, 0, this.pnn, unique));
  }

  async open(name: string, kind: Kind): Promise<CommitTable> {
    const { client } = this.#program;
    const opcode = kind === "persistent" ? CONTROL.attachPersistent : CONTROL.attachReplicated;
    const dbId = wordOf((await client.control(opcode, { data: textBytes(name) })).data);
    const path = await client.control(CONTROL.getDbPath, { data: wordBytes(dbId) });
    const tdb = await this.#files.open(textOf(path.data));
    const lock = textBytes(`transaction_db_0x${dbId.toString(16).padStart(8, "0")}`);
    const transact = async (keys: readonly string[], value: Uint8Array): Promise<void> => {
      await this.#take(lock);
      try {
        await this.#commit(dbId, tdb, keys, value);
      } finally {
        await this.#locks.delete(lock);
      }
    };
    return {
      transact,
      store: transact,
      read: (key) => Promise.resolve(recordIn(tdb, new TextEncoder().encode(key))?.value),
    };
  }

  async #commit(
    dbId: number,
    tdb: Tdb,
    keys: readonly string[],
    value: Uint8Array,
  ): Promise<void> {
    const next = (key: Uint8Array, value: Uint8Array): NewRecord => {
      const rsn = (recordIn(tdb, key)?.rsn ?? 0n) + 1n;
      return { key, value, header: { rsn, dmaster: this.pnn, flags: 0 } };
    };
    const records = keys.map((key) => next(new TextEncoder().encode(key), value));
    const before = recordIn(tdb, SEQNUM)?.value;
    const number = before === undefined ? 0n : new DataView(before.buffer).getBigUint64(0, true);
    const seqnum = new Uint8Array(8);
    new DataView(seqnum.buffer).setBigUint64(0, number + 1n, true);
    records.push(next(SEQNUM, seqnum));
    const data = commitBytes(dbId, records);
    const { status } = await this.#program.client.control(CONTROL.transactionCommit, { data });
    if (status !== 0) throw new Error(`Cannot commit: status ${status}`);
  }

  async #take(key: Uint8Array): Promise<void> {
    for (;;) {
      let isTaken = false;
      const later = this.#locks.update(key, (value) => {
        if (value !== undefined) return undefined;
        isTaken = true;
        return this.#mine;
      });
      if (later !== undefined) await later;
      if (isTaken) return;
      await sleep(POLL_MS);
    }
  }

  async locked(name: string, work: () => void): Promise<void> {
    const key = textBytes(name);
    await this.#take(key);
    work();
    await this.#locks.delete(key);
  }

  close(): Promise<void> {
    this.#program.close();
    return Promise.resolve();
  }
}

/** A record of a file, its value a copy; undefined: there is none, or it is deleted. */
function recordIn(tdb: Tdb, key: Uint8Array): { rsn: bigint; value: Uint8Array } | undefined {
  const bytes = tdb.fetch(key);
  if (bytes === undefined || bytes.length <= LTDB_BYTES) return undefined;
  return { rsn: readLtdb(bytes).rsn, value: bytes.slice(LTDB_BYTES) };
}

/** See the head. */
export class PeerCommits implements CommitWorld {
  readonly name = "ctdbd";
  readonly about = "TypeScript, as its C client";
  readonly nodes = NODES;
  readonly #cluster: CtdbCluster;
  readonly #files = new CtdbFiles();
  #clients = 0;

  private constructor(cluster: CtdbCluster) {
    this.#cluster = cluster;
  }

  /** Starts one, below the folder for temporary files. */
  static async start(): Promise<PeerCommits> {
    return new PeerCommits(await CtdbCluster.start(NODES));
  }

  async client(pnn: number): Promise<CommitClient> {
    const program = await CtdbProgram.connect(this.#cluster.socket(pnn), this.#files);
    return new PeerClient(
      program,
      this.#files,
      await program.attach("g_lock.tdb"),
      ++this.#clients,
    );
  }

  async central(): Promise<number> {
    const client = await CtdbClient.connect(this.#cluster.socket(0));
    try {
      return await client.watchLeader();
    } finally {
      client.close();
    }
  }

  costs(): Promise<CommitCosts> {
    return Promise.resolve({});
  }

  async traced(work: () => Promise<void>): Promise<number | undefined> {
    const strace = findTool({ name: "strace", debian: "strace" });
    if (strace === undefined) return undefined;
    const folder = mkdtempSync(join(tmpdir(), "ctdbx-bench-"));
    const file = join(folder, "calls");
    const pids = this.#cluster.pids().flatMap((pid) => ["-p", String(pid)]);
    const words = ["-f", "-o", file, "-e", "trace=fsync,fdatasync,msync", ...pids];
    const child = spawn(strace, words, { stdio: ["ignore", "ignore", "pipe"] });
    try {
      await attached(child.stderr, pids.length / 2);
      await work();
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGINT");
      await ended;
      const calls = readFileSync(file, "latin1").match(/\b(fsync|fdatasync|msync)\(/g);
      return calls?.length ?? 0;
    } catch {
      // It may not look at them: then nobody knows.
      child.kill("SIGKILL");
      return undefined;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  kill(pnn: number): Promise<number> {
    return Promise.resolve(this.#cluster.kill(pnn));
  }

  async revive(pnn: number): Promise<void> {
    await this.#cluster.untilGone(pnn);
    await this.#files.close(join(this.#cluster.folder, `node.${pnn}`));
    await this.#cluster.startAll();
    const program = await CtdbProgram.connect(this.#cluster.socket(0), this.#files);
    const endMs = performance.now() + RECOVER_MS;
    while (await program.recmode() !== 0 && performance.now() < endMs) await sleep(LOOK_MS);
    program.close();
  }

  cpuMs(): number {
    return this.#cluster.cpuMs();
  }

  async end(): Promise<void> {
    await this.#files.close(this.#cluster.folder);
    await this.#cluster.end();
  }
}

/** Resolves when strace has said of so many processes that it looks at them. */
function attached(stderr: NodeJS.ReadableStream | null, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("strace is silent")), TRACE_MS);
    let text = "";
    stderr?.on("data", (bytes) => {
      text += String(bytes);
      if ((text.match(/attached/g)?.length ?? 0) < count) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
