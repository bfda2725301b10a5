/**
 * Scopes of others: read and written through a node that has them.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ASKS_MAX } from "../../../../actors/machines/metadata/asking.ts";
import type { MetadataAnswer } from "../../../../actors/machines/metadata/event.ts";
import { META_VALUE_MAX } from "../../../../transport/wire/limits.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata of others");

/** Five nodes, 0 leads; 1 and 2 have database a, with three records. */
function cluster(): Watched {
  const rig = new Watched(5);
  rig.attach("a", [1, 2]);
  rig.startAll(0);
  rig.run(3000);
  for (const key of ["x/1", "x/2", "y"]) rig.write(1, "d/a", key, `of ${key}`);
  rig.write(1, "d/a", "x/gone", null);
  rig.run(500);
  rig.clear();
  return rig;
}

function read(rig: Watched, node: number, scope: string, prefix = "", at?: number): number {
  const askId = rig.nextAsk++;
  const where = at === undefined ? {} : { at: rig.node(at).nodeId };
  rig.tell(rig.node(node), { type: "read", askId, scope, prefix, ...where });
  return askId;
}

function textOf(answer: MetadataAnswer | undefined): string {
  if (answer?.type === "read") return answer.records.map(({ key }) => key).join(" ");
  return answer?.type === "refused" ? answer.code : `${answer?.type}`;
}

const answerOf = (rig: Watched, node: number, ask: number) =>
  textOf(rig.node(node).answers.get(ask));

test("an own scope is read without a message, without tombstones, in the order of keys", () => {
  const rig = cluster();
  const ask = read(rig, 2, "d/a");
  assert.is(answerOf(rig, 2, ask), "x/1 x/2 y");
  assert.is(answerOf(rig, 2, read(rig, 2, "d/a", "x/")), "x/1 x/2");
  assert.equal(rig.sent, []);
});

test("another's scope is asked of the leader, or of the node that is named", () => {
  const rig = cluster();
  const one = read(rig, 4, "d/a");
  const two = read(rig, 4, "d/a", "x/", 2);
  rig.run(100);
  assert.is(answerOf(rig, 4, one), "x/1 x/2 y");
  assert.is(answerOf(rig, 4, two), "x/1 x/2");
  assert.equal(rig.of("md_read").map(({ to }) => to), [[0], [2]]);
  // Reading is no interest: nothing of it is held.
  assert.is(rig.values(4, "d/a"), "-");
});

test("a large scope comes in parts, in any order", () => {
  const rig = cluster();
  const value = "v".repeat(META_VALUE_MAX);
  for (let i = 0; i < 300; i++) rig.write(1, "d/a", `z${i}`, i < 70 ? value : "");
  rig.run(1000);
  rig.faults = { ...rig.faults, delayMs: 200, twice: 500 };
  rig.clear();
  const ask = read(rig, 4, "d/a", "z");
  rig.run(5000);
  assert.ok(rig.of("md_read_answer").length >= 4);
  const keys = answerOf(rig, 4, ask).split(" ");
  assert.equal(keys, Array.from({ length: 300 }, (_, i) => `z${i}`).sort());
});

test("a node that does not have the scope says so", () => {
  const rig = cluster();
  const ask = read(rig, 4, "d/a", "", 3);
  rig.run(100);
  assert.is(answerOf(rig, 4, ask), "state");
});

test("without an answer a question ends, and a late one is not taken for another's", () => {
  const rig = cluster();
  rig.cut(0, 4);
  const ask = read(rig, 4, "d/a");
  rig.run(2500);
  assert.is(answerOf(rig, 4, ask), "undefined");
  rig.run(1500);
  assert.is(answerOf(rig, 4, ask), "timeout");
  rig.heal();
  const [late] = rig.of("md_read_answer");
  if (late === undefined) throw new Error("no answer was sent");
  const next = read(rig, 4, "d/a", "y");
  rig.tell(rig.node(4), {
    type: "message",
    from: rig.node(0).nodeId,
    stamp: 1n,
    message: late.message,
  });
  rig.run(100);
  assert.is(answerOf(rig, 4, next), "y");
});

