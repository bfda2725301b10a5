/**
 * `ctdbx nats server`: a real nats-server with a safe configuration, in the foreground.
 *
 *   start -> where it listens, on stdout -> its log, on stderr -> Ctrl-C or SIGTERM -> it is stopped, exit 0
 *
 * Does NOT promise: that the server outlives the command; it dies with it, however the command ends.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Listen } from "../../transport/nats_config.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { RealHost } from "../../transport/real_host.ts";
import type { NatsServer, NatsStart } from "../../transport/real_nats_server.ts";
import { startNatsServer } from "../../transport/real_nats_server.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { Column } from "../output.ts";
import { writeObject } from "../output.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, whole } from "../world.ts";

interface ServerFlags extends OutputFlags {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly store?: string;
  readonly cluster?: string;
  readonly clusterPort: number;
  readonly routes?: readonly string[];
  readonly leafPort?: number;
  readonly leaf?: readonly string[];
  readonly folder?: string;
  readonly quiet?: boolean;
}

const COLUMNS: readonly Column[] = [
  { name: "name", title: "Server" },
  { name: "address", title: "Clients" },
  { name: "clusterPort", title: "Cluster port" },
  { name: "leafPort", title: "Leaf port" },
  { name: "store", title: "JetStream" },
  { name: "pid", title: "Process" },
];

/** Adds `ctdbx nats server`. */
export function addNatsCommands(program: Command, world: CommandWorld): void {
  const nats = program.command("nats").description("the message server that carries ctdbx");
  const server = nats.command("server")
    .description("run a nats-server in the foreground; Ctrl-C stops it")
    .option("--name <name>", "its name; no two servers that meet may share one", "ctdbx")
    .option("--host <host>", "address to listen on; whoever reaches it may speak", "127.0.0.1")
    .option("--port <port>", "port for clients; 0 takes a free one", whole(0, 65535), 4222)
    .option("--store <folder>", "keep JetStream's files there (leader lock); without: no JetStream")
    .option("--cluster <name>", "be one of several servers of this cluster")
    .option("--cluster-port <port>", "port for the others of it", whole(0, 65535), 6222)
    .option("--routes <host:port,...>", "others of the cluster, by their cluster ports", addresses)
    .option("--leaf-port <port>", "let leaf nodes connect here", whole(0, 65535))
    .option("--leaf <host:port,...>", "be a leaf node of these, by their leaf ports", addresses)
    .option(
      "--folder <folder>",
      "where nats.conf is written; default: the store, or one of its own",
    )
    .option("--quiet", "do not show the server's log");
  outputOptions(server, " of where it listens")
    .action((flags: ServerFlags) => runServer(world, flags));
}

async function runServer(world: CommandWorld, flags: ServerFlags): Promise<void> {
  const named = flags.folder ?? flags.store;
  if (named !== undefined) return await serve(world, flags, resolve(named));
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-nats-"));
  try {
    await serve(world, flags, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function serve(world: CommandWorld, flags: ServerFlags, folder: string): Promise<void> {
  const start = startOf(world, flags, folder);
  const parts = { host: new RealHost(), disk: new RealDisk(), clock: new RealClock() };
  const stopping = new AbortController();
  const onSignal = () => stopping.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  try {
    const server = await startNatsServer(parts, start);
    show(world, flags, start, server);
    await stopped(server, stopping.signal);
  } catch (error) {
    if (error instanceof RangeError) throw usage(error.message);
    throw error;
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
  }
}

function startOf(world: CommandWorld, flags: ServerFlags, folder: string): NatsStart {
  const { err } = world.terminal;
  const { name, host, port, routes = [] } = flags;
  if (flags.routes !== undefined && flags.cluster === undefined) {
    throw usage("Cannot start the server: --routes needs --cluster", "name the cluster");
  }
  const store = flags.store === undefined ? undefined : resolve(flags.store);
  const on = (at: number): Listen => ({ host, port: at });
  if (!["127.0.0.1", "::1", "localhost"].includes(host)) {
    err.write(`ctdbx: ${host} is no loopback address: whoever reaches it may read and write\n`);
    err.flush();
  }
  return {
    name,
    folder,
    client: on(port),
    ...(store === undefined ? {} : { storeFolder: store }),
    ...(flags.cluster === undefined
      ? {}
      : { cluster: { ...on(flags.clusterPort), name: flags.cluster, routes } }),
    ...(flags.leafPort === undefined ? {} : { leafListen: on(flags.leafPort) }),
    ...(flags.leaf === undefined ? {} : { leafOf: flags.leaf }),
    onLine: (line) => {
      if (flags.quiet === true) return;
      err.write(`${line}\n`);
      err.flush();
    },
  };
}

function show(
  world: CommandWorld,
  flags: ServerFlags,
  start: NatsStart,
  server: NatsServer,
): void {
  const { out } = world.terminal;
  writeObject(out, lookOf(world, flags), COLUMNS, {
    name: start.name,
    address: server.address,
    clusterPort: server.clusterPort,
    leafPort: server.leafPort,
    store: start.storeFolder,
    pid: server.child.pid,
  });
  out.flush();
}

/** Resolves when a signal has come and the server is gone. Throws when it goes by itself. */
async function stopped(server: NatsServer, signal: AbortSignal): Promise<void> {
  const asked = new Promise<"asked">((resolve) => {
    if (signal.aborted) resolve("asked");
    signal.addEventListener("abort", () => resolve("asked"));
  });
  const first = await Promise.race([asked, server.child.ended]);
  if (first === "asked") return await server.stop();
  const how = first.signal ?? `exit code ${first.code}`;
  throw new Failure(EXIT.other, `Cannot go on: the server has ended (${how})`, "see its log above");
}

/** A parser of lists for commander; each is looked at again when the configuration is made. */
function addresses(text: string): string[] {
  const list = text.split(",").map((one) => one.trim());
  if (list.every((one) => one !== "")) return list;
  throw new InvalidArgumentError("Must be host:port, or several with commas between.");
}
