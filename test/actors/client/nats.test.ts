/** Programs that use the bus alone: through loss, doubles and reordering, and from node to node. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { numberOf } from "../../../actors/client/built_in.ts";
import { SESSION_SILENCE_MS, SessionMail } from "../../../actors/data/session_mail.ts";
import { Sessions } from "../../../actors/data/sessions.ts";
import { CLIENT_PROTOCOL, FRAME, FrameWriter } from "../../../transport/wire/client/frames.ts";
import { PACKET, readPacket, writePacket } from "../../../transport/wire/client/tunnel_layout.ts";
import type { Tag } from "../../../transport/wire/terms.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { SOUND } from "../../../transport/sim/network.ts";
import { b, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client over nats");

test("the same library: records, locks, messages, traverses, procedures", async () => {
  const rig = await ClientRig.start(1, 2);
  const [far, near] = [await rig.connectOver("far"), await rig.connect(1)];
  assert.equal([far.way, near.way], ["nats", "local"]);
  const db = await rig.do(far.attach("visits"));
  const there = await rig.do(near.attach("visits"));
  await rig.do(there.put("key", "a"));
  assert.is(t(await rig.do(db.update("key", (value) => `${t(value)}b`))), "ab");
  const lock = await rig.do(db.fetchLock("key"));
  await rig.do(lock.store("abc"));
  await rig.do(lock.close());
  assert.is(t(await rig.do(there.read("key"))), "abc");
  assert.not(db.updateNow(b("key"), () => b("x")));
  await rig.do(far.procedure("twice", 1, (value) => ({ value: `${t(value)}${t(value)}` })));
  await rig.do(db.call("key", "twice/1", b("")));
  assert.is(t(await rig.do(there.read("key"))), "abcabc");
  assert.is(await rig.do(db.count()), 1);
  const ears = await rig.do(far.listen(9n));
  await rig.do(near.send(far.pnn, 9n, "x"));
  const { value } = await rig.do(ears.next());
  assert.is(value?.type === "message" && t(value.data), "x");
  const large = new Uint8Array(3_000_000).fill(7);
  await rig.do(db.put("large", large));
  assert.equal(await rig.do(db.read("large")), large);
  await rig.end();
});

test("what is lost, doubled or late on the bus is done once", async () => {
  const rig = await ClientRig.start(2, 2);
  const far = await rig.connectOver("far", 60_000);
  const db = await rig.do(far.attach("visits"));
  rig.data.network.faults = { ...SOUND, loss: 1500, double: 2000, reorder: 1000 };
  let sum = 0n;
  for (let n = 0; n < 60; n++) sum = await rig.do(db.increment("n"));
  assert.is(sum, 60n);
  await rig.do(Promise.all(Array.from({ length: 200 }, () => db.increment("n"))));
  const large = new Uint8Array(1_000_000).fill(3);
  await rig.do(db.put("large", large));
  rig.data.network.faults = SOUND;
  assert.is(numberOf(await rig.do(db.read("n"))), 260n);
  assert.equal(await rig.do(db.read("large")), large);
  await rig.end();
});

test("when its node falls silent another takes over; what was sent is unknown, reads are asked again", async () => {
  const rig = await ClientRig.start(3, 3);
  const { network } = rig.data;
  const far = await rig.connectOver("far", 20_000);
  const db = await rig.do(far.attach("visits"));
  const near = (far.pnn + 1) % 3;
  const there = await rig.do((await rig.connect(near)).attach("visits"));
  await rig.do(there.put("key", "a"));
  const first = far.pnn;
  network.block("far", `n${first}`);
  network.block(`n${first}`, "far");
  const call = db.increment("n").then(() => "done", (error: CtdbxError) => error.code);
  assert.is(t(await rig.do(db.read("key"))), "a");
  assert.is(await rig.do(call), "unknown");
  assert.is.not(far.pnn, first);
  await rig.end();
});

test("a program that falls silent is dead after ten seconds, and its lock is free", async () => {
  const rig = await ClientRig.start(4, 1);
  const far = await rig.connectOver("far", 60_000);
  const db = await rig.do(far.attach("visits"));
  const there = await rig.do((await rig.connect(0)).attach("visits"));
  await rig.do(db.fetchLock("key"));
  rig.data.network.block("far", "n0");
  const beganMs = rig.data.time.nowMs;
  await rig.do(there.put("key", "free", { timeoutMs: 2 * SESSION_SILENCE_MS }));
  const tookMs = rig.data.time.nowMs - beganMs;
  assert.ok(tookMs > SESSION_SILENCE_MS / 2 && tookMs < 1.5 * SESSION_SILENCE_MS, `${tookMs} ms`);
  await rig.end();
});

test("only the first packet of a new session begins one; one that has ended is not begun again", async () => {
  const rig = await ClientRig.start(6, 1);
  const { host } = rig.data.node(0).shard;
  const { clock, log } = rig.data.node(0).world;
  const told: string[] = [];
  const mail = new SessionMail({
    host,
    clock,
    sessions: new Sessions({ host, clock, log, version: "test" }),
    payloadMax: () => 65536,
    answer: (reply, payload) => {
      const packet = readPacket(payload);
      told.push(`${reply} ${packet?.kind} ${t(packet?.bytes)}`);
    },
  });
  const [tag, other] = ["a".repeat(10) as Tag, "b".repeat(10) as Tag];
  const session = "1".repeat(32);
  const hello = new FrameWriter();
  hello.json(FRAME.hello, 1, { protocol: CLIENT_PROTOCOL });
  const first = writePacket(PACKET.data, session, 1, 0, hello.take().slice());
  const none = `back ${PACKET.end} there is no such session`;
  mail.take(writePacket(PACKET.data, session, 2, 0), tag, "back");
  mail.take(writePacket(PACKET.sign, session, 0, 5), tag, "back");
  assert.equal([told.splice(0), mail.size], [[none, none], 0]);
  mail.take(first, tag, "back");
  mail.take(writePacket(PACKET.end, session, 0, 0), other, "elsewhere");
  assert.is(mail.size, 1, "another sender cannot end it");
  mail.take(writePacket(PACKET.end, session, 0, 0), tag, "back");
  assert.is(mail.size, 0);
  told.length = 0;
  mail.take(first, tag, "back");
  assert.equal([told.splice(0), mail.size], [[none], 0]);
  mail.take(first, tag, undefined);
  mail.take(new Uint8Array(5), tag, "back");
  assert.equal([told, mail.size], [[], 0]);
  await rig.end();
});

test("no cluster of that name, or no bus: said in time", async () => {
  const rig = await ClientRig.start(5, 1);
  rig.data.freeze(0);
  const error = await rig.connectOver("far", 500).then(
    () => undefined,
    (thrown: CtdbxError) => thrown,
  );
  assert.is(error?.code, "timeout");
  assert.ok(/no node of it serves/.test(error?.message ?? ""), error?.message);
  await rig.end();
});

test.run();
