/** Whole nodes with checks, in virtual time: what one's services mean to the others, and what its verbs answer. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Verb } from "../../../actors/control.ts";
import { insideFacts } from "../../../actors/explain/inside.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { nodeRows, troubles } from "../../../actors/views.ts";
import type { ServiceRow } from "../../../actors/services/rows.ts";
import { SimCluster, turn } from "../sim_nodes.ts";
import { checkOf, GroupsDouble, ProberDouble } from "./rig.ts";

const test = suite("nodes with checks");

/** Three nodes, each with a check "web". */
class Rig {
  readonly cluster: SimCluster;
  readonly probers: ProberDouble[] = [];

  constructor(seed: number) {
    this.cluster = new SimCluster(seed, 3, 2);
    this.cluster.servicesOf = (n, { clock }) => {
      const prober = new ProberDouble(clock);
      this.probers[n] = prober;
      const courier = { run: never, post: never };
      return {
        checks: [checkOf("web")],
        services: { prober, groups: new GroupsDouble(clock), courier },
      };
    };
  }

  /** How node `of` is, as node `by` sees it. */
  condition(of: number, by: number): string {
    const node = this.cluster.nodes[by]!;
    return nodeRows(node.state, node.nowMs).find(({ name }) => name === `n${of}`)?.condition ?? "";
  }

  async ask(n: number, verb: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const found = nodeVerbs(this.cluster.nodes[n]!).get(verb) as Verb;
    const asked = Promise.resolve().then(() =>
      found(args, { item: () => false, onCancel: () => {} })
    );
    return await this.cluster.time.drive(asked, turn);
  }
}

function never(): Promise<never> {
  throw new Error("nobody is to be told");
}

test.either("all pass: all nodes are well, and no sooner", async () => {
  const rig = new Rig(1);
  const { cluster } = rig;
  await cluster.create();
  for (const node of cluster.nodes) assert.not(node!.state.ownHealth.healthy);
  await cluster.until(() => [0, 1, 2].every((n) => rig.condition(n, 0) === "ok"), 15_000);
});

test.either("a service fails: the others know it, with the reason; its node serves on", async () => {
  const rig = new Rig(2);
  const { cluster } = rig;
  await cluster.create();
  await cluster.until(() => cluster.leader !== undefined && cluster.allServe, 15_000);
  const old = cluster.leader!;
  const [sick = 0] = [0, 1, 2].filter((n) => n !== old);
  rig.probers[sick]!.next = { level: "failed", why: "status 503", tail: "no backend\n" };
  await cluster.until(() => rig.condition(sick, old) === "unhealthy", 10_000);
  const leader = cluster.nodes[old]!;
  assert.ok(
    troubles(leader.state, leader.nowMs).includes(
      `n${sick} is unhealthy: check web: status 503`,
    ),
  );
  assert.ok(cluster.serves(sick), "programs are not concerned");
  const [fact] = insideFacts(cluster.nodes[sick]!).services ?? [];
  assert.equal([fact?.name, fact?.status, fact?.tail], ["web", "failed", ["no backend"]]);
  rig.probers[sick]!.next = { level: "ok" };
  await cluster.until(() => rig.condition(sick, old) === "ok", 10_000);
});

test.either("verbs: all checks, one of them, a look now, disabled and enabled", async () => {
  const rig = new Rig(3);
  const { cluster } = rig;
  await cluster.create();
  await cluster.until(() => rig.condition(0, 0) === "ok", 15_000);
  const [row] = await rig.ask(0, "service ls") as ServiceRow[];
  assert.equal([row?.name, row?.status, row?.tail], ["web", "ok", undefined]);
  rig.probers[0]!.next = { level: "failed", why: "no", tail: "out" };
  const looked = await rig.ask(0, "service run", { name: "web" }) as ServiceRow;
  assert.equal([looked.status, looked.why, looked.tail], ["warning", "no", "out"]);
  const off = await rig.ask(0, "service disable", { name: "web", why: "drill" }) as ServiceRow;
  assert.equal([off.status, off.disabledWhy], ["disabled", "drill"]);
  assert.ok(cluster.nodes[0]!.state.ownHealth.healthy);
  const on = await rig.ask(0, "service enable", { name: "web" }) as ServiceRow;
  assert.is(on.status, "starting");
  assert.equal(await rig.ask(0, "service notify"), []);
  const refused = await rig.ask(0, "service show", { name: "mail" }).then(() => "", String);
  assert.match(refused, /Cannot find check mail: known are web/);
});

test.run();
