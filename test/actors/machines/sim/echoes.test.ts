/**
 * Every message twice, and again many messages later: in virtual time, where nobody stalls, so that whoever is called
 * dead is called so for a message that came again. test/live/hostile.test.ts does the same over a real bus.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterMessage } from "../../../../actors/machines/cluster/events.ts";
import { ClusterSim } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { Host } from "../../../../actors/machines/sim/host.ts";

const test = suite("echoes");

/** A cluster has settled, ms. */
const SETTLED_MS = 5_000;
/** Between two yields, ms. */
const TURN_MS = 8_000;

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly message: ClusterMessage;
}

/** What became of a cluster whose messages come again `after` messages. */
interface Heard {
  readonly sim: ClusterSim;
  /** Elections, and who was blamed or called dead, from the moment it had settled. */
  readonly notes: readonly string[];
  /** Messages that came again. */
  readonly echoes: number;
}

const TOLD = ["called dead", "blamed", "chosen", "breach", "fenced"];

/** Three yields, and between them nothing but messages that come again; none when `after` is 0. */
function hear(seed: number, after: number): Heard {
  const notes: string[] = [];
  const kept: Sent[] = [];
  let echoes = 0;
  const again = ({ from, to, message }: Sent): void => {
    echoes += 1;
    sim.deliver(from, to, message);
  };
  const sim: ClusterSim = new ClusterSim({
    seed,
    nodes: 3,
    drift: 0.01,
    onNote: (atMs, node, what, text) => {
      if (atMs > SETTLED_MS && TOLD.includes(what)) notes.push(`${what} n${node} ${text}`);
    },
    onSend: (from, to, message) => {
      if (after === 0 || from === to) return true;
      const sent = { from, to, message };
      kept.push(sent);
      again(sent);
      const old = kept[kept.length - 1 - after];
      if (old !== undefined) again(old);
      return true;
    },
  });
  sim.start();
  sim.run(SETTLED_MS);
  for (let turn = 0; turn < 3; turn += 1) {
    yieldOf(sim, turn);
    sim.run(sim.nowMs + TURN_MS);
  }
  return { sim, notes, echoes };
}

function leaderOf(sim: ClusterSim): Host {
  const [host, ...more] = sim.hosts.filter(({ machine }) => machine?.state.lead !== undefined);
  assert.ok(host !== undefined && more.length === 0, "one leads");
  return host as Host;
}

function yieldOf(sim: ClusterSim, turn: number): void {
  const host = leaderOf(sim);
  const verbId = turn.toString(16).padStart(32, "e");
  host.feed({ kind: "command", verbId, command: { verb: "yield", why: "a test" } });
}

for (const after of [1, 40, 400]) {
  test.either(`a message that comes again ${after} messages later makes nobody leave or lead`, () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { sim, notes, echoes } = hear(seed, after);
      assert.ok(echoes > 1500, `${echoes} echoes`);
      assert.equal(sim.checkers.violations, [], `seed ${seed}`);
      assert.equal(
        notes.map((note) => note.replace(/ n\d .*/, "")),
        Array(3).fill("chosen"),
        notes.join("\n"),
      );
      leaderOf(sim);
      const doc = sim.checkers.docOf(sim.checkers.effective.at(-1) ?? (0n as never));
      assert.is(doc?.view.members.length, 3, `seed ${seed}`);
    }
  });
}

test.run();
