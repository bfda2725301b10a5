/**
 * What a node's configuration says of services: checks and notifications.
 *
 * Does NOT promise: anything about event scripts; they have a section of their own.
 */
import { shownUrl } from "../../transport/probe.ts";
import type { ConfigTable } from "../config_table.ts";
import { type CheckConfig, readChecks } from "./checks_config.ts";
import { type NotifyConfig, readNotify } from "./notify_config.ts";

/** The part of a node's configuration that is about services. */
export interface ServicesConfig {
  /** Absent: none. */
  readonly checks?: readonly CheckConfig[];
  /** Absent: none. */
  readonly notify?: readonly NotifyConfig[];
}

/** Reads `[[check]]` and `[[notify]]`. Throws CtdbxError "config", which names the table and the key. */
export function readServices(root: ConfigTable): ServicesConfig {
  const checks = readChecks(root);
  const notify = readNotify(root);
  return {
    ...checks.length === 0 ? {} : { checks },
    ...notify.length === 0 ? {} : { notify },
  };
}

/**
 * Does it hold what only the node's owner may read: headers, which mostly are passwords, one in an address, or the
 * address of a webhook, which mostly is one?
 */
export function hasSecrets({ checks = [], notify = [] }: ServicesConfig): boolean {
  const isSecret = ({ wish }: CheckConfig): boolean =>
    wish.kind === "http" &&
    (wish.headers !== undefined || shownUrl(wish.url) !== new URL(wish.url).href);
  return checks.some(isSecret) || notify.some(({ way }) => way.kind === "webhook");
}
