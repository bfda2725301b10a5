/**
 * What a node's daemon and its event daemon say to each other: lines of JSON over a unix socket, declared messages.
 *
 *   node ── run | cancel | list | switch | ping | stop ──▶ event daemon
 *   node ◀── ended | scripts | switched | pong | failed ── event daemon        each answer has its question's id
 *
 * Both ends are of the same build: there are no levels here.
 *
 * Does NOT promise: an answer; the event daemon may die, and then the node knows by the end of the connection.
 */
import type { TObject, TProperties } from "typebox";
import { checkOf } from "./check.ts";
import { faultFinder } from "./fault.ts";
import { flag, list, ms, oneOf, optional, record, type Shaped, text, u32 } from "./fields.ts";
import { objectOf } from "./schema.ts";
import type { SchemaNode } from "./schema.ts";

/** All events, as CTDB names them. */
export const EVENT_NAMES = [
  "init",
  "setup",
  "startup",
  "startrecovery",
  "recovered",
  "takeip",
  "releaseip",
  "updateip",
  "monitor",
  "shutdown",
  "ipreallocated",
  "startipreallocate",
] as const;

/** One of them. */
export type EventName = typeof EVENT_NAMES[number];

/** Arguments of an event. */
export const EVENT_ARGS_MAX = 16;
/** One argument, characters. */
export const EVENT_ARG_MAX = 256;
/** Scripts of a folder; a folder with more is refused. */
export const SCRIPTS_MAX = 128;
/** Longest name of a script, with its number and its ending, characters. */
export const SCRIPT_NAME_MAX = 128;
/** Of what a script says, so many bytes are kept: the last ones. */
export const SCRIPT_OUTPUT_MAX = 4096;
/** One line, bytes: all scripts of a folder with all that is kept of them, each character of it escaped. */
export const EVENT_LINE_MAX: number = 8 * 1024 * 1024;

/** How one script ended. */
export const SCRIPT_OUTCOMES = [
  "ok",
  "failed",
  "timeout",
  "killed",
  "refused",
  "disabled",
  "cancelled",
] as const;

const SCRIPT_END = record("script end", "how a script ended", {
  name: text("as 10.interface, without .script", SCRIPT_NAME_MAX),
  outcome: oneOf("killed: by a signal that nobody here sent", SCRIPT_OUTCOMES),
  exit: optional(u32("exit code", 255)),
  signal: optional(text("as SIGKILL", 16)),
  startWallMs: ms("when it was started, wall clock"),
  tookMs: ms("how long it ran"),
  output: text("the end of what it said", SCRIPT_OUTPUT_MAX + 1),
  cutBytes: ms("bytes that were dropped before that"),
  why: optional(text("why it was refused, or what else there is to say")),
});

/** How an event ended: one by one its scripts, in their order, until the first that failed. */
export const EVENT_OUTCOMES = ["ok", "failed", "timeout", "refused", "cancelled", "lost"] as const;

const EVENT_END = record("event end", "how an event ended", {
  event: oneOf("which", EVENT_NAMES),
  args: list("its arguments", text("one", EVENT_ARG_MAX), EVENT_ARGS_MAX),
  outcome: oneOf("lost: the event daemon died meanwhile", EVENT_OUTCOMES),
  startWallMs: ms("when it was started, wall clock"),
  tookMs: ms("how long it took"),
  scripts: list("those that were looked at", SCRIPT_END, SCRIPTS_MAX),
  why: optional(text("which script failed, and how; absent when all is well")),
});

/** What a script is: run in order, not run, refused (its event fails), or ignored (as if it were not there). */
export const SCRIPT_STATES = ["enabled", "disabled", "refused", "ignored"] as const;

const SCRIPT_ROW = record("script", "a script, as the folder has it", {
  name: text("as 10.interface, without .script", SCRIPT_NAME_MAX),
  state: oneOf("what becomes of it", SCRIPT_STATES),
  place: oneOf("stock: not in the folder of events, but it may be enabled from there", [
    "folder",
    "stock",
  ]),
  target: optional(text("what its link names", 4096)),
  why: optional(text("why it is refused, disabled or ignored")),
});

const ID = u32("given by who asks; its answer has it, too");

const QUESTIONS = {
  run: {
    id: ID,
    event: oneOf("which", EVENT_NAMES),
    args: list("its arguments", text("one", EVENT_ARG_MAX), EVENT_ARGS_MAX),
    timeoutMs: ms("all its scripts together may take so long"),
  },
  cancel: { id: ID },
  list: { id: ID },
  switch: {
    id: ID,
    name: text("of the script, with or without .script", SCRIPT_NAME_MAX),
    isEnabled: flag("is it to be run?"),
  },
  ping: { id: ID },
  stop: { id: ID },
} as const;

const ANSWERS = {
  ended: { id: ID, end: EVENT_END },
  scripts: {
    id: ID,
    scripts: list("in their order", SCRIPT_ROW, 4 * SCRIPTS_MAX),
    why: optional(text("why all events are refused: what is wrong with the folder itself")),
  },
  switched: { id: ID, script: SCRIPT_ROW },
  pong: { id: ID },
  failed: { id: ID, code: text("of an error", 32), text: text("in words", 1024) },
} as const;

type Said<Kinds extends Record<string, TProperties>> = {
  [Kind in keyof Kinds]:
    & { readonly kind: Kind }
    & Shaped<TObject<Kinds[Kind]>>;
}[keyof Kinds];

/** What a node asks of its event daemon. */
export type EventQuestion = Said<typeof QUESTIONS>;
/** What the event daemon answers. */
export type EventAnswer = Said<typeof ANSWERS>;
/** How an event ended. */
export type EventEnd = Shaped<typeof EVENT_END>;
/** How a script ended. */
export type ScriptEnd = Shaped<typeof SCRIPT_END>;
/** A script, as the folder has it. */
export type ScriptRow = Shaped<typeof SCRIPT_ROW>;

/** How one kind is checked. */
interface Check {
  readonly check: (body: unknown) => boolean;
  readonly fault: (body: unknown) => string;
}

/** Checks one side's messages: the check of a kind is made at its first use. */
class Gate<Message> {
  readonly #kinds: Readonly<Record<string, TProperties>>;
  readonly #checks = new Map<string, Check>();

  constructor(kinds: Readonly<Record<string, TProperties>>) {
    this.#kinds = kinds;
  }

  /** The message in a line. Throws SyntaxError with what is wrong. */
  read(line: string): Message {
    const value = JSON.parse(line) as { readonly kind?: unknown } | null;
    const kind = typeof value === "object" && value !== null ? String(value.kind) : "";
    const fields = Object.hasOwn(this.#kinds, kind) ? this.#kinds[kind] : undefined;
    if (fields === undefined) throw new SyntaxError(`Cannot read a line: no such kind: ${kind}`);
    let found = this.#checks.get(kind);
    if (found === undefined) {
      const body = objectOf(fields);
      found = { check: checkOf(body as SchemaNode), fault: faultFinder(body) };
      this.#checks.set(kind, found);
    }
    if (found.check(value)) return value as Message;
    throw new SyntaxError(`Cannot read ${kind}: ${found.fault(value)}`);
  }
}

/** What comes in at the event daemon. */
export function questionGate(): { read(line: string): EventQuestion } {
  return new Gate<EventQuestion>(QUESTIONS);
}

/** What comes in at the node. */
export function answerGate(): { read(line: string): EventAnswer } {
  return new Gate<EventAnswer>(ANSWERS);
}
