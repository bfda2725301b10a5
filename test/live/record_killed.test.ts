/**
 * Client programs that are killed while they work on a record: the chain goes on to the next, and the record has its
 * old value or the new one.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { tdbdumpBlocks } from "./files.ts";
import { thisRuntime } from "./peer.ts";
import { copy, until, withNode } from "./record_rig.ts";

const test = suite("record clients, killed");
const KILLS = 12;
/** What is on no list. */
const LOST: readonly string[] = ["chain", "freelist"];

/** libtdb shows both records; the check finds no more than what a dead process had taken and not yet linked. */
async function wantReadable(path: string): Promise<void> {
  const blocks = tdbdumpBlocks(path);
  assert.is(blocks.length, 2);
  assert.ok(blocks[0]?.endsWith('whole"\n'), blocks[0]);
  assert.ok(blocks[1]?.endsWith('beside"\n'), blocks[1]);
  const tdb = await openTdb(new RealImageStore(), path);
  const { problems } = await check(tdb);
  tdb.close();
  assert.equal(problems.filter(({ kind }) => !LOST.includes(kind)), []);
}

test(
  "killed in the mutex, before and after the touch: the next one has it, old or new",
  limit(60_000, () =>
    withNode(7, async (node) => {
      const { store } = node;
      store.put("a", copy("1"));
      const next = await node.client(thisRuntime());
      for (const [where, value, rsn] of [["inside", "1", 1], ["touched", "2", 2]] as const) {
        const dying = await node.client(thisRuntime());
        await dying.ask("trap", where, "KILL");
        const answer = dying.ask("write", "a", "2").catch(() => "none");
        assert.is((await dying.ended).signal, "SIGKILL");
        assert.is(await answer, "none");
        if (where === "inside") assert.is(await next.ask("read", "a"), `done ${value}`);
        else assert.is(store.tryLock("a"), "died", "the daemon is told");
        if (where === "touched") store.unlock("a");
        assert.is(await next.ask("read", "a"), `done ${value}`);
        assert.is(Number(store.get("a")?.rsn), rsn);
        assert.is(store.tryLock("a"), "had");
        store.unlock("a");
      }
      assert.is(await next.ask("hold", "a", 0), "held 2");
      await next.ask("store", "3");
      await next.kill();
      const other = await node.client(thisRuntime());
      assert.is(await other.ask("read", "a"), "done 3");
    })),
);

test(
  "killed at any moment of thousands of writes that fit and that move: never half a value",
  limit(180_000, () =>
    withNode(1, async (node) => {
      const { store } = node;
      store.put("a", copy("0 "));
      store.put("b", copy("beside"));
      let dice = 12345;
      let before = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const client = await node.client(thisRuntime());
        client.tell("fill", "a", kill + 1);
        dice = (Math.imul(dice, 1103515245) + 12345) >>> 0;
        const enough = 1 + (dice >>> 8) % 5000;
        const numberNow = () =>
          Number(new TextDecoder().decode(store.get("a")?.data).split(" ")[0]);
        await until(() => numberNow() > before + enough, `client ${kill} writes`);
        await client.kill();
        // Somebody has to find out that it died in the mutex, if it did.
        assert.is.not(store.tryLock("a"), "busy");
        const stored = store.get("a");
        store.unlock("a");
        const [number = "", rest = ""] = new TextDecoder().decode(stored?.data).split(" ");
        before = Number(number);
        assert.is(Number(stored?.rsn), before + 1, "number and value are of one write");
        assert.is(rest, String(before % 10).repeat(rest.length), "all of one write");
        assert.equal(store.get("b"), copy("beside"));
      }
      const last = await node.client(thisRuntime());
      assert.is(await last.ask("write", "a", "whole"), "done");
      await last.end();
      store.close();
      await wantReadable(store.path ?? "");
    })),
);

test.run();
