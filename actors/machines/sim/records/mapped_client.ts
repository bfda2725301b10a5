/**
 * A client program that maps the file: section 11, step by step.
 *
 *   mutex ─▶ page and header say yes ─▶ [stopped] ─▶ touch ─▶ [stopped] ─▶ page says yes again ─▶ the result counts
 *                                └▶ no: out of the mutex, ask the daemon, and begin again
 *
 * Does NOT promise: to be quick; where it is stopped inside, others wait.
 */
import { FLAG_LOCKED, FLAG_READERS, nextRsn } from "../../record/copy.ts";
import type { Key } from "../../record/copy.ts";
import type { RecordEffect } from "../../record/events.ts";
import { Client } from "./clients.ts";
import type { SimFile } from "./file.ts";
import type { OpLog } from "./ledger.ts";
import { isGrown } from "./record_host.ts";
import { noted } from "./procedures.ts";

/** How often a frozen page is looked at, and a missing daemon asked for. */
const LOOK_MS = 20;

type What = "read" | "write" | "delete";

/** The operation under way. */
interface Doing {
  readonly log: OpLog;
  readonly what: What;
  readonly untilMs: number;
  /** What the daemon was asked. */
  opId: number | undefined;
  /** Was it told that the record is here? */
  toldId: number | undefined;
}

/** The client. */
export class MappedClient extends Client {
  #doing: Doing | undefined;

  perform(key: Key): void {
    const { dice, nowMs } = this.sim;
    const throw10 = dice.below(10);
    const { reads, deletes, deadlineMs } = this.manners;
    const what = throw10 < reads ? "read" : throw10 < reads + deletes ? "delete" : "write";
    this.do(key, what, nowMs + deadlineMs);
  }

  /** Does one operation. */
  do(key: Key, what: What, untilMs: number): void {
    const kind = what === "read" ? "read" : "write";
    const log = this.sim.ledger.begin(key, kind, this.host.host.index, this.sim.nowMs);
    log.forMs = untilMs - this.sim.nowMs;
    const doing: Doing = { log, what, untilMs, opId: undefined, toldId: undefined };
    this.#doing = doing;
    this.after(untilMs - this.sim.nowMs, () => this.#onDeadline(doing));
    this.#try(doing);
  }

  #onDeadline(doing: Doing): void {
    // Inside the mutex it ends by itself.
    if (doing.log.outcome !== "open" || doing.opId === undefined) return;
    this.host.feed({ kind: "cancel", id: doing.opId });
    doing.opId = undefined;
    doing.log.isTimeout = true;
    this.#end(doing, "failed");
  }

