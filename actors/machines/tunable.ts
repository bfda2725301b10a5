/**
 * A value of a machine that may be set, with its unit and the odd values that the simulator may draw for it.
 *
 * Does NOT promise: that any mix of odd values is allowed; each machine's own list says what is.
 */

/** A value that may be set, and what the simulator sets it to. */
export interface Tunable {
  readonly name: string;
  readonly unit: "ms" | "count" | "bytes";
  readonly value: number;
  readonly wild: readonly number[];
  readonly doc: string;
}

/** Makes one. */
export function tunable(
  name: string,
  unit: Tunable["unit"],
  value: number,
  wild: readonly number[],
  doc: string,
): Tunable {
  return { name, unit, value, wild, doc };
}

/** A time, milliseconds. */
export function ms(name: string, value: number, wild: readonly number[], doc: string): Tunable {
  return tunable(name, "ms", value, wild, doc);
}

/** A number of things. */
export function count(name: string, value: number, wild: readonly number[], doc: string): Tunable {
  return tunable(name, "count", value, wild, doc);
}
