/**
 * Public addresses and a check for the nodes of a development cluster: so that it can be seen what moves when.
 *
 *   HOME/n0/public_addresses      two addresses for each node of the cluster, the same at each; stays as it is edited
 *   HOME/n0/service.up            what the check `service` looks for; removed: n0 is unhealthy. Made anew at each start
 *
 * Nothing of this machine's network is touched: the backend is dry, and the addresses are from 192.0.2.0/24, which is
 * kept free for examples (RFC 5737).
 *
 * Does NOT promise: that anybody answers at them.
 */

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The check that each node has. */
export const DEV_CHECK = "service";
/** Addresses for each node of the cluster. */
const ADDRESSES_EACH = 2;
/** The interface in the list; with a dry backend it need not be there. */
const INTERFACE = "dry0";

/** The file that the check of node `index` looks for. */
export function devServiceFile(home: string, index: number): string {
  return join(home, `n${index}`, "service.up");
}

function listFile(home: string, index: number): string {
  return join(home, `n${index}`, "public_addresses");
}

/** Addresses of a cluster of so many nodes: 192.0.2.1 and so on. */
export function devAddresses(nodes: number): string[] {
  return Array.from({ length: ADDRESSES_EACH * nodes }, (_, at) => `192.0.2.${at + 1}`);
}

/** The files of node `index`, whose folder must be there. */
export function writeDevFiles(home: string, index: number, nodes: number): void {
  const list = listFile(home, index);
  if (!existsSync(list)) {
    const lines = devAddresses(nodes).map((address) => `${address}/24 ${INTERFACE}\n`);
    const head = "# Addresses for clients. Change the list, then: ctdbx ip reload\n";
    writeFileSync(list, `${head}${lines.join("")}`, { mode: 0o600 });
  }
  markService(home, index, true);
}

/** Has the check of node `index` pass, for it finds its file. */
export function markService(home: string, index: number, isUp: boolean): void {
  if (isUp) writeFileSync(devServiceFile(home, index), "Remove me: the node is unhealthy then.\n");
  else rmSync(devServiceFile(home, index), { force: true });
}

/** Sections of the configuration of node `index`. */
export function devSections(home: string, index: number): string {
  // The look at a file is done at once; only a machine that stands still makes it late, and that is no failure.
  return `
[addresses]
file = ${JSON.stringify(listFile(home, index))}
backend = "dry"

[[check]]
name = "${DEV_CHECK}"
kind = "file"
path = ${JSON.stringify(devServiceFile(home, index))}
interval = "500ms"
timeout = "1m"
fails = ":1"
`;
}