test("without a leader there is nobody to ask; too many questions are refused", () => {
  const rig = cluster();
  rig.cut(0, 4);
  let last = 0;
  for (let i = 0; i <= ASKS_MAX; i++) last = read(rig, 4, "d/a");
  assert.is(answerOf(rig, 4, last), "busy");
  rig.lead(undefined);
  rig.run(5000);
  assert.is(answerOf(rig, 4, read(rig, 4, "d/a")), "state");
  const ask = rig.write(4, "d/a", "x/1", "new");
  assert.is(answerOf(rig, 4, ask), "state");
});

test("a write to another's scope is the leader's write, and names who wanted it", () => {
  const rig = cluster();
  const ask = rig.write(4, "d/a", "x/1", "new");
  assert.is(answerOf(rig, 4, ask), "undefined");
  rig.run(100);
  assert.is(answerOf(rig, 4, ask), "written");
  const record = rig.machine(2).get("d/a", "x/1");
  assert.equal([record?.value, record?.w, record?.by], ["new", rig.node(0).nodeId, "test"]);
  const kinds = rig.sent.map(({ message }) => message.kind).filter((kind) => kind !== "md_digest");
  assert.equal(kinds.sort(), ["md_publish", "md_write", "md_write_answer"]);
});

test("a write that is asked twice is done once, however late the second question comes", () => {
  const rig = cluster();
  rig.write(4, "d/a", "x/1", "first");
  rig.run(100);
  rig.write(3, "d/a", "x/1", "second");
  rig.run(100);
  const [first] = rig.of("md_write");
  if (first === undefined) throw new Error("nothing was asked");
  rig.tell(rig.node(0), {
    type: "message",
    from: rig.node(4).nodeId,
    stamp: 1n,
    message: first.message,
  });
  rig.run(100);
  assert.is(rig.machine(1).get("d/a", "x/1")?.value, "second");
  // The second question is answered as the first.
  const answers = rig.of("md_write_answer").filter(({ to }) => to[0] === 4);
  assert.equal(answers[1]?.message, answers[0]?.message);
});

test("a write that is asked twice while it waits is done once", () => {
  const rig = cluster();
  for (const node of [1, 2]) rig.crash(node);
  rig.lead(3);
  rig.run(500);
  assert.is(rig.phase(3, "d/a"), "cold");
  rig.clear();
  rig.write(4, "d/a", "x/1", "new");
  rig.run(50);
  const [first] = rig.of("md_write");
  if (first === undefined) throw new Error("nothing was asked");
  const from = rig.node(4).nodeId;
  rig.tell(rig.node(3), { type: "message", from, stamp: 1n, message: first.message });
  rig.start(1);
  rig.run(2500);
  assert.is(rig.machine(1).get("d/a", "x/1")?.value, "new");
  assert.is(rig.of("md_publish", "d/a").length, 1);
});

test("a write that the asked node may not do is refused with its reason", () => {
  const rig = cluster();
  // The leader of node 4 is not one any more.
  rig.run(1000);
  const from = rig.node(4).nodeId;
  const ask = {
    kind: "md_write",
    askId: 9,
    scope: "d/a",
    key: "k",
    value: "v",
    wallMs: 0,
    by: "",
  } as const;
  rig.tell(rig.node(3), { type: "message", from, stamp: 1n, message: ask });
  rig.tell(rig.node(0), { type: "message", from, stamp: 1n, message: { ...ask, key: "" } });
  const codes = rig.of("md_write_answer").map(({ message }) => message.code);
  assert.equal(codes, ["state", "limit"]);
});

test("an answer that nobody waits for, or of the wrong kind, changes nothing", () => {
  const rig = cluster();
  const ask = read(rig, 4, "d/a");
  const [question] = rig.of("md_read");
  const askId = question?.message.askId ?? 0;
  const from = rig.node(0).nodeId;
  const tell = (message: Parameters<typeof rig.tell>[1] & { type: "message" }) =>
    rig.tell(rig.node(4), message);
  tell({ type: "message", from, stamp: 1n, message: { kind: "md_write_answer", askId, c: 5n } });
  const part = { kind: "md_read_answer", askId, part: 3, parts: 3, records: [] } as const;
  tell({ type: "message", from, stamp: 1n, message: part });
  tell({
    type: "message",
    from,
    stamp: 1n,
    message: { ...part, askId: askId + 1, part: 0, parts: 1 },
  });
  assert.is(answerOf(rig, 4, ask), "undefined");
  rig.run(100);
  assert.is(answerOf(rig, 4, ask), "x/1 x/2 y");
});

test.run();
