/** The mail of commit machines: what one node writes another reads, and what cannot be written costs nothing else. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommitMail } from "../../../actors/data/commit_mail.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import type { CommitBatch } from "../../../transport/wire/commit_layout.ts";
import type { Submit } from "../../../transport/wire/messages/commit.ts";
import type {
  ClusterId,
  DbId,
  Incarnation,
  NodeId,
  Pnn,
  Version,
} from "../../../transport/wire/terms.ts";
import { tagOf } from "../../../transport/wire/terms.ts";

const test = suite("mail of commits");

const CLUSTER = "c".repeat(32) as ClusterId;
const IDS = ["0", "1"].map((digit) => digit.repeat(32) as NodeId);
const EPOCH = { dbId: 7 as DbId, since: 9n as Version };

/** Two nodes' mail, with nothing between them. */
class Rig {
  readonly time = new SimTime();
  readonly got: CommitBatch[] = [];
  readonly sent: Uint8Array[] = [];
  readonly tooLong: string[] = [];
  readonly refused: string[] = [];
  readonly mails: CommitMail[];

  constructor() {
    const network = new SimNetwork(this.time, new SeededDice(1));
    const { clock, bus } = new SimMachine({ name: "n0", network, dice: new SeededDice(2) }).boot();
    this.mails = IDS.map((self) =>
      new CommitMail({
        ...{ self, bus, clock, firstId: 1n, nodeOf: (pnn) => IDS[pnn] },
        publish: (_to, payload) => void this.sent.push(payload.slice()),
        onBatch: (batch) => void this.got.push(batch),
        onRefused: ({ refused }) => void this.refused.push(refused),
        onTooLong: ({ message }) => void this.tooLong.push(message),
      })
    );
    for (const mail of this.mails) mail.begin(CLUSTER);
  }

  send(from: number, to: number, key: string): void {
    const by = { pnn: from as Pnn, incarnation: 3n as Incarnation };
    this.mails[from]?.send(to as Pnn, { ...EPOCH, by, messages: [submit(key)] });
  }

  /** All that was sent comes to node 1, as from node `from`. */
  deliver(from: number): void {
    for (const payload of this.sent.splice(0)) {
      this.mails[1]?.take(payload, tagOf(IDS[from] as NodeId));
    }
  }
}

function submit(key: string): Submit {
  const about = { term: 5n as Version, sid: 1n, n: 1, doneUpTo: 0, reads: [] };
  return { kind: "submit", ...about, writes: [{ key }] };
}

function keysOf(batches: readonly CommitBatch[]): (string | undefined)[] {
  return batches.flatMap(({ messages }) =>
    messages.map((one) => one.kind === "submit" ? one.writes[0]?.key : undefined)
  );
}

test("What a turn has for a node goes together, and comes as it was", () => {
  const rig = new Rig();
  rig.send(0, 1, "a");
  rig.send(0, 1, "b");
  assert.is(rig.sent.length, 0, "at the end of the turn");
  rig.mails[0]?.flush();
  assert.is(rig.sent.length, 1);
  rig.deliver(0);
  assert.equal(keysOf(rig.got), ["a", "b"]);
  assert.equal(rig.got[0]?.by, { pnn: 0 as Pnn, incarnation: 3n as Incarnation });
});

test("A message that cannot be written costs no other", () => {
  const rig = new Rig();
  rig.send(0, 1, "a");
  rig.send(0, 1, "\u0100 is no byte");
  rig.send(0, 1, "b");
  rig.mails[0]?.flush();
  assert.is(rig.tooLong.length, 1);
  rig.deliver(0);
  assert.equal(keysOf(rig.got), ["a", "b"]);
});

test("Nobody speaks for another node", () => {
  const rig = new Rig();
  const by = { pnn: 1 as Pnn, incarnation: 3n as Incarnation };
  rig.mails[0]?.send(1 as Pnn, { ...EPOCH, by, messages: [submit("a")] });
  rig.mails[0]?.flush();
  rig.deliver(0);
  assert.equal(rig.got, []);
  assert.equal(rig.refused, ["sender"]);
});

test("What is for this node itself comes in a later turn", () => {
  const rig = new Rig();
  rig.send(1, 1, "a");
  rig.mails[1]?.flush();
  assert.equal([rig.sent.length, rig.got.length], [0, 0]);
  rig.time.runTo(rig.time.nowMs + 1);
  assert.equal(keysOf(rig.got), ["a"]);
});

test.run();
