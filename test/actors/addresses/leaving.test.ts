/**
 * Whole nodes in the simulated world that end as planned: their addresses go first, then scripts hear of it, then
 * `shutdown` is run.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EventDaemon } from "../../../actors/events/link.ts";
import type { EventEnd, EventName } from "../../../transport/wire/event_daemon.ts";
import { SimInterfaces } from "../../../transport/sim/interfaces.ts";
import { SimPackets, SimTcpTable } from "../../../transport/sim/packets.ts";
import type { World } from "../../../transport/world.ts";
import { SimCluster } from "../sim_nodes.ts";

const test = suite("a planned end, and addresses");

const FILE = "/etc/public_addresses";
const COUNT = 9;
const TEXT = Array.from({ length: COUNT }, (_, n) => `192.0.2.${n + 1}/24 eth0\n`).join("");
/** How long a releaseip takes, ms. */
const SCRIPT_MS = 400;

/** Nodes with addresses of a kernel that is not there, and scripts that are played. */
class Stage {
  readonly cluster: SimCluster;
  readonly kernels: SimInterfaces[] = [];
  /** Events that have ended, by node; "shutdown" when it begins. */
  readonly ran: string[][] = [];

  constructor(seed: number, count: number) {
    this.cluster = new SimCluster(seed, count, 2);
    for (const { disk } of this.cluster.machines) {
      disk.files.put(FILE, new TextEncoder().encode(TEXT));
    }
    this.cluster.moreOf = (n, world) => {
      const interfaces = new SimInterfaces(world.clock);
      interfaces.setLink("eth0", true);
      this.kernels[n] = interfaces;
      const ran: string[] = this.ran[n] = [];
      const packets = new SimPackets();
      packets.setLink("eth0");
      return {
        config: {
          addresses: { file: FILE, backend: "iproute2" },
          scripts: { dir: "/etc" } as never,
        },
        network: { interfaces, packets, tcp: new SimTcpTable() },
        scripts: () =>
          Promise.resolve({
            thread: played(world, ran),
            ended: new Promise<Error>(() => {}),
            end: () => {},
          }),
      };
    };
  }

  static async up(seed: number, count: number): Promise<Stage> {
    const stage = new Stage(seed, count);
    const { cluster } = stage;
    await cluster.create();
    await cluster.until(() => cluster.allServe && stage.isShared && stage.isQuiet, 30_000);
    return stage;
  }

  /** Has each node its part? */
  get isShared(): boolean {
    return this.cluster.nodes.every((_, n) => this.holds(n) === COUNT / this.cluster.nodes.length);
  }

  /** Have the scripts run for all that moved? */
  get isQuiet(): boolean {
    return this.cluster.nodes.every((node) =>
      node?.scripts?.state.asks.length === 0 && node.scripts.state.running === undefined
    );
  }

  holds(n: number): number {
    return this.cluster.nodes[n]?.addresses?.held().length ?? 0;
  }

  /** Stops a node; answers with what its scripts have run since. */
  async stop(n: number): Promise<string[]> {
    const before = this.ran[n]!.length;
    let isOver = false;
    void this.cluster.nodes[n]!.stop().then(() => isOver = true);
    await this.cluster.until(() => isOver, 30_000);
    return this.ran[n]!.slice(before);
  }
}

function played({ clock }: World, ran: string[]): EventDaemon {
  return {
    run: (_id, event, args) => {
      const end = endOf(event, args);
      if (event !== "releaseip") {
        ran.push(event);
        return Promise.resolve(end);
      }
      return new Promise((resolve) => {
        clock.after(SCRIPT_MS, () => {
          ran.push([event, ...args].join(" "));
          resolve(end);
        });
      });
    },
    cancel: () => {},
    list: () => Promise.resolve({ scripts: [] }),
    switch: () => Promise.reject(new RangeError("not played")),
    ping: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

function endOf(event: EventName, args: readonly string[]): EventEnd {
  return { event, args: [...args], outcome: "ok", startWallMs: 0, tookMs: 1, scripts: [] };
}

for (const [what, count] of [["of three nodes one", 3], ["the only node", 1]] as const) {
  test.either(`${what} ends: releaseip is run for each address, and shutdown after that`, async () => {
    const stage = await Stage.up(40 + count, count);
    const n = count - 1;
    const own = [...stage.cluster.nodes[n]!.addresses!.held()].map(String).sort();
    assert.is(own.length, COUNT / count);
    const ran = await stage.stop(n);
    const released = ran.filter((event) => event.startsWith("releaseip"))
      .map((event) => event.split(" ")[2]);
    assert.equal(released.sort(), own);
    assert.is(ran.at(-1), "shutdown");
    assert.equal(stage.kernels[n]!.addresses(), []);
  });
}

test.either("a leader that has gone is not waited for without end: the node ends all the same", async () => {
  const stage = await Stage.up(45, 3);
  const { cluster } = stage;
  const n = (cluster.leader! + 1) % 3;
  for (const other of [0, 1, 2]) if (other !== n) cluster.crash(other, "power");
  const ran = await stage.stop(n);
  assert.is(ran.at(-1), "shutdown");
  assert.equal(stage.kernels[n]!.addresses(), []);
});

test.run();
