/**
 * What happens to a bus when its server restarts, hangs, cuts it, refuses it or is none.
 *
 * Does NOT promise: how fast; a bus that has not noticed within its test's limit has failed.
 */

import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BusMessage } from "../../transport/world.ts";
import { Inbox, rejectsCode, text, throwsCode, utf8 } from "../contracts/port_fixture.ts";
import { limit } from "../limit.ts";
import { freePorts, NatsRig, until } from "./nats.ts";

const test = suite<{ rig: NatsRig }>("NATS faults");
const waits = { wait: <T>(promise: Promise<T>): Promise<T> => promise };

test.before.each((context) => void (context.rig = new NatsRig()));
test.after.each(({ rig }) => rig.end());

test("A server that restarts is found again, with all subscriptions", async ({ rig }) => {
  const first = await rig.server({ name: "again" });
  const bus = await rig.bus(first.address);
  const inbox = new Inbox<BusMessage>();
  bus.subscribe("again.>", inbox.put);
  await first.stop();
  await until(bus, "disconnected");
  assert.ok(bus.trouble !== undefined);
  await rig.server({ name: "again", client: { port: first.port } });
  await until(bus, "connected");
  assert.is(bus.trouble, undefined);
  bus.publish("again.x", utf8("there"));
  assert.is(text((await inbox.take()).payload), "there");
});

