/** TLS to a real server: what connects, and what each thing that can be wrong is called. */

import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BusTls } from "../../transport/real_nats_login.ts";
import type { RealBus } from "../../transport/real_bus.ts";
import type { NatsServer } from "../../transport/real_nats_server.ts";
import { PAYLOAD_MIN } from "../../transport/wire/codec.ts";
import { MESSAGE_MAX } from "../../transport/wire/limits.ts";
import { limit } from "../limit.ts";
import { Authority, type CertificateFiles } from "./certificates.ts";
import { NatsRig, until } from "./nats.ts";
import { EDGE, somebody } from "./roles_rig.ts";

interface Context {
  folder: string;
  rig: NatsRig;
  authority: Authority;
  other: Authority;
  good: CertificateFiles;
  client: CertificateFiles;
  /** Demands TLS. */
  server: NatsServer;
  /** Demands a certificate, too. */
  mutual: NatsServer;
}

const test = suite<Context>("TLS to a real server");
const LOOPBACK = "DNS:localhost,IP:127.0.0.1";

test.before(limit(30_000, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-tls-"));
  const rig = new NatsRig();
  Object.assign(context, { folder, rig });
  const authority = Authority.make(folder, "authority");
  const good = authority.issue("good", LOOPBACK);
  Object.assign(context, {
    authority,
    good,
    other: Authority.make(folder, "other"),
    client: authority.issue("client", "DNS:client"),
    server: await rig.server({ tls: good }),
    mutual: await rig.server({ tls: { ...good, ca: authority.ca } }),
  });
}));
test.after(async ({ rig, folder }) => {
  await rig?.end();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Dials until it is told why it does not get in. */
async function refused(rig: NatsRig, server: string, tls: BusTls | undefined, why: RegExp) {
  const bus = rig.dial([server], { login: tls === undefined ? {} : { tls } });
  while (!why.test(bus.trouble ?? "")) {
    assert.is(bus.status, "disconnected", `${why}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await bus.close();
}

/** Sends the largest and the smallest there and back. */
async function works(bus: RealBus): Promise<void> {
  await until(bus, "connected");
  for (const size of [0, PAYLOAD_MIN, MESSAGE_MAX]) {
    const length = new Promise<number>((resolve) => {
      const end = bus.subscribe("back", ({ payload }) => {
        end();
        resolve(payload.length);
      });
    });
    bus.publish("back", new Uint8Array(size).fill(7));
    assert.is(await length, size);
  }
}

test("A server of an authority that is named: by address, by name, by another name", async (context) => {
  const { rig, server, authority } = context;
  const tls = { ca: authority.ca };
  await works(rig.dial([server.address], { login: { tls } }));
  await works(rig.dial([`localhost:${server.port}`], { login: { tls } }));
  const { cert, key } = authority.issue("named", "DNS:nats.example");
  const named = await rig.server({ tls: { cert, key } });
  await works(
    rig.dial([named.address], { login: { tls: { ...tls, serverName: "nats.example" } } }),
  );
});

test("A server that demands TLS from one without, and the other way round", async ({ rig, server, authority }) => {
  await refused(
    rig,
    server.address,
    undefined,
    /it demands TLS: name its authority in \[nats\] tls/,
  );
  const plain = await rig.server();
  await refused(rig, plain.address, { ca: authority.ca }, /it does not speak TLS, which/);
});

test("A foreign authority, a wrong host, an expired certificate: each in its own words", async (context) => {
  const { rig, server, authority, other } = context;
  await refused(rig, server.address, { ca: other.ca }, /of an authority that is not trusted/);
  await refused(rig, server.address, {}, /of an authority that is not trusted/);
  const wrong = await rig.server({ tls: authority.issue("wrong", "DNS:elsewhere.example") });
  const ca = authority.ca;
  await refused(rig, wrong.address, { ca }, /its certificate is not for 127\.0\.0\.1/);
  await refused(rig, `localhost:${wrong.port}`, { ca }, /its certificate is not for localhost/);
  await refused(rig, server.address, { ca, serverName: "x.org" }, /is not for x\.org/);
  const old = await rig.server({ tls: authority.issue("old", LOOPBACK, -1) });
  await refused(rig, old.address, { ca }, /its certificate has expired/);
});

test("A server that demands our certificate: none, a foreign one, the right one", async (context) => {
  const { rig, mutual, authority, other, client } = context;
  const ca = authority.ca;
  await refused(rig, mutual.address, { ca }, /it wants a certificate of ours that it trusts/);
  const foreign = other.issue("foreign", "DNS:client");
  await refused(rig, mutual.address, { ca, ...foreign }, /it wants a certificate of ours/);
  await works(rig.dial([mutual.address], { login: { tls: { ca, ...client } } }));
});

test("Files of ours that are none, or do not belong together, are named", async (context) => {
  const { rig, mutual, authority, client, good, folder } = context;
  const ca = authority.ca;
  const { cert, key } = client;
  const address = mutual.address;
  await refused(rig, address, { ca, cert, key: good.key }, /good\.key is not its key/);
  await refused(rig, address, { ca: key }, /client\.key: it holds no certificate/);
  await refused(rig, address, { ca: join(folder, "none") }, /none: there is no such file/);
  const open = join(folder, "open.key");
  copyFileSync(key, open);
  chmodSync(open, 0o644);
  await refused(rig, address, { ca, cert, key: open }, /open\.key: everybody can read it/);
});

test("A certificate that is put right is taken at the next try, without a new process", async (context) => {
  const { rig, server, authority, other, folder } = context;
  const ca = join(folder, "changing.pem");
  copyFileSync(other.ca, ca);
  const bus = rig.dial([server.address], { login: { tls: { ca } } });
  while (!/not trusted/.test(bus.trouble ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  copyFileSync(authority.ca, ca);
  await works(bus);
});

test("A cut in the middle is a cut, and the next connection is TLS again", async ({ rig, server, authority }) => {
  const proxy = await rig.proxy(server.port);
  const bus = rig.dial([proxy.address], { login: { tls: { ca: authority.ca } } });
  await works(bus);
  proxy.cut();
  await until(bus, "disconnected");
  proxy.heal();
  await works(bus);
});

test("Who goes on without TLS is told the server's first line, and nothing more", async ({ server }) => {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  let said = "";
  socket.on("data", (bytes) => said += bytes.toString("latin1"));
  socket.write("CONNECT {}\r\nSUB > 1\r\nPING\r\n");
  await closed;
  assert.match(said, /^INFO \{/);
  assert.not.match(said, /PONG/);
});

test("Keys and TLS together: a certificate lets nobody in whose key is not known", async (context) => {
  const { rig, good, authority, client } = context;
  const who = somebody("client", "web");
  const roles = { cluster: EDGE, users: [who.user] };
  const server = await rig.server({ tls: { ...good, ca: authority.ca }, roles });
  const tls = { ca: authority.ca, ...client };
  const bus = rig.dial([server.address], { login: { tls, seed: who.key.seed } });
  await until(bus, "connected");
  await bus.flush(5000);
  await refused(rig, server.address, tls, /it refuses a client without credentials/);
  const stranger = { tls, seed: somebody("client", "web").key.seed };
  const other = rig.dial([server.address], { login: stranger });
  while (!/it refuses key U/.test(other.trouble ?? "")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});

test.run();
