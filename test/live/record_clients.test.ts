/**
 * Client programs on the records of a node, as real processes on both runtimes, while the daemon's side changes who
 * owns what and whether the page is valid; libtdb's tools read the file meanwhile.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_READERS, FLAG_RO } from "../../actors/machines/record/copy.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { limit } from "../limit.ts";
import { tool } from "../tools.ts";
import { tdbtoolCheck } from "./files.ts";
import { thisRuntime } from "./peer.ts";
import { copy, OTHER, PNN, until, withNode } from "./record_rig.ts";

const test = suite("record clients");
const read = (path: string): string => readFileSync(path, "utf8");
const CLIENTS = 8;
const ADDS = 400;
const KEYS = ["a", "b", "c", "d", "e"];

/** Runs a tool to its end. */
function runTool(
  command: string,
  words: readonly string[],
): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    child.stdout.setEncoding("latin1");
    child.stdout.on("data", (text: string) => out += text);
    child.on("close", (code) => resolve({ code: code ?? -1, out }));
  });
}

test(
  "eight clients count on five records that come and go: each count is there once",
  limit(120_000, () =>
    withNode(3, async (node) => {
      const tdbdump = tool("tdbdump");
      const { store, clock } = node;
      for (const key of KEYS) store.put(key, copy("0"));
      const runtimes = ["bun", "deno"] as const;
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, (_, index) => node.client(runtimes[index % 2] ?? "bun")),
      );
      let ended = 0;
      const work = clients.map((client) => {
        const answer = client.ask("add", ...KEYS, ADDS);
        return answer.finally(() => ended++);
      });
      const flips = { away: 0, back: 0, busy: 0, frozen: 0, dumps: 0 };
      const away = new Set<string>();
      for (let step = 0; ended < CLIENTS; step++) {
        const key = KEYS[step % KEYS.length] ?? "a";
        const isAway = away.has(key);
        const gone = step % 3 === 0
          ? { flags: FLAG_READERS }
          : { dmaster: OTHER, flags: step % 2 * FLAG_RO };
        const isFlipped = node.flip(key, isAway ? { dmaster: PNN, flags: 0 } : gone);
        if (!isFlipped) flips.busy++;
        else if (isAway) flips.back++;
        else flips.away++;
        if (isFlipped && isAway) away.delete(key);
        else if (isFlipped) away.add(key);
        if (step % 10 === 9) {
          node.lease(0);
          flips.frozen++;
        }
        if (step % 40 === 20) {
          const { code, out } = await runTool(tdbdump, [store.path ?? ""]);
          assert.is(code, 0);
          assert.ok(out.split("data(").length >= KEYS.length, "libtdb sees the records");
          flips.dumps++;
        }
        await new Promise<void>((resolve) => void clock.after(1, resolve));
        node.lease();
      }
      const counts = (await Promise.all(work)).map((answer) => JSON.parse(answer));
      const sum = (name: string) => counts.reduce((all, one) => all + one[name], 0);
      const unknown = sum("unknown");
      assert.is(sum("done") + unknown, CLIENTS * ADDS);
      let total = 0;
      for (const key of KEYS) {
        const stored = store.get(key);
        const value = Number(new TextDecoder().decode(stored?.data));
        assert.is(Number(stored?.rsn), value + 1, "a number for each write");
        total += value;
      }
      assert.ok(total >= sum("done") && total <= sum("done") + unknown, `${total} ${sum("done")}`);
      assert.is(unknown, 0, "no life ended, no lease was over: frozen is found out");
      assert.ok(flips.away > 10 && flips.back > 10 && flips.frozen > 3, JSON.stringify(flips));
      assert.ok(flips.dumps > 0 && sum("elsewhere") > 0, JSON.stringify(flips));
      for (const client of clients) await client.end();
      store.close();
      tdbtoolCheck(store.path ?? "");
    })),
);

