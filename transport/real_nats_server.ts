/**
 * A real nats-server as a child: found, configured, started, stopped.
 *
 *   find: CTDBX_NATS_SERVER (a path, or "embedded") | PATH | /usr/sbin
 *         | the cache where build/setup.ts unpacks Debian's package
 *         | the one inside a binary, unpacked into the cache, or without one into the server's own folder
 *   start: FOLDER/nats.conf -> nats-server -c -> "Listening ..." for each port, "Server is ready" -> ports are known
 *
 * It dies with this process. Its log lines go through us, so that its last words can be told when it does not start.
 *
 * Does NOT promise: that the port is still free when the server comes back on it after a stop.
 */
import { accessSync, constants } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { natsConfig, type NatsServerOptions } from "./nats_config.ts";
import { cacheFolder, embeddedNats, type Packed, unpackProgram } from "./real_embedded.ts";
import { CtdbxError } from "./wire/errors.ts";
import type { Child, Clock, Disk, Host } from "./world.ts";

/** A server that is not ready by then is stopped, ms. JetStream may have much to read. */
const READY_MS = 15_000;
/** Time to end by itself before it is killed, ms. */
const STOP_MS = 5000;
/** Last words that are kept. */
const LINES_KEPT = 20;

/** What starting needs. */
export interface NatsStart extends NatsServerOptions {
  /** Folder for nats.conf; made when absent. */
  readonly folder: string;
  /** The configuration itself, instead of one that is made of the options. */
  readonly text?: string;
  /** The program; what findNatsServer() says when absent. */
  readonly program?: string;
  /** Each line of its log. */
  readonly onLine?: (line: string) => void;
}

/** The parts of the world that are needed. */
export interface NatsParts {
  readonly host: Host;
  readonly disk: Disk;
  readonly clock: Clock;
}

/** A server that listens. */
export interface NatsServer {
  readonly child: Child;
  /** host:port for clients. */
  readonly address: string;
  readonly port: number;
  /** Port for routes; undefined without cluster. */
  readonly clusterPort: number | undefined;
  /** Port for leaf nodes; undefined when it takes none. */
  readonly leafPort: number | undefined;
  /** Ends it, by force when it does not listen. Resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * The program, wherever it is; one inside this binary is unpacked, into `folder` when the user has no cache. Throws
 * "not_found" with what to do, "io" when it cannot be unpacked.
 */
export function findNatsServer(
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): string {
  const named = env["CTDBX_NATS_SERVER"];
  const inside = embeddedNats();
  if (named === "embedded") return unpackNats(inside, env, folder);
  if (named !== undefined && named !== "") {
    if (isExecutable(named)) return named;
    throw new CtdbxError("not_found", `Cannot start ${named} (CTDBX_NATS_SERVER): no program`);
  }
  const found = installedNatsServer(env);
  if (found !== undefined) return found;
  if (inside !== undefined) return unpackNats(inside, env, folder);
  throw new CtdbxError(
    "not_found",
    "Cannot start nats-server: it is not installed (Debian: apt-get install nats-server), " +
      "not unpacked in the cache, and CTDBX_NATS_SERVER names none",
  );
}

/** The program that is installed, without looking at CTDBX_NATS_SERVER; undefined: none is. */
export function installedNatsServer(
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const cache = cacheFolder(env);
  const folders = [
    ...(env["PATH"] ?? "").split(delimiter).filter((place) => place !== ""),
    "/usr/sbin",
    "/usr/local/sbin",
    ...(cache === undefined ? [] : [join(cache, "usr/sbin")]),
  ];
  return folders.map((place) => join(place, "nats-server")).find(isExecutable);
}

function unpackNats(
  inside: Packed | undefined,
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): string {
  if (inside === undefined) {
    throw new CtdbxError(
      "not_found",
      "Cannot start the embedded nats-server (CTDBX_NATS_SERVER): this program has none inside",
    );
  }
  const cache = cacheFolder(env);
  return unpackProgram(inside, cache === undefined ? [folder] : [cache, folder]);
}

/** Starts a server and waits until it listens. Throws "exists" (port in use), "not_found", "timeout", "io". */
export async function startNatsServer(parts: NatsParts, start: NatsStart): Promise<NatsServer> {
  const program = start.program ?? findNatsServer(process.env, start.folder);
  const config = join(start.folder, "nats.conf");
  const text = start.text ?? natsConfig(start);
  parts.disk.makeFolder(start.folder);
  await new Promise<void>((resolve, reject) => {
    const bytes = new TextEncoder().encode(text);
    parts.disk.replace(config, bytes, (error) => error === undefined ? resolve() : reject(error));
  });
  const birth = new Birth(start);
  // It logs on standard error; the shell is gone once it runs.
  const command = ["/bin/sh", "-c", 'exec "$0" "$@" 2>&1', program, "-c", config];
  const child = await parts.host.start(command, {
    env: natsEnv(process.env, availableParallelism()),
    onLine: (line) => {
      birth.hear(line);
      start.onLine?.(line);
    },
  });
  void child.ended.then(() => birth.dead());
  const callOff = parts.clock.after(READY_MS, () => birth.late());
  try {
    await birth.ready;
  } catch (error) {
    await stopChild(parts.clock, child);
    throw error;
  } finally {
    callOff();
  }
  const { port = 0, clusterPort, leafPort } = birth;
  const host = start.text === undefined ? start.client.host : birth.host;
  return {
    child,
    address: `${host ?? "127.0.0.1"}:${port}`,
    port,
    clusterPort,
    leafPort,
    stop: () => stopChild(parts.clock, child),
  };
}

/**
 * The environment of a server beside a node: it gets half of the cores, one at least, unless GOMAXPROCS says another
 * number. With all of them its threads wake each other up for each message, and take the cores from the node for it.
 */
export function natsEnv(
  env: Readonly<Record<string, string | undefined>>,
  cores: number,
): Record<string, string> {
  const known = Object.entries(env).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  const least = String(Math.max(1, Math.floor(cores / 2)));
  return { GOMAXPROCS: least, ...Object.fromEntries(known) };
}

/** Follows the first lines of a server until all its ports are known. */
class Birth {
  readonly ready: Promise<void>;
  /** As the server says it. */
  host: string | undefined;
  port: number | undefined;
  clusterPort: number | undefined;
  leafPort: number | undefined;
  readonly #start: NatsStart;
  readonly #lines: string[] = [];
  #resolve: () => void = () => {};
  #reject: (error: CtdbxError) => void = () => {};
  #isReady = false;

