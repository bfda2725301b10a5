/**
 * A client that has the daemon do its work: it may be far from the file.
 *
 *   read, call ─▶ answer          lock ─▶ locked ─▶ thinks ─▶ unlock with a new value ─▶ answer
 *
 * Does NOT promise: to be told; where the daemon ends, what it was doing is unknown.
 */
import type { Key } from "../../record/copy.ts";
import type { OpWish, RecordEffect } from "../../record/events.ts";
import { i64Bytes, joinBytes, u32Bytes } from "../../record/procedures.ts";
import { Client } from "./clients.ts";
import type { OpLog, TraverseLog } from "./ledger.ts";
import { argsFor, noted } from "./procedures.ts";
import { PROGRAM } from "./programs.ts";

interface Doing {
  readonly log: OpLog;
  readonly id: number;
  readonly isLock: boolean;
  isUnlocked: boolean;
}

/** The client. */
export class RemoteClient extends Client {
  #doing: Doing | undefined;
  #run: { readonly log: TraverseLog; readonly id: number } | undefined;

  perform(key: Key): void {
    const { dice } = this.sim;
    const { reads, deletes, calls } = this.manners;
    if (this.#run === undefined && dice.chance(1, 100)) return this.traverse(dice.chance(1, 3));
    const throw10 = dice.below(10);
    if (throw10 < reads) return this.read(key);
    if (throw10 < reads + deletes) return this.call(key, "delete");
    if (dice.below(10) < calls) this.call(key, this.#procedure(key));
    else this.lock(key);
  }

  #procedure(key: Key): string {
    const name = { c: "incr", l: "push", s: "cas", f: "set_if", p: PROGRAM }[key[0] ?? ""];
    return name ?? "note";
  }

  /** Reads. */
  read(key: Key): void {
    this.#begin(key, "read", { what: "read" });
  }

  /** Locks, and gives back with a new value. */
  lock(key: Key): void {
    this.#begin(key, "write", { what: "lock" });
  }

  /** Calls. */
  call(key: Key, procedure: string): void {
    const op = this.sim.ledger.ops.length;
    const args = argsFor(op, this.#argsOf(procedure, op));
    const doing = this.#begin(key, "write", { what: "call", procedure, args });
    if (procedure === "cas" || procedure === "set_if") doing.log.mayStay = true;
  }

  #argsOf(procedure: string, op: number): Uint8Array {
    switch (procedure) {
      case "incr":
        return i64Bytes(BigInt(1 + op % 3));
      case "push":
        return joinBytes(u32Bytes(4), u32Bytes(op));
      case "cas": {
        const seen = this.host.file?.records.get("s0")?.data ?? new Uint8Array(0);
        return joinBytes(u32Bytes(seen.length), seen, u32Bytes(op));
      }
      case "set_if":
        return joinBytes(new Uint8Array([op % 3]), u32Bytes(op));
      default:
        return new Uint8Array(0);
    }
  }

  #begin(key: Key, kind: OpLog["kind"], wish: OpWish): Doing {
    const { sim, host } = this;
    const log = sim.ledger.begin(key, kind, host.host.index, sim.nowMs);
    const id = host.nextOpId();
    log.forMs = this.manners.deadlineMs;
    const doing = { log, id, isLock: wish.what === "lock", isUnlocked: false };
    this.#doing = doing;
    if (host.machine === undefined) {
      this.after(0, () => this.#finish("failed"));
      return doing;
    }
    host.opClients.set(id, this);
    const deadlineMs = host.host.clock(sim.nowMs + this.manners.deadlineMs);
    // The answer may come before this returns.
    const op = { id, client: this.id, key, deadlineMs, wish };
    this.after(0, () => {
      if (this.#doing === doing) host.feed({ kind: "op", op });
    });
    return doing;
  }

  #finish(outcome: "ok" | "failed" | "unknown", seen?: Uint8Array): void {
    const doing = this.#doing;
    if (doing === undefined) return;
    this.#doing = undefined;
    this.finish(doing.log, outcome, seen);
  }

  onEffect(effect: RecordEffect): void {
    if (this.isDead) return;
    const run = this.#run;
    if (run !== undefined && "id" in effect && effect.id === run.id) return this.#onRun(effect);
    const doing = this.#doing;
    if (doing === undefined || !("id" in effect) || effect.id !== doing.id) return;
    if (effect.kind === "locked") {
      const { dice } = this.sim;
      const { stops, stopMs, dies } = this.manners;
      const thinkMs = dice.chance(stops, 10_000) ? dice.below(stopMs) : dice.below(8);
      const isDying = dice.chance(dies, 10_000);
      const { data } = effect;
      this.after(thinkMs, () => isDying ? this.#dieLocked(doing) : this.#unlock(doing, data));
    } else if (effect.kind === "answer") {
      const { outcome, result, code } = effect;
      doing.log.isTimeout = code === "timeout";
      this.#finish(outcome, result);
    }
  }

  #dieLocked(doing: Doing): void {
    if (this.#doing !== doing) return;
    this.#finish("failed");
    this.die();
  }

  #unlock(doing: Doing, before: Uint8Array): void {
    if (this.#doing !== doing) return;
    const data = noted(before, doing.log.id);
    this.sim.ledger.madeBy.set(data, { op: doing.log.id, result: data });
    doing.isUnlocked = true;
    this.host.feed({ kind: "unlock", id: doing.id, data });
  }

  /** Reads all records, or counts them. */
  traverse(isCount: boolean): void {
    const { sim, host } = this;
    const id = host.nextOpId();
    const log: TraverseLog = {
      node: host.host.index,
      invMs: sim.nowMs,
      retMs: Infinity,
      outcome: "open",
      isCount,
      records: [],
      count: 0,
    };
    if (host.machine === undefined) return this.think();
    sim.ledger.traverses.push(log);
    this.#run = { log, id };
    host.opClients.set(id, this);
    const deadlineMs = host.host.clock(sim.nowMs + 4 * this.manners.deadlineMs);
    const credit = 1 + sim.dice.below(4);
    const { id: client } = this;
    this.after(
      0,
      () => host.feed({ kind: "traverse", id, client, prefix: "", isCount, credit, deadlineMs }),
    );
  }

  #onRun(effect: RecordEffect): void {
    const run = this.#run;
    if (run === undefined) return;
    if (effect.kind === "record") {
      run.log.records.push({ key: effect.key, data: effect.data });
      this.after(
        this.sim.dice.below(20),
        () => this.host.feed({ kind: "more", id: run.id, credit: 1 }),
      );
    } else if (effect.kind === "traversed") {
      run.log.retMs = this.sim.nowMs;
      run.log.outcome = effect.outcome === "ok" ? "ok" : "failed";
      run.log.count = effect.count;
      this.#run = undefined;
      this.think();
    }
  }

  onDaemon(isUp: boolean): void {
    // A new life of the same daemon answers what it ends.
    if (isUp) return;
    if (this.#run !== undefined) {
      this.#run.log.outcome = "failed";
      this.#run.log.retMs = this.sim.nowMs;
      this.#run = undefined;
      this.think();
    }
    const doing = this.#doing;
    if (doing !== undefined) this.#finish(doing.isLock && !doing.isUnlocked ? "failed" : "unknown");
  }
}
