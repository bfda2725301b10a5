/**
 * A short swarm of records: whole clusters with clients under faults, judged. `npm run test:long -- records` runs more.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runRecordSeed } from "../../actors/machines/sim/records/record_swarm.ts";
import type { RecordSeedResult } from "../../actors/machines/sim/records/record_swarm.ts";
import { BodyCodec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { RECORDS } from "../../transport/wire/messages/record.ts";
import type { RecordMessage } from "../../transport/wire/messages/record.ts";
import type { DbId, Incarnation, Pnn } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { BROKEN } from "./broken.ts";
import { brokenRule, NOTICED, ruleNames } from "./record_broken.ts";

const test = suite("record swarm");

/** These seeds are run every time, beside those that once failed. */
const KEPT = 15;
/** Seeds that failed once. */
const FAILED = [19, 23, 30, 107, 116, 10424, 10487, 10594];
/** Fresh seeds go on for so long. */
const FRESH_MS = 6_000;

function assertClean({ seed, violations, classes }: RecordSeedResult): void {
  const texts = violations.map(({ atMs, rule, text }) => `${atMs.toFixed(1)} ${rule}: ${text}`);
  const again = `npm run test:long -- records 1 ${seed}`;
  assert.equal(texts, [], `seed ${seed} (${classes.join(" ")}); again: ${again}`);
}

test(
  "The seeds that stay run clean, and those that failed once",
  limit(120_000, () => {
    for (let seed = 1; seed <= KEPT; seed++) assertClean(runRecordSeed(seed));
    for (const seed of FAILED) assertClean(runRecordSeed(seed));
  }),
);

test(
  "Fresh seeds run clean",
  limit(120_000, () => {
    const first = Date.now() >>> 0;
    const endMs = performance.now() + FRESH_MS;
    for (let seed = first; performance.now() < endMs; seed = (seed + 1) >>> 0) {
      assertClean(runRecordSeed(seed));
    }
  }),
);

test("A seed gives the same run again, another does not", () => {
  const hashOf = (seed: number) => runRecordSeed(seed, { faultsMs: 5_000 }).hash;
  assert.is(hashOf(7), hashOf(7));
  assert.is.not(hashOf(7), hashOf(8));
});

test("Each rule has somebody who notices when it is broken", () => {
  assert.equal(Object.keys(NOTICED).sort(), ruleNames().sort());
});

for (const [name, { seed, judge }] of Object.entries(NOTICED)) {
  if (seed === undefined || judge === undefined) continue;
  test(
    `Broken, and noticed by the swarm: ${name}`,
    limit(60_000, () => {
      const recordRules = brokenRule(name as keyof typeof NOTICED);
      for (const tried of [seed, ...Array.from({ length: 60 }, (_, at) => at + 1)]) {
        const { violations } = runRecordSeed(tried, { recordRules });
        if (violations.some(({ rule }) => judge.includes(rule))) return;
      }
      assert.unreachable("61 seeds run without it, and no judge objects");
    }),
  );
}

/** Rules of the cluster that records rest on (C9, C11), and a seed that shows it. */
const OF_CLUSTER = { "nobody is waited out": 5, "no fence": 19, "no grant rule": 20 };
const OF_RECORDS = ["two owners", "lost", "stale", "order", "reader"];

for (const [name, seed] of Object.entries(OF_CLUSTER)) {
  test(
    `Broken in the cluster, and noticed by the records: ${name}`,
    limit(60_000, () => {
      const rules = BROKEN[name];
      assert.ok(rules !== undefined);
      for (const tried of [seed, ...Array.from({ length: 60 }, (_, at) => at + 1)]) {
        const { violations } = runRecordSeed(tried, { rules });
        if (violations.some(({ rule }) => OF_RECORDS.includes(rule))) return;
      }
      assert.unreachable("61 seeds run without it, and no judge of records objects");
    }),
  );
}

test(
  "Each message of a run has the form that the wire declares, and comes back from its bytes as it was",
  limit(120_000, () => {
    const codec = new BodyCodec();
    const counts = new Map<string, number>();
    const life = { pnn: 0 as Pnn, incarnation: 1n as Incarnation };
    const look = (message: RecordMessage): void => {
      const count = counts.get(message.kind) ?? 0;
      counts.set(message.kind, count + 1);
      if (count > 100) return;
      const body = { dbId: 1 as DbId, by: life, to: life, messages: [message] };
      const back = codec.decode(RECORDS, codec.encode(RECORDS, body as never));
      assert.not.ok(isRefusal(back), isRefusal(back) ? `${message.kind}: ${back.text}` : "");
      const { messages } = back as unknown as { messages: RecordMessage[] };
      assert.is(textOf(messages[0]), textOf(message), message.kind);
    };
    for (const seed of [1, 2, 3, 4, 30]) {
      runRecordSeed(seed, {
        onRecord: (_from, _to, message) => {
          look(message);
          return true;
        },
      });
    }
    const kinds = ["req", "recall", "grant", "ack", "nack", "release", "purge1", "purge2", "query"];
    const more = ["query_answer", "table_ask", "table", "no_table", "table_done", "report", "ro"];
    const rest = ["revoke", "revoked", "call", "call_done", "call_no", "list_ask", "list", "read"];
    for (const kind of [...kinds, ...more, ...rest]) assert.ok(counts.has(kind), kind);
  }),
);

/** The same text for the same content, whatever the order of its fields. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (typeof part === "bigint") return `${part}n`;
    if (part instanceof Uint8Array) return [...part].join();
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([one], [other]) => one < other ? -1 : 1));
  });
}

test.run();
