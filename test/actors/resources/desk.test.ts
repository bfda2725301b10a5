/**
 * The desk of a node: what it tells programs, and what it believes of them; and the page that outlives it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { asAddress } from "../../../actors/resources/disguise.ts";
import { PAUSE_MS, ResourceDesk } from "../../../actors/resources/desk.ts";
import type { ResourceAnswer, ResourceAsk } from "../../../actors/resources/words.ts";
import type { AddressEvent } from "../../../actors/machines/addresses/takeover/events.ts";
import { GrantPage } from "../../../actors/storage/grant_page.ts";
import { RealImageStore } from "../../../transport/real_image.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import { resourceName, RESOURCES_MAX } from "../../../transport/wire/resource.ts";

const test = suite("desk of resources");
const PAGE = "/run/grants";
const AHEAD_MS = 300;
const JOB = resourceName("job");
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A desk whose programs the test plays. */
class Rig {
  readonly time = new SimTime();
  readonly machine: SimMachine;
  readonly dead = new Set<number>();
  readonly notes: string[] = [];
  /** The last offers: known, able. */
  offers: readonly (readonly string[])[] = [[], []];
  desk: ResourceDesk;
  #id = 0;

  constructor() {
    const dice = new SeededDice(1);
    this.machine = new SimMachine({ name: "n0", network: new SimNetwork(this.time, dice), dice });
    this.desk = this.#open();
  }

