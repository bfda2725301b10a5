/**
 * Who else has the file open: CLEAR_IF_FIRST, sequence numbers, traverses under changes, peers
 * that die with a lock.
 *
 * Does NOT promise: anything about files on network file systems.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { join } from "node:path";
import { RealImageStore } from "../../transport/real_image.ts";
import { inFolder, tdbtoolCheck } from "./files.ts";
import { Ours } from "./ours.ts";
import { Peer, startOurs, startPeer, thisRuntime } from "./peer.ts";
import { FLAG, good, hex, openIn, type OpenWords, outcome, type Session } from "./session.ts";

const MUTEX = FLAG.MUTEX_LOCKING | FLAG.INCOMPATIBLE_HASH;
const LOCKINGS: [name: string, flags: number][] = [["byte ranges", 0], ["mutexes", MUTEX]];
const KEY = hex("one");

/** Two sessions, each once in either role. */
async function bothWays(run: (first: Session, second: Session, path: string) => Promise<void>) {
  for (const oursFirst of [true, false]) {
    await inFolder(async (folder) => {
      const peer = startPeer();
      const ours = new Ours(new RealImageStore());
      const [first, second] = oursFirst ? [ours, peer] : [peer, ours];
      await run(first, second, join(folder, "presence.tdb"));
      await ours.ask("close").catch(() => {});
      await peer.end();
    });
  }
}

const presence = suite("TDB shared: presence");
for (const [name, flags] of LOCKINGS) {
  presence(
    `CLEAR_IF_FIRST clears for the first opener only (${name})`,
    () =>
      bothWays(async (first, second, path) => {
        const words: OpenWords = { path, mode: "c", flags: flags | FLAG.CLEAR_IF_FIRST };
        await openIn(first, words);
        await good(first, "store", KEY, "01", 0);
        await openIn(second, words);
        assert.is(await good(second, "fetch", KEY), "01");
        await good(first, "close");
        await openIn(first, words);
        assert.is(await good(first, "fetch", KEY), "01");
        await good(first, "close");
        await good(second, "close");
        await openIn(first, words);
        assert.is(outcome(await first.ask("fetch", KEY)), "err not_found");
        await good(first, "store", KEY, "02", 0);
        await good(first, "check");
        await good(first, "close");
        tdbtoolCheck(path);
      }),
  );

  presence(
    `a second handle of ours does not lose the first one's presence (${name})`,
    () =>
      inFolder(async (folder) => {
        const words: OpenWords = {
          path: join(folder, "two.tdb"),
          mode: "c",
          flags: flags | FLAG.CLEAR_IF_FIRST,
        };
        const store = new RealImageStore();
        const [one, two] = [new Ours(store), new Ours(store)];
        const peer = startPeer();
        await openIn(one, words);
        await good(one, "store", KEY, "01", 0);
        await openIn(two, words);
        await good(two, "close");
        await openIn(peer, words);
        assert.is(await good(peer, "fetch", KEY), "01");
        await good(one, "close");
        await peer.end();
      }),
  );
}

presence(
  "each sees that the other changed the sequence number",
  () =>
    bothWays(async (first, second, path) => {
      const words: OpenWords = { path, mode: "c", flags: FLAG.SEQNUM };
      await openIn(first, words);
      await openIn(second, words);
      const seen = async () => [await good(first, "seqnum"), await good(second, "seqnum")] as const;
      const changes: (string | number)[][] = [
        ["store", KEY, "01", 0],
        ["store", KEY, "02".repeat(200), 0],
        ["append", KEY, "03"],
        ["delete", KEY],
        ["wipe"],
      ];
      let [before] = await seen();
      for (const session of [first, second]) {
        for (const change of changes) {
          await good(session, ...change);
          const [one, two] = await seen();
          assert.is(one, two);
          assert.is.not(one, before, `${session.name}: ${change[0]}`);
          before = one;
        }
        await good(session, "begin");
        await good(session, "store", KEY, "04", 0);
        await good(session, "commit");
        const [one, two] = await seen();
        assert.is(one, two);
        assert.is.not(one, before, `${session.name}: commit`);
        before = one;
        await good(session, "wipe");
        [before] = await seen();
      }
    }),
);

presence(
  "libtdb walks on when we delete the record it stands on, and the ones around it",
  () =>
    inFolder(async (folder) => {
      const words: OpenWords = { path: join(folder, "walk.tdb"), mode: "c", hashSize: 3 };
      const peer = startPeer();
      const ours = new Ours(new RealImageStore());
      await openIn(peer, words);
      await openIn(ours, words);
      for (let i = 0; i < 40; i++) await good(peer, "store", hex(`k${i}`), hex(`v${i}`), 0);
      const seen: string[] = [];
      let line = await peer.ask("walk_read");
      while (line.startsWith("at ")) {
        const key = line.slice(3).split("=")[0] ?? "";
        seen.push(key);
        await good(ours, "delete", key);
        await good(ours, "check");
        line = await peer.ask("step");
      }
      assert.is(line, "ok 40");
      assert.is(new Set(seen).size, 40);
      await good(ours, "store", hex("k1"), "05", 0);
      await good(ours, "check");
      await good(peer, "close");
      tdbtoolCheck(words.path);
      await good(ours, "close");
      await peer.end();
    }),
);

