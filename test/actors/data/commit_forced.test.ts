/**
 * Whole nodes in simulated time: the only in-sync copy of a database is cut off and goes on, another one leads by
 * force, and both meet again. What the first has to cut off is kept; the copies are equal, and go on.
 */

import * as assert from "uvu/assert";
import { lostPath, readLost } from "../../../actors/storage/commit_lost.ts";
import { leaderOf } from "../../../actors/views.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { sharedSuite } from "../../suite.ts";
import { STATE } from "../sim_nodes.ts";
import {
  ALL,
  attached,
  awaited,
  NAME,
  opsAt,
  put,
  read,
  readOf,
  transact,
} from "./commit_whole.ts";
import { b } from "./data_rig.ts";
import type { Whole } from "./whole.ts";

const test = sharedSuite("whole nodes, a primary by force");

/** The keys that the transactions of a branch write, which a node has cut off. */
function branchOf(whole: Whole, n: number, kind: string, lineage: bigint, fork: bigint): string[] {
  const { images } = whole.cluster.machines[n]!;
  const { since } = whole.shards[n]!.host.database(NAME)!;
  const path = `${STATE}/${kind}/${NAME}.${since}/${NAME}.tdb`;
  return readLost(images, lostPath(path, lineage, fork)).flatMap(({ txns }) => txns)
    .flatMap(({ writes }) => writes.map(({ key }) => key));
}

/** What a program has read before the fork is of that history, although its version is the same behind it. */
async function isOfItsHistory(
  whole: Whole,
  n: number,
  before: Awaited<ReturnType<typeof readOf>>,
): Promise<void> {
  const now = await readOf(whole, n, "still");
  assert.equal([now.value, now.version], [before.value, before.version]);
  const wish = ({ version, lineage }: typeof now) => ({
    ...{ reads: [{ key: "still", version }], lineage },
    writes: [{ key: "made of it", value: b("made") }],
  });
  const end = await transact(whole, n, wish(before));
  assert.is(end.outcome === "aborted" ? end.code : end.outcome, "conflict");
  assert.is((await transact(whole, n, wish(now))).outcome, "committed");
}

/** Who leads the cluster, as a node has it. */
function leaderAt({ cluster }: Whole, n: number): number {
  const leader = leaderOf(cluster.nodes[n]!.state);
  return leader === undefined ? -1 : cluster.ids.indexOf(leader);
}

/** What it would be that a node leads by force, by whoever leads there; with `isDone` it does. */
async function forced(whole: Whole, pnn: number, isDone: boolean) {
  const council = whole.shards[leaderAt(whole, pnn)]!;
  const wish = { name: NAME, pnn: pnn as Pnn };
  const look = await awaited(whole, council.force(wish));
  if (!isDone) return look;
  return await awaited(whole, council.force({ ...wish, from: look.from }));
}

for (const kind of ["persistent", "replicated"] as const) {
  test(`${kind}: both parts go on, and what one has to cut off is kept`, async () => {
    const whole = await attached(91, { kind, replicas: 1 });
    const { cluster } = whole;
    await put(whole, 0, "key", "common");
    const alone = opsAt(whole, 0).look().primary as number;
    const [one = 0, other = 0] = ALL.filter((n) => n !== alone);
    await put(whole, 0, "still", "as it was");
    for (const n of [one, other]) await read(whole, n, "still");
    const before = await readOf(whole, alone, "still", "local");
    cluster.network.partition([`n${alone}`], [`n${one}`, `n${other}`]);
    await whole.until(() => [one, other].includes(leaderAt(whole, one)), 60_000);
    await put(whole, alone, "key", "alone");
    await put(whole, alone, "mine", "alone");
    let look = await forced(whole, one, false).catch(() => undefined);
    for (let tries = 0; look?.refusal !== undefined || look === undefined; tries++) {
      assert.ok(tries < 100, look?.refusal);
      await cluster.run(200);
      look = await forced(whole, one, false).catch(() => undefined);
    }
    await forced(whole, one, true);
    await whole.until(() => opsAt(whole, one).look().serving === "serving", 60_000);
    await put(whole, other, "key", "forced");

    cluster.network.healLinks();
    await whole.until(
      () => opsAt(whole, alone).look().lineage === opsAt(whole, one).look().lineage,
      60_000,
    );
    assert.is((await read(whole, alone, "key")).value, "forced");
    assert.is((await read(whole, alone, "mine")).value, undefined);
    const { lineage, keptSeq: fork = 0n } = look;
    assert.equal(branchOf(whole, alone, kind, lineage, fork), ["key", "mine"]);
    assert.throws(
      () => branchOf(whole, other, kind, lineage, fork),
      "others had nothing of their own",
    );
    assert.is(before.lineage, lineage);
    await isOfItsHistory(whole, alone, before);
    await put(whole, alone, "key", "on");
    for (const n of ALL) assert.is((await read(whole, n, "key")).value, "on");
  });
}

test.run();
