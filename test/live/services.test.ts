/**
 * Services of a real node: its checks, what they make of it and of the cluster's view of it, who is told, what an
 * operator does about it. One cluster for all, of a file before this one, if it is well; its node n0 gets checks.
 */

import {
  appendFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { NotifyRow, ServiceRow } from "../../actors/services/rows.ts";
import { markService } from "../../cli/dev_addresses.ts";
import { EXIT } from "../../cli/exit_codes.ts";
import { supervisorOf } from "../../cli/processes.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { readEvent } from "../../transport/wire/messages/event.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { dataOf, DevCluster, eventually, kill } from "./dev_rig.ts";
import { Hosting } from "./hosting.ts";
import { ForeignClient } from "./nats_client.ts";

interface Context {
  dev: DevCluster;
  client: ForeignClient;
  page: Page;
}

const test = sharedSuite<Context>("live services");

/** The service that is looked at, and the server that is told. */
class Page {
  status = 200;
  readonly told: Record<string, unknown>[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.method !== "POST") {
        response.writeHead(this.status);
        return void response.end(this.status === 200 ? "fine\n" : "no backend is left\n");
      }
      let body = "";
      request.on("data", (bytes) => body += bytes);
      request.on("end", () => {
        this.told.push(JSON.parse(body));
        response.end();
      });
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function configOf(home: string, port: number): string {
  return `
[[check]]
name = "page"
kind = "http"
url = "http://127.0.0.1:${port}/"
contains = "fine"
interval = "200ms"
fails = "1:2"

[[check]]
name = "job"
kind = "exec"
command = ["/bin/sh", "-c", "echo looking; test -e ${home}/job"]
interval = "200ms"
fails = ":2"
critical = false
restart = ["/bin/sh", "-c", "echo again >> ${home}/restarts; test -e ${home}/fixable && touch ${home}/job"]
restart_wait = "100ms"
restarts = 3

[[check]]
name = "room"
kind = "disk"
path = "/"
used = "0:100"
critical = false

[[notify]]
name = "log"
kind = "script"
command = ["${home}/notify.sh"]
on = ["service"]

[[notify]]
name = "pager"
kind = "webhook"
url = "http://127.0.0.1:${port}/hook"
on = ["service:failed", "state:unhealthy"]

[[notify]]
name = "bus"
kind = "nats"
topic = "alerts"
on = ["service:failed"]

[[notify]]
name = "forbidden"
kind = "nats"
subject = "ops.alerts"
on = ["service:failed"]
`;
}

/** The daemon of n0 is killed; its supervisor starts it again, with the configuration as it is now. */
async function again(dev: DevCluster): Promise<void> {
  const before = await dev.pid(0);
  kill(before, "SIGKILL");
  await eventually("the daemon is another", async () => {
    const { exit, out } = await dev.run("service ls -o json");
    if (exit !== 0 || dataOf<ServiceRow[]>(out).length === 0) return false;
    return await dev.pid(0) !== before;
  });
}

test.before(limit(90_000, async (context) => {
  context.page = new Page();
  const port = await context.page.listen();
  context.dev = await DevCluster.borrow(3);
  const { home } = context.dev;
  writeFileSync(join(home, "job"), "");
  const script = `#!/bin/sh\necho "$1 $2" >> ${home}/told\n`;
  writeFileSync(join(home, "notify.sh"), script, { mode: 0o755 });
  const { config } = context.dev.paths(0);
  appendFileSync(config, configOf(home, port));
  // A runtime may have opened it for all by that.
  chmodSync(config, 0o600);
  const key = join(home, "keys", "monitor.nkey");
  context.client = await ForeignClient.of(context.dev.port, "dev", key);
  await again(context.dev);
}));
test.after(limit(60_000, async ({ dev, client, page }) => {
  await client?.close();
  await dev?.down();
  await page?.close();
}));

/** Runs a command as JSON and holds it against its schema. */
async function data<T>(dev: DevCluster, words: string, exit: number = 0, index = 0): Promise<T> {
  const outcome = await dev.run(`${words} -o json`, index);
  assert.is(outcome.exit, exit, `${words}: ${outcome.err}`);
  const schema = JSON.parse(await dev.ok(`${words} --schema`)) as JsonSchema;
  assert.equal(wrongs(schema, JSON.parse(outcome.out)), [], words);
  return dataOf<T>(outcome.out);
}

async function statusOf(dev: DevCluster, name: string): Promise<string> {
  const rows = await dev.json<ServiceRow[]>("service ls");
  return rows.find((row) => row.name === name)?.status ?? "";
}

async function comes(dev: DevCluster, name: string, status: string): Promise<void> {
  await eventually(`${name} is ${status}`, async () => await statusOf(dev, name) === status);
}

test("all pass: the node is well, and says how each stands; nodes without checks have none", async ({ dev }) => {
  await comes(dev, "page", "ok");
  await comes(dev, "job", "ok");
  await comes(dev, "room", "warning");
  const rows = await data<ServiceRow[]>(dev, "service ls");
  assert.equal(rows.map(({ name, kind }) => [name, kind]), [
    ["room", "disk"],
    ["job", "exec"],
    ["page", "http"],
    ["service", "file"],
  ]);
  await eventually("the node is well", async () => (await dev.node(0, 1)).condition === "ok");
  const one = await data<ServiceRow>(dev, "service show job");
  assert.equal([one.tail, one.errorAfter, one.isCritical], ["looking\n", 2, false]);
  // The one that every node of such a cluster has.
  const others = await data<ServiceRow[]>(dev, "service ls", 0, 1);
  assert.equal(others.map(({ name }) => name), ["service"]);
  const { exit, err } = await dev.run("service show nothing");
  assert.is(exit, EXIT.notFound);
  assert.match(err, "Cannot find check nothing: known are service, page, job, room");
});

test(
  "a service fails: unhealthy, also for others; explained with its last output; told in every way",
  limit(120_000, async ({ dev, client, page }) => {
    client.clear();
    page.status = 503;
    await comes(dev, "page", "failed");
    await eventually("others know", async () => (await dev.node(0, 1)).condition === "unhealthy");
    assert.match((await dev.node(0, 1)).why ?? "", /^check page: http:.* has status 503$/);
    for (const index of [0, 1]) {
      const { out } = await dev.run(index === 0 ? "node explain" : "cluster explain", index);
      assert.match(out, /[Cc]heck page of n0 fails/, `at n${index}`);
      assert.match(out, /its output: no backend is left/);
    }
    await eventually(
      "the webhook is told",
      () => page.told.some((event) => event["to"] === "failed"),
    );
    await eventually("the topic is told", () => client.of("alerts").length > 0);
    const log = join(dev.home, "told");
    await eventually("the script is told", () => {
      return existsSync(log) && readFileSync(log, "utf8").includes("service failed\n");
    });
    const [event] = client.of("service").filter(({ check, to }) =>
      check === "page" && to === "failed"
    );
    const read = readEvent("service", event);
    assert.ok(read !== undefined && read.topic === "service");
    assert.equal([read.why?.includes("status 503"), read.tail, read.critical], [
      true,
      "no backend is left\n",
      true,
    ]);
    await eventually("each second, all of them", () => {
      const told = client.of("services").filter(({ node }) => node === "n0");
      const last = readEvent("services", told.at(-1));
      return last?.topic === "services" && last.count === 4 && !last.healthy;
    });
    await eventually("what is forbidden is said", async () => {
      const ways = await data<NotifyRow[]>(dev, "service notify");
      const bad = ways.find(({ name }) => name === "forbidden");
      return /forbids this node to publish ops\.alerts/.test(bad?.why ?? "");
    });
    const text = await dev.ok("metrics");
    assert.match(text, /ctdbx_check_status\{[^}]*check="page",kind="http",status="failed"\} 1/);
    assert.match(text, /ctdbx_notifications_sent_total\{[^}]*way="pager"\} [1-9]/);
  }),
);

