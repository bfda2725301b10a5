/**
 * Who looks at the services of a node, starts them anew, and tells of them: on this machine, for real.
 *
 * Does NOT promise: anything until it is used; a node without checks starts no process for them.
 */

import type { ServicePorts } from "../actors/services/ports.ts";
import { RealCourier } from "../transport/real_courier.ts";
import { RealGroups } from "../transport/real_group.ts";
import { RealProber } from "../transport/real_probe.ts";

/** The ports of one process. */
export function servicePorts(): ServicePorts {
  const groups = new RealGroups();
  return { groups, prober: new RealProber(groups), courier: new RealCourier(groups) };
}