presence(
  "we traverse on when libtdb deletes the record we stand on",
  () =>
    inFolder(async (folder) => {
      const words: OpenWords = { path: join(folder, "walk.tdb"), mode: "c", hashSize: 3 };
      const peer = startPeer();
      const ours = new Ours(new RealImageStore());
      await openIn(ours, words);
      for (let i = 0; i < 40; i++) await good(ours, "store", hex(`k${i}`), hex(`v${i}`), 0);
      await openIn(peer, words);
      const seen = new Set<string>();
      const deletions: Promise<string>[] = [];
      const visited = await ours.db.traverse((record) => {
        const key = hex(record.key());
        assert.is(seen.has(key), false, `${key} comes twice`);
        seen.add(key);
        deletions.push(peer.ask("delete", key));
      });
      for (const deletion of deletions) assert.is(await deletion, "ok");
      assert.is(visited, 40);
      assert.is(await good(ours, "traverse"), "0");
      await good(ours, "check");
      await good(ours, "close");
      await peer.end();
      tdbtoolCheck(words.path);
    }),
);
presence(
  "ours on Bun, ours on Deno and libtdb see each other's records and locks",
  () =>
    inFolder(async (folder) => {
      const words: OpenWords = { path: join(folder, "three.tdb"), mode: "c", flags: MUTEX };
      const all = [startPeer(), startOurs("bun"), startOurs("deno")];
      for (const session of all) await openIn(session, words);
      for (const [index, session] of all.entries()) {
        await good(session, "store", hex(`by ${index}`), hex(session.name), 0);
        await good(session, "chainlock", KEY);
        for (const other of all) {
          if (other === session) continue;
          assert.is(outcome(await other.ask("chainlock_nb", KEY)), "err busy", other.name);
        }
        await good(session, "chainunlock", KEY);
      }
      for (const session of all) {
        for (const [index, by] of all.entries()) {
          assert.is(await good(session, "fetch", hex(`by ${index}`)), hex(by.name));
        }
        await good(session, "check");
      }
      for (const session of all) await session.end();
      tdbtoolCheck(words.path);
    }),
);

presence.run();

const killed = suite("TDB shared: a peer killed with a lock");
for (const [name, flags] of LOCKINGS) {
  const holds: [what: string, words: string[]][] = [
    ["a chain", ["chainlock", KEY]],
    ["everything", ["lockall"]],
    ["a transaction", ["begin"]],
  ];
  for (const [what, lock] of holds) {
    killed(
      `libtdb killed with ${what}: we go on (${name})`,
      () =>
        afterKill(flags, lock, () => startPeer(), async (words) => {
          const ours = new Ours(new RealImageStore());
          await openIn(ours, words);
          return ours;
        }),
    );
    killed(
      `ours killed with ${what}: libtdb goes on (${name})`,
      () =>
        afterKill(flags, lock, () => startOurs(thisRuntime()), async (words) => {
          const peer = startPeer();
          await openIn(peer, words);
          return peer;
        }),
    );
  }
}

killed(
  "libtdb killed with everything in a mutex file: operations that do not wait work again",
  () =>
    inFolder(async (folder) => {
      const words: OpenWords = { path: join(folder, "dead.tdb"), mode: "c", flags: MUTEX };
      const [victim, ours] = [startPeer(), new Ours(new RealImageStore())];
      await openIn(victim, words);
      await good(victim, "store", KEY, "01", 0);
      await openIn(ours, words);
      await good(victim, "lockall");
      assert.is(outcome(await ours.ask("fetch", KEY)), "err busy");
      await victim.kill();
      assert.is(await good(ours, "fetch", KEY), "01");
      await good(ours, "store", KEY, "02", 0);
      await good(ours, "lockall_nb");
      await good(ours, "unlockall");
      await good(ours, "check");
      await good(ours, "close");
      tdbtoolCheck(words.path);
    }),
);
killed.run();

/** The victim takes the lock, the survivor waits for the same; the victim is killed. */
async function afterKill(
  flags: number,
  lock: string[],
  startVictim: () => Peer,
  startSurvivor: (words: OpenWords) => Promise<Session>,
): Promise<void> {
  await inFolder(async (folder) => {
    const words: OpenWords = { path: join(folder, "killed.tdb"), mode: "c", flags, hashSize: 7 };
    const victim = startVictim();
    await openIn(victim, words);
    await good(victim, "store", KEY, "01", 0);
    const survivor = await startSurvivor(words);
    await good(victim, ...lock);
    if (lock[0] === "begin") await good(victim, "store", KEY, "02", 0);
    const waits = survivor.ask(...lock);
    await victim.kill();
    assert.is(await waits, "ok");
    assert.is(await good(survivor, "fetch", KEY), "01");
    await good(survivor, "store", KEY, "03", 0);
    if (lock[0] === "chainlock") await good(survivor, "chainunlock", KEY);
    else await good(survivor, lock[0] === "lockall" ? "unlockall" : "commit");
    assert.is(await good(survivor, "fetch", KEY), "03");
    await good(survivor, "check");
    await good(survivor, "close");
    if (survivor instanceof Peer) await survivor.end();
    tdbtoolCheck(words.path);
  });
}
