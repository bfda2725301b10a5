/**
 * A simulated machine and the world of each life that runs on it; a cluster is several on one time and network.
 *
 *   SimMachine --boot()--> World of a life --crash("process" | "power")--> boot() again: the disk is what is left
 *              --pause(), resume()
 *
 * Everything is drawn from one seed, in the order of events.
 *
 * Does NOT promise: more mapped files than one thread's Memory holds, over all machines of a thread.
 */
import type { Dice, World } from "../world.ts";
import { SimBus } from "./bus.ts";
import { type ClockFaults, SimClock, type SimTime } from "./clock.ts";
import { SeededDice } from "./dice.ts";
import { SimDisk } from "./disk.ts";
import { SimHost, SimSystem } from "./host.ts";
import { SimImageStore } from "./image.ts";
import { SimLife } from "./life.ts";
import { SimLog, type SimLogEntry } from "./log.ts";
import type { SimNetwork } from "./network.ts";

/** The world of one life; its parts say more than the ports do. */
export interface SimWorld extends World {
  readonly bus: SimBus;
  readonly clock: SimClock;
  readonly log: SimLog;
  readonly images: SimImageStore;
  readonly life: SimLife;
}

/** How to make a machine. */
export interface MachineOptions {
  readonly name: string;
  readonly network: SimNetwork;
  /** Where its own dice come from. */
  readonly dice: Dice;
  readonly clock?: ClockFaults;
  readonly onLog?: (name: string, entry: SimLogEntry) => void;
}

/** One machine. */
export class SimMachine {
  readonly name: string;
  readonly disk: SimDisk;
  readonly system: SimSystem;
  readonly images: SimImageStore;
  readonly #options: MachineOptions;
  readonly #time: SimTime;
  #world: SimWorld | undefined;

  constructor(options: MachineOptions) {
    const { name, network, dice } = options;
    this.#options = options;
    this.#time = network.time;
    this.name = name;
    this.disk = new SimDisk(this.#time, new SeededDice(dice.u32()));
    this.system = new SimSystem(name, this.#time, this.disk);
    this.images = new SimImageStore({
      seed: dice.u32(),
      timer: (delayMs, fire) => this.#time.after(delayMs, fire),
    });
  }

  /** The world of the life that runs; undefined: none does. */
  get world(): SimWorld | undefined {
    return this.#world;
  }

  /** Starts a life. Throws Error when one runs already. */
  boot(): SimWorld {
    if (this.#world !== undefined) throw new Error(`Cannot boot ${this.name}: it runs`);
    const { name, network, dice, clock, onLog } = this.#options;
    const life = new SimLife(this.#time);
    const log = new SimLog((entry) => onLog?.(name, entry));
    this.#world = {
      life,
      log,
      bus: new SimBus(network, name, life, log),
      clock: new SimClock(this.#time, life, clock),
      dice: new SeededDice(dice.u32()),
      disk: this.disk.view(life),
      images: this.images,
      host: new SimHost(this.system, life),
    };
    return this.#world;
  }

  /** kill -9 of the process, or the power goes. Nothing happens when none runs. */
  crash(how: "process" | "power"): void {
    const world = this.#world;
    if (world === undefined) return;
    this.#world = undefined;
    world.life.end();
    this.disk.crash(world.life);
    this.images.reboot(how);
    if (how === "power") this.disk.cutPower();
  }

  /** SIGSTOP: time goes on, the process does not. */
  pause(): void {
    this.#world?.life.pause();
  }

  resume(): void {
    this.#world?.life.resume();
  }
}
