/**
 * What tests of clients' connections share: a node's time, packets and connections, and a store in memory that can be
 * out of reach.
 *
 * Does NOT promise: transactions that conflict; the whole nodes of clients_nodes.test.ts have those.
 */
import { ClientCare } from "../../../actors/addresses/clients/care.ts";
import type { TickleMode } from "../../../actors/addresses/clients/keeper.ts";
import {
  type ConnectionRecord,
  connectionsOf,
  decodeRecord,
  encodeRecord,
  NO_CONNECTIONS,
} from "../../../actors/addresses/clients/record.ts";
import type { ConnectionStore, RecordChange } from "../../../actors/addresses/clients/store.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimNetwork } from "../../../transport/sim/network.ts";
import { SimPackets, SimTcpTable } from "../../../transport/sim/packets.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import type { IpAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { connectionKey } from "../../../transport/wire/raw/endpoint.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { turn } from "../sim_nodes.ts";

/** Records in memory, shared by the nodes of a test. */
export class MemoryStore implements ConnectionStore {
  /** Every call fails with this; undefined: they work. */
  fault: CtdbxError | undefined;
  /** Calls of `change` that wrote something. */
  writes = 0;
  readonly #bytes = new Map<IpAddress, Uint8Array>();

  read(address: IpAddress): Promise<ConnectionRecord> {
    return this.#work(() => this.#get(address));
  }

  change(
    addresses: readonly IpAddress[],
    make: RecordChange,
  ): Promise<ReadonlyMap<IpAddress, ConnectionRecord>> {
    return this.#work(() => {
      const made = addresses.map((address) =>
        [address, make(address, this.#get(address))] as const
      );
      if (made.some(([, record]) => record !== undefined)) this.writes += 1;
      for (const [address, record] of made) {
        if (record !== undefined) this.#bytes.set(address, encodeRecord(address, record));
      }
      return new Map(addresses.map((address) => [address, this.#get(address)]));
    });
  }

  all(): Promise<ReadonlyMap<IpAddress, ConnectionRecord>> {
    return this.#work(() =>
      new Map([...this.#bytes.keys()].map((address) => [address, this.#get(address)]))
    );
  }

  close(): void {}

  /** What is known of an address, in a form that can be compared. */
  known(address: IpAddress): string[] {
    return connectionsOf(address, this.#get(address)).map(connectionKey).sort();
  }

  #get(address: IpAddress): ConnectionRecord {
    const bytes = this.#bytes.get(address);
    return bytes === undefined ? NO_CONNECTIONS : decodeRecord(address, bytes);
  }

  /** Takes a turn, as a database does. */
  async #work<T>(work: () => T): Promise<T> {
    await Promise.resolve();
    if (this.fault !== undefined) throw this.fault;
    return work();
  }
}

/** A node that takes addresses. */
export class Keeping {
  readonly packets = new SimPackets();
  readonly tcp = new SimTcpTable();
  readonly care: ClientCare;
  readonly logged: string[] = [];
  /** Has its kernel dropped everything? */
  hasLost = false;

  constructor(stage: Stage, pnn: number, mode: TickleMode) {
    this.packets.setLink("eth0");
    this.care = new ClientCare({
      clock: stage.clock,
      log: { write: (level, text) => void this.logged.push(`${level} ${text}`) },
      store: stage.store,
      packets: this.packets,
      tcp: this.tcp,
      mode,
      intervalMs: () => 20_000,
      pnn: () => pnn as Pnn,
      kernelLink: () => "up",
      interfaceOf: () => this.hasLost ? undefined : "eth0",
    });
  }

  /** To whom packets went, and how many. */
  get tickled(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { to } of this.packets.packets) counts[to] = (counts[to] ?? 0) + 1;
    return counts;
  }
}

/** Nodes, one store, one time. */
export class Stage {
  readonly time = new SimTime();
  readonly clock = new SimMachine({
    name: "n0",
    network: new SimNetwork(this.time, new SeededDice(1)),
    dice: new SeededDice(1),
  }).boot().clock;
  readonly store = new MemoryStore();

  node(pnn: number, mode: TickleMode = "established"): Keeping {
    return new Keeping(this, pnn, mode);
  }

  /** Virtual time goes on. */
  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(Math.min(endMs, this.time.nowMs + 10));
      await turn();
    }
  }
}

/** Out of reach. */
export const UNREACHED = new CtdbxError("timeout", "Cannot reach the node: nobody answers");
