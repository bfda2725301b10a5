/**
 * How checks, plans and steps are told: lines for people as they happen, and all of it as declared JSON in the end.
 *
 *   ok    clock         0.1 s apart                      to do  join       asks lab to take n3 onto its list
 *   WRONG space         only 3 MiB are free ...          done   join       ...
 *
 * Does NOT promise: lines in the other forms; those get the whole at the end.
 */

import type { ResultWriter } from "../result_writer.ts";
import { flag, int, list, maybe, record, text, u64, word } from "../schema.ts";
import type { Check } from "./checks.ts";
import type { Digest } from "./join_plan.ts";
import type { Step, StepState, Watcher } from "./steps.ts";

const CHECK = {
  name: text("Check", "what was looked at, in one word"),
  ok: flag("Ok", "is it as it must be?"),
  text: text("Found", "what was found"),
  hint: maybe(text("Hint", "what to do about it")),
};
const STEP = {
  name: text("Step", "the step, in one word"),
  text: text("What", "what it does"),
  state: word("State", "was it done, now or before?", ["done", "was done", "to do"]),
};
const DIGEST = {
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  version: maybe(u64("Version", "of the document that it has")),
  generation: maybe(u64("View", "the view that it has")),
  hash: maybe(text("Hash", "of all that the document says, 16 hex digits")),
  format: maybe(int("Format", "of the document")),
  error: maybe(text("Error", "why it did not answer")),
};

/** The fields of a declared result that say how it went. */
export const TOLD = {
  dryRun: flag("Dry run", "was it only looked at?"),
  checks: list("Checks", "what was looked at before", record("Check", "one of them", CHECK)),
  steps: list("Steps", "the plan", record("Step", "one step", STEP)),
};

/** The fields of a digest, for a list of them. */
export const DIGEST_FIELDS = DIGEST;
/** What the nodes have of the document, in a declared result. */
export const DIGESTS = list(
  "Digests",
  "what the nodes have of the document",
  record("Digest", "one node's", DIGEST),
);

/** Tells of one command. */
export class Teller implements Watcher {
  readonly #out: ResultWriter<object>;
  readonly #states = new Map<string, StepState>();

  constructor(out: ResultWriter<object>) {
    this.#out = out;
  }

  /** What was looked at. */
  checks(checks: readonly Check[]): void {
    const width = Math.max(...checks.map(({ name }) => name.length));
    for (const { name, ok, text, hint } of checks) {
      this.#line(`${ok ? "ok   " : "WRONG"}  ${name.padEnd(width)}  ${text}`);
      if (!ok && hint !== undefined) this.#line(`       ${"".padEnd(width)}  ${hint}`);
    }
  }

  /** What is to be done, and what is done already. */
  plan(found: readonly { readonly step: Step; readonly state: StepState }[]): void {
    for (const { step, state } of found) {
      this.#states.set(step.name, state);
      this.#line(`${state.padEnd(8)}  ${step.name.padEnd(13)}  ${step.text}`);
    }
  }

  step({ name, text }: Step, state: "begun" | "done" | "was done"): void {
    if (state === "begun") return;
    this.#states.set(name, state);
    this.#line(`${state.padEnd(8)}  ${name.padEnd(13)}  ${text}`);
  }

  say({ name }: Step, text: string): void {
    this.#line(`          ${name.padEnd(13)}  ${text}`);
  }

  /** The steps as JSON has them. */
  steps(all: readonly Step[]): { name: string; text: string; state: StepState }[] {
    return all.map(({ name, text }) => ({ name, text, state: this.#states.get(name) ?? "to do" }));
  }

  /** Who has what. */
  digests(digests: readonly Digest[]): void {
    if (digests.length === 0) return;
    const heard = digests.filter(({ error }) => error === undefined);
    const silent = digests.filter(({ error }) => error !== undefined);
    this.#line(`${agreement(heard.map(({ name }) => name))}, ${heard[0]?.hash ?? "unknown"}`);
    for (const { name, error } of silent) this.#line(`silent: ${name}: ${error}`);
  }

  #line(text: string): void {
    if (!this.#out.isTable) return;
    this.#out.say(`${text}\n`);
    this.#out.flush();
  }
}

/** "agreed: n0, n1 have the same document"; one alone agrees with nobody. */
function agreement(names: readonly string[]): string {
  return names.length === 1
    ? `document of ${names[0]}`
    : `agreed: ${names.join(", ")} have the same document`;
}
