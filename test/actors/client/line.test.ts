/** What becomes of a program whose connection, data thread, node's life or database changes under it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { CLIENT_PROTOCOL, FRAME, FrameWriter } from "../../../transport/wire/client/frames.ts";
import type { Generation, Pnn, Version } from "../../../transport/wire/terms.ts";
import { b, SOCKET, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";
import { SESSION_REFS_MAX, SessionRefs } from "../../../actors/data/session_refs.ts";

const test = suite("client line");

async function failure(work: Promise<unknown>): Promise<CtdbxError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CtdbxError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** The data thread of a node ends and starts anew, in another life. */
async function restart(rig: ClientRig, n: number): Promise<void> {
  const { data } = rig;
  await data.time.drive(data.node(n).shard.stop(), () => data.run(1));
  await data.startThread(n);
  await data.life(n);
  await data.view(data.nodes.map((_, index) => index));
}

for (const mapped of [true, false]) {
  const way = mapped ? "mapped" : "by the daemon";

  test(`${way}: the data thread begins anew: databases, listeners, procedures go on`, async () => {
    const rig = await ClientRig.start(1, 2);
    const [one, two] = [await rig.connect(0, { mapped }), await rig.connect(1, { mapped })];
    const db = await rig.do(one.attach("visits"));
    const there = await rig.do(two.attach("visits"));
    await rig.do(there.put("key", "a"));
    const ears = await rig.do(one.listen(3n));
    await rig.do(one.procedure("twice", 1, (value) => ({ value: `${t(value)}${t(value)}` })));
    await restart(rig, 0);
    assert.is(t(await rig.do(db.read("key"))), "a");
    await rig.do(db.call("key", "twice/1", b("")));
    assert.is(t(await rig.do(there.read("key"))), "aa");
    await rig.do(two.send(0, 3n, "x"));
    const kinds: string[] = [];
    while (kinds.at(-1) !== "message") kinds.push((await rig.do(ears.next())).value!.type);
    assert.ok(kinds.includes("lost"), "it is told that messages may be missing");
    await rig.end();
  });

  test(`${way}: a wiped database is empty, and goes on; one that is gone says so`, async () => {
    const rig = await ClientRig.start(2, 2);
    const [one, two] = await rig.databases("visits", { mapped });
    await rig.do(one!.put("key", "a"));
    const { data } = rig;
    const since = data.doc.version + 1n as Version;
    const wiped = data.doc.dbs.map((cfg) => ({ ...cfg, since, attached: cfg.since! }));
    await data.view([0, 1], wiped);
    assert.is(await rig.do(one!.read("key")), undefined);
    await rig.do(two!.update("key", (value) => `${t(value)}b`));
    assert.is(t(await rig.do(one!.read("key"))), "undefinedb");
    await rig.do(one!.put("key", "mine"));
    assert.is(one!.readNow(b("key"), () => {}), mapped, "in the file of the new epoch");
    await data.view([0, 1], []);
    const [cluster] = rig.clusters;
    // Also when another has taken its name, and its place.
    for (const isAnother of [false, true]) {
      const works: (() => Promise<unknown>)[] = [
        () => one!.read("key"),
        () => one!.put("key", "x"),
        () => one!.fetchLock("key"),
        () => one!.count(),
      ];
      for (const work of works) {
        const { code, message } = await failure(rig.do(work()));
        assert.is(code, "state", message);
        assert.match(message, /was detached; attach it anew/);
      }
      if (isAnother) break;
      const anew = await rig.do(cluster!.attach("visits"));
      await rig.do(anew.put("key", "c"));
      assert.is(t(await rig.do(anew.read("key"))), "c");
    }
    assert.is(one!.readNow(b("key"), () => {}), false);
    await rig.end();
  });

  test(`${way}: a database of the same name is another one, however its coming is heard of`, async () => {
    const rig = await ClientRig.start(12, 2);
    const [one, two] = await rig.databases("visits", { mapped });
    await rig.do(one!.put("key", "a"));
    const { data } = rig;
    // Detached and attached in one step, as whoever missed a document sees it; node 1 by another thread.
    await data.time.drive(data.node(1).shard.stop(), () => data.run(1));
    const since = data.doc.version + 1n as Version;
    const anew = data.doc.dbs.map((cfg) => ({ ...cfg, since }));
    await data.view([0], anew);
    assert.is((await failure(rig.do(one!.read("key")))).code, "state");
    await data.startThread(1);
    await data.life(1);
    await data.view([0, 1], anew);
    assert.is((await failure(rig.do(two!.read("key")))).code, "state");
    for (const [n, cluster] of rig.clusters.entries()) {
      const db = await rig.do(cluster.attach("visits"));
      assert.is(await rig.do(db.read(`key ${n}`)), undefined);
    }
    await rig.end();
  });

  test(`${way}: nothing is answered while the page is frozen, and all afterwards`, async () => {
    const rig = await ClientRig.start(3, 2);
    const [one] = await rig.databases("visits", { mapped });
    await rig.do(one!.put("key", "a"));
    rig.data.freeze(0);
    const done: string[] = [];
    const reads = one!.read("key").then((value) => done.push(`read ${t(value)}`));
    const writes = one!.put("other", "b").then(() => done.push("put"));
    await rig.data.run(300);
    assert.equal(done, []);
    rig.data.show(0);
    await rig.do(Promise.all([reads, writes]));
    assert.equal(done.sort(), ["put", "read a"]);
    rig.data.freeze(0);
    const late = await failure(rig.do(one!.put("key", "x", { timeoutMs: 100 })));
    assert.is(late.code, "timeout", late.message);
    await rig.end();
  });
}

