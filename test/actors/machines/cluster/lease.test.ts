/**
 * The lease of one node, message by message: what extends it and what does not (section 3, DIGEST; section 4).
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Generation, Pnn } from "../../../../transport/wire/terms.ts";
import { BROKEN } from "../../../swarm/broken.ts";
import { Alone, sent, token, viewOf } from "./one_machine.ts";

const test = suite("lease");

const OLD = token(1n, 2);
const NEW = token(2n, 3);
const VIEW = viewOf(OLD, [[0, 1n], [1, 1n], [2, 1n]]);
const TTL_MS = 2500;

/** Node 0 in its first life, a member by OLD's view, without a lease. */
function member(rules = BROKEN["none"]): Alone {
  const node = new Alone(rules === undefined ? {} : { rules }).begin();
  node.hear(1, { kind: "accept", doc: VIEW });
  node.digest(1, OLD, VIEW);
  return node;
}

function leaseOf({ machine }: Alone): number {
  return machine.state.page?.leaseEndMs ?? 0;
}

test("An echo extends it from the time of the heartbeat, not of its arrival", () => {
  const node = member();
  assert.is(leaseOf(node), 0);
  node.nowMs = 2000;
  node.digest(1, OLD, VIEW, { echoMs: 1500 });
  assert.is(leaseOf(node), 1500 + TTL_MS);
  node.digest(1, OLD, VIEW, { echoMs: 1400 });
  assert.is(leaseOf(node), 1500 + TTL_MS, "an older one does not shorten it");
});

test("An echo of another life, or with another generation, extends nothing", () => {
  const node = member();
  node.digest(1, OLD, VIEW, { echoMs: 1000, life: 7n });
  node.digest(1, OLD, VIEW, { echoMs: 1000, generation: 99n as Generation, isWhole: false });
  assert.is(leaseOf(node), 0);
});

test("A promise ends what older leaders can extend, and leaves the lease as it is", () => {
  const node = member();
  node.digest(1, OLD, VIEW, { echoMs: 1000 });
  node.hear(2, { kind: "prepare", token: NEW });
  assert.is(leaseOf(node), 1000 + TTL_MS);
  const answers = sent(node.digest(1, OLD, VIEW, { echoMs: 1100 }));
  assert.is(leaseOf(node), 1000 + TTL_MS);
  assert.equal(answers.map(({ kind }) => kind), ["nack"]);
});

test("A digest of a token that was not promised yet extends nothing; a machine that did would stop (V6)", () => {
  const kept = viewOf(OLD, [[0, 1n], [1, 1n], [2, 1n]]);
  const node = member();
  node.digest(2, NEW, kept, { echoMs: 1000 });
  assert.is(leaseOf(node), 0);
  const other = member(BROKEN["any digest extends"]);
  const effects = other.digest(2, NEW, kept, { echoMs: 1000 });
  assert.ok(effects.some((effect) => effect.kind === "stop" && effect.why.startsWith("V6")));
});

test("Another accepted view ends the page before ACCEPTED is said; the same view again brings it back", () => {
  const node = member();
  node.digest(1, OLD, VIEW, { echoMs: 1000 });
  const other = viewOf(OLD, [[0, 1n], [1, 1n]], 2n, VIEW);
  const effects = node.hear(1, { kind: "accept", doc: other });
  const page = effects.findIndex(({ kind }) => kind === "page");
  const write = effects.findIndex(({ kind }) => kind === "persist");
  const say = effects.findIndex(({ kind }) => kind === "send");
  assert.ok(page >= 0 && page < write && write < say);
  assert.is(leaseOf(node), 0);
  // A new leader found that the other view never began: it keeps the first one.
  node.hear(2, { kind: "accept", doc: { ...VIEW, version: NEW + 1n as typeof VIEW.version } });
  assert.is(leaseOf(node), 1000 + TTL_MS);
});

test("A node that is in the list under another number does not go on with the life it had under the first", () => {
  for (const inOneStep of [true, false]) {
    const node = member();
    node.digest(1, OLD, VIEW, { echoMs: 1000 });
    const gone = viewOf(OLD, [[1, 1n], [2, 1n]], 2n, VIEW);
    // It does not hear of the view without it while it is in the list: it is out of both, or in the list anew, at once.
    const without = { ...gone, nodes: gone.nodes.filter(({ pnn }) => pnn !== 0) };
    const again = { ...gone.nodes[0]!, pnn: 6 as Pnn };
    const anew = {
      ...without,
      version: without.version + 1n as typeof gone.version,
      nodes: [...without.nodes, again],
    };
    for (const doc of inOneStep ? [anew] : [without, anew]) {
      node.feed({ kind: "message", from: "f".repeat(32) as never, message: { kind: "view", doc } });
    }
    assert.is(leaseOf(node), 0);
    assert.is(node.machine.state.incarnation, 2n);
  }
});

test("A view without this life begins a new one: no page, no word before the fence", () => {
  const node = member();
  node.digest(1, OLD, VIEW, { echoMs: 1000 });
  const without = viewOf(OLD, [[1, 1n], [2, 1n]], 2n, VIEW);
  const message = { kind: "view", doc: without } as const;
  const effects = node.feed({ kind: "message", from: "f".repeat(32) as never, message });
  assert.is(leaseOf(node), 0);
  assert.equal(sent(effects), []);
  assert.is(node.machine.state.incarnation, 2n);
  assert.is(
    node.machine.state.page?.incarnation,
    1n,
    "the page of the new life is made at its fence",
  );
  node.settle(effects);
  assert.is(node.machine.state.page?.incarnation, 2n);
  const again = viewOf(OLD, [[0, 2n], [1, 1n], [2, 1n]], 3n, without);
  node.hear(1, { kind: "accept", doc: again });
  node.digest(1, OLD, again);
  assert.is(leaseOf(node), 0, "the lease was the former life's");
});

test("A document of another cluster is dropped, and its sender named", () => {
  const node = member();
  const doc = {
    ...VIEW,
    clusterId: "e".repeat(32) as never,
    version: NEW + 1n as typeof VIEW.version,
  };
  const effects = node.hear(2, { kind: "accept", doc });
  assert.equal(sent(effects), []);
  assert.ok(
    effects.some((effect) =>
      effect.kind === "happened" && effect.happening.what === "breach" &&
      effect.happening.why.startsWith("V11")
    ),
  );
  assert.is(node.machine.state.accepted?.version, VIEW.version);
});

test("Two documents with one version stop the node (V2), and a line that was left does (V1)", () => {
  const twice = member().hear(1, {
    kind: "accept",
    doc: { ...VIEW, publicIps: [{ ip: "::1", maskBits: 8 }] },
  });
  assert.ok(twice.some((effect) => effect.kind === "stop" && effect.why.startsWith("V2")));
  const aside = viewOf(NEW, [[0, 1n]], 1n);
  const left = member().hear(2, { kind: "view", doc: aside });
  assert.ok(left.some((effect) => effect.kind === "stop" && effect.why.startsWith("V1")));
});

test.run();
