/** The section [scripts], and the environment that scripts get. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { environmentOf } from "../../../actors/events/environment.ts";
import { STOCK } from "../../../actors/events/scripts_config.ts";
import { readNodeConfig } from "../../../actors/node_config.ts";

const test = suite("configuration of scripts");
const LEAST = { cluster: "edge", name: "n0" };

const read = (scripts: unknown) => readNodeConfig({ ...LEAST, scripts }, "edge.toml").scripts;

test("without the section there are no scripts; a folder is enough", () => {
  assert.is(readNodeConfig(LEAST, "edge.toml").scripts, undefined);
  assert.equal(read({ dir: "/etc/ctdb" }), { dir: "/etc/ctdb", stock: STOCK, timing: {} });
});

test("all of it", () => {
  const given = { dir: "/a", stock: "/b", helpers: "/c", debug: "d.sh" };
  const times = { timeout: 3, monitor_interval: 5, monitor_timeouts: 7 };
  assert.equal(read({ ...given, ...times }), {
    ...given,
    timing: { timeoutMs: 3000, monitorMostMs: 5000, timeoutsMost: 7 },
  });
});

for (
  const [scripts, said] of [
    [{}, "scripts.dir is missing"],
    [{ dir: "etc" }, "scripts.dir must be an absolute path"],
    [{ dir: "/a", stock: "b" }, "scripts.stock must be an absolute path"],
    [{ dir: "/a", helpers: "b" }, "scripts.helpers must be an absolute path"],
    [{ dir: "/a", debug: "../x" }, "scripts.debug must be the name of a file in dir"],
    [{ dir: "/a", timeout: 0.5 }, "scripts.timeout must be a whole number"],
    [{ dir: "/a", timeout: 3601 }, "scripts.timeout must be a whole number"],
    [{ dir: "/a", monitor_interval: -1 }, "scripts.monitor_interval must be a whole number"],
    [{ dir: "/a", monitor_timeouts: 1001 }, "scripts.monitor_timeouts must be a whole number"],
    [{ dir: "/a", timout: 1 }, "scripts.timout is not known here"],
    ["/a", "scripts must be a table"],
  ] as const
) {
  test(`refused: ${JSON.stringify(scripts)}`, () => {
    assert.throws(() => read(scripts), (error: Error) => error.message.includes(said));
  });
}

test("scripts get what they know of CTDB, and nothing of ours", () => {
  const places = { dir: "/e", tools: "/t", variable: "/v", socket: "/s", log: "/l" };
  const parent = {
    PATH: "/bin",
    HOME: "/root",
    CTDBX_HOME: "/x",
    CTDB_BASE: "/y",
    LANG: undefined,
  };
  assert.equal(environmentOf(places, parent), {
    HOME: "/root",
    PATH: "/t:/bin",
    CTDB: "/t/ctdb",
    CTDB_BASE: "/e",
    CTDB_HELPER_BINDIR: "/t",
    CTDB_SCRIPT_VARDIR: "/v",
    CTDB_SOCKET: "/s",
    CTDB_LOGGING: "file:/l",
    CTDB_DEBUGLEVEL: "NOTICE",
  });
  assert.match(environmentOf(places, {})["PATH"] ?? "", /^\/t:\/usr\/local\/sbin:.*\/bin$/);
});

test.run();
