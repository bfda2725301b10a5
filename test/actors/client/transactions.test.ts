/** Transactions, snapshots and fates as programs use them, over the socket and over the bus, against a fake. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ClusterClient } from "../../../actors/client/cluster.ts";
import { type Database, type Retry, TransactionError } from "../../../actors/client/types.ts";
import type { DataHost } from "../../../actors/data/types.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { type Stream } from "../../../transport/world.ts";
import { b, SOCKET, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";
import { CommitFake } from "./commit_fake.ts";

const test = suite("client transactions");

interface Bank {
  readonly rig: ClientRig;
  readonly fake: CommitFake;
  readonly bank: Database;
  readonly cluster: ClusterClient;
  /** Cuts the connection; another one is made. */
  readonly cut: () => void;
}

/** A program with a database that a fake has; over the bus, when it is said so. */
async function open(seed: number, isOverBus = false): Promise<Bank> {
  const rig = await ClientRig.start(seed, 1);
  const fake = new CommitFake();
  fake.at(hostOf(rig), "bank");
  const { clock, host } = rig.data.node(0).world;
  let stream: Stream & { cut?: () => void } | undefined;
  const cluster = isOverBus ? await rig.connectOver("far") : await rig.do(ClusterClient.open({
    clock,
    way: "local",
    pid: 1,
    program: "test",
    timeoutMs: 3000,
    images: rig.data.node(0).world.images,
    dial: async (events) => {
      const made = await host.dial(SOCKET, events);
      stream = made;
      return { write: (bytes) => made.write(bytes.slice()), close: () => made.close() };
    },
  }));
  if (!isOverBus) rig.clusters.push(cluster);
  const bank = await rig.do(cluster.attach("bank"));
  return { rig, fake, bank, cluster, cut: () => stream?.cut?.() };
}

function hostOf(rig: ClientRig): DataHost {
  return rig.data.node(0).shard.host;
}

async function failure(work: Promise<unknown>): Promise<TransactionError> {
  const error = await work.then(() => undefined, (thrown) => thrown);
  assert.instance(error, CtdbxError, String(error));
  return error as TransactionError;
}

for (const isOverBus of [false, true]) {
  const way = isOverBus ? "over the bus" : "at the node";

  test(`${way}: what is read and written together is committed together`, async () => {
    const { rig, fake, bank, cluster } = await open(1, isOverBus);
    fake.other("ann", "100");
    const done = await rig.do(bank.transaction(async (tx) => {
      const [ann, bob] = await Promise.all([tx.get("ann"), tx.get("bob")]);
      assert.is(t(ann), "100");
      assert.is(bob, undefined);
      tx.put("ann", "90");
      tx.put(b("bob"), b("10"));
      tx.del("nobody");
      assert.is(t(await tx.get("ann")), "90", "it sees what it wrote");
      return tx.tries;
    }));
    assert.equal([done.value, done.seqnum, done.tries, done.isBehind], [1, 2n, 1, false]);
    assert.equal(fake.reads, ["local"], "both reads are one");
    assert.is(t(await rig.do(bank.read("bob"))), "10");
    assert.equal(await rig.do(bank.fate(done.txid!)), { state: "committed", seqnum: 2n });
    assert.is(await rig.do(bank.seqnum()), 2n);
    const { m, primary, seqnum, own } = await rig.do(bank.commits());
    assert.equal([m, primary, seqnum, own], [2, 0, 2n, "primary"]);
    const none = await rig.do(bank.transaction(() => "nothing"));
    assert.equal([none.value, none.txid, none.seqnum], ["nothing", undefined, undefined]);
    await rig.do(bank.transaction((tx) => tx.put("long", new Uint8Array(3_000_000).fill(7))));
    const long = await rig.do(bank.transaction((tx) => tx.get("long")));
    assert.is(long.value?.length, 3_000_000);
    await rig.do(cluster.close());
    await rig.end();
  });

  test(`${way}: a snapshot stays as it is, and ends`, async () => {
    const { rig, fake, bank } = await open(2, isOverBus);
    for (let n = 0; n < 1200; n++) fake.other(`key ${n}`, "v".repeat(n));
    const one = await rig.do(bank.snapshot());
    fake.other("key 0", "another");
    assert.is(one.seqnum, 1200n);
    assert.is(await rig.do(one.get("key 0")), undefined);
    assert.is(t(await rig.do(bank.read("key 0"))), "another");
    let sum = 0;
    await rig.do((async () => {
      for await (const { key, value } of one.entries({ prefix: "key 1" })) {
        assert.is(`key ${value.length}`, t(key));
        sum += 1;
      }
    })());
    assert.is(sum, 1 + 10 + 100 + 200);
    const few: (string | undefined)[] = [];
    await rig.do((async () => {
      for await (const { key, value } of one.entries({ limit: 2, keysOnly: true })) {
        few.push(t(key));
        assert.is(value.length, 0);
      }
    })());
    assert.equal(few.length, 2);
    const two = await rig.do(bank.snapshot({ latest: true }));
    assert.is(two.seqnum, 1201n);
    assert.is((await failure(rig.do(bank.snapshot()))).code, "limit");
    await rig.do(one.close());
    await rig.do(one.close());
    assert.is(fake.snapshots, 1);
    assert.is((await failure(rig.do(one.get("key 1")))).code, "state");
    await rig.end();
    await rig.data.run(100);
    await rig.data.until(() => fake.snapshots === 0, 30_000);
  });
}

