/**
 * Our engine and libtdb on one open file: locks exclude both ways, transactions stay hidden until
 * they commit, CLEAR_IF_FIRST and sequence numbers mean the same to both.
 *
 * Everything is tried with byte-range locks and with the mutexes in the file.
 *
 * Does NOT promise: which of two waiters comes first.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { join } from "node:path";
import { RealImageStore } from "../../transport/real_image.ts";
import { inFolder } from "./files.ts";
import { Ours } from "./ours.ts";
import { type Peer, startPeer } from "./peer.ts";
import { FLAG, good, hex, openIn, outcome, type Session } from "./session.ts";

const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;
const LOCKINGS: [name: string, flags: number][] = [["byte ranges", 0], ["mutexes", MUTEX]];
const BUSY = "err busy";
const NONE = "err not_found";
/** Two keys whose chains differ in both hashes at the size used here; the test below makes sure. */
const HASH_SIZE = 97;
const KEY = hex("one");
const OTHER = hex("another");

interface Pair {
  readonly ours: Ours;
  readonly peer: Peer;
  readonly path: string;
}

/** Runs with both engines on one fresh file that holds KEY = 01. */
async function shared(flags: number, run: (pair: Pair) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const peer = startPeer();
    const ours = new Ours(new RealImageStore());
    const words = { path: join(folder, "shared.tdb"), flags, hashSize: HASH_SIZE };
    await openIn(peer, { ...words, mode: "c" });
    await good(peer, "store", KEY, "01", 0);
    await openIn(ours, { ...words, mode: "w" });
    await run({ ours, peer, path: words.path });
    await ours.ask("close");
    await peer.end();
  });
}

async function answers(session: Session, words: (string | number)[], wanted: string) {
  assert.is(outcome(await session.ask(...words)), wanted, `${session.name}: ${words.join(" ")}`);
}

/** Lets timers run `count` times: proof that nothing blocks the event loop. */
async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Is a promise settled after `count` timers? */
async function settledAfter(count: number, promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => settled = true, () => settled = true);
  await ticks(count);
  return settled;
}

const locks = suite("TDB shared: locks");
for (const [name, flags] of LOCKINGS) {
  locks(
    `a chain we hold is busy for libtdb, other chains are not (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(ours, "chainlock", KEY);
        await answers(peer, ["chainlock_nb", KEY], BUSY);
        await answers(peer, ["chainlock_nb", OTHER], "ok");
        await answers(peer, ["chainunlock", OTHER], "ok");
        await good(ours, "chainunlock", KEY);
        await answers(peer, ["chainlock_nb", KEY], "ok");
        await good(peer, "chainunlock", KEY);
      }),
  );

  locks(
    `a chain libtdb holds is busy for us and nothing changes (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(peer, "chainlock", KEY);
        await answers(ours, ["chainlock_nb", KEY], BUSY);
        await answers(ours, ["store", KEY, "02", 0], BUSY);
        await answers(ours, ["delete", KEY], BUSY);
        await answers(ours, ["append", KEY, "02"], BUSY);
        await answers(ours, ["fetch", KEY], BUSY);
        await answers(ours, ["store", OTHER, "03", 0], "ok");
        await answers(peer, ["fetch", KEY], "ok 01");
        await good(peer, "chainunlock", KEY);
        await answers(ours, ["fetch", KEY], "ok 01");
        await answers(ours, ["fetch", OTHER], "ok 03");
      }),
  );

  locks(
    `waiting for libtdb's chain lock leaves the event loop running (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(peer, "chainlock", KEY);
        const waits = ours.ask("chainlock", KEY);
        assert.is(await settledAfter(30, waits), false, "it must wait");
        await good(peer, "store", KEY, "02", 0);
        await good(peer, "chainunlock", KEY);
        assert.is(await waits, "ok");
        await answers(peer, ["chainlock_nb", KEY], BUSY);
        await answers(ours, ["fetch", KEY], "ok 02");
        await good(ours, "chainunlock", KEY);
      }),
  );

  locks(
    `libtdb waits for a chain that we hold (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(ours, "chainlock", KEY);
        const waits = peer.ask("store", KEY, "05", 0);
        assert.is(await settledAfter(30, waits), false, "it must wait");
        await good(ours, "store", KEY, "04", 0);
        await good(ours, "chainunlock", KEY);
        assert.is(await waits, "ok");
        await answers(ours, ["fetch", KEY], "ok 05");
      }),
  );

  locks(
    `everything locked by one is busy for the other (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        for (const [holder, other] of [[ours, peer], [peer, ours]] as [Session, Session][]) {
          await good(holder, "lockall");
          await answers(other, ["lockall_nb"], BUSY);
          await answers(other, ["lockall_read_nb"], BUSY);
          await answers(other, ["chainlock_nb", KEY], BUSY);
          await answers(holder, ["store", OTHER, "06", 0], "ok");
          await good(holder, "unlockall");
          await answers(other, ["chainlock_nb", KEY], "ok");
          await answers(holder, ["lockall_nb"], BUSY);
          await good(other, "chainunlock", KEY);
        }
      }),
  );

  locks(
    `everything locked for reading stops writers of the other only (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        for (const [holder, other] of [[ours, peer], [peer, ours]] as [Session, Session][]) {
          await good(holder, "lockall_read");
          await answers(other, ["lockall_nb"], BUSY);
          await answers(other, ["fetch", KEY], "ok 01");
          await answers(other, ["chainlock_nb", KEY], BUSY);
          await good(holder, "unlockall_read");
        }
      }),
  );

  locks(
    `waiting for everything ends when libtdb gives it back (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(peer, "lockall");
        const waits = ours.ask("lockall");
        assert.is(await settledAfter(30, waits), false, "it must wait");
        await good(peer, "unlockall");
        assert.is(await waits, "ok");
        await answers(peer, ["lockall_nb"], BUSY);
        await good(ours, "unlockall");
      }),
  );

  locks(
    `readers of both share everything by ranges, not by mutexes (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(ours, "lockall_read");
        const shares = flags === 0 ? "ok" : BUSY;
        await answers(peer, ["lockall_read_nb"], shares);
        if (shares === "ok") await good(peer, "unlockall_read");
        await good(ours, "unlockall_read");
        await good(peer, "lockall_read");
        await answers(ours, ["lockall_read_nb"], shares);
        if (shares === "ok") await good(ours, "unlockall_read");
        await good(peer, "unlockall_read");
      }),
  );
}
locks.run();