test("a look on demand; the service works again, and the node is well", async ({ dev, page }) => {
  const { failures } = await data<ServiceRow>(dev, "service run page", EXIT.other);
  assert.ok(failures > 2);
  page.status = 200;
  assert.is((await data<ServiceRow>(dev, "service run page")).status, "ok");
  await eventually("others know", async () => (await dev.node(0, 1)).condition === "ok");
});

test(
  "what is disabled is no reason, also after the daemon has died; what is enabled must pass first",
  limit(120_000, async ({ dev, page }) => {
    await data(dev, "service disable page --why drill");
    page.status = 503;
    await again(dev);
    const row = await data<ServiceRow>(dev, "service show page");
    assert.equal([row.status, row.disabledWhy, row.runs], ["disabled", "drill", 0]);
    await eventually("the node is well", async () => (await dev.node(0, 1)).condition === "ok");
    await data(dev, "service run page", EXIT.other);
    assert.is(await statusOf(dev, "page"), "disabled");
    assert.is((await data<ServiceRow>(dev, "service enable page")).status, "starting");
    await eventually("others know", async () => (await dev.node(0, 1)).condition === "unhealthy");
    page.status = 200;
    await eventually("it passes", async () => (await dev.node(0, 1)).condition === "ok");
  }),
);

test(
  "a service that fails is started anew, given up after so often, and tried again when an operator says so",
  limit(120_000, async ({ dev }) => {
    const restarts = (): number =>
      existsSync(join(dev.home, "restarts"))
        ? readFileSync(join(dev.home, "restarts"), "utf8").trim().split("\n").length
        : 0;
    rmSync(join(dev.home, "job"));
    await eventually("it is given up", async () => {
      const row = (await dev.json<ServiceRow[]>("service ls")).find(({ name }) => name === "job");
      return row?.gaveUp === true;
    });
    assert.is(restarts(), 3);
    const row = await data<ServiceRow>(dev, "service show job");
    assert.equal([row.status, row.restartWhy, row.restarts], ["failed", "exit code 1", 3]);
    assert.is((await dev.node(0)).condition, "ok", "it is not critical");
    assert.match((await dev.run("node explain")).out, /started anew no more/);
    writeFileSync(join(dev.home, "fixable"), "");
    await data(dev, "service enable job");
    await comes(dev, "job", "ok");
    assert.is(restarts(), 4);
  }),
);

