/**
 * What goes wrong in a simulated cluster: classes of faults, each on or off and with a pace drawn from the seed.
 *
 *   pause  kill  kill_all  power  cut  one_way  flap  lock  disk  dead  new_disk  sick  operator  data
 *
 * Faults overlap as they will. `heal` ends them all: then the cluster has to come back by itself.
 *
 * Does NOT promise: that a majority is up at any time before heal.
 */
import type { Dice } from "../../../transport/world.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import type { ClusterSim } from "./cluster_sim.ts";
import type { Host } from "./host.ts";

/** The classes. */
export const FAULTS = [
  "pause",
  "kill",
  "kill_all",
  "power",
  "cut",
  "one_way",
  "flap",
  "lock",
  "disk",
  "dead",
  "new_disk",
  "sick",
  "operator",
  "data",
] as const;
/** One of FAULTS. */
export type FaultClass = (typeof FAULTS)[number];

/** Mean time between two faults of a class: drawn from these, milliseconds. */
const PACES = [2_000, 5_000, 12_000, 30_000];

/** Lets faults happen from now until `untilMs`. */
export class Faults {
  readonly #sim: ClusterSim;
  readonly #dice: Dice;
  readonly #untilMs: number;
  #verb = 0;
  #isDiskReplaced = false;

  constructor(sim: ClusterSim, untilMs: number, classes: readonly FaultClass[]) {
    this.#sim = sim;
    this.#dice = sim.dice;
    this.#untilMs = untilMs;
    for (const fault of classes) {
      const paceMs = PACES[this.#dice.below(PACES.length)] ?? 10_000;
      this.#schedule(fault, paceMs);
    }
  }

  #schedule(fault: FaultClass, paceMs: number): void {
    const delayMs = this.#dice.below(2 * paceMs);
    if (this.#sim.nowMs + delayMs >= this.#untilMs) return;
    this.#sim.after(delayMs, () => {
      this.#strike(fault);
      this.#schedule(fault, paceMs);
    });
  }

  #strike(fault: FaultClass): void {
    const host = this.#victim();
    this.#sim.note("fault", host.index, fault);
    switch (fault) {
      case "pause":
        return this.#pause(host);
      case "kill":
        return this.#kill(host);
      case "kill_all":
        for (const each of this.#sim.hosts) this.#kill(each);
        return;
      case "power":
        host.powerOff();
        return this.#restart(host, 1_000 + this.#dice.below(7_000));
      case "cut":
        return this.#cut();
      case "one_way":
        return this.#oneWay(host);
      case "flap":
        return this.#flap(host);
      case "lock":
        return this.#lock(host);
      case "disk":
        host.fullUntilMs = this.#sim.nowMs +
          this.#dice.below(this.#dice.chance(1, 4) ? 20_000 : 4_000);
        return;
      case "dead":
        host.hasSupervisor = !host.hasSupervisor;
        return;
      case "new_disk":
        return this.#newDisk(host);
      case "sick":
        host.feed({ kind: "health", health: { healthy: false, why: "sick" } });
        this.#sim.after(this.#dice.below(10_000), () => {
          host.feed({ kind: "health", health: { healthy: true } });
        });
        return;
      case "data":
        return host.loseData();
      case "operator":
        return this.#operate();
    }
  }

  /** Leaders are hit more often than others. */
  #victim(): Host {
    const { hosts } = this.#sim;
    if (this.#dice.chance(1, 3)) {
      const leader = hosts.find((host) => host.machine?.state.lead !== undefined);
      if (leader !== undefined) return leader;
    }
    return hosts[this.#dice.below(hosts.length)] as Host;
  }

  /** 0.5 to 10 lengths of a lease, mostly short ones. */
  #pause(host: Host): void {
    host.pause();
    const ttlMs = this.#sim.timing.nodeTtlMs;
    const lengths = this.#dice.chance(1, 4) ? 10 : 2;
    const forMs = ttlMs / 8 + this.#dice.below(Math.floor(lengths * ttlMs));
    this.#sim.after(forMs, () => host.resume());
  }

  #kill(host: Host): void {
    host.kill();
    this.#restart(host, 20 + this.#dice.below(this.#dice.chance(1, 3) ? 6_000 : 600));
  }

  #restart(host: Host, delayMs: number): void {
    this.#sim.after(delayMs, () => host.start());
  }

  /** Two sides that do not hear each other. */
  #cut(): void {
    const { links } = this.#sim;
    const side = Array.from({ length: links.count }, () => this.#dice.chance(1, 2));
    this.#cutWhere((from, to) => side[from] !== side[to]);
  }

  /** One way of one node, of a pair, or of many. */
  #oneWay(host: Host): void {
    const { links } = this.#sim;
    const kind = this.#dice.below(4);
    const other = this.#dice.below(links.count);
    const row = Array.from({ length: links.count }, () => this.#dice.chance(1, 3));
    this.#cutWhere((from, to) => {
      if (kind === 0) return from === host.index;
      if (kind === 1) return to === host.index;
      if (kind === 2) return from === host.index && to === other;
      return row[from] === true && row[to] === false;
    });
  }

  #cutWhere(isCut: (from: number, to: number) => boolean): void {
    const { links } = this.#sim;
    const pairs: [number, number][] = [];
    for (let from = 0; from < links.count; from++) {
      for (let to = 0; to < links.count; to++) {
        if (from !== to && isCut(from, to)) pairs.push([from, to]);
      }
    }
    for (const [from, to] of pairs) links.cut(from, to, true);
    const forMs = 200 + this.#dice.below(this.#dice.chance(1, 2) ? 15_000 : 2_500);
    this.#sim.after(forMs, () => {
      for (const [from, to] of pairs) links.cut(from, to, false);
    });
  }

  /** The sides stay, one node changes between them. */
  #flap(host: Host): void {
    const { links } = this.#sim;
    const side = Array.from({ length: links.count }, () => this.#dice.chance(1, 2));
    const everyMs = 300 + this.#dice.below(2_500);
    let left = 2 + this.#dice.below(6);
    const set = () => {
      if (this.#sim.nowMs >= this.#untilMs) left = 0;
      for (let from = 0; from < links.count; from++) {
        for (let to = 0; to < links.count; to++) {
          links.cut(from, to, left > 0 && side[from] !== side[to]);
        }
      }
      if (left === 0) return;
      left -= 1;
      side[host.index] = side[host.index] !== true;
      this.#sim.after(everyMs, set);
    };
    set();
  }

  /** One in a run, and only where the document knows the disks: a majority of voters keeps its promises. */
  #newDisk(host: Host): void {
    const isKnown = this.#sim.hosts.every(({ durable }) =>
      durable.accepted === undefined ||
      durable.accepted.voters.every(({ diskId }) => diskId !== undefined)
    );
    // Who was stopped by an operator, as far as it knows, does not stand; with another's disk gone nobody might.
    const isSomebodyStopped = this.#sim.hosts.some(({ durable }) =>
      durable.accepted?.nodes.some(({ adminFlags }) => adminFlags.length > 0) === true
    );
    if (isSomebodyStopped) return;
    const voters = host.durable.accepted?.voters ?? [];
    if (this.#isDiskReplaced || !isKnown || voters.length < 3) return;
    this.#isDiskReplaced = true;
    host.replaceDisk();
    this.#restart(host, 100 + this.#dice.below(5_000));
  }

  #lock(host: Host): void {
    const { lock } = this.#sim;
    const forMs = 500 + this.#dice.below(this.#dice.chance(1, 3) ? 12_000 : 3_000);
    switch (this.#dice.below(4)) {
      case 0:
        lock.weather.isStalled = true;
        this.#sim.after(forMs, () => lock.weather.isStalled = false);
        return;
      case 1:
        return lock.goBack(1 + this.#dice.below(3));
      case 2:
        return lock.lose();
      default:
        lock.cut.add(host.index);
        this.#sim.after(forMs, () => lock.cut.delete(host.index));
    }
  }

  /** An operator at some node wants something of some node. */
  #operate(): void {
    const { hosts } = this.#sim;
    const at = hosts[this.#dice.below(hosts.length)];
    const about = hosts[this.#dice.below(hosts.length)] as Host;
    this.#verb += 1;
    const verbId = this.#verb.toString(16).padStart(32, "0");
    at?.feed({ kind: "command", verbId, command: this.#command(about) });
  }

  /** The number of a host's node, as the newest document has it. */
  #pnnOf({ nodeId, index }: Host): Pnn {
    const version = this.#sim.checkers.effective.at(-1);
    const doc = version === undefined ? undefined : this.#sim.checkers.docOf(version);
    return doc?.nodes.find((node) => node.nodeId === nodeId)?.pnn ?? index as Pnn;
  }

  #command(about: Host): LeaderCommand {
    const pnn = this.#pnnOf(about);
    const why = "an operator wanted it";
    const { nodeId } = about;
    switch (this.#dice.below(10)) {
      case 0:
        return { verb: "yield", why };
      case 1:
        return { verb: "ban", pnn, banMs: this.#dice.below(8_000), why };
      case 2:
        return { verb: "unban", pnn };
      case 3:
        return { verb: "flags", pnn, set: ["stopped"], clear: [], why };
      case 4:
        return { verb: "flags", pnn, set: ["draining"], clear: ["stopped"], why };
      case 5:
        return { verb: "flags", pnn, set: [], clear: ["stopped", "draining"], why };
      case 6:
        return { verb: "voter_add", nodeId };
      case 7:
        return { verb: "node_remove", pnn, why };
      case 8: {
        const name = `n${about.index}`;
        return {
          verb: "node_add",
          nodeId,
          name,
          addr: `${name}:4222`,
          caps: ["leader", "lmaster"],
        };
      }
      default:
        return { verb: "voter_remove", voterId: 1 + this.#dice.below(7) as never };
    }
  }
}

/** Ends all faults: everything is up, open, quick and honest, and every flag is to be cleared. */
export function heal(sim: ClusterSim): void {
  sim.links.heal();
  sim.links.weather = { ...sim.links.weather, loss: 0, duplicates: 0 };
  sim.lock.weather = { ambiguous: 0, stale: 0, isStalled: false };
  sim.lock.cut.clear();
  sim.disk = { ...sim.disk, slow: 0 };
  sim.slowFences = 0;
  for (const host of sim.hosts) {
    host.fullUntilMs = 0;
    host.hasSupervisor = true;
    host.resume();
    host.start();
  }
}
