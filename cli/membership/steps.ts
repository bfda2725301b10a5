/**
 * Doing a plan step by step, so that it can be killed anywhere and run again.
 *
 *   for each step:  done already? ──yes──▶ next        no ─▶ journal "begun" ─▶ do ─▶ is it done? ─▶ journal "done"
 *
 * Does NOT promise: that a step that was begun was not done: each must bear being done again.
 */

import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { Journal } from "./journal.ts";

/** One step of a plan. */
export interface Step {
  /** A word, for the journal. */
  readonly name: string;
  /** What it does, for people: "writes the key to ...". */
  readonly text: string;
  /** Is the world as the step leaves it? Looked up, never remembered. */
  readonly isDone: () => Promise<boolean> | boolean;
  /** Does it; `say` tells how far it is. Throws Failure. */
  readonly work: (say: (text: string) => void) => Promise<void> | void;
}

/** How a step came out. */
export type StepState = "done" | "was done" | "to do";

/** What is told while a plan is carried out. */
export interface Watcher {
  /** A step begins, or is done. */
  readonly step: (step: Step, state: "begun" | "done" | "was done") => void;
  /** How far the present step is. */
  readonly say: (step: Step, text: string) => void;
}

/** Carries out a plan. Throws what a step throws; what was done before stays done. */
export async function carryOut(
  steps: readonly Step[],
  journal: Journal,
  watcher: Watcher,
  signal?: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    signal?.throwIfAborted();
    if (await step.isDone()) {
      if (!journal.has(step.name)) journal.note(step.name, "done");
      watcher.step(step, "was done");
      continue;
    }
    journal.note(step.name, "begun");
    watcher.step(step, "begun");
    await step.work((text) => watcher.say(step, text));
    if (!await step.isDone()) {
      throw new Failure(
        EXIT.expectation,
        `Cannot see that it is done: ${step.text}`,
        "run the command again; it goes on where it was",
      );
    }
    journal.note(step.name, "done");
    watcher.step(step, "done");
  }
}

/** What is done of a plan, without doing anything. */
export async function survey(
  steps: readonly Step[],
): Promise<{ readonly step: Step; readonly state: StepState }[]> {
  const found: { step: Step; state: StepState }[] = [];
  for (const step of steps) {
    found.push({ step, state: await step.isDone() ? "was done" : "to do" });
  }
  return found;
}
