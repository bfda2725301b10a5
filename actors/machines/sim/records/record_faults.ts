/**
 * What goes wrong with records beside the faults of the cluster.
 *
 *   node_pause   a whole node stands still, clients too       client_dies   a client dies, wherever it is
 *   planned      a node drains, is stopped when nothing is left at it, and comes back
 *   burst        all clients want the same record             leader        the leader is killed, again and again
 *   program      a program dies, and comes back               rehome        every home asks all members anew
 *   full         a node's disk has no room for new values
 *
 * Does NOT promise: that a planned stop ends in time; other faults may keep it from it.
 */
import type { Dice } from "../../../../transport/world.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { LeaderCommand } from "../../../../transport/wire/messages/leader.ts";
import type { Manners } from "./clients.ts";
import { MappedClient } from "./mapped_client.ts";
import type { RecordHost } from "./record_host.ts";
import type { RecordSim } from "./record_sim.ts";
import { RemoteClient } from "./remote_client.ts";
import { watchKey } from "./watchers.ts";

/** The classes. */
export const RECORD_FAULTS = [
  "node_pause",
  "client_dies",
  "planned",
  "burst",
  "leader",
  "program",
  "rehome",
] as const;
/** Classes that one seed in some has. They are drawn apart, so that a seed without them is what it was. */
export const RARE_FAULTS = ["full"] as const;
/** One of them all. */
export type RecordFault = (typeof RECORD_FAULTS)[number] | (typeof RARE_FAULTS)[number];

const PACES = [2_000, 5_000, 12_000];
/** How often it is looked whether a node that drains is empty, and for how long. */
const LOOK_MS = 100;
const LOOKS_MAX = 60;
const ROUNDS = 4;
/** How long a disk is full at most. */
const FULL_MS = 6_000;

/** Gives each host that has none its clients: some that map the file, some that do not. */
export function respawn(sim: RecordSim, manners: Manners, dice: Dice): void {
  for (const host of sim.recordHosts) {
    if (!host.host.hasPower) continue;
    for (let missing = 3 - host.clients.size; missing > 0; missing--) {
      const id = host.nextOpId() + 1_000_000;
      const client = dice.chance(1, 2)
        ? new MappedClient(sim, host, id, manners)
        : new RemoteClient(sim, host, id, manners);
      client.start();
    }
  }
}

/** Lets them happen until `untilMs`. */
export class RecordFaults {
  readonly #sim: RecordSim;
  readonly #dice: Dice;
  readonly #untilMs: number;
  readonly #manners: Manners;
  #verb = 0;
  #isPlanning = false;

  constructor(sim: RecordSim, untilMs: number, classes: readonly RecordFault[], manners: Manners) {
    this.#sim = sim;
    this.#dice = sim.dice;
    this.#untilMs = untilMs;
    this.#manners = manners;
    for (const fault of classes) {
      this.#schedule(PACES[this.#dice.below(PACES.length)] ?? 5_000, () => this.#strike(fault));
    }
    for (const key of manners.watched) {
      this.#sim.after(this.#dice.below(untilMs), () => watchKey(sim, key));
    }
    // Programs that died, or lost their node, are started again.
    this.#schedule(500, () => respawn(sim, manners, this.#dice));
  }

