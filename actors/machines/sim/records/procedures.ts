/**
 * The built-in procedures as a simulation calls them: each call names its operation, and the ledger is told.
 *
 *   args = operation u32 LE, arguments of the procedure        note: puts the operation at the end of a bounded list
 *
 * Does NOT promise: that what is executed is stored; the states of the ledger say that.
 */
import { joinBytes, PROCEDURES, u32Bytes } from "../../record/procedures.ts";
import type { Procedure, Ran } from "../../record/procedures.ts";
import type { Ledger } from "./ledger.ts";

const OP_SIZE = 4;
/** Operations that a list remembers. */
const LIST_SIZE = 4 * 8;

/** Arguments of a call for an operation. */
export function argsFor(op: number, args: Uint8Array): Uint8Array {
  return joinBytes(u32Bytes(op), args);
}

/** The value that an operation makes of another: its number at the end of a bounded list. */
export function noted(data: Uint8Array, op: number): Uint8Array {
  const whole = joinBytes(data, u32Bytes(op));
  return whole.slice(Math.max(0, whole.length - LIST_SIZE));
}

/** The procedures of a daemon; one may lack some. */
export function proceduresFor(ledger: Ledger, lacksSome: boolean): ReadonlyMap<string, Procedure> {
  const made = new Map<string, Procedure>();
  const note: Procedure = (data, args) => {
    const op = new DataView(args.buffer, args.byteOffset).getUint32(0, true);
    const after = noted(data, op);
    return { ok: true, data: after, result: after.slice() };
  };
  made.set("note", watched(ledger, note, true, false));
  for (const [name, procedure] of PROCEDURES) {
    if (lacksSome && (name === "push" || name === "incr")) continue;
    made.set(name, watched(ledger, procedure, false, name === "delete"));
  }
  return made;
}

function watched(
  ledger: Ledger,
  procedure: Procedure,
  isWhole: boolean,
  isAlwaysNew: boolean,
): Procedure {
  return (data, args): Ran => {
    const op = new DataView(args.buffer, args.byteOffset).getUint32(0, true);
    const ran = procedure(data, isWhole ? args : args.subarray(OP_SIZE));
    // A value that stays is no new state; one that is made is one of its own, whatever it says.
    if (!ran.ok || (ran.data === data && !isAlwaysNew)) return ran;
    const made = ran.data.slice();
    ledger.madeBy.set(made, { op, result: ran.result });
    return { ...ran, data: made };
  };
}
