/**
 * Resources of programs at whole simulated nodes: balanced, never two owners, owned again whatever dies or hangs.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ResourceRow } from "../../../actors/resources/rows.ts";
import { insideFacts } from "../../../actors/explain/inside.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { Fleet, type FleetProgram } from "./fleet.ts";

const test = suite("resources of programs");

const names = (pool: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${pool}${n}`);
const SHARDS = names("shard-", 6);
const counts = (programs: readonly FleetProgram[]) => programs.map((one) => one.owned().length);

/** Three programs that share six shards. */
async function shared(seed: number): Promise<Fleet> {
  const fleet = await Fleet.up(seed);
  await fleet.pool(SHARDS);
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 5000);
  return fleet;
}

test.either("Twelve shards over three nodes: four each; a program that comes later gets its share", async () => {
  const fleet = await Fleet.up(1);
  const shards = names("shard-", 12);
  const first = await fleet.program(0);
  await Promise.all(shards.map((name) => first.offer(name)));
  await fleet.until(() => first.owned().length === 12, 3000);
  const second = await fleet.program(1);
  await Promise.all(shards.map((name) => second.offer(name)));
  await fleet.until(() => second.owned().length === 6 && fleet.areOwned(shards), 3000);
  const third = await fleet.program(2);
  await Promise.all(shards.map((name) => third.offer(name)));
  await fleet.until(() => counts(fleet.programs).join() === "4,4,4", 3000);
  await fleet.run(5000);
  assert.ok(fleet.areOwned(shards));
  // Who keeps what it has is not told anything of it.
  assert.is(third.told.length, 4);
  assert.equal(first.told.filter((one) => one.startsWith("released")).length, 8);
  assert.ok(first.told.every((one) => !one.endsWith("lost")), "handed over while it was owned");
});

test.either("A program stands still: it owns nothing more when others do, and hears of it after", async () => {
  const fleet = await shared(2);
  const [one] = fleet.programs as [FleetProgram];
  const had = one.owned();
  const signals = had.map((name) => one.offered.find((each) => each.name === name)!.signal);
  one.life.pause();
  await fleet.until(() => fleet.areOwned(SHARDS) && one.owned().length === 0, 6000);
  assert.ok(signals.every(({ aborted }) => !aborted), "it stands still");
  one.life.resume();
  await fleet.until(() => signals.every(({ aborted }) => aborted), 1000);
  await fleet.until(() => had.every((name) => one.told.includes(`released ${name} lost`)), 1000);
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 3000);
});

test.either("A daemon is killed: its program owns nothing at once, others do after its lease; and back", async () => {
  const fleet = await shared(3);
  const { cluster } = fleet.whole;
  const n = ((cluster.leader ?? 0) + 1) % 3;
  const had = fleet.programs[n]!.owned();
  fleet.whole.crash(n);
  await fleet.until(() => fleet.programs[n]!.owned().length === 0, 100);
  await fleet.until(() =>
    had.every((name) => fleet.programs[n]!.told.includes(`released ${name} lost`))
  );
  await fleet.until(() => fleet.areOwned(SHARDS), 6000);
  await cluster.start(n);
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 15_000);
});

test.either("The leader's daemon is killed: the others' programs keep what they own, without a gap", async () => {
  const fleet = await shared(4);
  const { leader = 0 } = fleet.whole.cluster;
  const others = fleet.programs.filter(({ node }) => node !== leader);
  const kept = others.map((one) => one.owned().join());
  fleet.whole.crash(leader);
  const until = fleet.now + 5000;
  while (fleet.now < until) {
    await fleet.run(50);
    others.forEach((one, at) => {
      const owned = one.owned();
      for (const name of kept[at]!.split(",")) assert.ok(owned.includes(name), `${name} was kept`);
    });
  }
  await fleet.until(() => fleet.areOwned(SHARDS), 3000);
});

