/**
 * Where the connections of clients are kept: the port of who looks after them, and its adapter to a database.
 *
 *   change([10.1.1.1, 10.1.1.2], make) ──▶ one transaction: read both, make, write what is another record now
 *
 * The database is replicated: it is in the memory of several nodes, and gone when all of them are. It is made by who
 * first writes to it.
 *
 * Does NOT promise: that it can be reached. What cannot be done in STORE_MS is not done, or not known to be.
 */
import type { Cluster, Database } from "../../client/types.ts";
import { type IpAddress, parseAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import {
  type ConnectionRecord,
  countOf,
  decodeRecord,
  encodeRecord,
  NO_CONNECTIONS,
} from "./record.ts";
import type { Turns } from "./turns.ts";

/** The database of the cluster that has them. */
export const CONNECTIONS_DATABASE = "ctdbx_connections.tdb";
/** Each operation ends within, ms. */
export const STORE_MS = 5000;
/** Who makes the database asks so often while readers find none. */
const ATTACH_TRIES = 4;
/** Records that one transaction changes. */
export const CHANGES_MAX = 64;

/** What becomes of a record; undefined: it stays as it is. */
export type RecordChange = (
  address: IpAddress,
  record: ConnectionRecord,
) => ConnectionRecord | undefined;

/** The records. All reject with CtdbxError. */
export interface ConnectionStore {
  /** As this node has it, perhaps not the newest; without waiting for others. */
  read(address: IpAddress): Promise<ConnectionRecord>;
  /** Changes records, CHANGES_MAX at most, all or none; answers them as they are then. */
  change(
    addresses: readonly IpAddress[],
    make: RecordChange,
  ): Promise<ReadonlyMap<IpAddress, ConnectionRecord>>;
  /** All that are known. */
  all(): Promise<ReadonlyMap<IpAddress, ConnectionRecord>>;
  close(): void;
}

/** What of a cluster is used. */
export type StoreCluster = Pick<Cluster, "attach" | "close" | "closed">;

/** Records in a database of the cluster, reached as a program reaches it. */
export class DatabaseStore implements ConnectionStore {
  readonly #open: () => Promise<StoreCluster>;
  readonly #turns: Turns;
  #cluster: Promise<StoreCluster> | undefined;
  #isClosed = false;

  /** `open` connects to the own node; it is called again when a connection has ended for good. */
  constructor(open: () => Promise<StoreCluster>, turns: Turns) {
    this.#open = open;
    this.#turns = turns;
  }

  async read(address: IpAddress): Promise<ConnectionRecord> {
    const database = await this.#database(false);
    const bytes = await database?.read(address, { timeoutMs: STORE_MS });
    return recordOf(address, bytes);
  }

  async change(
    addresses: readonly IpAddress[],
    make: RecordChange,
  ): Promise<ReadonlyMap<IpAddress, ConnectionRecord>> {
    if (addresses.length > CHANGES_MAX) {
      throw new CtdbxError("limit", `Cannot change the records: CHANGES_MAX is ${CHANGES_MAX}`);
    }
    const database = await this.#database(true) as Database;
    const { value } = await database.transaction(async (tx) => {
      const found = await Promise.all(addresses.map((address) => tx.get(address)));
      const records = new Map<IpAddress, ConnectionRecord>();
      for (const [index, address] of addresses.entries()) {
        const before = recordOf(address, found[index]);
        const after = make(address, before);
        records.set(address, after ?? before);
        if (after !== undefined) tx.put(address, encodeRecord(address, after));
        await this.#turns.did(countOf(after ?? before));
      }
      return records;
    }, { timeoutMs: STORE_MS });
    return value;
  }

  async all(): Promise<ReadonlyMap<IpAddress, ConnectionRecord>> {
    const records = new Map<IpAddress, ConnectionRecord>();
    const database = await this.#database(false);
    if (database === undefined) return records;
    for await (const { key, value } of database.traverse({ timeoutMs: STORE_MS })) {
      const address = addressOf(key);
      if (address === undefined) continue;
      const record = recordOf(address, value);
      records.set(address, record);
      await this.#turns.did(countOf(record));
    }
    return records;
  }

  close(): void {
    this.#isClosed = true;
    this.#cluster?.then((cluster) => cluster.close(), () => {});
    this.#cluster = undefined;
  }

  /** Undefined: there is none, and none is to be made. */
  async #database(isMade: boolean): Promise<Database | undefined> {
    const cluster = await this.#reach();
    const options = { type: "replicated", create: isMade, timeoutMs: STORE_MS } as const;
    for (let tries = 1;; tries++) {
      try {
        return await cluster.attach(CONNECTIONS_DATABASE, options);
      } catch (error) {
        if (!(error instanceof CtdbxError) || error.code !== "not_found") throw error;
        if (!isMade) return undefined;
        // A reader that makes none was asking already, and this one has got its answer.
        if (tries === ATTACH_TRIES) throw error;
      }
    }
  }

  #reach(): Promise<StoreCluster> {
    if (this.#isClosed) {
      return Promise.reject(new CtdbxError("state", "Cannot look at connections: the node ends"));
    }
    if (this.#cluster !== undefined) return this.#cluster;
    const made = this.#open();
    const forget = (): void => {
      if (this.#cluster === made) this.#cluster = undefined;
    };
    this.#cluster = made;
    made.then((cluster) => cluster.closed.then(forget), forget);
    return made;
  }
}

/** What somebody else has written there counts as nothing, and is written over. Throws CtdbxError "version". */
function recordOf(address: IpAddress, bytes: Uint8Array | undefined): ConnectionRecord {
  if (bytes === undefined) return NO_CONNECTIONS;
  try {
    return decodeRecord(address, bytes);
  } catch (error) {
    if (error instanceof CtdbxError && error.code === "corrupt") return NO_CONNECTIONS;
    throw error;
  }
}

function addressOf(key: Uint8Array): IpAddress | undefined {
  try {
    return parseAddress(new TextDecoder().decode(key));
  } catch {
    return undefined;
  }
}
