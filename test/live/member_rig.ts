/**
 * A cluster that grows as a user makes it grow: created, invited to, joined by commands; each node has its own home.
 *
 *   const lab = await Lab.create();   const file = await lab.invite("n1");   await lab.join("n1");   await lab.end();
 *
 * Its nats-server is that of the first node, with roles; or one of the test's own.
 *
 * Does NOT promise: more than one machine; every node is on this one.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { EXIT } from "../../cli/exit_codes.ts";
import type { DocumentAnswer } from "../../cli/membership/document_answer.ts";
import { type NodePaths, pathsInHome } from "../../cli/config.ts";
import { isAlive, supervisorOf, until } from "../../cli/processes.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { tool } from "../tools.ts";
import { command, dataOf, eventually, kill, type Outcome, processesOf } from "./dev_rig.ts";
import { freePorts } from "./nats.ts";
import { ctdbx, type Process } from "./process.ts";

/** One cluster, below a folder of its own. */
export class Lab {
  readonly folder: string;
  readonly #port: number;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.#port = port;
  }

  /** An empty folder, and a port for a server. */
  static async empty(): Promise<Lab> {
    tool("nats-server");
    const [port = 0] = await freePorts(1);
    return new Lab(mkdtempSync(join(tmpdir(), "ctdbx-lab-")), port);
  }

  /** A cluster of one node, n0; `words` are further ones for `cluster create`. */
  static async create(words: readonly string[] = []): Promise<Lab> {
    const lab = await Lab.empty();
    const { exit, err } = await command(lab.createWords(words));
    if (exit === 0) return lab;
    await lab.end();
    throw new Error(`cluster create: ${err}`);
  }

  /** The words that make it. */
  createWords(words: readonly string[] = []): string[] {
    const own = words.includes("--servers") ? [] : ["--listen", `127.0.0.1:${this.#port}`];
    return ["cluster", "create", "lab", "--home", this.home("n0"), ...own, ...words];
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  paths(name: string): NodePaths {
    return pathsInHome(this.home(name));
  }

  /** The file of an invitation. */
  file(name: string): string {
    return join(this.folder, `${name}.ctdbx-invite`);
  }

  /** Runs `ctdbx WORDS` at a node. */
  async run(words: string | readonly string[], name = "n0"): Promise<Outcome> {
    const list = typeof words === "string" ? words.split(" ") : words;
    return await command([...list, "--home", this.home(name)]);
  }

  /** The same, demanded to succeed; its stdout. */
  async ok(words: string | readonly string[], name = "n0"): Promise<string> {
    const { exit, out, err } = await this.run(words, name);
    assert.is(exit, 0, `${words}: ${err}${out}`);
    return out;
  }

  /** The same, demanded to fail with this exit code; what it says on stderr. */
  async refused(exit: number, words: string | readonly string[], name = "n0"): Promise<string> {
    const outcome = await this.run(words, name);
    assert.is(outcome.exit, exit, `${words}: ${outcome.err}${outcome.out}`);
    return outcome.err;
  }

  /** The `data` of what a command prints as JSON, held against the schema that it prints. */
  async json<T>(words: string, name = "n0"): Promise<T> {
    const out = await this.ok(`${words} -o json`, name);
    const schema = JSON.parse(await this.ok(`${words} --schema`, name)) as JsonSchema;
    assert.equal(wrongs(schema, JSON.parse(out)), [], words);
    return dataOf<T>(out);
  }

  /** Invites somebody; answers the file. */
  async invite(name: string, ...words: string[]): Promise<string> {
    await this.ok(["cluster", "invite", name, "--out", this.file(name), ...words]);
    return this.file(name);
  }

  /** Joins by the invitation of a name. */
  async join(name: string, ...words: string[]): Promise<string> {
    return await this.ok(["cluster", "join", this.file(name), ...words], name);
  }

  /** Invites and joins. */
  async add(name: string, ...words: string[]): Promise<void> {
    await this.invite(name, ...words);
    await this.join(name);
  }

  async view(name = "n0"): Promise<DocumentAnswer> {
    return await this.json<DocumentAnswer>("cluster view", name);
  }

  /** The names of all nodes, and of those with a vote, in the order of their numbers. */
  async names(name = "n0"): Promise<{ nodes: string[]; voters: string[] }> {
    const { nodes, voters } = await this.view(name);
    return {
      nodes: nodes.map((node) => node.name),
      voters: (voters as unknown as string[]).toSorted(),
    };
  }

  async well(name = "n0"): Promise<void> {
    await this.ok("cluster wait --for all-ok,serving --timeout 20", name);
  }

  /** Kills supervisor and daemon of a node. */
  async killNode(name: string): Promise<void> {
    const home = this.home(name);
    kill(supervisorOf(this.paths(name).run) ?? 0, "SIGKILL");
    await eventually(`${name} is dead`, () => processesOf(home).length === 0);
  }

  /** Ends all of it by force, and removes it. */
  async end(): Promise<void> {
    const left = processesOf(this.folder);
    for (const pid of left) kill(pid, "SIGKILL");
    await until(() => left.every((pid) => !isAlive(pid)), 5000);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Kills a process as soon as something is so; one that ends before has failed the test. */
export async function killWhen(process: Process, isSo: () => boolean): Promise<void> {
  let hasEnded = false;
  void process.ended.then(() => hasEnded = true);
  while (!isSo()) {
    assert.not.ok(hasEnded && !isSo(), `it ended before it could be killed: ${process.err}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await process.end();
}

/** How often a journal says that a step was begun, or done. */
export function timesIn(journal: string, step: string, is: "begun" | "done"): number {
  const text = existsSync(journal) ? readFileSync(journal, "utf8") : "";
  return text.split(`"step":"${step}","is":"${is}"`).length - 1;
}

/**
 * Runs a command again and again, each time killed as soon as its journal has begun the next of these steps; not where
 * nothing was left to do in it.
 */
export async function killedAt(
  words: readonly string[],
  journal: string,
  steps: readonly string[],
): Promise<void> {
  for (const step of steps) {
    const isDone = () => timesIn(journal, step, "done") > 0;
    if (isDone()) continue;
    const before = timesIn(journal, step, "begun");
    await killWhen(ctdbx(words), () => timesIn(journal, step, "begun") > before || isDone());
  }
}

/** The same, then once to its end; its journal has begun each of them. */
export async function killedAtEach(
  words: readonly string[],
  journal: string,
  steps: readonly string[],
): Promise<void> {
  await killedAt(words, journal, steps);
  const { exit, err, out } = await command(words);
  assert.is(exit, 0, `${err}${out}`);
  for (const step of steps) assert.ok(timesIn(journal, step, "begun") > 0, step);
}

/** Two homes join by one invitation at the same time; answers the one that has, when all is as it must be. */
export async function twoJoin(lab: Lab, name: string): Promise<string> {
  const file = await lab.invite(name);
  const homes = ["a", "b"].map((letter) => `${name}${letter}`);
  const joins = homes.map((home) => ctdbx(["cluster", "join", file, "--home", lab.home(home)]));
  const exits = await Promise.all(joins.map(({ ended }) => ended));
  assert.equal(exits.toSorted(), [EXIT.ok, EXIT.conflict], joins.map(({ err }) => err).join());
  const [won = "", lost = ""] = exits[0] === EXIT.ok ? homes : homes.toReversed();
  const before = await lab.json<{ name: string; incarnation: string }>("node show", won);
  assert.is(before.name, name);
  // The one that came later may have been told so before it had made anything.
  if (existsSync(lab.home(lost))) {
    for (const words of ["daemon start", "daemon run", "daemon supervise"]) {
      const err = await lab.refused(EXIT.conflict, words, lost);
      assert.match(err, `Cannot start ${name}: it has not joined lab`);
    }
    const other = await lab.invite(`${name}other`);
    const err = await lab.refused(EXIT.conflict, ["cluster", "join", other], lost);
    assert.match(err, new RegExp(`a join as ${name} was begun in .*, and not finished`));
  }
  assert.is(processesOf(lab.home(lost)).length, 0);
  const after = await lab.json<{ incarnation: string }>("node show", won);
  assert.is(after.incarnation, before.incarnation, "its life goes on");
  await lab.well(won);
  return won;
}
