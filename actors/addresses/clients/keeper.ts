/**
 * Keeps what is known of clients' connections up to date for the addresses that this node holds, and has the clients of
 * an address that it takes tickled.
 *
 *   taken ─▶ read here ─▶ tickle ─▶ claim: a transaction writes "mine" ─▶ tickle those that it shows beside
 *   tickled three times ─▶ those that were told are told no more: their clients come anew, or have gone
 *   each TickleUpdateInterval: the kernel's connections ─▶ those addresses whose set is another one ─▶ one transaction
 *
 * An owner that looks late finds another owner in the record, and leaves it: what the new one does not know yet is
 * not overwritten by what the old one saw. One whose claim comes late is the record's owner for a while; who really has
 * the address finds that when it writes, and claims it anew.
 *
 * Nobody waits for the database: while it cannot be reached, addresses are taken and let go all the same, and the claim
 * is tried again.
 *
 * Does NOT promise: connections that are younger than the last look; their clients find out by themselves.
 */
import type { Pnn } from "../../../transport/wire/terms.ts";
import type { TcpTable } from "../../../transport/packets.ts";
import type { IpAddress } from "../../../transport/wire/address.ts";
import type { Connection } from "../../../transport/wire/raw/endpoint.ts";
import type { Clock, Log } from "../../../transport/world.ts";
import {
  type ConnectionRecord,
  CONNECTIONS_MAX,
  connectionsOf,
  countOf,
  isSameSet,
  keyOf,
  NO_CONNECTIONS,
} from "./record.ts";
import { CHANGES_MAX, type ConnectionStore } from "./store.ts";
import { Turns } from "./turns.ts";

/** What of connections is kept: those that the kernel has, those that somebody tells, none. */
export const TICKLE_MODES = ["established", "told", "off"] as const;
/** One of TICKLE_MODES. */
export type TickleMode = (typeof TICKLE_MODES)[number];

/** Between two looks at what is to be done, ms. */
export const BEAT_MS = 1000;
/**
 * An address that is younger is not looked at, ms: its clients have not come yet, and those that the record has are
 * still being tickled; should this node die now, the next one does it.
 */
export const YOUNG_MS = 5000;
/** Connections of one look, of all addresses together. */
export const LOOK_MAX = 262_144;

/** What it needs. */
export interface KeeperParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ConnectionStore;
  readonly tcp: TcpTable;
  readonly mode: TickleMode;
  /** Between two looks at the kernel's connections, ms. */
  readonly intervalMs: () => number;
  /** Undefined: this node has no number yet. */
  readonly pnn: () => Pnn | undefined;
  /** The interface on which an address is, just now; undefined: it is not here. */
  readonly interfaceOf: (address: IpAddress) => string | undefined;
  /** `onEnd` is called when it has been done as often as it is. */
  readonly tickle: (
    address: IpAddress,
    connections: readonly Connection[],
    onEnd: () => void,
  ) => void;
}

interface Held {
  readonly takenMs: number;
  /** The record whose clients were tickled; undefined: it is not known yet whether there are any. */
  tickled: ConnectionRecord | undefined;
  /** Those that were told and have been tickled for the last time: the record does without; undefined: none. */
  spent: ReadonlySet<string> | undefined;
  /** Does the record say that it is ours? */
  isClaimed: boolean;
  /** The set that the record has; undefined: not known. */
  saved: ReadonlySet<string> | undefined;
}

