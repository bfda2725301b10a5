/**
 * What was written, and whether what the nodes hold in the end follows from it.
 *
 *   each write (scope, key, c, w) is noted when its writer holds it
 *   a write is excused when a crash, a lost file or the end of an interest took the last copy of it
 *   in the end: all interested nodes hold the same, and for each key nothing older than the newest write not excused
 *
 * And all the while: on no node does a key go back to an older write, and after a round nothing comes back that was
 * deleted up to its floor.
 *
 * Does NOT promise: to see what is wrong only while a message is under way.
 */
import type { MetadataEffect } from "../../../../actors/machines/metadata/event.ts";
import { isNewer, type Scope, type Stamp } from "../../../../actors/machines/metadata/record.ts";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";
import type { Rig, RigNode } from "../../../../actors/machines/sim/metadata/rig.ts";

interface Write {
  readonly stamp: Stamp;
  readonly isDelete: boolean;
  isExcused: boolean;
}

/** The writes of a run, and its faults found. */
export class Ledger {
  readonly faults: string[] = [];
  /** By scope and key, in the order of writing. */
  readonly #writes = new Map<string, { scope: Scope; key: string; writes: Write[] }>();
  /** By node and scope and key, the newest that this life of the node has shown. */
  readonly #shown = new Map<string, Stamp>();
  /** Floors of rounds that have succeeded. */
  readonly #floors = new Map<Scope, bigint>();
  writeCount = 0;
  excusedCount = 0;

  /** A node wants something done. */
  onEffect(node: RigNode, effect: MetadataEffect): void {
    if (effect.type === "fault") this.faults.push(`${node.index}: ${effect.assert} ${effect.text}`);
    if (effect.type === "changed") this.#onChanged(node, effect.record);
    if (effect.type === "publish" && effect.message.kind === "md_floor") {
      this.#floors.set(effect.scope, effect.message.floor);
    }
    if (effect.type === "report" && effect.report.about === "skew") {
      this.faults.push(`${node.index}: a skewed stamp ${effect.report.c}`);
    }
  }

