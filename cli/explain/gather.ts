/**
 * Gathers the facts for `explain`: everything at the same time, each with its own limit, so that what hangs costs a
 * part of a second and no more.
 *
 *   nodes of this machine ── files, processes        at once
 *                         ── socket: facts, others   SOCKET_MS; STOPPED_MS when its process is stopped
 *   NATS servers          ── greeting, log-in        GREET_MS, LOGIN_MS
 *
 * Does NOT promise: one moment; facts are up to some hundred milliseconds apart.
 */

import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { AroundAnswer } from "../../actors/explain/around.ts";
import type { Facts, InsideFacts, LoginFact, NodeFacts } from "../../actors/explain/facts.ts";
import type { OutsideFacts, ServerFact, SocketFact } from "../../actors/explain/facts.ts";
import { defaultTiming } from "../../actors/machines/cluster/tunables.ts";
import type { ImageStore } from "../../transport/image.ts";
import { RealHost } from "../../transport/real_host.ts";
import { findNode, hasNodes, type NodePaths, pathsInHome } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { devHome, devNode, readPlan } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { homeWords, type LocalNode, lookOutside } from "./outside.ts";
import { processFact } from "./processes.ts";
import { greetings, loginAs } from "./servers.ts";
import { Failure } from "../failure.ts";
import type { HomeFlags } from "../home_option.ts";

/** A daemon that is well answers within this, ms; who is only slow gets it, too. */
export const SOCKET_MS = 500;
/** The same of one whose process is stopped: it will not. */
const STOPPED_MS = 150;
/** So many nodes of this machine are told to ask all others: should the first be down, the next one knows. */
const AROUND_BY = 3;
/** Nodes of this machine that are looked at. */
const LOCAL_MAX = 64;
/** A folder with more entries is none of homes. */
const ENTRIES_MAX = 512;

/** Why a node of this machine has said nothing. */
const SILENCES: Readonly<Record<SocketFact["state"], string>> = {
  answers: "its daemon is of a version that does not know the question",
  starting: "its daemon is starting",
  silent: "its daemon does not answer on its socket",
  refused: "nobody listens on its socket",
  missing: "it has no socket",
  denied: "its socket is another user's",
  failed: "its socket cannot be used",
};

/** A node, and the options that name it. */
interface Place {
  readonly paths: NodePaths;
  readonly words: string;
}

/** What a daemon's socket gave. */
interface Heard {
  readonly socket: SocketFact;
  readonly inside?: InsideFacts;
  readonly clockAheadMs?: number;
  readonly around: readonly Told[];
}

/** What another node answered, and when that came. */
interface Told {
  readonly answer: AroundAnswer;
  readonly atMs: number;
}

/** Gathers all of it. Throws Failure when the options mean no node. */
export async function gather(flags: HomeFlags, store: ImageStore): Promise<Facts> {
  const { asked, isOpen } = placesOf(flags);
  const [first] = asked;
  if (first === undefined) throw new TypeError("no place to look at");
  const wallMs = Date.now();
  const local = new Map<string, LocalNode>();
  for (const place of [...asked, ...neighboursOf(first.paths)].slice(0, LOCAL_MAX)) {
    if (local.has(place.paths.run)) continue;
    local.set(place.paths.run, lookOutside(place.paths, place.words, store, wallMs));
  }
  const nodes = [...local.values()];
  const ours = nodes.filter((node, index) => index < asked.length || isAkin(nodes[0], node));
  const config = ours.find((node) => node.config !== undefined)?.config;
  const greeted = config === undefined ? Promise.resolve([]) : greetings(config.nats.servers);
  // Which one is asked is known at once, unless any of several may be meant.
  const early = isOpen ? undefined : greeted.then((servers) => loginFact(ours[0], servers));
  const [heard, servers] = await Promise.all([
    Promise.all(ours.map((node, index) => hear(node, index < AROUND_BY))),
    greeted,
  ]);
  // Of several that may be meant the first that answers.
  const answering = isOpen
    ? heard.findIndex(({ inside }, index) => index < asked.length && inside !== undefined)
    : 0;
  const at = Math.max(0, answering);
  const login = await (early ?? loginFact(ours[at], servers));
  return {
    nodes: mergedNodes(ours, heard, at),
    servers,
    ...login === undefined ? {} : { login },
    timing: defaultTiming(),
  };
}

