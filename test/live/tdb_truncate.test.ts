/**
 * The file is shortened under our mapping.
 *
 *   by a process that honours the locks       a clear error on both runtimes
 *   by any other, between two turns           found before memory is touched: the same error
 *   by any other, within a turn               see trapped_child.ts: an error where WebAssembly
 *                                             touches it on Bun; else SIGBUS
 *
 * Does NOT promise: that a process survives the last case; it shows what happens.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { RealImageStore } from "../../transport/real_image.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { type Peer, runtimeCommand, startPeer, thisRuntime } from "./peer.ts";
import { FLAG, good, hex, openIn, type OpenWords } from "./session.ts";

const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;
const LOCKINGS: [name: string, flags: number][] = [["byte ranges", 0], ["mutexes", MUTEX]];
const RECORDS = 60;

async function filled(
  flags: number,
  run: (ours: Ours, peer: Peer, words: OpenWords) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const words: OpenWords = { path: join(folder, "short.tdb"), mode: "c", flags, hashSize: 17 };
    const ours = new Ours(new RealImageStore());
    const peer = startPeer();
    await openIn(peer, words);
    for (let i = 0; i < RECORDS; i++) {
      await good(peer, "store", hex(`key ${i}`), "ab".repeat(300), 0);
    }
    await openIn(ours, words);
    await good(ours, "fetch", hex("key 1"));
    await run(ours, peer, words);
    await peer.end();
  });
}

/**
 * Once it was found, nothing works on this handle: what it wrote might lie behind the file's
 * end.
 */
async function wantAllRefused(ours: Ours): Promise<void> {
  const asked: string[][] = [["check"], ["traverse_read"], ["begin"], ["wipe"], ["lockall"]];
  for (let i = 0; i < RECORDS; i += 7) {
    asked.unshift(["fetch", hex(`key ${i}`)], ["store", hex(`key ${i}`), "cd", "0"]);
    asked.unshift(["delete", hex(`key ${i}`)]);
  }
  for (const words of asked) assert.match(await ours.ask(...words), /^err truncated /, words[0]);
}

const polite = suite("TDB truncated: by who honours the locks");
for (const [name, flags] of LOCKINGS) {
  polite(
    `to one page of data: the next operation says so (${name})`,
    () =>
      filled(flags, async (ours, peer, words) => {
        const left = 4096 + ours.db.header.mutexSize;
        assert.ok(statSync(words.path).size > left);
        await good(peer, "shorten", left);
        assert.match(await ours.ask("fetch", hex("key 1")), /^err truncated /);
        await wantAllRefused(ours);
        await ours.ask("close");
      }),
  );

  polite(
    `to no data at all: the next operation says so (${name})`,
    () =>
      filled(flags, async (ours, peer) => {
        // libtdb gives its own lock back through a mutex in the file: leave those.
        await good(peer, "shorten", ours.db.header.mutexSize);
        assert.match(await ours.ask("fetch", hex("key 1")), /^err truncated /);
        await wantAllRefused(ours);
        await ours.ask("close");
      }),
  );

  polite(
    `a clear-if-first opener does not clear what we have open (${name})`,
    () =>
      filled(flags, async (ours, peer, words) => {
        await good(peer, "close");
        await openIn(peer, { ...words, flags: flags | FLAG.CLEAR_IF_FIRST });
        assert.is(await good(ours, "fetch", hex("key 1")), "ab".repeat(300));
        assert.is(await good(peer, "fetch", hex("key 1")), "ab".repeat(300));
        await good(ours, "close");
        tdbtoolCheck(words.path);
      }),
  );
}
polite.run();

const rude = suite("TDB truncated: by who does not");
for (const [name, flags] of LOCKINGS) {
  rude(
    `between two turns of the event loop: the next operation says so (${name})`,
    () =>
      filled(flags, async (ours, _peer, words) => {
        truncateSync(words.path, 4096 + ours.db.header.mutexSize);
        assert.match(await ours.ask("fetch", hex("key 1")), /^err truncated /);
        await wantAllRefused(ours);
        await ours.ask("close");
      }),
  );
}

/** What a child does whose file is shortened within a turn. */
function trapped(what: string): { status: number | null; signal: string | null; text: string } {
  const command = runtimeCommand(thisRuntime(), "test/live/trapped_child.ts");
  const [program = "", ...args] = command;
  const child = spawnSync(program, [...args, what], { encoding: "utf8" });
  return { status: child.status, signal: child.signal, text: child.stdout + child.stderr };
}

rude(
  "within a turn, touched by WebAssembly: an error on Bun, the end of the process on Deno",
  () => {
    const { status, signal, text } = trapped("kernel");
    if (thisRuntime() === "bun") {
      assert.is(status, 0, text);
      assert.match(text, /^caught /m);
    } else assert.is(signal, "SIGBUS", text);
  },
);

rude("within a turn, touched by JavaScript: the end of the process on both", () => {
  const { status, signal, text } = trapped("view");
  assert.is(status, null, text);
  assert.ok(
    signal !== null && ["SIGBUS", "SIGSEGV", "SIGTRAP", "SIGILL"].includes(signal),
    `${signal} ${text}`,
  );
});
rude.run();
