/** Databases come, go, and begin anew, in a life that goes on; and lives end. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LocalNode } from "../../../actors/storage/local_node.ts";
import { LocalRecords } from "../../../actors/storage/local_records.ts";
import type { Database } from "../../../actors/data/database.ts";
import type { CtdbxError } from "../../../transport/wire/errors.ts";
import { RecordWriter } from "../../../transport/wire/record_layout.ts";
import { buildSubject } from "../../../transport/wire/subjects.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import type { Incarnation, Pnn, Version } from "../../../transport/wire/terms.ts";
import { b, DataRig, FOLDER, okOf, PAGE, t } from "./data_rig.ts";

const test = suite("epochs of databases");

/** A program of a node that maps its files. */
async function programOf(rig: DataRig, n: number, name: string): Promise<LocalRecords> {
  const { images, clock } = rig.node(n).world;
  const node = LocalNode.open({ images, clock, pagePath: PAGE, folder: FOLDER });
  return await LocalRecords.open(node, name, rig.database(n, name).since);
}

/** The document without a database, or with it in a new epoch: a new generation. */
async function change(rig: DataRig, name: string, isWiped: boolean): Promise<void> {
  const since = rig.doc.version + 1n as Version;
  const dbs = rig.doc.dbs.flatMap((cfg) =>
    cfg.name !== name ? [cfg] : isWiped ? [{ ...cfg, since }] : []
  );
  await rig.view(rig.doc.view.members.map(({ pnn }) => pnn), dbs);
}

test("attach waits until the document has it, and until it is here", async () => {
  const rig = await DataRig.start(2, 3);
  const { host } = rig.node(1).shard;
  const database = await host.attach("visits", { create: true }, rig.nowMs(1) + 1000);
  assert.is(database.cfg.name, "visits");
  assert.equal(rig.node(1).asked, ["visits"]);
  assert.is(await host.attach("visits", { create: false }, rig.nowMs(1)), database);
  assert.equal(rig.node(1).asked, ["visits"], "the leader is not asked for what is here");
  let error: unknown;
  void host.attach("others", { create: false }, rig.nowMs(1) + 100).catch((got) => error = got);
  await rig.run(150);
  assert.is((error as CtdbxError).code, "timeout");
});

test("a detached database ends: operations, names, files, and what programs have mapped", async () => {
  const rig = await DataRig.start(3, 3);
  await rig.attach("visits");
  await rig.attach("stays");
  await rig.put(0, "visits", "key", "one");
  const program = await programOf(rig, 0, "visits");
  assert.is(program.read(b("key"), () => {}), "done");
  const news: string[] = [];
  rig.node(0).shard.host.onDatabase(({ what, database }) =>
    news.push(`${what} ${database.cfg.name}`)
  );
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  const { path } = rig.database(0, "visits");
  await change(rig, "visits", false);
  assert.equal(news, ["went visits"]);
  assert.is(lock.ends[1]?.what === "answer" && lock.ends[1].outcome, "unknown");
  assert.ok(lock.database.isOver);
  assert.not(rig.node(0).world.images.exists(path ?? ""));
  assert.is(
    program.read(b("key"), () => {}),
    "elsewhere",
    "the page is valid, but the file is over",
  );
  assert.is(rig.node(0).shard.host.database("visits"), undefined);
  const late: unknown[] = [];
  lock.database.op(1, "key", { what: "read" }, rig.nowMs(0) + 100, (end) => late.push(end));
  assert.is((late[0] as { outcome: string }).outcome, "failed");
  program.close();
  await rig.put(1, "stays", "key", "two");
});

