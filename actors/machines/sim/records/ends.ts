/**
 * How a run of records must end when all faults are over: nothing is under way, and each record can be written by each
 * node.
 *
 * Does NOT promise: anything about the time before.
 */
import { isActive, nodeById } from "../../cluster/document.ts";
import type { Manners } from "./clients.ts";
import type { Ledger, OpLog } from "./ledger.ts";
import { RSN_AT_BIRTH } from "./line.ts";
import type { RecordHost } from "./record_host.ts";
import type { RecordSim } from "./record_sim.ts";
import { RemoteClient } from "./remote_client.ts";

/** When the twins begin. */
const TWINS_MS = 1_500;
/** A probe has so long. */
const PROBE_MS = 4_000;

/** Each node writes each record, and reads it while it does, and a traverse finds all. */
export class Probes {
  readonly #sim: RecordSim;
  readonly #ended: OpLog[] = [];
  #count = 0;
  readonly #traverses: number;

  constructor(sim: RecordSim, manners: Manners) {
    this.#sim = sim;
    const own: Manners = { ...manners, isActive: false, deadlineMs: PROBE_MS, stops: 0, dies: 0 };
    this.#traverses = sim.ledger.traverses.length;
    for (const host of sim.recordHosts) {
      if (!isExpected(sim, host.host.index)) continue;
      for (const key of manners.keys) {
        this.#probe(host, own, 0, (client) => client.lock(key));
        // Two of one node at the same moment, one that reads and one that writes.
        this.#probe(host, own, TWINS_MS, (client) => client.read(key));
        this.#probe(host, own, TWINS_MS, (client) => client.call(key, "note"));
      }
      const client = new RemoteClient(sim, host, host.nextOpId() + 2_000_000, own);
      client.after(500, () => client.traverse(host.host.index % 2 === 0));
    }
  }

  #probe(host: RecordHost, manners: Manners, afterMs: number, run: (client: RemoteClient) => void) {
    this.#count += 1;
    const client = new RemoteClient(this.#sim, host, host.nextOpId() + 2_000_000, manners);
    client.onEnd = (log) => this.#ended.push(log);
    client.after(afterMs, () => run(client));
  }

  /** Did all come to an end, and a good one? */
  judge(): void {
    const { checkers, nowMs, ledger } = this.#sim;
    const bad = this.#ended.filter((log) => {
      return log.outcome !== "ok" && !(log.outcome === "unknown" && isBornAnew(ledger, log));
    });
    for (const { key, node, outcome } of bad) {
      checkers.report(nowMs, "end", `a probe of ${key} by node ${node}: ${outcome}`);
    }
    if (this.#ended.length < this.#count) {
      checkers.report(nowMs, "end", `${this.#count - this.#ended.length} probes hang`);
    }
    for (const { outcome, node } of ledger.traverses.slice(this.#traverses)) {
      if (outcome !== "ok") checkers.report(nowMs, "end", `a traverse of node ${node}: ${outcome}`);
    }
  }
}

/**
 * Was the record deleted and made anew while an operation lasted? A call that was shipped to the former one is unknown
 * then: the proof that it was done, or not, is gone with the record.
 */
export function isBornAnew({ states }: Ledger, { key, invMs, retMs }: OpLog): boolean {
  const all = states.get(key) ?? [];
  return all.some(({ rsn, atMs }) => rsn === RSN_AT_BIRTH && atMs >= invMs && atMs <= retMs);
}

/** An operation has time enough in quiet seconds, milliseconds; and so long after the faults it is quiet. */
const ENOUGH_MS = 4_000;
const SETTLED_MS = 9_000;

/** Where nothing goes wrong any more, nobody's time ends. */
export function judgeQuiet(sim: RecordSim, healedMs: number): void {
  for (const { invMs, retMs, forMs, isTimeout, node, key, kind } of sim.ledger.ops) {
    if (!isTimeout || forMs < ENOUGH_MS || invMs < healedMs + SETTLED_MS) continue;
    if (!isExpected(sim, node)) continue;
    const text = `a ${kind} of ${key} by node ${node} at ${invMs.toFixed(1)} had not enough time`;
    sim.checkers.report(retMs, "end", text);
  }
}

/** Must this node be a member now? */
function isExpected(sim: RecordSim, index: number): boolean {
  const host = sim.hosts[index];
  const doc = sim.hosts.find(({ machine }) => machine?.state.lead?.effective !== undefined)?.machine
    ?.state.lead?.effective;
  const node = doc === undefined || host === undefined ? undefined : nodeById(doc, host.nodeId);
  // One that drains owns nothing any more, by plan.
  return node !== undefined && isActive(node) && !node.adminFlags.includes("draining");
}

/** Nothing may be under way at any machine. */
export function judgeRecordEnd(sim: RecordSim): void {
  for (const { machine, host } of sim.recordHosts) {
    const state = machine?.state;
    if (state?.me === undefined || !isExpected(sim, host.index)) continue;
    const report = (text: string) =>
      sim.checkers.report(sim.nowMs, "end", `node ${host.index}: ${text}`);
    for (const ks of state.keys.values()) {
      if (ks.queue.length > 0) report(`${ks.key} has a queue`);
      if (ks.own !== undefined) report(`${ks.key} is asked for`);
      if (ks.calls.length > 0) report(`${ks.key} has a call under way`);
      if (ks.recall !== undefined) report(`${ks.key} has a recall`);
      if (ks.held !== undefined) report(`${ks.key} is locked`);
    }
    for (const home of state.homes) {
      if (home === undefined) continue;
      if (!home.isOpen) report(`slot ${home.slot} is closed`);
      for (const { key, pend, phase, queue } of home.table.values()) {
        if (pend !== undefined || phase === "query" || queue.length > 0) {
          report(`${key} is ${phase}`);
        }
      }
    }
    if (state.frozen.size > 0) report(`${state.frozen.size} tables are kept`);
    if (state.opKeys.size > 0) report(`${state.opKeys.size} operations wait`);
  }
}
