/** Notifications in virtual time: which events go which way, how often, in which form, and CTDB's words. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NodeHealth } from "../../../actors/services/health.ts";
import { Notifier } from "../../../actors/services/notifier.ts";
import type { NotifyConfig } from "../../../actors/services/notify_config.ts";
import type { Courier, Delivery } from "../../../transport/courier.ts";
import type { AnyEvent, Topic } from "../../../transport/wire/messages/event.ts";
import { Rig as World } from "./rig.ts";

const test = suite("services/notifier");

/** A courier that notes what it is to tell, and ends as `ends` say, then well. */
class CourierDouble implements Courier {
  readonly told: unknown[][] = [];
  ends: Delivery[] = [];

  run(command: readonly string[], env: object, timeoutMs: number): Promise<Delivery> {
    return this.#end("run", command, env, timeoutMs);
  }

  post(url: string, headers: object, body: string, timeoutMs: number): Promise<Delivery> {
    return this.#end("post", url, headers, JSON.parse(body), timeoutMs);
  }

  #end(...what: unknown[]): Promise<Delivery> {
    this.told.push(what);
    return Promise.resolve(this.ends.shift() ?? { isFinal: false });
  }
}

class Rig {
  readonly world = new World([]);
  readonly courier = new CourierDouble();
  readonly health = new NodeHealth(() => {});
  readonly published: [string, string][] = [];
  readonly notifier: Notifier;
  #onEvent: ((event: AnyEvent) => void) | undefined;
  topics: readonly Topic[] = [];

  constructor(ways: readonly NotifyConfig[]) {
    this.notifier = new Notifier({
      world: this.world.world,
      ways,
      courier: this.courier,
      health: this.health,
      publish: (topic, payload) =>
        void this.published.push([topic, new TextDecoder().decode(payload)]),
      watch: (topics, onEvent) => {
        this.topics = topics;
        this.#onEvent = onEvent;
        return () => this.#onEvent = undefined;
      },
    });
  }

  tell(topic: string, fields: object): void {
    this.#onEvent?.({ topic, node: "n0", ...fields } as unknown as AnyEvent);
  }
}

const HOOK: NotifyConfig = {
  name: "hook",
  way: { kind: "script", command: ["/bin/hook", "-v"], style: "events" },
  on: [{ topic: "service", word: "failed" }, { topic: "state" }],
  timeoutMs: 1000,
};

test.either("events that are meant, and no others; a program gets topic and word, and the event beside", async () => {
  const rig = new Rig([HOOK]);
  rig.notifier.start();
  rig.tell("service", { what: "changed", from: "ok", to: "warning" });
  rig.tell("service", { what: "changed", from: "warning", to: "failed" });
  rig.tell("service", { what: "restarting", from: "failed", to: "failed" });
  rig.tell("state", { about: "n1", to: "banned" });
  rig.tell("audit", { verb: "x", outcome: "done" });
  await rig.world.run(100);
  const [one, two, ...more] = rig.courier.told;
  assert.equal(more, []);
  assert.equal(one?.slice(0, 2), ["run", ["/bin/hook", "-v", "service", "failed"]]);
  const env = one?.[2] as Record<string, string>;
  assert.equal([env["CTDBX_TOPIC"], env["CTDBX_WORD"]], ["service", "failed"]);
  assert.equal(JSON.parse(env["CTDBX_EVENT"] ?? ""), {
    topic: "service",
    node: "n0",
    what: "changed",
    from: "warning",
    to: "failed",
  });
  assert.equal(two?.[1], ["/bin/hook", "-v", "state", "banned"]);
  assert.is(one?.[3], 1000);
  assert.equal(rig.notifier.rows, [{
    name: "hook",
    kind: "script",
    target: "/bin/hook -v",
    on: ["service:failed", "state"],
    sent: 2,
    failed: 0,
    dropped: 0,
    waiting: 0,
    why: undefined,
  }]);
  rig.notifier.stop();
  rig.tell("state", { about: "n1", to: "ok" });
  assert.is(rig.courier.told.length, 2);
});

