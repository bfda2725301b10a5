/**
 * A program that does not read its messages (promise 6): what waits for it is bounded, it is told what it has missed,
 * or is cut off with a reason; nobody else at its node waits.
 */

import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers";
import * as assert from "uvu/assert";
import type { Listener } from "../../actors/client/types.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { withData } from "./data_rig.ts";
import { eventually, kill } from "./dev_rig.ts";
import type { Heard } from "./history/holder.ts";

const test = sharedSuite("messages of clustered programs");
const NAME = "messages";
/** Together three times what may wait for a program, in messages and in bytes. */
const COUNT = 30_000;
const BYTES = 4096;
const TURN = 100;
/** By so much the daemon may grow, bytes: what waits in it and in its sockets. */
const GROWTH_MAX = 400 * 1024 * 1024;

function residentBytes(pid: number): number {
  const [, kilobytes = ""] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ??
    [];
  return 1024 * Number(kilobytes);
}

/** The next message's number; -1: there is none. */
async function next(listener: Listener): Promise<number> {
  for (;;) {
    const { value, done } = await listener.next();
    if (done === true) return -1;
    if (value.type === "message") return value.data[0] ?? -1;
  }
}

test(
  "a listener that is stopped is cut off or told what it missed; others hear at once, the daemon stays small",
  limit(90_000, () =>
    withData(3, async (rig) => {
      const [sender, other] = [await rig.cluster(0), await rig.cluster(1)];
      const stopped = rig.holder(1, NAME);
      assert.is(await stopped.ask("listen", 500), "ok");
      const listener = await other.listen(501n);
      const pid = await rig.dev.pid(1);
      const before = residentBytes(pid);
      kill(stopped.pid, "SIGSTOP");
      const data = new Uint8Array(BYTES);
      const view = new DataView(data.buffer);
      for (let sent = 0; sent < COUNT; sent++) {
        view.setUint32(0, sent, true);
        sender.post(1, 500n, data);
        if (sent % TURN === 0) await new Promise<void>((go) => setImmediate(go));
        if (sent % 5000 !== 0) continue;
        // One beside it is heard in the middle of all that.
        const heard = next(listener);
        await sender.send(1, 501n, new Uint8Array([sent / 5000]));
        assert.is(await heard, sent / 5000);
      }
      const grown = residentBytes(pid) - before;
      assert.ok(grown < GROWTH_MAX, `the daemon has grown by ${grown} bytes`);
      kill(stopped.pid, "SIGCONT");
      let heard: Heard = { got: 0, lost: 0, order: 0, ended: "" };
      await eventually("it has heard of all", async () => {
        heard = JSON.parse((await stopped.ask("heard")).slice(3));
        return heard.ended !== "" || heard.got + heard.lost >= COUNT;
      });
      assert.is(heard.order, 0);
      assert.ok(heard.got < COUNT, "nothing was too much for it");
      assert.is.not(heard.ended, "no error");
    })),
);

test.run();
