/**
 * What a simulated host has for records: a machine beside its cluster machine, files by life, client programs.
 *
 *   daemon   RecordMachine; what comes while it is stopped waits, and comes when it goes on
 *   files    one for each life; clients go on with the one they have mapped until its page says no
 *   clients  see clients.ts
 *
 * Does NOT promise: that a client of a dead daemon finds the next one at once.
 */
import type { Document, Member } from "../../../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../../../transport/wire/messages/record.ts";
import type { Generation, Incarnation } from "../../../../transport/wire/terms.ts";
import type { DbId } from "../../../../transport/wire/terms.ts";
import { CtdbxError } from "../../../../transport/wire/errors.ts";
import type { Happening } from "../../cluster/events.ts";
import type { RecordEffect, RecordEvent } from "../../record/events.ts";
import { Adaptive } from "../../record/policy.ts";
import { RecordMachine } from "../../record/record.ts";
import type { RecordStore } from "../../record/store.ts";
import type { SimPage } from "../checkers.ts";
import type { Host } from "../host.ts";
import { SimFile } from "./file.ts";
import { proceduresFor } from "./procedures.ts";
import { PROGRAM, SimProgram } from "./programs.ts";
import type { RecordSim } from "./record_sim.ts";
import { HostWatch } from "./watchers.ts";

/** What waits for a stopped daemon, at most. */
const BACKLOG_MAX = 20_000;
const DB = 1 as DbId;

type SendEffect = Extract<RecordEffect, { readonly kind: "send" }>;

/** Messages that wait for others to the same peer. */
interface Gathered {
  readonly to: Member;
  readonly generation: Generation;
  readonly messages: RecordMessage[];
}

const isSame = (one: Member, other: Member) =>
  one === other || (one.pnn === other.pnn && one.incarnation === other.incarnation);

/** Is it another value, and one that needs room? */
export function isGrown(before: Uint8Array, after: Uint8Array): boolean {
  return before !== after && after.length > 0;
}

/** A client program, as its host sees it. */
export interface SimClient {
  readonly id: number;
  /** The daemon says something about an operation. */
  onEffect(effect: RecordEffect): void;
  /** The daemon ended, or began: what it was asked is not answered. */
  onDaemon(isUp: boolean): void;
  /** No power: it is gone. */
  onPowerOff(): void;
}

/** A host. */
export class RecordHost {
  readonly host: Host;
  readonly #sim: RecordSim;
  readonly program: SimProgram;
  readonly watch: HostWatch;
  machine: RecordMachine | undefined;
  /** The document by which the machine has its view: later ones with the same view mean nothing to it. */
  viewDoc: Document | undefined;
  /** Files that some client may have mapped still; the newest last. */
  readonly files: SimFile[] = [];
  readonly clients = new Map<number, SimClient>();
  /** Which client an operation belongs to. */
  readonly opClients = new Map<number, SimClient>();
  /** Does the whole node stand still, clients too? What they do next waits in `whenGoesOn`. */
  isStopped = false;
  /** Has its disk no room for new values? */
  isFull = false;
  readonly whenGoesOn: (() => void)[] = [];
  #backlog: RecordEvent[] = [];
  /** Messages that wait for others to the same peer. */
  readonly #outgoing = new Set<Gathered>();
  #wakeAtMs = Infinity;
  #opId = 0;

  constructor(sim: RecordSim, host: Host) {
    this.#sim = sim;
    this.host = host;
    this.program = new SimProgram(sim, this);
    this.watch = new HostWatch(sim, this);
    const resume = host.resume.bind(host);
    host.resume = () => {
      resume();
      // What was said before comes before what is said now.
      this.#onResume();
      this.goOn();
    };
    const powerOff = host.powerOff.bind(host);
    host.powerOff = () => {
      powerOff();
      this.isStopped = false;
      this.whenGoesOn.length = 0;
      for (const client of [...this.clients.values()]) client.onPowerOff();
      this.files.length = 0;
    };
  }

  /** Simulated time, milliseconds. */
  get nowMs(): number {
    return this.#sim.nowMs;
  }

  /** The file of the present life. */
  get file(): SimFile | undefined {
    return this.files.at(-1);
  }

