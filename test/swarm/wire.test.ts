/**
 * Every message of the cluster machines has the form that the wire declares, and comes back from its bytes as it was.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isSameDocument } from "../../actors/machines/cluster/document.ts";
import type { ClusterMessage } from "../../actors/machines/cluster/events.ts";
import { ClusterSim, nodeIdOf } from "../../actors/machines/sim/cluster_sim.ts";
import type { SimOptions } from "../../actors/machines/sim/cluster_sim.ts";
import { FAULTS, Faults, heal } from "../../actors/machines/sim/faults.ts";
import { Operators } from "../../actors/machines/sim/operators.ts";
import { BodyCodec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import * as CLUSTER from "../../transport/wire/messages/cluster.ts";
import * as LEADER from "../../transport/wire/messages/leader.ts";
import type { SomeDeclaration } from "../../transport/wire/messages/registry.ts";
import { limit } from "../limit.ts";

const test = suite("cluster messages on the wire");

const DECLARATIONS = new Map<string, SomeDeclaration>();
for (const value of [...Object.values(CLUSTER), ...Object.values(LEADER)]) {
  const declaration = value as unknown as SomeDeclaration;
  if (typeof declaration === "object" && "bytesMax" in declaration) {
    DECLARATIONS.set(declaration.kind, declaration);
  }
}

/** What chance may leave out: a refused leader, a node that asks for the document, operators. */
function runDirected(onSend: NonNullable<SimOptions["onSend"]>): void {
  // A leader that was stopped for long enough to be replaced, and not for long enough to know it.
  const short = new ClusterSim({ seed: 1, nodes: 3, isCalm: true, onSend });
  short.start();
  short.run(3000);
  short.hosts[2]?.pause();
  short.run(4300);
  short.hosts[2]?.resume();
  short.run(5000);
  // A node that misses a change, and asks for the document; an operator who asks the wrong node.
  for (const from of [1, 2]) short.links.cut(from, 0, true);
  const ask = (node: number, other: number, verbId: string) =>
    short.hosts[node]?.feed({
      kind: "command",
      verbId: verbId.padStart(32, "0"),
      command: {
        verb: "node_add",
        nodeId: nodeIdOf(other),
        name: `n${other}`,
        addr: `n${other}:4222`,
        caps: ["leader", "lmaster"],
      },
    });
  ask(1, 8, "1");
  short.run(5200);
  for (const from of [1, 2]) short.links.cut(from, 0, false);
  short.run(6000);
  ask(2, 9, "2");
  short.run(6500);
}

test(
  "Each message of a run under all faults passes its check, and its bytes say the same",
  limit(120_000, () => {
    const codec = new BodyCodec();
    const counts = new Map<string, number>();
    const look = (message: ClusterMessage): void => {
      const count = counts.get(message.kind) ?? 0;
      counts.set(message.kind, count + 1);
      // Documents take their time; the first ones of each kind, and then every twentieth, are looked at.
      if (count > 200 && count % 20 !== 0) return;
      const declaration = DECLARATIONS.get(message.kind);
      assert.ok(declaration !== undefined, message.kind);
      const { kind: _kind, ...body } = message;
      const back = codec.decode(declaration, codec.encode(declaration, body));
      assert.not.ok(isRefusal(back), isRefusal(back) ? `${message.kind}: ${back.text}` : "");
      assert.ok(
        isSameDocument(back as never, message as never),
        `${message.kind} comes back changed`,
      );
    };
    const onSend = (_from: number, _to: number, message: ClusterMessage) => {
      look(message);
      return true;
    };
    runDirected(onSend);
    for (const seed of [1, 2, 3, 4]) {
      const sim = new ClusterSim({ seed, nodes: 5, spares: 1, format: 1 + seed % 2, onSend });
      sim.start();
      new Faults(sim, 15_000, FAULTS);
      const operators = new Operators(sim);
      for (let atMs = 3000; atMs < 15_000; atMs += 300) sim.at(atMs, () => operators.act());
      sim.run(15_000);
      heal(sim);
      sim.run(20_000);
    }
    const missing = [...DECLARATIONS.keys()].filter((kind) => !counts.has(kind));
    assert.equal(missing, []);
  }),
);

test.run();
