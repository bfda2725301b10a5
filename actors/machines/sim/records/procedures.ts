/**
 * The built-in procedures as a simulation calls them: each call names its operation, and the ledger is told.
 *
 *   args = operation u32 LE, arguments of the procedure        note: puts the operation at the end of a bounded list
 *
 * Does NOT promise: that what is executed is stored; the states of the ledger say that.
 */
import { joinBytes, PROCEDURES, u32Bytes } from "../../record/procedures.ts";
import type { Procedure, ProcedureBook, Ran } from "../../record/procedures.ts";
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
  const length = Math.min(data.length + OP_SIZE, LIST_SIZE);
  const made = new Uint8Array(length);
  const kept = length - OP_SIZE;
  for (let at = 0, from = data.length - kept; at < kept; at++) made[at] = data[from + at] as number;
  for (let at = 0; at < OP_SIZE; at++) made[kept + at] = op >>> (8 * at);
  return made;
}

/** The operation that the arguments of a call begin with. */
function opOf(args: Uint8Array): number {
  let op = 0;
  for (let at = 0; at < OP_SIZE; at++) op |= (args[at] as number) << (8 * at);
  return op >>> 0;
}

/** The procedures of a daemon; one may lack some. `isProgram`: does a program have it, just now? */
export function proceduresFor(
  ledger: Ledger,
  lacksSome: boolean,
  isProgram: (name: string) => boolean,
): ProcedureBook {
  const made = new Map<string, Procedure>();
  const note: Procedure = (data, args) => {
    const op = opOf(args);
    const after = noted(data, op);
    return { ok: true, data: after, result: after.slice() };
  };
  made.set("note", watched(ledger, note, true, false));
  for (const [name, procedure] of PROCEDURES) {
    if (lacksSome && (name === "push" || name === "incr")) continue;
    made.set(name, watched(ledger, procedure, false, name === "delete"));
  }
  return { get: (name) => isProgram(name) ? "external" : made.get(name) };
}

function watched(
  ledger: Ledger,
  procedure: Procedure,
  isWhole: boolean,
  isAlwaysNew: boolean,
): Procedure {
  return (data, args): Ran => {
    const op = opOf(args);
    const ran = procedure(data, isWhole ? args : args.subarray(OP_SIZE));
    // A value that stays is no new state; one that is made is one of its own, whatever it says.
    if (!ran.ok || (ran.data === data && !isAlwaysNew)) return ran;
    const made = ran.data.slice();
    ledger.madeBy.set(made, { op, result: ran.result });
    return { ...ran, data: made };
  };
}
