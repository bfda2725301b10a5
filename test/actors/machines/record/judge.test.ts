/**
 * The judge of records objects to what is planted, and whatever it lets pass a search over all orders lets pass, too.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isBornAnew } from "../../../../actors/machines/sim/records/ends.ts";
import { argsFor } from "../../../../actors/machines/sim/records/procedures.ts";
import { PROGRAM } from "../../../../actors/machines/sim/records/programs.ts";
import { RecordSim } from "../../../../actors/machines/sim/records/record_sim.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { Generation } from "../../../../transport/wire/terms.ts";
import { EMPTY, KEY, Story } from "./story.ts";

const test = suite("judge of records");

test("A call is unknown by right only if its record was made anew while it lasted", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY, true, 1);
  story.take(1, 5, 2, EMPTY, true, 7);
  const [before, within, after] = [[2, 4], [0, 3], [6, 9]].map(([from = 0, to = 0]) =>
    isBornAnew(story.ledger, story.op("write", from, to, "unknown"))
  );
  assert.equal([before, within, after], [false, true, false]);
  const other = { ...story.op("write", 0, 3, "unknown"), key: "other" };
  assert.is(isBornAnew(story.ledger, other), false);
});

test("A story in which all is well", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const made = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 8, 2, made);
  story.op("read", 9, 9).seen = made;
  story.write(1, 12, story.op("write", 11, 13));
  assert.equal(story.rules(), []);
});

const planted: Record<string, (story: Story) => void> = {
  "stale": (story) => {
    const made = story.write(0, 5, story.op("write", 4, 6));
    story.write(0, 8, story.op("write", 7, 9));
    story.op("read", 20, 21).seen = made;
  },
  "lost": (story) => {
    const made = story.write(0, 5, story.op("write", 4, 6));
    story.write(0, 8, story.op("write", 7, 9));
    story.take(1, 20, 2, made);
  },
  "twice": (story) => {
    const op = story.op("write", 4, 30);
    story.write(0, 5, op);
    story.write(0, 8, op);
  },
  "late": (story) => {
    story.write(0, 15, story.op("write", 4, 6));
  },
  "early": (story) => {
    story.write(0, 2, story.op("write", 4, 6));
  },
  "failed": (story) => {
    story.write(0, 5, story.op("write", 4, 6, "failed"));
  },
  "not done": (story) => {
    story.op("write", 4, 6);
  },
  "result": (story) => {
    const op = story.op("write", 4, 6);
    story.write(0, 5, op);
    op.seen = new Uint8Array([99]);
  },
  "from nowhere": (story) => {
    story.take(1, 5, 2, new Uint8Array([7]));
  },
  "two owners": (story) => {
    story.take(1, 5, 1, EMPTY);
  },
  "order": (story) => {
    story.take(1, 5, 2, EMPTY);
    story.write(1, 6, story.op("write", 5, 7));
    story.take(0, 8, 3, EMPTY);
    story.write(0, 9, story.op("write", 8, 10));
    // By its number it comes between the two.
    story.take(1, 11, 2, EMPTY);
    story.write(1, 20, story.op("write", 19, 21));
  },
  "traverse": (story) => {
    const made = story.write(0, 5, story.op("write", 4, 6));
    const data = made;
    const records = [{ key: KEY, data }, { key: KEY, data }];
    story.ledger.traverses.push({
      ...{ node: 0, invMs: 10, retMs: 20, outcome: "ok", isCount: false, records, count: 2 },
    });
  },
};

for (const [name, plant] of Object.entries(planted)) {
  test(`It objects: ${name}`, () => {
    const story = new Story();
    story.take(0, 1, 1, EMPTY);
    plant(story);
    assert.ok(story.rules().includes(name), story.rules().join());
  });
}

const more: Record<string, (story: Story) => void> = {
  "order: also of what nobody was told is done, if it lasts": (story) => {
    story.write(0, 9, story.op("write", 4, 20, "unknown"));
    story.write(0, 8, story.op("write", 7, 10));
  },
  "failed: a call that is lost, while the node that ran it lives": (story) => {
    const first = story.write(0, 5, story.op("write", 4, 6));
    story.write(0, 8, story.op("write", 7, 9, "failed"));
    story.living = new Set(["1.1"]);
    story.take(1, 20, 2, first);
  },
  "failed: a call that was lost after it was answered": (story) => {
    const first = story.write(0, 5, story.op("write", 4, 6));
    story.write(0, 8, story.op("write", 7, 9, "failed"));
    story.living = new Set(["1.1"]);
    story.ledger.leftMs.set("0.1", 15);
    story.take(1, 20, 2, first);
  },
  "stale: a read of what was fallen back to, while somebody had a newer copy": (story) => {
    const first = story.write(0, 5, story.op("write", 4, 6));
    story.take(1, 6, 1, first, false);
    const second = story.write(0, 8, story.op("write", 7, 9));
    story.take(2, 9, 1, second, false);
    story.ledger.leftMs.set("0.1", 12);
    story.ledger.leftMs.set("2.1", 18);
    story.op("read", 14, 15).seen = first;
    story.living = new Set(["1.1"]);
    story.take(1, 20, 2, first);
  },
  "watch: nobody was told": (story) => {
    story.ledger.watchedSince.set(KEY, 2);
    story.write(0, 5, story.op("write", 4, 6));
  },
  "watch: what was told never was": (story) => {
    story.ledger.watchedSince.set(KEY, 2);
    story.told(0, 5, 1, EMPTY, 99);
  },
  "watch: told by a life that had left": (story) => {
    story.ledger.watchedSince.set(KEY, 2);
    story.ledger.leftMs.set("0.1", 6);
    const made = story.write(0, 5, story.op("write", 4, 6));
    story.told(0, 7, 1, made, 11);
  },
};

for (const [name, plant] of Object.entries(more)) {
  test(`It objects: ${name}`, () => {
    const story = new Story();
    story.take(0, 1, 1, EMPTY);
    plant(story);
    assert.equal(story.rules(), [name.slice(0, name.indexOf(":"))]);
  });
}

test("A call that failed at the next node may be lost with the first one, before it is answered", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 1, first, false);
  story.write(0, 8, story.op("write", 7, 30, "failed"));
  story.living = new Set(["1.1"]);
  story.ledger.leftMs.set("0.1", 15);
  story.take(1, 20, 2, first);
  assert.equal(story.rules(), []);
});

test("What is done anew where the first time was lost may find nothing to do, and say so", () => {
  for (const isGone of [true, false]) {
    const story = new Story();
    story.take(0, 1, 1, EMPTY);
    const first = story.write(0, 3, story.op("write", 2, 4));
    story.take(1, 4, 1, first, false);
    const op = story.op("write", 5, 30);
    op.mayStay = true;
    story.write(0, 8, op);
    op.seen = new Uint8Array([99]);
    story.living = new Set(["1.1"]);
    story.ledger.leftMs.set("0.1", isGone ? 15 : 40);
    story.take(1, 20, 2, first);
    assert.equal(story.rules(), isGone ? [] : ["result"]);
  }
});

test("A node that left, and writes the empty record that it has once more, has not fallen back", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 1, first, false);
  const gone = new Uint8Array(0);
  story.write(0, 8, story.op("write", 7, 9, "unknown"), gone);
  story.living = new Set(["1.1"]);
  story.take(1, 20, 2, first);
  story.ledger.leftMs.set("0.1", 15);
  story.ledger.leftMs.set("1.1", 40);
  story.take(0, 50, 1, gone, true, 12);
  assert.equal(story.rules(), []);
});

test("Who was told of a later value need not be told of the one before", () => {
  const story = new Story();
  story.ledger.watchedSince.set(KEY, 2);
  story.take(0, 1, 1, EMPTY);
  story.write(0, 5, story.op("write", 4, 6));
  const made = story.write(0, 8, story.op("write", 7, 9));
  story.told(0, 9, 1, made, 12);
  assert.equal(story.rules(), []);
});

test("A tombstone is of the deletion that its home purges, whatever was written by who had left", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 2, first, true);
  const gone = new Uint8Array(0);
  story.take(1, 7, 3, gone);
  // Node 0 was expelled, and writes on.
  story.write(0, 9, story.op("write", 8, 10, "unknown"));
  story.living = new Set(["2.1"]);
  story.bury(2, 12, 4, { gen: 1n as Generation, seq: 3 });
  story.take(1, 20, 6, first);
  assert.ok(story.rules().includes("lost"));
});

test("A fall-back is allowed when nobody who lives ever had what is lost", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 1, first, false);
  const second = story.write(0, 8, story.op("write", 7, 9));
  story.op("read", 9, 9).seen = second;
  story.living = new Set(["1.1"]);
  story.take(1, 20, 2, first);
  assert.equal(story.rules(), []);
});

test("Who has nothing of a record has not heard of its deletion", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  story.take(2, 2, 1, EMPTY, false);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 1, first, false);
  story.write(0, 8, story.op("write", 7, 9, "unknown"), EMPTY);
  story.living = new Set(["1.1", "2.1"]);
  story.take(1, 20, 2, first);
  assert.equal(story.rules(), []);
});

test("What is lost between two empty states may be done again, unless somebody is left who made it", () => {
  for (const isGone of [true, false]) {
    const story = new Story();
    story.take(0, 1, 1, EMPTY);
    const op = story.op("write", 4, 40);
    story.write(0, 5, op);
    story.write(0, 7, story.op("write", 6, 9, "unknown"), new Uint8Array(0));
    if (isGone) story.ledger.leftMs.set("0.1", 15);
    story.living = new Set(["1.1"]);
    // The tombstone from before all that.
    story.take(1, 20, 2, EMPTY, true, 11);
    story.write(1, 30, op);
    assert.is(story.rules().includes("twice"), !isGone);
  }
});

test("A deletion that a living member heard of must not be undone", () => {
  const story = new Story();
  story.take(0, 1, 1, EMPTY);
  const first = story.write(0, 5, story.op("write", 4, 6));
  story.take(1, 6, 2, first);
  const op = story.op("write", 7, 9);
  const gone = new Uint8Array(0);
  story.ledger.madeBy.set(gone, { op: op.id, result: gone });
  story.take(0, 8, 3, first);
  story.take(0, 8.5, 4, gone);
  story.living = new Set(["1.1"]);
  // A tombstone at node 1.
  story.take(1, 10, 5, EMPTY, false);
  story.take(1, 20, 6, first);
  assert.ok(story.rules().includes("lost"));
});

/** A history of one register: is there an order of all its operations that fits times and values? */
function isLinearizable(
  ops: readonly { inv: number; ret: number; from?: number; to?: number; seen?: number }[],
): boolean {
  const search = (left: readonly typeof ops[number][], state: number): boolean => {
    if (left.length === 0) return true;
    const firstRet = Math.min(...left.map(({ ret }) => ret));
    return left.some((op) => {
      if (op.inv > firstRet) return false;
      const rest = left.filter((other) => other !== op);
      if (op.to === undefined) return op.seen === state && search(rest, state);
      return op.from === state && search(rest, op.to);
    });
  };
  return search(ops, 0);
}

