/**
 * Readers of a volatile database's file that take its locks, ours and libtdb's, beside clients and the daemon that
 * store, grow, move and free records in it: a record is there as a whole, and nothing looks damaged.
 *
 *   2 clients (processes): values that fit and such that move | this process: daemon's puts and drops, and a reader
 *   libtdb (a process): a reader
 *
 * Does NOT promise: the same of a reader without locks; it meets records that are being freed.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { limit } from "../limit.ts";
import { Dice } from "../live/dice.ts";
import { type Peer, startPeer, thisRuntime } from "../live/peer.ts";
import { copy, type LiveNode, until, withNode } from "../live/record_rig.ts";
import { FLAG, hex, openIn, unhex } from "../live/session.ts";

const test = suite("records: readers with locks");
/** So few chains that all are always in use. */
const HASH_SIZE = 3;
const ROUNDS = 80;
/** Changes of the daemon, and looks of our reader, in a round; libtdb waits long for its turn, and looks twice. */
const LOOKS = 20;
const HEADER = 24;
const b = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What `fill` of record_child.ts wrote: a number, and its last digit many times. */
function number(value: Uint8Array): number {
  const [count = "", rest = ""] = new TextDecoder().decode(value.subarray(HEADER)).split(" ");
  assert.is(rest, String(Number(count) % 10).repeat(rest.length), "all of one write");
  return Number(count);
}

/** Runs it unless somebody has what it needs. */
function unlessBusy<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "busy") return undefined;
    throw error;
  }
}

function change({ store }: LiveNode, dice: Dice): void {
  const key = `k${dice.roll(40)}`;
  const length = dice.roll(4) === 0 ? dice.roll(2000) : dice.roll(150);
  const drops = dice.roll(3) === 0;
  unlessBusy(() => drops ? store.drop(key) : store.put(key, copy("x".repeat(length))));
}

/** Looks of ours; how many were had. */
function look(reader: Tdb, dice: Dice): number {
  const isThere = unlessBusy(() => reader.exists(b(`k${dice.roll(40)}`)));
  const value = unlessBusy(() => reader.fetch(b(dice.roll(2) === 0 ? "a" : "b")));
  if (value !== undefined) number(value);
  return (isThere === undefined ? 0 : 1) + (value === undefined ? 0 : 1);
}

/** The same of libtdb, which waits for its turn. */
async function lookOfPeer(peer: Peer, dice: Dice): Promise<void> {
  const isThere = peer.ask("exists", hex(`k${dice.roll(40)}`));
  const value = await peer.ask("fetch", hex(dice.roll(2) === 0 ? "a" : "b"));
  assert.match(await isThere, /^ok [01]$/);
  assert.match(value, /^ok [0-9a-f]+$/);
  number(unhex(value.slice("ok ".length)));
}

test(
  "they find whole records, in a file that others work in",
  limit(60_000, () =>
    withNode(HASH_SIZE, async (node) => {
      const { store } = node;
      for (const key of ["a", "b"]) store.put(key, copy("0 "));
      const path = store.path ?? "";
      const reader = await openTdb(new RealImageStore(), path, {
        readOnly: true,
        locking: "mutex",
      });
      const peer = startPeer();
      await openIn(peer, { path, mode: "w", flags: FLAG.MUTEX_LOCKING | FLAG.NOSYNC });
      for (const key of ["a", "b"]) {
        const client = await node.client(thisRuntime());
        client.tell("fill", key, key.charCodeAt(0));
      }
      const numberOf = (key: string) => number(reader.fetch(b(key)) ?? new Uint8Array(HEADER));
      await until(
        () => unlessBusy(() => numberOf("a") > 0 && numberOf("b") > 0) === true,
        "writes",
      );
      const dice = new Dice(1);
      let had = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const ofPeer = lookOfPeer(peer, dice);
        for (let index = 0; index < LOOKS; index++) {
          change(node, dice);
          had += look(reader, dice);
        }
        await ofPeer;
      }
      // Both clients may hold a chain each when they are not scheduled: not all looks are had.
      assert.ok(had > ROUNDS, `${had} looks`);
      reader.close();
      await peer.end();
    })),
);

test.run();
