/** [nats] of a node's configuration: each way to log in, the node's own server, and what is said about a mistake. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readNodeConfig } from "../../actors/node_config.ts";
import type { NatsOptions } from "../../actors/node_nats.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const test = suite("[nats] of a node");
const SERVERS = ["127.0.0.1:4222"];

function read(nats: object): NatsOptions {
  return readNodeConfig({ cluster: "edge", name: "n0", nats }, "edge.toml").nats;
}

function mistake(nats: object): string {
  try {
    read(nats);
  } catch (error) {
    assert.instance(error, CtdbxError);
    assert.is((error as CtdbxError).code, "config");
    return (error as CtdbxError).message;
  }
  throw new Error(`taken: ${JSON.stringify(nats)}`);
}

test("one way to log in, or none", () => {
  assert.equal(read({}), { servers: SERVERS });
  assert.equal(read({ nkey: "/k" }), { servers: SERVERS, keyFile: "/k" });
  assert.equal(read({ creds: "/c" }), { servers: SERVERS, keyFile: "/c" });
  assert.equal(read({ user: "u", password: "p", inbox: "_INBOX_u.x" }), {
    servers: SERVERS,
    user: "u",
    password: "p",
    inbox: "_INBOX_u.x",
  });
  assert.equal(read({ token: "t" }), { servers: SERVERS, token: "t" });
});

test("TLS: an authority, a certificate with its key, a name", () => {
  const tls = { ca: "/ca", cert: "/crt", key: "/key", server_name: "nats.example" };
  const { server_name: serverName, ...rest } = tls;
  assert.equal(read({ tls }).tls, { ...rest, serverName });
  assert.equal(read({ tls: {} }).tls, {});
});

test("a server of its own: all of it, and what holds without", () => {
  const plan = { listen: "127.0.0.1:4222", hasStore: true };
  assert.equal(read({ server: {} }).server, plan);
  assert.equal(read({ server: { store: "none" } }).server, { ...plan, hasStore: false });
  const cluster = { listen: "10.0.0.1:6222", routes: ["10.0.0.2:6222", "[fe80::1]:6222"] };
  const tls = { cert: "/c", key: "/k", ca: "/a" };
  const all = { listen: "[::1]:1", advertise: "a.example:4222", store: "/s", tls };
  assert.equal(read({ server: { ...all, cluster: { ...cluster, secret: "/x" } } }).server, {
    ...all,
    hasStore: true,
    cluster: { ...cluster, name: "ctdbx", secretFile: "/x" },
  });
});

test("a file of users for a server that somebody else starts", () => {
  assert.equal(read({ users: { file: "/u", pid: "/p" } }).users, { file: "/u", pidFile: "/p" });
  assert.equal(read({ users: { file: "/u" } }).users, { file: "/u" });
});

for (
  const [nats, said] of [
    [{ nkey: "k" }, "nats.nkey must be an absolute path"],
    [{ nkey: "/k", token: "t" }, "nats.token cannot be used with another way to log in: nkey and"],
    [{ nkey: "/k", creds: "/c" }, "nats.creds cannot be used with another way to log in: nkey and"],
    [{ password: "p" }, "nats.password needs user"],
    [{ user: "a b" }, "nats.user must be 1 to 512 characters, none of them blank"],
    [{ inbox: "a.*" }, "nats.inbox must be words"],
    [{ tls: { cert: "/c" } }, "nats.tls.key is missing: both or neither"],
    [{ tls: { key: "/c" } }, "nats.tls.cert is missing: both or neither"],
    [{ tls: true }, "nats.tls must be a table"],
    [{ tls: { cacert: "/c" } }, "nats.tls.cacert is not known here; known are ca, cert, key, "],
    [{ server: { listen: "4222" } }, "nats.server.listen must be host:port"],
    [{ server: { listne: "a:1" } }, "nats.server.listne is not known here"],
    [{ server: { store: "s" } }, 'nats.server.store must be an absolute path, or "none"'],
    [{ server: { cluster: { listen: "a:1" } } }, "nats.server.cluster.routes is missing"],
    [{ server: { cluster: { routes: ["a:1"] } } }, "nats.server.cluster.listen is missing"],
    [{ server: { tls: { cert: "/c" } } }, "nats.server.tls.key is missing"],
    [{ users: {} }, "nats.users.file is missing"],
    [{ users: { file: "/u", more: 1 } }, "nats.users.more is not known here; known are file, pid"],
  ] as const
) {
  test(`refused: ${JSON.stringify(nats)}`, () => {
    assert.match(mistake(nats), `Cannot read edge.toml: ${said}`);
  });
}

test.run();
