/**
 * What a client, or a node on behalf of its operator, asks a node; and the answer.
 *
 *   asker ── ASK {verb, args} ──▶ node        node ── ANSWER {ok | code, text} ──▶ the reply subject
 *
 * Arguments and results are JSON: the same as on the local socket (actors/control.ts), so that a verb is one thing.
 *
 * Does NOT promise: that a verb exists at another version; one that is not known is answered so.
 */

import type { ErrorCode } from "../errors.ts";
import { optional, text } from "../fields.ts";
import { ANSWER_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";

/** Longest arguments, characters of JSON: the longest key fits, as base64. It must come in one piece. */
const ARGS_MAX = 96 * 1024;

/** Asks a node to do or show something. */
export const ASK = declare("ask", {
  class: "ask",
  doc: "Client or node to node: do this, or show it. One who is to join asks so, too.",
  fromStrangers: true,
  bytesMax: ARGS_MAX + 1024,
  fields: {
    verb: text("The verb, as on the local socket.", 64, "^[a-z][a-z_ ]*$"),
    args: text("Its arguments: a JSON object.", ARGS_MAX),
  },
});
/** Asks a node to do or show something. */
export type Ask = MessageOf<typeof ASK>;

/** What came of it. */
export const ANSWER = declare("answer", {
  class: "ask",
  doc: "Node to who asked: the result, or why not.",
  bytesMax: ANSWER_MAX + 1024,
  fields: {
    ok: optional(text("The result as JSON; missing: it failed.", ANSWER_MAX)),
    code: optional(
      text<ErrorCode>(
        "Why not: an ErrorCode of transport/wire/errors.ts.",
        32,
        "^[a-z][a-z_]{0,31}$",
      ),
    ),
    text: optional(text("Why not, in words.")),
  },
});
/** What came of it. */
export type Answer = MessageOf<typeof ANSWER>;
