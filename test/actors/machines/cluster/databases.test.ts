/**
 * Databases in the document: how they come, go and are emptied; what is left at members that go; a life that lost them.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  isDone,
  refusalOf,
  resultOf,
} from "../../../../actors/machines/cluster/command_effects.ts";
import { withEpochs } from "../../../../actors/machines/cluster/command.ts";
import { epochChange } from "../../../../actors/machines/cluster/databases.ts";
import { genesis, withView } from "../../../../actors/machines/cluster/document.ts";
import { goingOf, recordsAt } from "../../../../actors/machines/cluster/left.ts";
import type { ClusterState, Peer } from "../../../../actors/machines/cluster/state.ts";
import { nodeIdOf } from "../../../../actors/machines/sim/cluster_sim.ts";
import type { CommitCfg, Document } from "../../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../../transport/wire/messages/leader.ts";
import { RECORD_HASH_SIZE } from "../../../../actors/storage/record_file.ts";
import {
  DATABASES_MAX,
  VOLATILE_CHAINS_MAX,
  VOLATILE_HASH_SIZE,
  VOLATILE_HASH_SIZE_MAX,
} from "../../../../transport/wire/limits.ts";
import type {
  ClusterId,
  DbId,
  Generation,
  Incarnation,
  Pnn,
  Version,
} from "../../../../transport/wire/terms.ts";
import { Alone, START, token, viewOf } from "./one_machine.ts";

const test = suite("databases");

type Change = Exclude<LeaderCommand, { verb: "yield" } | { verb: "blame" }>;

const NEW_START = genesis({
  clusterId: "c".repeat(32) as ClusterId,
  format: 2,
  nodes: START.nodes.map(({ nodeId, name, addr }) => ({ nodeId, name, addr, isVoter: true })),
});
const VIEW = viewOf(token(1n, 1), [[0, 1n], [1, 1n], [2, 1n]], 1n, NEW_START);
const VISITS = 7 as DbId;
const { state } = new Alone({ accepted: NEW_START }).begin().machine;
const version = (number: bigint) => number as Version;
const attach = (name: string, dbId: DbId = VISITS, more = {}): Change => ({
  verb: "db_attach",
  dbId,
  name,
  databaseKind: "volatile",
  ...more,
});

function done(doc: Document, command: Change, at: bigint): Document {
  assert.is(refusalOf(state, doc, command), undefined);
  return resultOf(doc, command, version(at));
}

function refused(doc: Document, command: Change): string {
  const why = refusalOf(state, doc, command);
  assert.type(why, "string");
  return why ?? "";
}

test("A database has the version that attached it as its epoch, and is attached once", () => {
  const settings = { sticky: "on", hashSize: 1000 };
  const doc = done(VIEW, attach("visits", VISITS, settings), 50n);
  assert.equal(doc.dbs, [
    { dbId: VISITS, name: "visits", kind: "volatile", since: version(50n), ...settings } as const,
  ]);
  assert.ok(isDone(doc, attach("visits")) && !isDone(VIEW, attach("visits")));
  assert.is(done(doc, attach("visits"), 60n), doc, "again: nothing changes, whatever is wished");
  assert.is(doc.generation, VIEW.generation);
});

test("What cannot be attached is said, with what to do", () => {
  const doc = done(VIEW, attach("visits"), 50n);
  const persistent = { ...attach("visits"), databaseKind: "persistent" } as Change;
  assert.match(refused(doc, persistent), /it is volatile: .* detach it first/);
  const copies = { ...attach("visits"), copies: 3 } as Change;
  assert.match(refused(VIEW, copies), /a volatile database has no copies/);
  assert.match(refused(doc, attach("other")), /its id is that of visits: choose another name/);
  const many = Array.from({ length: DATABASES_MAX }, (_, index) => ({
    dbId: 1000 + index as DbId,
    name: `d${index}`,
    kind: "volatile" as const,
  }));
  assert.match(refused({ ...VIEW, dbs: many }, attach("visits")), /1024 databases are the most/);
  assert.match(refused(START, attach("visits")), /format 2/);
});

test("A plan about copies is done if what it was made from is in force, and only then", () => {
  const wish = { ...attach("bank", VISITS, {}), databaseKind: "persistent", copies: 2 } as Change;
  const doc = done(VIEW, wish, 50n);
  assert.equal(doc.dbs[0], {
    ...{ dbId: VISITS, name: "bank", kind: "persistent", since: version(50n), copies: 2 },
  });
  const commit: CommitCfg = {
    m: 2,
    lineage: 9n,
    replicas: [0 as Pnn, 1 as Pnn],
    primary: 1 as Pnn,
    primaryInc: 4n as Incarnation,
    term: version(1n),
    isr: [{ pnn: 1 as Pnn, id: "a" }, { pnn: 0 as Pnn, id: "b" }],
    reqSeen: 3,
    changed: version(0n),
  };
  const plan = (from: bigint, since: bigint, isNewTerm = false): Change => (
    {
      verb: "db_commit",
      dbId: VISITS,
      since: version(since),
      from: version(from),
      isNewTerm,
      commit,
    }
  );
  const begun = done(doc, plan(0n, 50n, true), 60n);
  assert.equal(begun.dbs[0]?.commit, { ...commit, term: version(60n), changed: version(60n) });
  assert.is(begun.generation, doc.generation, "nobody waits for anybody");
  assert.ok(isDone(begun, plan(0n, 50n, true)), "it, or another one, was quicker");
  assert.is(done(begun, plan(0n, 50n), 70n), begun, "made from what is not in force any more");
  assert.is(done(begun, plan(60n, 49n), 70n), begun, "of another epoch");
  const next = done(begun, plan(60n, 50n), 70n);
  assert.equal(next.dbs[0]?.commit, { ...commit, changed: version(70n) }, "the term stays");
  const wiped = done(next, { verb: "db_wipe", dbId: VISITS, since: version(50n), why: "" }, 80n);
  assert.is(wiped.dbs[0]?.commit, undefined, "another epoch begins with nothing");
  assert.is(wiped.dbs[0]?.copies, 2);
});

test("Copies, and how many a commit needs, are set while it is used; never more than there are", () => {
  const persistent = { databaseKind: "persistent" } as const;
  const wish = (copies?: number, minInSync?: number): Change => ({
    ...{ verb: "db_set", dbId: VISITS },
    ...copies === undefined ? {} : { copies },
    ...minInSync === undefined ? {} : { minInSync },
  });
  const of = ({ dbs }: Document) => [dbs[0]?.copies, dbs[0]?.minInSync];
  const doc = done(VIEW, attach("bank", VISITS, { ...persistent, minInSync: 2 }), 50n);
  assert.equal(of(doc), [undefined, 2]);
  assert.match(refused(doc, wish(1)), /2 in-sync copies cannot be had of 1/);
  assert.match(refused(doc, wish(undefined, 4)), /4 in-sync copies cannot be had of 3/);
  const five = done(doc, wish(5, 4), 60n);
  assert.equal([of(five), five.generation], [[5, 4], doc.generation]);
  assert.is(done(five, wish(5, 4), 70n), five);
  const plain = done(five, wish(undefined, 0), 70n);
  const { minInSync: _gone, ...rest } = five.dbs[0] ?? assert.unreachable() as never;
  assert.equal(plain.dbs[0], rest, "0 takes it away");
  assert.ok(isDone(plain, wish(undefined, 0)) && !isDone(five, wish(undefined, 0)));
  assert.equal(of(done(plain, wish(2), 80n)), [2, undefined]);
  const volatile = done(VIEW, attach("visits"), 50n);
  assert.match(refused(volatile, wish(3)), /a volatile database has no copies/);
  assert.match(refused(volatile, wish(undefined, 1)), /a volatile database has no copies/);
  const many = { ...attach("bank", VISITS, { ...persistent, copies: 2 }), minInSync: 3 } as Change;
  assert.match(refused(VIEW, many), /3 in-sync copies cannot be had of 2/);
});

test("All files of the databases fit into the memory of a node", () => {
  assert.is(RECORD_HASH_SIZE, VOLATILE_HASH_SIZE, "what nodes make when nothing is said");
  const big = Array.from({ length: 8 }, (_, index) => ({
    dbId: 1000 + index as DbId,
    name: `d${index}`,
    kind: "volatile" as const,
    hashSize: VOLATILE_HASH_SIZE_MAX,
  }));
  assert.is(big.length * VOLATILE_HASH_SIZE_MAX, VOLATILE_CHAINS_MAX);
  assert.match(refused({ ...VIEW, dbs: big }, attach("visits")), /0 are left; detach another/);
  const seven = { ...VIEW, dbs: big.slice(1) };
  const doc = done(seven, attach("visits"), 50n);
  const most = VOLATILE_HASH_SIZE_MAX;
  assert.is(
    done(doc, { verb: "db_set", dbId: VISITS, hashSize: most }, 60n).dbs[7]?.hashSize,
    most,
  );
  const more = done(doc, attach("other", 8 as DbId), 55n);
  const refusal = refused(more, { verb: "db_set", dbId: VISITS, hashSize: most });
  assert.match(refusal, /choose a smaller hash size/);
});

test("A command about an epoch that is over does nothing more", () => {
  const first = done(VIEW, attach("visits"), 50n);
  const wipe: Change = { verb: "db_wipe", dbId: VISITS, since: version(50n), why: "" };
  const wiped = done(first, wipe, 60n);
  assert.is(wiped.dbs[0]?.since, version(60n));
  const twice = done(wiped, { ...wipe, since: version(60n) }, 65n);
  assert.equal(
    [wiped, twice].map(({ dbs: [db] }) => db?.attached),
    [version(50n), version(50n)],
    "it is the same database still",
  );
  assert.ok(isDone(wiped, wipe) && !isDone(first, wipe));
  assert.is(done(wiped, wipe, 70n), wiped, "repeated");
  const detach: Change = { verb: "db_detach", dbId: VISITS, since: version(50n), why: "" };
  assert.is(done(wiped, detach, 70n), wiped, "it was meant for what was wiped since");
  assert.ok(isDone(wiped, detach));
  const gone = done(wiped, { ...detach, since: version(60n) }, 70n);
  assert.equal(gone.dbs, []);
  assert.is(done(gone, wipe, 80n), gone);
});

test("Settings change one by one, and the rest stays", () => {
  const doc = done(VIEW, attach("visits", VISITS, { readonly: "off" }), 50n);
  const set: Change = { verb: "db_set", dbId: VISITS, sticky: "on", hashSize: 9 };
  const after = done(doc, set, 60n);
  assert.equal(after.dbs[0], { ...doc.dbs[0], sticky: "on", hashSize: 9 });
  assert.ok(isDone(after, set) && !isDone(doc, set));
  assert.match(refused(VIEW, set), /no such database any more/);
});

test("Epochs are told apart, whether a database went or was emptied; a new one disturbs nobody", () => {
  const before = done(VIEW, attach("visits"), 50n);
  const more = done(before, attach("other", 8 as DbId), 55n);
  assert.is(epochChange(before, more), undefined);
  const [visits, other] = more.dbs;
  const wiped = { ...more, dbs: [{ ...visits!, since: version(60n) }, other!] };
  assert.is(epochChange(more, wiped), "visits wiped");
  assert.is(epochChange(more, before), "other detached");
  assert.is(epochChange(more, VIEW), "visits detached, other detached");
});

function asked(...commands: LeaderCommand[]): ClusterState {
  const asks = commands.map((command, index) => ({
    verbId: String(index),
    from: undefined,
    command,
    atMs: 0,
    isPassedOn: false,
  }));
  return { ...state, asks };
}

test("What changes the epochs waits for the view, and for voters that are just changing", () => {
  const doc = done(VIEW, attach("visits"), 50n);
  const wipe: LeaderCommand = { verb: "db_wipe", dbId: VISITS, since: version(50n), why: "" };
  const rehome: LeaderCommand = { verb: "rehome", generation: doc.generation, why: "" };
  const both = withEpochs(asked(wipe, rehome), doc, version(60n));
  assert.equal([both.doc.dbs[0]?.since, both.isRehomed], [version(60n), true]);
  const old = { ...rehome, generation: doc.generation - 1n as Generation };
  assert.equal(withEpochs(asked(old), doc, version(60n)), { doc, isRehomed: false });
  const changing = { ...doc, voterChange: { remove: doc.voters[0]! } };
  assert.is(withEpochs(asked(wipe), changing, version(60n)).doc, changing);
});

test("All homes begin anew: every slot has a new slotGen, and nobody to ask for its table", () => {
  const { members } = VIEW.view;
  const kept = withView(VIEW, members, members, version(99n));
  assert.is(kept.view.slots, VIEW.view.slots);
  const anew = withView(VIEW, members, members, version(99n), undefined, { isRehomed: true });
  for (const [slot, { home, slotGen, from }] of anew.view.slots.entries()) {
    assert.equal([home, slotGen, from], [VIEW.view.slots[slot]?.home, 99n, undefined]);
  }
});

const LEFT_VIEW = withView(
  done(VIEW, attach("visits"), 50n),
  VIEW.view.members,
  VIEW.view.members,
  version(99n),
  new Set([0 as Pnn]),
  { stopping: [0 as Pnn] },
);

function reporting(...counts: (number | undefined)[]): Pick<ClusterState, "peers"> {
  const peers = counts.map((count, pnn): Peer => ({
    nodeId: nodeIdOf(pnn),
    incarnation: 1n as Incarnation,
    left: count === undefined ? undefined : {
      generation: LEFT_VIEW.generation,
      nodes: [{ pnn: 0 as Pnn, count }],
    },
  } as Peer));
  return { peers: new Map(peers.map((peer) => [peer.nodeId, peer])) };
}

const at = (some: Pick<ClusterState, "peers">, doc: Document = LEFT_VIEW) =>
  recordsAt(some as ClusterState, doc, { pnn: 0 as Pnn });

test("A member that goes has what all homes know there; who has not said counts as unknown", () => {
  assert.equal(goingOf(LEFT_VIEW), [0]);
  assert.is(at(reporting(undefined, 3, 4)), 7);
  assert.is(at(reporting(undefined, 0, 0)), 0);
  assert.is(at(reporting(9, 0, undefined)), undefined, "node 2 has not said");
  const { peers } = reporting(undefined, 0, 0);
  peers.get(nodeIdOf(2))!.incarnation = 2n as Incarnation;
  assert.is(at({ peers }), undefined, "that was another life");
  const late = reporting(undefined, 0, 0);
  const before = [{ pnn: 0 as Pnn, count: 0 }];
  late.peers.get(nodeIdOf(1))!.left = { generation: 1n as Generation, nodes: before };
  assert.is(at(late), undefined, "by an older view a home may not know its slots yet");
});

test("Nothing is left where there is no database, and at who is in the view no more", () => {
  assert.is(at(reporting(undefined, 5, 5), { ...LEFT_VIEW, dbs: [] }), 0);
  const view = { ...LEFT_VIEW.view, members: LEFT_VIEW.view.members.slice(1) };
  assert.is(at(reporting(undefined, 5, 5), { ...LEFT_VIEW, view }), 0);
});

test("A node whose databases are lost ends its page in the same step, and begins a new life", () => {
  const by = token(1n, 2);
  const doc = viewOf(by, [[0, 1n], [1, 1n], [2, 1n]], 1n, NEW_START);
  const alone = new Alone({ accepted: NEW_START }).begin();
  alone.hear(1, { kind: "prepare", token: by });
  alone.hear(1, { kind: "accept", doc });
  alone.digest(1, by, doc, { echoMs: alone.nowMs });
  assert.ok((alone.machine.state.page?.leaseEndMs ?? 0) > alone.nowMs, "it serves");
  const effects = alone.feed({ kind: "lost", why: "the data thread has died" });
  const page = effects.findIndex((effect) =>
    effect.kind === "page" && effect.page.leaseEndMs === 0 && effect.page.incarnation === 1n
  );
  const persist = effects.findIndex(({ kind }) => kind === "persist");
  assert.ok(page >= 0 && page < persist, "the page first");
  assert.equal([alone.machine.state.incarnation, alone.machine.state.page?.leaseEndMs], [2n, 0]);
  const fence = alone.settle(effects).find(({ kind }) => kind === "fence");
  assert.equal(fence, { kind: "fence", incarnation: 2n });
});

test("A document is told before the page of its generation", () => {
  const by = token(1n, 2);
  const doc = viewOf(by, [[0, 1n], [1, 1n], [2, 1n]], 1n, NEW_START);
  const alone = new Alone({ accepted: NEW_START }).begin();
  alone.hear(1, { kind: "prepare", token: by });
  alone.hear(1, { kind: "accept", doc });
  const effects = alone.digest(1, by, doc, { echoMs: alone.nowMs });
  const adopted = effects.findIndex((effect) => effect.kind === "adopted" && effect.doc === doc);
  const page = effects.findIndex((effect) =>
    effect.kind === "page" && effect.page.generation === doc.generation
  );
  assert.ok(adopted >= 0 && adopted < page, `${adopted} before ${page}`);
});

test.run();