  /** The page of a file's life, as clients see it; undefined: it is fenced. */
  pageOf(file: SimFile): SimPage | undefined {
    for (const page of this.#sim.checkers.pagesOf(this.host.index)) {
      if (page.incarnation === file.incarnation) return page;
    }
    return undefined;
  }

  /** Does a file's page say that it serves? */
  isValid(file: SimFile): boolean {
    return (this.pageOf(file)?.endMs ?? 0) > this.#sim.nowMs;
  }

  /** The whole node stands still: its daemon and its clients. */
  stop(): void {
    this.isStopped = true;
    this.host.pause();
  }

  /** Its clients go on. */
  goOn(): void {
    this.isStopped = false;
    for (const run of this.whenGoesOn.splice(0)) run();
  }

  /** A number for an operation. */
  nextOpId(): number {
    this.#opId += 1;
    return this.#opId;
  }

  /** The daemon starts. */
  onStart(): void {
    const { recordRules: rules, recordTiming: timing, recordOptions } = this.#sim;
    const { mayDelegate = true, mayShip = true, isSticky = false, lacksProcedures } = recordOptions;
    const { stickyMoves, stickyForMs } = timing;
    const { index } = this.host;
    this.#backlog = [];
    this.viewDoc = undefined;
    this.#wakeAtMs = Infinity;
    this.opClients.clear();
    this.machine = new RecordMachine({
      nodeId: this.host.nodeId,
      dbId: DB,
      hashOf: (key) => this.#sim.hashOf(key),
      store: this.#store(),
      procedures: proceduresFor(
        this.#sim.ledger,
        lacksProcedures?.(index) === true,
        (name) => name === PROGRAM && this.program.isThere && lacksProcedures?.(index) !== true,
      ),
      policy: new Adaptive({ stickyMoves, stickyForMs, mayDelegate, mayShip }),
      timing,
      rules,
      isSticky,
      isWatched: (key) => this.watch.isWatched(key),
    });
    this.watch.onStart();
  }

