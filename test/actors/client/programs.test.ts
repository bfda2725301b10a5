/** Messages between programs, procedures and actors, over whole data threads. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MessageItem } from "../../../actors/client/types.ts";
import { KEEP } from "../../../actors/client/types.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { b, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client programs");

/** The code of what a promise is rejected with, and its text. */
async function failure(work: Promise<unknown>): Promise<CtdbxError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CtdbxError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

function textOf(item: MessageItem | undefined): string {
  return item?.type === "message" ? `${item.from.pnn}: ${t(item.data)}` : `${item?.type}`;
}

test("messages come to who listens, from one node, to all, and in order", async () => {
  const rig = await ClientRig.start(1, 3);
  const [one, two, three] = [await rig.connect(0), await rig.connect(1), await rig.connect(2)];
  const ears = await rig.do(two.listen(7n));
  const more = await rig.do(three.listen(7n));
  assert.is(await rig.do(one.send(1, 7n, "a")), 1);
  one.post("all", 7n, "b");
  assert.is(await rig.do(one.send("connected", 7n, "c")) >= 2, true);
  const got: string[] = [];
  for (let n = 0; n < 3; n++) got.push(textOf((await rig.do(ears.next())).value));
  assert.equal(got, ["0: a", "0: b", "0: c"]);
  assert.is(textOf((await rig.do(more.next())).value), "0: b");
  await rig.do(ears.close());
  assert.is((await rig.do(ears.next())).done, true);
  assert.is((await failure(rig.do(one.send(9, 7n, "x")))).code, "not_found");
  assert.is((await failure(rig.do(one.send(1, 0xf7n << 56n, "x")))).code, "denied");
  assert.is((await failure(rig.do(one.listen(0xf7n << 56n)))).code, "denied");
  await rig.end();
});

test("two listeners of a program get each their own, and one for all srvids everything", async () => {
  const rig = await ClientRig.start(2, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0)];
  const ears = [await rig.do(one.listen(1n)), await rig.do(one.listen(1n))];
  const every = await rig.do(two.listen(0xffff_ffff_ffff_ffffn));
  two.post(0, 1n, "x");
  two.post(0, 2n, "y");
  for (const each of ears) assert.is(textOf((await rig.do(each.next())).value), "0: x");
  assert.is(textOf((await rig.do(every.next())).value), "0: x");
  assert.is(textOf((await rig.do(every.next())).value), "0: y");
  await rig.end();
});

test("a program that does not take its messages is cut off with a clear end", async () => {
  const rig = await ClientRig.start(3, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0)];
  const ears = await rig.do(one.listen(1n));
  for (let n = 0; n < 9000; n++) two.post(0, 1n, `${n}`);
  await rig.data.run(50);
  let count = 0;
  let error: CtdbxError | undefined;
  while (error === undefined) {
    await rig.do(ears.next()).then(() => count += 1, (thrown) => error = thrown);
  }
  assert.is(error.code, "limit");
  assert.is(count, 8192);
  await rig.end();
});

test("a program that takes its messages gets as many as there are", async () => {
  const rig = await ClientRig.start(11, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0)];
  const ears = [await rig.do(one.listen(1n)), await rig.do(one.listen(1n))];
  let sent = 0;
  for (let got = 0; got < 12_000; got++) {
    for (; sent < got + 1000; sent++) two.post(0, 1n, `${sent}`);
    for (const each of ears) assert.is(textOf((await rig.do(each.next())).value), `0: ${got}`);
  }
  await rig.end();
});

test("who is there: by pid and by srvid", async () => {
  const rig = await ClientRig.start(4, 2);
  const [one, two] = [await rig.connect(0), await rig.connect(1)];
  await rig.do(two.listen(5n));
  const { nodes, unheard } = await rig.do(one.exists({ srvid: 5n }));
  assert.equal([nodes.filter(({ count }) => count > 0), unheard], [[{ pnn: 1, count: 1 }], []]);
  const at = await rig.do(one.exists({ pnn: 1, pid: 1001 }));
  assert.equal(at.nodes, [{ pnn: 1, count: 1 }]);
  await rig.end();
});

test("a procedure runs in the program that offers it at the record's node, or at the caller's", async () => {
  const rig = await ClientRig.start(5, 2);
  const [one, two] = [await rig.connect(0), await rig.connect(1)];
  const [first, second] = [
    await rig.do(one.attach("visits")),
    await rig.do(two.attach("visits")),
  ];
  await rig.do(first.put("key", "a"));
  const none = await failure(rig.do(second.call("key", "join/1", b("x"))));
  assert.is(none.code, "unsupported", none.message);
  const ran: string[] = [];
  const offered = await rig.do(two.procedure("join", 1, (value, args) => {
    ran.push(t(value) ?? "");
    return { value: `${t(value)}${t(args)}`, result: "done" };
  }));
  assert.is(t(await rig.do(second.call("key", "join/1", b("b")))), "done");
  assert.is(t(await rig.do(second.call("key", "join/1", b("c")))), "done");
  assert.equal(ran, ["a", "ab"]);
  assert.is(t(await rig.do(first.read("key"))), "abc");
  await rig.do(offered.close());
  assert.is((await failure(rig.do(second.call("key", "join/1", b("x"))))).code, "unsupported");
  await rig.end();
});

