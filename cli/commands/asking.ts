/**
 * What the commands share that ask a daemon: which one, one question with its answer, and the same of other nodes.
 *
 *   look: 5 s, changes nothing        askOnce: 20 s, may have changed something when no answer comes (exit code 5)
 *
 * Does NOT promise: an answer of another node than the one that is asked.
 */

import { existsSync } from "node:fs";
import { RealHost } from "../../transport/real_host.ts";
import type { NodePaths } from "../config.ts";
import { findNode, hasNodes } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { devHome, devNode, keeperOf, readPlan } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { HomeFlags } from "../home_option.ts";

export { type HomeFlags, homeOption } from "../home_option.ts";

/** How long the answer to a command is waited for, ms. */
const ANSWER_MS = 20_000;
/** How long the answer to a question is waited for, ms; a node asks others for 2 s. */
export const LOOK_MS = 5000;
/** Of several nodes of this machine the first is taken that answers within this, ms. */
const TRY_MS = 1000;

/** What one node answered to a relayed question; `error`: why it did not. */
export interface Relayed<T> {
  readonly pnn: number;
  readonly name: string;
  /** Round trip, ms with fractions. */
  readonly ms?: number;
  readonly ok?: T;
  readonly error?: string;
}

/** The node that a command asks, with the time limits of its options. */
export class Asked {
  readonly paths: NodePaths;
  readonly #requestMs: number | undefined;

  private constructor(paths: NodePaths, requestMs: number | undefined) {
    this.paths = paths;
    this.#requestMs = requestMs;
  }

  /** The one that the options mean. Throws Failure (usage or not found). */
  static async of(flags: HomeFlags & { readonly requestTimeout?: number }): Promise<Asked> {
    const { requestTimeout } = flags;
    const paths = await askedNode(flags);
    return new Asked(paths, requestTimeout === undefined ? undefined : 1000 * requestTimeout);
  }

  /** A question that changes nothing. Throws Failure. */
  async look(verb: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return await look(this.paths, verb, args, this.#requestMs ?? LOOK_MS);
  }

  /** A command. Throws Failure; "unknown outcome" when no answer came. */
  async ask(verb: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return await askOnce(this.paths, verb, args, this.#requestMs ?? ANSWER_MS);
  }

  /** A question to other nodes, by way of this one: "all", "others", or names and numbers. Throws Failure. */
  async around<T>(nodes: string, verb: string): Promise<Relayed<T>[]> {
    return await this.look("relay", { verb, nodes }) as Relayed<T>[];
  }
}

/**
 * The node that is asked: of a home, of a name, the only one of this machine, or the first of a dev cluster that
 * answers. Throws Failure (usage or not found).
 */
export async function askedNode(flags: HomeFlags): Promise<NodePaths> {
  const { nodeName } = flags;
  const home = askedHome(flags);
  const paths = findNode(home, nodeName);
  if (home === undefined || existsSync(paths.config)) return paths;
  const plan = readPlan(home);
  if (plan === undefined) {
    throw new Failure(
      EXIT.notFound,
      `Cannot find a node: there is no ${paths.config}`,
      "name the folder of a node, or that of a cluster made by `ctdbx dev up`",
    );
  }
  const nodes = Array.from({ length: plan.nodes }, (_, index) => devNode(home, index));
  const pings = nodes.map((node) =>
    look(node, "node ping", {}, TRY_MS).then(() => true, () => false)
  );
  // The first in their order, not the quickest: two commands in a row are to see the same node.
  for (const [index, answers] of pings.entries()) {
    if (await answers) return nodes[index] as NodePaths;
  }
  return devNode(home, 0);
}

/** The folder that the options, or nothing at all, mean: of a node, or of a dev cluster; undefined: a named node. */
export function askedHome(flags: HomeFlags): string | undefined {
  return flags.home ?? (flags.nodeName === undefined ? devHomeInUse() : undefined);
}

/** The home of the dev cluster that `npm start` or `dev up` keeps, when this machine has no other node. */
function devHomeInUse(): string | undefined {
  const home = devHome(undefined);
  return hasNodes() || keeperOf(home) === undefined ? undefined : home;
}

/** One command to a daemon. Throws Failure; "unknown outcome" when no answer came. */
export async function askOnce(
  paths: NodePaths,
  verb: string,
  args: Readonly<Record<string, unknown>> = {},
  timeoutMs: number = ANSWER_MS,
): Promise<unknown> {
  const daemon = await Daemon.dial(new RealHost(), paths);
  try {
    return await inTime(daemon.ask(verb, args), timeoutMs);
  } finally {
    daemon.close();
  }
}

/** One question that changes nothing: no answer is no more than that. Throws Failure. */
export async function look(
  paths: NodePaths,
  verb: string,
  args: Readonly<Record<string, unknown>> = {},
  timeoutMs: number = LOOK_MS,
): Promise<unknown> {
  try {
    return await askOnce(paths, verb, args, timeoutMs);
  } catch (error) {
    if (!(error instanceof Failure) || error.exit !== EXIT.unknownOutcome) throw error;
    const why = error.message.replace(/^[^:]*: /, "");
    throw new Failure(EXIT.other, `Cannot ask the daemon at ${paths.socket}: ${why}`, error.hint);
  }
}

/** When some nodes did not answer: exit code 9, or 1 when none did. */
export function silence(answers: readonly Relayed<unknown>[]): Failure | undefined {
  const silent = answers.filter(({ ok }) => ok === undefined);
  const [first] = silent;
  if (first === undefined) return undefined;
  const names = silent.map(({ name }) => name).join(", ");
  return new Failure(
    silent.length === answers.length ? EXIT.other : EXIT.partial,
    `Cannot ask ${names}: ${first.error ?? "no answer"}`,
    "`ctdbx cluster status` shows which nodes are heard",
  );
}

function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  // Who loses the race still rejects when the connection ends; nobody waits for it then.
  answer.catch(() => {});
  const timer = setTimeout(() => {
    const seconds = timeoutMs / 1000;
    reject(
      new Failure(
        EXIT.unknownOutcome,
        `Cannot tell the outcome: the daemon has not answered for ${seconds} s`,
        "it is stopped or hangs; its supervisor kills it after 30 s, `ctdbx daemon stop` ends it",
      ),
    );
  }, timeoutMs);
  return Promise.race([answer, promise]).finally(() => clearTimeout(timer));
}
