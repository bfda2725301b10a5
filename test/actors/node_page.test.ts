/**
 * The state page of a node, as its programs find it: one file for each life, and never more than what is confirmed.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NodePage } from "../../actors/node_page.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import type { PageNews } from "../../actors/data/types.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine } from "../../transport/sim/world.ts";
import type { Generation, Incarnation, Pnn } from "../../transport/wire/terms.ts";

const test = suite("node page");

const PATH = "/run/state";

/** A page of a node whose clock is `aheadMs` ahead. */
class Rig {
  readonly world;
  readonly written: PageNews[] = [];
  readonly page: NodePage;
  isConfirmed = true;

  constructor(aheadMs = 0) {
    const dice = new SeededDice(1);
    const network = new SimNetwork(new SimTime(), dice);
    this.world = new SimMachine({ name: "n0", network, dice }).boot();
    this.world.disk.makeFolder("/run");
    this.page = new NodePage({
      world: this.world,
      path: PATH,
      pnn: () => 3 as Pnn,
      aheadMs: () => aheadMs,
      mayShow: () => this.isConfirmed,
      onWrite: (news) => void this.written.push(news),
    });
  }

  show(incarnation: bigint, leaseEndMs: number): void {
    const generation = 5n as Generation;
    this.page.show({ incarnation: incarnation as Incarnation, generation, leaseEndMs });
  }

  get seen(): readonly [bigint, number] {
    const page = StatePage.open(this.world.images, PATH);
    const state = page.read()!;
    page.close();
    return [state.incarnation, Number(state.leaseEndNs) / 1e6];
  }
}

test("a page of another life than the one that has begun is not shown", () => {
  const rig = new Rig();
  rig.page.renew(1n as Incarnation);
  rig.show(1n, 1000);
  assert.equal(rig.seen, [1n, 1000]);
  rig.page.renew(2n as Incarnation);
  rig.show(1n, 2000);
  rig.page.refresh();
  assert.equal(rig.seen, [2n, 0]);
  rig.show(2n, 3000);
  assert.equal(rig.seen, [2n, 3000]);
});

test("who has the page of the life before mapped sees that it ended, for ever", () => {
  const rig = new Rig();
  rig.page.renew(1n as Incarnation);
  rig.show(1n, 1000);
  const before = StatePage.open(rig.world.images, PATH);
  rig.page.renew(2n as Incarnation);
  rig.show(2n, 3000);
  const state = before.read();
  assert.equal([state?.incarnation, state?.leaseEndNs], [1n, 0n]);
  before.close();
});

test("what is not confirmed is kept, and shown when it is; ended, it comes back only when it is wanted anew", () => {
  const rig = new Rig();
  rig.isConfirmed = false;
  rig.page.renew(1n as Incarnation);
  rig.show(1n, 1000);
  assert.equal(rig.seen, [1n, 0]);
  rig.isConfirmed = true;
  rig.page.refresh();
  assert.equal(rig.seen, [1n, 1000]);
  rig.page.endLease();
  rig.page.refresh();
  assert.equal(rig.seen, [1n, 0]);
  rig.show(1n, 2000);
  assert.equal(rig.seen, [1n, 2000]);
  assert.equal(rig.written.map(({ leaseEndMs }) => leaseEndMs), [0, 1000, 2000]);
});

test("the page is in the machine's time, whatever the node's clock is made to show", () => {
  const rig = new Rig(400);
  rig.page.renew(1n as Incarnation);
  rig.show(1n, 1000);
  assert.equal(rig.seen, [1n, 600]);
  assert.is(rig.written.at(-1)?.leaseEndMs, 600);
});

test.run();
