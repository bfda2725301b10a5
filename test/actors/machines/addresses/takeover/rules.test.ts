/**
 * Each rule of takeover, kept and broken: what a kernel would have, or a leader order, without it.
 *
 * Does NOT promise: that one way of breaking a rule is the worst one; test/swarm/address.test.ts breaks them in whole
 * clusters, too.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ADDRESS_RULES } from "../../../../../actors/machines/addresses/takeover/rules.ts";
import type {
  AddressRuleName,
  AddressRules,
} from "../../../../../actors/machines/addresses/takeover/rules.ts";
import { nodeIdOf } from "../../../../../actors/machines/sim/cluster_sim.ts";
import type { Incarnation, Pnn } from "../../../../../transport/wire/terms.ts";
import { brokenAddressRule } from "../../../../swarm/address_broken.ts";
import { A, ALL, B, docOf, Rig, SLACK_MS, T1, T2 } from "./rig.ts";

const test = suite("rules of takeover");

/** What goes wrong without each: true when it does. */
const WRONG: Readonly<Record<AddressRuleName, (rules: AddressRules) => boolean>> = {
  isFenced(rules) {
    const rig = member(rules);
    rig.ask(T2, 2);
    return rig.ops("take", rig.order([A], 1, T1)).length > 0;
  },
  promiseFences(rules) {
    const rig = member(rules);
    rig.lease(2500, T2);
    return rig.ops("take", rig.order([A], 1, T1)).length > 0;
  },
  tellsWanted(rules) {
    // A could not be taken; before it is tried again another leader asks, and is told that it is not held.
    const rig = member(rules);
    rig.order([A], 1);
    rig.done("take", A, false);
    rig.done("release", A);
    rig.ask(T2, 2);
    const wasTold = rig.reportTo(2).hosting?.busy.includes(A) === true;
    const from = rig.effects.length;
    for (let at = 0; at < 11; at++) {
      rig.run(rig.nowMs + 1000);
      rig.lease(2500, T2);
    }
    return rig.ops("take", rig.effects.slice(from)).length > 0 && !wasTold;
  },
  isOfStint(rules) {
    const rig = member(rules);
    const { stint } = rig.machine.holder;
    rig.run(rig.nowMs + 2500);
    rig.lease(2500);
    return rig.ops("take", rig.order([A], 1, T1, stint)).length > 0;
  },
  isNewer(rules) {
    const rig = member(rules);
    rig.order([A], 1);
    rig.order([], 2);
    rig.done("take", A);
    rig.done("release", A);
    return rig.ops("take", rig.order([A], 1)).length > 0;
  },
  endsWithLease(rules) {
    const rig = member(rules);
    rig.order([A], 1);
    rig.done("take", A);
    return rig.ops("release", rig.run(rig.nowMs + 2600)).length === 0;
  },
  lifeMs: (rules) => [2499, 1999, 1000, 999].some((leftMs) => rules.lifeMs(leftMs) > leftMs),
  sweepsFirst(rules) {
    const rig = new Rig({ rules });
    rig.feed({ kind: "life", incarnation: 1n as Incarnation });
    return rig.ask().length > 0;
  },
  isLost(rules) {
    // The kernel had lost A when it was looked at, and set it again with the next extension; the answer came late.
    const rig = member(rules);
    rig.order([A], 1);
    rig.done("take", A);
    rig.run(rig.nowMs + 1000);
    rig.lease(2500);
    rig.run(rig.nowMs + 1600);
    rig.answer("look", []);
    return rig.ops("release", rig.order([], 2)).length === 0;
  },
  countsOrders(rules) {
    // Node 1 was told to take A, and then not to; it has said nothing since.
    const rig = leader(rules);
    rig.report(1, {});
    rig.report(2, { able: [] });
    rig.report(2, {});
    rig.report(1, { able: [] });
    return rig.wasOrdered(2, A);
  },
  waitsForSilent(rules) {
    const rig = leader(rules);
    rig.report(1, {});
    rig.run(rig.nowMs + 500);
    return rig.wasOrdered(1, A);
  },
  isOver(rules) {
    const rig = leader(rules);
    rig.overMs.set(nodeIdOf(2), 4000);
    rig.report(1, {});
    rig.run(3900);
    return rig.wasOrdered(1, A);
  },
  slackMs(rules) {
    const rig = leader(rules);
    rig.overMs.set(nodeIdOf(2), 4000);
    rig.report(1, {});
    rig.run(4000 + SLACK_MS - 20);
    const isEarly = rig.wasOrdered(1, A);
    // Of a kernel that is never late the time of the grant rule is left.
    return isEarly || rules.slackMs(0, 700) < 700;
  },
  staysWith(rules) {
    // Node 2 was away, and cannot remove what it had before; node 1 has it by now, and is to give it to node 2.
    const rig = leader(rules);
    rig.report(1, { held: [A] });
    rig.report(2, { busy: [A] });
    rig.feed({
      kind: "command",
      verbId: "f".repeat(32),
      command: { verb: "move", address: A, to: 2 as Pnn },
    });
    return rig.wasOrdered(2, A);
  },
  mayOrder(rules) {
    const rig = leader(rules);
    rig.isGranting = false;
    rig.report(1, {});
    rig.report(2, {});
    return rig.ordersTo(1).length > 0;
  },
  clearLife(rules) {
    const rig = leader(rules);
    rig.dead.set(nodeIdOf(2), 1n as Incarnation);
    rig.report(1, {});
    rig.run(rig.nowMs + 500);
    return rig.wasOrdered(1, A);
  },
  isSameAbsence(rules) {
    // Node 2 was in again, in a later life, and this node did not hear of it.
    const rig = member(rules);
    const out = docOf(2n, [[0, 1n], [1, 1n]], ALL);
    rig.feed({ kind: "adopted", doc: out });
    rig.run(60_000);
    const again = docOf(3n, [[0, 1n], [1, 1n], [2, 2n]], out);
    const outAgain = docOf(4n, [[0, 1n], [1, 1n]], again);
    rig.feed({ kind: "adopted", doc: outAgain });
    rig.lease(2500, T2);
    rig.lead(outAgain, T2);
    rig.report(1, {}, { token: T2 });
    return rig.wasOrdered(1, A);
  },
};

