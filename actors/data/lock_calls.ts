/**
 * The calls of the desk of locks: "g_lock" at the record of a lock, wherever that is.
 *
 * Does NOT promise: that a call is done; what must be done for certain is repeated, as long as this life lasts.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Incarnation, Pnn } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { LOCK_PROCEDURE, readSaid, writeAsk } from "../machines/locks/procedure.ts";
import type { LockAsk, LockSaid } from "../machines/locks/procedure.ts";
import { LOCK_DATABASE, NO_TOKEN } from "../machines/locks/value.ts";
import type { LifeOf, Owner, Token } from "../machines/locks/value.ts";
import type { Key } from "../machines/record/copy.ts";
import { LockGraves } from "./lock_graves.ts";
import type { DatabaseHost, DataHost } from "./types.ts";

/** What could not be done just now is tried again after so long, ms. */
export const RETRY_MS = 100;
/** One call may take so long, ms. */
const CALL_MS = 5000;
/** Attaching the database may. */
const ATTACH_MS = 10_000;

/** What they need. */
export interface LockCallsParts {
  readonly clock: Clock;
  readonly host: () => DataHost;
  /** Does a program of this node use the lock? Then its record is kept when nobody has it. */
  readonly isUsed: (key: Key) => boolean;
  /** A call has given a lock to these. */
  readonly onGranted: (key: Key, token: Token, owners: readonly Owner[]) => void;
}

/** A call: its place is made for the life that it is made in. */
export interface DeskAsk extends Omit<LockAsk, "isKept" | "nowMs" | "place"> {
  readonly place: (life: LifeOf) => LockAsk["place"];
}

/** Those of one node. */
export class LockCalls {
  readonly graves: LockGraves;
  readonly #parts: LockCallsParts;
  #client: number | undefined;
  #isStopped = false;

  constructor(parts: LockCallsParts) {
    this.#parts = parts;
    this.graves = new LockGraves(parts.clock);
  }

  /** This node's life; undefined: it has none, or no number. */
  life(): LifeOf | undefined {
    const { pnn, incarnation } = this.#parts.host().node;
    if (pnn === undefined || incarnation === undefined) return undefined;
    return { pnn: pnn as Pnn, incarnation: incarnation as Incarnation };
  }

  /** The database of locks, made on first use. Throws what attaching throws. */
  async database(): Promise<DatabaseHost> {
    const host = this.#parts.host();
    const known = host.database(LOCK_DATABASE);
    if (known !== undefined) return known;
    const options = { create: true, readonly: "off", sticky: "off" } as const;
    return await host.attach(LOCK_DATABASE, options, this.#parts.clock.nowMs() + ATTACH_MS);
  }

  /** Nothing is called any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Removes the places of lives that are dead. Answers whether there were any. */
  async bury(key: Key, { lives }: LockSaid): Promise<boolean> {
    const dead = this.graves.dead(lives);
    if (dead.length === 0) return false;
    const said = await this.call(key, { op: "leave", isLight: false, place: nobody, dead });
    return said !== undefined && !(said instanceof CtdbxError);
  }

  /** Gives up places of a client (id 0: all) at a key, for certain, as long as this life lasts. */
  async release(key: Key, client: number, id: number): Promise<void> {
    const began = this.life();
    for (let isMore = true; isMore && !this.#isStopped;) {
      const life = this.life();
      if (life === undefined || life.incarnation !== began?.incarnation) return;
      const said = await this.call(key, {
        op: "leave",
        isLight: false,
        place: (by) => ({ ...nobody(by), client, id }),
        dead: [],
      });
      // A record that is no lock has none of its places.
      if (said instanceof CtdbxError) return;
      if (said === undefined) await this.#pause(RETRY_MS);
      else isMore = said.isMore;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(ms, resolve));
  }

  /** Calls the procedure. Undefined: it was not done, or that is not known; it may be repeated. An error: never. */
  async call(key: Key, ask: DeskAsk): Promise<LockSaid | CtdbxError | undefined> {
    const { clock, host, isUsed, onGranted } = this.#parts;
    const life = this.life();
    if (life === undefined || this.#isStopped) return undefined;
    let database: DatabaseHost;
    try {
      database = await this.database();
    } catch (error) {
      // Of another kind: that does not change by itself.
      return error instanceof CtdbxError && error.code === "exists" ? error : undefined;
    }
    this.#client ??= host().newClient();
    const client = this.#client;
    const { place, ...rest } = ask;
    const nowMs = clock.nowMs();
    const args = writeAsk({ ...rest, isKept: isUsed(key), nowMs, place: place(life) });
    const wish = { what: "call", procedure: LOCK_PROCEDURE, args } as const;
    const said = await new Promise<LockSaid | CtdbxError | undefined>((resolve) => {
      database.op(client, key, wish, nowMs + CALL_MS, (end) => {
        if (end.what !== "answer") return;
        const { outcome, code, why = "", result } = end;
        if (outcome === "ok") return resolve(readSaid(result?.slice()));
        const isRefused = outcome === "failed" && code === "refused";
        resolve(isRefused ? new CtdbxError("state", `Cannot lock: ${why}`) : undefined);
      });
    });
    if (said !== undefined && !(said instanceof CtdbxError)) {
      onGranted(key, said.grantToken, said.granted);
    }
    return said;
  }
}

/** Of no program. */
function nobody(life: LifeOf): LockAsk["place"] {
  return {
    ...life,
    client: 0,
    id: 0,
    isExclusive: true,
    pid: 0,
    graceMs: 0,
    sinceMs: 0,
    token: NO_TOKEN,
  };
}
