/**
 * Programs that are stopped or killed while they hold a record (promise 20): only that chain waits, it is told who
 * holds it and since when, waiters end with a code, and the value is the old one or the new one.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Database, WhereInfo } from "../../actors/client/types.ts";
import { limit } from "../limit.ts";
import { codeOf, type DataRig, shown, withData } from "./data_rig.ts";
import { eventually, kill } from "./dev_rig.ts";
import type { Peer } from "./peer.ts";

const test = suite("records held by programs");
const NAME = "held";
/** Keys of which few share a chain with the one that is held. */
const OTHERS = 40;
const WAIT_MS = 2000;

/** Keys of the database that are, in turn, changed at a node while "k" is held; how many had to wait. */
async function waiting(db: Database): Promise<number> {
  const codes = await Promise.all(
    Array.from(
      { length: OTHERS },
      (_, index) => codeOf(() => db.put(`other ${index}`, "1", { timeoutMs: WAIT_MS })),
    ),
  );
  return codes.filter((code) => code !== undefined).length;
}

/** Waits until `where` names who holds the record up. */
async function heldBy(db: Database): Promise<NonNullable<WhereInfo["heldBy"]>> {
  let held: WhereInfo["heldBy"];
  await eventually("where names who holds it up", async () => {
    held = (await db.where("k")).heldBy;
    return held !== undefined;
  });
  return held as NonNullable<WhereInfo["heldBy"]>;
}

async function locked(rig: DataRig, node: number): Promise<Peer> {
  const holder = rig.holder(node, NAME);
  assert.is(await holder.ask("lock", "k"), "ok old");
  return holder;
}

test.either(
  "a program that is stopped with a lock holds up one record; killed, it gives it back as it was",
  limit(60_000, () =>
    withData(3, async (rig) => {
      const here = await rig.database(0, NAME);
      const there = await rig.database(1, NAME);
      await here.put("k", "old");
      const holder = await locked(rig, 0);
      assert.is(await holder.ask("store", "new"), "ok");
      kill(holder.pid, "SIGSTOP");
      // Others at the node, and at another one, end with a code that says that nothing was done.
      for (const db of [here, there]) {
        const code = await codeOf(() => db.put("k", "x", { timeoutMs: WAIT_MS }));
        assert.ok(code === "timeout" || code === "busy", `${code}`);
      }
      assert.ok(await waiting(here) <= 2, "many keys wait for one chain");
      const put = there.put("k", "from node 1", { timeoutMs: 20_000 });
      const { pid, ageMs = -1 } = await heldBy(here);
      assert.is(pid, holder.pid);
      assert.ok(ageMs >= 0, `${ageMs}`);
      const { out } = await rig.dev.run(["rec", "where", NAME, "k"]);
      assert.match(out, String(holder.pid));
      await holder.kill();
      await put;
      assert.is(shown(await here.read("k")), "from node 1");
    })),
);

test.either(
  "what a killed program had stored under a lock is there, or what was before",
  limit(60_000, () =>
    withData(3, async (rig) => {
      const db = await rig.database(0, NAME);
      for (const isStored of [false, true]) {
        await db.put("k", "old");
        const holder = await locked(rig, 0);
        if (isStored) assert.is(await holder.ask("store", "new"), "ok");
        await holder.kill();
        const value = shown(await db.read("k"));
        assert.ok(value === "old" || (isStored && value === "new"), value);
        await db.put("k", "free again");
        assert.is(shown(await db.read("k")), "free again");
      }
    })),
);

test.either(
  "a program killed in the middle of long writes leaves the old value or the new one",
  limit(60_000, () =>
    withData(3, async (rig) => {
      const db = await rig.database(0, NAME);
      const other = await rig.database(1, NAME);
      for (let round = 0; round < 5; round++) {
        const holder = rig.holder(0, NAME);
        holder.tell("change", "k", `round${round}`);
        await eventually("it writes", async () => {
          return shown(await db.read("k")).startsWith(`round${round} `);
        });
        await holder.kill();
        for (const at of [db, other]) {
          const words = shown(await at.read("k")).split(" ");
          assert.is(words[0], `round${round}`);
          assert.is(words[1], words[3], "half of one write, half of another");
        }
      }
    })),
);

test.run();
