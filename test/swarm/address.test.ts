/**
 * A short swarm of addresses: whole clusters with kernels under faults, judged. `npm run test:long -- addresses` runs
 * more.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runAddressSeed } from "../../actors/machines/sim/addresses/address_swarm.ts";
import type { AddressSeedResult } from "../../actors/machines/sim/addresses/address_swarm.ts";
import { Codec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import type { AddressMessage } from "../../transport/wire/messages/address.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import type { ClusterId, Generation, NodeId, Tag } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { limit } from "../limit.ts";
import { ADDRESS_NOTICED, brokenAddressRule } from "./address_broken.ts";
import type { AddressRuleName } from "../../actors/machines/addresses/takeover/rules.ts";

const test = suite("address swarm");

/** These seeds are run every time. */
const KEPT = 10;
/** Fresh seeds. */
const FRESH = 3;

function assertClean({ seed, violations, classes }: AddressSeedResult): void {
  const texts = violations.map(({ atMs, rule, text }) => `${atMs.toFixed(1)} ${rule}: ${text}`);
  const again = `npm run test:long -- addresses 1 ${seed} --story`;
  assert.equal(texts, [], `seed ${seed} (${classes.join(" ")}); again: ${again}`);
}

test(
  "The seeds that stay run clean",
  limit(120_000, () => {
    for (let seed = 1; seed <= KEPT; seed++) assertClean(runAddressSeed(seed));
  }),
);

test(
  "Fresh seeds run clean",
  limit(120_000, () => {
    const first = Date.now() >>> 0;
    for (let seed = first; seed < first + FRESH; seed++) assertClean(runAddressSeed(seed >>> 0));
  }),
);

for (const [name, seed] of Object.entries(ADDRESS_NOTICED)) {
  test(
    `Broken, and noticed by the swarm: ${name}`,
    limit(60_000, () => {
      const addressRules = brokenAddressRule(name as AddressRuleName);
      for (const tried of [seed, ...Array.from({ length: 40 }, (_, at) => at + 1)]) {
        const { violations } = runAddressSeed(tried, { addressRules });
        if (violations.some(({ rule }) => rule === "two holders")) return;
      }
      assert.unreachable("41 seeds run without it, and no kernel has an address that another has");
    }),
  );
}

test("Each message of a run has the form that the wire declares, and comes back as it was", () => {
  const own = "1".repeat(32) as NodeId;
  const codec = new Codec({ cluster: "c", own, firstId: 1n, level: 2 });
  codec.clusterId = "c".repeat(32) as ClusterId;
  const counts = new Map<string, number>();
  const look = (message: AddressMessage): void => {
    const count = counts.get(message.kind) ?? 0;
    counts.set(message.kind, count + 1);
    if (count > 50) return;
    const [bytes = new Uint8Array()] = codec.encode(message, { gen: 1n as Generation, stamp: 0n });
    const to = "a".repeat(10) as Tag;
    const subject = buildSubject({ cluster: "c", class: "n", to, from: tagOf(own) });
    const back = codec.decode(subject, bytes, 0);
    if (back === undefined || isRefusal(back)) throw new Error(`${message.kind}: ${back?.text}`);
    assert.equal(back.message, message);
  };
  for (const seed of [1, 2, 3]) {
    runAddressSeed(seed, {
      faults: ["kill", "cut"],
      onAddress: (_from, _to, message) => {
        look(message);
        return true;
      },
    });
  }
  for (const kind of ["address_ask", "address_order", "address_report", "address_clear"]) {
    assert.ok(counts.has(kind), kind);
  }
});

test.run();