test("databases that come and go leave nothing behind in a program", async () => {
  const rig = await ClientRig.start(13, 1);
  const cluster = await rig.connect(0);
  const { data } = rig;
  const kept = await rig.do(cluster.attach("kept"));
  const [cfg] = data.doc.dbs;
  const places = new Set<unknown>();
  for (let n = 0; n < 3; n++) {
    const db = await rig.do(cluster.attach("visits"));
    places.add(db);
    await rig.do(db.put("key", `${n}`));
    await data.view([0], [cfg!]);
  }
  assert.is(places.size, 3);
  await rig.do(kept.put("key", "a"));
  // The same at the node, for as many as a program may have at a time.
  const refs = new SessionRefs();
  const database = data.database(0, "kept");
  for (let ref = 1; ref < 3 * SESSION_REFS_MAX; ref++) {
    refs.come(ref, refs.begin(ref, "kept"), database);
    assert.is(refs.at(ref), database);
    assert.equal(refs.news({ what: "went", database, isEmptied: true }), []);
    assert.equal(refs.news({ what: "came", database }), [{ ref, since: database.since }]);
    assert.equal(refs.news({ what: "went", database }), [{ ref }]);
    assert.is(refs.at(ref), "state it was detached; attach it anew");
  }
  await rig.end();
});

test("at a node that drains records are changed where they are; only a lock is refused", async () => {
  const rig = await ClientRig.start(9, 2);
  const [one, two] = await rig.databases("visits");
  await rig.do(two!.put("key", "a"));
  const { data } = rig;
  const version = data.doc.version + 1n as Version;
  const view = { ...data.doc.view, stopping: [0 as Pnn] };
  await data.adopt({ ...data.doc, version, generation: version as bigint as Generation, view }, [
    0,
    1,
  ]);
  await rig.do(one!.put("key", "b"));
  assert.is(t(await rig.do(one!.update("key", (value) => `${t(value)}c`))), "bc");
  assert.is(t(await rig.do(two!.read("key"))), "bc");
  assert.is((await failure(rig.do(one!.fetchLock("key")))).code, "state");
  await rig.end();
});

