/**
 * The judge of real programs' histories where a deletion is lost together with what was made after
 * it, so that what it had deleted is there again; and random histories with operations that overlap,
 * deaths, and programs that hear nothing.
 *
 *   node 2: 11 12 ─ deleted by node 0, which nobody hears ─ 21 at node 0 ─ node 0 dies ─ 12 again, 13 ...
 *
 * Does NOT promise: to find each breach; data_judge.test.ts plants those.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SeededDice } from "../../transport/sim/dice.ts";
import { shareOf } from "../limit.ts";
import type { History, LifeEnd, Op, OpKind, Token } from "./history/history.ts";
import { judge } from "./history/judge.ts";

const test = suite("judge of histories: what was deleted is back");
const KEY = "k";
const NODES = [0, 1, 2];

function op(id: number, kind: OpKind, node: number, startMs: number, endMs: number): Op {
  return {
    ...{ id, key: KEY, kind, node, startMs, endMs, outcome: "ok" },
    ...{ tries: [], token: undefined, seen: undefined, why: "" },
  };
}

/** Node 0 deletes unheard, makes anew, and dies; an update of node 2 begins at `waitsMs`, and waits. */
function comesBack(waitsMs: number, ends: LifeEnd[]): string[] {
  const ops: Op[] = [];
  const write = (node: number, startMs: number, endMs: number, from: Token[], token: Token) => {
    ops.push({ ...op(token, "update", node, startMs, endMs), tries: [{ token, from }] });
  };
  write(2, 1, 2, [], 11);
  write(2, 3, 4, [11], 12);
  ops.push({
    ...{ ...op(20, "delete", 0, 10, Infinity), outcome: "open" },
    tries: [{ token: 20, from: [11, 12] }],
  });
  write(0, 14, 16, [], 21);
  write(2, waitsMs, 40, [11, 12], 13);
  return judge({ ops, ends, finals: new Map([[KEY, [11, 12, 13]]]) }).map(({ rule }) => rule);
}

test("a deletion is lost with what came after it; what it deleted is back, for who has waited", () => {
  for (const waitsMs of [6, 12, 15, 30]) {
    assert.equal(comesBack(waitsMs, [{ node: 0, fromMs: 20, toMs: 25 }]), [], `${waitsMs}`);
    assert.ok(comesBack(waitsMs, []).includes("lost"), `${waitsMs}: node 0 lives`);
    assert.ok(comesBack(waitsMs, [{ node: 2, fromMs: 20, toMs: 25 }]).includes("lost"));
  }
});

/** A record of three nodes that are killed now and then, and what their programs hear. */
class Model {
  readonly ops: Op[] = [];
  readonly ends: LifeEnd[] = [];
  readonly #dice: SeededDice;
  #values: Token[][] = [[]];
  /** The newest that each node has, as a place in `#values`; -1: nothing. */
  readonly #had = NODES.map(() => -1);
  #owner = 0;

  constructor(seed: number, count: number, deaths: number) {
    this.#dice = new SeededDice(seed);
    const at = new Set(Array.from({ length: deaths }, () => 3 + this.#dice.below(count - 3)));
    for (let n = 0; n < count; n++) {
      if (at.has(n)) this.#kill(100 + 10 * n);
      else this.#one(n + 1, 100 + 10 * n);
    }
  }

  history(): History {
    return { ops: this.ops, ends: this.ends, finals: new Map([[KEY, this.#value]]) };
  }

  get #value(): Token[] {
    return this.#values.at(-1) ?? [];
  }

  #kill(ms: number): void {
    const victims = NODES.filter(() => this.#dice.chance(1, 2));
    for (const node of victims) {
      this.ends.push({ node, fromMs: ms - this.#dice.below(8), toMs: ms + this.#dice.below(30) });
      this.#had[node] = -1;
    }
    for (const each of this.ops) {
      if (!victims.includes(each.node) || each.endMs < ms) continue;
      if (each.kind === "read") [each.outcome, each.seen] = ["failed", undefined];
      else each.outcome = "open";
      each.endMs = Infinity;
    }
    const back = Math.max(...this.#had);
    this.#values = this.#values.slice(0, Math.max(0, back) + 1);
    if (victims.includes(this.#owner)) this.#owner = Math.max(0, this.#had.indexOf(back));
  }

  #one(id: number, ms: number): void {
    const [node, drawn] = [this.#dice.below(3), this.#dice.below(100)];
    const [startMs, endMs] = [ms - 1 - this.#dice.below(40), ms + 1 + this.#dice.below(40)];
    const kind = drawn < 35 ? "read" : drawn < 50 ? "delete" : drawn < 65 ? "append" : "update";
    const made = op(id, kind, node, startMs, endMs);
    this.ops.push(made);
    const value = this.#value;
    // Whoever had it keeps a copy.
    this.#had[this.#owner] = this.#had[node] = this.#values.length - 1;
    if (kind === "read") {
      made.seen = value;
      return;
    }
    this.#owner = node;
    const token = 100 + id;
    if (kind === "append") made.token = token;
    else made.tries.push({ token, from: value });
    const luck = this.#dice.below(20);
    made.outcome = luck < 2 ? "unknown" : luck < 4 ? "open" : luck === 4 ? "failed" : "ok";
    if (made.outcome === "open") made.endMs = Infinity;
    const isDone = made.outcome === "ok" || luck === 0 || luck === 2;
    if (!isDone || (kind === "delete" && value.length === 0)) return;
    this.#values.push(kind === "delete" ? [] : [...value, token]);
    this.#had[node] = this.#values.length - 1;
  }
}

test("it accepts what one copy with fall-backs may give, whatever overlaps and whoever dies", () => {
  for (const seed of shareOf(1, 6000)) {
    const [count, deaths] = [[14, 1], [30, 2], [60, 3]][seed % 3] as [number, number];
    const history = new Model(seed, count, deaths).history();
    assert.equal(judge(history), [], `seed ${seed}`);
  }
});

test.run();
