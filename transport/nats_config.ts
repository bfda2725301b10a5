/**
 * The configuration of a nats-server that ctdbx starts, as text: options in, text out.
 *
 *   client port      loopback unless told; 0 = any free one, said in the log
 *   JetStream        only with a store folder: a leaf without one passes its clients' calls on to the hub
 *   cluster, leaf    ports of their own, loopback unless told
 *   roles            users with keys and permissions (nats_roles.ts), from the options or from a file beside
 *   TLS              demanded of clients; with an authority they must show a certificate, too, and so must routes
 *
 * Does NOT promise: who may connect: without roles, user or password everybody who reaches the port may speak.
 */
import { accountsText, type NatsUser, usersText } from "./nats_roles.ts";

/** What others connect to. */
export interface Listen {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
}

/** What the server shall be. */
export interface NatsServerOptions {
  /** Unlike those of all servers it meets; letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly client: Listen;
  /** Folder of JetStream; no JetStream when absent. */
  readonly storeFolder?: string;
  /** Bytes that JetStream may take there. Default STORE_MAX. */
  readonly storeMax?: number;
  /** host:port that others are told to connect to, when it is not where it listens. */
  readonly advertise?: string;
  readonly cluster?: ClusterOptions;
  /** Where leaf nodes may connect. */
  readonly leafListen?: Listen;
  /** This server is a leaf of those, host:port of their leaf ports. */
  readonly leafOf?: readonly string[];
  /** Largest message, bytes; default PAYLOAD_MAX. */
  readonly payloadMax?: number;
  readonly user?: string;
  readonly password?: string;
  /** Who may connect and do what; instead of user and password. */
  readonly roles?: RoleOptions;
  readonly tls?: TlsFiles;
  /** Ids of processes can be read here. */
  readonly pidFile?: string;
}

/** Other servers that this one forms one service with. */
export interface ClusterOptions extends Listen {
  readonly name: string;
  /** host:port of the others' cluster ports. */
  readonly routes: readonly string[];
  /** What its servers know and nobody else: 16 to 128 of A-Z a-z 0-9 _ -. */
  readonly secret?: string;
}

/** Permissions by role. */
export interface RoleOptions {
  /** Name of the ctdbx cluster, as in subjects. */
  readonly cluster: string;
  /** Its users, or the name of a file beside the configuration that holds their text (usersText). */
  readonly users: readonly NatsUser[] | string;
}

/** Files of TLS, absolute paths. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Whoever connects must show a certificate of this authority. */
  readonly ca?: string;
}

/** Bytes of JetStream's folder: the lock's bucket is small, nothing else is kept there. 256 MiB. */
export const STORE_MAX = 256 * 1024 * 1024;
/** Largest message, bytes: 1 MiB. Above MESSAGE_MAX, for programs beside ctdbx. */
export const PAYLOAD_MAX = 1024 * 1024;
/** Clients of one server: nodes, their shards, programs. */
export const CONNECTIONS_MAX = 4096;
/** Servers of one cluster log in at each other as this. */
const ROUTE_USER = "ctdbx";
/** Bytes waiting for a client that does not read; beyond, it is cut. 64 MiB. */
const PENDING_MAX = 64 * 1024 * 1024;

/** The text. Throws RangeError on a name, host, port or path that is none. */
export function natsConfig(options: NatsServerOptions): string {
  const { name, client, user, password, pidFile } = options;
  const { storeFolder, storeMax = STORE_MAX, payloadMax = PAYLOAD_MAX } = options;
  const lines = [
    `server_name: ${word("a server's name", name)}`,
    `listen: ${listenText(client)}`,
    `max_payload: ${atLeast("payloadMax", payloadMax, 1024)}`,
    `max_connections: ${CONNECTIONS_MAX}`,
    `max_pending: ${PENDING_MAX}`,
    // A client whose socket takes nothing for so long is cut: the others wait no longer for it.
    `write_deadline: "2s"`,
    `ping_interval: "5s"`,
    `ping_max: 2`,
    `logtime: true`,
  ];
  if (pidFile !== undefined) lines.push(`pid_file: ${quoted("a path", pidFile)}`);
  if (user !== undefined || password !== undefined) {
    const secret = quoted("a password", password ?? "");
    lines.push(
      `authorization {\n  user: ${quoted("a user", user ?? "")}\n  password: ${secret}\n}`,
    );
  }
  if (storeFolder !== undefined) {
    const folder = quoted("a path", storeFolder);
    const max = atLeast("storeMax", storeMax, 1024 * 1024);
    lines.push(
      `jetstream {\n  store_dir: ${folder}\n  max_file_store: ${max}\n  max_memory_store: 1048576\n}`,
    );
  }
  lines.push(...accessText(options));
  if (options.cluster !== undefined) {
    if (storeFolder !== undefined && options.cluster.routes.length === 0) {
      // The server would refuse to start, in words that lead nowhere.
      throw new RangeError(
        "Cannot configure NATS: JetStream in a cluster needs routes; name the other servers, also those to come",
      );
    }
    lines.push(clusterText(options.cluster, options.tls));
  }
  const leaf = leafText(options);
  if (leaf !== undefined) lines.push(leaf);
  return `${lines.join("\n")}\n`;
}

