/** The configuration of a server: what is in it, and that nothing can be smuggled into it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tagOfKey } from "../../transport/nats_keys.ts";
import type { NatsUser } from "../../transport/nats_roles.ts";
import { natsConfig, type NatsServerOptions } from "../../transport/nats_config.ts";
import { findNatsServer } from "../../transport/real_nats_server.ts";
import { newNkey } from "../../transport/real_nkeys.ts";
import { throwsCode, throwsRange } from "../contracts/port_fixture.ts";

const test = suite("NATS configuration");
const PLAIN: NatsServerOptions = { name: "n1", client: { port: 4222 } };

test("It listens on loopback, without JetStream, unless told", () => {
  const text = natsConfig(PLAIN);
  assert.match(text, /^server_name: "n1"$/m);
  assert.match(text, /^listen: "127\.0\.0\.1:4222"$/m);
  assert.match(text, /^max_payload: 1048576$/m);
  assert.match(text, /^write_deadline: "2s"$/m);
  assert.not.match(text, /jetstream|cluster|leafnodes|authorization|http/);
});

test("All that is told is in it", () => {
  const text = natsConfig({
    ...PLAIN,
    client: { host: "::1", port: 0 },
    storeFolder: "/var/lib/x y",
    cluster: { name: "c", port: 6222, host: "10.0.0.1", routes: ["a.b:1", "[fe80::1]:2"] },
    leafListen: { port: 7422 },
    leafOf: ["hub:7422"],
    user: "u",
    password: "p w",
    pidFile: "/run/x.pid",
  });
  const wanted = [
    'listen: "[::1]:-1"',
    'store_dir: "/var/lib/x y"',
    'listen: "10.0.0.1:6222"',
    '"nats-route://a.b:1"',
    '"nats-route://[fe80::1]:2"',
    'listen: "127.0.0.1:7422"',
    '"nats-leaf://hub:7422"',
    'user: "u"',
    'password: "p w"',
    'pid_file: "/run/x.pid"',
  ];
  for (const line of wanted) assert.ok(text.includes(line), `${line} in\n${text}`);
});

test("Nothing that could mean more than itself gets in", () => {
  const nasty = ['x"\nhttp: 1', "x\ny", "$HOME", "a\\b", "x'", "a\u0000", "x\u007f"];
  for (const text of nasty) {
    throwsRange(() => natsConfig({ ...PLAIN, name: text }));
    throwsRange(() => natsConfig({ ...PLAIN, storeFolder: `/${text}` }));
    throwsRange(() => natsConfig({ ...PLAIN, client: { host: text, port: 1 } }));
    throwsRange(() => natsConfig({ ...PLAIN, user: "u", password: text }));
    throwsRange(() => natsConfig({ ...PLAIN, pidFile: text }));
    throwsRange(() => natsConfig({ ...PLAIN, leafOf: [`${text}:1`] }));
    const cluster = { name: text, port: 1, routes: ["a:1"] };
    throwsRange(() => natsConfig({ ...PLAIN, cluster }));
    throwsRange(() =>
      natsConfig({ ...PLAIN, cluster: { ...cluster, name: "c", routes: [`a:${text}`] } })
    );
  }
  for (const port of [-1, 65536, 1.5, NaN]) {
    throwsRange(() => natsConfig({ ...PLAIN, client: { port } }));
  }
  throwsRange(() => natsConfig({ ...PLAIN, storeFolder: "/x", storeMax: 1 }));
  throwsRange(() => natsConfig({ ...PLAIN, payloadMax: 1 }));
});

test("TLS, roles, routes that log in, and where it is reached", () => {
  const key = newNkey().publicKey;
  const users: NatsUser[] = [{ role: "client", name: "web", key, tag: tagOfKey(key) }];
  const text = natsConfig({
    ...PLAIN,
    storeFolder: "/s",
    advertise: "nats.example:4222",
    tls: { cert: "/c.pem", key: "/k.pem", ca: "/ca.pem" },
    roles: { cluster: "edge", users },
    cluster: { name: "c", port: 6222, routes: ["a:1"], secret: "0123456789abcdef" },
  });
  const wanted = [
    'client_advertise: "nats.example:4222"',
    'cert_file: "/c.pem"',
    'ca_file: "/ca.pem"',
    "verify: true",
    `nkey: ${key}`,
    "jetstream: enabled",
    '"nats-route://ctdbx:0123456789abcdef@a:1"',
    'authorization { user: "ctdbx", password: "0123456789abcdef"',
  ];
  for (const line of wanted) assert.ok(text.includes(line), `${line} in\n${text}`);
  assert.is(text.split("tls {").length, 3, "clients and routes");
  const { cert, key: file } = { cert: "/c.pem", key: "/k.pem" };
  const oneWay = natsConfig({ ...PLAIN, tls: { cert, key: file } });
  assert.not.match(oneWay, /verify|ca_file/);
  const beside = natsConfig({ ...PLAIN, roles: { cluster: "edge", users: "users.conf" } });
  assert.match(beside, 'include "users.conf"');
  assert.not.match(beside, "jetstream: enabled");
});

test("Roles go with no other way to log in, and with no leaf; a weak secret is refused", () => {
  const roles = { cluster: "edge", users: [] };
  throwsRange(() => natsConfig({ ...PLAIN, roles, user: "u" }));
  throwsRange(() => natsConfig({ ...PLAIN, roles, password: "p" }));
  throwsRange(() => natsConfig({ ...PLAIN, roles, leafListen: { port: 1 } }));
  throwsRange(() => natsConfig({ ...PLAIN, roles, leafOf: ["a:1"] }));
  for (const secret of ["", "short", "with blank in it!", "x".repeat(129), "a@b:0123456789abc"]) {
    throwsRange(() =>
      natsConfig({ ...PLAIN, cluster: { name: "c", port: 1, routes: ["a:1"], secret } })
    );
  }
  for (const path of ['/x"', "/x\ny", "$HOME"]) {
    throwsRange(() => natsConfig({ ...PLAIN, tls: { cert: path, key: "/k" } }));
    throwsRange(() => natsConfig({ ...PLAIN, roles: { cluster: "edge", users: path } }));
  }
  throwsRange(() => natsConfig({ ...PLAIN, advertise: "nowhere" }));
});

test("JetStream in a cluster without routes is refused with what to do", () => {
  const cluster = { name: "c", port: 0, routes: [] };
  natsConfig({ ...PLAIN, cluster });
  assert.throws(
    () => natsConfig({ ...PLAIN, cluster, storeFolder: "/x" }),
    /name the other servers/,
  );
});

test("The program is the named one, else what is found, else the error says what to do", () => {
  assert.is(findNatsServer({ CTDBX_NATS_SERVER: "/bin/sh" }, "/none"), "/bin/sh");
  throwsCode(
    () => findNatsServer({ CTDBX_NATS_SERVER: "/none" }, "/none"),
    "not_found",
    /CTDBX_NATS_SERVER/,
  );
});

test.run();
