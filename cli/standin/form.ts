/**
 * What the stand-in of `ctdb` is asked, and what it answers: words and options of CTDB's tool, its forms of output.
 *
 *   -X nodestatus all   ──▶  { machine: "|", words: ["nodestatus", "all"] }  ──▶  |Node|IP|...|      exit code 0
 *
 * Does NOT promise: options that scripts do not use; an unknown one is refused by name.
 */

import type { Cluster } from "../../actors/client/types.ts";

/** A call of the tool. */
export interface StandinCall {
  readonly words: readonly string[];
  /** What stands between the fields of output for machines: "|" by -X; undefined: output for people. */
  readonly machine: string | undefined;
  readonly isVerbose: boolean;
}

/** What the tool says, and its exit code. */
export interface StandinEnd {
  readonly code: number;
  readonly out?: string;
  readonly err?: string;
}

/** The cluster, as far as the stand-in uses it. */
export type StandinCluster = Pick<Cluster, "attach" | "databases">;

/** What answers are made of. */
export interface StandinPorts {
  /** Asks the node of this machine. Throws Failure. */
  ask(verb: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** All of standard input. */
  input(): Promise<string>;
  /** Connects to the cluster by this node, for as long as `use` takes. Throws Failure, CtdbxError. */
  cluster<T>(use: (cluster: StandinCluster) => Promise<T>): Promise<T>;
  /** Tries to listen on a TCP port: 0, or the number of the system's error. */
  bind(port: number): Promise<number>;
}

const WITH_VALUE = new Set(["-t", "--timelimit", "-T", "--maxruntime", "-d", "--debug"]);

/** The call in the words of a command line; a text: what is wrong with it. */
export function callOf(given: readonly string[]): StandinCall | string {
  const words: string[] = [];
  let machine: string | undefined;
  let isVerbose = false;
  for (let at = 0; at < given.length; at++) {
    const word = given[at] as string;
    if (!word.startsWith("-") || word === "-") words.push(word);
    else if (word === "-X") machine = "|";
    else if (word === "-Y") machine = ":";
    else if (word === "-x") machine = given[++at] ?? "|";
    else if (word === "-v" || word === "--verbose") isVerbose = true;
    else if (WITH_VALUE.has(word)) at++;
    else if (!/^(?:--timelimit|--maxruntime|--debug)=/.test(word)) {
      return `Unknown option '${word}': ctdbx does not answer it`;
    }
  }
  return { words, machine, isVerbose };
}

/** Lines for machines, each field between separators: |a|b| */
export function machineLines(separator: string, rows: readonly (readonly unknown[])[]): string {
  return rows.map((row) => `${separator}${row.join(separator)}${separator}\n`).join("");
}

/** Is well, and says this. */
export function said(out: string): StandinEnd {
  return { code: 0, out };
}

/** Is not well, for this reason. */
export function unsaid(err: string, code = 1): StandinEnd {
  return { code, err: `${err}\n` };
}