function member(rules: AddressRules): Rig {
  const rig = new Rig({ rules }).begin();
  rig.ask();
  return rig;
}

function leader(rules: AddressRules): Rig {
  const rig = new Rig({ rules }).begin();
  rig.feed({ kind: "offer", known: [], linked: [] });
  rig.lead();
  rig.feed({ kind: "wake" });
  return rig;
}

for (const [name, isWrong] of Object.entries(WRONG)) {
  test(`Kept, nothing goes wrong; broken, it does: ${name}`, () => {
    assert.is(isWrong(ADDRESS_RULES), false, "kept");
    assert.is(isWrong(brokenAddressRule(name as AddressRuleName)), true, "broken");
  });
}

test("A node whose certificate is of an earlier life than its last one is waited for", () => {
  const rig = new Rig().begin();
  rig.feed({ kind: "offer", known: [], linked: [] });
  rig.lead(docOf(2n, [[0, 1n], [1, 1n], [2, 2n]], ALL));
  rig.hear(2, { kind: "address_clear", pnn: 2 as Pnn, incarnation: 1n as Incarnation });
  rig.report(1, {});
  rig.run(rig.nowMs + 500);
  assert.not.ok(rig.wasOrdered(1, A));
  rig.hear(2, { kind: "address_clear", pnn: 2 as Pnn, incarnation: 2n as Incarnation });
  assert.ok(rig.wasOrdered(1, A) && rig.wasOrdered(1, B));
});

test.run();
