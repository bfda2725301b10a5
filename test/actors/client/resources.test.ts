/**
 * Resources of a program whose node refuses, comes back, or has little time left: the library, a data thread, and a
 * desk whose machine the test plays.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterClient } from "../../../actors/client/cluster.ts";
import type { AddressEvent } from "../../../actors/machines/addresses/takeover/events.ts";
import { ResourceDesk } from "../../../actors/resources/desk.ts";
import { asAddress } from "../../../actors/resources/disguise.ts";
import type { ResourceAsk, ResourceSaid } from "../../../actors/resources/words.ts";
import { GrantPage } from "../../../actors/storage/grant_page.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { resourceName } from "../../../transport/wire/resource.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client resources");

/** A program at a node of which the test has the desk. */
class Stage {
  readonly rig: ClientRig;
  readonly cluster: ClusterClient;
  readonly desk: ResourceDesk;
  readonly notes: string[] = [];
  readonly said: ResourceSaid[] = [];
  /** Before the desk hears of an offer; may refuse it. */
  gate: (name: string) => Promise<void> = () => Promise.resolve();
  #id = 0;

  private constructor(rig: ClientRig, cluster: ClusterClient) {
    this.rig = rig;
    this.cluster = cluster;
    const node = rig.data.node(0);
    this.desk = new ResourceDesk({
      clock: node.world.clock,
      page: GrantPage.open(node.world.images, "/run/grants"),
      aheadMs: () => 0,
      alive: () => true,
      onOffers: () => {},
      note: (text) => void this.notes.push(text),
    });
    node.resources = async (ask: ResourceAsk) => {
      if (ask.what === "offer") await this.gate(ask.name);
      if (ask.what === "say") this.said.push(...ask.said);
      return await this.desk.ask(ask);
    };
  }

  static async up(seed: number): Promise<Stage> {
    const rig = await ClientRig.start(seed, 1);
    return new Stage(rig, await rig.connect(0));
  }

  get #data() {
    return this.rig.data;
  }

  /** The data thread ends. */
  async down(): Promise<void> {
    await this.#data.time.drive(this.#data.node(0).shard.stop(), () => this.#data.run(1));
    this.desk.threadLost();
  }

  /** Another one begins. */
  async begin(): Promise<void> {
    await this.#data.startThread(0);
    await this.#data.life(0);
    await this.#data.view([0]);
  }

  /** What the desk has. */
  get offers(): string {
    return this.desk.rows().map(({ name }) => name).join();
  }

  /** Time has to go on for it. */
  async end(): Promise<void> {
    await this.rig.do(this.cluster.close());
  }

  async until(isSo: () => boolean, limitMs = 5000): Promise<void> {
    await this.#data.until(isSo, limitMs);
  }

  /** The machine has the resource given to a program, for so long. */
  take(name: string, forMs: number): AddressEvent[] {
    const events: AddressEvent[] = [];
    const untilMs = this.#data.nowMs(0) + forMs;
    const address = asAddress(resourceName(name));
    this.desk.run({ kind: "take", id: ++this.#id, address, untilMs }, (end) => events.push(end));
    return events;
  }
}

test("What is given for less than earlyMs is given back at once, and nothing is begun with it", async () => {
  const stage = await Stage.up(1);
  const told: string[] = [];
  const job = await stage.rig.do(stage.cluster.resource("job", {
    earlyMs: 1000,
    onTake: () => void told.push("take"),
    onRelease: () => void told.push("release"),
  }));
  await stage.until(() => stage.desk.rows()[0]?.role === "next");
  const taken = stage.take("job", 700);
  await stage.until(() => taken.length === 1, 500);
  assert.equal(stage.said.map(({ did }) => did), ["failed"]);
  assert.match(stage.notes.join(), /job is given back by test.*: too little was left/);
  assert.equal([job.isOwned, told], [false, []]);
  // When there is enough it is.
  await stage.until(() => stage.desk.rows()[0]?.role === "next", 15_000);
  const again = stage.take("job", 1500);
  await stage.until(() => again.length === 1 && told.length === 1, 400);
  assert.equal([job.isOwned, told], [true, ["take"]]);
  await stage.end();
});

for (const code of ["unsupported", "limit"] as const) {
  test(`An offer that is refused (${code}) on another connection is tried again; all else goes on`, async () => {
    const stage = await Stage.up(2);
    const { rig, cluster } = stage;
    const db = await rig.do(cluster.attach("visits"));
    const [a, b] = [await rig.do(cluster.resource("a")), await rig.do(cluster.resource("b"))];
    let tries = 0;
    let isRefused = true;
    stage.gate = (name) => {
      if (name !== "a" || !isRefused) return Promise.resolve();
      tries += 1;
      return Promise.reject(new CtdbxError(code, "Cannot offer a: not now"));
    };
    await stage.down();
    await stage.begin();
    await rig.do(db.put("key", "value"));
    assert.is(stage.offers, "b");
    assert.equal([a.refusal?.code, b.refusal], [code, undefined]);
    await stage.until(() => tries === 3, 5000);
    isRefused = false;
    await stage.until(() => stage.offers === "a,b", 2000);
    await stage.until(() => a.refusal === undefined, 100);
    // One that was closed is not tried again.
    isRefused = true;
    await stage.down();
    await stage.begin();
    await stage.until(() => a.refusal !== undefined);
    await rig.do(a.close());
    const before = tries;
    await rig.data.run(3000);
    assert.equal([tries, stage.offers], [before, "b"]);
    await stage.end();
  });
}

test("What is offered while the connection is made again is offered once, and well", async () => {
  const stage = await Stage.up(3);
  const { rig, cluster } = stage;
  await rig.do(cluster.resource("first"));
  await stage.down();
  await rig.data.run(100);
  const offering = cluster.resource("second");
  await stage.begin();
  const second = await rig.do(offering);
  assert.is(stage.offers, "first,second");
  await rig.do(second.close());
  assert.is(stage.offers, "first");
  await stage.end();
});

test("What is closed while the connection is restored is not offered any more", async () => {
  const stage = await Stage.up(4);
  const { rig, cluster } = stage;
  const a = await rig.do(cluster.resource("a"));
  await rig.do(cluster.resource("b"));
  await stage.down();
  let open = (): void => {};
  let isHeld = false;
  stage.gate = (name) => {
    if (name !== "b") return Promise.resolve();
    isHeld = true;
    return new Promise((resolve) => open = resolve);
  };
  await stage.begin();
  await stage.until(() => isHeld);
  assert.is(stage.offers, "a");
  await rig.do(a.close());
  open();
  await stage.until(() => stage.offers === "b");
  await stage.end();
});

test.run();
