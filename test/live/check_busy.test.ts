/**
 * check finds nothing wrong with a database that libtdb is writing all the while: as a command in a process of its
 * own and as a function, on a file with byte-range locks and on one with mutexes, for plain stores and transactions.
 *
 *   libtdb   store, delete, store ... ------------------------------- stopped or killed
 *   us           check   check   check ...                             check, tdbtool check
 *
 * Between two checks libtdb has acknowledged at least one more change, so that none looks at a file at rest.
 *
 * Does NOT promise: that a check without locks is clean; it cannot be.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { limit } from "../limit.ts";
import { program } from "./cli_world.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { type Peer, startPeer } from "./peer.ts";
import { FLAG, good, hex, openIn, type OpenWords } from "./session.ts";

/** Checks while libtdb writes: by the function on one handle, and by the command, each in a process of its own. */
const CHECKS_MIN = 50;
const COMMANDS_MIN = 8;
/** Keys of the writer: enough that most records move now and then. */
const KEYS = 200;
/** The locks of a busy file are waited for, in seconds; what is too short for a loaded machine shows as exit 4. */
const WAIT_SECONDS = 60;

const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;
const LOCKINGS = [["byte ranges", 0], ["mutexes", MUTEX]] as const;

/** libtdb, writing until it is told to stop. */
class Writing {
  acknowledged = 0;
  readonly peer: Peer;
  #failure: string | undefined;
  #stopped = false;
  #waiters: (() => void)[] = [];

  constructor(peer: Peer, mode: "plain" | "tx") {
    this.peer = peer;
    peer.onLine = (line) => this.#take(line);
    void peer.ended.then(({ code, signal }) => {
      this.#failure ??= `libtdb ended (${code ?? signal}): ${peer.errors}`;
      this.#wake();
    });
    peer.tell("write", "busy-", KEYS, 4711, 1, mode);
  }

  /** Resolves when `count` changes more are in the file. Throws what went wrong with the writer. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged + count;
    while (this.acknowledged < wanted) {
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await this.#next();
    }
  }

  /** Lets it finish what it does; resolves when the process is gone. */
  async stop(): Promise<void> {
    this.peer.tell("stop");
    while (!this.#stopped) {
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await this.#next();
    }
    await this.peer.end();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #take(line: string): void {
    if (line === "a") this.acknowledged++;
    else if (line === "ok") this.#stopped = true;
    else if (line.startsWith("err")) this.#failure ??= `libtdb: ${line}`;
    else return; // what it shows at the start, and what it is about to do
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

/** `ctdbx tdb check` in a process of its own: exit code and what it wrote. */
function checkCommand(path: string): Promise<{ exit: number | null; text: string }> {
  const [command, options] = program();
  const words = ["tdb", "check", path, "--output", "json", "--timeout", String(WAIT_SECONDS)];
  const child = spawn(command, [...options, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (piece: string) => text += piece);
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exit) => resolve({ exit, text }));
  });
}

async function wantClean(path: string): Promise<number> {
  const { exit, text } = await checkCommand(path);
  assert.is(exit, 0, text);
  const { data } = JSON.parse(text) as {
    data: { good: boolean; live: number; problems: unknown[] };
  };
  assert.ok(data.good);
  assert.equal(data.problems, []);
  return data.live;
}

/** A file in which libtdb's transactions need not grow: a crash while they do is what its own check refuses. */
async function makeFile(words: OpenWords): Promise<void> {
  const peer = startPeer();
  await openIn(peer, { ...words, mode: "c" });
  await good(peer, "begin");
  for (let i = 0; i < 200; i++) await good(peer, "store", hex(`filler ${i}`), "5a".repeat(3000), 0);
  await good(peer, "commit");
  for (let i = 0; i < 200; i++) await good(peer, "delete", hex(`filler ${i}`));
  await peer.end();
}

/** Runs `use` while libtdb writes to a file. */
async function whileWriting(
  flags: number,
  mode: "plain" | "tx",
  use: (path: string, writing: Writing) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const words: OpenWords = {
      path: join(folder, "busy.tdb"),
      mode: "w",
      flags: flags | FLAG.NOSYNC,
      hashSize: 37,
    };
    await makeFile(words);
    const peer = startPeer();
    await openIn(peer, words);
    const writing = new Writing(peer, mode);
    try {
      await writing.more(1);
      await use(words.path, writing);
    } finally {
      await peer.kill();
    }
    // The process is gone: both checks look at what it left. Ours first, it takes back what died in a commit.
    await wantClean(words.path);
    tdbtoolCheck(words.path);
  });
}

/** The function, over and over, on one handle; with and without a turn of the event loop in the middle. */
async function checkOften(path: string, writing: Writing): Promise<void> {
  const tdb = await openTdb(new RealImageStore(), path, { lockTimeoutMs: WAIT_SECONDS * 1000 });
  const counts = new Set<number>();
  for (let round = 0; round < CHECKS_MIN; round++) {
    const turns = { slice: 20, breathe: () => new Promise<void>((done) => setTimeout(done, 0)) };
    const report = await check(tdb, round % 2 === 0 ? {} : turns);
    assert.equal(report.problems, [], `round ${round}`);
    assert.ok(report.ok);
    counts.add(report.live);
    await writing.more(1);
  }
  tdb.close();
  assert.ok(counts.size > 3, `the file changed: ${[...counts].join()} records`);
}

const test = suite("TDB: check while libtdb writes");
// In turns: of each kind one runtime has the byte ranges, the other one the mutexes.
for (const [name, flags] of LOCKINGS) {
  test.either(
    `the command finds nothing wrong, ${COMMANDS_MIN} times (${name})`,
    limit(180_000, () =>
      whileWriting(flags, "plain", async (path, writing) => {
        const counts = new Set<number>();
        for (let round = 0; round < COMMANDS_MIN; round++) {
          counts.add(await wantClean(path));
          await writing.more(1);
        }
        assert.ok(counts.size > 3, `the file changed: ${[...counts].join()} records`);
        await writing.stop();
      })),
  );
}

for (const [name, flags] of LOCKINGS) {
  test.either(
    `the function finds nothing wrong beside plain stores (${name})`,
    limit(120_000, () =>
      whileWriting(flags, "plain", async (path, writing) => {
        await checkOften(path, writing);
        await writing.stop();
      })),
  );
}

for (const [name, flags] of LOCKINGS) {
  test.either(
    `the function finds nothing wrong beside transactions, nor when one is killed (${name})`,
    limit(120_000, () => whileWriting(flags, "tx", checkOften)),
  );
}
test.run();