test.either("A node stands still: its program is told before the end, and owns nothing when others do", async () => {
  const fleet = await shared(5);
  const { cluster } = fleet.whole;
  const n = ((cluster.leader ?? 0) + 1) % 3;
  const program = fleet.programs[n]!;
  const had = program.owned();
  cluster.machines[n]!.pause();
  // The signal comes first: there is time to stop while it is owned still.
  await fleet.until(
    () => had.some((name) => program.told.includes(`released ${name} owned`)),
    4000,
  );
  await fleet.until(() => fleet.areOwned(SHARDS), 6000);
  cluster.machines[n]!.resume();
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 15_000);
});

test.either("The data thread of a node dies: its programs lose what they own, and get a share again", async () => {
  const fleet = await shared(6);
  const had = fleet.programs[1]!.owned();
  fleet.whole.shards[1]!.crash();
  await fleet.until(
    () => had.every((name) => fleet.programs[1]!.told.includes(`released ${name} lost`)),
    3000,
  );
  await fleet.until(
    () => counts(fleet.programs).join() === "2,2,2" && fleet.areOwned(SHARDS),
    15_000,
  );
});

test.either("A program stands still, its daemon is killed and there again: it waits for that end", async () => {
  const fleet = await shared(15);
  const { cluster } = fleet.whole;
  const n = ((cluster.leader ?? 0) + 1) % 3;
  const program = fleet.programs[n]!;
  const had = program.owned();
  program.life.pause();
  fleet.whole.crash(n);
  await cluster.start(n);
  assert.equal(program.owned(), had, "by the clock, as nobody could tell it");
  await fleet.until(() => fleet.areOwned(SHARDS) && program.owned().length === 0, 10_000);
  const notes = cluster.nodes[n]!.resources!.history.map(({ text }) => text);
  assert.ok(notes.some((text) => /may own resources by a former daemon for \d+ ms/.test(text)));
});

test.either("A program stands still while the data thread of its node dies: its end is waited for", async () => {
  const fleet = await shared(16);
  const program = fleet.programs[2]!;
  program.life.pause();
  fleet.whole.shards[2]!.crash();
  assert.is(program.owned().length, 2);
  await fleet.until(() => fleet.areOwned(SHARDS) && program.owned().length === 0, 10_000);
  program.life.resume();
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 15_000);
});

test.either("What ends late of a former daemon's is not taken for what the next one gave", async () => {
  const fleet = await Fleet.up(17);
  const { cluster } = fleet.whole;
  const n = ((cluster.leader ?? 0) + 1) % 3;
  const program = await fleet.program(n);
  let end = (): void => {};
  // Number 1 of its daemon, and what is done with it ends late.
  await program.offer("b", { onRelease: () => new Promise<void>((resolve) => end = resolve) });
  await fleet.until(() => program.owned().join() === "b", 3000);
  await program.offer("a");
  await fleet.until(() => program.owned().join() === "a,b", 3000);
  fleet.whole.crash(n);
  await cluster.start(n);
  // Number 1 of the next daemon: it goes by names.
  await fleet.until(() => program.owned().join() === "a", 10_000);
  end();
  await fleet.run(3000);
  assert.ok(program.owned().includes("a"));
  assert.is(program.told.filter((one) => one === "taken a").length, 2);
  const notes = cluster.nodes[n]!.resources!.history.map(({ text }) => text);
  assert.equal(notes.filter((text) => /resource a was owned here/i.test(text)), []);
});