  constructor(start: NatsStart) {
    this.#start = start;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  hear(line: string): void {
    if (line.trim() !== "") this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    const match = /Listening for (client|route|leafnode) connections on (.*):(\d+)\s*$/.exec(line);
    const port = Number(match?.[3]);
    if (match?.[1] === "client") {
      this.port = port;
      this.host = match[2];
    }
    if (match?.[1] === "route") this.clusterPort = port;
    if (match?.[1] === "leafnode") this.leafPort = port;
    this.#isReady ||= /Server is ready/.test(line);
    const { cluster, leafListen } = this.#start;
    const isAll = this.#isReady && this.port !== undefined &&
      (cluster === undefined || this.clusterPort !== undefined) &&
      (leafListen === undefined || this.leafPort !== undefined);
    if (isAll) this.#resolve();
  }

  dead(): void {
    const grave = this.#lines.findLast((line) => /\[(?:FTL|ERR)\]|^nats-server: /.test(line));
    const last = grave ?? this.#lines.at(-1) ?? "it ended and said nothing";
    const why = last.replace(/^.*\[(?:FTL|ERR|INF)\]\s*/, "");
    const inUse = /address already in use/.test(why);
    const hint = inUse ? " (another server runs there?)" : "";
    const what = `Cannot start NATS server ${this.#start.name}`;
    this.#reject(new CtdbxError(inUse ? "exists" : "io", `${what}: ${why}${hint}`));
  }

  late(): void {
    const last = this.#lines.at(-1) ?? "";
    this.#reject(
      new CtdbxError("timeout", `Cannot start NATS server: not ready in ${READY_MS} ms; ${last}`),
    );
  }
}

async function stopChild(clock: Clock, child: Child): Promise<void> {
  child.signal("SIGTERM");
  child.signal("SIGCONT"); // a stopped one would not hear it
  const callOff = clock.after(STOP_MS, () => child.signal("SIGKILL"));
  await child.ended;
  callOff();
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
