/** What monitors are told of databases: the busiest, in the declared form, within the longest event. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DatabaseStats } from "../../../actors/data/types.ts";
import { databasesOf } from "../../../actors/monitoring/databases.ts";
import {
  type DatabasesEvent,
  EVENT_DATABASES_MAX,
  readEvent,
} from "../../../transport/wire/messages/event.ts";
import { EVENT_MAX } from "../../../transport/wire/messages/event_form.ts";
import type { DbId, Version } from "../../../transport/wire/terms.ts";

const test = suite("databases for monitors");

const WAITS = { counts: [], sumMs: 0, mostMs: 0 };

function stats(name: string, more: Partial<DatabaseStats> = {}): DatabaseStats {
  return {
    dbId: 1 as DbId,
    name,
    since: 1n as Version,
    path: undefined,
    state: "ready",
    records: 3,
    fileBytes: 0,
    sideBytes: 0,
    empty: 0,
    waiting: 0,
    traverses: 0,
    slotsHome: 1024,
    slotsOpening: 0,
    keysHome: 3,
    keysQueried: 0,
    counts: { "moved in": 4, "moved out": 5 },
    waits: { move: WAITS, read: WAITS, call: WAITS },
    heldUp: undefined,
    ops: { ok: 1, failed: 2, unknown: 3, ready: 10 },
    hot: [],
    ...more,
  };
}

const counters = { messagesSent: 0, messagesReceived: 0, sentBytes: 0, receivedBytes: 0 };

const dataOf = (databases: DatabaseStats[]) => (
  { ...counters, refusedFor: [], clients: 2, databases }
);

test("a node without databases tells nothing", () => {
  assert.is(databasesOf(undefined), undefined);
  assert.is(databasesOf(dataOf([])), undefined);
});

test("counters are those of the data thread, and who holds up a record is told", () => {
  const heldUp = { key: "k", pid: 7, ageMs: 1234.6 };
  const told = databasesOf(dataOf([stats("visits", { heldUp })]));
  assert.equal(told, {
    count: 1,
    programs: 2,
    databases: [{
      name: "visits",
      state: "ready",
      records: 3,
      waiting: 0,
      slotsOpening: 0,
      opsOk: 11,
      opsFailed: 2,
      opsUnknown: 3,
      movedIn: 4,
      movedOut: 5,
      heldMs: 1235,
    }],
  });
});

test("of many the busiest are told, and the event keeps its form and length", () => {
  const many = Array.from(
    { length: 1000 },
    (_, n) => stats(`${n}`.padStart(127, "x"), { ops: { ok: n, failed: 0, unknown: 0, ready: 0 } }),
  );
  many.push(stats("waits", { waiting: 1, state: "recovering" }));
  const told = databasesOf(dataOf(many))!;
  assert.is(told.count, 1001);
  assert.is(told.databases.length, EVENT_DATABASES_MAX);
  assert.equal(told.databases.slice(0, 2).map(({ name }) => name.slice(-3)), ["its", "999"]);
  const head = {
    v: 1,
    topic: "databases",
    cluster: "c",
    node: "n0",
    tag: "aaaaaaaaaa",
    wallMs: 1,
    seq: 1,
  };
  const event = { ...head, ...told } as unknown as DatabasesEvent;
  assert.equal(readEvent("databases", event), event);
  assert.ok(JSON.stringify(event).length <= EVENT_MAX);
});

test.run();
