/**
 * Can this machine set the addresses of a list at all?
 *
 * Does NOT promise: that an interface which is there now has a link; the backend looks at that all the time.
 */
import type { Interfaces } from "../../transport/interfaces.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { PublicAddress } from "./public_addresses.ts";

/** May addresses be set here, and is there an interface for each? Throws CtdbxError "denied", "not_found". */
export function requireSettable(interfaces: Interfaces, list: readonly PublicAddress[]): void {
  interfaces.requireRights();
  requireInterfaces(interfaces, list);
}

/** Is there an interface for each address? Throws CtdbxError "not_found". */
export function requireInterfaces(interfaces: Interfaces, list: readonly PublicAddress[]): void {
  const names = new Set(interfaces.links().map(({ name }) => name));
  for (const { address, interfaces: wanted, line } of list) {
    if (wanted.some((name) => names.has(name))) continue;
    const none = wanted.length === 1 ? `no interface ${wanted[0]}` : `none of ${wanted.join(", ")}`;
    const where = line === 0 ? "" : ` of line ${line} of the list`;
    throw new CtdbxError("not_found", `Cannot host ${address}${where}: there is ${none}`);
  }
}