test.either("addresses are chosen by what happened, scripts by their outcome", async () => {
  const on = [{ topic: "address", word: "unhosted" }, { topic: "script", word: "failed" }] as const;
  const rig = new Rig([{ ...HOOK, on }]);
  rig.notifier.start();
  rig.tell("address", { what: "taken", text: "t", address: "192.0.2.1" });
  rig.tell("address", { what: "unhosted", text: "t", unhosted: 1 });
  rig.tell("script", { event: "monitor", outcome: "ok" });
  rig.tell("script", { event: "monitor", outcome: "failed" });
  await rig.world.run(100);
  assert.equal(rig.courier.told.map(([, command]) => command), [
    ["/bin/hook", "-v", "address", "unhosted"],
    ["/bin/hook", "-v", "script", "failed"],
  ]);
  rig.notifier.stop();
});

test.either("a server that is down: tried again; what is lost is counted, and said in the next one", async () => {
  const way = { kind: "webhook", url: "https://user:word@h/secret" } as const;
  const rig = new Rig([{ name: "web", way, on: [{ topic: "state" }], timeoutMs: 1000 }]);
  rig.notifier.start();
  const down = { why: "nobody listens there", isFinal: false };
  rig.courier.ends = Array(6).fill(down);
  rig.tell("state", { about: "n1", to: "a" });
  rig.tell("state", { about: "n1", to: "b" });
  rig.tell("state", { about: "n1", to: "c" });
  await rig.world.run(60_000);
  const bodies = rig.courier.told.map(([, , , body]) => body as { to: string; lost?: number });
  assert.equal(bodies.map(({ to, lost }) => [to, lost]), [
    ["a", undefined],
    ["a", undefined],
    ["a", undefined],
    ["b", 1],
    ["b", 1],
    ["b", 1],
    ["c", 2],
  ]);
  const [row] = rig.notifier.rows;
  assert.equal([row?.sent, row?.failed, row?.target], [1, 2, "https://h"]);
  assert.is(rig.world.log.filter((line) => /Notifications of web are lost/.test(line)).length, 1);
});

test.either("on the bus: on a subject, or the node's own of a topic; without a connection it is not told", async () => {
  const rig = new Rig([
    {
      name: "a",
      way: { kind: "nats", subject: "ops.x" },
      on: [{ topic: "state" }],
      timeoutMs: 500,
    },
    { name: "b", way: { kind: "nats", topic: "alerts" }, on: [{ topic: "state" }], timeoutMs: 500 },
  ]);
  const { bus } = rig.world.world;
  const heard: string[] = [];
  const end = bus.subscribe("ops.>", ({ payload }) => {
    heard.push(new TextDecoder().decode(payload));
  });
  bus.connect();
  await rig.world.run(100);
  rig.notifier.start();
  rig.tell("state", { about: "n1", to: "ok" });
  await rig.world.run(1000);
  const text = JSON.stringify({ topic: "state", node: "n0", about: "n1", to: "ok" });
  assert.equal(rig.published, [["alerts", text]]);
  assert.equal(rig.notifier.rows.map(({ sent }) => sent), [1, 1]);
  bus.cut();
  await rig.world.run(100);
  rig.tell("state", { about: "n1", to: "gone" });
  await rig.world.run(30_000);
  const [row] = rig.notifier.rows;
  assert.equal([row?.sent, row?.failed, row?.why], [
    1,
    1,
    "this node is not connected to NATS",
  ]);
  end();
});

test.either("CTDB's words: init and setup, startup when the node is well first, then how it is", async () => {
  const way = { kind: "script", command: ["/etc/notify.sh"], style: "ctdb" } as const;
  const rig = new Rig([{ name: "ctdb", way, on: [], timeoutMs: 1000 }]);
  rig.health.set("check web", { ok: false, why: "not looked at yet" });
  rig.notifier.start();
  const words = async (): Promise<unknown[]> => {
    await rig.world.run(50);
    return rig.courier.told.map(([, command]) => (command as string[])[1]);
  };
  assert.equal(await words(), ["init", "setup"]);
  rig.health.set("check web", { ok: true });
  assert.equal(await words(), ["init", "setup", "startup", "healthy"]);
  rig.health.set("check web", { ok: false, why: "a" });
  rig.health.set("check web", { ok: false, why: "b" });
  assert.equal((await words()).slice(4), ["unhealthy"]);
  rig.tell("state", { about: "n1", to: "banned" });
  rig.health.set("check web", { ok: true });
  assert.equal((await words()).slice(5), ["healthy"]);
});

test.run();
