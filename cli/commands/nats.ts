/**
 * `ctdbx nats server`: a real nats-server with a safe configuration, in the foreground.
 *
 *   start -> where it listens, on stdout -> its log, on stderr -> Ctrl-C or SIGTERM -> it is stopped, exit 0
 *
 * Does NOT promise: that the server outlives the command; it dies with it, however the command ends.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Listen } from "../../transport/nats_config.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealDisk } from "../../transport/real_disk.ts";
import { RealHost } from "../../transport/real_host.ts";
import type { NatsServer, NatsStart } from "../../transport/real_nats_server.ts";
import { startNatsServer } from "../../transport/real_nats_server.ts";
import { onAbort } from "../ending.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, systemFailure, usage } from "../failure.ts";
import { declare, type Task } from "../declare.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { addNatsConfCommand } from "./nats_conf.ts";
import { addNatsCredsCommand } from "./nats_creds.ts";
import { addNatsUserCommands } from "./nats_user.ts";

interface ServerFlags {
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
  readonly conf?: string;
}

type ServerTask = Task<ServerFlags, RowOf<typeof SERVER>>;

const SERVER = object({
  name: text("Server", "its name"),
  address: text("Clients", "host:port where they connect"),
  clusterPort: maybe(int("Cluster port", "where other servers of one service connect")),
  leafPort: maybe(int("Leaf port", "where leaf nodes connect")),
  store: maybe(text("JetStream", "its folder; null: none, or that of --conf")),
  pid: int("Process", "its id"),
});

/** Adds `ctdbx nats`. */
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
    .addOption(
      new Option("--conf <file>", "run with this configuration, as `nats conf` prints it")
        .conflicts(["host", "port", "store", "cluster", "routes", "leafPort", "leaf"]),
    )
    .option("--quiet", "do not show the server's log");
  declare<ServerFlags, RowOf<typeof SERVER>>(server, world, { result: SERVER }, runServer);
  addNatsConfCommand(nats, world);
  addNatsCredsCommand(nats, world);
  addNatsUserCommands(nats, world);
}

async function runServer(task: ServerTask): Promise<void> {
  const { flags } = task;
  const named = flags.folder ?? flags.store;
  if (named !== undefined) return await serve(task, resolve(named));
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-nats-"));
  try {
    await serve(task, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function serve(task: ServerTask, folder: string): Promise<void> {
  const { world, flags } = task;
  const start = startOf(world, flags, folder);
  const parts = { host: new RealHost(), disk: new RealDisk(), clock: new RealClock() };
  const stopping = new AbortController();
  const onSignal = () => stopping.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  try {
    const server = await startNatsServer(parts, start);
    show(task, start, server);
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
    ...(flags.conf === undefined ? {} : { text: readConf(flags.conf) }),
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

function show({ out }: ServerTask, start: NatsStart, server: NatsServer): void {
  out.object({
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
  const asked = new Promise<"asked">((resolve) => void onAbort(signal, () => resolve("asked")));
  const first = await Promise.race([asked, server.child.ended]);
  if (first === "asked") return await server.stop();
  const how = first.signal ?? `exit code ${first.code}`;
  throw new Failure(EXIT.other, `Cannot go on: the server has ended (${how})`, "see its log above");
}

function readConf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw systemFailure(error, `Cannot read ${path}`);
  }
}

/** A parser of lists for commander; each is looked at again when the configuration is made. */
function addresses(text: string): string[] {
  const list = text.split(",").map((one) => one.trim());
  if (list.every((one) => one !== "")) return list;
  throw new InvalidArgumentError("Must be host:port, or several with commas between.");
}
