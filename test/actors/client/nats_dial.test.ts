/** A program that is refused on the bus is told so: at once when it comes, and not when it was let in before. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DialBus, dialNats } from "../../../actors/client/nats_dial.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Tag } from "../../../transport/wire/terms.ts";

const test = suite("client/nats_dial");
const LIMIT_MS = 10_000;
const LOGIN = "a:4222: it refuses key U1 (Authorization Violation)";
const FORBIDDEN =
  "the server forbids key U1 to publish prod.cl.any; is its role, or its tag, another?";

/** How the search ends on a bus in this state, and after how long, ms. */
async function ending(
  bus: Pick<DialBus, "status" | "trouble" | "isRefused">,
  endsRefused: boolean,
): Promise<{ readonly error: CtdbxError; readonly afterMs: number }> {
  const dice = new SeededDice(1);
  const network = new SimNetwork(new SimTime(), dice);
  const { clock } = new SimMachine({ name: "far", network, dice }).boot();
  const full: DialBus = {
    payloadMax: 65536,
    publish: () => {},
    subscribe: () => () => {},
    request: () => Promise.reject(new Error("nothing is asked")),
    watch: () => () => {},
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    ...bus,
  };
  const tag = "program".padEnd(10, "a") as Tag;
  const parts = { bus: full, clock, dice, cluster: "prod", tag, inbox: "_INBOX_far" };
  const beganMs = network.time.nowMs;
  const over = { onBytes: () => {}, onClose: () => {} };
  const search = dialNats({ ...parts, timeoutMs: LIMIT_MS, endsRefused }, over)
    .then(() => undefined, (thrown: unknown) => thrown);
  const error = await network.time.drive(search, () => Promise.resolve());
  assert.instance(error, CtdbxError);
  return { error: error as CtdbxError, afterMs: network.time.nowMs - beganMs };
}

test("a log-in that is refused, and a cluster that the key may not ask, end it at once", async () => {
  const login = await ending({ status: "disconnected", trouble: LOGIN, isRefused: true }, true);
  assert.is(login.error.code, "denied");
  assert.is(login.error.message, `Cannot find cluster prod: no NATS: ${LOGIN}`);
  assert.is(login.afterMs, 0);
  const other = await ending({ status: "connected", trouble: FORBIDDEN, isRefused: true }, true);
  assert.is(other.error.code, "denied");
  assert.is(
    other.error.message,
    `Cannot find cluster prod: ${FORBIDDEN} Is the cluster called so?`,
  );
  assert.is(other.afterMs, 0);
});

test("whoever was let in before tries on, and is told why it took too long", async () => {
  const { error, afterMs } = await ending(
    { status: "disconnected", trouble: LOGIN, isRefused: true },
    false,
  );
  assert.is(error.code, "timeout");
  assert.match(error.message, "it refuses key U1");
  assert.ok(afterMs >= LIMIT_MS, `${afterMs} ms`);
});

test("a server that is down, and a cluster that nobody serves, are awaited", async () => {
  const trouble = "a:4222: nothing listens there";
  const down = await ending({ status: "disconnected", trouble, isRefused: false }, true);
  assert.equal([down.error.code, down.afterMs >= LIMIT_MS], ["timeout", true]);
  assert.match(down.error.message, "no NATS: a:4222: nothing listens there");
  const idle = await ending({ status: "connected", trouble: undefined, isRefused: false }, true);
  assert.equal([idle.error.code, idle.afterMs >= LIMIT_MS], ["timeout", true]);
  assert.match(idle.error.message, "no node of it serves, or none is called so");
});

test.run();
