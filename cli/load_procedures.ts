/**
 * Procedures that a node's configuration names: code that the daemon itself runs on records, under their locks.
 *
 *   procedures = ["/etc/ctdbx/visits.ts"]
 *
 *   export const procedures = {
 *     "visit/1": (value, args) => ({ value: next(value), result: args }),     value undefined: the record is deleted
 *   };                                                                        no value: it stays as it is
 *
 * A procedure is a pure function that answers at once; what it throws is its refusal. All nodes should have the same
 * ones: where one is missing, the record moves to the caller.
 *
 * Does NOT promise: any limit on what such code does to the daemon; only its owner's files belong there.
 */

import { pathToFileURL } from "node:url";
import type { Procedure, Ran } from "../actors/machines/record/procedures.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { VALUE_MAX } from "../transport/wire/limits.ts";

/** The form of their names: those without a slash are built in. */
const NAME = /^[A-Za-z0-9_.-]{1,64}\/[0-9]{1,9}$/;
const NO_BYTES = new Uint8Array(0);

/** What such a function answers. */
interface Made {
  readonly value?: Uint8Array | string | undefined;
  readonly result?: Uint8Array | string;
}

/** Loads all files. Throws CtdbxError "config" with the file, the name and what is wrong. */
export async function loadProcedures(
  paths: readonly string[],
): Promise<ReadonlyMap<string, Procedure>> {
  const found = new Map<string, Procedure>();
  for (const path of paths) {
    for (const [name, code] of Object.entries(await tableOf(path))) {
      if (!NAME.test(name)) {
        throw wrong(path, `the name ${JSON.stringify(name)} is not NAME/VERSION`);
      }
      if (typeof code !== "function") throw wrong(path, `${name} is no function`);
      if (found.has(name)) throw wrong(path, `${name} is in another file, too`);
      found.set(name, procedureOf(code as Code));
    }
  }
  return found;
}

type Code = (value: Uint8Array | undefined, args: Uint8Array) => unknown;

async function tableOf(path: string): Promise<object> {
  let module: { readonly procedures?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    throw wrong(path, error instanceof Error ? error.message : String(error));
  }
  const { procedures } = module;
  if (typeof procedures === "object" && procedures !== null) return procedures;
  throw wrong(path, "it exports no object `procedures`");
}

function wrong(path: string, why: string): CtdbxError {
  return new CtdbxError("config", `Cannot load the procedures of ${path}: ${why}`);
}

function procedureOf(code: Code): Procedure {
  return (data, args): Ran => {
    let made: unknown;
    try {
      // A copy: what it keeps or changes is its own.
      made = code(data.length === 0 ? undefined : data.slice(), args.slice());
    } catch (error) {
      return { ok: false, why: error instanceof Error ? error.message : String(error) };
    }
    if (typeof made !== "object" || made === null) return refused("it answers no object");
    if (made instanceof Promise) {
      made.catch(() => {});
      return refused("it is asynchronous; here it must answer at once");
    }
    const { value, result } = made as Made;
    const next = "value" in made ? bytesOf(value) : data;
    const told = bytesOf(result);
    if (next === undefined || told === undefined) {
      return refused("value and result must be Uint8Array or text");
    }
    if (next.length > VALUE_MAX) return refused("the value would be too long");
    return { ok: true, data: next, result: told };
  };
}

function refused(why: string): Ran {
  return { ok: false, why: `the procedure has a mistake: ${why}` };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value === undefined) return NO_BYTES;
  if (typeof value === "string") return new TextEncoder().encode(value);
  // A slice of a Buffer would be no copy.
  return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
}