test("a procedure may be withdrawn while the connection is closed: it goes with it", async () => {
  const rig = await ClientRig.start(21, 1);
  const [one, two] = [await rig.connect(0), await rig.connect(0)];
  const offered = await rig.do(one.procedure("join", 1, (value) => ({ value: value ?? b("") })));
  const closing = offered.close();
  await rig.do(one.close());
  await rig.do(closing);
  const db = await rig.do(two.attach("visits"));
  const none = await failure(rig.do(db.call("key", "join/1", b("x"))));
  assert.is(none.code, "unsupported", none.message);
  await rig.end();
});

test("who does not offer a procedure reaches it at the record's node, also where records would come", async () => {
  const rig = await ClientRig.start(8, 3);
  const [here, there] = await rig.databases("visits");
  let runs = 0;
  await rig.do(rig.clusters[0]!.procedure("where", 1, () => ({ result: `${++runs}` })));
  for (const key of ["a", "b", "c", "d"]) {
    await rig.do(here!.put(key, "1"));
    await rig.do(there!.read(key));
    await rig.do(here!.put(key, "2"));
    assert.is(t(await rig.do(there!.call(key, "where/1", b("")))), `${runs}`);
  }
  assert.is(runs, 4);
  await rig.end();
});

test("a procedure that throws, keeps, or is too slow", async () => {
  const rig = await ClientRig.start(6, 1);
  const one = await rig.connect(0);
  const db = await rig.do(one.attach("visits"));
  await rig.do(db.put("key", "a"));
  await rig.do(one.procedure("odd", 1, (_value, args) => {
    if (t(args) === "throw") throw new Error("it does not suit");
    return { value: KEEP, result: "kept" };
  }));
  const thrown = await failure(rig.do(db.call("key", "odd/1", b("throw"))));
  assert.equal([thrown.code, /it does not suit/.test(thrown.message)], ["state", true]);
  assert.is(t(await rig.do(db.call("key", "odd/1", b("")))), "kept");
  await rig.do(one.procedure("slow", 1, () => new Promise(() => {}), { timeoutMs: 50 }));
  const slow = await failure(rig.do(db.call("key", "slow/1", b(""))));
  assert.equal([slow.code, /longer than 50 ms/.test(slow.message)], ["state", true]);
  assert.is(t(await rig.do(db.read("key"))), "a");
  await rig.end();
});

test("other code under one name and version is refused, wherever in the cluster it is", async () => {
  const rig = await ClientRig.start(21, 3);
  const [one, here, there, odd] = await Promise.all(
    [0, 0, 1, 2].map((n) => rig.connect(n, { runtime: n === 2 ? "other 2.0" : "test 1.0" })),
  );
  const code = () => ({ result: "a" });
  const offered = await rig.do(one!.procedure("join", 1, code));
  for (const program of [here!, there!]) {
    const refused = await failure(rig.do(program.procedure("join", 1, () => ({ result: "b" }))));
    assert.is(refused.code, "exists");
    const words =
      /^Cannot offer join\/1 \(test 1\.0 [0-9a-f]{16}\): a program at n0 offers other code/;
    assert.match(refused.message, words);
    // It is not offered there, and may be with the same code, or another version.
    const same = await rig.do(program.procedure("join", 1, code));
    await rig.do(program.procedure("join", 2, () => ({ result: "b" })));
    await rig.do(same.close());
    await rig.do(program.procedure("join", 1, code));
  }
  // Another runtime writes the same function in another way; what is said counts for all.
  await rig.do(odd!.procedure("join", 1, () => ({ result: "b" })));
  await rig.do(one!.procedure("said", 1, code, { code: "v1" }));
  assert.is(
    (await failure(rig.do(odd!.procedure("said", 1, code, { code: "v2" })))).code,
    "exists",
  );
  await rig.do(odd!.procedure("said", 1, code, { code: "v1" }));
  await rig.do(offered.close());
  await rig.end();
});

test("a class is compared as a procedure is", async () => {
  const rig = await ClientRig.start(22, 2);
  const [one, two] = await Promise.all([0, 1].map((n) => rig.connect(n, { runtime: "test 1.0" })));
  const made = (by: number) => {
    // One name, and bodies that differ.
    const kind = by === 1
      ? class Tally {
        count = 0;
        add(): number {
          return this.count += 1;
        }
      }
      : class Tally {
        count = 0;
        add(): number {
          return this.count += 2;
        }
      };
    return kind;
  };
  assert.is(await rig.do(one!.actor(made(1), "a").add()), 1);
  assert.is(await rig.do(two!.actor(made(1), "a").add()), 2);
  const three = await rig.connect(1, { runtime: "test 1.0" });
  const refused = await failure(rig.do(three.actor(made(2), "a").add()));
  assert.is(refused.code, "exists");
  assert.match(refused.message, /Tally\/1/);
  await rig.end();
});

