/**
 * Real addresses: three nodes, a client and a server in network namespaces; what happens there is in test/netns.
 *
 * One runtime runs it in `npm test`, by hand each does.
 *
 * Does NOT promise: to run where no namespaces may be made; it is skipped, and says why.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import * as assert from "uvu/assert";
import { SETS_ADDRESSES } from "../../actors/events/runner.ts";
import { clearingOf } from "../../cli/network.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { limit, skip } from "../limit.ts";
import { inside, whyNot } from "../netns/inside.ts";
import { sharedSuite } from "../suite.ts";
import { tool } from "../tools.ts";
import { DaemonHome } from "./daemon_home.ts";

const test = sharedSuite("real addresses in network namespaces");

const LIMIT_MS = 600_000;

test(
  "a client is served again after each fault, its connections end or go on, no address has two owners",
  limit(LIMIT_MS, async () => {
    tool("nats-server");
    const why = whyNot();
    if (why !== undefined) skip(`no network namespaces: ${why}`);
    const { code, text } = await inside("scenes.ts", ["1"]);
    assert.is(code, 0, text);
  }),
);

test("a supervisor calls a node clear when nothing that it has started could set an address", async () => {
  const home = DaemonHome.fresh();
  const { paths } = home;
  const disk = new RealDisk();
  const started: ChildProcess[] = [];
  try {
    mkdirSync(paths.run, { recursive: true });
    const clear = clearingOf(paths, disk);
    assert.ok(await clear());
    // Nobody has it; what counts is who might set it yet.
    writeFileSync(join(paths.run, "addresses"), "198.51.100.77\n");
    const start = (
      words: readonly string[],
      env: Readonly<Record<string, string>>,
    ): ChildProcess => {
      const child = spawn("/bin/sh", ["-c", "echo; exec sleep 1000", ...words], {
        detached: true,
        stdio: ["ignore", "pipe", "ignore"],
        env: { ...process.env, ...env },
      });
      started.push(child);
      return child;
    };
    const setter = start([], { [SETS_ADDRESSES]: paths.socket });
    const other = start([], { [SETS_ADDRESSES]: `${paths.socket}.other` });
    const ended = new Promise((resolve) => setter.once("exit", (_code, signal) => resolve(signal)));
    await Promise.all([setter, other].map(({ stdout }) => once(stdout as Readable, "data")));
    assert.ok(await clear());
    assert.is(await ended, "SIGKILL");
    assert.is(other.exitCode ?? other.signalCode, null);
  } finally {
    for (const child of started) child.kill("SIGKILL");
    await home.end();
  }
});

test.run();
