/**
 * What a program asks about cluster locks: questions in JSON with "do": "lock", and what is to be done as "what".
 *
 *   use  unuse  take  leave  told  left  wake  renew  news
 *
 * Does NOT promise: to know whether a program that maps the file does there what it says.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../transport/wire/terms.ts";
import type { Owner, Token } from "../machines/locks/value.ts";
import { GRANTS_MAX } from "../machines/locks/rules.ts";
import { GRACE_MS_MAX, LOCK_NAME_MAX } from "../machines/locks/value.ts";
import type { LockDesk, TakeWish } from "./lock_desk.ts";
import type { Session } from "./session.ts";
import { timeOf } from "./session_words.ts";

type Args = Readonly<Record<string, unknown>>;

const U32 = 0xffff_ffff;
const DIGITS = /^[0-9]{1,20}$/;

/** Does it. Throws CtdbxError. */
export async function lockAsk(
  { client, pid, parts: { host, clock } }: Session,
  args: Args,
): Promise<unknown> {
  const { locks } = host;
  if (locks === undefined) throw new CtdbxError("unsupported", "Cannot lock: the node has none");
  switch (args["what"]) {
    case "use": {
      const owner = await locks.use(client, key(args), graceOf(args));
      return { pnn: owner.pnn, incarnation: owner.incarnation, client };
    }
    case "unuse":
      return locks.unuse(client, key(args));
    case "take": {
      const end = await locks.take(client, wishOf(args, pid, clock.nowMs()));
      if (end.status !== "granted") return end;
      const { gen, seq, rsn } = end.token;
      return { status: "granted", token: { gen, seq, rsn } };
    }
    case "leave":
      return await locks.leave(client, key(args), number(args, "id", U32));
    case "told":
      return locks.told(client, wishOf(args, pid, clock.nowMs()), tokenOf(args["token"]));
    case "left":
      return locks.left(client, number(args, "id", U32));
    case "wake":
      return wake(locks, args);
    case "renew": {
      const ttlMs = timeOf(number(args, "ttlMs", U32));
      return { isHeld: locks.renew(client, number(args, "id", U32), ttlMs) };
    }
    case "news":
      return { lost: await locks.news(client) };
  }
  throw wrong("what", "a question about locks");
}

function wake(locks: LockDesk, args: Args): void {
  const owners = args["owners"];
  if (!Array.isArray(owners) || owners.length > GRANTS_MAX) throw wrong("owners", "a list");
  locks.wake(key(args), tokenOf(args["token"]), owners.map((each) => ownerOf(each as Args)));
}

function ownerOf(of: Args): Owner {
  return {
    pnn: number(of, "pnn", U32) as Pnn,
    incarnation: wide(of, "incarnation") as Incarnation,
    client: number(of, "client", U32),
    id: number(of, "id", U32),
  };
}

function wishOf(args: Args, pid: number, nowMs: number): TakeWish {
  const id = number(args, "id", U32);
  if (id === 0) throw wrong("id", "a number from 1");
  return {
    key: key(args),
    id,
    isExclusive: args["isExclusive"] !== false,
    isTry: args["isTry"] === true,
    pid,
    graceMs: graceOf(args),
    sinceMs: number(args, "sinceMs", Number.MAX_SAFE_INTEGER),
    untilMs: nowMs + timeOf(number(args, "timeoutMs", U32)),
  };
}

function graceOf(args: Args): number {
  return args["graceMs"] === undefined ? 0 : number(args, "graceMs", GRACE_MS_MAX);
}

function tokenOf(value: unknown): Token {
  if (typeof value !== "object" || value === null) throw wrong("token", "a token");
  const token = value as Args;
  return {
    gen: wide(token, "gen") as Generation,
    seq: number(token, "seq", U32),
    rsn: wide(token, "rsn") as Rsn,
  };
}

function wrong(name: string, form: string): CtdbxError {
  return new CtdbxError("state", `Cannot take the question: ${name} must be ${form}`);
}

function number(args: Args, name: string, max: number): number {
  const value = args[name];
  const isNumber = typeof value === "number" && Number.isInteger(value);
  if (isNumber && value >= 0 && value <= max) return value;
  throw wrong(name, `an integer from 0 to ${max}`);
}

function wide(args: Args, name: string): bigint {
  const value = args[name];
  if (typeof value === "string" && DIGITS.test(value)) return BigInt(value);
  throw wrong(name, "the digits of a u64");
}

function key(args: Args): string {
  const value = args["key"];
  const isText = typeof value === "string" && value.length >= 1 && value.length <= LOCK_NAME_MAX;
  // deno-lint-ignore no-control-regex
  if (isText && /^[\u0000-\u00ff]*$/.test(value)) return value;
  throw wrong("key", `1 to ${LOCK_NAME_MAX} characters U+0000 .. U+00FF`);
}