class Counter {
  static readonly version = 2;
  count = 0;
  names: string[] = [];

  add(by: number, name?: string): number {
    if (by < 0) throw new RangeError("only forward");
    this.count += by;
    if (name !== undefined) this.names.push(name);
    return this.count;
  }

  look(): { count: number; names: string[] } {
    return { count: this.count, names: this.names };
  }
}

test("an actor: an object that lives in a record", async () => {
  const rig = await ClientRig.start(7, 3);
  const clusters = [await rig.connect(0), await rig.connect(1), await rig.connect(2)];
  const counters = clusters.map((cluster) => cluster.actor(Counter, "visits"));
  assert.is(await rig.do(counters[0]!.add(1)), 1);
  assert.is(await rig.do(counters[1]!.add(2, "ann")), 3);
  assert.is(await rig.do(counters[2]!.add(3, "bob")), 6);
  assert.equal(await rig.do(counters[0]!.look()), { count: 6, names: ["ann", "bob"] });
  const refused = await failure(rig.do(counters[1]!.add(-1)));
  assert.ok(/only forward/.test(refused.message), refused.message);
  assert.equal(await rig.do(counters[1]!.look()), { count: 6, names: ["ann", "bob"] });
  // It can be awaited and looked at like any value.
  assert.is((counters[0] as unknown as { then: unknown }).then, undefined);
  assert.is((counters[0] as unknown as { constructor: unknown }).constructor, undefined);
  await rig.end();
});

test("traverse and count, with prefix and limit, from any node", async () => {
  const rig = await ClientRig.start(8, 3);
  const [one, two, three] = await rig.databases("all");
  for (let n = 0; n < 700; n++) await rig.do([one!, two!, three!][n % 3]!.put(`key${n}`, `${n}`));
  const seen = new Map<string, string>();
  const all = two!.traverse();
  for (let next = await rig.do(all.next()); !next.done; next = await rig.do(all.next())) {
    assert.not(seen.has(t(next.value.key) as string));
    seen.set(t(next.value.key) as string, t(next.value.value) as string);
  }
  assert.is(seen.size, 700);
  assert.is(seen.get("key123"), "123");
  assert.is(await rig.do(one!.count()), 700);
  assert.is(await rig.do(one!.count({ prefix: "key1" })), 111);
  let limited = 0;
  const some = one!.traverse({ prefix: "key2", limit: 5, keysOnly: true });
  for (let next = await rig.do(some.next()); !next.done; next = await rig.do(some.next())) {
    assert.is(next.value.value.length, 0);
    limited += 1;
  }
  assert.is(limited, 5);
  await rig.end();
});

test("a traverse that is ended early, and one whose values are long, ask for no more than they take", async () => {
  const rig = await ClientRig.start(10, 2);
  const [one, two] = await rig.databases("all");
  for (let n = 0; n < 40; n++) await rig.do(one!.put(`key${n}`, new Uint8Array(200_000)));
  const all = two!.traverse();
  assert.is((await rig.do(all.next())).done, false);
  assert.equal(await rig.do(all.return!()), { done: true, value: undefined });
  assert.equal(await rig.do(all.next()), { done: true, value: undefined });
  let count = 0;
  const again = two!.traverse();
  for (let next = await rig.do(again.next()); !next.done; next = await rig.do(again.next())) {
    assert.is(next.value.value.length, 200_000);
    count += 1;
  }
  assert.is(count, 40);
  assert.is(rig.data.database(1, "all").stats().traverses, 0);
  await rig.end();
});

test("watch: the values that are there, then each change, from other nodes, too", async () => {
  const rig = await ClientRig.start(9, 2);
  const [one, two] = await rig.databases("watched");
  await rig.do(one!.put("a", "1"));
  const changes = two!.watch("a");
  /** Until that value is told; one may come twice. */
  const comes = async (wanted: string | undefined) => {
    for (;;) {
      const { value } = await rig.do(changes.next());
      if (value?.type === "value" && t(value.value) === wanted) return;
    }
  };
  await comes("1");
  await rig.do(one!.put("a", "2"));
  await comes("2");
  await rig.do(two!.update("a", (value) => `${t(value)}3`));
  await comes("23");
  await rig.do(one!.delete("a"));
  await comes(undefined);
  const last = changes.next();
  await rig.data.run(200);
  await rig.do(changes.return!());
  assert.equal(await rig.do(last), { done: true, value: undefined });
  await rig.end();
});

test.run();