test("another was first: the function runs again from the latest state, and is told so", async () => {
  const { rig, fake, bank } = await open(3);
  fake.other("n", "1");
  // What this node shows is old: read locally it would lose for ever.
  fake.old = { records: new Map(fake.records), dbseq: fake.dbseq };
  fake.other("n", "5");
  const told: Retry[] = [];
  const add = async (): Promise<number> => {
    const { value } = await bank.transaction(async (tx) => {
      const next = Number(t(await tx.get("n"))) + 1;
      tx.put("n", `${next}`);
      return next;
    }, { onRetry: (retry) => told.push(retry) });
    return value;
  };
  assert.is(await rig.do(add()), 6);
  assert.equal(told.map(({ tries, key }) => [tries, t(key)]), [[1, "n"]]);
  assert.ok(told[0]!.afterMs > 0 && told[0]!.afterMs <= 1);
  assert.equal(fake.reads, ["local", "latest"]);
  fake.reads = [];
  await rig.do(bank.transaction((tx) => tx.get("n"), { latest: true }));
  assert.equal(fake.reads, ["latest"]);
  fake.old = undefined;
  const before = Number(t(fake.records.get("n")?.value));
  const sums = await rig.do(Promise.all(Array.from({ length: 8 }, add)));
  assert.equal(sums.sort(), Array.from({ length: 8 }, (_, n) => before + 1 + n).sort());
  await rig.end();
});

test("tries and time are bounded; the last words name who was first", async () => {
  const { rig, fake, bank } = await open(4);
  fake.before = () => fake.other("n", "x");
  let runs = 0;
  const losing = (options: { readonly tries?: number; readonly timeoutMs?: number }) =>
    failure(rig.do(bank.transaction(async (tx) => {
      runs += 1;
      await tx.get("n");
      tx.put("n", "mine");
    }, options)));
  const error = await losing({ tries: 3 });
  assert.instance(error, TransactionError);
  assert.equal([error.code, error.outcome, error.tries, runs], ["busy", "aborted", 3, 3]);
  assert.match(error.message, /others were first, 3 times; n was changed/);
  const beganMs = rig.data.nowMs(0);
  assert.is((await losing({ tries: 1_000_000, timeoutMs: 2000 })).code, "busy");
  assert.ok(rig.data.nowMs(0) - beganMs <= 2000);
  const none = await bank.transaction((tx) => tx.put("n", undefined as unknown as string))
    .catch((thrown) => thrown);
  assert.instance(none, TypeError);
  for (const tries of [0, 1.5, -1, NaN]) {
    const wrong = await bank.transaction(() => 1, { tries }).catch((thrown) => thrown);
    assert.instance(wrong, RangeError);
  }
  await rig.end();
});

