/**
 * Commands run with `-o json` in this process, each result held against the schema that the command itself prints.
 *
 * Does NOT promise: that a schema says all there is to say; what a result must be is the test's to know.
 */

import * as assert from "uvu/assert";
import type { JsonSchema } from "../../cli/schema.ts";
import { wrongs } from "../cli/tree_rig.ts";
import { command, type Outcome } from "./dev_rig.ts";

/** What `-o json` prints. */
export interface Envelope {
  readonly data: unknown;
  readonly ok: boolean;
  readonly error?: { readonly exit: number; readonly message: string; readonly hint: string };
}

/** Runs a command with -o json, and holds it against its own schema. */
export async function checked(words: readonly string[]): Promise<Outcome & { envelope: Envelope }> {
  const outcome = await command([...words, "-o", "json"]);
  const schema = await command([...words, "--schema"]);
  assert.is(schema.exit, 0, `${words.join(" ")}: ${schema.err}`);
  const envelope: Envelope = JSON.parse(outcome.out);
  assert.equal(wrongs(JSON.parse(schema.out) as JsonSchema, envelope), [], words.join(" "));
  assert.is(envelope.ok, outcome.exit === 0, words.join(" "));
  if (outcome.exit === 0) assert.is(outcome.err, "", words.join(" "));
  else {
    const { data, error } = JSON.parse(outcome.err) as Envelope;
    assert.equal([data, error], [null, envelope.error]);
    assert.is(error?.exit, outcome.exit);
  }
  return { ...outcome, envelope };
}

/** The same, demanded to succeed; its data. */
export async function good(words: string | readonly string[]): Promise<unknown> {
  const list = typeof words === "string" ? words.split(" ") : words;
  const { exit, err, envelope } = await checked(list);
  assert.is(exit, 0, `${list.join(" ")}: ${err}`);
  return envelope.data;
}
