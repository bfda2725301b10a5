/**
 * A simulated cluster with records: the real cluster machines give views and leases, record machines stand on top, and
 * client programs share the files with them. The same options give the same run.
 *
 *   const sim = new RecordSim({ seed: 1, nodes: 5 });  sim.start();  sim.run(20_000);  sim.judge();
 *
 * At each instant is judged: no two files whose pages are valid own one key; nobody writes beside a reader.
 *
 * Does NOT promise: real bytes; messages are passed as they are.
 */
import type { ClusterMessage } from "../../cluster/events.ts";
import type { Happening } from "../../cluster/events.ts";
import { textHash } from "../../mix.ts";
import { slotOf } from "../../cluster/slots.ts";
import type { Key, Stored } from "../../record/copy.ts";
import { RECORD_RULES } from "../../record/rules.ts";
import type { RecordRules } from "../../record/rules.ts";
import { compareTid } from "../../record/tid.ts";
import { defaultRecordTiming } from "../../record/tunables.ts";
import type { RecordTiming } from "../../record/tunables.ts";
import type { RecordMessage } from "../../../../transport/wire/messages/record.ts";
import type { Tid } from "../../../../transport/wire/messages/record_parts.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import { ClusterSim } from "../cluster_sim.ts";
import type { SimOptions } from "../cluster_sim.ts";
import type { Host } from "../host.ts";
import { Ledger } from "./ledger.ts";
import type { FileWatch, SimFile } from "./file.ts";
import { judge } from "./judge.ts";
import { RecordHost } from "./record_host.ts";

/** What a run is made of, beside its cluster. */
export interface RecordSimOptions extends SimOptions {
  readonly recordTiming?: RecordTiming;
  readonly recordRules?: RecordRules;
  /** Chains of each file; few: clients hold up keys that are not theirs. */
  readonly chains?: number;
  readonly mayDelegate?: boolean;
  readonly mayShip?: boolean;
  readonly isSticky?: boolean;
  /** How long messages may wait for others to the same peer, milliseconds. */
  readonly gatherMs?: number;
  /** Nodes whose daemon lacks a procedure. */
  readonly lacksProcedures?: (node: number) => boolean;
  /** Called with each message about records; false: it is lost. */
  readonly onRecord?: (from: number, to: number, message: RecordMessage) => boolean;
}

/** Copies of a message that come twice may be so late, milliseconds. */
const LATE_MS = 4_000;
const RECORDS = 120;

/** A cluster with records. */
export class RecordSim extends ClusterSim implements FileWatch {
  readonly ledger: Ledger = new Ledger();
  readonly recordHosts: readonly RecordHost[];
  readonly recordTiming: RecordTiming;
  readonly recordRules: RecordRules;
  readonly recordOptions: RecordSimOptions;
  /** Chances in 10 000 that the second copy of a message is very late. */
  lateCopies = 0;
  /** Do programs think long, or never answer? */
  arePrograms: "wild" | "quick" = "wild";
  recordMessages = 0;
  /** Lives that are stopped by plan, with nothing left at them. */
  readonly stoppedByPlan = new Set<string>();
  #living: Set<string> = new Set();
  #livingVersion: bigint | undefined = undefined;

  constructor(options: RecordSimOptions) {
    super(options);
    this.recordOptions = options;
    this.recordTiming = options.recordTiming ?? defaultRecordTiming();
    this.recordRules = options.recordRules ?? RECORD_RULES;
    this.recordHosts = this.hosts.map((host) => new RecordHost(this, host));
  }

  /** The hash of a key. Where there are few slots it is the number of one. */
  hashOf(key: Key): number {
    const hash = textHash(key, 0);
    const { slots } = this.recordOptions;
    return slots === undefined ? hash : hash % slots;
  }

  override onHappened(host: Host, happening: Happening): void {
    super.onHappened(host, happening);
    if (happening.what === "effective") this.living();
    this.recordHosts[host.index]?.onHappened(happening);
  }

  override onServing(host: Host, wasServing: boolean, isServing: boolean): void {
    super.onServing(host, wasServing, isServing);
    this.recordHosts[host.index]?.onPage();
    if (isServing && !wasServing) this.#lookAtOwners(host.index);
  }

  override note(what: string, node: number, text: string | Happening): void {
    super.note(what, node, text);
    const host = this.recordHosts?.[node];
    if (what === "start") host?.onStart();
    else if (what === "end") host?.onEnd();
  }

  /** Sends what a step has for one peer, as one publication. */
  sendRecords(
    from: RecordHost,
    to: number,
    deliver: () => void,
    messages: readonly RecordMessage[],
  ) {
    const { onRecord } = this.recordOptions;
    const node = from.host.index;
    if (onRecord !== undefined && !messages.every((message) => onRecord(node, to, message))) return;
    this.recordMessages += messages.length;
    const copies = this.links.copies(node, to);
    for (let copy = 0; copy < copies; copy++) {
      const isLate = copy > 0 && this.lateCopies > 0 && this.dice.chance(this.lateCopies, 10_000);
      this.after(this.links.delayMs() + (isLate ? this.dice.below(LATE_MS) : 0), deliver);
    }
  }

