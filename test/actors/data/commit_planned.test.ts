/**
 * Planned ends on whole nodes in simulated time: whoever leads a persistent database hands it over before it stops, or
 * leaves for good, and no request fails meanwhile.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TxnEnd } from "../../../actors/data/commit_ops.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { limit } from "../../limit.ts";
import { ALL, attached, awaited, NAME, opsAt, put, read } from "./commit_whole.ts";
import { b } from "./data_rig.ts";
import type { Whole } from "./whole.ts";

const test = suite("whole nodes with persistent databases that go as planned");

/** Between two transactions of a program, ms of simulated time. */
const THINK_MS = 100;
/** Transactions that a program is to do after the end of a node. */
const MORE = 3;

/** A program that writes one thing after the other, and notes how each ended. */
class Writer {
  readonly ends: TxnEnd[] = [];
  readonly done: Promise<void>;
  isOn = true;

  constructor(whole: Whole, node: number) {
    this.done = this.#work(whole, node);
  }

  async #work(whole: Whole, node: number): Promise<void> {
    const { clock } = whole.cluster.machines[node]!.world!;
    const client = whole.shards[node]!.host.newClient();
    for (let at = 0; this.isOn; at++) {
      const writes = [{ key: `${node}/${at}`, value: b("here") }];
      const ops = opsAt(whole, node);
      this.ends.push(await ops.transact(client, { reads: [], writes }, clock.nowMs() + 10_000));
      await new Promise<void>((resolve) => clock.after(THINK_MS, resolve));
    }
  }

  /** Ends it after some more, all of which must have been committed, as those before. */
  async stop(whole: Whole): Promise<void> {
    const goal = this.ends.length + MORE;
    await whole.until(() => this.ends.length >= goal);
    this.isOn = false;
    await awaited(whole, this.done);
    for (const end of this.ends) assert.is(end.outcome, "committed", JSON.stringify(end.outcome));
  }
}

function docOf(whole: Whole, node: number): Document {
  return whole.cluster.nodes[node]!.state.adopted!;
}

/** The machine is up again, with a new process, and all copies are in sync. */
async function back(whole: Whole, node: number): Promise<void> {
  whole.crash(node);
  await whole.cluster.start(node);
  await whole.until(() => whole.shards[node]?.host.database(NAME) !== undefined, 60_000);
}

test.either(
  "the primary stops: another one leads before it goes, and no transaction of others fails",
  limit(120_000, async () => {
    const whole = await attached(81);
    await put(whole, 0, "first", "kept");
    const primary = opsAt(whole, 0).look().primary as number;
    const others = ALL.filter((n) => n !== primary);
    const writers = others.map((n) => new Writer(whole, n));
    const [one = 0] = others;
    let isLed: boolean | undefined;
    const ended = whole.cluster.nodes[primary]!.stop().then(() => {
      const { commit } = docOf(whole, one).dbs[0]!;
      isLed = commit!.primary !== primary && commit!.isr.every(({ pnn }) => pnn !== primary);
    });
    await awaited(whole, ended, 60_000);
    assert.is(isLed, true, "it led, or counted, until the end");
    for (const writer of writers) await writer.stop(whole);
    assert.is((await read(whole, one, "first")).value, "kept");
    await put(whole, one, "last", "on");
  }),
);

test.either(
  "all nodes are restarted, one after the other: no transaction of those that run fails",
  limit(240_000, async () => {
    const whole = await attached(82);
    for (const node of ALL) {
      const others = ALL.filter((n) => n !== node);
      const writers = others.map((n) => new Writer(whole, n));
      await awaited(whole, whole.cluster.nodes[node]!.stop(), 90_000);
      await back(whole, node);
      for (const writer of writers) await writer.stop(whole);
      for (const n of others) assert.is((await read(whole, node, `${n}/1`)).value, "here");
    }
  }),
);

test.either(
  "the primary leaves for good: its copies are elsewhere first, and m stays",
  limit(120_000, async () => {
    const whole = await attached(83);
    await put(whole, 0, "first", "kept");
    const primary = opsAt(whole, 0).look().primary as number;
    const others = ALL.filter((n) => n !== primary);
    const [one = 0] = others;
    const writers = others.map((n) => new Writer(whole, n));
    const command = { verb: "leave", pnn: primary as Pnn, why: "asked for" } as const;
    const asked = whole.cluster.nodes[one]!.cluster.command("c".repeat(32), command, 10_000);
    assert.is((await awaited(whole, asked)).outcome, "done");
    const isGone = () => docOf(whole, one).nodes.every(({ pnn }) => pnn !== primary);
    await whole.until(() => {
      const { dbs, nodes } = docOf(whole, one);
      const { commit } = dbs[0]!;
      const isHeld = commit!.primary === primary || commit!.replicas.includes(primary as Pnn) ||
        commit!.isr.some(({ pnn }) => pnn === primary);
      const isOut = nodes.find(({ pnn }) => pnn === primary)?.adminFlags.includes("deleted");
      assert.not.ok(isHeld && isOut === true, "it went with what it had");
      return isGone();
    }, 60_000);
    for (const writer of writers) await writer.stop(whole);
    const { commit } = docOf(whole, one).dbs[0]!;
    assert.equal([commit!.m, commit!.isr.length], [2, 2]);
    assert.is((await read(whole, one, "first")).value, "kept");
  }),
);

test.run();
