/**
 * The configuration of a nats-server that ctdbx starts, as text: options in, text out.
 *
 *   client port      loopback unless told; 0 = any free one, said in the log
 *   JetStream        only with a store folder: a leaf without one passes its clients' calls on to the hub
 *   cluster, leaf    ports of their own, loopback unless told
 *
 * Does NOT promise: who may connect: without user and password everybody who reaches the port may speak.
 */

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
  /** Other servers of one cluster; `routes` are host:port of theirs. */
  readonly cluster?: Listen & { readonly name: string; readonly routes: readonly string[] };
  /** Where leaf nodes may connect. */
  readonly leafListen?: Listen;
  /** This server is a leaf of those, host:port of their leaf ports. */
  readonly leafOf?: readonly string[];
  /** Largest message, bytes; default PAYLOAD_MAX. */
  readonly payloadMax?: number;
  readonly user?: string;
  readonly password?: string;
  /** Ids of processes can be read here. */
  readonly pidFile?: string;
}

/** Bytes of JetStream's folder: the lock's bucket is small, nothing else is kept there. 256 MiB. */
export const STORE_MAX = 256 * 1024 * 1024;
/** Largest message, bytes: 1 MiB. Above MESSAGE_MAX, for programs beside ctdbx. */
export const PAYLOAD_MAX = 1024 * 1024;
/** Clients of one server: nodes, their shards, programs. */
export const CONNECTIONS_MAX = 4096;
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
  if (options.cluster !== undefined) {
    if (storeFolder !== undefined && options.cluster.routes.length === 0) {
      // The server would refuse to start, in words that lead nowhere.
      throw new RangeError(
        "Cannot configure NATS: JetStream in a cluster needs routes; name the other servers, also those to come",
      );
    }
    lines.push(clusterText(options.cluster));
  }
  const leaf = leafText(options);
  if (leaf !== undefined) lines.push(leaf);
  return `${lines.join("\n")}\n`;
}

function clusterText(cluster: NonNullable<NatsServerOptions["cluster"]>): string {
  const routes = cluster.routes.map((route) => `    ${urlText("nats-route", route)}`).join("\n");
  const name = word("a cluster's name", cluster.name);
  return `cluster {\n  name: ${name}\n  listen: ${
    listenText(cluster)
  }\n  routes: [\n${routes}\n  ]\n}`;
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

function urlText(scheme: string, address: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65535) {
    throw new RangeError(`Cannot configure NATS: ${JSON.stringify(address)} is no host:port`);
  }
  return `"${scheme}://${hostText(host)}:${port}"`;
}

function word(what: string, text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return `"${text}"`;
  throw new RangeError(
    `Cannot configure NATS: ${what} is 1 to 64 of A-Z a-z 0-9 . _ -, is ${JSON.stringify(text)}`,
  );
}

/** A text as it is; what could end the quotes or mean something inside them is refused. */
function quoted(what: string, text: string): string {
  // deno-lint-ignore no-control-regex
  if (!/["'\\$\x00-\x1f\x7f]/.test(text) && text.length <= 4096) return `"${text}"`;
  throw new RangeError(
    `Cannot configure NATS: ${what} may not hold quotes, $, \\ or control characters`,
  );
}

function atLeast(name: string, bytes: number, least: number): number {
  if (Number.isSafeInteger(bytes) && bytes >= least) return bytes;
  throw new RangeError(`Cannot configure NATS: ${name} must be ${least} or more, is ${bytes}`);
}
