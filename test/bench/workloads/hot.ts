/**
 * One hot record, clients at all nodes, each a process of its own, as fast as each can.
 *
 *   hot-counter   all add 1
 *   hot-mix       95 of 100 operations read, the others add 1
 *
 * The counter at the end must be the sum of all that was acknowledged, and no client may have seen it go back.
 *
 * Does NOT promise: fairness between clients; `leastPart` says how much the one with the least had, 1: the same.
 */

import { counterOf } from "./counter.ts";
import { crowd } from "./clients.ts";
import { HOT_KEY, type HotAnswer } from "./hot_child.ts";
import { mustBe, type Scale, Times } from "./measure.ts";
import type { Run, Workload } from "./workload.ts";

const PER_NODE: Readonly<Record<Scale, number>> = { full: 8, small: 1 };
const SECONDS: Readonly<Record<Scale, number>> = { full: 5, small: 0.1 };
const SCRIPT = "test/bench/workloads/hot_child.ts";

function timesOf(answers: readonly HotAnswer[]): Times {
  const times = new Times();
  const least = Math.min(...answers.map(({ stride }) => stride));
  for (const { stride, ms } of answers) {
    for (const each of ms) {
      for (let again = 0; again < stride; again += least) times.add(each);
    }
  }
  return times;
}

async function hot({ world, scale, name, tell }: Run, reads: number): Promise<void> {
  const [perNode, seconds] = [PER_NODE[scale], SECONDS[scale]];
  const client = await world.client(0);
  const table = await client.attach(name);
  const cpuMs = world.cpuMs();
  const words = (index: number) => [name, index, reads, seconds];
  const answers = await crowd<HotAnswer>(world, SCRIPT, perNode, words);
  const usedUs = 1000 * (world.cpuMs() - cpuMs);
  const sumOf = (what: "adds" | "reads" | "back") =>
    answers.reduce((sum, answer) => sum + answer[what], 0);
  const lost = sumOf("adds") - counterOf(await table.read(HOT_KEY));
  mustBe("acknowledged additions that are not in the counter", lost, 0);
  mustBe("times that the counter went back", sumOf("back"), 0);
  client.close();
  const count = sumOf("adds") + sumOf("reads");
  const each = answers.map(({ adds, reads }) => adds + reads);
  const leastPart = Math.min(...each) * each.length / count;
  tell(
    timesOf(answers).figure(world, {
      workload: reads === 0 ? "hot-counter" : "hot-mix",
      what: `${world.nodes} nodes x ${perNode} clients` + (reads === 0 ? "" : `, ${reads} % reads`),
      unit: reads === 0 ? "additions" : "operations",
      count,
      seconds: Math.max(...answers.map(({ elapsedMs }) => elapsedMs)) / 1000,
      // How many there were depends on the speed.
      result: { lost, back: sumOf("back") },
      more: { cpuUsPerOperation: usedUs / count, leastPart },
    }),
  );
}

/** See the head. */
export const HOT_COUNTER: Workload = {
  name: "hot-counter",
  about: "one counter, added to from all nodes",
  limitMs: { full: 60_000, small: 60_000 },
  floor: "round trip",
  run: (run) => hot(run, 0),
};

/** See the head. */
export const HOT_MIX: Workload = {
  name: "hot-mix",
  about: "one counter, 95 % read and 5 % added to, from all nodes",
  limitMs: { full: 60_000, small: 60_000 },
  floor: "round trip",
  run: (run) => hot(run, 95),
};