  /** Sends a message of the cluster machines for a record machine. */
  sendCluster(from: number, to: number, message: ClusterMessage): void {
    const nodeId = this.hosts[to]?.nodeId;
    if (nodeId !== undefined) this.send(from, [nodeId], message);
  }

  /** Something about records goes into the fingerprint. */
  traceRecord(node: number, value: number): void {
    this.trace.add(RECORDS, node, this.nowMs, value);
  }

  /** Members of the newest effective view. */
  living(): ReadonlySet<string> {
    const version = this.checkers.effective.at(-1);
    if (version === this.#livingVersion) return this.#living;
    const doc = version === undefined ? undefined : this.checkers.docOf(version);
    this.#livingVersion = version;
    const living = new Set<string>();
    for (const { pnn, incarnation } of doc?.view.members ?? []) {
      const nodeId = doc?.nodes.find((node) => node.pnn === pnn)?.nodeId;
      if (nodeId !== undefined) living.add(`${this.indexOf(nodeId)}.${incarnation}`);
    }
    for (const life of this.#living) {
      if (!living.has(life)) this.ledger.leftMs.set(life, this.nowMs);
    }
    this.#living = living;
    return living;
  }

  /** A life is stopped by plan: nothing is at it, and nothing comes to it any more. */
  noteStopped(life: string): void {
    this.stoppedByPlan.add(life);
    for (const file of this.recordHosts.flatMap(({ files }) => files)) {
      if (file.name !== life) continue;
      for (const key of file.records.keys()) this.#lookAtStopped(file, key);
    }
  }

  #lookAtStopped(file: SimFile, key: Key): void {
    const life = file.name;
    if (!this.stoppedByPlan.has(life)) return;
    // Where it is left alone it serves again, as one of all that drain.
    const doc = this.recordHosts[file.node]?.viewDoc;
    const isFlagged = (pnn: Pnn) =>
      doc?.view.stopping?.includes(pnn) === true ||
      doc?.nodes.some((node) => node.pnn === pnn && node.adminFlags.includes("draining")) === true;
    const isAlone = doc?.view.members.every(({ pnn }) => isFlagged(pnn)) !== false;
    if (isAlone || file.pnn === undefined || !isFlagged(file.pnn)) this.stoppedByPlan.delete(life);
    if (!this.stoppedByPlan.has(life) || !file.owns(key)) return;
    this.checkers.report(this.nowMs, "planned", `${life} owns ${key}, and is stopped by plan`);
  }

  onPut(file: SimFile, key: Key, before: Stored | undefined, after: Stored): void {
    const isOwned = file.owns(key);
    const purged = isOwned ? undefined : this.#purgedBy(key, after);
    this.ledger.onPut(file, key, before, after, this.nowMs, this.living(), purged);
    if (!isOwned) return;
    this.#lookAtStopped(file, key);
    if (before === undefined || before.tid !== after.tid || before.flags !== after.flags) {
      this.#lookAtKey(file, key);
    }
    if (before !== undefined && before.data !== after.data) this.#lookAtReaders(file, key);
  }

  /** Which deletion a tombstone is for, as the home knows that purges it now. */
  #purgedBy(key: Key, { data, tid }: Stored): Tid | undefined {
    if (data.length > 0) return undefined;
    const slot = slotOf(this.hashOf(key));
    for (const { machine } of this.recordHosts) {
      const entry = machine?.state.homes[slot]?.table.get(key);
      const of = entry?.round?.tid;
      if (of !== undefined && compareTid(of, tid) === 0) return entry?.htid;
    }
    return undefined;
  }

  #lookAtOwners(node: number): void {
    const file = this.recordHosts[node]?.file;
    if (file === undefined) return;
    for (const key of file.records.keys()) if (file.owns(key)) this.#lookAtKey(file, key);
  }

  /** No two files with valid pages own one key. */
  #lookAtKey(file: SimFile, key: Key): void {
    const own = this.recordHosts[file.node];
    if (own === undefined || !own.isValid(file)) return;
    for (const other of this.recordHosts) {
      for (const there of other.files) {
        if (there === file || !there.owns(key) || !other.isValid(there)) continue;
        const text = `${key}: ${file.name} and ${there.name} own it`;
        this.checkers.report(this.nowMs, "two owners", text);
      }
    }
  }

  /** Nobody else may read what is written, by a valid page. */
  #lookAtReaders(file: SimFile, key: Key): void {
    const own = this.recordHosts[file.node];
    if (own === undefined || !own.isValid(file)) return;
    for (const other of this.recordHosts) {
      for (const there of other.files) {
        if (there === file || !there.reads(key) || !other.isValid(there)) continue;
        const text = `${key}: ${file.name} writes, ${there.name} may read`;
        this.checkers.report(this.nowMs, "reader", text);
      }
    }
  }

  /** Judges what the ledger has, after the run. */
  judge(): void {
    for (const { atMs, rule, text } of judge(this.ledger)) this.checkers.report(atMs, rule, text);
  }
}
