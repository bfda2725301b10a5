/**
 * Declaring a command: its result, and which of the options it takes that many commands have.
 *
 *   declare(cluster.command("status").description("..."), world, { result, asks: "nodes" }, run)
 *      every command   -o, --no-color, --schema, --timeout      asks: --home, --node-name, --request-timeout, -n
 *      waits: --wait       destroys: --yes
 *
 *   run(task, ...arguments) writes task.out; when it throws, JSON is closed with the reason, and the exit code is that
 *   of what was thrown.
 *
 * Does NOT promise: that the work stops when --timeout is over; the command ends, and `task.signal` says so.
 */

import type { Command } from "commander";
import { EXIT } from "./exit_codes.ts";
import { Failure, type Report, reportOf } from "./failure.ts";
import { homeOption } from "./home_option.ts";
import { json } from "./output.ts";
import { envelopeSchema, type Result, resultOfNodes } from "./result.ts";
import { ResultWriter } from "./result_writer.ts";
import type { JsonSchema } from "./schema.ts";
import { ClosedPipe } from "./terminal.ts";
import { Verdict } from "./verdict.ts";
import type { CommandWorld, OutputFlags } from "./world.ts";
import { outputOptions, seconds } from "./world.ts";

/** The options that declare() adds, as commander has them. */
export interface CommonFlags extends OutputFlags {
  readonly home?: string;
  /** The name of a node in /etc/ctdbx. */
  readonly nodeName?: string;
  /** Seconds for one request. */
  readonly requestTimeout?: number;
  /** Seconds for all of it. */
  readonly timeout?: number;
  /** Which nodes are asked: names and numbers with commas between, or all. */
  readonly node?: string;
  readonly wait?: boolean;
  readonly yes?: boolean;
}

/** What is declared of a command. */
export interface Spec<F extends object, T extends object> {
  /** Its result; a function when options change it, which must hold without any option, too. */
  readonly result: Result<T> | ((flags: F & CommonFlags) => Result<T>);
  /** It asks a node; "nodes": also several at once, with -n; "home": it asks none, but is about one of this machine. */
  readonly asks?: "home" | "node" | "nodes";
  /** With -n the command makes the rows of its declared result itself. */
  readonly hasOwnNodes?: boolean;
  /** What -n names, when the nodes are not asked but something is done to them. */
  readonly nodesText?: string;
  /** Something may have been changed when time is over: exit code 5 then, else 1. */
  readonly changes?: boolean;
  /** What --wait waits for, "until ...". */
  readonly waits?: string;
  /** What is destroyed, for --yes: "the files of the cluster". */
  readonly destroys?: string;
  /** What the command shows without -o, when that is no table: "the value's bytes as they are". */
  readonly raw?: string;
  /** With `raw`: does that hold with these options? Without: with all. */
  readonly isRaw?: (flags: F & CommonFlags) => boolean;
  /**
   * A --timeout that the command heeds itself, with its own text and default, seconds; `task.signal` fires. Without:
   * what is not done in time is ended.
   */
  readonly timeout?: { readonly text: string; readonly seconds?: number };
}

/** One run of a command. */
export interface Task<F extends object = object, T extends object = object> {
  readonly world: CommandWorld;
  readonly flags: F & CommonFlags;
  readonly out: ResultWriter<T>;
  /** Fires when --timeout is over. */
  readonly signal: AbortSignal;
  /** Asks before something is destroyed: `what` is a sentence without its mark. Throws Failure (needs --yes). */
  readonly confirm: (what: string) => Promise<void>;
}

/** An error whose reason the JSON on stdout has already. */
export class Reported extends Error {
  readonly report: Report;

  constructor(report: Report) {
    super(report.message);
    this.name = "Reported";
    this.report = report;
  }
}

/** What is known of a declared command. */
interface Declared {
  readonly result: (flags: object) => Result;
}

const DECLARED = Symbol("declared");

/** Declares a command that has its words, its description, and its own options. */
export function declare<F extends object = object, T extends object = object>(
  command: Command,
  world: CommandWorld,
  spec: Spec<F, T>,
  run: (task: Task<F, T>, ...args: (string | undefined)[]) => Promise<void> | void,
): Command {
  addOptions(command, spec);
  const declared: Declared = { result: (flags) => resultOf(spec, flags as F & CommonFlags) };
  Object.assign(command, { [DECLARED]: declared });
  return command.action(async () => {
    const flags = command.opts() as F & CommonFlags;
    const wanted = {
      format: flags.output ?? (isRaw(spec, flags) ? undefined : "table" as const),
      color: flags.color && world.terminal.colorAllowed,
    };
    const result = resultOf(spec, flags) as Result<T>;
    const out = new ResultWriter<T>(world.terminal.out, wanted, wordsOf(command), result);
    const end = new AbortController();
    const confirm = (what: string): Promise<void> => agreed(world, flags, what);
    const task: Task<F, T> = { world, flags, out, signal: end.signal, confirm };
    const args = command.processedArgs as (string | undefined)[];
    try {
      const work = Promise.resolve().then(() => run(task, ...args));
      await inTotal(work, flags.timeout, spec, end);
      out.end();
    } catch (error) {
      if (error instanceof ClosedPipe) throw error;
      if (error instanceof Verdict) {
        out.end();
        throw error;
      }
      const report = reportOf(error);
      try {
        out.fail(report);
      } catch {
        // Nobody reads it, or there is no room for it: what went wrong first counts.
      }
      throw new Reported(report);
    }
  });
}