test("What it lets pass is linearizable: random histories against a search over all orders", () => {
  let passed = 0;
  let refused = 0;
  for (let seed = 1; seed <= 4_000; seed++) {
    const dice = new SeededDice(seed);
    const story = new Story();
    story.take(0, 0, 1, EMPTY);
    const values: Uint8Array[] = [EMPTY];
    const ops: { inv: number; ret: number; from?: number; to?: number; seen?: number }[] = [];
    let atMs = 1;
    for (let n = 0; n < 6; n++) {
      atMs += 1 + dice.below(4);
      const inv = atMs - dice.below(6);
      const ret = atMs + dice.below(6) - (dice.chance(1, 30) ? 4 : 0);
      if (ret < inv) continue;
      if (dice.chance(1, 2)) {
        const op = story.op("write", inv, ret);
        const from = values.length - 1;
        values.push(story.write(0, atMs, op));
        ops.push({ inv, ret, from, to: values.length - 1 });
      } else {
        // Sometimes not the newest value.
        const seen = Math.max(0, values.length - 1 - (dice.chance(1, 4) ? 1 + dice.below(2) : 0));
        story.op("read", inv, ret).seen = values[seen] as Uint8Array;
        ops.push({ inv, ret, seen });
      }
    }
    const isFine = story.rules().length === 0;
    if (isFine) {
      passed += 1;
      assert.ok(isLinearizable(ops), `seed ${seed}`);
    } else refused += 1;
  }
  assert.ok(passed > 500 && refused > 500, `${passed} passed, ${refused} refused`);
});

test("A program's answer to a daemon that has ended is no answer to the next one's run of the same number", () => {
  const sim = new RecordSim({ seed: 1, nodes: 3 });
  const host = sim.recordHosts[0];
  if (host === undefined) throw new Error("there is no host");
  const heard: { id: number; op: number | undefined }[] = [];
  host.feed = (event) => {
    if (event.kind !== "ran" || !event.ok || event.data === undefined) return;
    heard.push({ id: event.id, op: sim.ledger.madeBy.get(event.data)?.op });
  };
  const run = (id: number, op: number) =>
    host.program.run({
      kind: "run",
      id,
      key: KEY,
      procedure: PROGRAM,
      data: EMPTY,
      args: argsFor(op, EMPTY),
      untilMs: Infinity,
    });
  const numbers = Array.from({ length: 50 }, (_, at) => at + 1);
  for (const id of numbers) run(id, id);
  host.program.onDaemonEnd();
  for (const id of numbers) run(id, 1000 + id);
  sim.run(10_000);
  assert.ok(heard.length > 25, `${heard.length} answers`);
  for (const { id, op } of heard) assert.is(op, 1000 + id);
});

test.run();