  #open(): ResourceDesk {
    const { clock, images } = this.machine.boot();
    return new ResourceDesk({
      clock,
      page: GrantPage.open(images, PAGE),
      aheadMs: () => AHEAD_MS,
      alive: (pid) => !this.dead.has(pid),
      onOffers: (...offers) => this.offers = offers,
      note: (text) => void this.notes.push(text),
    });
  }

  /** The daemon is killed, and another one begins. */
  restart(): void {
    this.machine.crash("process");
    this.desk = this.#open();
  }

  get nowMs(): number {
    return this.machine.world!.clock.nowMs();
  }

  /** What the page says, by the node's clock; 0: nothing. */
  get pageMs(): number {
    const page = GrantPage.open(this.machine.images, PAGE);
    const { endMs } = page;
    page.close();
    return endMs === 0 ? 0 : endMs + AHEAD_MS;
  }

  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(Math.min(endMs, this.time.nowMs + 5));
      await turn();
    }
  }

  ask(ask: ResourceAsk): Promise<ResourceAnswer> {
    return this.desk.ask(ask);
  }

  async offer(client: number, pid?: number, name = JOB): Promise<void> {
    await this.ask({ what: "offer", client, pid, program: `p${client}`, id: 1, name });
  }

  /** Its orders, when they come. */
  news(client: number): { readonly orders: ResourceAnswer["orders"][] } {
    const got = { orders: [] as ResourceAnswer["orders"][] };
    void this.ask({ what: "news", client }).then(({ orders }) => got.orders.push(orders));
    return got;
  }

  take(untilMs: number): AddressEvent[] {
    const events: AddressEvent[] = [];
    const op = { kind: "take", id: ++this.#id, address: asAddress(JOB), untilMs } as const;
    this.desk.run(op, (event) => events.push(event));
    return events;
  }

  release(): AddressEvent[] {
    const events: AddressEvent[] = [];
    const op = { kind: "release", id: ++this.#id, address: asAddress(JOB) } as const;
    this.desk.run(op, (event) => events.push(event));
    return events;
  }

  sweep(): AddressEvent[] {
    const events: AddressEvent[] = [];
    this.desk.run({ kind: "sweep", id: ++this.#id }, (event) => events.push(event));
    return events;
  }

  /** What is owned, as the machine sees it. */
  get seen(): readonly string[] {
    let seen: readonly string[] = [];
    this.desk.run({ kind: "look", id: ++this.#id }, (event) => {
      if (event.kind === "seen") seen = event.addresses;
    });
    return seen;
  }

  say(client: number, grant: number, did: "taken" | "released" | "failed", why = ""): void {
    void this.ask({ what: "say", client, said: [{ grant, did, why }] });
  }

  /** A program that owns it until then. */
  async owned(client: number, pid: number | undefined, untilMs: number): Promise<void> {
    await this.offer(client, pid);
    const news = this.news(client);
    const taken = this.take(untilMs);
    await this.run(5);
    assert.equal(news.orders, [[{ do: "take", id: 1, grant: 1, untilMs: untilMs - AHEAD_MS }]]);
    this.say(client, 1, "taken");
    await this.run(5);
    assert.equal(isOk(taken), [true]);
  }
}

const isOk = (events: readonly AddressEvent[]) =>
  events.map((event) => event.kind === "done" && event.isOk);

test("A program is told what it owns in the machine's time; the page has the end before it is told", async () => {
  const rig = new Rig();
  const untilMs = rig.nowMs + 2500;
  await rig.owned(1, 500, untilMs);
  assert.ok(Math.abs(rig.pageMs - untilMs) < 0.001);
  const news = rig.news(1);
  rig.desk.run({ kind: "keep", addresses: [asAddress(JOB)], untilMs: untilMs + 500 }, () => {});
  await turn();
  assert.equal(news.orders, [[{ do: "keep", grants: [1], untilMs: untilMs + 500 - AHEAD_MS }]]);
  assert.ok(Math.abs(rig.pageMs - untilMs - 500) < 0.001);
  // It does not ask any more: nothing is extended, also not by the page.
  rig.desk.run({ kind: "keep", addresses: [asAddress(JOB)], untilMs: untilMs + 1000 }, () => {});
  await rig.run(500);
  assert.ok(Math.abs(rig.pageMs - untilMs - 500) < 0.001);
  assert.equal(rig.seen, [JOB]);
  await rig.run(2600);
  assert.equal([rig.seen, rig.pageMs], [[], 0]);
  assert.ok(rig.notes.some((text) => /did not ask in time/.test(text)), rig.notes.join());
});

test("A connection ends: with its process it is over at once, without it at the end of its time", async () => {
  for (
    const [pid, isDead, overMs] of [[500, true, 60], [500, false, 2600], [
      undefined,
      true,
      2600,
    ]] as const
  ) {
    const rig = new Rig();
    await rig.owned(1, pid, rig.nowMs + 2500);
    const released = rig.release();
    if (isDead) rig.dead.add(500);
    void rig.ask({ what: "ended", client: 1 });
    await rig.run(overMs - 100 > 0 ? overMs - 200 : overMs);
    assert.is(released.length, overMs < 100 ? 1 : 0, `${pid} ${isDead}`);
    await rig.run(300);
    assert.equal(isOk(released), [true]);
    assert.equal(rig.offers, [[], []]);
  }
});

test("A process that dies after its connection has ended is seen soon", async () => {
  const rig = new Rig();
  await rig.owned(1, 500, rig.nowMs + 2500);
  void rig.ask({ what: "ended", client: 1 });
  await rig.run(200);
  assert.equal(rig.seen, [JOB]);
  rig.dead.add(500);
  await rig.run(60);
  assert.equal([rig.seen, rig.pageMs], [[], 0]);
});

test("Nobody can give up what another program owns, and what was over stays so", async () => {
  const rig = new Rig();
  await rig.owned(1, 500, rig.nowMs + 2500);
  await rig.offer(2, 501);
  for (const did of ["taken", "released", "failed"] as const) rig.say(2, 1, did);
  await rig.ask({ what: "withdraw", client: 2, id: 1 });
  void rig.ask({ what: "ended", client: 2 });
  await rig.run(5);
  assert.equal(rig.seen, [JOB]);
  // A program of the next data thread has the number that the first one had, and does not own its things.
  rig.desk.threadLost();
  await rig.offer(1, 502);
  for (const did of ["taken", "released", "failed"] as const) rig.say(1, 1, did);
  assert.equal(rig.seen, [JOB]);
  rig.dead.add(500);
  await rig.run(60);
  rig.say(1, 1, "taken");
  assert.equal(rig.seen, []);
});

test("A program that does not answer: its take fails at the end of the time, and it is given nothing", async () => {
  const rig = new Rig();
  await rig.offer(1);
  assert.equal(isOk(rig.take(rig.nowMs + 2500)), [false], "it has not asked for news yet");
  const news = rig.news(1);
  const taken = rig.take(rig.nowMs + 2500);
  await rig.run(1100);
  assert.is(news.orders.length, 1);
  assert.equal(rig.offers, [[JOB], []], "silent");
  assert.equal(taken, []);
  await rig.run(1500);
  assert.equal(isOk(taken), [false]);
  assert.equal(rig.seen, []);
  // It goes on: what it was told is too late, and it is given things again.
  rig.say(1, 1, "taken");
  assert.equal(rig.seen, []);
  rig.news(1);
  await rig.run(10);
  assert.equal(rig.offers, [[JOB], [JOB]]);
});

test("What a program gives back is not given to it for 10 s; the next one of the node has it meanwhile", async () => {
  const rig = new Rig();
  await rig.owned(1, 500, rig.nowMs + 2500);
  rig.news(1);
  rig.say(1, 1, "failed", "no disk");
  await rig.run(10);
  assert.equal(rig.offers, [[JOB], []]);
  assert.ok(rig.notes.includes("Resource job is given back by p1 (process 500): no disk"));
  assert.equal(isOk(rig.take(rig.nowMs + 2500)), [false]);
  await rig.offer(2, 501);
  const news = rig.news(2);
  await rig.run(10);
  assert.equal(rig.offers, [[JOB], [JOB]]);
  rig.take(rig.nowMs + 2500);
  await turn();
  assert.is(news.orders.length, 1);
  assert.equal(rig.desk.rows().map(({ role, pid }) => `${role} ${pid}`), [
    "paused 500",
    "owner 501",
  ]);
  await rig.run(PAUSE_MS);
  assert.is(rig.desk.rows()[0]?.role, "next");
});

test("The next daemon says nothing before the last end of the former one is over", async () => {
  const rig = new Rig();
  assert.is(rig.sweep().length, 1, "nobody owned anything");
  await rig.owned(1, 500, rig.nowMs + 2500);
  await rig.run(500);
  rig.restart();
  const swept = rig.sweep();
  await rig.run(1900);
  assert.equal(swept, []);
  await rig.run(120);
  assert.is(swept.length, 1);
  assert.is(rig.pageMs, 0);
});

test("After its end the desk touches neither page nor timers", async () => {
  const rig = new Rig();
  await rig.owned(1, 500, rig.nowMs + 2500);
  const before = rig.pageMs;
  rig.desk.stop();
  rig.say(1, 1, "released");
  void rig.ask({ what: "ended", client: 1 });
  await rig.run(3000);
  assert.is(rig.pageMs, before);
});

test("Too many are refused by name; the same once more is not too many", async () => {
  const rig = new Rig();
  for (let n = 0; n < RESOURCES_MAX; n++) {
    const name = resourceName(`r${n}`);
    await rig.ask({ what: "offer", client: 1, pid: 1, program: "", id: n + 1, name });
  }
  const whyNot = async (name: string) => {
    const ask = {
      what: "offer",
      client: 2,
      pid: 2,
      program: "",
      id: 1,
      name: resourceName(name),
    } as const;
    return await rig.ask(ask).then(() => "done", String);
  };
  assert.match(await whyNot("one-more"), /RESOURCES_MAX is 4096/);
  assert.is(await whyNot("r7"), "done");
});

test("A program offers a name once; the same offer once more is done already", async () => {
  const rig = new Rig();
  const offer = (id: number, name: string) =>
    rig.ask({ what: "offer", client: 1, pid: 1, program: "p", id, name: resourceName(name) })
      .then(() => "done", String);
  assert.is(await offer(1, "job"), "done");
  assert.is(await offer(1, "job"), "done");
  assert.match(await offer(1, "other"), /1 is used/);
  assert.match(await offer(2, "job"), /Cannot offer job: this program does so already/);
  assert.is(rig.desk.rows().length, 1);
  await rig.ask({ what: "withdraw", client: 1, id: 1 });
  assert.is(await offer(2, "job"), "done");
});

test("A program that asked for news before it offered anything is known by its process all the same", async () => {
  const rig = new Rig();
  rig.news(1);
  await rig.offer(1, 500);
  assert.equal(rig.desk.rows().map(({ program, pid }) => [program, pid]), [["p1", 500]]);
});

test("Whether all is over is only read: a page that is not whole, or of another version, stays as it is", () => {
  const { images } = new Rig().machine;
  const atEnd = { nowMs: () => 1e9 } as never;
  const path = "/run/odd";
  const image = images.open(path, { create: true });
  image.extend(100);
  assert.not(GrantPage.isOver(images, path, atEnd));
  assert.is(image.size(), 100);
  image.truncate(0);
  assert.not(GrantPage.isOver(images, path, atEnd));
  assert.is(image.size(), 0);
  image.close();
  GrantPage.open(images, path).close();
  assert.ok(GrantPage.isOver(images, path, atEnd));
  // Another format: whoever knows it not cannot say.
  const page = images.open(path);
  const words = new Int32Array(threadMemory().memory.buffer, page.address, 4);
  words[2] = 2;
  assert.not(GrantPage.isOver(images, path, atEnd));
  assert.is(words[2], 2);
  page.close();
});

test("Whether all is over is seen in a real file, too, while another has it open", () => {
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-grants-"));
  const images = new RealImageStore();
  const path = join(folder, "grants");
  const page = GrantPage.open(images, path);
  try {
    page.endMs = 500.25;
    const overAt = (ms: number) => GrantPage.isOver(images, path, { nowMs: () => ms } as never);
    assert.equal([overAt(500), overAt(501), page.endMs], [false, true, 500.25]);
    // By what the runtime compiles, too.
    for (let ms = 0; ms < 5000; ms++) assert.is(overAt(ms), ms > 500);
  } finally {
    page.close();
    rmSync(folder, { recursive: true });
  }
});

test("A page that was not finished is made anew; one of a former boot is not there", () => {
  const { images } = new Rig().machine;
  const image = images.open("/run/half", { create: true });
  image.extend(100);
  image.close();
  const page = GrantPage.open(images, "/run/half");
  assert.is(page.endMs, 0);
  page.endMs = 1234.5;
  page.close();
  page.endMs = 99;
  const again = GrantPage.open(images, "/run/half");
  assert.is(again.endMs, 1234.5);
  again.close();
  assert.ok(GrantPage.isOver(images, "/run/none", { nowMs: () => 0 } as never));
  assert.not(GrantPage.isOver(images, "/run/half", { nowMs: () => 1234 } as never));
  assert.ok(GrantPage.isOver(images, "/run/half", { nowMs: () => 1235 } as never));
});

test.run();
