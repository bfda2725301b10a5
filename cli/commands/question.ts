/**
 * Commands that ask one question and show the answer: at the asked node, or with -n at several.
 *
 *   without -n   answer ── data() ──▶ the declared result
 *   with -n      relay ──▶ each answer ── data() ──▶ rows with askedPnn, asked, error; exit code 9 when some are silent
 *
 * Does NOT promise: the same moment; each node is asked when it is its turn.
 */

import type { Command } from "commander";
import { type CommonFlags, declare, type Spec, type Task } from "../declare.ts";
import { Failure } from "../failure.ts";
import { reportOf } from "../failure.ts";
import { Asked, type Relayed, silence } from "./asking.ts";

/** Which node an answer is of; undefined: of the one that is asked. */
export interface At {
  readonly pnn: number;
  readonly name: string;
}

/** A question, and what becomes of its answers. `T`: a row, or the object, of the declared result. */
export interface Question<F extends object, T extends object> {
  /** Verbs that are asked, each with an answer; those that are asked of others may have no arguments. */
  readonly verbs: readonly string[];
  /** The object, or the rows, that the answers make. Throws Failure when they make none. */
  readonly data: (
    answers: readonly unknown[],
    flags: F & CommonFlags,
    at: At | undefined,
    /** Of the command line. */
    args: readonly (string | undefined)[],
  ) => T | readonly T[];
  /** How people see it, of one node; without: as declared. */
  readonly people?: (task: Task<F, T>, data: T | readonly T[], answers: readonly unknown[]) => void;
  /** What is shown without -n, when it is more than the answer of the asked node. */
  readonly alone?: (task: Task<F, T>, asked: Asked) => Promise<void>;
  /** An exit code that follows from what is shown. */
  readonly judge?: (data: readonly T[], flags: F & CommonFlags) => Failure | undefined;
}

/** Declares a command that asks a question; it takes -n. */
export function declareQuestion<F extends object, T extends object>(
  command: Command,
  world: Task["world"],
  spec: Spec<F, T>,
  question: Question<F, T>,
): Command {
  return declare<F, T>(command, world, { ...spec, asks: "nodes" }, async (task, ...args) => {
    const asked = await Asked.of(task.flags);
    if (task.flags.node !== undefined) return await askNodes(task, asked, question, args);
    if (question.alone !== undefined) return await question.alone(task, asked);
    const answers: unknown[] = [];
    for (const verb of question.verbs) answers.push(await asked.look(verb));
    const data = question.data(answers, task.flags, undefined, args);
    if (task.out.isTable && question.people !== undefined) question.people(task, data, answers);
    else if (isList(data)) { for (const row of data) task.out.row(row); }
    else task.out.object(data);
    const objection = question.judge?.(isList(data) ? data : [data], task.flags);
    if (objection !== undefined) throw objection;
  });
}

async function askNodes<F extends object, T extends object>(
  task: Task<F, T>,
  asked: Asked,
  { verbs, data, judge }: Question<F, T>,
  args: readonly (string | undefined)[],
): Promise<void> {
  const rounds: Relayed<unknown>[][] = [];
  for (const verb of verbs) rounds.push(await asked.around(task.flags.node ?? "all", verb));
  const found: T[] = [];
  const ends: Relayed<unknown>[] = [];
  for (const [index, first] of (rounds[0] ?? []).entries()) {
    const { pnn, name } = first;
    const at = { askedPnn: pnn, asked: name };
    const all = rounds.map((round) => round[index]);
    const silent = all.find((each) => each?.ok === undefined);
    let error = silent === undefined ? undefined : silent.error ?? "no answer";
    if (error === undefined) {
      try {
        const made = data(all.map((each) => each?.ok), task.flags, { pnn, name }, args);
        const list = isList(made) ? made : [made];
        found.push(...list);
        for (const row of list) task.out.row({ ...row, ...at });
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        error = reportOf(thrown).message;
      }
    }
    if (error !== undefined) task.out.row({ ...at, error } as unknown as T);
    ends.push(error === undefined ? { pnn, name, ok: true } : { pnn, name, error });
  }
  const objection = silence(ends) ?? judge?.(found, task.flags);
  if (objection !== undefined) throw objection;
}

function isList<T>(data: T | readonly T[]): data is readonly T[] {
  return Array.isArray(data);
}
