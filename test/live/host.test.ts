/** Real children: whole groups are killed, and orphans are, too; who may connect to a socket. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LINE_MAX } from "../../transport/real_child.ts";
import { RealHost } from "../../transport/real_host.ts";
import type { StreamEvents } from "../../transport/world.ts";
import { Inbox, rejectsCode } from "../contracts/port_fixture.ts";
import { gone, script } from "./process.ts";

const test = suite<{ folder: string }>("host");
const host = new RealHost();
const alive = (pid: number) => host.alive(pid);
const waits = { wait: <T>(promise: Promise<T>): Promise<T> => promise };

test.before((context) => void (context.folder = mkdtempSync(join(tmpdir(), "ctdbx-host-"))));
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("A signal reaches what the child has started, too", async () => {
  const lines = new Inbox<string>();
  const child = await host.start(["/bin/sh", "-c", "sleep 1000 & echo $!; wait"], {
    onLine: lines.put,
  });
  const grandchild = Number(await lines.take());
  assert.is(alive(grandchild), true);
  child.signal("SIGKILL");
  await child.ended;
  await gone(grandchild, alive);
});

test("Children die with the process that started them, detached ones do not", async ({ folder }) => {
  for (const name of ["SIGKILL", "SIGTERM"] as const) {
    const parent = script(new URL("./host_child.ts", import.meta.url), [join(folder, "log")]);
    const pids = new Map<string, number>();
    while (pids.size < 4) {
      const [word = "", pid] = (await parent.lines.take()).split(" ");
      pids.set(word, Number(pid));
    }
    assert.ok([...pids.values()].every(alive));
    parent.signal(name);
    await parent.ended;
    for (const word of ["family", "grandchild", "deaf"]) await gone(pids.get(word) ?? 0, alive);
    const detached = pids.get("detached") ?? 0;
    assert.is(alive(detached), true);
    process.kill(detached, "SIGKILL");
    await gone(detached, alive);
  }
});

test("A process that has had children ends by itself", async () => {
  const parent = script(new URL("./host_child.ts", import.meta.url), ["once"]);
  assert.is(await parent.ended, 0, parent.err);
  assert.is(await parent.lines.take(), "ended 0");
});

test("A line without end comes in pieces", async () => {
  const lines = new Inbox<string>();
  const command = ["/bin/sh", "-c", `head -c ${3 * LINE_MAX + 5} /dev/zero | tr '\\0' x`];
  const child = await host.start(command, { onLine: lines.put });
  let size = 0;
  while (size < 3 * LINE_MAX + 5) {
    const piece = await lines.take();
    assert.ok(piece.length <= LINE_MAX);
    size += piece.length;
  }
  await child.ended;
});

test("Only the owner may connect, and the mask of new files is as before", async ({ folder }) => {
  const path = join(folder, "mode");
  const mask = process.umask();
  const events: StreamEvents = { onBytes: () => {}, onClose: () => {} };
  const stop = await host.listen(path, () => events);
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(process.umask(), mask);
  await stop();
  assert.throws(() => statSync(path), /ENOENT/);
});

test("A dead socket is taken over, a living one of others is not", async ({ folder }) => {
  const events: StreamEvents = { onBytes: () => {}, onClose: () => {} };
  const dead = join(folder, "dead");
  // Left behind by somebody who was killed: bound, and nobody there.
  const code = `const s = require("node:net").createServer(); s.listen(${JSON.stringify(dead)}, ` +
    `() => process.kill(process.pid, "SIGKILL"))`;
  const killed = await host.start(["/usr/bin/env", "node", "-e", code]);
  await killed.ended;
  assert.ok(statSync(dead).isSocket());
  const stop = await host.listen(dead, () => events);
  await stop();
  const foreign = join(folder, "foreign");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(foreign, resolve));
  await rejectsCode(waits, host.listen(foreign, () => events), "exists");
  server.close();
  const plain = join(folder, "plain");
  writeFileSync(plain, "a file of somebody");
  await rejectsCode(waits, host.listen(plain, () => events), "exists");
  assert.is(readFileSync(plain, "utf8"), "a file of somebody");
});

test.run();
