/** Checks of a node in virtual time: verdicts and health, events, restarts, looks on demand, what is disabled. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CheckConfig } from "../../../actors/services/checks_config.ts";
import { checkOf, Rig, STATE } from "./rig.ts";

const test = suite("services");

async function assertRejects(promise: Promise<unknown>, why: RegExp): Promise<void> {
  const text = await promise.then(() => "", (error: Error) => error.message);
  assert.match(text, why);
}

test.either("until a critical check has passed the node is not well; another one is no reason", async () => {
  const rig = new Rig([checkOf("web"), checkOf("log", { isCritical: false })]);
  assert.equal(rig.words, [{ healthy: false, why: "check web: not looked at yet" }]);
  rig.services.start();
  await rig.run(1000);
  assert.equal(rig.words.at(-1), { healthy: true });
  assert.equal(rig.health.verdict.sources, [{ source: "check web", ok: true }]);
  assert.equal(rig.services.rows.map(({ name, status }) => [name, status]), [
    ["web", "ok"],
    ["log", "ok"],
  ]);
});

test.either("a failure is said with its reason and the end of its output: in health, event, log and row", async () => {
  const rig = new Rig([checkOf("web")]);
  rig.services.start();
  await rig.run(500);
  rig.prober.next = { level: "failed", why: "status \u001b[1m503", tail: "\u001b[31mno backend\n" };
  await rig.run(3000);
  assert.equal(rig.words.at(-1), { healthy: false, why: "check web: status 503" });
  assert.is(rig.health.verdict.sources[0]?.tail, "no backend\n");
  const changes = rig.events.map(({ what, from, to, why, tail, critical }) =>
    [what, from, to, why, tail, critical] as const
  );
  assert.equal(changes, [
    ["changed", "starting", "ok", undefined, undefined, true],
    ["changed", "ok", "warning", "status 503", "no backend\n", true],
    ["changed", "warning", "failed", "status 503", "no backend\n", true],
  ]);
  assert.ok(rig.log.includes("error: Check web is failed, was warning"));
  const row = rig.services.row("web");
  assert.equal([row.status, row.why, row.tail, row.target], [
    "failed",
    "status 503",
    "no backend\n",
    "http://127.0.0.1/web",
  ]);
  assert.ok(row.failures >= 2 && (row.lastMsAgo ?? NaN) <= 1200);
  rig.prober.next = { level: "ok" };
  await rig.run(1500);
  assert.equal(rig.words.at(-1), { healthy: true });
});

const RESTARTED: CheckConfig = checkOf("web", {
  restart: ["/bin/again", "web"],
  rule: {
    ...checkOf("web").rule,
    restart: { after: 2, limit: 2, firstMs: 100, mostMs: 1000, timeoutMs: 5000 },
  },
});

test.either("a service is started anew: its command stays, its end is told, and at last it is given up", async () => {
  const rig = new Rig([RESTARTED]);
  rig.groups.end = { code: 3, output: "one\nunit not found\n" };
  rig.prober.next = { level: "failed", why: "no" };
  rig.services.start();
  await rig.run(20_000);
  const [wish] = rig.groups.wishes;
  assert.equal([wish?.command, wish?.keepsBackground, wish?.timeoutMs], [
    ["/bin/again", "web"],
    true,
    5000,
  ]);
  assert.is(rig.groups.wishes.length, 2);
  assert.equal(
    rig.events.filter(({ what }) => what !== "changed").map(({ what, why }) => [what, why]),
    [
      ["restarting", "no"],
      ["restarted", "exit code 3: unit not found"],
      ["restarting", "no"],
      ["restarted", "exit code 3: unit not found"],
      ["gave up", "no"],
    ],
  );
  const { gaveUp, restarts, restartWhy, restart } = rig.services.row("web");
  assert.equal([gaveUp, restarts, restartWhy, restart], [
    true,
    2,
    "exit code 3: unit not found",
    "/bin/again web",
  ]);
});

test.either("a look on demand is answered when it has ended, also of a disabled check", async () => {
  const rig = new Rig([checkOf("web")]);
  rig.services.start();
  await rig.run(500);
  const before = rig.prober.looks.length;
  rig.prober.next = { level: "failed", why: "now" };
  const [one, two] = await rig.drive(
    Promise.all([rig.services.run("web"), rig.services.run("web")]),
  );
  assert.equal([one?.why, two?.why], ["now", "now"]);
  assert.is(rig.prober.looks.length, before + 1);
  await rig.drive(rig.services.enable("web", false, "moved"));
  const row = await rig.drive(rig.services.run("web"));
  assert.equal([row.status, row.why, row.disabledWhy], ["disabled", "now", "moved"]);
  assert.equal(rig.words.at(-1), { healthy: true });
  await assertRejects(rig.services.run("mail"), /Cannot find check mail: known are web/);
});

test.either("what is disabled stays so when the daemon starts again; what was enabled begins anew", async () => {
  const rig = new Rig([checkOf("web"), checkOf("mail")]);
  rig.services.start();
  await rig.run(500);
  await rig.drive(rig.services.enable("web", false, "a drill"));
  const looks = rig.prober.looks.length;
  await rig.run(5000);
  assert.not(rig.prober.looks.slice(looks).includes("web"));
  rig.services.stop();
  const again = rig.again([checkOf("web"), checkOf("mail")]);
  assert.equal([again.row("web").status, again.row("web").disabledWhy], ["disabled", "a drill"]);
  assert.is(again.row("mail").status, "starting");
  again.start();
  await rig.run(500);
  assert.equal(rig.words.at(-1), { healthy: true });
  rig.prober.next = { level: "failed", why: "no" };
  await rig.drive(again.enable("web", true));
  assert.is(again.row("web").status, "starting");
  assert.match(rig.words.at(-1)?.why ?? "", /check web/);
  again.stop();
  assert.is(rig.again([checkOf("web")]).row("web").disabledWhy, undefined);
});

test.either("a disk that takes no writes: nothing is disabled, and who asked is told", async () => {
  const rig = new Rig([checkOf("web")]);
  rig.services.start();
  await rig.run(500);
  rig.machine.disk.failAt(1, "no_space");
  await assertRejects(rig.drive(rig.services.enable("web", false)), /./);
  assert.equal([rig.services.row("web").status, rig.services.row("web").disabledWhy], [
    "ok",
    undefined,
  ]);
});

test.either("a file that cannot be read is said, and nothing is disabled", async () => {
  for (const text of ["{", `{"version":2,"disabled":[]}`, `{"version":1,"disabled":[{}]}`]) {
    const rig = new Rig([checkOf("web")]);
    const { disk } = rig.world;
    disk.makeFolder(STATE);
    const written = new Promise<void>((resolve) =>
      disk.write(`${STATE}/services.json`, new TextEncoder().encode(text), () => resolve())
    );
    await rig.drive(written);
    const again = rig.again([checkOf("web")]);
    assert.is(again.row("web").status, "starting");
    assert.ok(rig.log.some((line) => line.includes("cannot be read")), text);
  }
});

test.either("the end of the node ends what is under way, and who waits is told", async () => {
  const rig = new Rig([checkOf("web")]);
  rig.prober.next = undefined;
  rig.services.start();
  await rig.run(500);
  const asked = rig.services.run("web");
  rig.services.stop();
  await assertRejects(asked, /checks are not made any more/);
  assert.equal(rig.prober.stopped, ["web"]);
  await assertRejects(rig.services.run("web"), /checks are not made any more/);
});

test.run();
