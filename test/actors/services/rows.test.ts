/** Checks as rows, facts and events: what is told of them, in which order, and that the longest of it fits. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { serviceFacts, unwellFacts } from "../../../actors/explain/inside_services.ts";
import type { CheckConfig } from "../../../actors/services/checks_config.ts";
import { eventOf, rowOf, type ServiceRow, servicesOf } from "../../../actors/services/rows.ts";
import { plainTail } from "../../../actors/services/health.ts";
import { type CheckState, newCheck } from "../../../actors/machines/checks/state.ts";
import { EventCodec } from "../../../transport/wire/event_codec.ts";
import type { AnyEvent } from "../../../transport/wire/messages/event.ts";
import { readEvent } from "../../../transport/wire/messages/event.ts";
import { fitText } from "../../../transport/wire/limits.ts";
import { EVENT_SERVICES_MAX } from "../../../transport/wire/messages/event_services.ts";
import { checkOf } from "./rig.ts";

const test = suite("services/rows");
/** Three bytes, and the most that one unit of a text may have. */
const WIDE = "\u20ac";

function stateOf(config: CheckConfig, more: Partial<CheckState>): CheckState {
  return { ...newCheck(config.rule, false), ...more };
}

function row(name: string, more: Partial<CheckState>, isCritical = true): ServiceRow {
  const config = checkOf(name, { isCritical });
  return rowOf(config, stateOf(config, more), undefined, 1000);
}

function whole(topic: "service" | "services", fields: object): AnyEvent {
  const head = { v: 1, topic, cluster: "c".repeat(63), node: "n".repeat(63), pnn: 4095 };
  const more = { tag: "a".repeat(10), wallMs: 2 ** 52, seq: 2 ** 52 };
  return { ...head, ...more, ...fields } as unknown as AnyEvent;
}

test("the longest event of a change fits, and is of the declared form", () => {
  const config = checkOf("x".repeat(63));
  for (const said of [WIDE, "\n", "\u0000", "\ud83d\ude00", "\\", '"', "\u001b[1m"]) {
    const tail = plainTail(said.repeat(9000), 4096);
    const why = fitText(plainTail(said.repeat(9000), 4096));
    const last = { level: "failed", why, tail, tookMs: 1, atMs: 1 } as const;
    const check = stateOf(config, { status: "failed", last, failures: 2 ** 52 });
    const event = whole("service", eventOf(config, check, "restarting", "starting"));
    const bytes = new EventCodec().json(event);
    const read = readEvent("service", JSON.parse(new TextDecoder().decode(bytes)));
    assert.is(read?.topic, "service", JSON.stringify(said));
  }
});

test("the longest event of each second fits; the worst checks are in it", () => {
  const most = { runs: 2 ** 52, failed: 2 ** 52, restarts: 2 ** 52, late: 0 };
  const rows = Array.from({ length: 128 }, (_, n) =>
    row(`c${n}`.padEnd(63, "x"), {
      status: n === 100 ? "failed" : "disabled",
      failures: 2 ** 52,
      counts: most,
      last: { level: "ok", tookMs: 123456789.123, atMs: 1 },
    }));
  const ways = Array.from({ length: 16 }, (_, n) => ({
    name: `w${n}`.padEnd(63, "x"),
    ...{ sent: 2 ** 52, failed: 2 ** 52, dropped: 2 ** 52, waiting: 65 },
  }));
  const fields = servicesOf(rows, ways)!;
  const bytes = new EventCodec().json(whole("services", fields));
  const read = readEvent("services", JSON.parse(new TextDecoder().decode(bytes)));
  assert.ok(read?.topic === "services");
  assert.equal([read.count, read.checks.length, read.healthy], [128, EVENT_SERVICES_MAX, false]);
  assert.match(read.checks[0]?.name ?? "", /^c100x/);
  assert.is(servicesOf([], []), undefined);
  assert.is(servicesOf(rows, ways, Infinity)?.checks.length, 128);
});

test("what is not critical does not make it unhealthy", () => {
  const failed = row("a", { status: "failed" }, false);
  assert.is(servicesOf([failed, row("b", { status: "warning" })], [])?.healthy, true);
  assert.is(servicesOf([failed, row("b", { status: "starting" })], [])?.healthy, false);
});

test("facts: those that are not well, the worst first, with the last lines that say anything", () => {
  const last = (tail: string) =>
    ({ level: "failed", why: "no", tail, tookMs: 1, atMs: 900 }) as const;
  const rows = [
    row("well", { status: "ok" }),
    row("off", { status: "disabled" }),
    row("warns", { status: "warning" }),
    row("new", { status: "starting" }),
    row("bad", { status: "failed", last: last("one\n\n two \nthree\n\n  \nfour\n"), dueMs: 1500 }),
  ];
  const facts = serviceFacts(rows)!;
  assert.equal(facts.map(({ name }) => name), ["bad", "new", "warns"]);
  const [bad] = facts;
  assert.equal([bad?.tail, bad?.why, bad?.lastMsAgo, bad?.nextMs], [
    ["two", "three", "four"],
    "no",
    100,
    500,
  ]);
  assert.is(facts[1]?.why, "not looked at yet");
  assert.is(serviceFacts(rows.slice(0, 2)), undefined);
});

test("facts: other parts that are not well, without colours; checks have theirs", () => {
  const facts = unwellFacts([
    { source: "check web", ok: false, why: "no" },
    { source: "data", ok: true },
    { source: "event scripts", ok: false, why: "50.x failed", tail: "\u001b[31mred\u001b[0m\n" },
  ]);
  assert.equal(facts, [{ source: "event scripts", why: "50.x failed", tail: ["red"] }]);
  assert.is(unwellFacts([{ source: "check web", ok: false }]), undefined);
});

test.run();