test(
  "a client stopped in the mutex holds up its chain, and only that",
  limit(60_000, () =>
    withNode(1009, async (node) => {
      const { store } = node;
      for (const key of KEYS) store.put(key, copy("1"));
      const [one, other] = [await node.client(thisRuntime()), await node.client(thisRuntime())];
      assert.is(await one.ask("trap", "inside", "STOP"), "set");
      const waits = one.ask("write", "a", "2");
      await node.stopped(one, read);
      assert.is(await other.ask("write", "a", "3"), "busy");
      assert.is(await other.ask("hold", "a", 30), "busy");
      assert.is(await other.ask("free", "a", 30), "false");
      assert.is(store.tryLock("a"), "busy");
      assert.is(store.holderOf("a"), one.pid, "whoever asks can be told who it is");
      assert.is(store.holderOf("b"), undefined);
      assert.equal(store.get("a"), copy("1"), "the daemon sees it all the same");
      for (const key of KEYS.slice(1)) {
        assert.is(await other.ask("write", key, "4"), "done");
        assert.is(store.tryLock(key), "had");
        store.unlock(key);
      }
      const waiting = other.ask("hold", "a", 20_000);
      process.kill(one.pid, "SIGCONT");
      assert.is(await waits, "done");
      assert.is(await waiting, "held 2");
      assert.is(await other.ask("store", "5"), "true");
      assert.is(store.tryLock("a"), "busy");
      assert.is(await other.ask("release"), "done");
      assert.is(await one.ask("read", "a"), "done 5");
      assert.is(Number(store.get("a")?.rsn), 3);
    })),
);

test(
  "stopped between touch and last look until the lease is over: unknown, and no value comes out",
  limit(60_000, () =>
    withNode(7, async (node) => {
      const { store, clock } = node;
      store.put("a", copy("1"));
      const client = await node.client(thisRuntime());
      for (
        const [words, answer] of [[["write", "a", "2"], "unknown"], [
          ["read", "a"],
          "frozen",
        ]] as const
      ) {
        node.lease(300);
        const endMs = clock.nowMs() + 300;
        await client.ask("trap", "touched", "STOP");
        const waits = client.ask(...words);
        await node.stopped(client, read);
        assert.ok(clock.nowMs() < endMs, "it was stopped in time");
        await until(() => clock.nowMs() > endMs, "the lease is over");
        // The node serves again: what was touched before that does not count all the same.
        process.kill(client.pid, "SIGCONT");
        assert.is(await waits, answer);
        assert.is(await client.ask("read", "a"), "frozen");
        node.lease();
        assert.is(await client.ask("ready", 5000), "true");
        assert.is(await client.ask("read", "a"), "done 2");
      }
    })),
);

test(
  "frozen between touch and last look: it is found out, in the same life or not",
  limit(60_000, () =>
    withNode(7, async (node) => {
      const { store } = node;
      store.put("a", copy("1"));
      const client = await node.client(thisRuntime());
      for (
        const [text, goOn, isGood] of [
          ["2", () => node.lease(), "true"],
          ["3", () => void node.life(2n), "false"],
        ] as const
      ) {
        await client.ask("trap", "touched", "STOP");
        const waits = client.ask("write", "a", text);
        await node.stopped(client, read);
        node.lease(0);
        process.kill(client.pid, "SIGCONT");
        assert.is(await waits, "unsure");
        const settled = client.ask("settled", 20_000);
        goOn();
        assert.is(await settled, isGood);
      }
      assert.is(store.get("a"), undefined, "the new life has an empty file");
      assert.is(await client.ask("ready", 5000), "true");
      assert.is(await client.ask("read", "a"), "elsewhere");
      store.put("a", copy("4"));
      assert.is(await client.ask("read", "a"), "done 4");
    })),
);

test(
  "a frozen page is waited for; a file that is not there yet, too",
  limit(60_000, () =>
    withNode(7, async (node) => {
      node.store.put("a", copy("1"));
      const client = await node.client(thisRuntime());
      node.lease(0);
      assert.is(await client.ask("write", "a", "2"), "frozen");
      assert.is(await client.ask("hold", "a", 0), "frozen");
      assert.is(await client.ask("ready", 30), "false");
      const ready = client.ask("ready", 20_000);
      await new Promise<void>((resolve) => void new RealClock().after(30, resolve));
      node.lease();
      assert.is(await ready, "true");
      assert.is(await client.ask("write", "a", "2"), "done");
    })),
);

test.run();