/** The words of a command behind the program's name: "tdb get". */
export function wordsOf(command: Command): string {
  const words: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) words.unshift(at.name());
  return words.join(" ");
}

/** The schema of what `-o json` prints, with these options; undefined: the command declares no result. */
export function schemaOf(command: Command, flags: object): JsonSchema | undefined {
  const { [DECLARED]: declared } = command as { [DECLARED]?: Declared };
  if (declared === undefined) return undefined;
  return envelopeSchema(wordsOf(command), command.description(), declared.result(flags));
}

/** The schema as it is printed. */
export function schemaText(schema: JsonSchema): string {
  return `${json(schema, 2)}\n`;
}

function isRaw<F extends object, T extends object>(
  { raw, isRaw = () => true }: Spec<F, T>,
  flags: F & CommonFlags,
): boolean {
  return raw !== undefined && isRaw(flags);
}

function resultOf<F extends object, T extends object>(
  { result, asks, hasOwnNodes }: Spec<F, T>,
  flags: F & CommonFlags,
): Result {
  const one = (typeof result === "function" ? result(flags) : result) as Result;
  const ofNodes = asks === "nodes" && hasOwnNodes !== true && flags.node !== undefined;
  return ofNodes ? resultOfNodes(one) : one;
}

function addOptions<F extends object, T extends object>(command: Command, spec: Spec<F, T>): void {
  const { asks, waits, destroys, raw, timeout } = spec;
  const { nodesText = "ask these instead, through the one of --home" } = spec;
  if (asks !== undefined) homeOption(command);
  if (asks === "nodes") {
    command.option(
      "-n, --node <nodes>",
      `${nodesText}: numbers or names with commas between, or all`,
    );
  }
  if (waits !== undefined) command.option("--wait", `wait ${waits}`);
  if (destroys !== undefined) command.option("--yes", `do not ask before ${destroys}`);
  if (asks !== undefined && asks !== "home") {
    const shown = "wait so long for one answer (5; 20 where something is changed)";
    command.option("--request-timeout <seconds>", shown, seconds);
  }
  if (timeout === undefined) {
    command.option("--timeout <seconds>", "end after so long, whatever is not done", seconds);
  } else command.option("--timeout <seconds>", timeout.text, seconds, timeout.seconds);
  outputOptions(command, raw === undefined ? undefined : ` of the result (without: ${raw})`)
    .option("--schema", "print the JSON Schema of what -o json prints, and do nothing else");
}

/** The work, but no longer than the total time. */
async function inTotal<F extends object, T extends object>(
  work: Promise<void>,
  limit: number | undefined,
  { timeout, changes = false }: Spec<F, T>,
  end: AbortController,
): Promise<void> {
  if (limit === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  // Who loses the race may still reject; nobody waits for it then.
  work.catch(() => {});
  const timer = setTimeout(() => {
    if (timeout === undefined) reject(late(limit, changes));
    end.abort();
  }, limit * 1000);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function late(limit: number, changes: boolean): Failure {
  if (!changes) {
    return new Failure(
      EXIT.other,
      `Cannot go on: the ${limit} s of --timeout are over`,
      "a longer --timeout waits longer",
    );
  }
  return new Failure(
    EXIT.unknownOutcome,
    `Cannot tell the outcome: the ${limit} s of --timeout are over`,
    "look how it is before you repeat it",
  );
}

async function agreed(world: CommandWorld, flags: CommonFlags, what: string): Promise<void> {
  if (flags.yes === true) return;
  const { inIsTerminal, errIsTerminal, err } = world.terminal;
  const refusal = new Failure(EXIT.needsYes, `Cannot do it unasked: ${what}`, "--yes says so");
  if (!inIsTerminal || !errIsTerminal) throw refusal;
  err.write(`${what}. Go on? (yes/no) `);
  err.flush();
  const answer = await lineOf(world);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new Failure(EXIT.needsYes, `Cannot go on: the answer was no. ${what}`, "nothing was done");
}

/** One line from the keyboard, without its end. */
async function lineOf(world: CommandWorld): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of world.terminal.input()) {
    text += decoder.decode(piece, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return text;
}
