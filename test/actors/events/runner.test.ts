/**
 * Scripts of one event: who is left out where the node sets its addresses itself, and what marks those that set some.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EventRun, type RunnerParts, SETS_ADDRESSES } from "../../../actors/events/runner.ts";
import type { GroupEnd, GroupWish } from "../../../transport/group.ts";
import type { EventName } from "../../../transport/wire/event_daemon.ts";

const test = suite("runner of event scripts");

const SOCKET = "/run/n0/ctdbx.sock";
const NAMES = ["00.ctdb", "10.interface", "60.nfs"];

/** Runs an event over three scripts; answers with what was run, and how it ended. */
async function run(event: EventName, hasAddresses: boolean) {
  const wishes: GroupWish[] = [];
  const end: GroupEnd = { code: 0, isTimeout: false, output: "", cutBytes: 0, tookMs: 1 };
  const parts: RunnerParts = {
    clock: { nowMs: () => 0, wallMs: () => 0 } as never,
    log: { write: () => {} },
    groups: {
      run: (wish) => {
        wishes.push(wish);
        return { ended: Promise.resolve(end), kill: () => {} };
      },
    },
    folder: {
      look: () => ({
        scripts: NAMES.map((name) => ({
          name,
          path: `/s/${name}`,
          state: "enabled",
          place: "own",
        })),
      }),
    } as never,
    env: { CTDB_SOCKET: SOCKET },
    hasAddresses,
  };
  const { ended } = new EventRun(parts, { event, args: [], timeoutMs: 1000 });
  return { wishes, end: await ended };
}

test("10.interface is left out where it would set or remove addresses, and looks at links all the same", async () => {
  for (const event of ["init", "takeip", "releaseip", "updateip", "shutdown"] as const) {
    const { wishes, end } = await run(event, true);
    assert.equal(wishes.map(({ command }) => command[0]), ["/s/00.ctdb", "/s/60.nfs"], event);
    assert.is(end.outcome, "ok");
    const left = end.scripts.find(({ name }) => name === "10.interface");
    assert.equal([left?.outcome, left?.why], ["disabled", "the node sets its addresses itself"]);
  }
  for (const event of ["monitor", "startup", "ipreallocated"] as const) {
    assert.is((await run(event, true)).wishes.length, 3, event);
  }
  assert.is((await run("takeip", false)).wishes.length, 3);
});

test("what may set an address is marked, so that a supervisor finds it; nothing else is", async () => {
  for (const event of ["takeip", "updateip"] as const) {
    const { wishes } = await run(event, true);
    assert.ok(wishes.every(({ env }) => env?.[SETS_ADDRESSES] === SOCKET), event);
  }
  for (const event of ["monitor", "releaseip", "startup"] as const) {
    const { wishes } = await run(event, true);
    assert.ok(wishes.every(({ env }) => !(SETS_ADDRESSES in (env ?? {}))), event);
  }
});

test.run();
