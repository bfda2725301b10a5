/** The health of a node: one word of many, told when it changes; and text that is safe to show. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  HEALTH_TAIL_MAX,
  NodeHealth,
  plainTail,
  SOURCES_MAX,
  tailText,
} from "../../../actors/services/health.ts";
import { TEXT_MAX } from "../../../transport/wire/limits.ts";

const test = suite("services/health");

function told(): { readonly health: NodeHealth; readonly words: unknown[] } {
  const words: unknown[] = [];
  return { health: new NodeHealth((word) => words.push(word)), words };
}

test("a node of which nothing is said is healthy; one source that is not well makes it unhealthy", () => {
  const { health, words } = told();
  assert.equal(health.verdict, { healthy: true, sources: [] });
  health.set("check web", { ok: true });
  health.set("data", { ok: false, why: "no room" });
  health.set("check mail", { ok: false, why: "exit code 1", tail: "bye" });
  assert.equal(health.verdict, {
    healthy: false,
    why: "data: no room; check mail: exit code 1",
    sources: [
      { source: "check web", ok: true },
      { source: "data", ok: false, why: "no room" },
      { source: "check mail", ok: false, why: "exit code 1", tail: "bye" },
    ],
  });
  health.set("data", { ok: true });
  health.drop("check mail");
  assert.is(health.verdict.healthy, true);
  assert.equal(words, [
    { healthy: true },
    { healthy: false, why: "data: no room" },
    { healthy: false, why: "data: no room; check mail: exit code 1" },
    { healthy: false, why: "check mail: exit code 1" },
    { healthy: true },
  ]);
});

test("the same word again is told to nobody; a watcher hears changes until it has had enough", () => {
  const { health, words } = told();
  const heard: boolean[] = [];
  const end = health.watch(({ healthy }) => heard.push(healthy));
  health.set("a", { ok: false, why: "x", tail: "1" });
  health.set("a", { ok: false, why: "x", tail: "2" });
  assert.is(words.length, 1);
  assert.is(health.verdict.sources[0]?.tail, "2", "but it is kept");
  end();
  health.set("a", { ok: true });
  assert.equal(heard, [false]);
  assert.is(words.length, 2);
});

test("everything is bounded", () => {
  const { health } = told();
  for (let n = 0; n < SOURCES_MAX; n++) {
    health.set(`s${n}`, { ok: false, why: "y".repeat(1000), tail: "z".repeat(5000) });
  }
  assert.throws(() => health.set("one more", { ok: true }), /SOURCES_MAX/);
  health.set("s0", { ok: true });
  const { why, sources } = health.verdict;
  assert.is(why?.length, TEXT_MAX);
  assert.is(sources[1]?.why?.length, TEXT_MAX);
  assert.is(sources[1]?.tail?.length, HEALTH_TAIL_MAX);
});

test("the end of a text, well-formed, without what steers a terminal", () => {
  assert.is(tailText("abcdef", 6), "abcdef");
  assert.is(tailText("abcdefg", 6), "...efg");
  assert.is(tailText("x\ud83d\ude00y", 9), "x\ud83d\ude00y");
  assert.ok(tailText("\ud83d\ude00".repeat(9), 8).isWellFormed());
  assert.is(plainTail("\u001b[31mred\u001b[0m\r\n\tline\u0007", 99), "red\n\tline\ufffd");
  assert.is(
    plainTail("\u001b]0;title\u0007x\u009b2Jy\u202ez", 99),
    "0;title\ufffdx\ufffd2Jy\ufffdz",
  );
});

test.run();