  /** The port of the machine: the file of the life that it has. */
  #store(): RecordStore {
    const file = () => this.files.at(-1) as SimFile;
    return {
      tryLock: (key) => file().tryLock(key),
      unlock: () => {},
      get: (key) => file().records.get(key),
      head: (key) => file().records.get(key),
      put: (key, stored) => {
        const { machine } = this;
        const known = file().records.get(key);
        if (this.isFull && (known === undefined || isGrown(known.data, stored.data))) {
          throw new CtdbxError("no_space", "Cannot store: the disk is full");
        }
        if (machine?.state.pnn !== undefined) file().pnn = machine.state.pnn;
        file().put(key, stored);
      },
      drop: (key) => file().drop(key),
      renew: (incarnation) => this.#renew(incarnation),
    };
  }

  #renew(incarnation: Incarnation): void {
    const chains = this.#sim.recordOptions.chains ?? 64;
    this.files.push(new SimFile(this.host.index, incarnation, chains, this.#sim));
    // Files whose page is fenced serve nobody any more.
    while (this.files.length > 4) this.files.shift();
  }

  /** The daemon ended. */
  onEnd(): void {
    this.machine = undefined;
    this.#backlog = [];
    this.opClients.clear();
    this.program.onDaemonEnd();
    this.#outgoing.clear();
    for (const client of [...this.clients.values()]) client.onDaemon(false);
  }

  /** Something happened in the cluster machine. */
  onHappened(happening: Happening): void {
    if (happening.what === "new life") {
      this.watch.onLife();
      this.#outgoing.clear();
      this.feed({ kind: "life", incarnation: happening.incarnation });
      for (const client of [...this.clients.values()]) client.onDaemon(true);
    } else if (happening.what === "adopted") {
      const { doc } = happening;
      if (doc.generation !== this.viewDoc?.generation) this.viewDoc = doc;
      this.feed({ kind: "adopted", doc });
    }
  }

  /** The page changed. */
  onPage(): void {
    const page = this.host.machine?.state.page;
    const { machine } = this;
    if (page === undefined || machine === undefined) return;
    const isOwn = page.incarnation === machine.state.incarnation;
    this.feed({ kind: "page", leaseEndMs: isOwn ? page.leaseEndMs : 0 });
    this.watch.onServing();
  }

  /** Gives the machine an event, or keeps it while the daemon is stopped. */
  feed(event: RecordEvent): void {
    const { machine } = this;
    if (machine === undefined) return;
    if (this.host.isPaused) {
      if (event.kind !== "wake" && this.#backlog.length < BACKLOG_MAX) this.#backlog.push(event);
      return;
    }
    this.#step(machine, event, 0);
  }

  #onResume(): void {
    if (this.machine === undefined || this.host.isPaused) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    this.#wakeAtMs = Infinity;
    for (const event of backlog) this.feed(event);
    this.feed({ kind: "wake" });
  }

  #step(machine: RecordMachine, event: RecordEvent, notBeforeMs: number): void {
    const { nowMs } = this.#sim;
    const effects = machine.step(event, Math.max(this.host.clock(nowMs), notBeforeMs));
    for (const effect of effects) {
      this.#perform(effect);
      if (this.machine !== machine) return;
    }
    const wakeAtMs = Math.max(this.host.timeOf(machine.wakeMs), nowMs);
    if (wakeAtMs >= this.#wakeAtMs || wakeAtMs === Infinity) return;
    this.#wakeAtMs = wakeAtMs;
    this.#sim.at(wakeAtMs, () => this.#wake(machine, wakeAtMs));
  }

  #wake(machine: RecordMachine, atMs: number): void {
    if (atMs !== this.#wakeAtMs || this.machine !== machine || this.host.isPaused) return;
    this.#wakeAtMs = Infinity;
    this.#step(machine, { kind: "wake" }, Math.min(machine.wakeMs, this.host.clock(atMs) + 0.001));
  }

  #perform(effect: RecordEffect): void {
    const sim = this.#sim;
    switch (effect.kind) {
      case "send":
        return this.#send(effect);
      case "answer":
      case "ready":
      case "locked":
      case "record":
      case "traversed": {
        const client = this.opClients.get(effect.id);
        sim.traceRecord(this.host.index, effect.id);
        if (effect.kind === "answer" || effect.kind === "traversed") {
          this.opClients.delete(effect.id);
        }
        return client?.onEffect(effect);
      }
      case "run":
        return this.program.run(effect);
      case "run_over":
        return;
      case "wrote":
        return this.watch.onWrote(effect);
      case "view_ask":
        return sim.sendCluster(this.host.index, this.#indexOf(effect.to), { kind: "view_ask" });
      case "view_tell": {
        const doc = this.host.machine?.state.adopted;
        if (doc === undefined) return;
        return sim.sendCluster(this.host.index, this.#indexOf(effect.to), { kind: "view", doc });
      }
      case "breach":
        return sim.checkers.report(sim.nowMs, effect.number, effect.why);
    }
  }

  #indexOf({ pnn }: Member): number {
    const nodeId = this.machine?.state.nodeIds.get(pnn);
    return nodeId === undefined ? -1 : this.#sim.indexOf(nodeId);
  }

  /** What several steps have for one peer may go together, as a daemon sends it at the end of a turn. */
  #send(effect: SendEffect): void {
    const { gatherMs = 0 } = this.#sim.recordOptions;
    if (gatherMs === 0) return this.#publish(effect);
    const { to, generation, messages } = effect;
    for (const waiting of this.#outgoing) {
      if (waiting.generation !== generation || !isSame(waiting.to, to)) continue;
      waiting.messages.push(...messages);
      return;
    }
    const { machine } = this;
    const gathered: Gathered = { to, generation, messages: [...messages] };
    this.#outgoing.add(gathered);
    this.#sim.after(this.#sim.dice.below(gatherMs + 1), () => {
      if (!this.#outgoing.delete(gathered)) return;
      if (this.machine === machine) this.#publish({ kind: "send", ...gathered });
    });
  }

  #publish({ to, generation, messages }: SendEffect): void {
    const from = this.machine?.state.me;
    const index = this.#indexOf(to);
    const target = this.#sim.recordHosts[index];
    if (from === undefined || target === undefined) return;
    const event: RecordEvent = { kind: "messages", from, to, generation, messages };
    const { index: own } = this.host;
    const first = messages[0]?.kind ?? "";
    const deliver = () => {
      this.#sim.traceRecord(index, own * 256 + first.length + messages.length * 65536);
      target.feed(event);
    };
    this.#sim.sendRecords(this, index, deliver, messages);
  }
}