  #end(doing: Doing, outcome: "ok" | "failed" | "unknown", seen?: Uint8Array): void {
    if (doing.toldId !== undefined) this.host.feed({ kind: "done", id: doing.toldId });
    doing.toldId = undefined;
    this.#doing = undefined;
    this.finish(doing.log, outcome, seen);
  }

  #try(doing: Doing): void {
    if (doing.log.outcome !== "open") return;
    if (this.sim.nowMs >= doing.untilMs) {
      doing.log.isTimeout = true;
      return this.#end(doing, "failed");
    }
    const { file } = this.host;
    if (file === undefined) return this.after(LOOK_MS, () => this.#try(doing));
    file.lock(
      doing.log.key,
      this.id,
      (died) => this.after(0, () => this.#inside(doing, file, died)),
    );
  }

  #leave(doing: Doing, file: SimFile): void {
    file.unlock(doing.log.key, this.id);
  }

  #inside(doing: Doing, file: SimFile, died: boolean): void {
    const { key } = doing.log;
    const stored = file.records.get(key);
    if (died && stored !== undefined && file.owns(key) && this.sim.recordRules.countsDeadWriter()) {
      file.put(key, { ...stored, rsn: nextRsn(stored.rsn) });
    }
    if (doing.log.outcome !== "open" || !this.#may(doing, file)) {
      this.#leave(doing, file);
      if (doing.log.outcome === "open") this.#ask(doing);
      return;
    }
    this.#maybeStopped(doing, () => this.#touch(doing, file));
  }

  /** Steps 1 and 2. */
  #may({ log: { key }, what }: Doing, file: SimFile): boolean {
    if (!this.host.isValid(file) || file !== this.host.file) return false;
    const flags = file.records.get(key)?.flags ?? 0;
    if (what === "read") return file.owns(key) || file.reads(key);
    return file.owns(key) && (flags & (FLAG_READERS | FLAG_LOCKED)) === 0;
  }

  #maybeStopped(_doing: Doing, run: () => void): void {
    const { dice } = this.sim;
    const { stops, stopMs } = this.manners;
    if (stops > 0 && dice.chance(stops, 10_000)) this.after(dice.below(stopMs), run);
    else if (dice.chance(1, 4)) this.after(dice.below(3), run);
    else run();
  }

  /** Step 3. */
  #touch(doing: Doing, file: SimFile): void {
    const { log, what } = doing;
    const stored = file.records.get(log.key);
    if (stored === undefined) {
      this.#leave(doing, file);
      return this.#ask(doing);
    }
    let seen = stored.data;
    if (what !== "read") {
      const data = what === "delete" ? new Uint8Array(0) : noted(stored.data, log.id);
      if (this.host.isFull && isGrown(stored.data, data)) {
        this.#leave(doing, file);
        return this.#end(doing, "failed");
      }
      this.sim.ledger.madeBy.set(data, { op: log.id, result: data });
      seen = data;
      if (this.sim.dice.chance(this.manners.dies, 10_000)) {
        this.sim.ledger.halfWritten.add(data);
        file.putHalf(log.key, { ...stored, data });
        this.#doing = undefined;
        this.finish(log, "unknown");
        return this.die();
      }
      file.put(log.key, { ...stored, data, rsn: nextRsn(stored.rsn) });
      if (data.length === 0) this.host.feed({ kind: "emptied", key: log.key });
    }
    this.#maybeStopped(doing, () => this.#check(doing, file, seen));
  }

  /** Step 4. */
  #check(doing: Doing, file: SimFile, seen: Uint8Array): void {
    const isGood = this.host.isValid(file) || !this.sim.recordRules.checksLeaseAfter();
    this.#leave(doing, file);
    if (isGood) return this.#end(doing, "ok", seen);
    const page = this.host.pageOf(file);
    if (page?.endMs === 0 && file === this.host.file && this.sim.nowMs < doing.untilMs) {
      // Frozen in the same life: valid when it goes on is valid now.
      return this.after(LOOK_MS, () => this.#checkAgain(doing, file, seen));
    }
    this.#void(doing);
  }

  #checkAgain(doing: Doing, file: SimFile, seen: Uint8Array): void {
    const page = this.host.pageOf(file);
    const isFrozen = page?.endMs === 0 && file === this.host.file;
    if (this.host.isValid(file)) this.#end(doing, "ok", seen);
    else if (isFrozen && this.sim.nowMs < doing.untilMs) {
      this.after(LOOK_MS, () => this.#checkAgain(doing, file, seen));
    } else this.#void(doing);
  }

  /** What was touched does not count. */
  #void(doing: Doing): void {
    if (doing.what !== "read") return this.#end(doing, "unknown");
    this.after(LOOK_MS, () => this.#try(doing));
  }

  #ask(doing: Doing): void {
    const { log: { key }, what, untilMs } = doing;
    if (this.sim.nowMs >= untilMs) return this.#end(doing, "failed");
    if (doing.toldId !== undefined) this.host.feed({ kind: "done", id: doing.toldId });
    doing.toldId = undefined;
    if (this.host.machine === undefined) return this.after(LOOK_MS, () => this.#try(doing));
    const id = this.host.nextOpId();
    doing.opId = id;
    this.host.opClients.set(id, this);
    const deadlineMs = this.host.host.clock(untilMs);
    const mode = what === "read" ? "read" : "write";
    const wish = { what: "ready", mode } as const;
    this.host.feed({ kind: "op", op: { id, client: this.id, key, deadlineMs, wish } });
  }

  onEffect(effect: RecordEffect): void {
    const doing = this.#doing;
    if (doing === undefined || this.isDead) return;
    if (effect.kind === "ready" && effect.id === doing.opId) {
      doing.toldId = effect.id;
      doing.opId = undefined;
      this.after(0.2, () => this.#try(doing));
    } else if (effect.kind === "answer" && effect.id === doing.opId) {
      doing.opId = undefined;
      this.after(LOOK_MS, () => this.#try(doing));
    }
  }

  onDaemon(): void {
    const doing = this.#doing;
    if (doing?.opId === undefined) return;
    doing.opId = undefined;
    doing.toldId = undefined;
    this.after(LOOK_MS, () => this.#try(doing));
  }
}
