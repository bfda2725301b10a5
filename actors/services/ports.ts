/**
 * What the services of a node need of the world beside the ports that every node has.
 *
 * Does NOT promise: a node without them; it has no checks then, and its configuration may name none.
 */
import type { Courier } from "../../transport/courier.ts";
import type { Groups } from "../../transport/group.ts";
import type { Prober } from "../../transport/probe.ts";

/** Who looks, who starts a service anew, who tells. */
export interface ServicePorts {
  readonly prober: Prober;
  readonly groups: Groups;
  readonly courier: Courier;
}
