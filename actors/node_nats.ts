/**
 * What a node's file says of NATS: where it is, how to log in, and the server that this node keeps itself.
 *
 *   [nats]         servers, inbox, tls = { ca, cert, key, server_name }, one of: nkey | creds | user + password | token
 *   [nats.server]  listen, advertise, store, cluster = { name, listen, routes, secret }, tls = { cert, key, ca }
 *   [nats.users]   file, pid: the daemon keeps the users of the document in a file for a server of the operator's own
 *
 * Does NOT promise: that files are there or hold what they should; whoever reads them says so.
 */
import type { ConfigTable } from "./config_table.ts";

/** What a node is told of NATS. */
export interface NatsOptions {
  /** Servers to connect to, host:port; the first that answers. */
  readonly servers: readonly string[];
  /** Path of the file with this node's key, or with credentials of an operator's own system. */
  readonly keyFile?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** First tokens of the subjects that answers come to, when permissions ask for it. */
  readonly inbox?: string;
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  };
  /** The server that the supervisor of this node keeps; undefined: none. */
  readonly server?: NatsServerPlan;
  /** Where the users of the document are kept for a server that somebody else starts. */
  readonly users?: UsersFile;
}

/** A nats-server beside a node. */
export interface NatsServerPlan {
  /** host:port. */
  readonly listen: string;
  /** host:port that others are told, when it is not that. */
  readonly advertise?: string;
  /** Folder of JetStream; default: in the node's state. Undefined with `store = false`: no JetStream. */
  readonly store?: string;
  readonly hasStore: boolean;
  /** Other servers of one service. */
  readonly cluster?: {
    readonly name: string;
    readonly listen: string;
    readonly routes: readonly string[];
    /** Path of a file with what all of them know. */
    readonly secretFile?: string;
  };
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

/** A file of users for a server, and the file that has the server's process id. */
export interface UsersFile {
  readonly file: string;
  /** When absent, nobody is told of a change. */
  readonly pidFile?: string;
}

/** Most servers that a node is told of. */
export const SERVERS_MAX = 64;

const ADDRESS = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[\w.-]{1,253}):\d{1,5}$/;
const ADDRESS_SAID = "host:port";
const PATH = /^\//;
const PATH_SAID = "an absolute path";
// deno-lint-ignore no-control-regex
const WORD = /^[^\x00-\x20\x7f]{1,512}$/;
const WORD_SAID = "1 to 512 characters, none of them blank";
const INBOX = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,4}$/;

/** Reads the table [nats] to its end. Throws CtdbxError "config". */
export function readNats(table: ConfigTable): NatsOptions {
  const nkey = table.maybeText("nkey", PATH, PATH_SAID);
  const creds = table.maybeText("creds", PATH, PATH_SAID);
  const user = table.maybeText("user", WORD, WORD_SAID);
  const password = table.maybeText("password", WORD, WORD_SAID);
  const token = table.maybeText("token", WORD, WORD_SAID);
  const ways = Object.entries({ nkey, creds, user, token }).filter(([, value]) => value);
  if (ways.length > 1) {
    const names = ways.map(([name]) => name).join(" and ");
    throw table.error(ways[1]?.[0] ?? "", `cannot be used with another way to log in: ${names}`);
  }
  if (password !== undefined && user === undefined) throw table.error("password", "needs user");
  const inbox = table.maybeText("inbox", INBOX, "words of A-Z a-z 0-9 _ - with dots between");
  const options: NatsOptions = {
    servers: table.texts("servers", ["127.0.0.1:4222"], SERVERS_MAX),
    ...given({ keyFile: nkey ?? creds, user, password, token, inbox }),
    ...given({ tls: readTls(table), server: readServer(table), users: readUsers(table) }),
  };
  table.end();
  return options;
}

function readTls(nats: ConfigTable): NatsOptions["tls"] {
  const table = nats.maybeTable("tls");
  if (table === undefined) return undefined;
  const tls = given({
    ca: table.maybeText("ca", PATH, PATH_SAID),
    cert: table.maybeText("cert", PATH, PATH_SAID),
    key: table.maybeText("key", PATH, PATH_SAID),
    serverName: table.maybeText("server_name", /^[\w.:-]{1,253}$/, "a host's name"),
  });
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw table.error(tls.cert === undefined ? "cert" : "key", "is missing: both or neither");
  }
  table.end();
  return tls;
}

function readServer(nats: ConfigTable): NatsServerPlan | undefined {
  const table = nats.maybeTable("server");
  if (table === undefined) return undefined;
  const store = table.maybeText("store", /^(?:\/.*|none)$/, `${PATH_SAID}, or "none"`);
  const plan: NatsServerPlan = {
    listen: table.maybeText("listen", ADDRESS, ADDRESS_SAID) ?? "127.0.0.1:4222",
    hasStore: store !== "none",
    ...given({
      advertise: table.maybeText("advertise", ADDRESS, ADDRESS_SAID),
      store: store === "none" ? undefined : store,
      cluster: readCluster(table),
      tls: readServerTls(table),
    }),
  };
  table.end();
  return plan;
}

function readCluster(server: ConfigTable): NatsServerPlan["cluster"] {
  const table = server.maybeTable("cluster");
  if (table === undefined) return undefined;
  const cluster = {
    name: table.maybeText("name", /^[\w.-]{1,64}$/, "1 to 64 of A-Z a-z 0-9 . _ -") ?? "ctdbx",
    listen: table.text("listen", ADDRESS, ADDRESS_SAID),
    routes: table.texts("routes", undefined, SERVERS_MAX),
    ...given({ secretFile: table.maybeText("secret", PATH, PATH_SAID) }),
  };
  table.end();
  return cluster;
}

function readServerTls(server: ConfigTable): NatsServerPlan["tls"] {
  const table = server.maybeTable("tls");
  if (table === undefined) return undefined;
  const tls = {
    cert: table.text("cert", PATH, PATH_SAID),
    key: table.text("key", PATH, PATH_SAID),
    ...given({ ca: table.maybeText("ca", PATH, PATH_SAID) }),
  };
  table.end();
  return tls;
}

function readUsers(nats: ConfigTable): UsersFile | undefined {
  const table = nats.maybeTable("users");
  if (table === undefined) return undefined;
  const users = {
    file: table.text("file", PATH, PATH_SAID),
    ...given({ pidFile: table.maybeText("pid", PATH, PATH_SAID) }),
  };
  table.end();
  return users;
}

/** The keys that have a value. */
type Given<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

function given<T extends object>(values: T): Given<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}
