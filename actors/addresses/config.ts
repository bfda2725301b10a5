/**
 * What a node's configuration says of public addresses.
 *
 *   [addresses]  file = "/etc/ctdb/public_addresses"   home_nodes = "/etc/ctdb/home_nodes"   backend = "dry"
 *
 * Does NOT promise: that the files can be read; the daemon finds out when it starts, and says so.
 */
import type { ConfigTable } from "../config_table.ts";
import { TICKLE_MODES, type TickleMode } from "./clients/keeper.ts";

/** What there is to set addresses with. */
export const BACKENDS = ["dry", "iproute2"] as const;
/** One of BACKENDS. */
export type BackendName = (typeof BACKENDS)[number];

/** The section `[addresses]`. */
export interface AddressesConfig {
  /** The list of this node, as CTDB has it; absolute. */
  readonly file: string;
  /** Homes of addresses, for the deterministic plan; absolute. */
  readonly homeNodes?: string;
  readonly backend: BackendName;
  /** Which connections of clients are kept track of. Default: established. */
  readonly tickles?: TickleMode;
}

/** The part of a node's configuration that is about addresses. */
export interface WithAddresses {
  /** Absent: this node has no addresses of its own. */
  readonly addresses?: AddressesConfig;
}

/** Reads `[addresses]`. Throws CtdbxError "config", which names the key. */
export function readAddresses(root: ConfigTable): WithAddresses {
  const table = root.maybeTable("addresses");
  if (table === undefined) return {};
  const homeNodes = table.maybeText("home_nodes", /^\//, "an absolute path");
  const addresses = {
    file: table.text("file", /^\//, "an absolute path"),
    ...homeNodes === undefined ? {} : { homeNodes },
    backend: table.oneOf("backend", BACKENDS, "dry"),
    tickles: table.oneOf("tickles", TICKLE_MODES, "established"),
  };
  table.end();
  return { addresses };
}