test("an error of the function stores nothing; one that comes of changed reads is none", async () => {
  const { rig, fake, bank } = await open(5);
  fake.other("a", "1");
  fake.other("b", "1");
  const boom = new Error("boom");
  const thrown = await rig.do(
    bank.transaction((tx) => {
      tx.put("a", "2");
      throw boom;
    }).catch((error) => error),
  );
  assert.is(thrown, boom);
  assert.is(t(fake.records.get("a")?.value), "1");
  // "a" and "b" are always equal, but for who reads one of them before and one after a change.
  let runs = 0;
  const { value, tries } = await rig.do(bank.transaction(async (tx) => {
    runs += 1;
    const a = t(await tx.get("a"));
    if (runs === 1) {
      fake.dbseq += 1n;
      for (const key of ["a", "b"]) fake.write(key, b("2"));
    }
    if (t(await tx.get("b")) !== a) throw new Error("never to be seen");
    return a;
  }));
  assert.equal([value, tries], ["2", 2]);
  let late: Promise<unknown> = Promise.resolve();
  await rig.do(bank.transaction((tx) => {
    late = Promise.resolve().then(() => undefined).then(() => tx.get("a"));
    late.catch(() => {});
    tx.put("a", "3");
  }));
  assert.is((await failure(late)).code, "state", "its function has ended");
  await rig.end();
});

test("how a transaction is refused has a code for each", async () => {
  const { rig, fake, bank } = await open(6);
  fake.mood = "readonly";
  const put = (value: string | Uint8Array) =>
    rig.do(bank.transaction((tx) => tx.put("key", value)));
  assert.is((await failure(put("v"))).code, "no_quorum");
  fake.mood = "serving";
  assert.is((await failure(put(new Uint8Array(17 * 1024 * 1024)))).code, "limit");
  const many = await failure(rig.do(bank.transaction((tx) => {
    for (let n = 0; n < 3; n++) tx.put(`key ${n}`, new Uint8Array(16 * 1024 * 1024));
  })));
  assert.equal([many.code, many.outcome], ["limit", "aborted"]);
  assert.is(fake.records.size, 0, "nothing was done");
  fake.mood = "silent";
  const unknown = await failure(put("v"));
  assert.equal([unknown.code, unknown.outcome], ["unknown", "unknown"]);
  fake.mood = "serving";
  const fate = await rig.do(bank.fate(unknown.txid!));
  assert.is(fate.state, "not_executed");
  assert.is((await rig.do(bank.fate(unknown.txid!, { finalize: true }))).state, "aborted");
  for (const odd of ["", "7", "x.1", "1.0", `${2n ** 64n}.1`, "1.4294967296", "1.1 "]) {
    const wrong = await bank.fate(odd).catch((thrown) => thrown);
    assert.instance(wrong, SyntaxError, odd);
  }
  await rig.end();
});

for (const moment of ["before", "after"] as const) {
  test(`cut off ${moment} it is decided: submitted again under its name, executed once`, async () => {
    const { rig, fake, bank, cut } = await open(7);
    let cuts = 0;
    fake[moment] = async () => {
      if (cuts > 2) return;
      cuts += 1;
      // The name is on its way; the connection goes when it has come.
      await new Promise<void>((resolve) => rig.data.node(0).world.clock.after(5, resolve));
      cut();
      if (moment === "after") await new Promise(() => {});
    };
    const { seqnum, tries, txid } = await rig.do(bank.transaction(async (tx) => {
      tx.put("n", `${Number(t(await tx.get("n")) ?? 0) + 1}`);
    }));
    assert.is(t(fake.records.get("n")?.value), "1");
    assert.equal([seqnum, tries], [1n, 1]);
    assert.equal(fake.submitted.map(({ again }) => again), [false, true, true, true]);
    assert.is(new Set(fake.submitted.map(({ client }) => client)).size, 4, "four connections");
    assert.is((await rig.do(bank.fate(txid!))).state, "committed");
    await rig.end();
  });
}