/** One node's. */
export class ConnectionKeeper {
  readonly #parts: KeeperParts;
  readonly #held = new Map<IpAddress, Held>();
  readonly #turns: Turns;
  #lookMs: number;
  #isBusy = false;
  #isReading = false;
  #isOver = false;
  #trouble = "";
  #end: () => void = () => {};

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.clock);
    this.#lookMs = parts.clock.nowMs() + parts.intervalMs();
  }

  /** This node has the address now. */
  taken(address: IpAddress): void {
    if (this.#parts.mode === "off" || this.#isOver) return;
    const takenMs = this.#parts.clock.nowMs();
    this.#held.set(address, {
      takenMs,
      tickled: undefined,
      spent: undefined,
      isClaimed: false,
      saved: undefined,
    });
    // All that are taken in this turn go together.
    this.#parts.clock.after(0, () => void this.#tickleKnown());
    this.#beatAfter(0);
  }

  /** It has it no more. */
  released(address: IpAddress): void {
    this.#held.delete(address);
  }

  stop(): void {
    this.#isOver = true;
    this.#held.clear();
    this.#end();
  }

  #beatAfter(delayMs: number): void {
    if (this.#isBusy || this.#isOver) return;
    this.#end();
    this.#end = this.#parts.clock.after(delayMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    this.#isBusy = true;
    try {
      await this.#claim();
      await this.#forgetSpent();
      await this.#look();
      this.#trouble = "";
    } catch (error) {
      this.#complain(error);
    } finally {
      this.#isBusy = false;
    }
    if (this.#held.size > 0) this.#beatAfter(BEAT_MS);
  }

  /** Once, until it works again: it is tried each second. */
  #complain(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (this.#trouble !== text && !this.#isOver) {
      this.#parts.log.write("warning", "Clients' connections cannot be kept track of", { error });
    }
    this.#trouble = text;
  }

  /** What this node knows of addresses that it has taken is used at once, whether or not others can be reached. */
  async #tickleKnown(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      // More may be taken meanwhile.
      for (;;) {
        const next = [...this.#held].find(([, { tickled }]) => tickled === undefined);
        if (next === undefined) return;
        const [address, held] = next;
        const record = await this.#parts.store.read(address);
        if (held.tickled === undefined && this.#held.get(address) === held) {
          this.#tickle(address, held, record);
        }
        await this.#turns.did(countOf(record));
      }
    } catch (error) {
      // The claim comes with the same.
      this.#complain(error);
    } finally {
      this.#isReading = false;
    }
  }

  #tickle(address: IpAddress, held: Held, record: ConnectionRecord): void {
    const { tickled } = held;
    const isSame = tickled !== undefined && isSameSet(tickled.told, record.told) &&
      isSameSet(tickled.seen, record.seen);
    if (isSame) return;
    held.tickled = record;
    this.#parts.tickle(address, connectionsOf(address, record), () => {
      if (record.told.size > 0 && this.#isHere(address)) held.spent = record.told;
    });
  }

  async #claim(): Promise<void> {
    const pnn = this.#parts.pnn();
    if (pnn === undefined) return;
    for (;;) {
      const batch = [...this.#held]
        .filter(([address, { isClaimed }]) => !isClaimed && this.#isHere(address))
        .slice(0, CHANGES_MAX);
      if (batch.length === 0) return;
      const records = await this.#parts.store.change(
        batch.map(([address]) => address),
        (address, record) => {
          const isOurs = record.owner === pnn || !this.#held.has(address);
          return isOurs ? undefined : { ...record, owner: pnn };
        },
      );
      for (const [address, held] of batch) {
        const record = records.get(address);
        held.isClaimed = true;
        if (record === undefined || this.#held.get(address) !== held) continue;
        held.saved = record.seen;
        this.#tickle(address, held, record);
        await this.#turns.did(countOf(record));
      }
    }
  }

  /** A node that stood still has not heard yet what it has lost; what is not here for a moment is looked at again. */
  #isHere(address: IpAddress): boolean {
    return this.#parts.interfaceOf(address) !== undefined;
  }

  async #forgetSpent(): Promise<void> {
    const pnn = this.#parts.pnn();
    const spent = [...this.#held].flatMap(([address, held]) =>
      held.isClaimed && held.spent !== undefined ? [{ address, held, keys: held.spent }] : []
    );
    for (let at = 0; at < spent.length; at += CHANGES_MAX) {
      const batch = new Map(
        spent.slice(at, at + CHANGES_MAX).map((one) => [one.address, one] as const),
      );
      await this.#parts.store.change([...batch.keys()], (address, record) => {
        const isOurs = record.owner === pnn && this.#held.has(address);
        const keys = batch.get(address)?.keys;
        if (!isOurs || keys === undefined) return undefined;
        const told = new Set([...record.told].filter((key) => !keys.has(key)));
        return told.size === record.told.size ? undefined : { ...record, told };
      });
      for (const { held, keys } of batch.values()) {
        if (held.spent === keys) held.spent = undefined;
      }
    }
  }

  async #look(): Promise<void> {
    const { clock, intervalMs, mode, tcp } = this.#parts;
    if (mode !== "established" || clock.nowMs() < this.#lookMs) return;
    const nowMs = clock.nowMs();
    this.#lookMs = nowMs + intervalMs();
    const old = [...this.#held].filter(([address, { takenMs }]) =>
      nowMs - takenMs >= YOUNG_MS && this.#isHere(address)
    );
    const seen = await this.#sorted(
      await tcp.established(new Set(old.map(([address]) => address)), LOOK_MAX),
    );
    const changed: [IpAddress, Held][] = [];
    for (const [address, held] of old) {
      const now = seen.get(address) ?? NO_CONNECTIONS.seen;
      const isOther = held.saved === undefined || !isSameSet(held.saved, now);
      if (held.isClaimed && isOther) changed.push([address, held]);
      await this.#turns.did(now.size);
    }
    for (let at = 0; at < changed.length; at += CHANGES_MAX) {
      await this.#save(changed.slice(at, at + CHANGES_MAX), seen);
    }
  }

  async #save(
    changed: readonly (readonly [IpAddress, Held])[],
    found: ReadonlyMap<IpAddress, ReadonlySet<string>>,
  ): Promise<void> {
    const pnn = this.#parts.pnn();
    const records = await this.#parts.store.change(
      changed.map(([address]) => address),
      (address, record) => {
        const isOurs = record.owner === pnn && this.#held.has(address);
        return isOurs ? { ...record, seen: found.get(address) ?? NO_CONNECTIONS.seen } : undefined;
      },
    );
    for (const [address, held] of changed) {
      const record = records.get(address);
      if (record === undefined || this.#held.get(address) !== held) continue;
      if (record.owner === pnn) held.saved = record.seen;
      else {
        // By a former owner whose claim came late, if it is still here: it is claimed anew, and looked at soon.
        held.isClaimed = false;
        this.#lookMs = 0;
      }
    }
  }

  /** By address, CONNECTIONS_MAX of each. */
  async #sorted(connections: readonly Connection[]): Promise<Map<IpAddress, Set<string>>> {
    const sorted = new Map<IpAddress, Set<string>>();
    const full = new Set<IpAddress>();
    for (const connection of connections) {
      const { address } = connection.server;
      const keys = sorted.get(address) ?? new Set();
      sorted.set(address, keys);
      if (keys.size < CONNECTIONS_MAX) keys.add(keyOf(connection));
      else full.add(address);
      const others = this.#turns.did(1);
      if (others !== undefined) await others;
    }
    if (full.size > 0) {
      const shown = [...full].slice(0, 3).join(", ");
      this.#parts.log.write(
        "debug",
        `More connections than are kept (CONNECTIONS_MAX, ${CONNECTIONS_MAX}) at ${shown}`,
      );
    }
    return sorted;
  }
}