/** TLS, where it is reached, and who may do what. */
function accessText(options: NatsServerOptions): string[] {
  const { tls, roles, advertise, storeFolder } = options;
  const lines: string[] = [];
  if (advertise !== undefined) lines.push(`client_advertise: "${addressText(advertise)}"`);
  if (tls !== undefined) lines.push(tlsText(tls, ""));
  if (roles === undefined) return lines;
  if (options.user !== undefined || options.password !== undefined) {
    throw new RangeError("Cannot configure NATS: roles go without user and password");
  }
  if (options.leafListen !== undefined || options.leafOf !== undefined) {
    throw new RangeError("Cannot configure NATS: a server with roles is no leaf and takes none");
  }
  const { cluster, users } = roles;
  const text = typeof users === "string"
    ? `include ${quoted("a file's name", users)}\n`
    : usersText(cluster, users);
  lines.push(accountsText(cluster, text, storeFolder !== undefined));
  return lines;
}

function tlsText({ cert, key, ca }: TlsFiles, by: string): string {
  const lines = [
    "tls {",
    `  cert_file: ${quoted("a path", cert)}`,
    `  key_file: ${quoted("a path", key)}`,
  ];
  if (ca !== undefined) lines.push(`  ca_file: ${quoted("a path", ca)}`, "  verify: true");
  return [...lines, "  timeout: 2", "}"].map((line) => by + line).join("\n");
}

function clusterText(cluster: ClusterOptions, tls: TlsFiles | undefined): string {
  const { secret } = cluster;
  if (secret !== undefined && !/^[\w-]{16,128}$/.test(secret)) {
    throw new RangeError(
      "Cannot configure NATS: the secret of routes is 16 to 128 of A-Z a-z 0-9 _ -",
    );
  }
  const login = secret === undefined ? "" : `${ROUTE_USER}:${secret}@`;
  const routes = cluster.routes.map((route) => `    ${urlText("nats-route", route, login)}`);
  const lines = [
    "cluster {",
    `  name: ${word("a cluster's name", cluster.name)}`,
    `  listen: ${listenText(cluster)}`,
    `  routes: [\n${routes.join("\n")}\n  ]`,
  ];
  if (secret !== undefined) {
    lines.push(`  authorization { user: "${ROUTE_USER}", password: "${secret}", timeout: 2 }`);
  }
  // Both ends of a route show a certificate: without an authority there is nothing to check it by.
  if (tls?.ca !== undefined) lines.push(tlsText(tls, "  "));
  return [...lines, "}"].join("\n");
}

function leafText({ leafListen, leafOf }: NatsServerOptions): string | undefined {
  if (leafListen === undefined && leafOf === undefined) return undefined;
  const lines = ["leafnodes {"];
  if (leafListen !== undefined) lines.push(`  listen: ${listenText(leafListen)}`);
  if (leafOf !== undefined) {
    const urls = leafOf.map((hub) => urlText("nats-leaf", hub)).join(", ");
    lines.push(`  reconnect: 1`, `  remotes: [ { urls: [ ${urls} ] } ]`);
  }
  return `${lines.join("\n")}\n}`;
}

/** Host and port as the server wants them; its own word for any free port is -1. */
function listenText({ host = "127.0.0.1", port }: Listen): string {
  if (!(Number.isInteger(port) && port >= 0 && port <= 65535)) {
    throw new RangeError(`Cannot configure NATS: a port is 0 to 65535, is ${port}`);
  }
  return `"${hostText(host)}:${port === 0 ? -1 : port}"`;
}

function hostText(host: string): string {
  if (/^[\w.-]{1,253}$/.test(host)) return host;
  if (/^[0-9a-fA-F:.]{2,45}$/.test(host)) return `[${host}]`;
  throw new RangeError(`Cannot configure NATS: ${JSON.stringify(host)} is no host`);
}

function urlText(scheme: string, address: string, login = ""): string {
  return `"${scheme}://${login}${addressText(address)}"`;
}

/** A host:port that was looked at. */
function addressText(address: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65535) {
    throw new RangeError(`Cannot configure NATS: ${JSON.stringify(address)} is no host:port`);
  }
  return `${hostText(host)}:${port}`;
}

function word(what: string, text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return `"${text}"`;
  throw new RangeError(
    `Cannot configure NATS: ${what} is 1 to 64 of A-Z a-z 0-9 . _ -, is ${JSON.stringify(text)}`,
  );
}

/** Can a text stand in a configuration? Not when it could end the quotes, or means something inside them. */
export function isQuotable(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/["'\\$\x00-\x1f\x7f]/.test(text) && text.length <= 4096;
}

/** A text as it is. Throws RangeError. */
function quoted(what: string, text: string): string {
  if (isQuotable(text)) return `"${text}"`;
  throw new RangeError(
    `Cannot configure NATS: ${what} may not hold quotes, $, \\ or control characters`,
  );
}

function atLeast(name: string, bytes: number, least: number): number {
  if (Number.isSafeInteger(bytes) && bytes >= least) return bytes;
  throw new RangeError(`Cannot configure NATS: ${name} must be ${least} or more, is ${bytes}`);
}
