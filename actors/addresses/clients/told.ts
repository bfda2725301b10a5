/**
 * Connections that somebody tells: added to the records of their addresses, and taken away again.
 *
 * Does NOT promise: that there is such a connection, or that anybody holds the address.
 */
import type { IpAddress } from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Connection } from "../../../transport/wire/raw/endpoint.ts";
import { CONNECTIONS_MAX, keyOf } from "./record.ts";
import { CHANGES_MAX, type ConnectionStore } from "./store.ts";

/**
 * Adds connections, or takes them away; one that is (not) there already is passed over. Answers how many records
 * changed. Rejects with CtdbxError "limit" (CONNECTIONS_MAX), and what the store rejects with: then those of some
 * addresses may be told, and those of others not.
 */
export async function tellConnections(
  store: ConnectionStore,
  connections: readonly Connection[],
  isAdded: boolean,
): Promise<number> {
  const byAddress = new Map<IpAddress, string[]>();
  for (const connection of connections) {
    const { address } = connection.server;
    const keys = byAddress.get(address) ?? [];
    keys.push(keyOf(connection));
    byAddress.set(address, keys);
  }
  const addresses = [...byAddress.keys()];
  let changed = 0;
  for (let at = 0; at < addresses.length; at += CHANGES_MAX) {
    // By address: a transaction may run more than once.
    const done = new Set<IpAddress>();
    await store.change(addresses.slice(at, at + CHANGES_MAX), (address, record) => {
      const told = new Set(record.told);
      for (const key of byAddress.get(address) ?? []) {
        if (isAdded) told.add(key);
        else told.delete(key);
      }
      if (told.size > CONNECTIONS_MAX) {
        throw new CtdbxError(
          "limit",
          `Cannot add connections of ${address}: CONNECTIONS_MAX is ${CONNECTIONS_MAX}`,
        );
      }
      // What is taken away is gone, also where the kernel had it at the last look.
      const seen = new Set(record.seen);
      if (!isAdded) { for (const key of byAddress.get(address) ?? []) seen.delete(key); }
      const isSame = told.size === record.told.size && seen.size === record.seen.size;
      done.delete(address);
      if (isSame) return undefined;
      done.add(address);
      return { ...record, told, seen };
    });
    changed += done.size;
  }
  return changed;
}
