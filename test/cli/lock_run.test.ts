/** A command under a lock whose time was over before it could be started: it is not. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster, ClusterLock } from "../../actors/client/types.ts";
import { ended, onAbort } from "../../cli/ending.ts";
import { runLocked, STOPPED } from "../../cli/lock_run.ts";

const test = suite("lock_run");

/** A cluster that gives any lock a moment later, and counts what was given back. */
function giver(): { cluster: Cluster; given: () => number; back: () => number } {
  let [given, back] = [0, 0];
  const lock = async (): Promise<ClusterLock> => {
    await Promise.resolve();
    given += 1;
    const release = () => Promise.resolve(void (back += 1));
    return { token: { text: "1" }, lost: new Promise(() => {}), release } as unknown as ClusterLock;
  };
  return { cluster: { lock } as unknown as Cluster, given: () => given, back: () => back };
}

/** Runs `exit 3` under it. */
function exit3(cluster: Cluster, signal: AbortSignal): ReturnType<typeof runLocked> {
  const command = ["sh", "-c", "exit 3"];
  const [ttlMs, waitMs] = [undefined, undefined];
  const how = { name: "a", command, isShared: false, waitMs, killAfterMs: 1000, ttlMs };
  return runLocked(cluster, { ...how, isQuiet: true, signal, onHeld: () => {} });
}

test("its time was over while the node was connected to: it is not run, and the lock is given back", async () => {
  const { cluster, given, back } = giver();
  const { how, code } = await exit3(cluster, AbortSignal.abort());
  assert.equal([how, code], ["stopped", STOPPED]);
  // The lock comes, and goes, in the turns after.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal([given(), back()], [1, 1]);
});

test("in its time it is run, and its exit code is told", async () => {
  const { cluster, back } = giver();
  const { how, code } = await exit3(cluster, new AbortController().signal);
  assert.equal([how, code, back()], ["ended", 3, 1]);
});

test("a signal that has fired ends what listens to it only now; once forgotten it calls nobody", async () => {
  assert.is(await ended(AbortSignal.abort()), "timeout");
  const controller = new AbortController();
  let calls = 0;
  onAbort(controller.signal, () => calls += 1)();
  controller.abort();
  assert.is(calls, 0);
});

test.run();
