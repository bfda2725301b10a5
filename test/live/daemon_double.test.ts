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
import { ctdbx } from "./process.ts";

const test = suite<{ homes: DaemonHome[]; rig: NatsRig }>("live double");
fromSources(test);

test.before((context) => {
  context.homes = [];
  context.rig = new NatsRig();
});
test.after(async ({ homes, rig }) => {
  for (const home of homes) await home.end();
  await rig.end();
});

test(
  "a copied folder does not run beside the one that it was copied from; alone it does",
  limit(90_000, async ({ homes, rig }) => {
    const [port = 0] = await freePorts(1);
    await rig.server({ client: { port } });
    const home = await DaemonHome.member();
    const copy = DaemonHome.fresh();
    homes.push(home, copy);
    home.configure(port);
    const first = ctdbx(["daemon", "run", "--home", home.home]);
    const well = "cluster wait --for all-ok,serving --timeout 40";
    assert.is((await home.run(well)).exit, 0);

    copy.configure(port);
    cpSync(home.paths.state, copy.paths.state, { recursive: true });
    const second = ctdbx(["daemon", "run", "--home", copy.home]);
    assert.is(await second.ended, 4, second.err);
    assert.match(second.err, "another daemon answers NATS as this very node");
    assert.is((await home.run(well)).exit, 0);

    await first.end();
    const third = ctdbx(["daemon", "run", "--home", copy.home]);
    assert.is((await copy.run(well)).exit, 0, third.err);
    await third.end();
  }),
);

test.run();
