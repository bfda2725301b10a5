/**
 * `ctdbx nats conf`: the configuration of a nats-server of one's own, with permissions for everybody.
 *
 *   users: --user ROLE:NAME:KEY[:TAG] ...   or those of a node's document (--home)      --role alone: a template
 *     ──▶ nats.conf on stdout ──▶ nats-server -c nats.conf, or ctdbx nats server --conf nats.conf
 *
 * Does NOT promise: that a running server has it: write the file, then `kill -HUP` the server.
 */

import { resolve } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { isUserKey, tagOfKey } from "../../transport/nats_keys.ts";
import { natsConfig, type NatsServerOptions } from "../../transport/nats_config.ts";
import {
  NATS_ROLES,
  type NatsRole,
  type NatsUser,
  natsUsersOf,
  permissionsOf,
  permissionsText,
} from "../../transport/nats_roles.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { readSecretText } from "../../transport/real_nkeys.ts";
import { type NodeId, type Tag, tagOf } from "../../transport/wire/terms.ts";
import { findNode, readConfigFile } from "../config.ts";
import { type CommonFlags, declare } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { listenOf } from "../managed_nats.ts";
import { object, type RowOf } from "../result.ts";
import { list, maybe, record, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";

interface ConfFlags extends CommonFlags {
  readonly cluster?: string;
  readonly role?: NatsRole;
  readonly user?: readonly string[];
  readonly name: string;
  readonly listen: string;
  readonly store?: string;
  readonly clusterListen?: string;
  readonly routes?: readonly string[];
  readonly clusterSecret?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

const CONF = object({
  cluster: text("Cluster", "name of the ctdbx cluster, as in subjects"),
  role: maybe(word("Role", "the template's; null: this is a whole configuration", NATS_ROLES)),
  users: list(
    "Users",
    "who may connect",
    record("User", "somebody who may connect", {
      role: word("Role", "what it may do; gone: it was a node", [...NATS_ROLES, "gone"]),
      name: text("Name", "for people"),
      key: text("Public key", "by which the server knows it"),
      tag: text("Tag", "its sender in subjects"),
    }),
  ),
  text: text("Text", "of the configuration, or of the permissions"),
});

/** Words that stand for what each user has of its own. */
const TEMPLATE = { tag: "TAG", inbox: "_INBOX_KEYTAG" } as const;

/** Adds `conf` to `ctdbx nats`. */
export function addNatsConfCommand(nats: Command, world: CommandWorld): void {
  const command = nats.command("conf")
    .description("print the configuration of a nats-server with permissions for each role")
    .option("--cluster <cluster>", "name of the ctdbx cluster; default: that of the node")
    .option(
      "--user <role:name:key[:tag]>",
      "let somebody in; may be given again. A node needs its tag, or its id",
      (one: string, all: readonly string[] = []) => [...all, one],
    )
    .addOption(
      new Option("--role <role>", "print only what this role may do").choices(NATS_ROLES)
        .conflicts("user"),
    )
    .option("--name <name>", "the server's name; no two that meet may share one", "ctdbx")
    .option("--listen <host:port>", "where clients connect", "127.0.0.1:4222")
    .option("--store <folder>", "keep the leader lock's files there; without: no JetStream")
    .option("--cluster-listen <host:port>", "where other servers of one service connect")
    .option("--routes <host:port,...>", "those servers, by their cluster ports", split)
    .option("--cluster-secret <file>", "what those servers know and nobody else")
    .option("--tls-cert <file>", "demand TLS; the server's certificate")
    .option("--tls-key <file>", "and its key")
    .option(
      "--tls-ca <file>",
      "demand a certificate of this authority of everybody, and of routes",
    );
  declare<ConfFlags, RowOf<typeof CONF>>(
    command,
    world,
    { result: CONF, raw: "the configuration itself", asks: "home" },
    ({ flags, out }) => {
      const made = makeConf(flags);
      if (out.format === "raw") out.raw(new TextEncoder().encode(made.text));
      else out.object(made);
    },
  );
}

function split(text: string): string[] {
  return text.split(",").map((one) => one.trim()).filter((one) => one !== "");
}

function makeConf(flags: ConfFlags) {
  try {
    if (flags.role !== undefined) {
      const cluster = flags.cluster ?? "CLUSTER";
      const permissions = permissionsOf(flags.role, cluster, TEMPLATE);
      return { cluster, role: flags.role, users: [], text: permissionsText(permissions) };
    }
    const { cluster, users } = flags.user === undefined ? usersOfNode(flags) : usersNamed(flags);
    const options = { ...serverOptions(flags), roles: { cluster, users } };
    const head = `# ctdbx cluster ${cluster}; ${users.length} may connect.\n`;
    return { cluster, role: undefined, users, text: head + natsConfig(options) };
  } catch (error) {
    if (error instanceof RangeError) throw usage(error.message);
    throw error;
  }
}

/** Everybody that the document of a node lets in, as that is on its disk. */
function usersOfNode(flags: ConfFlags): { cluster: string; users: NatsUser[] } {
  const paths = findNode(flags.home, flags.nodeName);
  const { cluster } = readConfigFile(paths.config);
  const disk = new RealDisk();
  const doc = new MetaFile(disk, paths.state).load()?.accepted;
  const users = doc === undefined ? [] : natsUsersOf(doc);
  if (users.length > 0) return { cluster: flags.cluster ?? cluster, users };
  throw new Failure(
    EXIT.notFound,
    `Cannot make a configuration: the document in ${paths.state} has no keys`,
    "name who may connect: --user ROLE:NAME:KEY[:TAG]; `ctdbx nats creds` makes keys",
  );
}

function usersNamed(flags: ConfFlags): { cluster: string; users: NatsUser[] } {
  const { cluster, user = [] } = flags;
  if (cluster === undefined) throw usage("Cannot make a configuration: --user needs --cluster");
  return { cluster, users: user.map(userOf) };
}

/** Reads role:name:key[:tag]. Throws Failure. */
function userOf(given: string): NatsUser {
  const [role, name = "", key = "", tag, ...more] = given.split(":");
  const known = NATS_ROLES.find((one) => one === role);
  const wrong = (why: string) => usage(`Cannot let in "${given}": ${why}`);
  if (known === undefined) throw wrong(`a role is ${NATS_ROLES.join(", ")}`);
  if (more.length > 0 || key === "") throw wrong("it must be role:name:key, for a node with :tag");
  if (!isUserKey(key)) throw wrong("its key is no public key of a user (U...)");
  if (known !== "node") {
    if (tag !== undefined && tag !== tagOfKey(key)) {
      throw wrong(`the tag of its key is ${tagOfKey(key)}`);
    }
    return { role: known, name, key, tag: tagOfKey(key) };
  }
  if (tag === undefined) throw wrong("a node needs its tag or id; `ctdbx node show` has them");
  const isId = /^[0-9a-f]{32}$/.test(tag);
  return { role: known, name, key, tag: isId ? tagOf(tag as NodeId) : tag as Tag };
}

function serverOptions(flags: ConfFlags): NatsServerOptions {
  const { name, listen, store, clusterListen, routes, clusterSecret } = flags;
  const { tlsCert, tlsKey, tlsCa } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usage("Cannot make a configuration: --tls-cert and --tls-key go together");
  }
  if (tlsCa !== undefined && tlsCert === undefined) {
    throw usage("Cannot make a configuration: --tls-ca needs --tls-cert and --tls-key");
  }
  if (clusterListen === undefined && (routes ?? clusterSecret) !== undefined) {
    throw usage("Cannot make a configuration: --routes and --cluster-secret need --cluster-listen");
  }
  return {
    name,
    client: listenOf(listen),
    ...store === undefined ? {} : { storeFolder: resolve(store) },
    ...tlsCert === undefined || tlsKey === undefined ? {} : {
      tls: {
        cert: resolve(tlsCert),
        key: resolve(tlsKey),
        ...tlsCa === undefined ? {} : { ca: resolve(tlsCa) },
      },
    },
    ...clusterListen === undefined ? {} : {
      cluster: {
        ...listenOf(clusterListen),
        name: "ctdbx",
        routes: routes ?? [],
        ...clusterSecret === undefined
          ? {}
          : { secret: readSecretText(resolve(clusterSecret)).trim() },
      },
    },
  };
}
