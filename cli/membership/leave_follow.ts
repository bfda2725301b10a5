/**
 * Seeing a node out: asking again and again how far it is, whoever leads meanwhile, until it is gone.
 *
 *   ask ─▶ "its slots move" ─▶ "it hands the lead over" ─▶ ... ─▶ gone        no answer for a while: asked again
 *
 * Does NOT promise: an end; a step waits for what it needs, and says what that is.
 */

import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";

/** Where a node on its way out stands. */
export interface LeaveAnswer {
  readonly pnn: number;
  readonly name: string;
  readonly nodeId: string;
  readonly step: string;
  readonly text: string;
  readonly done: boolean;
}

/** What is asked, and how. */
export interface LeavePort {
  /** Begins it, or answers where it stands. Throws Failure. */
  readonly ask: () => Promise<LeaveAnswer>;
  /** Is this machine's own node gone, by its own files? */
  readonly isGone: () => boolean;
  readonly pause: () => Promise<void>;
  readonly nowMs: () => number;
}

/** Asks until the node is gone. Throws Failure: a refusal at once, "unknown outcome" when the time is over. */
export async function followLeave(
  port: LeavePort,
  limitMs: number,
  say: (step: string, text: string) => void,
): Promise<LeaveAnswer | undefined> {
  const endMs = port.nowMs() + limitMs;
  let last: LeaveAnswer | undefined;
  let lack = "no daemon has answered";
  for (;;) {
    if (port.isGone()) {
      return last === undefined ? undefined : { ...last, step: "gone", done: true };
    }
    try {
      const answer = await port.ask();
      if (answer.step !== last?.step) say(answer.step, answer.text);
      last = answer;
      lack = answer.text;
      if (answer.done) return answer;
    } catch (error) {
      if (!(error instanceof Failure) || !isPassing(error, last !== undefined)) throw error;
      lack = error.message;
    }
    if (port.nowMs() >= endMs) throw late(last, lack, limitMs);
    await port.pause();
  }
}

/** May it be different in a moment? A refusal is none; a daemon that has gone is one, once it had begun. */
function isPassing({ exit }: Failure, hasBegun: boolean): boolean {
  if (exit === EXIT.noQuorum || exit === EXIT.unknownOutcome) return true;
  return hasBegun && exit === EXIT.notFound;
}

function late(last: LeaveAnswer | undefined, lack: string, limitMs: number): Failure {
  const seconds = Math.round(limitMs / 1000);
  return new Failure(
    EXIT.unknownOutcome,
    last === undefined
      ? `Cannot tell the outcome: within ${seconds} s ${lack}`
      : `Cannot see ${last.name} gone within ${seconds} s: it is on its way out, ${lack}`,
    "it goes on by itself; run the command again to watch it",
  );
}
