/**
 * The primary's daemon is killed while clients at the other nodes commit: the longest time in which nobody was told of
 * a commit.
 *
 * What was told as committed must be there afterwards.
 *
 * Does NOT promise: anything about clients of the killed node.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Figure, mustBe, type Scale, Times } from "../workloads/measure.ts";
import type { CommitClient, CommitTable, CommitWorld, Kind } from "./world.ts";

const CLIENTS: Readonly<Record<Scale, number>> = { full: 8, small: 2 };
/** Commits go on for so long before and after, ms. */
const CALM_MS: Readonly<Record<Scale, number>> = { full: 2000, small: 200 };
/** A commit that failed is tried again after, ms. */
const AGAIN_MS: Readonly<Record<Scale, number>> = { full: 5, small: 50 };
/** Nobody waits longer for a commit after the kill, ms. */
const LIMIT_MS = 120_000;

/** What one client has been told. */
class Committer {
  readonly table: CommitTable;
  readonly index: number;
  /** The last commit that it was told of. */
  last = 0;

  constructor(table: CommitTable, index: number) {
    this.table = table;
    this.index = index;
  }

  get key(): string {
    return `committer ${this.index}`;
  }
}

/** Runs it on a database of its own; the killed node is there again when it resolves. */
export async function failover(
  world: CommitWorld,
  kind: Kind,
  scale: Scale,
): Promise<Figure> {
  const name = `bench_failover_${kind}.tdb`;
  const opening = await world.client(0);
  await (await opening.open(name, kind)).store(["begun"], new Uint8Array(8));
  await opening.close();
  const victim = await world.central(name);
  const others = Array.from({ length: world.nodes }, (_, at) => at).filter((at) => at !== victim);
  const clients: CommitClient[] = [];
  const acks: number[] = [];
  let isOn = true;
  try {
    const committers: Committer[] = [];
    for (let at = 0; at < CLIENTS[scale]; at++) {
      const client = await world.client(others[at % others.length] as number);
      clients.push(client);
      committers.push(new Committer(await client.open(name, kind), at));
    }
    const loops = committers.map((one) => commit(one, () => isOn, acks, AGAIN_MS[scale]));
    await sleep(CALM_MS[scale]);
    const killedMs = await world.kill(victim);
    await backAgain(acks, killedMs, AGAIN_MS[scale]);
    await sleep(CALM_MS[scale]);
    isOn = false;
    await Promise.all(loops);
    for (const { table, key, last } of committers) {
      const found = await table.read(key);
      const value = found === undefined
        ? -1
        : new DataView(found.slice().buffer).getUint32(0, true);
      // One that was not told of may be there, too.
      mustBe(`commit ${last} of ${key} is there`, value >= last, true);
    }
    await world.revive(victim);
    return figureOf(world, `${kind}, ${CLIENTS[scale]} clients`, kind, acks, killedMs);
  } finally {
    isOn = false;
    for (const client of clients) await client.close();
  }
}

async function commit(
  one: Committer,
  isOn: () => boolean,
  acks: number[],
  againMs: number,
): Promise<void> {
  for (let at = 1; isOn(); at++) {
    const value = new Uint8Array(8);
    new DataView(value.buffer).setUint32(0, at, true);
    try {
      await one.table.store([one.key], value);
      one.last = at;
      acks.push(performance.now());
    } catch {
      await sleep(againMs);
    }
  }
}

/** Resolves when somebody was told of a commit that came after it. */
async function backAgain(
  acks: readonly number[],
  killedMs: number,
  againMs: number,
): Promise<void> {
  while ((acks.at(-1) ?? 0) < killedMs + againMs) {
    if (performance.now() > killedMs + LIMIT_MS) throw new Error("Cannot go on: nothing commits");
    await sleep(againMs);
  }
}

function figureOf(
  world: CommitWorld,
  how: string,
  kind: Kind,
  acks: readonly number[],
  killedMs: number,
): Figure {
  const gaps = new Times();
  let longestBefore = 0;
  let longest = 0;
  for (let at = 1; at < acks.length; at++) {
    const [from, to] = [acks[at - 1] as number, acks[at] as number];
    gaps.add(to - from);
    if (to < killedMs) longestBefore = Math.max(longestBefore, to - from);
    else longest = Math.max(longest, to - from);
  }
  const seconds = ((acks.at(-1) ?? 0) - (acks[0] ?? 0)) / 1000;
  return gaps.figure(world, {
    workload: "failover",
    what: `primary killed, ${how}`,
    unit: "commits",
    seconds,
    result: { kind },
    more: { longestGapMs: longest, longestGapBeforeMs: longestBefore },
  });
}
