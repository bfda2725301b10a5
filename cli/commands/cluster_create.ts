/**
 * `ctdbx cluster create NAME`: the first node of a new cluster, with its own nats-server or at those of the operator.
 *
 *   ctdbx cluster create lab --home ./n0 --listen 10.0.0.1:4222      then: invite, and on other machines: join
 *
 * Killed anywhere and run again with the same words, it finishes.
 *
 * Does NOT promise: a server that others reach, when it listens at 127.0.0.1 only; --listen names another address.
 */

import { hostname } from "node:os";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { oddName } from "../../actors/machines/cluster/membership.ts";
import type { LockConfig } from "../../actors/node_config.ts";
import { isClusterName } from "../../transport/wire/subjects.ts";
import { findNode, pathsInHome } from "../config.ts";
import { declare, type Task } from "../declare.ts";
import { usage } from "../failure.ts";
import { type Check, demand } from "../membership/checks.ts";
import type { ServerPlan } from "../membership/config_text.ts";
import { type CreateOptions, Creation } from "../membership/create_world.ts";
import type { Digest } from "../membership/join_plan.ts";
import { listenCheck } from "../membership/listening.ts";
import { NodeFiles } from "../membership/node_files.ts";
import { carryOut, survey } from "../membership/steps.ts";
import { DIGESTS, Teller, TOLD } from "../membership/telling.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, list, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";

/** Where nodes say that their services are, when nobody says otherwise: this, and their number. */
export const ADDR_PORT = 4379;
/** A host and a port. */
export const ADDRESS = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[\w.-]{1,253}):\d{1,5}$/;
const NATS_LISTEN = "127.0.0.1:4222";

const CREATED = object({
  cluster: text("Cluster", "its name"),
  clusterId: text("Cluster id", "32 hex digits"),
  node: text("Node", "name of its first node"),
  pnn: int("Pnn", "number of that node"),
  config: text("Configuration", "the node's file"),
  state: text("State", "folder of what it keeps"),
  servers: list("NATS", "servers that carry the cluster", text("Server", "host:port")),
  ownServer: flag("Own server", "does the node keep a nats-server?"),
  started: flag("Started", "does its daemon run?"),
  ...TOLD,
  digests: DIGESTS,
});
type Created = RowOf<typeof CREATED>;

/** Options, as commander has them. */
interface CreateFlags {
  readonly listen?: string;
  readonly advertise?: string;
  readonly servers?: readonly string[];
  readonly nkey?: string;
  readonly creds?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly lock: LockConfig;
  readonly addr?: string;
  readonly start: boolean;
  readonly dryRun?: boolean;
  readonly chaos?: boolean;
}

/** Adds `ctdbx cluster create`. */
export function addClusterCreateCommand(cluster: Command, world: CommandWorld): void {
  declare<CreateFlags, Created>(
    cluster.command("create <name>").description(
      "a new cluster, with this machine as its first node",
    )
      .option("--listen <address>", `where its nats-server listens (${NATS_LISTEN})`, address)
      .option("--advertise <address>", "where others reach that server, when elsewhere", address)
      .option("--servers <addresses>", "use these servers of NATS instead", addresses)
      .option("--nkey <file>", "with --servers: the key that the node has there")
      .option("--creds <file>", "with --servers: its credentials there")
      .option("--tls-ca <file>", "certificates of who vouches for the servers")
      .option("--tls-cert <file>", "its nats-server demands TLS and shows this certificate")
      .option("--tls-key <file>", "the key of that certificate")
      .addOption(
        new Option("--lock <kind>", "what chooses leaders: jetstream, file:PATH or single")
          .argParser(lockOf).default({ kind: "jetstream" }, "jetstream"),
      )
      .option("--addr <address>", `where the node's services are (host:${ADDR_PORT})`, address)
      .option("--no-start", "only make the files")
      .option("--dry-run", "show what would be done, and change nothing")
      .addOption(new Option("--chaos", "allow faults on demand").hideHelp()),
    world,
    { result: CREATED, asks: "home", changes: true },
    create,
  );
}

async function create(task: Task<CreateFlags, Created>, cluster = ""): Promise<void> {
  const { flags, out, signal } = task;
  const options = optionsOf(flags, cluster);
  const { files } = options;
  const cannot = `Cannot create ${cluster}`;
  const creation = new Creation(options);
  const teller = new Teller(out);
  let digests: readonly Digest[] = [];
  const steps = creation.steps((found) => digests = found);
  const checks = [...creation.checks(), ...await listenChecks(options)];
  const shown = (started: boolean): Created => ({
    cluster,
    clusterId: creation.clusterId,
    node: options.name,
    pnn: 0,
    config: files.paths.config,
    state: files.paths.state,
    servers: options.servers,
    ownServer: options.server !== undefined,
    started,
    dryRun: flags.dryRun === true,
    checks,
    steps: teller.steps(steps),
    digests,
  });
  teller.checks(checks);
  const isWrong = checks.some(({ ok }) => !ok);
  if (isWrong || flags.dryRun === true) {
    if (!isWrong) teller.plan(await survey(steps));
    if (!out.isTable) out.object(shown(false));
    return demand(checks, cannot);
  }
  await carryOut(steps, creation.journal(), teller, signal);
  if (!out.isTable) return out.object(shown(flags.start));
  teller.digests(digests);
  out.say(nextOf(options, flags));
}