/**
 * May two nodes be of one cluster? By the cluster's id where both have one in their files; else by its name and a
 * server that both use, for a cluster elsewhere may have the same name.
 */
function isAkin(one: LocalNode | undefined, other: LocalNode): boolean {
  if (one === undefined || one.config === undefined || other.config === undefined) return true;
  if (one.config.cluster !== other.config.cluster) return false;
  if (one.clusterId !== undefined && one.clusterId === other.clusterId) return true;
  const servers = new Set(one.config.nats.servers);
  return other.config.nats.servers.some((server) => servers.has(server));
}

/** The nodes that the options may mean; isOpen: any of them. Throws Failure. */
function placesOf(flags: HomeFlags): { readonly asked: Place[]; readonly isOpen: boolean } {
  const { home, nodeName } = flags;
  if (home === undefined && nodeName === undefined) {
    const dev = devHome(undefined);
    if (!hasNodes() && readPlan(dev) !== undefined) return devPlaces(dev);
    const paths = findNode(undefined, undefined);
    return { asked: [{ paths, words: wordsOf(paths) }], isOpen: false };
  }
  if (home === undefined) {
    const paths = findNode(undefined, nodeName);
    return { asked: [{ paths, words: wordsOf(paths) }], isOpen: false };
  }
  const paths = pathsInHome(home);
  if (existsSync(paths.config)) {
    return { asked: [{ paths, words: homeWords(resolve(home)) }], isOpen: false };
  }
  if (readPlan(home) !== undefined) return devPlaces(home);
  throw new Failure(
    EXIT.notFound,
    `Cannot find a node: there is no ${paths.config}`,
    "name the folder of a node, or that of a cluster made by `ctdbx dev up`",
  );
}

function devPlaces(home: string): { readonly asked: Place[]; readonly isOpen: boolean } {
  const count = readPlan(home)?.nodes ?? 0;
  const asked = Array.from({ length: count }, (_, index) => ({
    paths: devNode(home, index),
    words: homeWords(resolve(home, `n${index}`)),
  }));
  return { asked, isOpen: true };
}

function wordsOf({ config }: NodePaths): string {
  return `--node-name ${basename(config, ".toml")}`;
}

/** Other nodes of this machine: homes beside this one, or the other ones of /etc/ctdbx. */
function neighboursOf({ config, run }: NodePaths): Place[] {
  if (dirname(config) === "/etc/ctdbx") {
    return entries(dirname(config)).filter((name) => name.endsWith(".toml")).map((name) => {
      const paths = findNode(undefined, basename(name, ".toml"));
      return { paths, words: wordsOf(paths) };
    });
  }
  const above = dirname(dirname(config));
  return entries(above).map((name) => join(above, name))
    .filter((home) => existsSync(join(home, "ctdbx.toml")) && join(home, "run") !== run)
    .map((home) => ({ paths: pathsInHome(home), words: homeWords(home) }));
}

function entries(folder: string): string[] {
  try {
    const names = readdirSync(folder).sort();
    return names.length > ENTRIES_MAX ? [] : names;
  } catch {
    return [];
  }
}

/** Asks a daemon for its facts, and for those of the others. */
async function hear({ paths, outside }: LocalNode, asksAround: boolean): Promise<Heard> {
  const around: Told[] = [];
  if (!existsSync(paths.socket)) {
    return { socket: { state: "missing", waitedMs: 0 }, around };
  }
  const limitMs = outside.daemon?.state === "stopped" ? STOPPED_MS : SOCKET_MS;
  const startMs = performance.now();
  const waited = (): number => Math.round(performance.now() - startMs);
  let daemon: Daemon | undefined;
  try {
    daemon = await inTime(Daemon.dial(new RealHost(), paths), limitMs);
    const sentMs = Date.now();
    const facts = daemon.ask("explain facts", {}).then((answer) => {
      const inside = answer as InsideFacts;
      return { inside, clockAheadMs: Math.round(inside.wallMs - (sentMs + Date.now()) / 2) };
    });
    const others = asksAround
      ? daemon.watch("explain around", {}, (item) => {
        around.push({ answer: item as AroundAnswer, atMs: Date.now() });
      })
      : Promise.resolve();
    // The one without the other is of use, too.
    facts.catch(() => {});
    others.catch(() => {});
    const own = await inTime(facts, limitMs - waited());
    await inTime(others, limitMs - waited()).catch(() => {});
    return { socket: { state: "answers", waitedMs: waited() }, ...own, around };
  } catch (error) {
    return { socket: socketFact(error, waited()), around };
  } finally {
    daemon?.close();
  }
}

