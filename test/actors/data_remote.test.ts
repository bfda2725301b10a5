/**
 * A data thread behind a message port: answers, errors with their codes, what the thread asks in turn, and its end.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exposeData, RemoteData } from "../../actors/data_remote.ts";
import type { DataAsks } from "../../actors/data_link.ts";
import type { DataStart } from "../../actors/data/types.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn, Version } from "../../transport/wire/terms.ts";
import { DataDouble, DoubleRun } from "./data_double.ts";

const test = suite("data thread behind a port");

const START = { name: "n0" } as DataStart;
const DOC = { version: 7n as Version, generation: 5n as Generation } as Document;

/** Both sides of one. */
class Rig {
  readonly run = new DoubleRun(new DataDouble());
  readonly remote: RemoteData;
  readonly asked: unknown[] = [];
  readonly #channel = new MessageChannel();
  readonly asks: DataAsks = {
    attach: (...args) => {
      this.asked.push(args);
      if (args[0] === "bad") throw new CtdbxError("not_found", "Cannot find database bad");
      return Promise.resolve();
    },
    commit: (...args) => {
      this.asked.push(args);
      return Promise.resolve();
    },
    note: (...args) => {
      this.asked.push(args);
      return Promise.resolve();
    },
    resource: () => Promise.resolve({ orders: [] }),
    breach: (...args) => {
      this.asked.push(args);
      return Promise.resolve();
    },
  };

  constructor() {
    const { port1, port2 } = this.#channel;
    exposeData(port2, () => this.run);
    this.remote = new RemoteData(port1, this.run.ended);
    port1.start();
    port2.start();
  }

  close(): void {
    this.#channel.port1.close();
    this.#channel.port2.close();
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    assert.instance(error, CtdbxError);
    return (error as CtdbxError).code;
  }
}

test("what the node says arrives in its order, with u64 whole", async () => {
  const rig = new Rig();
  await rig.remote.start(START, rig.asks);
  await rig.remote.life({ pnn: 1 as Pnn, incarnation: 2n ** 63n as Incarnation });
  await rig.remote.view(DOC);
  await rig.remote.page({
    incarnation: 1n as Incarnation,
    generation: 5n as Generation,
    leaseEndMs: 1.5,
  });
  assert.equal(rig.run.told, ["life 9223372036854775808", "view 7"]);
  assert.is(rig.run.pages[0]?.leaseEndMs, 1.5);
  rig.run.counts.set(3 as Pnn, 9);
  assert.equal(await rig.remote.left([3 as Pnn]), {
    generation: 5n as Generation,
    left: [{ pnn: 3 as Pnn, count: 9 }],
  });
  rig.close();
});

test("errors keep their code both ways; others become io", async () => {
  const rig = new Rig();
  await rig.remote.start(START, rig.asks);
  assert.is(await codeOf(rig.remote.where("visits", "a")), "io");
  const { asks } = rig.run;
  assert.is(await codeOf(asks!.attach("bad", { create: true }, 50)), "not_found");
  assert.is(await codeOf(asks!.attach("good", { create: true }, 50)), "done");
  await asks!.breach("I4", "two owners", { pnn: 2 as Pnn, incarnation: 4n as Incarnation });
  assert.equal(rig.asked.at(-1), ["I4", "two owners", { pnn: 2, incarnation: 4n }]);
  await asks!.note("mended", "page 17");
  assert.equal(rig.asked.at(-1), ["mended", "page 17"]);
  rig.close();
});

test("what a thread has not answered when it ends is refused, and so is nothing that it has", async () => {
  const rig = new Rig();
  await rig.remote.start(START, rig.asks);
  const done = await rig.remote.vacuum("visits");
  assert.equal(done, { empty: 0 });
  rig.run.isSilent = true;
  const asked = codeOf(rig.remote.status());
  rig.run.die("an assert has failed");
  assert.is(await asked, "busy");
  assert.is(await codeOf(rig.remote.vacuum("visits")), "busy", "and what comes later");
  rig.close();
});

test.run();