test("Whatever is asked of a bus in the moment its connection dies, nothing is thrown", async ({ rig }) => {
  const server = await rig.server();
  const bus = await rig.bus(server.address);
  bus.subscribe("dying", () => {});
  server.child.signal("SIGKILL");
  const outcomes = new Set<string>();
  for (let turn = 0; bus.status === "connected"; turn++) {
    bus.publish("dying", new Uint8Array(100));
    bus.subscribe(`dying.${turn}`, () => {})();
    const asked = bus.request("dying", new Uint8Array(0), 100);
    void asked.catch((error: { code?: string }) => outcomes.add(error.code ?? String(error)));
    // All places where the bus may be told: between microtasks, and between turns.
    for (let tick = 0; tick < turn % 7; tick++) await Promise.resolve();
    if (turn % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await rejectsCode(waits, bus.request("dying", new Uint8Array(0), 100), "state");
  for (const code of outcomes) assert.ok(["timeout", "not_found"].includes(code), code);
});

test(
  "A server that hangs counts as gone, and comes back when it goes on",
  limit(20_000, async ({ rig }) => {
    const server = await rig.server();
    const bus = await rig.bus(server.address);
    server.child.signal("SIGSTOP");
    await until(bus, "disconnected");
    await rejectsCode(waits, bus.request("x", utf8(""), 1000), "state");
    server.child.signal("SIGCONT");
    await until(bus, "connected");
    await bus.flush(5000);
  }),
);

test(
  "It counts as gone also when the sockets to it are full",
  limit(30_000, async ({ rig }) => {
    const server = await rig.server();
    const bus = await rig.bus(server.address);
    server.child.signal("SIGSTOP");
    // More than the kernel takes for a reader that does not read: the client's writes never end.
    for (let n = 0; n < 200; n++) bus.publish("flood", new Uint8Array(bus.payloadMax));
    await until(bus, "disconnected");
    server.child.signal("SIGCONT");
    await until(bus, "connected");
    await bus.flush(10_000);
  }),
);

test(
  "Dialling a server that hangs costs one socket at a time",
  limit(30_000, async ({ rig }) => {
    const server = await rig.server();
    const proxy = await rig.proxy(server.port);
    proxy.hang();
    const bus = rig.dial([proxy.address]);
    await proxy.accepted(5);
    const open = established("remote", Number(proxy.address.split(":")[1]));
    assert.ok(open <= 2, `${open} are open`);
    assert.match(bus.trouble ?? "", /says nothing/);
    // The same trouble is said once.
    assert.is(rig.log.lines.filter((line) => line.includes("says nothing")).length, 1);
    proxy.heal();
    await until(bus, "connected");
  }),
);

test("The next server is taken when the first is gone", async ({ rig }) => {
  const hub = { name: "hub", port: 0, routes: [] as string[] };
  const one = await rig.server({ name: "one", cluster: hub });
  const routes = [`127.0.0.1:${one.clusterPort}`];
  const two = await rig.server({ name: "two", cluster: { ...hub, routes } });
  const bus = await rig.bus(one.address, two.address);
  const other = await rig.bus(two.address);
  const inbox = new Inbox<BusMessage>();
  other.subscribe("next", inbox.put);
  await other.flush(5000);
  await one.stop();
  await until(bus, "disconnected");
  await until(bus, "connected");
  bus.publish("next", utf8("by the other"));
  assert.is(text((await inbox.take()).payload), "by the other");
});

test("A reader that stops reading is cut, the others are not", async ({ rig }) => {
  const server = await rig.server();
  const heard = await rig.bus(server.address);
  const inbox = new Inbox<BusMessage>();
  heard.subscribe("slow.end", inbox.put);
  const socket = await slowReader(server.port, "slow.*");
  const bus = await rig.bus(server.address);
  let isCut = false;
  // The kernel's buffers and the server's 64 MiB have to be full before it minds.
  for (let n = 0; !isCut && n < 4000; n++) {
    bus.publish("slow.flood", new Uint8Array(bus.payloadMax));
    if (n % 16 === 15) {
      await bus.flush(20_000);
      // Not reading it never learns that it was cut; a look at the server's side decides.
      isCut = established("local", server.port) < 3;
    }
  }
  assert.ok(isCut, "the slow reader is still connected");
  bus.publish("slow.end", utf8("end"));
  assert.is(text((await inbox.take()).payload), "end");
  assert.is(bus.status, "connected");
  assert.is(heard.status, "connected");
  socket.destroy();
});

test(
  "A bus whose messages do not come through counts as disconnected",
  limit(60_000, async ({ rig }) => {
    const server = await rig.server();
    const proxy = await rig.proxy(server.port);
    const bus = await rig.bus(proxy.address);
    const inbox = new Inbox<BusMessage>();
    bus.subscribe("deaf", inbox.put);
    await bus.flush(5000);
    const sender = await rig.bus(server.address);
    proxy.hang();
    sender.publish("deaf", utf8("into the gap"));
    await until(bus, "disconnected");
    proxy.heal();
    await until(bus, "connected");
    await bus.flush(5000);
    sender.publish("deaf", utf8("after"));
    // What lay in the old connection is not handed out: the node was absent, and knows it.
    assert.is(text((await inbox.take()).payload), "after");
  }),
);

test("The server's own limit counts when it is below ours", async ({ rig }) => {
  const server = await rig.server({ payloadMax: 2048 });
  const bus = await rig.bus(server.address);
  assert.is(bus.payloadMax, 2048);
  bus.publish("p", new Uint8Array(2048));
  throwsCode(() => bus.publish("p", new Uint8Array(2049)), "limit", /the server's limit/);
  await bus.flush(5000);
  assert.is(bus.status, "connected");
});

test("Without a server the bus says so, waits, and takes it when it comes", async ({ rig }) => {
  const [port = 0] = await freePorts(1);
  const bus = rig.dial([`127.0.0.1:${port}`]);
  assert.is(bus.status, "disconnected");
  const inbox = new Inbox<BusMessage>();
  bus.subscribe("early", inbox.put);
  bus.publish("early", utf8("dropped"));
  while (!/nothing listens there/.test(bus.trouble ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await rig.server({ client: { port } });
  await until(bus, "connected");
  bus.publish("early", utf8("kept"));
  assert.is(text((await inbox.take()).payload), "kept");
});

test("What is no NATS server is named as that", async ({ rig }) => {
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const bus = rig.dial([`nats://127.0.0.1:${port}`]);
  while (!/it is no NATS server/.test(bus.trouble ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await bus.close();
  server.close();
});

test("A server that begins to talk otherwise is given up at once, and why is told", async ({ rig }) => {
  const server = createServer((socket) => {
    socket.write('INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"proto":1}\r\n');
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      if (bytes.includes("PING")) socket.write("PONG\r\n");
      if (bytes.includes("SUB ")) socket.write("HTTP/1.1 200 OK\r\n\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const bus = rig.dial([`nats://127.0.0.1:${port}`]);
  await until(bus, "connected");
  const gone = until(bus, "disconnected");
  bus.subscribe("a", () => {});
  await gone;
  assert.match(bus.trouble ?? "", /it says what is no NATS/);
  await bus.close();
  server.close();
});

test("A wrong password is told, a right one is taken", async ({ rig }) => {
  const server = await rig.server({ user: "node", password: "s3cret of ours" });
  const bus = rig.dial([server.address]);
  while (!/authori[sz]ation/i.test(bus.trouble ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(!rig.log.lines.some((line) => line.includes("s3cret")));
  const right = rig.dial([server.address], {
    login: { user: "node", password: "s3cret of ours" },
  });
  await until(right, "connected");
});

test("A port in use is told as that", async ({ rig }) => {
  const server = await rig.server();
  const again = rig.server({ client: { port: server.port } });
  const error = await rejectsCode(waits, again, "exists");
  assert.match(error.message, /address already in use/);
});

/** A client that subscribes and never reads again. */
function slowReader(port: number, pattern: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let heard = "";
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      heard += bytes.toString("latin1");
      if (!heard.includes("\r\nPONG\r\n")) return;
      socket.pause();
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.write(`CONNECT {"verbose":false}\r\nSUB ${pattern} 1\r\nPING\r\n`);
  });
}

/** How many connections the kernel has that are open on this side and have the port at this or the other end. */
function established(end: "local" | "remote", port: number): number {
  const own = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return lines.filter((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    return state === "01" && (end === "local" ? local : remote)?.endsWith(own) === true;
  }).length;
}

test.run();
