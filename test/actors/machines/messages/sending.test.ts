/** Sending: who gets what, in how many publications, and what is asked of other nodes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ProgramItem } from "../../../../actors/machines/messages/events.ts";
import type { MessageRig } from "../../../../actors/machines/sim/messages/rig.ts";
import {
  PROGRAM_DATA_MAX,
  PROGRAM_ENTRIES_MAX,
  PROGRAM_PUBLICATION_MAX,
  SRVID_ALL,
} from "../../../../transport/wire/messages/program.ts";
import { PROGRAM_BODY_MAX } from "../../../../transport/wire/program_layout.ts";
import { Scene } from "./scene.ts";

const test = suite("messages: sending");

test("a message comes to all who registered its srvid, and to nobody else", () => {
  const scene = new Scene(3);
  const [one, other, third] = [0, 1, 2].map((n) => scene.program(n, 5n));
  const all = scene.program(1, SRVID_ALL, 5n);
  const foreign = scene.program(1, 6n);
  scene.rig.run(10);
  assert.equal(scene.send(one!, "all", 5n, "a"), { type: "sent", nodes: 3, full: 0 });
  scene.send(one!, 1, 5n, "b");
  scene.send(one!, 0, 5n, "c");
  scene.send(one!, 1, 7n, "d");
  scene.rig.run(100);
  assert.equal(scene.of(one!), ["a", "c"]);
  assert.equal(scene.of(other!), ["a", "b"]);
  assert.equal(scene.of(third!), ["a"]);
  assert.equal(scene.of(all), ["a", "b", "d"]);
  assert.equal(scene.of(foreign), []);
});

test("connected are the nodes of the view, all are those that there are", () => {
  const scene = new Scene(3);
  const programs = [0, 1, 2].map((n) => scene.program(n, 5n));
  for (const n of [0, 2]) scene.rig.node(n).isMember = false;
  scene.rig.decree();
  scene.rig.run(50);
  scene.send(programs[0]!, "connected", 5n, "view");
  scene.send(programs[0]!, "all", 5n, "all");
  scene.rig.run(100);
  assert.equal(programs.map((one) => scene.of(one)), [["all"], ["view", "all"], ["all"]]);
});

test("what a turn has for one node goes as one publication; what it has for several goes once", () => {
  const scene = new Scene(4);
  const programs = [0, 1, 2, 3].map((n) => scene.program(n, 5n));
  scene.rig.run(10);
  scene.published();
  for (const text of ["a", "b", "c"]) scene.send(programs[0]!, 2, 5n, text);
  scene.rig.run(0);
  const [one, ...none] = scene.published();
  assert.is(one?.entries.length, 3);
  assert.equal(none, []);
  scene.send(programs[0]!, "all", 5n, "d");
  scene.send(programs[0]!, "all", 5n, "e");
  scene.rig.run(0);
  const [broadcast, ...more] = scene.published();
  assert.is(broadcast?.to, undefined);
  assert.is(broadcast?.entries.length, 2);
  assert.equal(broadcast?.receivers.map(({ pnn, seq }) => `${pnn}: ${seq}`), [
    "1: 1",
    "2: 2",
    "3: 1",
  ]);
  assert.equal(more, []);
  scene.rig.run(100);
  assert.equal(scene.of(programs[2]!), ["a", "b", "c", "d", "e"]);
});

test("a message to one node between two to all keeps its place", () => {
  const scene = new Scene(4);
  const programs = [0, 1, 2, 3].map((n) => scene.program(n, 5n));
  scene.rig.run(10);
  for (const round of [1, 2, 3]) {
    scene.send(programs[0]!, "all", 5n, `all${round}`);
    scene.send(programs[0]!, 3, 5n, `one${round}`);
  }
  scene.rig.run(200);
  assert.equal(scene.of(programs[3]!), ["all1", "one1", "all2", "one2", "all3", "one3"]);
  assert.equal(scene.of(programs[1]!), ["all1", "all2", "all3"]);
});

test("no publication has more than its bounds, in entries and in bytes", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  scene.rig.run(10);
  scene.published();
  for (let i = 0; i < 1000; i++) scene.send(one, 1, 5n, `${i}`);
  for (let i = 0; i < 40; i++) scene.send(one, 1, 5n, "x".repeat(4000));
  scene.rig.run(500);
  const sizes = scene.published().map(({ entries }) => ({
    count: entries.length,
    bytes: entries.reduce((sum, { data }) => sum + 24 + data.length, 0),
  }));
  assert.is(Math.max(...sizes.map(({ count }) => count)), PROGRAM_ENTRIES_MAX);
  assert.ok(sizes.every(({ bytes }) => bytes <= PROGRAM_BODY_MAX));
  assert.ok(sizes.length < 20, `${sizes.length} publications`);
  assert.is(scene.of(other).length, 1040);
});

test("a message of 16 MiB comes as it was; one byte more is refused by name", () => {
  const scene = new Scene(2);
  const [one, other] = [scene.program(0), scene.program(1, 5n)];
  let whole: Uint8Array | undefined;
  const data = new Uint8Array(PROGRAM_DATA_MAX);
  for (let at = 0; at < data.length; at += 997) data[at] = at % 251;
  scene.rig.run(10);
  const { nodeId } = scene.rig.node(1);
  assert.is(scene.rig.send(one, nodeId, 5n, data).type, "sent");
  scene.send(one, 1, 5n, "after");
  scene.rig.tell = watched(scene.rig, (item) => {
    if (item.type === "message" && item.data.length > 100) whole = item.data;
  });
  scene.rig.run(3000);
  assert.ok(whole !== undefined && whole.every((byte, at) => byte === data[at]));
  assert.is(whole.length, data.length);
  assert.is(scene.of(other).at(-1), "after");
  const refused = scene.rig.send(one, nodeId, 5n, new Uint8Array(PROGRAM_DATA_MAX + 1));
  assert.is(refused.type === "refused" && refused.code, "limit");
  assert.ok(PROGRAM_PUBLICATION_MAX < PROGRAM_DATA_MAX);
});

test("does a process exist, and where is a srvid: each node answers, and who does not is named", () => {
  const scene = new Scene(3);
  const programs = [0, 1, 2].map((n) => scene.program(n, 5n));
  scene.rig.leave(programs[2]!);
  scene.program(1, 5n);
  const ids = scene.rig.nodes.map(({ nodeId }) => nodeId);
  const ask = (at: number | "all", look: object): number => {
    const askId = 1000 + scene.effects.length;
    const to = at === "all" ? at : ids[at]!;
    const event = { type: "count", askId, at: to, look, limitMs: 1000 } as const;
    scene.rig.tell(scene.rig.node(0), event);
    scene.rig.run(1500);
    return askId;
  };
  const where = scene.answer(0, ask("all", { srvid: 5n }));
  const counts = [{ nodeId: ids[0], count: 1 }, { nodeId: ids[1], count: 2 }];
  counts.push({ nodeId: ids[2], count: 0 });
  assert.ok(where?.type === "counted");
  assert.equal([...where.counts].sort((a, b) => a.nodeId < b.nodeId ? -1 : 1), counts);
  const exists = (look: object) => {
    const answer = scene.answer(0, ask(1, look));
    return answer?.type === "counted" ? answer.counts[0]?.count : answer;
  };
  assert.is(exists({ pid: 101 }), 2);
  assert.is(exists({ pid: 101, uniqueId: 7n, srvid: 5n }), 2);
  assert.is(exists({ pid: 101, uniqueId: 8n }), 0);
  assert.is(exists({ pid: 102 }), 0);
  scene.rig.cut(2, 0);
  const partly = scene.answer(0, ask("all", { srvid: 5n }));
  assert.equal(partly?.type === "counted" && partly.unheard, [ids[2]]);
});

test("what no node of ours sends is dropped, and does no harm", () => {
  const scene = new Scene(2);
  const other = scene.program(1, 5n);
  scene.rig.run(10);
  const [one, node] = [scene.rig.node(0), scene.rig.node(1)];
  const part = (kind: 2 | 3 | 4, value: number, text: string) => (
    { kind, srvid: 5n, program: 1, value, data: new TextEncoder().encode(text) } as const
  );
  let seq = 1;
  const feed = (...entries: ReturnType<typeof part>[]) =>
    scene.rig.tell(node, {
      type: "data",
      publication: {
        from: one.nodeId,
        incarnation: one.incarnation,
        receiver: { pnn: 1 as never, incarnation: node.incarnation, seq: seq++ },
        entries,
      },
    });
  feed(part(3, 4, "middle"));
  feed(part(2, 10, "12345"), part(4, 5, "6789"));
  feed(part(2, 10, "12345"), part(3, 5, "67890"));
  feed(part(2, 10, "12345"), part(4, 6, "7890"));
  feed(part(2, 10, "12345"), part(4, 5, "67890"));
  const ack = { incarnation: one.incarnation, to: node.incarnation, missed: true } as const;
  for (const next of [0n, 5n, 2n ** 64n - 1n]) {
    scene.rig.tell(node, {
      type: "message",
      from: one.nodeId,
      message: { kind: "msg_ack", ...ack, next },
    });
  }
  const bits = new Uint8Array(5);
  const interest = { kind: "msg_interest", ...ack, version: 3, bits } as const;
  scene.rig.tell(node, { type: "message", from: one.nodeId, message: interest });
  scene.rig.run(50);
  const gap = "gap of 1 from 1 on 5";
  assert.equal(scene.of(other), [gap, gap, gap, gap, "1234567890"]);
  assert.is(node.machine?.counters.dropped, 5);
  assert.is(node.machine?.links()[0]?.isNarrow, false);
});

/** The rig's tell, with what is delivered shown. */
function watched(rig: MessageRig, onItem: (item: ProgramItem) => void): MessageRig["tell"] {
  const tell = rig.tell.bind(rig);
  return (node, event) => {
    const { machine } = node;
    if (machine !== undefined) {
      const step = machine.step.bind(machine);
      machine.step = (what, nowMs) => {
        const effects = step(what, nowMs);
        for (const effect of effects) if (effect.type === "deliver") effect.items.forEach(onItem);
        return effects;
      };
    }
    tell(node, event);
    if (machine !== undefined) delete (machine as Partial<typeof machine>).step;
  };
}

test.run();