test("a call under way when the connection is cut has an unknown outcome; a read is asked again", async () => {
  const rig = await ClientRig.start(4, 1);
  const one = await rig.connect(0, { mapped: false });
  const db = await rig.do(one.attach("visits"));
  await rig.do(db.put("key", "a"));
  rig.data.freeze(0);
  const call = failure(db.increment("n"));
  const read = db.read("key");
  await rig.data.run(20);
  await restart(rig, 0);
  assert.is((await rig.do(call)).code, "unknown");
  assert.is(await rig.do(read), undefined);
  await rig.end();
});

test("what a procedure answers after the connection was cut does not end a run of the next one", async () => {
  const rig = await ClientRig.start(8, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0, { mapped: false })];
  const ends: ((result: string) => void)[] = [];
  await rig.do(one.procedure("slow", 1, async () => {
    const result = await new Promise<string>((resolve) => ends.push(resolve));
    return { value: result, result };
  }, { timeoutMs: 5000 }));
  const db = await rig.do(two.attach("visits"));
  const first = failure(db.call("key", "slow/1", b("")));
  await rig.data.until(() => ends.length === 1);
  await restart(rig, 0);
  assert.is((await rig.do(first)).code, "unknown");
  // It may come before the program has offered its procedure again.
  const again = async (): Promise<Uint8Array> => {
    for (;;) {
      try {
        return await db.call("key", "slow/1", b(""));
      } catch (error) {
        if (!(error instanceof CtdbxError) || error.code !== "unsupported") throw error;
      }
    }
  };
  const second = again();
  await rig.data.until(() => ends.length === 2);
  ends[0]!("old");
  await rig.data.run(50);
  ends[1]!("new");
  assert.is(t(await rig.do(second)), "new");
  assert.is(t(await rig.do(db.read("key"))), "new");
  await rig.end();
});

test("a lock that ended with the daemon stores nothing, and says so", async () => {
  const rig = await ClientRig.start(5, 1);
  const one = await rig.connect(0, { mapped: false });
  const db = await rig.do(one.attach("visits"));
  const lock = await rig.do(db.fetchLock("key"));
  await restart(rig, 0);
  await rig.data.run(50);
  assert.is((await failure(rig.do(lock.store("x")))).code, "state");
  await rig.end();
});

test("all ends with close: locks, operations, listeners, watches", async () => {
  const rig = await ClientRig.start(6, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0, { mapped: false })];
  const db = await rig.do(one.attach("visits"));
  const there = await rig.do(two.attach("visits"));
  await rig.do(there.fetchLock("key"));
  const third = await rig.connect(0);
  const held = await rig.do((await rig.do(third.attach("visits"))).fetchLock("mapped"));
  await rig.do(held.store("counts"));
  const ears = await rig.do(two.listen(1n));
  await rig.do(db.put("other", "o"));
  const changes = there.watch("other");
  await rig.do(changes.next());
  const waits = db.update("key", () => "free");
  await two.close();
  assert.is((await failure(rig.do(ears.next()))).code, "state");
  assert.is((await failure(rig.do(changes.next()))).code, "state");
  assert.is((await failure(rig.do(there.read("key")))).code, "state");
  assert.is(await two.closed, "The connection has ended: the program has closed it");
  assert.is(t(await rig.do(waits)), "free");
  const next = db.update("mapped", (value) => `${t(value)}!`);
  await rig.data.run(50);
  await third.close();
  assert.is(t(await rig.do(next)), "counts!");
  await held.close();
  await rig.end();
});

test("nobody there, and a node of another release", async () => {
  const rig = await ClientRig.start(7, 1);
  const { world } = rig.data.node(0);
  const said: number[] = [];
  const stream = await rig.do(world.host.dial(SOCKET, {
    onBytes: (bytes) => said.push(bytes[4] ?? 0),
    onClose: () => said.push(-1),
  }));
  const writer = new FrameWriter();
  writer.json(FRAME.hello, 1, { protocol: CLIENT_PROTOCOL + 1 });
  stream.write(writer.take().slice());
  await rig.data.run(50);
  assert.equal(said, [FRAME.bye, -1]);
  await rig.do(rig.data.node(0).shard.stop());
  assert.is((await failure(rig.connect(0))).code, "not_found");
});

test.run();
