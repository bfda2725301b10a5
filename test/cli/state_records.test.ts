/** A whole state of a database takes as long as --timeout says, however long one operation may take. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CommonFlags } from "../../cli/declare.ts";
import { stateRecords } from "../../cli/commands/db_records.ts";
import { ClientRig } from "../actors/client/client_rig.ts";
import { CommitFake } from "../actors/client/commit_fake.ts";

const test = suite("records of a state");
/** The node takes so long for each record, ms. */
const SLOW_MS = 4_000;
const COUNT = 10;

/** How many records are told in time, and how it ended. */
async function listed(flags: Pick<CommonFlags, "timeout">): Promise<[number, string]> {
  const rig = await ClientRig.start(1, 1);
  const fake = new CommitFake();
  const { clock } = rig.data.node(0).world;
  fake.at(rig.data.node(0).shard.host, "bank");
  for (let at = 0; at < COUNT; at++) fake.other(`key ${at}`, "v");
  fake.beforeRecord = () => new Promise((resolve) => void clock.after(SLOW_MS, resolve));
  const cluster = await rig.connect(0);
  const bank = await rig.do(cluster.attach("bank"));
  const state = await rig.do(bank.snapshot());
  let count = 0;
  const reading = (async () => {
    for await (const _ of stateRecords(state, { color: false, ...flags })) count += 1;
  })();
  const code = await rig.do(reading).then(() => "ok", (error) => error.code);
  await rig.end();
  return [count, code];
}

test("Of itself it takes as long as a whole database may", async () => {
  assert.equal(await listed({}), [COUNT, "ok"]);
});

test("With --timeout no longer than that", async () => {
  const [count, code] = await listed({ timeout: 20 });
  assert.is(code, "timeout");
  assert.ok(count >= 4 && count <= 5, `${count}`);
});

test.run();