  #schedule(paceMs: number, strike: () => void): void {
    const delayMs = this.#dice.below(2 * paceMs);
    if (this.#sim.nowMs + delayMs >= this.#untilMs) return;
    this.#sim.after(delayMs, () => {
      strike();
      this.#schedule(paceMs, strike);
    });
  }

  #strike(fault: RecordFault): void {
    const { recordHosts } = this.#sim;
    const host = recordHosts[this.#dice.below(recordHosts.length)];
    if (host === undefined) return;
    this.#sim.note("fault", host.host.index, fault);
    switch (fault) {
      case "node_pause": {
        host.stop();
        const ttlMs = this.#sim.timing.nodeTtlMs;
        const forMs = this.#dice.below(this.#dice.chance(1, 3) ? 5 * ttlMs : 2 * ttlMs);
        return this.#sim.after(forMs, () => host.host.resume());
      }
      case "client_dies": {
        const clients = [...host.clients.values()];
        const client = clients[this.#dice.below(Math.max(clients.length, 1))];
        if (client instanceof MappedClient || client instanceof RemoteClient) client.die();
        return;
      }
      case "planned":
        return this.#plan(host);
      case "burst":
        return this.#burst();
      case "leader":
        return this.#killLeader();
      case "full":
        host.isFull = true;
        return this.#sim.after(this.#dice.below(FULL_MS), () => {
          host.isFull = false;
        });
      case "program":
        return host.program.die();
      case "rehome": {
        const generation = host.machine?.state.generation;
        if (generation === undefined) return;
        return this.#command({ verb: "rehome", generation, why: "a recovery by hand" });
      }
    }
  }

  #burst(): void {
    const { keys } = this.#manners;
    const key = keys[this.#dice.below(keys.length)];
    if (key === undefined) return;
    for (const host of this.#sim.recordHosts) {
      if (host.host.hasPower && host.file !== undefined) {
        const id = host.nextOpId() + 1_000_000;
        const client = new RemoteClient(this.#sim, host, id, this.#manners);
        for (let round = 0; round < ROUNDS; round++) {
          client.after(round * 20, () => client.perform(key));
        }
        client.after(2_000, () => client.die());
      }
    }
  }

  #killLeader(): void {
    const leader = this.#sim.hosts.find(({ machine }) => machine?.state.lead !== undefined);
    if (leader === undefined) return;
    leader.kill();
    this.#sim.after(20 + this.#dice.below(2_000), () => leader.start());
  }

  #command(command: LeaderCommand): void {
    this.#verb += 1;
    const verbId = (0x1000000 + this.#verb).toString(16).padStart(32, "0");
    for (const host of this.#sim.hosts) {
      if (host.machine?.state.lead !== undefined) host.feed({ kind: "command", verbId, command });
    }
  }

  /** A planned stop. */
  #plan(host: RecordHost): void {
    const pnn = host.machine?.state.pnn;
    if (pnn === undefined || this.#isPlanning) return;
    this.#isPlanning = true;
    const why = "a planned stop";
    this.#command({ verb: "flags", pnn, set: ["draining"], clear: [], why });
    this.#look(host, pnn, LOOKS_MAX);
  }

  #look(host: RecordHost, pnn: Pnn, looks: number): void {
    const why = "a planned stop";
    const end = () => {
      this.#isPlanning = false;
      // Without a leader it may never have been stopped.
      this.#sim.stoppedByPlan.clear();
      this.#command({ verb: "flags", pnn, set: [], clear: ["draining", "stopped"], why });
    };
    if (looks === 0) return end();
    if (!this.#isEmpty(host, pnn)) {
      return this.#sim.after(LOOK_MS, () => this.#look(host, pnn, looks - 1));
    }
    const me = host.machine?.state.me;
    if (me !== undefined) {
      this.#sim.noteStopped(`${host.host.index}.${me.incarnation}`);
      this.#sim.note("stopped by plan", host.host.index, "");
    }
    this.#command({ verb: "flags", pnn, set: ["stopped"], clear: [], why });
    this.#sim.after(1_000 + this.#dice.below(3_000), end);
  }

  /** Do all homes, in one view in which the node drains, know of nothing at it? */
  #isEmpty(host: RecordHost, pnn: Pnn): boolean {
    const own = host.machine?.state;
    if (own?.me === undefined) return false;
    const { members, generation } = own;
    // A node that drains alone, or with all others, is home still.
    if (!own.draining.has(pnn) || own.homes.some((home) => home !== undefined)) return false;
    for (const member of members.values()) {
      if (member.pnn === pnn) continue;
      const other = this.#sim.recordHosts.find(({ machine }) => machine?.state.pnn === member.pnn);
      const state = other?.machine?.state;
      if (state === undefined || other?.host.isPaused === true) return false;
      if (state.me === undefined || state.generation !== generation) return false;
      if (other?.machine?.leftAt(pnn) !== 0) return false;
    }
    return true;
  }
}
