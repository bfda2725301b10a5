/** Addresses among other findings: what is none, what follows from what. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checksOf } from "../../../actors/explain/checks.ts";
import { explain } from "../../../actors/explain/explain.ts";
import type { Facts } from "../../../actors/explain/facts.ts";
import { hosting, UNHOSTED } from "./cases_addresses.ts";
import { change, inside, NAMES, peer } from "./state.ts";

const test = suite("explain: addresses");

test("addresses that are where they belong are no finding: some nodes have none, some are just at it", () => {
  assert.equal(explain(hosting({})), []);
  assert.ok(checksOf(hosting({})).includes("6 of 6 public addresses are hosted"));
  assert.equal(explain(hosting({ known: 2, hosted: 2 }, { n2: { held: 0 } })), []);
  // A node without a list sets nothing, however it would.
  const none = { listed: 0, held: 0, isConfigured: false };
  assert.equal(explain(hosting({}, { n2: { ...none, backend: "iproute2" } })), []);
  const behind = { node: "n2", takes: { count: 0, first: [] } };
  const releases = { count: 1, first: ["192.0.2.6"] };
  assert.equal(explain(hosting({ behind: [{ ...behind, releases, sinceMs: 300 }] })), []);
});

test("a node that has no address for a reason: the reason is the finding, that it has none follows", () => {
  const ids = (facts: Facts) =>
    explain(facts).map(({ id, also }) => [id, ...also.map((x) => x.id)]);
  const none = { n2: { held: 0, able: 0 } };
  const sick = hosting({}, none, { n2: { condition: "unhealthy", why: "event scripts: x" } });
  assert.equal(ids(sick), [["node_unhealthy", "address_none_here"]]);
  const off = hosting({}, none, { n2: { condition: "disabled", flags: ["disabled"] } });
  assert.equal(ids(off), [["node_disabled", "address_none_here"]]);
  const unlinked = { noLink: ["eth0"], unlinked: { count: 6, first: ["192.0.2.1"] } };
  const dark = hosting({}, { n2: { ...none.n2, ...unlinked } });
  assert.equal(ids(dark), [["address_no_link", "address_none_here"]]);
});

test("who has no address by decision is named beside the decision", () => {
  const facts = hosting({ unhosted: UNHOSTED }, {}, {
    n0: { condition: "banned", flags: ["banned"], isMember: false },
    n1: { condition: "stopped", flags: ["stopped"], isMember: false },
  });
  const unhosted = explain(facts).find(({ id }) => id === "address_unhosted");
  assert.equal(unhosted?.evidence.slice(0, 2), ["n0 is banned", "n1 is stopped by an operator"]);
});

test("addresses that wait for a dead node belong to its silence", () => {
  const silent = { waiting: { count: 1, first: ["192.0.2.6"] } };
  const facts = hosting({ ...silent, silent: [{ node: "n2", leftMs: 900 }] });
  const gone = change(facts, "n2", { silence: "no answer" });
  const { inside: _, ...rest } = gone.nodes[2] as Facts["nodes"][number];
  const peers = NAMES.map((name) =>
    peer(name, name === "n2" ? { condition: "disconnected", heardMsAgo: 3000 } : {})
  );
  const dead = { ...gone, nodes: [...gone.nodes.slice(0, 2), rest] };
  const [first] = explain(inside(inside(dead, "n1", { peers }), "n0", { peers }));
  assert.is(first?.node, "n2");
  assert.ok(first?.also.some(({ id }) => id === "address_waits"), JSON.stringify(first));
});

test.run();
