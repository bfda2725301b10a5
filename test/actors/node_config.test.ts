/**
 * The configuration of a node: defaults, each key, and what is said about a mistake.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readNodeConfig } from "../../actors/node_config.ts";
import { SERVERS_MAX } from "../../actors/node_nats.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

const WHERE = "edge.toml";
const LEAST = { cluster: "edge", name: "n0" };

function mistake(value: unknown): string {
  try {
    readNodeConfig(value, WHERE);
  } catch (error) {
    assert.instance(error, CtdbxError);
    assert.is((error as CtdbxError).code, "config");
    return (error as CtdbxError).message;
  }
  throw new Error(`taken: ${JSON.stringify(value)}`);
}

const test = suite("node configuration");

test("cluster and name are enough", () => {
  assert.equal(readNodeConfig(LEAST, WHERE), {
    cluster: "edge",
    name: "n0",
    nats: { servers: ["127.0.0.1:4222"] },
    lock: { kind: "jetstream" },
    log: { level: "info" },
    chaos: false,
  });
});

test("all of it", () => {
  const config = {
    cluster: "e_d-G3",
    name: "rack.1",
    nats: { servers: ["a:1", "b:2"] },
    lock: { kind: "file", path: "/shared/lock" },
    log: { level: "debug" },
    chaos: true,
  };
  assert.equal(readNodeConfig(config, WHERE), config);
  const helper = { kind: "helper", command: ["/usr/bin/lock", "-x"] };
  assert.equal(readNodeConfig({ ...LEAST, lock: helper }, WHERE).lock, helper);
});

for (
  const [value, said] of [
    [
      { ...LEAST, clutser: 1 },
      "clutser is not known here; known are log, cluster, name, nats, lock, chaos",
    ],
    [
      { ...LEAST, nats: { sevrers: [] } },
      "nats.sevrers is not known here; known are nkey, creds, ",
    ],
    [{ ...LEAST, lock: { kind: "single", path: "/x" } }, "lock.path is not known here"],
    [{ name: "n0" }, "cluster is missing"],
    [{ ...LEAST, cluster: "a.b" }, 'cluster must be 1 to 63 of A-Z a-z 0-9 _ -, is "a.b"'],
    [{ ...LEAST, cluster: "x".repeat(64) }, "cluster must be"],
    [{ ...LEAST, name: 3 }, "name must be"],
    [{ ...LEAST, nats: { servers: [] } }, `nats.servers must be an array of 1 to ${SERVERS_MAX}`],
    [{ ...LEAST, nats: { servers: Array(SERVERS_MAX + 1).fill("a:1") } }, "nats.servers must be"],
    [{ ...LEAST, nats: [] }, "nats must be a table"],
    [
      { ...LEAST, lock: { kind: "zookeeper" } },
      "lock.kind must be jetstream, file, helper, single",
    ],
    [{ ...LEAST, lock: { kind: "file" } }, "lock.path is missing"],
    [{ ...LEAST, lock: { kind: "file", path: "lock" } }, "lock.path must be an absolute path"],
    [{ ...LEAST, lock: { kind: "helper" } }, "lock.command is missing"],
    [
      { ...LEAST, log: { level: "loud" } },
      'log.level must be debug, info, warning, error, is "loud"',
    ],
    [{ ...LEAST, chaos: "yes" }, 'chaos must be true or false, is "yes"'],
    [[], "the file must be a table"],
    [null, "the file must be a table"],
  ] as const
) {
  test(`refused: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
    assert.match(mistake(value), `Cannot read ${WHERE}: ${said}`);
  });
}

test("names that an object has by nature are unknown like any other", () => {
  assert.match(
    mistake(JSON.parse(`{"cluster":"e","name":"n","__proto__":1}`)),
    "__proto__ is not known",
  );
  assert.match(mistake({ ...LEAST, constructor: 1 }), "constructor is not known");
});

test("files with procedures are absolute paths", () => {
  assert.equal(readNodeConfig({ ...LEAST, procedures: ["/a.ts"] }, WHERE).procedures, ["/a.ts"]);
  assert.is(readNodeConfig(LEAST, WHERE).procedures, undefined);
  assert.match(
    mistake({ ...LEAST, procedures: ["a.ts"] }),
    /procedures must be absolute paths, is "a\.ts"/,
  );
  assert.match(
    mistake({ ...LEAST, procedures: [] }),
    /procedures must be an array of 1 to 64 strings/,
  );
});

test.run();