function socketFact(error: unknown, waitedMs: number): SocketFact {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof TooLate) return { state: "silent", waitedMs };
  if (!(error instanceof Failure)) return { state: "failed", waitedMs, text };
  if (error.exit === EXIT.denied) return { state: "denied", waitedMs, text };
  if (/the node is starting$/.test(text)) return { state: "starting", waitedMs };
  if (/no such verb$/.test(text)) return { state: "answers", waitedMs, text };
  // The file of the socket is there; or the daemon has ended while it was asked.
  if (error.exit === EXIT.notFound || error.exit === EXIT.unknownOutcome) {
    return { state: "refused", waitedMs };
  }
  return { state: "failed", waitedMs, text };
}

/** Time is over. */
class TooLate extends Error {}

/**
 * A promise, no longer than `limitMs`. Where this process itself was held up meanwhile, what has come is looked at
 * before the time is called over.
 */
function inTime<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  promise.catch(() => {});
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const late = (): void => reject(new TooLate());
    let timer = setTimeout(() => {
      const overMs = performance.now() - startMs - limitMs;
      timer = setTimeout(late, overMs > 20 ? 100 : 1);
    }, Math.max(1, limitMs));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** One that is silent may have been stopped a moment ago: its process is looked at again. */
function lookedAgain(outside: OutsideFacts): OutsideFacts {
  const { daemon, socket } = outside;
  if (daemon === undefined || socket.state !== "silent") return outside;
  return { ...outside, daemon: processFact(daemon.pid, []) };
}

async function loginFact(
  node: LocalNode | undefined,
  servers: readonly ServerFact[],
): Promise<LoginFact | undefined> {
  const demands = servers.some(({ state, demandsLogin }) => state === "greets" && demandsLogin);
  if (!demands || node?.config === undefined) return undefined;
  try {
    return await loginAs(node.config);
  } catch (error) {
    // A key that cannot be read, a server that is no address.
    return { state: "failed", text: error instanceof Error ? error.message : String(error) };
  }
}

/** One entry for each node, of all that was heard; the asked one first. */
function mergedNodes(
  ours: readonly LocalNode[],
  heard: readonly Heard[],
  askedAt: number,
): NodeFacts[] {
  const nodes = new Map<string, NodeFacts>();
  const order = [askedAt, ...ours.keys().filter((index) => index !== askedAt)];
  for (const index of order) {
    const { name: own, outside } = ours[index] as LocalNode;
    // Two homes with one name are two nodes.
    const name = nodes.has(own) ? `${own} (${outside.words})` : own;
    const { socket, inside, clockAheadMs } = heard[index] as Heard;
    nodes.set(name, {
      name,
      isAsked: index === askedAt,
      outside: lookedAgain({ ...outside, socket }),
      ...inside === undefined ? { silence: SILENCES[socket.state] } : { inside },
      ...clockAheadMs === undefined ? {} : { clockAheadMs },
    });
  }
  for (const { answer, atMs } of heard.flatMap(({ around }) => around)) {
    const { name, inside, silence, ms } = answer;
    const known = nodes.get(name);
    if (known?.inside !== undefined) continue;
    nodes.set(name, {
      ...known ?? { name, isAsked: false },
      ...inside === undefined ? {} : { inside },
      ...inside === undefined || known?.outside !== undefined
        ? {}
        : { clockAheadMs: Math.round(inside.wallMs - (atMs - ms / 2)) },
      ...silence === undefined ? {} : { silence: known?.silence ?? silence },
    });
  }
  for (const { inside } of heard) {
    for (const { name } of inside?.peers ?? []) {
      if (!nodes.has(name)) nodes.set(name, { name, isAsked: false });
    }
  }
  return [...nodes.values()];
}
