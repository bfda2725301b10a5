/**
 * The configuration file of a node that a command makes: text that actors/node_config.ts reads.
 *
 * Does NOT promise: to keep what people have written into one; a file that is there is never written again.
 */

import type { LockConfig } from "../../actors/node_config.ts";

/** What stands in it. */
export interface ConfigPlan {
  readonly cluster: string;
  readonly name: string;
  /** Servers of NATS, host:port. */
  readonly servers: readonly string[];
  /** Absolute path of a key; of credentials when `isCreds`. */
  readonly keyFile?: string | undefined;
  readonly isCreds?: boolean | undefined;
  /** Absolute path of the certificates that vouch for the servers. */
  readonly ca?: string | undefined;
  readonly lock: LockConfig;
  /** A server of the node's own. */
  readonly server?: ServerPlan | undefined;
  readonly chaos?: boolean | undefined;
}

/** A nats-server that the node keeps. */
export interface ServerPlan {
  /** host:port. */
  readonly listen: string;
  /** host:port that others are told, when it is another one. */
  readonly advertise?: string | undefined;
  /** Absolute paths; `ca`: clients must show a certificate of it. */
  readonly tls?:
    | { readonly cert: string; readonly key: string; readonly ca?: string | undefined }
    | undefined;
}

/** The text. `command` made it. */
export function configText(plan: ConfigPlan, command: string): string {
  const { cluster, name, servers, keyFile, isCreds = false, ca, lock, server, chaos } = plan;
  const lines = [
    `# Made by \`ctdbx ${command}\`; yours from now on.`,
    `cluster = ${quoted(cluster)}`,
    `name = ${quoted(name)}`,
    ...(chaos === true ? ["chaos = true"] : []),
    "",
    "[nats]",
    `servers = [${servers.map(quoted).join(", ")}]`,
    ...(keyFile === undefined ? [] : [`${isCreds ? "creds" : "nkey"} = ${quoted(keyFile)}`]),
    ...(ca === undefined ? [] : [`tls = { ca = ${quoted(ca)} }`]),
    ...serverLines(server),
    "",
    "[lock]",
    ...lockLines(lock),
  ];
  return `${lines.join("\n")}\n`;
}

function serverLines(server: ServerPlan | undefined): string[] {
  if (server === undefined) return [];
  const { listen, advertise, tls } = server;
  const files = Object.entries(tls ?? {}).filter(([, path]) => path !== undefined)
    .map(([key, path]) => `${key} = ${quoted(String(path))}`);
  return [
    "",
    "[nats.server]",
    `listen = ${quoted(listen)}`,
    ...(advertise === undefined ? [] : [`advertise = ${quoted(advertise)}`]),
    ...(files.length === 0 ? [] : [`tls = { ${files.join(", ")} }`]),
  ];
}

function lockLines(lock: LockConfig): string[] {
  const kind = `kind = ${quoted(lock.kind)}`;
  if (lock.kind === "file") return [kind, `path = ${quoted(lock.path)}`];
  if (lock.kind !== "helper") return [kind];
  return [kind, `command = [${lock.command.map(quoted).join(", ")}]`];
}

/** A text of TOML: its basic strings know the escapes of JSON. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007F");
}