test("a configuration that is wrong, or a secret that everybody can read, is refused by name", async ({ dev }) => {
  const { config } = dev.paths(2);
  const before = readFileSync(config, "utf8");
  const cases: readonly [string, number, RegExp][] = [
    [
      `[[check]]\nname = "a"\nkind = "tcp"\nport = 0\n`,
      0o600,
      /ctdbx\.toml: check\.a\.port must be/,
    ],
    [
      `[[notify]]\nname = "b"\nkind = "script"\n`,
      0o600,
      /ctdbx\.toml: notify\.b\.command is missing/,
    ],
    [
      `[[notify]]\nname = "c"\nkind = "webhook"\nurl = "http://h/x"\non = ["state"]\n`,
      0o644,
      /holds a secret, and everybody can read it/,
    ],
  ];
  for (const [more, mode, why] of cases) {
    rmSync(config);
    writeFileSync(config, `${before}\n${more}`, { mode });
    const { exit, err } = await dev.run("daemon run", 2);
    assert.is(exit, EXIT.usage, err);
    assert.match(err, why);
  }
  rmSync(config);
  writeFileSync(config, before, { mode: 0o600 });
});

test(
  "a daemon is killed, one stands still with its supervisor, a check fails: its addresses move, none is twice",
  limit(180_000, async ({ dev, client }) => {
    await dev.well();
    const hosting = new Hosting(dev, client);
    await hosting.begin();
    const looks = ["ip ls", "ip show 192.0.2.1", "ip list", "ip list -n all", "ip history"];
    for (const words of [...looks, "ip rebalance", "ip rebalance --trace"]) await data(dev, words);
    const at = async (name: string) =>
      (await hosting.rows()).filter(({ node }) => node === name).map(({ address }) => address);
    const lost = await at("n1");
    const killMs = Date.now();
    kill(await dev.pid(1), "SIGKILL");
    hosting.over(1, killMs, Date.now());
    await hosting.moved(1, lost, killMs);
    await dev.well();
    await hosting.shared();

    const held = await at("n2");
    const stopMs = Date.now();
    const pids = [supervisorOf(dev.paths(2).run) ?? 0, await dev.pid(2)];
    for (const pid of pids) kill(pid, "SIGSTOP");
    const { leftMs = 0 } = dev.moment(2) ?? {};
    const leaseEndMs = Date.now() + leftMs;
    hosting.over(2, stopMs, leaseEndMs);
    try {
      await hosting.without(2);
      await hosting.moved(2, held, stopMs);
    } finally {
      for (const pid of pids) kill(pid, "SIGCONT");
    }
    for (const { address, wallMs } of hosting.taken(2, stopMs)) {
      if (!held.some((one) => one === address)) continue;
      assert.ok(wallMs >= leaseEndMs, `${address} ${leaseEndMs - wallMs} ms before the lease end`);
    }
    await dev.well();
    await hosting.shared();

    markService(dev.home, 1, false);
    try {
      await hosting.without(1);
      const { exit, out } = await dev.run("node explain n1");
      assert.is(exit, EXIT.expectation);
      assert.match(out, /Check service of n1 fails\n[^]*service\.up: there is none/);
    } finally {
      markService(dev.home, 1, true);
    }
    await hosting.shared();
    assert.ok(hosting.judge() >= 10, "there is something to judge");
  }),
);

test.run();
