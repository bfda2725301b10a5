/** What monitors hear of addresses: each event in its form, bounds, what nobody can host, figures. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AddressFigures } from "../../../actors/addresses/figures.ts";
import { ADDRESS_EVENTS_MAX, AddressTelling } from "../../../actors/addresses/telling.ts";
import type { AddressHappening } from "../../../actors/machines/addresses/takeover/events.ts";
import type { Standing } from "../../../actors/addresses/waits.ts";
import { SimClock, SimTime } from "../../../transport/sim/clock.ts";
import { SimLife } from "../../../transport/sim/life.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import {
  ADDRESS_EVENT,
  type AddressFields,
} from "../../../transport/wire/messages/event_addresses.ts";

const test = suite("what is told of addresses");
const HEAD = {
  ...{ v: 1, topic: "address", cluster: "c", node: "n0", tag: "aaaaaaaaaa", wallMs: 1, seq: 1 },
};
const ADDRESS = parseAddress("192.0.2.1");

function address(n: number): IpAddress {
  return parseAddress(`192.0.2.${n}`);
}

/** So many addresses, those with these numbers hosted by nobody. */
function standing(known: number, ...unhosted: readonly number[]): Standing {
  const hosted = known - unhosted.length;
  return { known, hosted, moving: 0, waiting: 0, unhosted: unhosted.map(address) };
}

/** A node whose events are kept. */
class Rig {
  readonly time = new SimTime();
  readonly told: AddressFields[] = [];
  readonly figures = new AddressFigures();
  all: Standing | undefined;
  untold = 0;
  readonly #telling: AddressTelling;

  constructor() {
    this.#telling = new AddressTelling({
      clock: new SimClock(this.time, new SimLife(this.time)),
      tell: (fields) => void this.told.push(fields),
      onUntold: () => this.untold++,
      standing: () => this.all,
      why: (one) => `none is healthy for ${one}`,
    });
  }

  happens(happening: AddressHappening): void {
    this.#telling.happened(happening, this.figures.note(happening, this.time.nowMs));
  }

  /** What was told since the last look. */
  words(): string[] {
    return this.told.splice(0).map(({ what }) => what);
  }
}

const RUN = { what: "run", run: 1, moves: 3, unhosted: 0 } as const;
const DONE = { what: "run over", run: 1, end: "done", why: "" } as const;

test("every happening is an event of the declared form, chosen by its word", () => {
  const rig = new Rig();
  const why = "x".repeat(1000);
  const all: AddressHappening[] = [
    ...(["taken", "released", "lost", "foreign"] as const)
      .map((what) => ({ what, address: ADDRESS })),
    { what: "broken", address: ADDRESS, why },
    { what: "ended", why },
    RUN,
    DONE,
    { ...DONE, end: "failed", why },
    { ...DONE, end: "overtaken" },
  ];
  for (const happening of all) rig.happens(happening);
  for (const fields of rig.told) assert.is(ADDRESS_EVENT.form.faultOf({ ...HEAD, ...fields }), "");
  assert.equal(rig.words(), [
    ...["taken", "released", "lost", "foreign", "broken", "ended"],
    ...["run", "run done", "run failed", "run overtaken"],
  ]);
});

test("addresses that nobody can host are told when they change, and when there are none any more", () => {
  const rig = new Rig();
  rig.all = standing(2);
  rig.happens(RUN);
  rig.happens(DONE);
  assert.equal(rig.words(), ["run", "run done"]);
  rig.all = standing(2, 1);
  rig.happens(RUN);
  rig.happens(DONE);
  const [, unhosted] = rig.told;
  assert.equal(rig.words(), ["run", "unhosted", "run done"]);
  assert.equal(unhosted, {
    what: "unhosted",
    text: "Nobody can host 1 of 2 addresses: none is healthy for 192.0.2.1",
    unhosted: 1,
    addresses: ["192.0.2.1"],
  });
  rig.all = standing(40, ...Array.from({ length: 40 }, (_, n) => n + 1));
  rig.happens(RUN);
  assert.equal([rig.told[1]?.unhosted, rig.told[1]?.addresses?.length], [40, 16]);
  assert.is(ADDRESS_EVENT.form.faultOf({ ...HEAD, ...rig.told[1] }), "");
  rig.words();
  rig.all = standing(1);
  rig.happens(RUN);
  assert.equal(rig.words(), ["run", "all hosted"]);
  // It leads no more, and has nothing to say of them; leading again it begins anew.
  rig.all = standing(1, 1);
  rig.happens(RUN);
  rig.all = undefined;
  rig.happens({ ...DONE, end: "failed" });
  rig.all = standing(1, 1);
  rig.happens(RUN);
  assert.equal(rig.words(), ["run", "unhosted", "run failed", "run", "unhosted"]);
});

test("when thousands move at once so many are told in a second, the run in any case, and the rest is counted", () => {
  const rig = new Rig();
  for (let n = 0; n < 1000; n++) rig.happens({ what: "taken", address: ADDRESS });
  assert.is(rig.told.length, ADDRESS_EVENTS_MAX);
  assert.is(rig.untold, 1000 - ADDRESS_EVENTS_MAX);
  rig.words();
  rig.time.runTo(rig.time.nowMs + 1000);
  for (let n = 0; n < ADDRESS_EVENTS_MAX; n++) rig.happens({ what: "taken", address: ADDRESS });
  rig.happens(RUN);
  rig.happens({ what: "taken", address: ADDRESS });
  assert.is(rig.words().at(-1), "run");
});

test("figures: what has happened here, how long runs took, and from the leader how all stand", () => {
  const { figures, time } = new Rig();
  const none = { listed: 0, held: 0, all: undefined };
  assert.is(figures.stats(none), undefined);
  figures.note({ what: "taken", address: ADDRESS }, 0);
  figures.note({ what: "lost", address: ADDRESS }, 0);
  figures.note(RUN, time.nowMs);
  assert.is(figures.note({ ...DONE, end: "failed" }, time.nowMs + 70), 70);
  figures.noteUntold();
  const counts = {
    ...{ taken: 1, released: 0, lost: 1, foreign: 0, broken: 0 },
    ...{ runs: 1, runsFailed: 1, moves: 3, lastRunMs: 70, untold: 1 },
  };
  assert.equal(figures.stats({ ...none, held: 1 }), { listed: 0, held: 1, ...counts });
  const all = { ...standing(4, 2), hosted: 1, waiting: 2 };
  assert.equal(figures.stats({ listed: 4, held: 1, all })?.cluster, {
    ...{ known: 4, hosted: 1, moving: 0, waiting: 2, unhosted: 1 },
  });
});

test.run();
