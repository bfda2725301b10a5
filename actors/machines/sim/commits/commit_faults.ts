/**
 * What goes wrong in a run: nodes, disks, links and leaders, drawn from classes that a seed chooses.
 *
 * A disk is lost, or its end damaged, only while every other in-sync copy is whole: more than that no promise covers.
 *
 * Does NOT promise: that each class strikes in each run.
 */
import type { Pnn } from "../../../../transport/wire/terms.ts";
import type { CommitHost } from "./commit_host.ts";
import type { CommitSim } from "./commit_sim.ts";
import { strikePlanned } from "./planned.ts";

/** All classes. */
export const COMMIT_FAULTS = [
  "kill",
  "power",
  "blackout",
  "pause",
  "split",
  "one_way",
  "leader",
  "wipe",
  "damage",
  "space",
  "absent",
  "stop",
  "drain",
  "leave",
  "copies",
  "force",
  "dark",
] as const;
/** A class. */
export type CommitFault = (typeof COMMIT_FAULTS)[number];

/** A damaged disk is looked at for so long whether it is being filled, ms. */
const MENDING_MS = 2_000;

/** The trouble of a run. */
export class CommitFaults {
  readonly #sim: CommitSim;
  readonly #untilMs: number;
  readonly #classes: readonly CommitFault[];
  readonly #everyMs: number;

  constructor(sim: CommitSim, untilMs: number, classes: readonly CommitFault[], everyMs: number) {
    this.#sim = sim;
    this.#untilMs = untilMs;
    this.#classes = classes;
    this.#everyMs = everyMs;
    if (classes.length > 0) this.#next();
    this.#lead();
  }

  /** Somebody leads, if it can be. */
  #lead(): void {
    this.#sim.keepLed();
    this.#sim.after(500, () => this.#lead());
  }

  #next(): void {
    const { dice } = this.#sim;
    this.#sim.after(dice.below(2 * this.#everyMs), () => {
      if (this.#sim.nowMs >= this.#untilMs) return;
      const kind = this.#classes[dice.below(this.#classes.length)];
      if (kind !== undefined) this.#strike(kind);
      this.#next();
    });
  }

  get #host(): CommitHost {
    const { hosts, dice, doc } = this.#sim;
    // The primary is worth more trouble than others.
    const at = dice.chance(1, 3) ? doc.config.primary : dice.below(hosts.length);
    return hosts[at] ?? hosts[0] as CommitHost;
  }

  #strike(kind: CommitFault): void {
    const sim = this.#sim;
    const { dice, links, hosts } = sim;
    const host = this.#host;
    const awayMs = dice.chance(1, 4) ? dice.below(15_000) : dice.below(2_500);
    sim.note(host.pnn, `fault ${kind}`);
    switch (kind) {
      case "kill":
      case "power":
        host.crash();
        return sim.after(kind === "kill" ? dice.below(300) : awayMs, () => host.start());
      case "absent":
        host.crash();
        return sim.after(dice.below(30_000), () => host.start());
      case "blackout": {
        for (const one of hosts) one.crash();
        for (const one of hosts) sim.after(dice.below(awayMs + 1), () => one.start());
        return;
      }
      case "pause":
        host.pause(true);
        return sim.after(awayMs, () => host.pause(false));
      case "split": {
        const side = hosts.filter(() => dice.chance(1, 2)).map(({ pnn }) => pnn);
        this.#cut((from, to) => side.includes(from) !== side.includes(to), true);
        return sim.after(awayMs, () => this.#cut(() => true, false));
      }
      case "one_way": {
        const other = this.#host;
        this.#cut((from, to) => from === host.pnn && (to === other.pnn || dice.chance(1, 3)), true);
        return sim.after(awayMs, () => links.heal());
      }
      case "leader":
        return sim.elect(host.pnn);
      case "stop":
      case "drain":
      case "leave":
      case "copies":
      case "force":
      case "dark":
        return strikePlanned(sim, host, kind, awayMs);
      case "wipe":
      case "damage":
        return this.#harm(host, kind, awayMs);
      case "space":
        host.tell({ kind: "space", isFull: true });
        return sim.after(awayMs, () => host.tell({ kind: "space", isFull: false }));
    }
  }

  #cut(is: (from: Pnn, to: Pnn) => boolean, isCut: boolean): void {
    const { hosts, links } = this.#sim;
    for (const from of hosts) {
      for (const to of hosts) {
        if (from !== to && is(from.pnn, to.pnn)) links.cut(from.pnn, to.pnn, isCut);
      }
    }
  }

  #harm(host: CommitHost, kind: "wipe" | "damage", awayMs: number): void {
    const sim = this.#sim;
    const { doc, hosts, dice, options } = sim;
    const { isr, m } = doc.config;
    if (options.config.kind !== "persistent" || m < 2) return;
    const isWhole = isr.every(({ pnn, id }) => {
      const { disk } = hosts[pnn] as CommitHost;
      return disk.id === id && disk.isWhole;
    });
    // Nobody is just about to take copies away.
    const isLess = isr.length > sim.wanted.k || [...sim.going.values()].includes("leaves");
    if (!isWhole || isLess) return;
    sim.harmedMs = sim.nowMs;
    host.crash();
    if (kind === "wipe") host.replaceDisk();
    else host.disk.damage(dice);
    const isTwice = kind === "damage" && dice.chance(1, 2);
    sim.after(awayMs, () => {
      host.start();
      if (isTwice) this.#again(host, MENDING_MS);
    });
  }

  /** All power is gone when what was lost is just being written anew; the other in-sync copies come back late. */
  #again(host: CommitHost, leftMs: number): void {
    const sim = this.#sim;
    const { dice, hosts } = sim;
    if (leftMs <= 0 || !host.isUp || host.disk.isWhole) return;
    if (host.disk.queued === 0) return sim.after(1, () => this.#again(host, leftMs - 1));
    sim.note(-1, "all power is gone");
    for (const one of hosts) one.crash(true);
    const { isr } = sim.doc.config;
    for (const one of hosts) {
      const isLate = one !== host && isr.some(({ pnn }) => pnn === one.pnn);
      sim.after(isLate ? 3_000 + dice.below(9_000) : dice.below(500), () => one.start());
    }
  }
}

/** Everything is mended. */
export function mend(sim: CommitSim): void {
  sim.links.heal();
  sim.links.weather = { ...sim.links.weather, loss: 0, duplicates: 0, tails: 0 };
  sim.disk = { ...sim.disk, slow: 0 };
  sim.lateCopies = 0;
  sim.going.clear();
  sim.lame.clear();
  sim.onAck = undefined;
  for (const host of sim.hosts) {
    host.pause(false);
    host.start();
    host.tell({ kind: "space", isFull: false });
  }
}
