/**
 * A node whose folder was copied: the second daemon of one identity is refused, the first serves on. Its daemons run
 * from sources, the only ones of all live tests.
 */

import { cpSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { fromSources } from "./cli_world.ts";
import { DaemonHome } from "./daemon_home.ts";
import { freePorts, NatsRig } from "./nats.ts";
import { ctdbx, type Process } from "./process.ts";

interface Context {
  home: DaemonHome;
  copy: DaemonHome;
  port: number;
  rig: NatsRig;
  first: Process | undefined;
}

const test = suite<Context>("live double");
fromSources(test);

test.before(async (context) => {
  context.home = await DaemonHome.member();
  context.copy = DaemonHome.fresh();
  context.rig = new NatsRig();
  [context.port = 0] = await freePorts(1);
  await context.rig.server({ client: { port: context.port } });
});
test.after(async ({ home, copy, rig }) => {
  for (const each of [home, copy]) await each?.end();
  await rig?.end();
});

const WELL = "cluster wait --for all-ok,serving --timeout 40";

test(
  "a node runs from sources",
  limit(90_000, async (context) => {
    const { home, port } = context;
    home.configure(port);
    context.first = ctdbx(["daemon", "run", "--home", home.home]);
    assert.is((await home.run(WELL)).exit, 0);
  }),
);

test.either(
  "a copied folder does not run beside the one that it was copied from; alone it does",
  limit(90_000, async ({ home, copy, port, first }) => {
    copy.configure(port);
    cpSync(home.paths.state, copy.paths.state, { recursive: true });
    const second = ctdbx(["daemon", "run", "--home", copy.home]);
    assert.is(await second.ended, 4, second.err);
    assert.match(second.err, "another daemon answers NATS as this very node");
    assert.is((await home.run(WELL)).exit, 0);

    await first?.end();
    const third = ctdbx(["daemon", "run", "--home", copy.home]);
    assert.is((await copy.run(WELL)).exit, 0, third.err);
    await third.end();
  }),
);

test.run();
