/**
 * The judge of records objects to what is planted, and whatever it lets pass a search over all orders lets pass, too.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Stored } from "../../../../actors/machines/record/copy.ts";
import { SimFile } from "../../../../actors/machines/sim/records/file.ts";
import { judge } from "../../../../actors/machines/sim/records/judge.ts";
import { Ledger } from "../../../../actors/machines/sim/records/ledger.ts";
import type { OpLog } from "../../../../actors/machines/sim/records/ledger.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../../transport/wire/terms.ts";

const test = suite("judge of records");

const KEY = "k";
const EMPTY = new Uint8Array(0);

/** A ledger that is told a story by hand. */
class Story {
  readonly ledger = new Ledger();
  readonly #files: SimFile[];
  living = new Set(["0.1", "1.1"]);
  #atMs = 0;

  constructor() {
    this.#files = [0, 1].map((node) => {
      const file = new SimFile(node, 1n as Incarnation, 1, {
        onPut: (own, key, before, after) =>
          this.ledger.onPut(own, key, before, after, this.#atMs, this.living),
      });
      file.pnn = node as Pnn;
      return file;
    });
  }

  /** A node takes the record with a value; or gets a copy, if it is not the owner. */
  take(node: number, atMs: number, seq: number, data: Uint8Array, isOwner = true): void {
    this.#put(node, atMs, {
      tid: { gen: 1n as Generation, seq },
      rsn: BigInt(10 * seq) as Rsn,
      birth: { gen: 1n as Generation, seq: 1 },
      data,
      calls: [],
      dmaster: (isOwner ? node : 9) as Pnn,
      flags: 0,
    });
  }

  /** An owner writes for an operation; its value. */
  write(node: number, atMs: number, op: OpLog): Uint8Array {
    const before = this.#files[node]?.records.get(KEY);
    if (before === undefined) throw new Error("nothing to write to");
    const data = new Uint8Array([op.id]);
    this.ledger.madeBy.set(data, { op: op.id, result: data });
    this.#put(node, atMs, { ...before, data, rsn: before.rsn + 1n as Rsn });
    return data;
  }

  #put(node: number, atMs: number, stored: Stored): void {
    this.#atMs = atMs;
    this.#files[node]?.put(KEY, stored);
  }

  op(kind: OpLog["kind"], invMs: number, retMs: number, outcome: OpLog["outcome"] = "ok"): OpLog {
    const op = this.ledger.begin(KEY, kind, 0, invMs);
    op.retMs = retMs;
    op.outcome = outcome;
    return op;
  }

  rules(): string[] {
    return [...new Set(judge(this.ledger).map(({ rule }) => rule))].sort();
  }
}

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

test.run();
