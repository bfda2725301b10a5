/** The node that is meant: by its home, by its name; and what a program is told that may not look. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { skip } from "../limit.ts";
import { RUN_FOLDER, runFolderOf, silentHint } from "../../transport/real_node_places.ts";

const test = suite("places of nodes");
const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const DENO = join(CHECKOUT, "node_modules", ".bin", "deno");

test("a home has its run folder, a name that of the machine", () => {
  assert.is(runFolderOf("/srv/n0", undefined), "/srv/n0/run");
  assert.is(runFolderOf(undefined, "n0"), "/run/ctdbx/n0");
  assert.throws(() => runFolderOf(undefined, "../n0"), /Cannot use/);
});

test("where nobody listens: what is there says what to do, and whoever was served before waits", () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-places-"));
  try {
    const [cluster, alone] = [join(folder, "dev"), join(folder, "alone")];
    mkdirSync(join(cluster, "n0", "run"), { recursive: true });
    mkdirSync(alone);
    writeFileSync(join(cluster, "dev.json"), "{}");
    writeFileSync(join(alone, "ctdbx.toml"), "");
    const hints = [cluster, join(cluster, "n0"), alone, folder].map((home) =>
      silentHint(join(home, "run"), false)
    );
    assert.equal(hints, [
      `${cluster} is a cluster of dev; its nodes are ${join(cluster, "n0")} and so on`,
      `start its cluster: ctdbx dev up --home ${cluster}`,
      `start it: ctdbx daemon start --home ${alone}`,
      "is it the folder of a node?",
    ]);
    assert.match(silentHint(join(cluster, "n0", "run"), true), "its supervisor starts it again");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a program that names no node, where the machine has none, is told of the cluster to try", () => {
  const { CTDBX_HOME: _, ...rest } = process.env;
  const env = { ...rest, NO_COLOR: "1" };
  const words = ["run", "-A", "--no-check", join("docs", "examples", "plain.ts")];
  if (existsSync(RUN_FOLDER)) skip("this machine has nodes of its own");
  const { status, stderr } = spawnSync(DENO, words, { cwd: CHECKOUT, env, encoding: "utf8" });
  assert.is(status, 1);
  assert.match(stderr, /name its home.*CTDBX_HOME=~\/\.local\/state\/ctdbx\/dev\/n0/);
});

test("a program of Deno that may not look at CTDBX_HOME is told so", () => {
  const words = ["run", "--no-prompt", "--no-check", join("docs", "examples", "plain.ts")];
  const env = { ...process.env, CTDBX_HOME: "/srv/n0", NO_COLOR: "1" };
  const { status, stderr } = spawnSync(DENO, words, { cwd: CHECKOUT, env, encoding: "utf8" });
  assert.is(status, 1);
  assert.match(stderr, "CTDBX_HOME may not be looked at");
  assert.match(stderr, "--allow-env=CTDBX_HOME");
});

test.run();
