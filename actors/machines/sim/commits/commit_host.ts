/**
 * A node of the simulated cluster: one commit machine a life, its disk, and what is done when it wants something.
 *
 *   machine ── effects ──▶ disk, network, clients        their ends ──▶ events, or nothing when the life is over
 *
 * Does NOT promise: one disk for several databases; there is one.
 */
import type { CommitMessage } from "../../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Pnn } from "../../../../transport/wire/terms.ts";
import type { CommitEffect, CommitEvent } from "../../commit/events.ts";
import { CommitMachine } from "../../commit/machine.ts";
import type { CommitSim } from "./commit_sim.ts";
import type { SimDocument, Told } from "./council.ts";
import { SimDisk } from "./disk.ts";

const HELLO_MS = 250;

/** A node. */
export class CommitHost {
  readonly pnn: Pnn;
  readonly zone: string;
  readonly sim: CommitSim;
  incarnation = 0n;
  machine: CommitMachine | undefined = undefined;
  disk: SimDisk;
  /** The newest document that it knows; on the disk with it. */
  doc: SimDocument | undefined = undefined;
  isPaused = false;
  #waiting: (() => void)[] = [];
  #isSyncing = false;
  #disks = 0;

  constructor(sim: CommitSim, pnn: Pnn, zone: string) {
    this.sim = sim;
    this.pnn = pnn;
    this.zone = zone;
    this.disk = this.#newDisk();
  }

  get isUp(): boolean {
    return this.machine !== undefined;
  }

