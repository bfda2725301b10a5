/** What a node's configuration says of checks and notifications, and how each wrong field is named. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readNodeConfig } from "../../../actors/node_config.ts";
import { hasSecrets } from "../../../actors/services/config.ts";

const test = suite("node configuration: services");
const PLAIN = { cluster: "edge", name: "n0" };

function read(more: object) {
  return readNodeConfig({ ...PLAIN, ...more }, "edge.toml");
}

test("nothing is said: no checks, no notifications", () => {
  assert.equal([read({}).checks, read({}).notify], [undefined, undefined]);
  assert.equal(read({ check: [] }).checks, undefined);
});

test("a check of few words has defaults", () => {
  const [check] = read({ check: [{ name: "ssh", kind: "tcp", port: 22 }] }).checks!;
  assert.equal(check, {
    wish: { kind: "tcp", host: "127.0.0.1", port: 22 },
    rule: {
      name: "ssh",
      intervalMs: 10_000,
      retryMs: 10_000,
      timeoutMs: 5000,
      warnAfter: 1,
      errorAfter: 3,
      passes: 1,
      graceMs: 0,
    },
    isCritical: true,
  });
});

test("everything that can be said of a check", () => {
  const [check] = read({
    check: [{
      name: "web.1",
      kind: "http",
      url: "http://[::1]:8080/health?x=1",
      method: "GET",
      headers: { Authorization: "Bearer 1" },
      status: 204,
      contains: "fine",
      interval: "500ms",
      retry: "200ms",
      timeout: "2s",
      fails: ":5",
      passes: 2,
      grace: "1m",
      critical: false,
      restart: ["systemctl", "restart", "web"],
      restart_after: 7,
      restarts: 2,
      restart_wait: "1m",
      restart_wait_max: "1h",
      restart_timeout: "30s",
    }],
  }).checks!;
  assert.equal(check, {
    wish: {
      kind: "http",
      url: "http://[::1]:8080/health?x=1",
      method: "GET",
      headers: { Authorization: "Bearer 1" },
      status: 204,
      contains: "fine",
    },
    rule: {
      name: "web.1",
      intervalMs: 500,
      retryMs: 200,
      timeoutMs: 2000,
      warnAfter: 0,
      errorAfter: 5,
      passes: 2,
      graceMs: 60_000,
      restart: { after: 7, limit: 2, firstMs: 60_000, mostMs: 3_600_000, timeoutMs: 30_000 },
    },
    isCritical: false,
    restart: ["systemctl", "restart", "web"],
  });
});

test("each kind, with its fields", () => {
  const kinds: readonly [object, object][] = [
    [{ kind: "tcp", host: "::1", port: 25, send: "QUIT\r\n", expect: "220" }, {
      kind: "tcp",
      host: "::1",
      port: 25,
      send: "QUIT\r\n",
      expect: "220",
    }],
    [{ kind: "exec", command: ["/bin/true"], env: { A: "b" }, warn_exit: 2 }, {
      kind: "exec",
      command: ["/bin/true"],
      env: { A: "b" },
      warnExit: 2,
    }],
    [{ kind: "file", path: "/a", max_age: "5m", min_size: 1 }, {
      kind: "file",
      path: "/a",
      ageMaxMs: 300_000,
      bytesMin: 1,
    }],
    [{ kind: "systemd", unit: "smbd.service" }, { kind: "systemd", unit: "smbd.service" }],
    [{ kind: "disk", path: "/", used: "80:", files: ":99" }, {
      kind: "disk",
      path: "/",
      used: { warn: 80, error: undefined },
      files: { warn: undefined, error: 99 },
    }],
    [{ kind: "memory" }, {
      kind: "memory",
      used: { warn: 85, error: 95 },
      swap: { warn: undefined, error: undefined },
    }],
  ];
  for (const [given, wish] of kinds) {
    assert.equal(read({ check: [{ name: "c", ...given }] }).checks![0]!.wish, wish);
  }
});

test("everything that can be said of a notification", () => {
  const { notify } = read({
    notify: [
      { name: "hook", kind: "script", command: ["/bin/hook", "x"], on: ["service", "audit:done"] },
      { name: "ctdb", kind: "script", command: ["/etc/ctdb/notify.sh"], style: "ctdb" },
      { name: "bus", kind: "nats", subject: "ops.alerts", on: ["cluster:called dead"] },
      { name: "own", kind: "nats", topic: "alerts", on: ["service"] },
      { name: "web", kind: "webhook", url: "https://h/x", timeout: "1s", on: ["state:unhealthy"] },
    ],
  });
  assert.equal(notify!.map(({ way, on, timeoutMs }) => [way, on, timeoutMs]), [
    [{ kind: "script", command: ["/bin/hook", "x"], style: "events" }, [
      { topic: "service" },
      { topic: "audit", word: "done" },
    ], 10_000],
    [{ kind: "script", command: ["/etc/ctdb/notify.sh"], style: "ctdb" }, [], 10_000],
    [{ kind: "nats", subject: "ops.alerts" }, [
      { topic: "cluster", word: "called dead" },
    ], 10_000],
    [{ kind: "nats", topic: "alerts" }, [{ topic: "service" }], 10_000],
    [{ kind: "webhook", url: "https://h/x" }, [{ topic: "state", word: "unhealthy" }], 1000],
  ]);
});

test("what only the owner may read is known as such", () => {
  const http = { name: "c", kind: "http", url: "http://h/" };
  const hook = { name: "w", kind: "webhook", url: "http://h/", on: ["state"] };
  const cases: readonly [object, boolean][] = [
    [{}, false],
    [{ check: [http] }, false],
    [{ check: [{ ...http, headers: { a: "b" } }] }, true],
    [{ check: [{ ...http, url: "http://user:word@h/" }] }, true],
    [{ notify: [hook] }, true],
    [{ notify: [{ name: "n", kind: "nats", topic: "alerts", on: ["state"] }] }, false],
  ];
  for (const [given, isSecret] of cases) assert.is(hasSecrets(read(given)), isSecret);
});

const TCP = { name: "c", kind: "tcp", port: 1 };
const HTTP = { name: "c", kind: "http", url: "http://h/" };
const HOOK = { name: "h", kind: "script", command: ["/bin/h"], on: ["state"] };
const BUS = { name: "b", kind: "nats", on: ["state"] };
const REFUSED: readonly [object, RegExp][] = [
  [{ check: 1 }, /edge.toml: check must be an array of up to 128 tables/],
  [{ check: TCP }, /check must be an array .*\[\[check\]\]/],
  [{ check: [7] }, /check\[1\] must be a table/],
  [{ check: Array(129).fill(TCP) }, /up to 128 tables/],
  [{ check: [TCP, { kind: "tcp" }] }, /check\[2\].name is missing/],
  [{ check: [{ ...TCP, name: "a b" }] }, /check\[1\].name must be 1 to 63 of/],
  [{ check: [TCP, { ...TCP }] }, /check.c.name is that of another check/],
  [{ check: [{ name: "c" }] }, /check.c.kind is missing; it must be tcp, http, exec/],
  [{ check: [{ ...TCP, kind: "ping" }] }, /check.c.kind must be tcp, .* is "ping"/],
  [{ check: [{ ...TCP, prt: 1 }] }, /check.c.prt is not known here/],
  [{ check: [{ ...TCP, url: "http://h/" }] }, /check.c.url is not known here/],
  [{ check: [{ name: "c", kind: "tcp" }] }, /check.c.port is missing/],
  [{ check: [{ ...TCP, port: 65536 }] }, /check.c.port must be a whole number from 1 to 65535/],
  [{ check: [{ ...TCP, port: "22" }] }, /check.c.port must be a whole number/],
  [{ check: [{ ...TCP, host: "a b" }] }, /check.c.host must be a name or an address/],
  [{ check: [{ ...TCP, interval: 5 }] }, /check.c.interval must be a time from 100ms to 24h/],
  [{ check: [{ ...TCP, interval: "99ms" }] }, /check.c.interval must be a time/],
  [{ check: [{ ...TCP, interval: "1d" }] }, /check.c.interval must be a time/],
  [{ check: [{ ...TCP, timeout: "2h" }] }, /check.c.timeout must be a time from 100ms to 1h/],
  [{ check: [{ ...TCP, fails: "3" }] }, /check.c.fails must be WARN:ERROR, failures in a row/],
  [{ check: [{ ...TCP, fails: ":" }] }, /check.c.fails must be WARN:ERROR/],
  [{ check: [{ ...TCP, fails: "0:3" }] }, /check.c.fails must count from 1/],
  [{ check: [{ ...TCP, fails: "5:3" }] }, /check.c.fails must not have a warning above its error/],
  [{ check: [{ ...TCP, fails: "1:1001" }] }, /check.c.fails must be 1000 at most/],
  [{ check: [{ ...TCP, passes: 0 }] }, /check.c.passes must be a whole number/],
  [{ check: [{ ...TCP, critical: "no" }] }, /check.c.critical must be true or false/],
  [{ check: [{ ...TCP, restart: "reboot" }] }, /check.c.restart must be an array/],
  [{ check: [{ ...TCP, restart: [] }] }, /check.c.restart must be an array/],
  [{ check: [{ ...TCP, restarts: 3 }] }, /check.c.restarts is of no use without restart/],
  [{ check: [{ ...TCP, restart_wait: "1s" }] }, /check.c.restart_wait is of no use/],
  [
    { check: [{ ...TCP, restart: ["a"], restart_wait: "1m", restart_wait_max: "1s" }] },
    /check.c.restart_wait_max must be a time from 1m/,
  ],
  [{ check: [{ ...HTTP, url: "ftp://h/" }] }, /check.c.url must be http/],
  [{ check: [{ ...HTTP, url: "http://h:99999/" }] }, /check.c.url must be http/],
  [{ check: [{ ...HTTP, status: 99 }] }, /check.c.status must be a whole number from 100 to 599/],
  [{ check: [{ ...HTTP, headers: { "a b": "c" } }] }, /check.c.headers cannot have a name "a b"/],
  [{ check: [{ ...HTTP, headers: { a: "b\r\nc: d" } }] }, /check.c.headers.a must be a text/],
  [{ check: [{ ...HTTP, headers: "a: b" }] }, /check.c.headers must be a table/],
  [{ check: [{ ...HTTP, method: "HEAD", contains: "x" }] }, /check.c.contains is of no use/],
  [{ check: [{ name: "c", kind: "exec" }] }, /check.c.command is missing/],
  [
    { check: [{ name: "c", kind: "exec", command: ["a"], warn_exit: 0 }] },
    /check.c.warn_exit must be a whole number/,
  ],
  [{ check: [{ name: "c", kind: "file", path: "a" }] }, /check.c.path must be an absolute path/],
  [{ check: [{ name: "c", kind: "systemd", unit: "a b" }] }, /check.c.unit must be the name/],
  [{ check: [{ name: "c", kind: "disk", path: "/", used: "80:101" }] }, /used must be 100 at most/],
  [{ check: [{ name: "c", kind: "disk", path: "/", used: "90:80" }] }, /used must not have/],
  [{ check: [{ name: "c", kind: "memory", used: "" }] }, /used must be WARN:ERROR, percent in use/],
  [{ notify: [{ kind: "nats" }] }, /notify\[1\].name is missing/],
  [{ notify: [HOOK, HOOK] }, /notify.h.name is that of another notification/],
  [{ notify: [{ ...HOOK, kind: "mail" }] }, /notify.h.kind must be script, nats, webhook/],
  [{ notify: [{ ...HOOK, command: ["h"] }] }, /notify.h.command must begin with an absolute path/],
  [{ notify: [{ ...HOOK, on: undefined }] }, /notify.h.on is missing/],
  [{ notify: [{ ...HOOK, on: [] }] }, /notify.h.on must be an array/],
  [{ notify: [{ ...HOOK, on: ["heartbeat"] }] }, /notify.h.on must be TOPIC or TOPIC:WORD/],
  [{ notify: [{ ...HOOK, on: ["state:"] }] }, /notify.h.on must be TOPIC or TOPIC:WORD/],
  [{ notify: [{ ...HOOK, style: "ctdb" }] }, /notify.h.on is of no use with style "ctdb"/],
  [{ notify: [{ ...HOOK, timeout: "1h" }] }, /notify.h.timeout must be a time from 100ms to 10m/],
  [{ notify: [BUS] }, /notify.b.topic or subject is missing/],
  [{ notify: [{ ...BUS, subject: "a.*" }] }, /notify.b.subject must be a subject without wild/],
  [{ notify: [{ ...BUS, subject: "$SYS.x" }] }, /notify.b.subject must be a subject/],
  [{ notify: [{ ...BUS, subject: "ctdbx.edge.n" }] }, /subject must not begin with ctdbx/],
  [{ notify: [{ ...BUS, topic: "state" }] }, /notify.b.topic cannot be state/],
  [{ notify: [{ ...BUS, topic: "cbor" }] }, /notify.b.topic cannot be cbor/],
  [{ notify: [{ ...BUS, topic: "a", subject: "b" }] }, /notify.b.subject is not known here/],
  [{ notify: [{ name: "w", kind: "webhook", url: "h", on: ["state"] }] }, /notify.w.url must be/],
];
for (const [more, why] of REFUSED) {
  test(`refused: ${JSON.stringify(more).slice(0, 100)} ${why.source}`, () => {
    assert.throws(() => read(more), why);
    assert.throws(() => read(more), /Cannot read edge\.toml: (?:check|notify)/);
  });
}

test.run();
