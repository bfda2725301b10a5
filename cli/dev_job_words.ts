/**
 * Words of the main job: times, and what has gone wrong.
 *
 * Does NOT promise: a form for programs; rows have the same words.
 */

import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";

/** A time for people: three digits. */
export function ms(value: number): string {
  if (value < 1) return `${Math.round(value * 1000)} us`;
  if (value < 100) return `${value.toFixed(1)} ms`;
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** The end of a main job in which something was not as promised. */
export function wrong(what: string): Failure {
  return new Failure(EXIT.other, `The main job has failed: ${what}`, "the nodes' logs say more");
}
