/**
 * How a run must end when all faults are over: every address that somebody can host is hosted, once, where the leader
 * wants it, and no run is open.
 *
 * Does NOT promise: anything about the time before.
 */
import type { IpAddress } from "../../../../transport/wire/address.ts";
import type { AddressSim } from "./address_sim.ts";

/** Judges the end. */
export function judgeAddresses(sim: AddressSim): void {
  const report = (text: string) => sim.checkers.report(sim.nowMs, "address end", text);
  const leaders = sim.addressHosts.filter(({ machine }) => machine?.leading !== undefined);
  const leading = leaders[0]?.machine?.leading;
  if (leaders.length !== 1 || leading === undefined) {
    return report(`${leaders.length} leaders of addresses`);
  }
  if (leading.runs.isOpen) report(`run ${leading.runs.run} has not ended`);
  for (const address of ableAddresses(sim)) {
    const holders = sim.holdersOf(address);
    if (holders.length !== 1) report(`${address} is hosted by ${holders.length} nodes`);
    const to = leading.desired.get(address);
    const nodeId = to === undefined ? undefined : leading.ledger.nodes.get(to)?.nodeId;
    const wanted = nodeId === undefined ? -1 : sim.indexOf(nodeId);
    if (holders.length === 1 && holders[0] !== wanted) {
      report(`${address} is at node ${holders[0]}, not at ${wanted}`);
    }
  }
}

/** Addresses that some node could host. */
function ableAddresses(sim: AddressSim): Set<IpAddress> {
  return new Set(sim.addressHosts.flatMap(({ machine }) => machine?.holder.able() ?? []));
}

/** Judges that there is something to judge: every listed address can be hosted by somebody. */
export function judgeOffers(sim: AddressSim): void {
  const able = ableAddresses(sim);
  for (const address of new Set(sim.addressHosts.flatMap(({ known }) => known))) {
    if (!able.has(address)) {
      sim.checkers.report(sim.nowMs, "address end", `nobody could host ${address}`);
    }
  }
}