const transactions = suite("TDB shared: transactions");
for (const [name, flags] of LOCKINGS) {
  transactions(
    `a reader sees the old content until the other's commit (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        let value = 1;
        for (const [writer, reader] of [[ours, peer], [peer, ours]] as [Session, Session][]) {
          const old = value.toString(16).padStart(2, "0");
          const next = (++value).toString(16).padStart(2, "0");
          await good(writer, "begin");
          await good(writer, "store", KEY, next, 0);
          await good(writer, "store", hex(`new ${value}`), next.repeat(5000), 0);
          await answers(writer, ["fetch", KEY], `ok ${next}`);
          await answers(reader, ["fetch", KEY], `ok ${old}`);
          await answers(reader, ["fetch", hex(`new ${value}`)], NONE);
          await answers(reader, ["chainlock_nb", KEY], BUSY);
          await good(writer, "commit");
          await answers(reader, ["fetch", KEY], `ok ${next}`);
          await answers(reader, ["fetch", hex(`new ${value}`)], `ok ${next.repeat(5000)}`);
          await good(reader, "check");
        }
      }),
  );

  transactions(
    `a cancelled one leaves nothing for the other to see (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        for (const [writer, reader] of [[ours, peer], [peer, ours]] as [Session, Session][]) {
          for (const ending of [["cancel"], ["prepare", "cancel"]]) {
            await good(writer, "begin");
            await good(writer, "delete", KEY);
            await good(writer, "store", OTHER, "07".repeat(9000), 0);
            for (const word of ending) await good(writer, word);
            await answers(reader, ["fetch", KEY], "ok 01");
            await answers(reader, ["fetch", OTHER], NONE);
            await good(reader, "check");
            await good(reader, "store", hex("between"), "08", 0);
          }
        }
      }),
  );

  transactions(
    `only one of both can be in one (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(ours, "begin");
        await answers(peer, ["begin_nb"], BUSY);
        await good(ours, "commit");
        await good(peer, "begin");
        const waits = ours.ask("begin");
        assert.is(await settledAfter(30, waits), false, "it must wait");
        await good(peer, "store", KEY, "09", 0);
        await good(peer, "commit");
        assert.is(await waits, "ok");
        await answers(ours, ["fetch", KEY], "ok 09");
        await good(ours, "cancel");
      }),
  );

  transactions(
    `our commit waits until libtdb has left its chain (${name})`,
    () =>
      shared(flags, async ({ ours, peer }) => {
        await good(ours, "begin");
        await good(ours, "store", KEY, "0a", 0);
        // A reader inside a chain: libtdb's read lock goes with our transaction, but not with our
        // commit.
        const walks = flags === 0;
        if (walks) {
          await good(peer, "chainlock_read", KEY);
          const waits = ours.ask("commit");
          assert.is(await settledAfter(30, waits), false, "it must wait");
          await answers(peer, ["fetch", KEY], "ok 01");
          await good(peer, "chainunlock_read", KEY);
          assert.is(await waits, "ok");
        } else await good(ours, "commit");
        await answers(peer, ["fetch", KEY], "ok 0a");
      }),
  );
}
transactions.run();
