/**
 * Breaks one rule at a time and runs seeds: the judges must object. test/swarm/README.md lists what each breach did.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runLayout } from "../../actors/machines/sim/layouts.ts";
import { runSeed } from "../../actors/machines/sim/swarm.ts";
import type { Rules } from "../../actors/machines/cluster/rules.ts";
import { limit } from "../limit.ts";
import { BROKEN } from "./broken.ts";

const test = suite("broken rules");

/** Seeds that are tried, after the one that is known to notice. */
const SEEDS_MAX = 300;

/** Which judge objects to a breach, and a seed that is known to show it. */
const CAUGHT: Readonly<Record<string, { judge: RegExp; seed: number }>> = {
  "prepare before the disk": { judge: /^assert: V4/, seed: 1 },
  "keep without an adopter": { judge: /^assert: V13/, seed: 1 },
  "earliest of the promisers": { judge: /^serving/, seed: 9 },
  "without GL": { judge: /^serving/, seed: 12 },
  "one voter is enough": { judge: /^line/, seed: 1 },
  "no grant rule": { judge: /^serving/, seed: 146 },
  "nobody is waited out": { judge: /^serving/, seed: 2 },
  "own grants only": { judge: /^serving/, seed: 3 },
  "earlier grants only": { judge: /^serving/, seed: 3 },
  "death of any life": { judge: /^end/, seed: 1 },
  "an old life may join": { judge: /^lives/, seed: 12 },
  "never heard a leader before the start": { judge: /^serving/, seed: 8 },
  "any digest is reported": { judge: /^assert: V14/, seed: 3 },
  "frozen by members": { judge: /^(?:serving|assert: V5)/, seed: 12 },
  "never frozen": { judge: /^serving/, seed: 1 },
  "no fence": { judge: /^serving/, seed: 8 },
  "epochs without a generation": { judge: /^epochs/, seed: 17 },
  "goes with its records": { judge: /^handed/, seed: 17 },
};

function isSeen(seed: number, rules: Rules, judge: RegExp): boolean {
  return runSeed(seed, { rules }).violations.some(({ rule, text }) =>
    judge.test(`${rule}: ${text}`)
  );
}

for (const [name, { judge, seed }] of Object.entries(CAUGHT)) {
  test(
    name,
    limit(60_000, () => {
      const rules = BROKEN[name];
      assert.ok(rules !== undefined);
      if (isSeen(seed, rules, judge)) return;
      for (let other = 1; other <= SEEDS_MAX; other++) if (isSeen(other, rules, judge)) return;
      assert.unreachable(`${SEEDS_MAX} seeds run without it, and no judge objects`);
    }),
  );
}

test("no probe: leaders change again and again while one-way cuts stay", () => {
  const rules = BROKEN["no probe"];
  assert.ok(rules !== undefined);
  const seeds = Array.from({ length: 40 }, (_, index) => index + 1);
  const rulesOf = (seed: number) => runLayout(seed, { rules }).violations.map(({ rule }) => rule);
  assert.ok(seeds.some((seed) => rulesOf(seed).includes("ping-pong")));
});

test.run();