/** Is the place of its own server free? Not asked when nothing is started, or when that server may run already. */
async function listenChecks({ server, start, files }: CreateOptions): Promise<Check[]> {
  const mayRun = files.journal("create")?.has("configuration") === true;
  if (server === undefined || !start || mayRun) return [];
  return [await listenCheck(server.listen)];
}

/** What to do next. */
function nextOf(
  { cluster, name, words, server, servers }: CreateOptions,
  { start }: CreateFlags,
): string {
  const place = words.join(" ");
  const made = `\nThe cluster ${cluster} is there, its first node is ${name}.\n`;
  if (!start) return `${made}Start it: ctdbx daemon start ${place}\n`;
  const isLocal = server !== undefined &&
    servers.every((each) => /^(?:127\.|localhost:)/.test(each));
  const local = isLocal
    ? "Its nats-server is reached from this machine only; create it with --listen HOST:PORT for more.\n"
    : "";
  return `${made}${local}Next: ctdbx cluster invite n1 ${place}    then, where n1 shall be: ` +
    "ctdbx cluster join n1.ctdbx-invite\n";
}

function optionsOf(
  flags: CreateFlags & { home?: string; nodeName?: string },
  cluster: string,
): CreateOptions {
  if (!isClusterName(cluster)) {
    throw usage(`Cannot create "${cluster}": a name is 1 to 63 of A-Z a-z 0-9 _ -`);
  }
  const { home, nodeName: name = "n0", servers, addr, lock } = flags;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    throw usage(`Cannot use "${name}" as the name of a node: 1 to 63 of A-Z a-z 0-9 . _ -`);
  }
  const odd = oddName(name);
  if (odd !== undefined) throw usage(`Cannot use "${name}" as the name of a node: ${odd}`);
  refuseMixture(flags);
  const server = servers === undefined ? serverOf(flags) : undefined;
  const { nkey, creds, tlsCa } = flags;
  return {
    files: new NodeFiles(home === undefined ? findNode(undefined, name) : pathsInHome(home)),
    words: home === undefined ? ["--node-name", name] : ["--home", resolve(home)],
    cluster,
    name,
    addr: addr ?? ownAddress(0),
    lock,
    server,
    servers: servers ?? [server?.advertise ?? server?.listen ?? NATS_LISTEN],
    keyFile: absolute(nkey ?? creds),
    ca: absolute(tlsCa),
    chaos: flags.chaos === true,
    start: flags.start,
  };
}

function refuseMixture(
  { servers, listen, advertise, tlsCert, tlsKey, nkey, creds }: CreateFlags,
): void {
  const own = Object.entries({ listen, advertise, "tls-cert": tlsCert, "tls-key": tlsKey })
    .find(([, value]) => value !== undefined)?.[0];
  const login = Object.entries({ nkey, creds }).find(([, value]) => value !== undefined)?.[0];
  if (servers !== undefined && own !== undefined) {
    throw usage(`Cannot use --servers with --${own}: servers of your own are not configured here`);
  }
  if (servers === undefined && login !== undefined) {
    throw usage(`Cannot use --${login} without --servers: the node's own server gets a new key`);
  }
  if (nkey !== undefined && creds !== undefined) throw usage("Cannot use --nkey with --creds");
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usage("Cannot use a part of TLS: --tls-cert and --tls-key go together");
  }
}

function serverOf({ listen = NATS_LISTEN, advertise, tlsCert, tlsKey }: CreateFlags): ServerPlan {
  const cert = absolute(tlsCert);
  const key = absolute(tlsKey);
  const isEverywhere = /^(?:0\.0\.0\.0|\[::\]):/.test(listen);
  const elsewhere = isEverywhere ? `${ownHost()}:${listen.split(":").at(-1)}` : undefined;
  const told = advertise ?? elsewhere;
  return {
    listen,
    ...told === undefined ? {} : { advertise: told },
    ...cert === undefined || key === undefined ? {} : { tls: { cert, key } },
  };
}

/** An address of a node of this machine, by its number. */
export function ownAddress(pnn: number): string {
  return `${ownHost()}:${ADDR_PORT + pnn % 60_000}`;
}

function ownHost(): string {
  const name = hostname();
  return /^[A-Za-z0-9.-]{1,253}$/.test(name) ? name : "127.0.0.1";
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

/** A parser of host:port for commander. */
export function address(text: string): string {
  const port = Number(text.split(":").at(-1));
  if (ADDRESS.test(text) && port >= 1 && port <= 65535) return text;
  throw new InvalidArgumentError("Must be host:port, as 10.0.0.1:4222 or [::1]:4222.");
}

/** A parser of several with commas between; given several times, all of them. */
export function addresses(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").filter((each) => each !== "").map(address)];
}

function lockOf(text: string): LockConfig {
  if (text === "jetstream" || text === "single") return { kind: text };
  if (text.startsWith("file:/")) return { kind: "file", path: text.slice(5) };
  throw new InvalidArgumentError("Must be jetstream, file:/ABSOLUTE/PATH or single.");
}
