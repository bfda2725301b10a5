/**
 * The cluster as a program sees it, for commands that work on records: by way of a node of this machine, or over NATS
 * alone.
 *
 *   --home, --node-name ─▶ connect({ run })        --nats SERVERS --cluster NAME --creds FILE ─▶ connect({ servers })
 *
 * The library is loaded when it is needed. Its errors become exit codes here: "unknown" is 5, all others say that
 * nothing was done.
 *
 * Does NOT promise: that two commands in a row are served by the same node over NATS.
 */

import { resolve } from "node:path";
import type { Command } from "commander";
import type { Cluster, ConnectOptions, Database } from "../actors/client/types.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { isClusterName } from "../transport/wire/subjects.ts";
import { askedNode } from "./commands/asking.ts";
import { noDatabase } from "./commands/db_fields.ts";
import type { CommonFlags, Task } from "./declare.ts";
import { EXIT, EXIT_OF } from "./exit_codes.ts";
import { Failure, usage } from "./failure.ts";
import type { HomeFlags } from "./home_option.ts";

/** Options that say how the cluster is reached. */
export interface ConnectFlags extends HomeFlags {
  /** Servers of NATS, with commas between. */
  readonly nats?: string;
  readonly creds?: string;
  readonly cluster?: string;
  readonly tlsCa?: string;
}

/** How long one operation on a record may take, s; `--timeout` of commands that do one. */
export const OP_WAIT = {
  text: "end after so long: with exit code 5 when it may have been done, else 4",
  seconds: 10,
} as const;

/** Connecting, and one operation of commands that do many, may take so long, ms. */
export const ONE_MS = 10_000;

/** Adds --nats, --creds, --cluster and --tls-ca. */
export function connectOptions(command: Command): Command {
  return command
    .option("--nats <servers>", "go over NATS alone, host:port with commas between")
    .option("--creds <file>", "with --nats: key file (nkey or creds) of a client or an admin")
    .option("--cluster <name>", "with --nats: name of the cluster in subjects")
    .option("--tls-ca <file>", "with --nats: authority that vouches for the server");
}

/** What the library is told. Throws Failure. */
export async function connectWish(flags: ConnectFlags): Promise<ConnectOptions> {
  const { nats, creds, cluster, tlsCa } = flags;
  if (nats === undefined) {
    for (const [name, value] of Object.entries({ creds, cluster, "tls-ca": tlsCa })) {
      if (value !== undefined) throw usage(`Cannot use --${name}: it goes with --nats`);
    }
    return { run: (await askedNode(flags)).run };
  }
  if (cluster === undefined) {
    throw usage("Cannot tell which cluster is meant", "with --nats, --cluster names it");
  }
  if (!isClusterName(cluster)) throw usage(`Cannot use "${cluster}" as the name of a cluster`);
  return {
    servers: nats.split(",").filter((server) => server !== ""),
    cluster,
    ...creds === undefined ? {} : { keyFile: resolve(creds) },
    ...tlsCa === undefined ? {} : { tls: { ca: resolve(tlsCa) } },
  };
}

type Flags = ConnectFlags & CommonFlags;

/** Connects, hands the cluster to `use`, and ends the connection whatever happens. Throws Failure. */
export async function withCluster<T>(
  { world, flags }: Pick<Task<Flags>, "world" | "flags">,
  use: (cluster: Cluster) => Promise<T>,
  more: ConnectOptions = {},
): Promise<T> {
  const wish = { ...await connectWish(flags), ...deadline(flags), ...more };
  const connect = world.connect ?? (await import("../actors/mod.ts")).connect;
  let cluster: Cluster;
  try {
    cluster = await connect(wish);
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    const hint = flags.nats === undefined
      ? "`ctdbx cluster explain` says what is wrong with the node"
      : "--creds names the key of a client or an admin; is --cluster right?";
    throw new Failure(EXIT_OF[error.code] ?? EXIT.other, error.message, hint);
  }
  try {
    return await use(cluster);
  } catch (error) {
    throw recordFailure(error);
  } finally {
    await cluster.close();
  }
}

/** The same with one database. `create`: it is made when there is none. Throws Failure. */
export async function withDatabaseOf<T>(
  task: Pick<Task<Flags>, "world" | "flags">,
  name: string,
  use: (db: Database, cluster: Cluster) => Promise<T>,
  { create = false, ...more }: ConnectOptions & { readonly create?: boolean | undefined } = {},
): Promise<T> {
  return await withCluster(task, async (cluster) => {
    let db: Database;
    try {
      db = await cluster.attach(name, { create });
    } catch (error) {
      if (!(error instanceof CtdbxError) || error.code !== "not_found") throw error;
      throw noDatabase(name, (await cluster.databases()).map((each) => each.name));
    }
    return await use(db, cluster);
  }, more);
}

function deadline({ timeout }: CommonFlags): ConnectOptions {
  return timeout === undefined ? {} : { timeoutMs: Math.max(1, Math.round(1000 * timeout)) };
}

/** What to do, by the code of an error of the library. */
const HINTS: Partial<Record<CtdbxError["code"], string>> = {
  timeout: "nothing was done; `ctdbx rec where DATABASE KEY` says who holds the record up",
  unknown: "look at the record before you repeat it",
  busy: "nothing was done: try again",
  limit: "nothing was done; a key has up to 65535 bytes, a value up to 16 MiB",
  denied: "the node's files belong to its owner, and over NATS --creds names a client or an admin",
};

/** An error of the library as one of a command. */
export function recordFailure(error: unknown): unknown {
  if (!(error instanceof CtdbxError)) return error;
  const { code, message } = error;
  return new Failure(EXIT_OF[code] ?? EXIT.other, message, HINTS[code]);
}
