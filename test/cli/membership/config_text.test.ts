/** Configurations that commands make: what is planned is what the daemon reads, whatever stands in it. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfigFile } from "../../../cli/config.ts";
import { type ConfigPlan, configText } from "../../../cli/membership/config_text.ts";

const test = suite("cli/membership/config_text");

const PLAN: ConfigPlan = {
  cluster: "lab",
  name: "n0",
  servers: ["10.0.0.1:4222", "[::1]:4222"],
  lock: { kind: "jetstream" },
};

function read(plan: ConfigPlan) {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-config-"));
  try {
    const path = join(folder, "ctdbx.toml");
    writeFileSync(path, configText(plan, "cluster create"));
    return readConfigFile(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the least that a node needs", () => {
  const { cluster, name, nats, lock, chaos } = read(PLAN);
  assert.equal([cluster, name, lock, chaos], ["lab", "n0", { kind: "jetstream" }, false]);
  assert.equal(nats, { servers: PLAN.servers });
});

test("a key, certificates, a server of its own with TLS, a lock in a file", () => {
  const odd = '/srv/a "b" \\c\u007f é';
  const { nats, lock, chaos } = read({
    ...PLAN,
    keyFile: odd,
    ca: `${odd}.ca`,
    lock: { kind: "file", path: odd },
    server: {
      listen: "0.0.0.0:4222",
      advertise: "10.0.0.1:4222",
      tls: { cert: "/c", key: "/k" },
    },
    chaos: true,
  });
  assert.is(nats.keyFile, odd);
  assert.equal(nats.tls, { ca: `${odd}.ca` });
  assert.equal(nats.server, {
    listen: "0.0.0.0:4222",
    advertise: "10.0.0.1:4222",
    hasStore: true,
    tls: { cert: "/c", key: "/k" },
  });
  assert.equal(lock, { kind: "file", path: odd });
  assert.ok(chaos);
});

test("credentials of an operator's own system, and a lock of a program", () => {
  const { nats, lock } = read({
    ...PLAN,
    keyFile: "/creds",
    isCreds: true,
    lock: { kind: "helper", command: ["/usr/bin/locker", "a b"] },
  });
  assert.is(nats.keyFile, "/creds");
  assert.match(configText({ ...PLAN, keyFile: "/creds", isCreds: true }, "x"), 'creds = "/creds"');
  assert.equal(lock, { kind: "helper", command: ["/usr/bin/locker", "a b"] });
});

test.run();
