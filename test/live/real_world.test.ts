/** The real world put together: every part works, and closing it ends what it has begun. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { realWorld } from "../../transport/real_world.ts";
import { text, throwsCode, utf8 } from "../contracts/port_fixture.ts";
import { NatsRig, until } from "./nats.ts";

const test = suite("real world");

test("All parts of it work together", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-world-"));
  const rig = new NatsRig();
  const path = join(folder, "log");
  const world = realWorld({
    bus: { servers: [(await rig.server()).address], name: "world" },
    log: { path, speaker: ["ctdbx", "n1"] },
  });
  const { bus, clock, dice, disk, host, images, log } = world;
  await until(bus, "connected");
  bus.subscribe("echo", ({ payload, reply }) => bus.publish(reply ?? "none", payload));
  const { payload } = await bus.request("echo", utf8("hello"), 5000);
  assert.is(text(payload), "hello");
  assert.is(images, world.images, "one store for a thread");
  images.open(join(folder, "image"), { create: true }).close();
  await new Promise((resolve) => disk.write(join(folder, "file"), utf8(`${dice.u32()}`), resolve));
  assert.equal(disk.list(folder), ["file", "image", "log"]);
  assert.ok(host.alive(host.pid) && clock.nowMs() > 0);
  log.write("info", "all is well");
  await world.close();
  assert.is(bus.status, "closed");
  throwsCode(() => bus.publish("echo", utf8("")), "state");
  const lines = readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.map(({ message }) => message), ["Connected to NATS", "all is well"]);
  assert.ok(lines.every(({ logger }) => logger === "ctdbx.n1"));
  await rig.end();
  rmSync(folder, { recursive: true, force: true });
});

test.run();