test("cut off before its name has come: unknown, and not done again", async () => {
  const { rig, fake, bank, cut } = await open(8);
  fake.before = () => {
    cut();
    return new Promise(() => {});
  };
  const error = await failure(rig.do(bank.transaction((tx) => tx.put("n", "1"))));
  assert.equal([error.code, error.txid], ["unknown", undefined]);
  assert.is(fake.submitted.length, 1);
  await rig.end();
});

test("a read under way when the connection is cut is asked again; one of a snapshot is not", async () => {
  const { rig, fake, bank, cut } = await open(13);
  fake.other("n", "1");
  const plain = fake.read.bind(fake);
  let asked = 0;
  fake.read = (keys, how) => {
    asked += 1;
    if (asked > 1) return plain(keys, how);
    cut();
    return new Promise(() => {});
  };
  assert.is(t((await rig.do(bank.transaction((tx) => tx.get("n")))).value), "1");
  assert.is(asked, 2);
  const snapshot = await rig.do(bank.snapshot());
  const found = failure(snapshot.get("n"));
  cut();
  assert.is((await rig.do(found)).code, "state");
  await rig.end();
});

test("a cut ends a snapshot, and nothing else", async () => {
  const { rig, fake, bank, cut } = await open(9);
  fake.other("n", "1");
  const snapshot = await rig.do(bank.snapshot());
  cut();
  await rig.data.run(50);
  assert.is(fake.snapshots, 0, "the node has given it up");
  const other = await rig.do(bank.snapshot());
  const { code, message } = await failure(rig.do(snapshot.get("n")));
  assert.is(code, "state");
  assert.match(message, /was cut/);
  const listed = snapshot.entries().next();
  assert.is((await failure(rig.do(listed))).code, "state");
  assert.is(t(await rig.do(other.get("n"))), "1");
  await rig.end();
});

test("one record: stored, swapped and changed as in other databases; none is locked", async () => {
  const { rig, bank } = await open(10);
  await rig.do(bank.put("a", "1"));
  assert.ok(await rig.do(bank.compareAndSwap("a", "1", "2")));
  assert.is(t(await rig.do(bank.update("a", (value) => `${t(value)}3`))), "23");
  assert.is(t(await rig.do(bank.read("a"))), "23");
  assert.is(await rig.do(bank.update("a", () => undefined)), undefined);
  assert.is(await rig.do(bank.read("a")), undefined);
  assert.is(bank.readNow(b("a"), () => {}), false);
  assert.is((await failure(rig.do(bank.fetchLock("a")))).code, "state");
  await rig.end();
});

test("a volatile database has none of it", async () => {
  const { rig, cluster } = await open(11);
  const db = await rig.do(cluster.attach("visits"));
  const asks: (() => Promise<unknown>)[] = [
    () => db.transaction((tx) => tx.put("a", "b")),
    () => db.snapshot(),
    () => db.seqnum(),
    () => db.commits(),
    () => db.fate("1.1"),
  ];
  for (const ask of asks) {
    const { code, message } = await failure(ask());
    assert.is(code, "unsupported");
    assert.match(message, /visits: it is volatile/);
  }
  await rig.end();
});

test("the examples of the types run", async () => {
  const { rig, fake, bank } = await open(12);
  fake.other("ann", "100");
  fake.other("bob", "1");
  const path = new URL("../../../actors/client/transaction_types.ts", import.meta.url);
  const examples = [...readFileSync(path, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, text = ""]) => text.replace(/^ +\* ?/gm, ""));
  assert.is(examples.length, 5);
  const told: unknown[] = [];
  const log = { log: (...words: unknown[]) => void told.push(words) };
  const Async = Object.getPrototypeOf(async () => {}).constructor;
  for (const text of examples) {
    // `await using` is not known to all engines in a function that is made of a text.
    const code = text.replace("await using ", "const ");
    await rig.do(new Async("bank", "console", code)(bank, log));
  }
  assert.equal(told[0], [90, 3n]);
  assert.is(told.length, 6);
  await rig.end();
});

test.run();
