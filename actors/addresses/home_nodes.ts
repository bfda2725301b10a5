/**
 * The file `home_nodes` of newer CTDB: which node an address belongs to while that node can host it. It is used by
 * the deterministic plan only; an address that is not in it has the home of its place in the list.
 *
 *   ADDRESS PNN            10.1.1.1 0
 *
 * Does NOT promise: that the address is one of the cluster's; of others, plans take no notice.
 */

import type { IpAddress } from "../../transport/wire/address.ts";
import { NODES_MAX } from "../../transport/wire/limits.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { addressAt, lineFault, linesOf, SeenAddresses, shownWord } from "./address_lines.ts";

/**
 * Reads such a file. `where` names it in errors. Throws CtdbxError "config" with the line of what is wrong: no
 * address, one that comes twice, no number from 0 to NODES_MAX - 1, further words.
 */
export function readHomeNodes(text: string, where: string): Map<IpAddress, Pnn> {
  const seen = new SeenAddresses(where);
  const homes = new Map<IpAddress, Pnn>();
  for (const { number: line, words } of linesOf(text)) {
    const [first = "", pnn, ...more] = words;
    const address = addressAt(where, line, first);
    if (pnn === undefined) throw lineFault(where, line, `${address} has no number of a node`);
    if (!/^\d{1,4}$/.test(pnn) || Number(pnn) >= NODES_MAX) {
      const what = `the home of ${address} must be a node from 0 to ${NODES_MAX - 1}`;
      throw lineFault(where, line, `${what}, is ${shownWord(pnn)}`);
    }
    if (more[0] !== undefined) {
      throw lineFault(where, line, `${shownWord(more[0])} stands behind the number of the node`);
    }
    seen.add(address, line);
    homes.set(address, Number(pnn) as Pnn);
  }
  return homes;
}