test.either("Nobody else owns it before onRelease has ended, or the time is over that was left", async () => {
  const fleet = await Fleet.up(7);
  const ends = new Map<string, () => void>();
  const one = await fleet.program(0);
  for (const name of ["slow", "never"]) {
    await one.offer(name, {
      onRelease: () => new Promise<void>((resolve) => void ends.set(name, resolve)),
    });
  }
  await fleet.until(() => one.owned().length === 2);
  const two = await fleet.program(1);
  for (const name of ["slow", "never"]) await two.offer(name);
  for (const name of ["slow", "never"]) {
    // How it ends is of no matter here: the second program goes before the run is over.
    fleet.verb(2, "resource move", { name, node: "n1", forMs: 60_000 }).catch(() => {});
  }
  await fleet.until(() => ends.size === 2, 2000);
  const beganMs = fleet.now;
  await fleet.run(500);
  assert.equal([counts([one, two]), one.offered.map(({ signal }) => signal.aborted)], [
    [2, 0],
    [true, true],
  ]);
  ends.get("slow")?.();
  await fleet.until(() => two.owned().join() === "slow", 300);
  await fleet.until(() => two.owned().join() === "never,slow", 3500);
  assert.ok(fleet.now - beganMs > 1500, "the lease was waited out");
  // Who has not ended what it did with it before is not given it again, and what it does with others goes on.
  await fleet.do(two.client.close());
  await fleet.until(() => one.owned().join() === "slow", 5000);
  await fleet.run(3000);
  assert.equal(one.owned(), ["slow"]);
  ends.get("never")?.();
  await fleet.until(() => one.owned().join() === "never,slow", 12_000);
});

test.either("onTake throws: it goes to another program, and this one has it offered again after 10 s", async () => {
  const fleet = await Fleet.up(8);
  let failures = 0;
  const one = await fleet.program(0);
  await one.offer("job", {
    onTake: () => {
      failures += 1;
      throw new Error(`no disk ${failures}`);
    },
  });
  await fleet.until(() => failures === 1, 3000);
  await fleet.run(5000);
  assert.is(failures, 1);
  const [row] = await fleet.verb(1, "resource ls") as ResourceRow[];
  assert.equal([row?.state, row?.pnn], ["free", undefined]);
  assert.match(row?.why ?? "", /n0 offers it, but .* failed or hang/);
  const word = (n: number) => insideFacts(fleet.whole.cluster.nodes[n]!).resources;
  assert.equal([word(0)?.offered, word(0)?.paused.count], [1, 1]);
  const all = word(fleet.whole.cluster.leader ?? 0)?.all;
  assert.equal([all?.known, all?.owned, all?.free.count], [1, 0, 1]);
  assert.match(all?.free.first[0]?.why ?? "", /programs of n0/);
  await fleet.until(() => failures === 2, 7000);
  const two = await fleet.program(1);
  await two.offer("job");
  await fleet.until(() => two.owned().join() === "job", 3000);
  const history = await fleet.verb(0, "resource history") as { text: string }[];
  assert.ok(history.some(({ text }) => /job is given back by p0.*: no disk 1/.test(text)));
});

test.either("Two programs of one node: one owns it, the other stands by and takes over", async () => {
  const fleet = await Fleet.up(9);
  const one = await fleet.program(0);
  await one.offer("job");
  await fleet.until(() => one.owned().join() === "job", 3000);
  const two = await fleet.program(0);
  await two.offer("job");
  await fleet.run(3000);
  assert.equal(counts([one, two]), [1, 0]);
  const roles = async () =>
    (await fleet.verb(0, "resource programs") as { role: string }[]).map(({ role }) => role);
  assert.equal(await roles(), ["owner", "next"]);
  await fleet.do(one.client.close());
  assert.equal(one.told, ["taken job", "released job owned"]);
  await fleet.until(() => two.owned().join() === "job", 1500);
  // Stopped, not closed: the other one has come again by then.
  const three = await fleet.program(0);
  await three.offer("job");
  two.life.pause();
  await fleet.until(() => three.owned().join() === "job", 6000);
});

test.either("A node that is not well, or was disabled, gives its programs nothing", async () => {
  const fleet = await shared(10);
  fleet.whole.cluster.nodes[0]!.health.set("test", { ok: false, why: "sick" });
  await fleet.until(() => counts(fleet.programs).join() === "0,3,3", 4000);
  assert.ok(fleet.programs[0]!.told.every((one) => !one.endsWith("lost")), "handed over");
  fleet.whole.cluster.nodes[0]!.health.set("test", { ok: true });
  await fleet.until(() => counts(fleet.programs).join() === "2,2,2", 4000);
  await fleet.verb(0, "node flags", { node: "n1", set: ["disabled"] });
  await fleet.until(() => counts(fleet.programs).join() === "3,0,3", 4000);
});

