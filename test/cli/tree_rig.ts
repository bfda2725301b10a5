/**
 * The command tree for tests, without a world: what is tested with it must not open anything. And the check of a
 * schema.
 *
 * Does NOT promise: that commands can be run in that world.
 */

import { Compile } from "typebox/schema";
import { commandTree } from "../../cli/run.ts";
import { type Part, partsOf } from "../../cli/tree.ts";
import type { JsonSchema } from "../../cli/schema.ts";
import type { CommandWorld } from "../../cli/world.ts";
import { capture } from "./capture.ts";

/** A world in which no database can be opened. */
export function closedWorld(terminal = capture()): CommandWorld {
  return {
    terminal,
    get store(): never {
      throw new Error("a file was opened");
    },
  };
}

/** All parts of the tree that help shows. */
export async function wholeTree(): Promise<Part[]> {
  return partsOf(await commandTree(closedWorld()));
}

/** Schemas as they are compiled, by their text: that takes longer than the command does that is checked. */
const CHECKS = new Map<string, ReturnType<typeof Compile>>();

/** What is wrong with a value by a schema; none: it is as declared. Throws when the schema is none. */
export function wrongs(schema: JsonSchema, value: unknown): string[] {
  const text = JSON.stringify(schema);
  const check = CHECKS.get(text) ?? Compile(schema as never);
  CHECKS.set(text, check);
  if (check.Check(value)) return [];
  const [, errors] = check.Errors(value);
  return errors.map(({ instancePath, message }) => `${instancePath}: ${message}`);
}