test("a wiped database is empty, and another one: old mail and old files do not touch it", async () => {
  const rig = await DataRig.start(4, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  const program = await programOf(rig, 0, "visits");
  const old = rig.database(0, "visits");
  // Somebody of the epoch before still asks when it is over.
  rig.begin(1, "visits", "key", { what: "lock" });
  await change(rig, "visits", true);
  const now = rig.database(0, "visits");
  assert.is.not(now, old);
  assert.is.not(now.path, old.path);
  assert.is(program.read(b("key"), () => {}), "elsewhere");
  assert.is(await rig.read(2, "visits", "key"), "");
  await rig.put(0, "visits", "key", "two");
  const { records } = (await rig.node(0).shard.status()).databases[0]!;
  assert.is(records, 1);
  const fresh = await programOf(rig, 0, "visits");
  let value = "";
  assert.is(fresh.read(b("key"), (view) => value = t(view.value()) ?? ""), "done");
  assert.is(value, "two");
});

test("mail of another epoch does not reach the machine, and a newer one is asked about", async () => {
  const rig = await DataRig.start(9, 2);
  await rig.attach("visits");
  const database = rig.database(0, "visits") as Database;
  const { machine } = database;
  const { me, generation } = machine.state;
  await rig.run(100);
  const heard: string[] = [];
  const step = machine.step.bind(machine);
  machine.step = (event, nowMs) => {
    if (event.kind === "messages") heard.push(event.messages[0]!.kind);
    return step(event, nowMs);
  };
  const asked: string[] = [];
  const main = buildSubject({
    cluster: "rig",
    class: "n",
    to: tagOf(rig.node(1).nodeId),
    from: tagOf(rig.node(0).nodeId),
  });
  rig.node(1).world.bus.subscribe(main, () => asked.push("document"));
  const writer = new RecordWriter(rig.doc.clusterId, rig.node(1).nodeId, 1n);
  const subject = buildSubject({
    cluster: "rig",
    class: "r",
    to: tagOf(rig.node(0).nodeId),
    from: tagOf(rig.node(1).nodeId),
  });
  const send = async (since: bigint): Promise<void> => {
    const [payload] = writer.write({
      dbId: database.cfg.dbId,
      since: since as Version,
      by: machine.state.members.get(1 as Pnn)!,
      to: me!,
      generation,
      messages: [{ kind: "revoked", key: "key", rid: 1 }],
    });
    rig.node(1).world.bus.publish(subject, payload!);
    await rig.run(10);
  };
  await send(database.since - 1n);
  assert.equal([heard, asked], [[], []], "an epoch before");
  await send(database.since + 1n);
  assert.equal([heard, asked], [[], ["document"]], "an epoch that is not known here yet");
  await send(database.since);
  assert.equal(heard, ["revoked"]);
});

test("a page of another life grants nothing, whatever it says", async () => {
  const rig = await DataRig.start(10, 2);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  const node = rig.node(0);
  const state = node.page!.read()!;
  node.page!.write({ ...state, incarnation: state.incarnation + 1n as Incarnation });
  assert.not(node.shard.host.node.isServing);
  const { ends } = rig.begin(0, "visits", "key", { what: "read" }, 100);
  await rig.run(20);
  assert.equal(ends, []);
  node.page!.write({ ...state, frozen: true });
  assert.not(node.shard.host.node.isServing);
  node.page!.write(state);
  assert.ok(node.shard.host.node.isServing);
});

test("settings change while it is there, and nothing ends", async () => {
  const rig = await DataRig.start(5, 2);
  await rig.attach("visits");
  const database = rig.database(0, "visits");
  await rig.put(0, "visits", "key", "one");
  assert.is(database.where("key").isSticky, false);
  const doc = { ...rig.doc, version: rig.doc.version + 1n as Version };
  doc.dbs = doc.dbs.map((cfg) => ({ ...cfg, sticky: "on" as const, readonly: "off" as const }));
  rig.doc = doc;
  for (const { shard } of rig.nodes) await shard.view(doc);
  assert.is(rig.database(0, "visits"), database);
  assert.is(database.where("key").isSticky, true);
  // Reads move the record now.
  assert.is(await rig.read(1, "visits", "key"), "one");
  assert.is(rig.database(1, "visits").where("key").role, "owner");
});

test("a new life has empty files, and what waited has an end", async () => {
  const rig = await DataRig.start(6, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  const { path } = rig.database(0, "visits");
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  await rig.life(0);
  assert.is(lock.ends[1]?.what, "answer");
  await rig.view([0, 1, 2]);
  assert.is.not(rig.database(0, "visits").path, path);
  await rig.put(0, "visits", "key", "two");
  assert.is(await rig.read(1, "visits", "key"), "two");
});

test("a node without a life, or without a document of the second format, hosts nothing", async () => {
  const rig = await DataRig.start(7, 2);
  await rig.attach("visits");
  const { format: _format, ...first } = rig.doc;
  rig.kill(1);
  await rig.boot(1, false);
  const { bus } = rig.node(1).world;
  const heard: string[] = [];
  const subscribe = bus.subscribe.bind(bus);
  Object.assign(bus, {
    subscribe: (subject: string, onMessage: Parameters<typeof subscribe>[1]) => {
      heard.push(subject);
      return subscribe(subject, onMessage);
    },
  });
  await rig.node(1).shard.view({ ...first, version: rig.doc.version } as typeof rig.doc);
  assert.equal(heard, [], "an older server may forbid it");
  assert.equal(rig.node(1).shard.databases, []);
  await rig.node(1).shard.view(rig.doc);
  assert.equal(rig.node(1).shard.databases, [], "no life");
  assert.is(heard.length, 4, heard.join());
  await rig.life(1);
  await rig.node(1).shard.view({ ...first, version: rig.doc.version + 1n as Version });
  assert.equal(rig.node(1).shard.databases, [], "format 1");
});

test("an operation that comes when its node is frozen waits, and one whose time is over fails", async () => {
  const rig = await DataRig.start(8, 2);
  await rig.attach("visits");
  rig.freeze(0);
  const read = rig.begin(0, "visits", "key", { what: "read" }, 200);
  const late = rig.begin(0, "visits", "key", { what: "read" }, 50);
  await rig.run(100);
  assert.equal(read.ends, []);
  assert.is(late.ends[0]?.what === "answer" && late.ends[0].code, "timeout");
  rig.show(0);
  await rig.until(() => read.ends.length > 0);
  okOf(read.ends[0]!);
});

test.run();