test.either("A node ends in order: its programs hand over before it is gone", async () => {
  const fleet = await shared(11);
  const n = ((fleet.whole.cluster.leader ?? 0) + 1) % 3;
  await fleet.do(fleet.whole.cluster.nodes[n]!.stop());
  assert.ok(fleet.programs[n]!.told.filter((one) => one.startsWith("rel")).length >= 2);
  assert.ok(fleet.programs[n]!.told.every((one) => !one.endsWith("lost")), "handed over");
  await fleet.until(() => fleet.areOwned(SHARDS), 500);
});

test.either("Moved by hand it stays for its time; what cannot be is refused with the reason", async () => {
  const fleet = await shared(12);
  const [name = ""] = fleet.programs[0]!.owned();
  const moved = await fleet.verb(1, "resource move", { name, node: "n2", forMs: 4000 });
  assert.equal(moved, { name, pnn: 2, node: "n2" });
  assert.is(fleet.owners(name)[0]?.node, 2);
  const whyNot = async (args: Record<string, unknown>) => {
    try {
      await fleet.verb(1, "resource move", args);
    } catch (error) {
      if (error instanceof CtdbxError) return error.message;
      throw error;
    }
    return "done";
  };
  assert.match(await whyNot({ name: "nobody", node: "n0" }), /no program offers nobody/);
  assert.match(await whyNot({ name: "a b", node: "n0" }), /1 to 64 of A-Z/);
  assert.match(await whyNot({ name, node: "n7" }), /Cannot find node n7/);
  await fleet.do(fleet.programs[2]!.client.close());
  // The leader may not have heard of it yet.
  assert.match(await whyNot({ name, node: "n2" }), /did not take it|no program that could own/);
  await fleet.run(200);
  assert.match(await whyNot({ name, node: "n2" }), /n2 has no program that could own/);
});

test.either("Tokens rise with each ownership, whoever has it; one that is owned no more gives none", async () => {
  const fleet = await Fleet.up(13);
  const tokens: string[] = [];
  const late: (() => Promise<string>)[] = [];
  for (const n of [0, 1, 2]) {
    const program = await fleet.program(n);
    await program.offer("job", {
      onTake: async (owned) => {
        late.push(async () => (await owned.token()).text);
        tokens.push((await owned.token()).text);
      },
    });
  }
  for (let round = 0; round < 4; round++) {
    await fleet.until(() => tokens.length === round + 1 && fleet.areOwned(["job"]), 6000);
    const at = fleet.owners("job")[0]!.node;
    await fleet.verb(0, "resource move", { name: "job", node: `n${(at + 1) % 3}`, forMs: 100 });
  }
  await fleet.until(() => tokens.length === 5, 6000);
  assert.equal(tokens, [...new Set(tokens)].sort());
  // The first one's token was made while it was owned; who asks later gets that, or none.
  const program = fleet.owners("job")[0]!;
  const { ownership } = program.offered[0]!;
  await fleet.do(program.client.close());
  const refused = await fleet.do((async () => await ownership?.token())().then(() => "", String));
  assert.match(refused, /owns it no more|^$/);
});

test.either("What is offered twice, named wrongly or not here is refused with the reason", async () => {
  const fleet = await Fleet.up(14, 1);
  const one = await fleet.program(0);
  await one.offer("job");
  const whyNot = async (work: Promise<unknown>) => await fleet.do(work.then(() => "done", String));
  assert.match(await whyNot(one.client.resource("job")), /does so already/);
  assert.match(await whyNot(one.client.resource("a b")), /SyntaxError.*1 to 64/);
  assert.match(await whyNot(one.client.resource("x", { earlyMs: -1 })), /RangeError.*earlyMs/);
  const odd = { onTake: 7 } as unknown as { onTake: () => void };
  assert.match(await whyNot(one.client.resource("x", odd)), /TypeError.*functions/);
  const again = one.offered[0]!;
  await fleet.do(again.close());
  assert.not(again.isOwned);
  assert.is(await whyNot(again.close()), "done");
  await one.offer("job");
  await fleet.until(() => one.owned().join() === "job", 3000);
});

test.run();