  #newDisk(): SimDisk {
    const { rules, config } = this.sim.options;
    const id = config.kind === "replicated"
      ? `${this.incarnation}`
      : `d${this.pnn}.${this.#disks++}`;
    return new SimDisk(id, rules);
  }

  /** A new life. */
  start(): void {
    if (this.isUp) return;
    const { store, options } = { store: this, options: this.sim.options };
    this.incarnation += 1n;
    if (options.config.kind === "replicated") this.disk = this.#newDisk();
    const { timing, rules } = options;
    this.machine = new CommitMachine({
      store: { versionOf: (key) => store.disk.file.get(key)?.rsn ?? 0n },
      timing,
      rules,
    });
    const { pnn, incarnation } = this;
    const nodeId = pnn.toString(16).padStart(32, "0") as NodeId;
    const disk = { ...this.disk.open(), nodeId, pnn, incarnation };
    if (this.disk.fault !== "") this.sim.report("disk", `n${pnn}: ${this.disk.fault}`);
    this.tell({ kind: "opened", disk });
    this.sim.onStarted(this);
    this.#sayHello();
  }

  /** The process, or with power the whole node, is gone. `isHard`: mostly with all that was not synced. */
  crash(isHard = false): void {
    if (!this.isUp) return;
    this.sim.onCrash(this);
    this.machine = undefined;
    this.#isSyncing = false;
    this.#waiting = [];
    this.isPaused = false;
    this.disk.crash(this.sim.dice, isHard);
  }

  /** The disk is replaced by an empty one; the node must be down. */
  replaceDisk(): void {
    this.disk = this.#newDisk();
    this.doc = undefined;
  }

  /** Stops everything, or lets it go on. */
  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
    if (isPaused) return;
    for (const work of this.#waiting.splice(0)) this.run(work);
  }

  /** Does something in this life, when the node is not paused. */
  run(work: () => void): void {
    if (this.isPaused) this.#waiting.push(work);
    else work();
  }

  /** Does something later, if this life is still the same. */
  later(delayMs: number, work: () => void): void {
    const { machine } = this;
    this.sim.after(delayMs, () => {
      if (this.machine === machine && machine !== undefined) {
        this.run(() => {
          if (this.machine === machine) work();
        });
      }
    });
  }

  #sayHello(): void {
    const { machine, incarnation, pnn } = this;
    if (machine === undefined) return;
    if (!this.isPaused) this.sim.sendHello(pnn, incarnation, machine.hello());
    this.later(HELLO_MS, () => this.#sayHello());
  }

  /** A leader tells its document. */
  onDocument({ doc, leader, members }: Told): void {
    if (doc.version < (this.doc?.version ?? 0n)) return;
    this.doc = doc;
    this.tell({ kind: "config", config: doc.config, leader, members });
  }

  /** A message comes. */
  onMessage(from: Member, message: CommitMessage): void {
    this.tell({ kind: "message", from, message });
  }

  /** Hands an event to the machine, and does what it wants. */
  tell(event: CommitEvent): void {
    const { machine, sim } = this;
    if (machine === undefined) return;
    const before = machine.wakeMs;
    const effects = machine.step(event, sim.nowMs);
    sim.onStep(this, machine);
    for (const effect of effects) this.#perform(machine, effect);
    if (machine.wakeMs === Infinity || machine.wakeMs === before) return;
    this.later(Math.max(0, machine.wakeMs - sim.nowMs), () => {
      if (machine.wakeMs <= sim.nowMs) this.tell({ kind: "wake" });
    });
  }

  #perform(machine: CommitMachine, effect: CommitEffect): void {
    const { sim, disk } = this;
    if (this.machine !== machine) return;
    sim.trace.add(1, this.pnn, sim.nowMs, effect.kind.length);
    switch (effect.kind) {
      case "send":
        return sim.send(this, effect.to, effect.message);
      case "write":
        disk.queue(effect);
        return this.#sync(effect.epoch);
      case "apply":
        return this.#apply(effect);
      case "checkpoint": {
        const { epoch, seq, sessions } = effect;
        return this.#onDisk(epoch, () => {
          disk.save(seq, sessions);
          this.tell({ kind: "checkpointed", epoch, seq });
        });
      }
      case "trim":
        return disk.trim(effect.below);
      case "fetch": {
        const { epoch, from, bytesMax } = effect;
        return this.#onDisk(epoch, () => {
          this.tell({ kind: "fetched", epoch, from, entries: disk.read(from, bytesMax) });
        });
      }
      case "catch_up":
        return sim.fetchCopy(this, effect);
      case "install":
        return this.#install(effect.epoch);
      case "discard":
        return void (this.#copy = undefined);
      case "put_aside":
        return this.#putAside(effect.why);
      case "reset":
        return disk.reset(effect.lineage);
      case "breach":
        return sim.report("assert", `n${this.pnn} ${effect.number}: ${effect.why}`);
      default:
        return sim.onClientEffect(this, effect);
    }
  }

  /** Does something when the disk has time, unless the log was begun anew meanwhile. */
  #onDisk(epoch: number, work: () => void): void {
    this.later(this.sim.diskMs(this.pnn), () => {
      if (this.machine?.state.replica.epoch === epoch) work();
    });
  }

  /** Another disk takes the place of one that is of no use, and the process begins anew. */
  #putAside(why: string): void {
    this.sim.note(this.pnn, `puts its copy aside: ${why}`);
    this.crash();
    this.replaceDisk();
    this.sim.after(0, () => this.start());
  }

  /** One sync at a time; each takes all that is queued when it begins. */
  #sync(epoch: number): void {
    if (this.sim.options.config.kind === "replicated") {
      const id = this.disk.sync(this.disk.queued);
      // Not in the same step: its effects are still being done.
      return this.later(0, () => this.tell({ kind: "written", epoch, id }));
    }
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    const count = this.disk.queued;
    this.later(this.sim.diskMs(this.pnn), () => {
      this.#isSyncing = false;
      const now = this.machine?.state.replica.epoch;
      if (now === epoch) {
        const id = this.disk.sync(count);
        if (this.disk.queued > 0) this.#sync(epoch);
        this.tell({ kind: "written", epoch, id });
      } else if (this.disk.queued > 0 && now !== undefined) this.#sync(now);
    });
  }

  #apply({ epoch, entries }: Extract<CommitEffect, { kind: "apply" }>): void {
    this.#onDisk(epoch, () => {
      this.disk.apply(entries);
      const { seq, dbseq } = this.disk.applied;
      this.tell({ kind: "applied", epoch, seq, dbseq });
    });
  }

  #copy: ReturnType<SimDisk["copy"]> | undefined = undefined;

  /** A copy of another node's file has come, or not. */
  onCopy(epoch: number, copy: ReturnType<SimDisk["copy"]> | undefined): void {
    this.#copy = copy;
    this.tell({ kind: "caught_up", epoch, copy });
  }

  #install(epoch: number): void {
    const copy = this.#copy;
    if (copy === undefined) return;
    this.#onDisk(epoch, () => {
      this.disk.install(copy);
      this.sim.onInstalled(this);
      this.tell({ kind: "installed", epoch });
    });
  }

  /** This life. */
  get life(): Member {
    return { pnn: this.pnn, incarnation: this.incarnation as Incarnation };
  }
}