  #onChanged(node: RigNode, record: MetaRecord): void {
    const { scope, key, c, w, value } = record;
    const name = `${scope} ${key}`;
    const shownName = `${node.index} ${name}`;
    const shown = this.#shown.get(shownName);
    if (shown !== undefined && isNewer(shown, record)) {
      this.faults.push(`${node.index}: ${name} went back from ${shown.c} to ${c}`);
    }
    this.#shown.set(shownName, { key, c, w });
    const known = this.#writes.get(name) ?? { scope, key, writes: [] };
    this.#writes.set(name, known);
    const isKnown = known.writes.some(({ stamp }) => stamp.c === c && stamp.w === w);
    if (w === node.nodeId && !isKnown) {
      known.writes.push({ stamp: { key, c, w }, isDelete: value === null, isExcused: false });
      this.writeCount++;
    }
    if (value !== null) this.#requireAlive(node, record, known.writes);
  }

  /** After a round, what was deleted up to its floor is not shown any more where the scope is had. */
  #requireAlive(node: RigNode, { scope, key, c, w }: MetaRecord, writes: readonly Write[]): void {
    const floor = this.#floors.get(scope) ?? 0n;
    if (c > floor) return;
    const isWarm = node.machine?.status().some((one) =>
      one.scope === scope && one.phase === "whole"
    );
    const isThis = ({ stamp }: Write): boolean => stamp.c === c && stamp.w === w;
    // What was written after the deletion is news, however low its stamp: all who knew of the round are gone.
    const deleted = writes.slice(writes.findIndex(isThis)).find(({ stamp, isDelete }) =>
      isDelete && stamp.c <= floor && isNewer(stamp, { c, w })
    );
    if (isWarm !== true || deleted === undefined) return;
    this.faults.push(
      `${node.index}: ${scope} ${key} of ${c} came back, deleted at ${deleted.stamp.c}`,
    );
  }

  /** A node has lost what it had in memory, or of one scope: whatever was only there is excused. */
  onLoss(rig: Rig, node: RigNode, lost?: Scope): void {
    for (const name of [...this.#shown.keys()]) {
      const [index, scope] = name.split(" ");
      if (Number(index) === node.index && (lost === undefined || lost === scope)) {
        this.#shown.delete(name);
      }
    }
    for (const { scope, key, writes } of this.#writes.values()) {
      if (lost !== undefined && lost !== scope) continue;
      const newest = rig.nodes.map((one) => newestOf(rig, one, scope, key));
      for (const write of writes) {
        if (write.isExcused) continue;
        if (newest.some((held) => held !== undefined && covers(held, write))) continue;
        write.isExcused = true;
        this.excusedCount++;
      }
    }
  }

  /** The end, after quiet: what is wrong. */
  judge(rig: Rig): void {
    const scopes = new Set(rig.nodes.flatMap(({ interests }) => [...interests.keys()]));
    for (const scope of scopes) this.#judgeScope(rig, scope);
    for (const known of this.#writes.values()) {
      if (scopes.has(known.scope)) this.#judgeKey(rig, known.scope, known.key, known.writes);
    }
  }

  #judgeScope(rig: Rig, scope: Scope): void {
    const states = rig.nodes.filter(({ interests }) => interests.has(scope)).map(({ index }) => {
      const state = rig.machine(index).status().find((one) => one.scope === scope);
      return `${state?.phase} ${state?.hash.toString(16)} ${state?.records}/${state?.tombstones}`;
    });
    if (new Set(states).size > 1) this.faults.push(`${scope} differs: ${states.join(", ")}`);
    const state = states[0] ?? "";
    if (!state.startsWith("whole")) this.faults.push(`${scope} is ${state}`);
    if (!state.endsWith("/0")) this.faults.push(`${scope} keeps tombstones: ${state}`);
  }

  #judgeKey(rig: Rig, scope: Scope, key: string, writes: readonly Write[]): void {
    let newest: Write | undefined;
    for (const write of writes) {
      if (write.isExcused) continue;
      if (newest === undefined || isNewer(write.stamp, newest.stamp)) newest = write;
    }
    const holder = rig.nodes.find(({ interests }) => interests.has(scope));
    if (newest === undefined || holder === undefined) return;
    const record = rig.machine(holder.index).get(scope, key);
    const { c, w } = newest.stamp;
    if (record !== undefined) {
      if (!isNewer(newest.stamp, record)) return;
      this.faults.push(`${scope} ${key} is of ${record.c}, newest is ${c} of ${w}`);
      return;
    }
    // Nothing is held: then something was deleted that is not older.
    const isDeleted = writes.some(({ stamp, isDelete }) => isDelete && !isNewer({ c, w }, stamp));
    if (!isDeleted) this.faults.push(`${scope} ${key} is lost, newest is ${c} of ${w}`);
  }
}

interface Held {
  readonly record: { readonly c: bigint; readonly w: NodeId } | undefined;
  readonly floor: bigint;
}

/** What a node holds of a key, in memory or, when it has not read it yet, on disk. */
function newestOf(rig: Rig, node: RigNode, scope: Scope, key: string): Held | undefined {
  const state = node.machine?.status().find((one) => one.scope === scope);
  if (state !== undefined && state.phase !== "loading") {
    return { record: node.machine?.get(scope, key), floor: state.floor };
  }
  const stored = node.disk.scopes.get(scope);
  if (stored === undefined || stored.epoch !== rig.epochOf(node, scope)) return undefined;
  return { record: stored.records.get(key), floor: stored.floor };
}

/** Would the write be known from this? */
function covers({ record, floor }: Held, { stamp, isDelete }: Write): boolean {
  if (record !== undefined) return !isNewer(stamp, record);
  return isDelete && stamp.c <= floor;
}
